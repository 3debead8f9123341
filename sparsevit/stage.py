"""One stage of a sparsified network: rank its windows once, give each pair of blocks its share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import module as nn_module

from sparsevit.pruning import BlockPlan, Workspace
from sparsevit.schedule import num_keep
from sparsevit.scoring import (
    Score,
    image_gradient_energy,
    rank_windows,
    token_magnitudes,
    window_scores,
)
from sparsevit.trace import active_traces
from sparsevit.windows import Size, WindowGrid

# (B, H, W) of the forward under way, for the ``gradient`` score.
_image_energy: ContextVar[Tensor | None] = ContextVar("sparsevit_image_energy", default=None)


def announce_images(images: Tensor, patch_size: Size) -> None:
    """Give the stages of this forward the gradient energy of (B, channels, img_h, img_w) pixels."""
    _image_energy.set(image_gradient_energy(images, patch_size))


_as_host: ContextVar[bool] = ContextVar("sparsevit_as_host", default=False)


@contextmanager
def run_as_host() -> Iterator[None]:
    """Inside the ``with`` block sparsified models of this thread run their host's own forward."""
    token = _as_host.set(True)
    try:
        yield
    finally:
        _as_host.reset(token)


def runs_as_host() -> bool:
    """True inside :func:`run_as_host`."""
    return _as_host.get()


@dataclass(frozen=True)
class StageSettings:
    """What a stage was told.

    Attributes:
        index: 0-based stage.
        sparsities: one per pair of blocks.
        score: how windows are ranked.
        rescore: rank again at every block instead of once per stage (for study).
        seed: of the ``random`` score.
    """

    index: int
    sparsities: tuple[float, ...]
    score: Score = "rms"
    rescore: bool = False
    seed: int = 0


class WindowRanker:
    """Scores and rankings of one stage in one forward: one for plain, one for shifted windows."""

    def __init__(self, settings: StageSettings) -> None:
        self._settings = settings
        self._magnitudes: Tensor | None = None
        self._scores: dict[tuple[int, int], Tensor] = {}
        self._orders: dict[tuple[int, int], Tensor] = {}

    @property
    def started(self) -> bool:
        """True once an activation has been scored."""
        return self._magnitudes is not None

    def restart(self) -> None:
        """Forget everything, so that the next block's input is scored."""
        self._magnitudes = None
        self._scores.clear()
        self._orders.clear()

    def scores(self, x: Tensor, grid: WindowGrid) -> Tensor:
        """(B, nW) float32 scores; only the first activation given is ever looked at."""
        if self._magnitudes is None:
            self._magnitudes = self._measure(x)
        if grid.shift not in self._scores:
            settings = self._settings
            seed = settings.seed + settings.index
            self._scores[grid.shift] = window_scores(
                self._magnitudes, grid, settings.score, seed=seed
            )
        return self._scores[grid.shift]

    def keep_idx(self, x: Tensor, grid: WindowGrid, kept: int) -> Tensor:
        """(B, kept) int64: the best windows, a prefix of one ranking, so kept sets are nested."""
        if grid.shift not in self._orders:
            self._orders[grid.shift] = rank_windows(self.scores(x, grid))
        return self._orders[grid.shift][:, :kept]

    def _measure(self, x: Tensor) -> Tensor:
        if self._settings.score != "gradient":
            return token_magnitudes(x)
        energy = _image_energy.get()
        if energy is None or energy.shape[0] != x.shape[0]:
            raise RuntimeError("The gradient score needs the images; run the whole model.")
        return F.adaptive_avg_pool2d(energy, (x.shape[1], x.shape[2]))


class PruningStage:
    """Mixin of a host's stage class; the adapter says how a block is called."""

    pruning: StageSettings
    blocks: Any  # the host's nn.Sequential of blocks

    def call_block(self, block: nn.Module, x: Tensor, plan: BlockPlan | None) -> Tensor:
        """Run one block of the host with its plan; without one it runs as the host's own."""
        return block(x, plan)

    def run_blocks(self, x: Tensor, owns_input: bool = False) -> Tensor:
        """Run the stage's blocks with its sparsities: (B, H, W, C) -> (B, H, W, C).

        Args:
            x: what the first block gets.
            owns_input: the stage made x just now and nobody else holds it.
        """
        settings = self.pruning
        blocks = list(self.blocks)
        traces = active_traces(self)
        may_overwrite = not torch.is_grad_enabled() and not any(map(is_hooked, blocks))
        workspace = Workspace(may_overwrite, x if owns_input else None)
        ranker = WindowRanker(settings)
        _, height, width, _ = x.shape
        for number, block in enumerate(blocks):
            grid = block.get_grid(height, width, x.device)
            kept = num_keep(grid.num_windows, settings.sparsities[number // 2])
            keep_idx = None
            if settings.rescore:
                ranker.restart()
            if kept < grid.num_windows:
                keep_idx = ranker.keep_idx(x, grid, kept)
            if traces:
                # Before the first pruned block a record shows that block's own scores.
                shown = ranker if ranker.started else WindowRanker(settings)
                scores = shown.scores(x, grid)
                for trace in traces:
                    trace.record(settings.index, number, grid, keep_idx, scores)
            if keep_idx is None and (torch.is_grad_enabled() or block.training):
                x = self.call_block(block, x, None)  # nothing to prune, nothing to gain
            else:
                x = self.call_block(block, x, BlockPlan(grid, keep_idx, workspace))
        return x


def is_hooked(module: nn.Module) -> bool:
    """True when somebody listens to a module and may hold on to the tensors that pass."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or nn_module._global_forward_hooks
        or nn_module._global_forward_pre_hooks
    )
