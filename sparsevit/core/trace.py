"""What one forward kept, block by block. Recorded only inside :func:`capture`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from sparsevit.core.windows import WindowGrid, get_window_grid, map_tokens_to_windows
from sparsevit.package.choices import Score


@dataclass(frozen=True)
class BlockTrace:
    """The windows one block kept (CPU copies).

    Attributes:
        stage, block: 0-based stage, and block inside it.
        shifted: whether the block's windows are shifted.
        keep_mask: (B, rows, cols) bool, True where the window was computed.
        scores: (B, rows, cols) float32, the scores the ranking used.
        grid: the block's windows.
        scored_block: 0-based block of the same stage whose input the scores were taken from: the
            first pruned one since the stage ranked, the block itself before that.
        score: what kind of scores, one of ``sparsevit.SCORES``.
    """

    stage: int
    block: int
    shifted: bool
    keep_mask: Tensor
    scores: Tensor
    grid: WindowGrid
    scored_block: int
    score: Score = "rms"

    @property
    def total(self) -> int:
        """nW, windows of one image."""
        return self.grid.num_windows

    @property
    def kept(self) -> int:
        """K, windows computed of one image."""
        return int(self.keep_mask[0].sum())

    def token_mask(self, image: int = 0) -> Tensor:
        """(H, W) bool, True for the tokens of image ``image`` that the block computed."""
        return self.keep_mask[image].flatten()[map_tokens_to_windows(self.grid)]


#: Grid, kept windows, scores, scored block and kind of scores of a block, as they were recorded.
_Noted = tuple[WindowGrid, Tensor | None, Tensor, int, Score]


@dataclass
class Trace:
    """Records of the latest forward of one model inside :func:`capture`."""

    _members: frozenset[int]
    _pending: dict[tuple[int, int], _Noted] = field(default_factory=dict)

    def wants(self, stage_module: object) -> bool:
        """True when this trace belongs to the model that holds ``stage_module``."""
        return id(stage_module) in self._members

    def record(
        self,
        stage: int,
        block: int,
        grid: WindowGrid,
        keep_idx: Tensor | None,
        scores: Tensor,
        scored_block: int,
        score: Score,
    ) -> None:
        """Note what a block kept; tensors stay on their device until :attr:`blocks` is read.

        Args:
            stage, block: 0-based stage, and block inside it.
            grid: the block's windows.
            keep_idx: (B, K) int64 kept windows, None when all are.
            scores: (B, nW) float32.
            scored_block: block whose input they are of.
            score: their kind.
        """
        if block == 0:  # a new forward: what an earlier one left from here on is stale
            self._pending = {key: v for key, v in self._pending.items() if key[0] < stage}
        self._pending[stage, block] = (grid, keep_idx, scores, scored_block, score)

    @property
    def blocks(self) -> list[BlockTrace]:
        """One record a block, in the network's order.

        Raises:
            RuntimeError: nothing is recorded: the model did not run, or by its host's own code.
        """
        if not self._pending:
            raise RuntimeError(
                "Nothing was recorded: run the model that was given to capture() inside its `with` "
                "block, in the same thread and not in its host's form."
            )
        pending = sorted(self._pending.items(), key=lambda item: item[0])
        return [self._finish(stage, block, noted) for (stage, block), noted in pending]

    @staticmethod
    def _finish(stage: int, block: int, noted: _Noted) -> BlockTrace:
        grid, keep_idx, scores, scored_block, score = noted
        keep_mask = torch.ones(scores.shape, dtype=torch.bool)
        if keep_idx is not None:
            keep_mask = torch.zeros_like(keep_mask).scatter_(1, keep_idx.cpu(), True)
        shape = (scores.shape[0], grid.rows, grid.cols)
        return BlockTrace(
            stage=stage,
            block=block,
            shifted=any(grid.shift),
            keep_mask=keep_mask.view(shape),
            scores=scores.cpu().view(shape).clone(),
            grid=get_window_grid(*grid.grid, grid.window, grid.shift, pad_first=grid.pad_first),
            scored_block=scored_block,
            score=score,
        )


_active_traces: ContextVar[tuple[Trace, ...]] = ContextVar("sparsevit_traces", default=())

_COMPILER_READS_CONTEXT = torch.__version__ >= "2.14"  # tried: 2.11 does not, 2.14 does

Value = TypeVar("Value")


def read_context(variable: ContextVar[Value], default: Value) -> Value:
    """The value of a context variable; its default in code that an older PyTorch compiles."""
    if torch.compiler.is_compiling() and not _COMPILER_READS_CONTEXT:
        return default
    return variable.get()


@contextmanager
def capture(model: nn.Module) -> Iterator[Trace]:
    """Record which windows ``model`` keeps in the forwards run inside the ``with`` block.

    The latest forward wins. Other models, and the same model in other threads, are not recorded.

    Args:
        model: a sparsified model.

    Yields:
        The trace; read ``trace.blocks`` after a forward.

    Raises:
        ValueError: a model that is not sparsified.
    """
    modules = list(model.modules())
    if not any("pruning" in vars(module) for module in modules):
        raise ValueError(
            f"capture() needs a sparsified model: call sparsify() on this {type(model).__name__}."
        )
    trace = Trace(frozenset(id(module) for module in modules))
    token = _active_traces.set((*_active_traces.get(), trace))
    try:
        yield trace
    finally:
        _active_traces.reset(token)


def active_traces(stage_module: object) -> list[Trace]:
    """The traces that want to hear of ``stage_module``; empty outside :func:`capture`."""
    traces = read_context(_active_traces, ())
    return [trace for trace in traces if trace.wants(stage_module)]
