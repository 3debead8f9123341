"""What the tab Trade-off calls."""

from __future__ import annotations

from collections.abc import Iterator

from app.engine.frontiers import find_shipped, list_curves, place_frontier
from app.engine.records import Result
from app.page.events import Changes, PageActions
from app.page.session import Session
from app.tabs.tradeoff.view import show_history, show_sizes


class TradeoffHandlers:
    """Goes back to what was tried, and measures what it is held against.

    Args:
        page: handlers of the whole page.
    """

    def __init__(self, page: PageActions) -> None:
        self._page = page

    def return_to(self, session: Session, index: int) -> Changes:
        """Go back to an entry of the history: its photo, network, size and sparsities.

        Args:
            session: of the user; updated.
            index: of the entry; -1, -2, ... are the points of the frontiers drawn behind.
        """
        if index < 0:
            curves = list_curves(session.search, session.placed, self._page.get_result(session))
            points = [point for curve in curves for point in curve.points]
            return self._page.go_back(session, points[-1 - index]) if -index <= len(points) else {}
        if index >= len(session.history):
            return {}
        return self._page.go_back(session, session.history[index])

    def compare_sizes(self, session: Session) -> Iterator[Changes]:
        """Hold the current result against the dense network at lower resolutions."""
        moment, result, engine = session.moment, self._page.get_result(session), self._page.engine
        try:
            for comparison in engine.compare_sizes(
                result, engine.config.compare_rounds, lambda: session.moment == moment
            ):
                session.comparison = comparison
                yield {"sizes": show_sizes(result, comparison)}
        except Exception as error:
            self._page.tell(error)

    def place_frontier(self, session: Session) -> Iterator[Changes]:
        """Run the frontier that ships with the network on the photo, to be drawn behind it."""
        moment, result = session.moment, self._page.get_result(session)
        shipped = find_shipped(result.settings)
        if shipped is None or session.tab != "tradeoff" or result.analysis.latency is None:
            return
        if result.doubt is not None:
            return  # what the machine is too busy for
        try:
            for placed in place_frontier(
                self._page.engine, result, shipped, session.placed, lambda: session.moment == moment
            ):
                session.placed = placed
                yield {"history": draw_history(session, self._page.get_result(session))}
        except Exception as error:
            self._page.tell(error)


def draw_history(session: Session, result: Result) -> str:
    """Everything tried, with the frontiers behind it."""
    curves = list_curves(session.search, session.placed, result)
    return show_history(result, session.history, curves)
