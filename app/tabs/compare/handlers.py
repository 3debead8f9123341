"""What the tab A against B calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr

from app.engine.comparing import measure_in_turn
from app.engine.newest import Superseded
from app.engine.records import Result, Settings
from app.page.events import Changes, PageActions
from app.page.pinning import PinHandlers
from app.page.session import Session
from app.tabs.compare.view import (
    make_comparison,
    make_wish,
    show_costs,
    show_facts,
    show_nothing,
)
from sparsevit.measure.latency import LatencyReport


@dataclass
class CompareMemory:
    """What the tab remembers of a user.

    Attributes:
        in_turn: latencies of A and B that were measured in turn.
        failed: key of a photo, and the settings that could not be computed on it.
    """

    in_turn: tuple[LatencyReport | None, LatencyReport | None] | None = None
    failed: tuple[str, Settings] | None = None


class CompareHandlers:
    """Holds what is on the screen against what is pinned.

    Args:
        page: handlers of the whole page.
    """

    def __init__(self, page: PageActions) -> None:
        self._page = page
        self._pins = PinHandlers(page)

    def press(self, session: Session, index: int) -> Changes:
        """The only button in the numbers pins the present setting."""
        return self._pins.pin(session) if session.pinned is None else {}

    def open(self, session: Session) -> Changes:
        """Open the tab; gradio tells nobody of a tab that was not pressed."""
        return self._page.open_tab(session, "compare") | {"tabs": gr.update(selected="compare")}

    def settle(self, session: Session) -> Changes:
        """Compute A on the photo that is on the screen, and draw the tab."""
        shown, pinned = self._page.get_result(session), session.pinned
        try:
            self._pins.settle(session)
        except Superseded:
            return {}  # the newer one draws the tab, which asks again
        except Exception as error:
            self._page.tell(error)
            if pinned is not None:
                failed = shown.photo.key, pinned.settings
                session.recall(CompareMemory).failed = failed
        return self._page.redraw(session)

    def time_both(self, session: Session) -> Iterator[Changes]:
        """Time A and B in turn, round by round."""
        shown, moment, engine = self._page.get_result(session), session.moment, self._page.engine
        pinned = session.get_pinned(shown)
        if pinned is None or pinned.photo.key != shown.photo.key:
            return
        runs = engine.config.more_runs

        def is_current() -> bool:
            return session.moment == moment and session.pinned is pinned

        try:
            for a, b in measure_in_turn(engine, pinned, shown, runs, is_current):
                if not is_current():
                    return
                session.pinned = pinned = a
                session.result = b
                latencies = a.analysis.latency, b.analysis.latency
                session.recall(CompareMemory).in_turn = latencies
                yield self._page.draw_numbers(session, runs)
        except Exception as error:
            self._page.tell(error)
            return
        if is_current() and session.result is not None:
            session.note_try(session.result)


def draw_costs(session: Session, result: Result) -> str:
    """What A and B cost, or what the tab is for while nothing is pinned."""
    pinned, memory = session.get_pinned(result), session.recall(CompareMemory)
    if pinned is None:
        return show_nothing("empty")
    if pinned.photo.key != result.photo.key:
        return show_nothing("failed" if _has_failed(session, pinned, result) else "computing")
    latencies = pinned.analysis.latency, result.analysis.latency
    return show_costs(pinned, result, memory.in_turn == latencies)


def draw_comparison(session: Session, result: Result) -> Changes:
    """The whole tab. Its view asks for A of another photo, unless that has failed."""
    pinned = session.get_pinned(result)
    if pinned is None or pinned.photo.key != result.photo.key:
        is_wanted = pinned is not None and not _has_failed(session, pinned, result)
        facts, compared = "", make_wish() if is_wanted else None
    else:
        facts, compared = show_facts(pinned, result), make_comparison(pinned, result)
    differ = compared is not None and pinned is not None and pinned.settings != result.settings
    return {
        "compare_costs": draw_costs(session, result),
        "compare_both": gr.update(visible=bool(facts) and differ),
        "compare_facts": facts,
        "compared": compared,
    }


def _has_failed(session: Session, pinned: Result, result: Result) -> bool:
    return session.recall(CompareMemory).failed == (result.photo.key, pinned.settings)
