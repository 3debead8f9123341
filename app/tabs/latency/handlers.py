"""What the tab Latency calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from app.page.events import Changes, PageActions
from app.page.session import Session
from app.tabs.latency.view import show_latency


class LatencyHandlers:
    """Measures what only this tab shows.

    Args:
        page: handlers of the whole page.
    """

    def __init__(self, page: PageActions) -> None:
        self._page = page

    def measure_memory(self, session: Session) -> Iterator[Changes]:
        """Measure the memory of the current result, once it is timed."""
        moment, result, engine = session.moment, self._page.get_result(session), self._page.engine
        if result.analysis.latency is None or result.peak_mb:
            return
        try:
            measured = engine.measure_memory(result)
        except Exception as error:
            self._page.tell(error)
            return
        if session.moment == moment:
            session.result = replace(self._page.get_result(session), peak_mb=measured.peak_mb)
            yield {"latency": show_latency(session.result, engine.config.first_runs)}
