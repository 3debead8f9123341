"""What windows are worth to a network's output, measured once for a photo and remembered."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from app.engine.protocol import Engine
from app.engine.records import Result
from app.page.common import photo_key
from app.page.session import Session
from sparsevit.inspect.worth import WindowWorth


@dataclass
class WorthMemory:
    """What is remembered of a user.

    Attributes:
        key: of the result that the rest is of.
        blocks: worth of every block's windows.
        left: words about the window that was left out last, and which one that was.
    """

    key: str = ""
    blocks: list[WindowWorth] = field(default_factory=list)
    left: dict[str, Any] | None = None


def name_worth(result: Result) -> str:
    """Stands for what the worth of windows depends on: the dense network on a photo.

    It leaves this machine, so a network's file is not named in it.
    """
    settings, size = result.settings, result.analysis.prepared.input_size
    facts = photo_key(result.photo, size), settings.model, settings.task, settings.focal_mm
    return sha256(repr(facts).encode()).hexdigest()[:16]


def recall_worth(engine: Engine, session: Session, result: Result) -> WorthMemory:
    """The worth of a result's windows, measured if that was of another photo or network.

    Raises:
        ValueError: an output that no objective is known for.
        ImageError: memory is too small for it at this size.
    """
    memory, key = session.recall(WorthMemory), name_worth(result)
    if memory.key != key:
        blocks = engine.measure_worth(result)
        memory.key, memory.blocks, memory.left = key, blocks, None
    return memory
