"""What is suggested for a photo that is nothing for the network that looks at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from app.engine.newest import Superseded
from app.engine.protocol import Engine
from app.engine.records import Result, Settings
from app.engine.roads import RESTORER, ROADS, is_unsure
from app.page.events import Changes, PageActions
from app.page.session import Session
from app.page.templates import render

_RESTORE = 0  # number of the button


@dataclass
class SuggestionMemory:
    """What a user was asked.

    Attributes:
        is_dismissed: nothing is suggested any more.
        of: key of the photo that was judged last.
        sureness: of it, see :func:`app.engine.roads.measure_sureness`.
    """

    is_dismissed: bool = False
    of: str = ""
    sureness: float = 1.0


class SuggestionHandlers:
    """Suggests the network that restores any photo, and does what the user answers.

    Args:
        page: handlers of the whole page.
        open_settings: shows the photo on the screen with other settings.
    """

    def __init__(
        self, page: PageActions, open_settings: Callable[[Session, Settings], Changes]
    ) -> None:
        self._page = page
        self._open_settings = open_settings

    def suggest(self, session: Session) -> Changes:
        """Look whether the photo on the screen is a road scene, if that matters."""
        result, memory = self._page.get_result(session), session.recall(SuggestionMemory)
        if memory.is_dismissed or not may_suggest(self._page.engine, result):
            return {"suggestion": ""}
        moment = session.moment
        try:
            if memory.of != result.photo.key:
                sureness = self._page.engine.measure_sureness(result)
                memory.of, memory.sureness = result.photo.key, sureness
        except Superseded:
            return {}
        except Exception as error:
            self._page.tell(error)
            return {}
        if session.moment != moment and self._page.get_result(session).photo is not result.photo:
            return {}  # of a photo that is gone
        return {"suggestion": show_suggestion(is_unsure(memory.sureness))}

    def answer(self, session: Session, index: int) -> Changes:
        """Restore the photo, or ask no more.

        Args:
            session: of the user; updated.
            index: of the button that was pressed.
        """
        session.recall(SuggestionMemory).is_dismissed = True
        if index != _RESTORE:
            return {"suggestion": ""}
        settings = self._page.get_result(session).settings
        settings = replace(settings, model=RESTORER, task=None, painted=())
        return self._open_settings(session, settings) | {"suggestion": ""}


def may_suggest(engine: Engine, result: Result) -> bool:
    """Whether a photo is one of the user's own, and the networks are those that matter."""
    if result.photo.example is not None or result.settings.model != ROADS:
        return False
    return any(info.name == RESTORER for info in engine.list_models())


def show_suggestion(is_shown: bool) -> str:
    """The suggestion with its two buttons; nothing where there is none."""
    return render("page/suggestion.html") if is_shown else ""
