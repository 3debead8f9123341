"""What a user does with a pinned result: see ``pin.py``."""

from __future__ import annotations

from dataclasses import replace

from app.engine.newest import Superseded
from app.engine.records import Result
from app.page.events import Changes, PageActions
from app.page.session import Session


class PinHandlers:
    """Pins what is on the screen, and lets it go.

    Args:
        page: handlers of the whole page.
    """

    def __init__(self, page: PageActions) -> None:
        self._page = page

    def pin(self, session: Session) -> Changes:
        """What is on the screen becomes A."""
        session.pinned = self._page.get_result(session)
        return self._page.redraw(session)

    def unpin(self, session: Session) -> Changes:
        """Forget A."""
        session.pinned = None
        return self._page.redraw(session)

    def swap(self, session: Session) -> Changes:
        """A goes to the screen, with its controls; what was there becomes A."""
        try:
            shown, pinned = self._page.get_result(session), self.settle(session)
        except Superseded:
            return {}
        except Exception as error:
            self._page.tell(error)
            return {}
        if pinned is None:
            return {}
        session.pinned = shown
        return self._page.show(session, pinned)

    def settle(self, session: Session) -> Result | None:
        """A of the photo on the screen, computed if it was pinned on another; None without A.

        Raises:
            Superseded: something newer was asked for meanwhile.
            Exception: of :meth:`app.engine.protocol.Engine.analyze`.
        """
        shown, moment = self._page.get_result(session), session.moment
        pinned = session.get_pinned(shown)
        if pinned is None or pinned.photo.key == shown.photo.key:
            return pinned
        self._page.note_use(session)
        # The lens is that of this photo, and windows were painted on the other one.
        settings = replace(pinned.settings, focal_mm=shown.settings.focal_mm, painted=())
        result = self._page.engine.analyze(shown.photo, settings, lambda: session.moment == moment)
        if session.moment != moment or session.pinned is not pinned:
            raise Superseded
        session.pinned = result
        return result
