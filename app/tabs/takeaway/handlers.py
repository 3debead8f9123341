"""What the tab Take away calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from app.engine.records import Result
from app.page.events import Changes, PageActions
from app.page.session import Session
from app.tabs.takeaway.interactive import make_interactive, name_interactive
from app.tabs.takeaway.view import make_filmstrip, name_filmstrip, write_zip
from sparsevit.package.choices import FigureFormat

#: What the button that downloads a file is while there is none.
NOTHING_MADE: dict[str, Any] = {
    "label": "Download: nothing made yet",
    "value": None,
    "interactive": False,
    "variant": "secondary",
}


class TakeawayHandlers:
    """Makes files of a result.

    Args:
        page: handlers of the whole page.
    """

    def __init__(self, page: PageActions) -> None:
        self._page = page

    def make_zip(self, session: Session) -> Iterator[Changes]:
        """All masks and figures of the current result as one file."""
        yield from self._offer(session, write_zip)

    def make_html(self, session: Session) -> Iterator[Changes]:
        """The current result as an interactive page in one file."""

        def write(result: Result, folder: Path) -> Path:
            path = folder / name_interactive(result)
            path.write_text(make_interactive(result), encoding="utf-8")
            return path

        yield from self._offer(session, write)

    def make_svg(self, session: Session, stage: int) -> Iterator[Changes]:
        """The filmstrip of a stage, from 1, or of all blocks, 0, as SVG."""
        yield from self._make_figure(session, stage, "svg")

    def make_pdf(self, session: Session, stage: int) -> Iterator[Changes]:
        """The same as PDF."""
        yield from self._make_figure(session, stage, "pdf")

    def _make_figure(self, session: Session, stage: int, format: FigureFormat) -> Iterator[Changes]:
        def write(result: Result, folder: Path) -> Path:
            path = folder / name_filmstrip(result, stage, format)
            path.write_bytes(make_filmstrip(result, stage, format))
            return path

        return self._offer(session, write)

    def _offer(self, session: Session, write: Callable[[Result, Path], Path]) -> Iterator[Changes]:
        """Write a file of the current result, and offer it on the button that downloads it.

        Args:
            session: of the user.
            write: takes the result and the user's folder.
        """
        yield {"file": gr.update(**NOTHING_MADE | {"label": "Being made…"})}
        try:
            folder = session.get_folder(get_upload_folder())
            path = write(self._page.get_result(session), folder)
        except Exception as error:
            self._page.tell(error)
            yield {"file": gr.update(**NOTHING_MADE)}
            return
        label = f"Download {path.name}"
        yield {"file": gr.update(value=str(path), label=label, interactive=True, variant="primary")}
