"""What the tab Search calls: sparsities for this very photo within a latency budget.

A search runs step by step, and other runs come in between. The user may leave the tab, move the
sliders and stop; what was tried stays, and the search goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import gradio as gr
from gradio.utils import get_upload_folder

from app.engine.errors import explain
from app.engine.records import Result
from app.engine.search import (
    PhotoSearch,
    begin_search,
    make_storage,
    read_search,
)
from app.page.events import Changes, PageActions
from app.page.session import Session
from app.tabs.search.view import show_search
from sparsevit.search.run import FRONTIER_FILE

_QUIET_S = 0.2  # between two pictures of a search under way


class SearchHandlers:
    """Begins, runs and ends searches.

    Args:
        page: handlers of the whole page.
    """

    def __init__(self, page: PageActions) -> None:
        self._page = page

    def begin(
        self, session: Session, share: float, is_free: bool, trials: int, seed: int
    ) -> Changes:
        """Take a search on; it starts when a place is free. It replaces the user's last.

        Args:
            session: of the user; updated.
            share: latency budget as a share of dense.
            is_free: whether there is none.
            trials: schedules to try.
            seed: of everything random.
        """
        result = self._page.get_result(session)
        try:
            asked = read_search(None if is_free else share, trials, seed)
            search = begin_search(result, asked, session.search)
        except Exception as error:
            self._page.tell(error)
            return {}
        session.search = search
        return draw_search(session, result)

    def go_on(self, session: Session) -> Iterator[Changes]:
        """Run what :meth:`begin` took on."""
        search = session.search
        if search is None or not search.is_running or search.has_begun:
            return
        search.has_begun = True
        self._page.note_use(session)
        yield self._draw(session)
        try:
            yield from self._run(session, search)
        except Exception as error:
            if session.search is search:
                self._page.tell(error)
                search.problem = explain(error, self._page.engine.device)
        finally:
            search.is_running = False
        if session.search is search:
            yield self._draw(session)

    def stop(self, session: Session) -> Changes:
        """Stop after the step under way; what was tried stays."""
        if session.search is None:
            return {}
        session.search.is_running = False
        return self._draw(session)

    def use_best(self, session: Session) -> Changes:
        """Put the best so far on the sliders."""
        best = session.search.best if session.search is not None else None
        return {} if best is None else self._page.use_schedule(session, best.schedule)

    def use_point(self, session: Session, index: int) -> Changes:
        """Put a schedule that was tried on the sliders, by its number."""
        tried = session.search.tried if session.search is not None else ()
        if not 0 <= index < len(tried):
            return {}
        return self._page.use_schedule(session, tried[index].schedule)

    def _run(self, session: Session, search: PhotoSearch) -> Iterator[Changes]:
        drawn_s, has_best = 0.0, False
        folder = session.get_folder(get_upload_folder())
        search.storage = search.storage or make_storage()
        for progress in self._page.engine.search(
            *(search.photo, search.settings, search.asked, search.storage, folder),
            lambda: session.search is search and search.is_running,
        ):
            search.note_step(progress)
            if search.found is not None:
                search.file = folder / FRONTIER_FILE
            if session.search is not search:
                return
            if has_best != (search.best is not None):
                has_best = True
                yield self._draw(session)
            elif time.monotonic() - drawn_s > _QUIET_S:
                drawn_s = time.monotonic()
                yield {"search": show_search(search, self._page.get_result(session))}

    def _draw(self, session: Session) -> Changes:
        return draw_search(session, self._page.get_result(session))


def draw_search(session: Session, result: Result) -> Changes:
    """The tab: its buttons and how far the search has come."""
    search = session.search
    is_running = search is not None and search.is_running
    words = "Start"
    if search is not None:
        words = "Resume" if search.tried and search.found is None else "Search again"
    file = search.file if search is not None else None
    return {
        "search": show_search(search, result),
        "search_start": gr.update(value=words, visible=not is_running),
        "search_stop": gr.update(visible=is_running),
        "search_apply": gr.update(interactive=search is not None and search.best is not None),
        "search_file": gr.update(value=file and str(file), visible=file is not None),
    }
