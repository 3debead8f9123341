"""What the tab Learn calls."""

from __future__ import annotations

from dataclasses import dataclass

from app.engine.protocol import Engine
from app.engine.records import Result
from app.page.events import Changes, PageActions
from app.page.session import Session
from app.tabs.learn.view import choose_block, make_learn


@dataclass
class LearnMemory:
    """What the tab remembers of a user.

    Attributes:
        block: the one that is explained; None for the first that prunes.
    """

    block: int | None = None


class LearnHandlers:
    """Explains blocks.

    Args:
        page: handlers of the whole page.
    """

    def __init__(self, page: PageActions) -> None:
        self._page = page

    def explain_block(self, session: Session, index: int) -> Changes:
        """Explain another block."""
        session.recall(LearnMemory).block = max(0, index)
        try:
            result = self._page.get_result(session)
            return {"learn": draw_learn(self._page.engine, session, result)}
        except Exception as error:
            self._page.tell(error)
            return {}


def draw_learn(engine: Engine, session: Session, result: Result) -> str:
    """The explanation, with the tensors of the block that the user chose."""
    blocks, index = result.analysis.blocks, session.recall(LearnMemory).block
    if index is None or index >= len(blocks):
        index = choose_block(result)
    return make_learn(result, engine.trace_block(result, index))
