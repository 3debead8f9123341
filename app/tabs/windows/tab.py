"""The tab Pruned windows: the first, so it shows something before there is a result."""

from __future__ import annotations

from app.engine.protocol import Engine
from app.engine.records import Opening, Result
from app.page.components import add_view
from app.page.events import Changes, Parts
from app.page.session import Session
from app.page.tab import Tab
from app.tabs.windows.view import announce_windows, make_windows


class WindowsTab(Tab):
    """Which windows every block skips."""

    id = "windows"
    label = "Pruned windows"
    outputs = ("windows",)

    def add(self, engine: Engine, shown: Changes) -> Parts:
        return {"windows": add_view("windows", shown.get("windows"))}

    def announce(self, opening: Opening) -> Changes:
        return {"windows": announce_windows(opening)}

    def draw(self, engine: Engine, session: Session, result: Result) -> Changes:
        return {"windows": make_windows(result)}
