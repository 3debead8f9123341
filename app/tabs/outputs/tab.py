"""The tab Outputs."""

from __future__ import annotations

from app.engine.protocol import Engine
from app.engine.records import Result
from app.page.components import add_view
from app.page.events import Changes, Parts
from app.page.session import Session
from app.page.tab import Tab
from app.tabs.outputs.view import make_outputs


class OutputsTab(Tab):
    """What the dense and the sparse network answer."""

    id = "outputs"
    label = "Outputs"
    outputs = ("outputs",)

    def add(self, engine: Engine, shown: Changes) -> Parts:
        return {"outputs": add_view("outputs", None)}

    def draw(self, engine: Engine, session: Session, result: Result) -> Changes:
        return {"outputs": make_outputs(result)}
