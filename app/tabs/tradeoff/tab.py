"""The tab Trade-off."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from app.engine.protocol import Engine
from app.engine.records import Result
from app.page.components import add_figure
from app.page.events import TIMINGS, Changes, Events, PageActions, Parts, by_index
from app.page.session import Session
from app.page.tab import Tab
from app.tabs.tradeoff.handlers import TradeoffHandlers, draw_history
from app.tabs.tradeoff.view import can_compare_sizes, show_sizes


class TradeoffTab(Tab):
    """Everything tried so far, and sparse against dense at lower resolutions."""

    id = "tradeoff"
    label = "Trade-off"
    outputs = ("history", "compare", "sizes")
    numbers = ("history",)

    def add(self, engine: Engine, shown: Changes) -> Parts:
        return {
            "history": add_figure("", "sv-history"),
            "compare": gr.Button(
                "Compare with dense at lower resolutions on this photo", size="sm"
            ),
            "sizes": add_figure("", "sv-sizes"),
        }

    def draw(self, engine: Engine, session: Session, result: Result) -> Changes:
        return {
            "history": draw_history(session, result),
            "compare": gr.update(visible=can_compare_sizes(result)),
            "sizes": show_sizes(result, session.comparison),
        }

    def draw_numbers(self, session: Session, result: Result, runs: int) -> Changes:
        return {"history": draw_history(session, result)}

    def follow_timing(self, page: PageActions, session: Session) -> Iterator[Changes]:
        return TradeoffHandlers(page).place_frontier(session)

    def wire(self, events: Events) -> None:
        parts, handlers = events.parts, TradeoffHandlers(events.page)
        events.tie_run(
            parts["history"].select, by_index(handlers.return_to), "return_to", "measure_returned"
        )
        events.tie(
            *(parts["compare"].click, handlers.compare_sizes, ("sizes",), "compare_sizes_here"),
            **TIMINGS,
        )
        place_frontier = handlers.place_frontier
        events.tie_timing(
            parts["tradeoff_tab"].select, place_frontier, "place_frontier", ("history",)
        )
