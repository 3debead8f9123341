"""How what is on the screen gets its latency: at once, on demand, and anew when it is quiet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import gradio as gr

from app.engine.errors import explain
from app.engine.protocol import Engine
from app.engine.records import Result
from app.page.events import Changes
from app.page.screen import Screen
from app.page.session import MOST_RETRIES, Session
from app.page.tab import Tab


class TimingHandlers(ABC):
    """Times results while somebody looks at them.

    Args:
        engine: runs the networks.
        tabs: of the page, in order.
        warn: shows a sentence to the user.

    Attributes:
        engine: runs the networks.
        screen: draws.
    """

    def __init__(self, engine: Engine, tabs: Sequence[Tab], warn: Callable[[str], None]) -> None:
        self.engine = engine
        self.screen = Screen(engine, tabs)
        self._warn = warn

    def get_result(self, session: Session) -> Result:
        """What is on a user's screen."""
        return session.result or self.engine.first

    def tell(self, error: Exception) -> None:
        """Say in one sentence what went wrong."""
        self._warn(explain(error, self.engine.device))

    def measure(self, session: Session) -> Iterator[Changes]:
        """Measure the current result's latency, a few runs that refine while one looks."""
        yield from self._measure(session, self.engine.config.first_runs)

    def measure_again(self, session: Session) -> Iterator[Changes]:
        """Measure the current result's latency anew, with more runs."""
        result = self.get_result(session)
        session.result = replace(result, analysis=replace(result.analysis, latency=None))
        session.retries = 0
        runs = self.engine.config.more_runs
        yield self.screen.draw_numbers(session, session.result, runs)
        yield from self._measure(session, runs)

    def retry(self, session: Session) -> Iterator[Changes]:
        """Time a doubtful result anew if the machine is quiet now; the page asks at intervals."""
        moment, result = session.moment, self.get_result(session)
        if result.doubt is None or session.retries >= MOST_RETRIES:
            yield {"retry": gr.update(active=False)}
            return
        session.retries += 1
        runs = self.engine.config.first_runs
        try:
            if self.engine.is_quiet():
                for measured in self.engine.measure(result, runs, lambda: session.moment == moment):
                    result = measured
        except Exception as error:
            self.tell(error)
        if session.moment != moment:
            return
        if result.doubt is None:
            session.result = result
            session.note_try(result)
            yield self.screen.draw_numbers(session, result, runs) | {
                "retry": gr.update(active=False)
            }
            yield from self._complete(session)
        elif session.retries >= MOST_RETRIES:
            shown = self.screen.draw_numbers(session, self.get_result(session), 0)
            yield shown | {"retry": gr.update(active=False)}

    def _measure(self, session: Session, runs: int) -> Iterator[Changes]:
        moment, result = session.moment, self.get_result(session)
        latency = result.analysis.latency
        is_enough = latency is not None and len(latency.sparse.samples_ms) >= runs
        if is_enough and result.doubt is None:
            return
        try:
            for measured in self.engine.measure(result, runs, lambda: session.moment == moment):
                if session.moment != moment:
                    return
                session.result = measured
                session.note_try(measured)
                yield self.screen.draw_numbers(session, measured, runs)
        except Exception as error:
            self.tell(error)
            if session.moment == moment:
                yield self.screen.draw_numbers(session, self.get_result(session), 0)
            return
        if session.moment != moment:
            return
        if self.get_result(session).doubt is not None:
            yield {"retry": gr.update(active=True)}
        yield from self._complete(session)

    @abstractmethod
    def _complete(self, session: Session) -> Iterator[Changes]:
        """What follows once the current result is timed."""
