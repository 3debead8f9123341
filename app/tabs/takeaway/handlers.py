"""What the tab Take away calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

from app.engine.records import Result
from app.page.events import Changes, PageActions
from app.page.session import Session
from app.tabs.takeaway.interactive import make_interactive, name_interactive
from app.tabs.takeaway.view import make_filmstrip, name_filmstrip, write_zip
from sparsevit.package.choices import FigureFormat


class TakeawayHandlers:
    """Makes files of a result.

    Args:
        page: handlers of the whole page.
    """

    def __init__(self, page: PageActions) -> None:
        self._page = page

    def make_zip(self, session: Session) -> Changes:
        """All masks and figures of the current result as one file."""
        return self._offer(session, "zip", write_zip)

    def make_html(self, session: Session) -> Changes:
        """The current result as an interactive page in one file."""

        def write(result: Result, folder: Path) -> Path:
            path = folder / name_interactive(result)
            path.write_text(make_interactive(result), encoding="utf-8")
            return path

        return self._offer(session, "html", write)

    def make_svg(self, session: Session, stage: int) -> Changes:
        """The filmstrip of a stage, from 1, or of all blocks, 0, as SVG."""
        return self._make_figure(session, stage, "svg")

    def make_pdf(self, session: Session, stage: int) -> Changes:
        """The same as PDF."""
        return self._make_figure(session, stage, "pdf")

    def _make_figure(self, session: Session, stage: int, format: FigureFormat) -> Changes:
        def write(result: Result, folder: Path) -> Path:
            path = folder / name_filmstrip(result, stage, format)
            path.write_bytes(make_filmstrip(result, stage, format))
            return path

        return self._offer(session, "figure", write)

    def _offer(self, session: Session, name: str, write: Callable[[Result, Path], Path]) -> Changes:
        """Write a file of the current result, and show the button that downloads it.

        Args:
            session: of the user.
            name: of the button.
            write: takes the result and the user's folder.
        """
        try:
            folder = session.get_folder(get_upload_folder())
            path = write(self._page.get_result(session), folder)
        except Exception as error:
            self._page.tell(error)
            return {}
        label = {"label": f"Download {path.name}"} if name == "figure" else {}
        return {name: gr.update(value=str(path), visible=True, **label)}
