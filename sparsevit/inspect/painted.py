"""Windows that a person chose by hand, to be kept or skipped whatever their score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sparsevit.core.ranking import Place, rank_by
from sparsevit.core.windows import WindowGrid, map_tokens_to_windows
from sparsevit.patch import list_grids


@dataclass(frozen=True)
class Painted:
    """Windows of one partition of a stage, row-major numbers.

    Attributes:
        stage: 0-based.
        shifted: whether they are windows of the shifted blocks.
        rows, cols: windows down and across that the numbers belong to.
        keep, skip: windows to keep and to skip for certain, in rising order.
        block: of the stage, 0-based, that they are meant for alone; None for all its blocks. Blocks
            of the other partition then keep what the kept ones touch, and skip windows of which
            the skipped ones cover half.
    """

    stage: int
    shifted: bool
    rows: int
    cols: int
    keep: tuple[int, ...] = ()
    skip: tuple[int, ...] = ()
    block: int | None = None

    def suits(self, grids: Sequence[Sequence[WindowGrid]]) -> bool:
        """Whether a network with these windows, of every stage and block, has them."""
        return self._find_grid(grids) is not None

    def mark(self, grids: Sequence[Sequence[WindowGrid]]) -> Tensor:
        """(H, W) float32 of its stage's tokens: +inf to keep, -inf to skip, else 0."""
        grid = self._find_grid(grids)
        assert grid is not None
        marks = torch.zeros(grid.num_windows)
        marks[list(self.skip)] = -torch.inf
        marks[list(self.keep)] = torch.inf
        return marks[map_tokens_to_windows(grid)]

    def _find_grid(self, grids: Sequence[Sequence[WindowGrid]]) -> WindowGrid | None:
        """That of its first block; None where there is none such."""
        if not 0 <= self.stage < len(grids):
            return None
        blocks = grids[self.stage]
        if self.block is not None and not 0 <= self.block < len(blocks):
            return None
        some = blocks if self.block is None else [blocks[self.block]]
        windows = (*self.keep, *self.skip)
        for grid in some:
            fits = (any(grid.shift), grid.rows, grid.cols) == (self.shifted, self.rows, self.cols)
            if fits and all(0 <= window < grid.num_windows for window in windows):
                return grid
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for ``result.json``; stage and block are counted from 1."""
        return {
            "stage": self.stage + 1,
            "block": None if self.block is None else self.block + 1,
            "shifted": self.shifted,
            "grid": [self.rows, self.cols],
            "keep": list(self.keep),
            "skip": list(self.skip),
        }


def choose_fitting(
    model: nn.Module, image_size: tuple[int, int], painted: Sequence[Painted]
) -> tuple[Painted, ...]:
    """Those of what was painted that a network has windows for.

    Args:
        model: a sparsified model.
        image_size: (img_h, img_w) pixels of the network's input.
        painted: what was.
    """
    if not painted:
        return ()
    grids = list_grids(model, image_size)
    return tuple(entry for entry in painted if entry.suits(grids))


@contextmanager
def keep_painted(
    model: nn.Module, image_size: tuple[int, int], painted: Sequence[Painted]
) -> Iterator[None]:
    """Keep and skip what was painted, in the forwards inside the ``with`` block.

    Args:
        model, image_size, painted: see :func:`make_maps`.
    """
    maps = make_maps(model, image_size, painted)
    with rank_by(model, maps, weight=0) if maps else nullcontext():
        yield


def make_maps(
    model: nn.Module, image_size: tuple[int, int], painted: Sequence[Painted]
) -> dict[Place, Tensor]:
    """Maps for :func:`sparsevit.rank_by` that keep and skip what was painted.

    Args:
        model: a sparsified model.
        image_size: (img_h, img_w) pixels of the network's input.
        painted: what was, the latest last, which counts where two differ.

    Returns:
        (1, H, W) float32 for every (stage, block) that is meant.

    Raises:
        ValueError: windows that the network does not have at this size.
    """
    grids = list_grids(model, image_size) if painted else []
    maps: dict[Place, Tensor] = {}
    for entry in painted:
        if not entry.suits(grids):
            raise ValueError(
                f"The network has no {entry.rows} x {entry.cols} windows to paint in stage "
                f"{entry.stage + 1} at {image_size[0]} x {image_size[1]} pixels."
            )
        marks = entry.mark(grids)
        blocks = range(len(grids[entry.stage])) if entry.block is None else [entry.block]
        for block in blocks:
            place = entry.stage, block
            before = maps.get(place, torch.zeros(1, *marks.shape))
            maps[place] = torch.where(marks == 0, before, marks)
    return maps
