"""The tab Latency."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from app.engine.protocol import Engine
from app.engine.records import Result
from app.page.components import add_figure
from app.page.events import Changes, Events, PageActions, Parts
from app.page.session import Session
from app.page.tab import Tab
from app.tabs.latency.handlers import LatencyHandlers
from app.tabs.latency.view import show_latency


class LatencyTab(Tab):
    """Measured latency beside the ideal, and memory."""

    id = "latency"
    label = "Latency"
    outputs = ("latency",)
    numbers = ("latency",)

    def add(self, engine: Engine, shown: Changes) -> Parts:
        words = f"Measure again ({engine.config.more_runs} runs)"
        return {"latency": add_figure("", "sv-latency"), "again": gr.Button(words, size="sm")}

    def draw(self, engine: Engine, session: Session, result: Result) -> Changes:
        return {"latency": show_latency(result, engine.config.first_runs)}

    def draw_numbers(self, session: Session, result: Result, runs: int) -> Changes:
        return {"latency": show_latency(result, runs)}

    def follow_timing(self, page: PageActions, session: Session) -> Iterator[Changes]:
        return LatencyHandlers(page).measure_memory(session)

    def wire(self, events: Events) -> None:
        parts, page = events.parts, events.page
        events.tie_timing(parts["again"].click, page.measure_again, "measure_again")
        measure_memory = LatencyHandlers(page).measure_memory
        events.tie_timing(
            parts["latency_tab"].select, measure_memory, "measure_memory", ("latency",)
        )
