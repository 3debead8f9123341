"""What a tab is to the page around it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from app.engine.protocol import Engine
from app.engine.records import Opening, Result
from app.page.events import Changes, Events, PageActions, Parts
from app.page.session import Session


class Tab(ABC):
    """One tab: a folder of ``app/tabs`` and a line in its registry.

    A tab keeps nothing itself. What it remembers of a user is in :meth:`Session.recall`, or in a
    gr.State that it adds.

    Attributes:
        id: its name in the program.
        label: its name on the page.
        outputs: names of those of its components that any handler may change.
        numbers: those of them that every further timed run changes.
    """

    id: str
    label: str
    outputs: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    @abstractmethod
    def add(self, engine: Engine, shown: Changes) -> Parts:
        """Put its components where this is called.

        Args:
            engine: has started, or is starting.
            shown: what the page opens with; what a tab shows is in it if it is the first.

        Returns:
            The components by name; the names are its own among all tabs.
        """

    def announce(self, opening: Opening) -> Changes:
        """What it shows before the first result is there; asked of the first tab only."""
        return {}

    def draw(self, engine: Engine, session: Session, result: Result) -> Changes:
        """What it shows of a result; asked whenever it is open and that changes.

        Args:
            engine: that made the result.
            session: of the user.
            result: what is on the screen.
        """
        return {}

    def draw_numbers(self, session: Session, result: Result, runs: int) -> Changes:
        """What a further timed run changes while it is open.

        Args:
            session: of the user.
            result: with what is known so far.
            runs: timed runs there will be; 0 if timing failed.
        """
        return {}

    def follow_timing(self, page: PageActions, session: Session) -> Iterator[Changes]:
        """What else is measured, while it is open, once the current result is timed."""
        yield from ()

    def wire(self, events: Events) -> None:  # noqa: B027 (a tab may have no events)
        """Tie its events to handlers, and add its endpoints for programs."""
