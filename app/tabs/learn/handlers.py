"""What the tab Learn calls."""

from __future__ import annotations

from dataclasses import dataclass

from app.engine.protocol import Engine
from app.engine.records import Result
from app.page.events import Changes, PageActions
from app.page.session import Session
from app.page.worth import recall_worth
from app.tabs.learn.view import choose_block, make_learn
from sparsevit.data.reader import ImageError
from sparsevit.inspect.worth import join_worth


@dataclass
class LearnMemory:
    """What the tab remembers of a user.

    Attributes:
        block: the one that is explained; None for the first that prunes.
        asks_worth: whether its last step was looked at, which needs a measurement.
    """

    block: int | None = None
    asks_worth: bool = False


class LearnHandlers:
    """Explains blocks.

    Args:
        page: handlers of the whole page.
    """

    def __init__(self, page: PageActions) -> None:
        self._page = page

    def explain_block(self, session: Session, index: int, asks_worth: bool = False) -> Changes:
        """Explain another block, or also what its windows are worth."""
        memory, result = session.recall(LearnMemory), self._page.get_result(session)
        memory.block = max(0, index)
        try:
            if asks_worth:
                self._page.note_use(session)
                recall_worth(self._page.engine, session, result)
                memory.asks_worth = True
            return {"learn": draw_learn(self._page.engine, session, result)}
        except Exception as error:
            self._page.tell(error)
            return {}


def draw_learn(engine: Engine, session: Session, result: Result) -> str:
    """The explanation, with the tensors of the block that the user chose."""
    memory, blocks = session.recall(LearnMemory), result.analysis.blocks
    index, part = memory.block, None
    if index is None or index >= len(blocks):
        index = choose_block(result)
    if memory.asks_worth:
        try:
            parts = join_worth(recall_worth(engine, session, result).blocks)
            part = parts[blocks[index].stage, blocks[index].shifted]
        except ImageError:
            memory.asks_worth = False  # too large a picture now; who asks again is told so
    return make_learn(result, engine.trace_block(result, index), part)
