"""What the lens calls."""

from __future__ import annotations

from dataclasses import dataclass

from app.engine.protocol import Engine
from app.engine.records import Result
from app.page.session import Session
from app.tabs.lens.view import make_lens
from sparsevit.core.trace import BlockTrace


@dataclass
class LensMemory:
    """What the tab remembers of a user.

    Attributes:
        blocks: of the result looked at last; a result keeps its own while its latency is measured.
        value: what was drawn of it.
    """

    blocks: tuple[BlockTrace, ...] | None = None
    value: str = ""


def draw_lens(engine: Engine, session: Session, result: Result) -> str:
    """The look through the network, which runs once for each result."""
    memory, blocks = session.recall(LensMemory), result.analysis.blocks
    if memory.blocks is not blocks:
        memory.value = make_lens(result, engine.look_through(result))
        memory.blocks = blocks
    return memory.value
