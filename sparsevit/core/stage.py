"""One stage of a sparsified network: rank its windows once, give each pair of blocks its share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparsevit.core.block import SparseBlock
from sparsevit.core.forwards import Forwards
from sparsevit.core.modes import is_hooked, is_transformed
from sparsevit.core.overrides import SparseModule, list_callers, refuse_stray_sparsity
from sparsevit.core.scoring import rank_windows, token_magnitudes, window_scores
from sparsevit.core.steering import Choice, Situation, find_steering
from sparsevit.core.stream import BlockPlan, TokenStream
from sparsevit.core.trace import active_traces, read_context
from sparsevit.core.windows import WindowGrid
from sparsevit.package.choices import Score
from sparsevit.schedule import num_keep

_LEAST_MAGNITUDE = 1e-12

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
    return read_context(_as_host, False)


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

    def __init__(
        self,
        settings: StageSettings,
        energy: Tensor | None = None,
        keeps_gradient: bool = False,
    ) -> None:
        """Start a forward.

        Args:
            settings: of the stage.
            energy: (B, H, W) of the pictures, for the ``gradient`` score.
            keeps_gradient: the scores carry that of the activation.
        """
        self._settings = settings
        self._energy = energy
        self._keeps_gradient = keeps_gradient
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
            x = x if self._keeps_gradient else x.detach()
            magnitudes = token_magnitudes(x, self._settings.score)
            # The root of a window of zeros has no gradient.
            return magnitudes.clamp(min=_LEAST_MAGNITUDE) if self._keeps_gradient else magnitudes
        if self._energy is None or self._energy.shape[0] != x.shape[0]:
            raise RuntimeError("The gradient score needs the images; run the whole model.")
        return F.adaptive_avg_pool2d(self._energy, (x.shape[1], x.shape[2]))


class PruningStage(SparseModule):
    """Mixin of a host's stage class; the adapter says how a block is called."""

    pruning: StageSettings
    forwards: Forwards  # of the network the stage is in
    blocks: Any  # the host's nn.Sequential of blocks

    def call_block(self, block: nn.Module, x: Tensor, plan: BlockPlan | None) -> Tensor:
        """Run one block of the host with its plan; without one it runs as the host's own."""
        out: Tensor = block(x, plan=plan)
        return out

    def run_blocks(
        self, x: Tensor, entered: Tensor | None = None, owns_input: bool = False
    ) -> Tensor:
        """Run the stage's blocks with its sparsities: (B, H, W, C) -> (B, H, W, C).

        Args:
            x: what the first block gets.
            entered: what the stage got, if that is another tensor.
            owns_input: the stage made x just now and nobody else holds it.
        """
        entered = x if entered is None else entered
        run = StageRun(self, self.blocks, entered, x if owns_input else None)
        for block in self.blocks:
            x = run.step(block, x)
        return x

    def release(self) -> None:
        for name in ("pruning", "forwards"):
            self.__dict__.pop(name, None)


class StageRun:
    """One forward of a stage, a block at a time: windows are ranked once and shared out."""

    def __init__(
        self,
        stage: PruningStage,
        blocks: Iterable[SparseBlock],
        entered: Tensor,
        own: Tensor | None = None,
        keeps_intermediates: bool = False,
    ) -> None:
        """Start a forward.

        Args:
            stage: whose settings are followed.
            blocks: those that :meth:`step` will be called with.
            entered: what the stage got; a checkpoint that runs it again gives it the same.
            own: what the first block gets, if the stage made it and nobody else holds it.
            keeps_intermediates: somebody holds on to what passes between the blocks.
        """
        self._stage = stage
        settings = stage.pruning
        blocks = list(blocks)
        if not torch.compiler.is_compiling():
            callers = list_callers() if settings.index == 0 else [stage]
            refuse_stray_sparsity([*callers, *blocks])
        self._forward, self._again = stage.forwards.enter(settings.index, settings, entered)
        self._traces = active_traces(stage) if self._again is None else []
        may_overwrite = not (
            keeps_intermediates or torch.is_grad_enabled() or any(map(is_hooked, blocks))
        )
        self._stream = TokenStream(may_overwrite, own)
        self._steering = find_steering(stage) if self._again is None else None
        self._ranker = WindowRanker(settings, self._forward.energy, self._steering is not None)
        self._number = 0
        self._scored_block = 0

    def rerank(self) -> None:
        """Score the next pruned block's input: something changed tokens of every window."""
        self._ranker.restart()

    def step(self, block: SparseBlock, x: Tensor) -> Tensor:
        """Run the next block: (B, H, W, C) -> (B, H, W, C)."""
        settings, number = self._stage.pruning, self._number
        self._number += 1
        grid = block.get_grid(x.shape[1], x.shape[2], x.device)
        if self._again is None:
            choice = self._choose(number, x, grid)
            self._forward.kept[settings.index].append(choice.keep_idx)
        else:
            choice = Choice(self._again[number])
        if choice.is_dense and (torch.is_grad_enabled() or block.training or is_transformed()):
            return self._stage.call_block(block, x, None)  # nothing to prune, nothing to gain
        plan = BlockPlan(grid, choice.keep_idx, self._stream, choice.gates)
        return self._stage.call_block(block, x, plan)

    def _choose(self, number: int, x: Tensor, grid: WindowGrid) -> Choice:
        """What block ``number`` does with its input; and tell."""
        settings = self._stage.pruning
        kept = num_keep(grid.num_windows, settings.sparsities[number // 2])
        keep_idx = None
        if settings.rescore:
            self._ranker.restart()
        if not self._ranker.started:
            self._scored_block = number
        if kept < grid.num_windows:
            keep_idx = self._ranker.keep_idx(x, grid, kept)
        choice = Choice(keep_idx)
        if self._steering is not None:
            score = partial(self._ranker.scores, x, grid)
            situation = Situation(settings.index, number, grid, score, keep_idx)
            choice = self._steering.choose(situation)
        if self._traces:
            if is_transformed():
                raise RuntimeError(
                    "capture() cannot record inside a transform of torch.func, such as vmap."
                )
            # Before the first pruned block a record shows that block's own scores.
            is_shown = self._ranker.started
            shown = self._ranker if is_shown else WindowRanker(settings, self._forward.energy)
            scores = shown.scores(x, grid).detach()
            told = (choice.keep_idx, scores, self._scored_block, settings.score)
            for trace in self._traces:
                trace.record(settings.index, number, grid, *told)
        return choice
