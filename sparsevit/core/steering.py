"""Deciding in place of the stages of a model which windows its blocks keep, and what they weigh."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from sparsevit.core.trace import read_context
from sparsevit.core.windows import WindowGrid

#: Stage and whether its windows are shifted: what has a ranking of its own.
Partition = tuple[int, bool]


@dataclass(frozen=True)
class Situation:
    """What there is to decide on: a block is about to run.

    Attributes:
        stage, block: 0-based stage, and block inside it.
        grid: the block's windows.
        score: gives (B, nW) float32 scores of the windows. They are the stage's own, taken where it
            ranks, and carry their gradient where gradients are recorded.
        keep_idx: (B, K) int64 windows that the stage would keep, the best first; None for all.
    """

    stage: int
    block: int
    grid: WindowGrid
    score: Callable[[], Tensor]
    keep_idx: Tensor | None

    @property
    def partition(self) -> Partition:
        """Where its windows are ranked."""
        return self.stage, any(self.grid.shift)


@dataclass(frozen=True)
class Choice:
    """What a block is to do.

    Attributes:
        keep_idx: (B, K) int64 windows to compute, None for all.
        gates: (B, K) factors of both residual branches of those windows, None for 1. They count
            where gradients are recorded, and nowhere else.
    """

    keep_idx: Tensor | None
    gates: Tensor | None = None

    @property
    def is_dense(self) -> bool:
        """True for what the host's own block does."""
        return self.keep_idx is None and self.gates is None


class Steering(Protocol):
    """Somebody who decides."""

    def choose(self, situation: Situation) -> Choice:
        """Decide what a block does."""


_steered: ContextVar[tuple[frozenset[int], Steering] | None] = ContextVar(
    "sparsevit_steered", default=None
)


@contextmanager
def steer(model: nn.Module, steering: Steering) -> Iterator[None]:
    """Let somebody decide for ``model`` in the forwards run inside the ``with`` block.

    Other models, and the same model in other threads, decide for themselves. A checkpoint that runs
    a whole stage again forgets the gates.

    Args:
        model: a sparsified model.
        steering: who decides; the innermost does.
    """
    token = _steered.set((frozenset(map(id, model.modules())), steering))
    try:
        yield
    finally:
        _steered.reset(token)


def find_steering(stage_module: object) -> Steering | None:
    """Who decides for a stage; None outside of :func:`steer`."""
    steered = read_context(_steered, None)
    return None if steered is None or id(stage_module) not in steered[0] else steered[1]
