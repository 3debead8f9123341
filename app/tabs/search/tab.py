"""The tab Search."""

from __future__ import annotations

import gradio as gr

from app.engine.protocol import Engine
from app.engine.records import Result
from app.engine.search import BUDGETS, MOST_TRIALS
from app.page.components import add_figure
from app.page.events import LOOKS, SEARCHES, Changes, Events, Parts, by_index
from app.page.session import Session
from app.page.tab import Tab
from app.tabs.search.handlers import SearchHandlers, draw_search
from app.tabs.search.view import show_search

_TRIALS, _BUDGET = 60, 0.6  # to start with


class SearchTab(Tab):
    """Finds sparsities for the current photo."""

    id = "search"
    label = "Search"
    outputs = ("search", "search_start", "search_stop", "search_apply", "search_file")
    numbers = ("search",)

    def add(self, engine: Engine, shown: Changes) -> Parts:
        parts: Parts = {}
        with gr.Row(elem_classes="sv-search-controls"):
            parts["search_share"] = gr.Slider(
                *BUDGETS,
                value=_BUDGET,
                step=0.05,
                label="Budget, share of dense latency",
                buttons=[],
                scale=3,
                min_width=220,
            )
            parts["search_free"] = gr.Checkbox(label="no budget", scale=0, min_width=110)
            parts["search_trials"] = gr.Number(
                _TRIALS,
                precision=0,
                minimum=1,
                maximum=MOST_TRIALS,
                label="Trials",
                scale=1,
                min_width=80,
            )
            parts["search_start"] = gr.Button("Start", variant="primary", scale=1, min_width=110)
            parts["search_stop"] = gr.Button("Stop", visible=False, scale=1, min_width=110)
        parts["search"] = add_figure("", "sv-search")
        with gr.Row():
            parts["search_apply"] = gr.Button(
                "Put the best on the sliders", size="sm", interactive=False
            )
            parts["search_file"] = gr.DownloadButton(
                "Download frontier.json", size="sm", visible=False
            )
        with gr.Accordion("More", open=False):
            parts["search_seed"] = gr.Number(0, precision=0, minimum=0, label="Seed of the search")
        return parts

    def draw(self, engine: Engine, session: Session, result: Result) -> Changes:
        return draw_search(session, result)

    def draw_numbers(self, session: Session, result: Result, runs: int) -> Changes:
        return {"search": show_search(session.search, result)}

    def wire(self, events: Events) -> None:
        parts, handlers = events.parts, SearchHandlers(events.page)
        asked = ("search_share", "search_free", "search_trials", "search_seed")
        begun = events.tie(
            *(parts["search_start"].click, handlers.begin, self.outputs, "begin_search", asked),
            **LOOKS,
        )
        events.tie(
            *(begun.then, handlers.go_on, self.outputs, "go_on_searching"),
            show_progress="hidden",
            trigger_mode="multiple",
            **SEARCHES,
        )
        events.tie(
            *(parts["search_stop"].click, handlers.stop, self.outputs, "stop_search"), **LOOKS
        )
        parts["search_free"].change(
            lambda is_free: gr.update(interactive=not is_free),
            parts["search_free"],
            parts["search_share"],
            **LOOKS,
            api_visibility="private",
        )
        events.tie_run(parts["search_apply"].click, handlers.use_best, "use_best", "measure_best")
        events.tie_run(
            parts["search"].select, by_index(handlers.use_point), "use_point", "measure_point"
        )
