"""The tab that shows where the sparse network goes wrong."""

from __future__ import annotations

from app.engine.protocol import Engine
from app.engine.records import Result
from app.page.components import add_view
from app.page.events import Changes, Parts
from app.page.session import Session
from app.page.tab import Tab
from app.tabs.lens.handlers import draw_lens


class LensTab(Tab):
    """What can be read off after each stage, dense and sparse, and every region of the errors."""

    id = "lens"
    label = "Where it errs"
    outputs = ("lens",)

    def add(self, engine: Engine, shown: Changes) -> Parts:
        return {"lens": add_view("lens", None)}

    def draw(self, engine: Engine, session: Session, result: Result) -> Changes:
        return {"lens": draw_lens(engine, session, result)}
