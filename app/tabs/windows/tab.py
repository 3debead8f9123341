"""The tab Pruned windows: the first, so it shows something before there is a result."""

from __future__ import annotations

from app.engine.protocol import Engine
from app.engine.records import Opening, Result
from app.page.components import add_view
from app.page.events import CHOICES, Changes, Events, Parts
from app.page.session import Session
from app.page.tab import Tab
from app.tabs.windows.handlers import WindowsHandlers, draw_windows
from app.tabs.windows.view import announce_windows


class WindowsTab(Tab):
    """Which windows every block skips."""

    id = "windows"
    label = "Pruned windows"
    outputs = ("windows",)

    def add(self, engine: Engine, shown: Changes) -> Parts:
        return {
            "windows": add_view("windows", shown.get("windows")),
            "worth": add_view("worth", None, visible="hidden"),
        }

    def announce(self, opening: Opening) -> Changes:
        return {"windows": announce_windows(opening)}

    def draw(self, engine: Engine, session: Session, result: Result) -> Changes:
        return {"windows": draw_windows(engine, session, result)}

    def wire(self, events: Events) -> None:
        ask = WindowsHandlers(events.page).ask_worth
        events.tie(events.parts["windows"].select, ask, ("worth",), "ask_worth", **CHOICES)
