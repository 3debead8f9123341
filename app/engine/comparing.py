"""Two results of one photo, A and B, held against each other: masks, outputs, latency."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from app.engine.newest import always
from app.engine.protocol import Engine
from app.engine.records import Result
from sparsevit.core.trace import BlockTrace
from sparsevit.core.windows import WindowGrid, find_spans
from sparsevit.tasks.restoration import RestorationTask

_DECIMALS = 4  # of a share


@dataclass(frozen=True)
class MaskCounts:
    """What two blocks keep.

    Attributes:
        both, only_a, only_b, neither: windows where both blocks have the same windows, else shares
            of the picture, which sum to 1.
        has_windows: whether they are windows.
    """

    both: float
    only_a: float
    only_b: float
    neither: float
    has_windows: bool

    @property
    def differing(self) -> float:
        """Share that only one of them keeps, in [0, 1]."""
        differing = self.only_a + self.only_b
        return differing / (self.both + differing + self.neither)

    def to_dict(self) -> dict[str, float]:
        """The four counts by name."""
        names = ("both", "only_a", "only_b", "neither")
        return {name: getattr(self, name) for name in names}


def count_masks(a: BlockTrace, b: BlockTrace) -> MaskCounts:
    """Count what two blocks keep: window by window, or place by place where windows differ."""
    if _has_same_windows(a.grid, b.grid):
        masks = _combine(a.keep_mask[0].numpy(), b.keep_mask[0].numpy())
        both, only_a, only_b, neither = (int(mask.sum()) for mask in masks)
        return MaskCounts(both, only_a, only_b, neither, has_windows=True)
    (height, row_a, row_b), (width, col_a, col_b) = (
        zip(*_divide(_list_cells(a, axis), _list_cells(b, axis)), strict=True) for axis in (0, 1)
    )
    areas = np.outer(height, width)
    kept_a = a.keep_mask[0].numpy()[np.ix_(row_a, col_a)]
    kept_b = b.keep_mask[0].numpy()[np.ix_(row_b, col_b)]
    shares = [float(areas[mask].sum()) for mask in _combine(kept_a, kept_b)]
    on_both, on_a, on_b, on_neither = (round(share, _DECIMALS) for share in shares)
    return MaskCounts(on_both, on_a, on_b, on_neither, has_windows=False)


def pair_blocks(a: Result, b: Result) -> list[tuple[int, int]]:
    """Which block of A stands beside which of B, (index, index) for every block of B.

    Where the networks have other depths it is that of the same kind, plain or shifted, as far
    through its stage; where A has fewer stages, its last stage.
    """
    starts = [sum(a.depths[:stage]) for stage in range(len(a.depths))]
    pairs = []
    for index, block in enumerate(b.analysis.blocks):
        stage = min(block.stage, len(a.depths) - 1)
        num_a, num_b = ((depth + 1) // 2 for depth in (a.depths[stage], b.depths[block.stage]))
        number = 2 * (block.block // 2 * num_a // num_b) + block.block % 2
        pairs.append((starts[stage] + min(number, a.depths[stage] - 1), index))
    return pairs


def pair_outputs(a: Result, b: Result) -> Result | None:
    """B with the sparse output of A in place of its dense one; its agreement is that of B with A.

    Returns:
        None where task or classes differ, or features have other sizes.
    """
    task = b.task
    if (a.task.name, a.task.class_names) != (task.name, task.class_names):
        return None
    size, other = b.analysis.prepared.input_size, a.analysis.prepared.input_size
    if task.name == "features" and (a.settings.model, other) != (b.settings.model, size):
        return None
    if isinstance(task, RestorationTask):  # its pictures may be larger than the photo
        height, width = b.analysis.sparse.shape[:2]
        output = task.resize(a.analysis.sparse, (height, width))
    else:
        output = a.analysis.sparse if size == other else task.resize(a.analysis.sparse, size)
    prepared = replace(b.analysis.prepared, dense=output)
    agreement = task.compare(output, b.analysis.sparse)
    return replace(b, analysis=replace(b.analysis, prepared=prepared, agreement=agreement))


def measure_in_turn(
    engine: Engine, a: Result, b: Result, runs: int, is_current: Callable[[], bool] = always
) -> Iterator[tuple[Result, Result]]:
    """Time A and B in turn, round by round, each against its own dense.

    Args:
        engine: that made both.
        a, b: what to time.
        runs: rounds.
        is_current: asked before every run; False ends the measuring.
    """
    rounds = (engine.measure(result, runs, is_current, warmup=1) for result in (a, b))
    yield from zip(*rounds, strict=False)  # the last round may have been abandoned between the two


def _combine(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    """Masks of what both keep, only A, only B, and neither."""
    return a & b, a & ~b, ~a & b, ~a & ~b


_Cell = tuple[float, float, int]  # from, to, and the window row or column that owns it


def _has_same_windows(a: WindowGrid, b: WindowGrid) -> bool:
    return (a.grid, a.window, a.shift, a.rows, a.cols) == (
        b.grid,
        b.window,
        b.shift,
        b.rows,
        b.cols,
    )


def _list_cells(block: BlockTrace, axis: int) -> list[_Cell]:
    spans: Any = find_spans(block.grid)[axis]
    return sorted((*piece, owner) for owner, pieces in enumerate(spans) for piece in pieces)


def _divide(a: list[_Cell], b: list[_Cell]) -> list[tuple[float, int, int]]:
    """An axis as finely as the cells of both divide it: (length, owner in A, owner in B)."""
    overlaps = (
        (min(to_a, to_b) - max(from_a, from_b), owner_a, owner_b)
        for (from_a, to_a, owner_a), (from_b, to_b, owner_b) in product(a, b)
    )
    return [overlap for overlap in overlaps if overlap[0] > 0]
