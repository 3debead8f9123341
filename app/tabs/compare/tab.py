"""The tab A against B."""

from __future__ import annotations

import gradio as gr

from app.engine.protocol import Engine
from app.engine.records import Result
from app.page.components import add_figure, add_view
from app.page.events import CHOICES, RUNS, Changes, Events, Parts, by_index
from app.page.session import Session
from app.page.tab import Tab
from app.tabs.compare.handlers import CompareHandlers, draw_comparison, draw_costs


class CompareTab(Tab):
    """What is pinned, A, against what is on the screen, B."""

    id = "compare"
    label = "A against B"
    outputs = ("compare_costs", "compare_both", "compare_facts", "compared")
    numbers = ("compare_costs",)

    def add(self, engine: Engine, shown: Changes) -> Parts:
        parts: Parts = {}
        with gr.Row(elem_classes="sv-ab-numbers"):
            with gr.Column(scale=1, min_width=300):
                parts["compare_costs"] = add_figure("", "sv-ab-costs")
                parts["compare_both"] = gr.Button(
                    f"Time A and B in turn ({engine.config.more_runs} rounds)",
                    size="sm",
                    visible=False,
                )
            with gr.Column(scale=1, min_width=300):
                parts["compare_facts"] = add_figure("", "sv-ab-facts")
        parts["compared"] = add_view("compare", None, ("settle",))
        return parts

    def draw(self, engine: Engine, session: Session, result: Result) -> Changes:
        return draw_comparison(session, result)

    def draw_numbers(self, session: Session, result: Result, runs: int) -> Changes:
        return {"compare_costs": draw_costs(session, result)}

    def wire(self, events: Events) -> None:
        parts, handlers = events.parts, CompareHandlers(events.page)
        pinned = ("pin", "place", *self.outputs)
        events.tie(
            *(parts["compare_costs"].select, by_index(handlers.press), pinned, "pin_here"),
            **CHOICES,
        )
        events.tie(
            *(parts["pin"].compare, handlers.open, ("tabs", *self.outputs), "open_compare"),
            **CHOICES,
        )
        events.tie(
            *(parts["compared"].settle, handlers.settle, pinned, "settle_pinned"),
            show_progress="minimal",
            show_progress_on=parts["headline"],
            trigger_mode="multiple",
            **RUNS,
        )
        events.tie_timing(parts["compare_both"].click, handlers.time_both, "time_both")
