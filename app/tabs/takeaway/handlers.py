"""What the tab Take away calls."""

from __future__ import annotations

import gradio as gr
from gradio.utils import get_upload_folder

from app.page.events import Changes, PageActions
from app.page.session import Session
from app.tabs.takeaway.view import write_zip


class TakeawayHandlers:
    """Makes files of a result.

    Args:
        page: handlers of the whole page.
    """

    def __init__(self, page: PageActions) -> None:
        self._page = page

    def make_zip(self, session: Session) -> Changes:
        """All masks and figures of the current result as one file."""
        try:
            folder = session.get_folder(get_upload_folder())
            path = write_zip(self._page.get_result(session), folder)
        except Exception as error:
            self._page.tell(error)
            return {}
        return {"zip": gr.update(value=str(path), visible=True)}
