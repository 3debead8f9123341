"""What is drawn on the page for a result: always the numbers, else only what is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from app.engine.protocol import Engine
from app.engine.records import Result
from app.page.address import make_address
from app.page.common import photo_key
from app.page.events import Changes
from app.page.headline import announce_fed, announce_headline, show_fed, show_headline
from app.page.menus import NATIVE, list_choices, list_sides
from app.page.panel import announce_panel, make_panel
from app.page.photo import describe_photo, make_photo
from app.page.pin import make_pin
from app.page.session import MOST_RETRIES, Session
from app.page.tab import Tab
from app.page.task import make_task_switch

_OF_NO_TAB = (
    *("photo", "model", "short_side", "panel", "task"),
    *("fed", "suggestion", "headline", "picture", "place", "pin"),
)


class Screen:
    """Draws what belongs to no tab, and asks the open tab for the rest.

    Args:
        engine: that makes the results.
        tabs: of the page, in order; it opens with the first.

    Attributes:
        tabs: in order.
        outputs: names of everything that another result may change.
        of_tabs: names of those of them that are in tabs.
        numbers: names of everything that a further timed run may change.
    """

    def __init__(self, engine: Engine, tabs: Sequence[Tab]) -> None:
        self._engine = engine
        self.tabs = tuple(tabs)
        self.of_tabs = tuple(name for tab in tabs for name in tab.outputs)
        self.outputs = (*_OF_NO_TAB, *self.of_tabs, "retry")
        self.numbers = ("headline", "pin", *(name for tab in tabs for name in tab.numbers), "retry")

    def find_tab(self, session: Session) -> Tab:
        """The tab that a user has open."""
        return next((tab for tab in self.tabs if tab.id == session.tab), self.tabs[0])

    def draw_opening(self) -> Changes:
        """What a page shows when it is opened: the first result, or what stands in its place."""
        if self._engine.has_first:
            return self.draw_first(self._engine.first)
        opening = self._engine.opening
        return {
            "fed": announce_fed(opening),
            "headline": announce_headline(opening),
            "picture": describe_photo(opening.photo, opening.size),
            "panel": announce_panel(opening),
            "task": make_task_switch(opening),
            **self.tabs[0].announce(opening),
        }

    def draw_first(self, first: Result, asked: float | None = None) -> Changes:
        """The first result.

        Args:
            first: it.
            asked: see :func:`app.page.panel.make_panel`.
        """
        return {
            "fed": show_fed(first),
            "headline": show_headline(first, self._engine.config.start_runs),
            "picture": make_photo(first),
            "panel": make_panel(first, asked),
            "task": make_task_switch(first, asked),
            "short_side": self._draw_side(first),  # memory may have run out
            **self.tabs[0].draw(self._engine, Session(), first),
        }

    def draw_result(
        self,
        session: Session,
        result: Result,
        before: Result | None,
        asked: float | None = None,
    ) -> Changes:
        """What a new result changes on the page, all but the open tab.

        Args:
            session: whose page it is.
            result: the new one.
            before: what was on the page; None if that was no result yet.
            asked: see :func:`app.page.panel.make_panel`.
        """
        changes = self.draw_numbers(session, result, self._engine.config.first_runs)
        changes["fed"] = show_fed(result)
        is_same = before is not None and (
            (before.photo.key, before.settings.model) == (result.photo.key, result.settings.model)
        )
        if not is_same:
            changes["suggestion"] = ""  # what it was about is gone
        changes["place"] = self._draw_place(session, result)
        if before is None or _find_photo_key(result) != _find_photo_key(before):
            changes["picture"] = make_photo(result)
        panel, now = make_panel(result, asked), result.settings
        if (
            before is None
            or (before.settings.model, before.settings.task) != (now.model, now.task)
            or panel != make_panel(replace(before, settings=now), asked)
            or before.settings.painted != now.painted  # it may have been left out
            or result.note
        ):
            changes["panel"] = panel  # another network or size: other windows, other presets
        task = make_task_switch(result, asked)
        if before is None or task != make_task_switch(before, asked):
            changes["task"] = task
        if before is None or now.model != before.settings.model:
            changes["model"] = self._draw_model(result)  # it may be here now
        if result.note:
            changes["short_side"] = self._draw_side(result)
        return changes

    def draw_controls(
        self, session: Session, result: Result, asked: float | None = None
    ) -> Changes:
        """Set the controls to what a result was made with, all but the photo.

        Args:
            session: whose page it is.
            result: the one on the screen.
            asked: see :func:`app.page.panel.make_panel`.
        """
        return {
            "model": self._draw_model(result),
            "short_side": self._draw_side(result),
            "panel": make_panel(result, asked),
            "task": make_task_switch(result, asked),
            "place": self._draw_place(session, result),
        }

    def draw_pin(self, session: Session, result: Result) -> Changes:
        """What is pinned beside a result, and the address, which names both."""
        pinned = session.get_pinned(result)
        return {"pin": make_pin(result, pinned), "place": self._draw_place(session, result)}

    def draw_numbers(self, session: Session, result: Result, runs: int) -> Changes:
        """What a further timed run changes.

        Args:
            session: whose page it is.
            result: with what is known so far.
            runs: timed runs there will be; 0 if timing failed.
        """
        will_retry = session.retries < MOST_RETRIES
        changes: Changes = {"headline": show_headline(result, runs, will_retry)}
        changes["pin"] = make_pin(result, session.get_pinned(result))
        return changes | self.find_tab(session).draw_numbers(session, result, runs)

    def draw_tab(self, session: Session, result: Result) -> Changes:
        """What the open tab shows."""
        return self.find_tab(session).draw(self._engine, session, result)

    def _draw_place(self, session: Session, result: Result) -> str:
        return make_address(result, session.pinned, self._engine.config.model)

    def _draw_model(self, result: Result) -> dict[str, Any]:
        """The menu of networks, with words for a file that is none of its own."""
        name = result.settings.model
        return gr.update(value=name, choices=list_choices(self._engine.list_models(), name))

    def _draw_side(self, result: Result) -> dict[str, Any]:
        """The menu of resolutions; gradio refuses a value that is none of its choices."""
        side = result.settings.short_side
        return gr.update(value=side or NATIVE, choices=list_sides(self._engine.config, side))


def _find_photo_key(result: Result) -> str:
    return photo_key(result.photo, result.analysis.prepared.input_size)
