"""The tab Learn."""

from __future__ import annotations

from app.engine.protocol import Engine
from app.engine.records import Result
from app.page.components import add_view
from app.page.events import CHOICES, Changes, Events, Parts, by_index
from app.page.session import Session
from app.page.tab import Tab
from app.tabs.learn.handlers import LearnHandlers, draw_learn


class LearnTab(Tab):
    """How window pruning works, on the current photo."""

    id = "learn"
    label = "Learn"
    outputs = ("learn",)

    def add(self, engine: Engine, shown: Changes) -> Parts:
        return {"learn": add_view("learn", None)}

    def draw(self, engine: Engine, session: Session, result: Result) -> Changes:
        return {"learn": draw_learn(engine, session, result)}

    def wire(self, events: Events) -> None:
        explain_block = by_index(LearnHandlers(events.page).explain_block)
        events.tie(
            *(events.parts["learn"].select, explain_block, ("learn",), "explain_block"), **CHOICES
        )
