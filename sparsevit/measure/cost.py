"""What a schedule costs: multiply-accumulates of every block, kept and dense, and of the rest."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from sparsevit.core.windows import WindowGrid
from sparsevit.patch import host_form, list_blocks, list_grids
from sparsevit.schedule import SparsitySchedule, num_keep


@dataclass(frozen=True)
class BlockCost:
    """Cost of one block for one image.

    Attributes:
        stage, block: 0-based stage, and block inside it.
        kept, total: windows computed, and windows there are.
        dense_macs: multiply-accumulates of the host's own block.
        sparse_macs: of ours with the kept windows: at most this, and at sparsity 0 exactly. Where a
            grid is padded, it depends on the picture how many padded windows are kept; here kept
            windows count as full ones as long as there are tokens. (On a GPU ours runs the MLP on
            padded slots as well.)
    """

    stage: int
    block: int
    kept: int
    total: int
    dense_macs: int
    sparse_macs: int


@dataclass(frozen=True)
class CostReport:
    """Cost of a schedule for one image.

    Attributes:
        blocks: one entry a block, in network order.
        fixed_macs: everything that is never pruned (embedding, merging, head).
    """

    blocks: tuple[BlockCost, ...]
    fixed_macs: int

    @property
    def dense_gmacs(self) -> float:
        """Multiply-accumulates of one image without pruning, in units of 1e9."""
        return (self.fixed_macs + sum(block.dense_macs for block in self.blocks)) / 1e9

    @property
    def sparse_gmacs(self) -> float:
        """Multiply-accumulates of one image at the schedule, in units of 1e9."""
        return (self.fixed_macs + sum(block.sparse_macs for block in self.blocks)) / 1e9

    @property
    def mac_ratio(self) -> float:
        """Sparse over dense: the latency ratio an ideal machine would reach."""
        return self.sparse_gmacs / self.dense_gmacs

    @property
    def least_ratio(self) -> float:
        """The same if kept windows hold just their share of the tokens; no latency ratio is lower.

        It differs where grids are padded: there :attr:`mac_ratio` takes kept windows for full ones.
        """
        kept_macs = sum(block.dense_macs * block.kept / block.total for block in self.blocks)
        return (self.fixed_macs + kept_macs) / (1e9 * self.dense_gmacs)


def count_macs(
    model: nn.Module,
    image_size: tuple[int, int],
    schedule: SparsitySchedule,
    fixed_macs: int,
    kept_windows: Mapping[tuple[int, int], int] | None = None,
) -> CostReport:
    """Multiply-accumulates of a schedule (bias, norms and softmax are not counted).

    Args:
        model: a sparsified model.
        image_size: (img_h, img_w) pixels of the network's input.
        schedule: layerwise sparsities.
        fixed_macs: from :func:`count_fixed_macs`, which takes a while and depends on size alone.
        kept_windows: how many windows a (stage, block) keeps, where the schedule does not say.
    """
    blocks = []
    known = kept_windows or {}
    for index, stage in enumerate(_list_blocks_with_grids(model, image_size)):
        for number, (block, grid) in enumerate(stage):
            kept = known.get((index, number))
            if kept is None:
                kept = num_keep(grid.num_windows, schedule.sparsity_of(index, number))
            blocks.append(
                BlockCost(
                    stage=index,
                    block=number,
                    kept=kept,
                    total=grid.num_windows,
                    dense_macs=block.count_macs(grid, grid.num_windows),
                    sparse_macs=block.count_macs(grid, kept),
                )
            )
    return CostReport(tuple(blocks), fixed_macs)


def count_fixed_macs(model: nn.Module, image_size: tuple[int, int]) -> int:
    """Multiply-accumulates of one image outside the blocks, counted by PyTorch's own counter.

    Runs a copy of the model on the meta device: no arithmetic is done.

    Args:
        model: a sparsified model that takes (B, 3, img_h, img_w).
        image_size: (img_h, img_w) pixels.
    """
    meta_model = copy.deepcopy(model).to("meta").eval()
    images = torch.empty(
        1, 3, *image_size, device="meta", dtype=next(meta_model.parameters()).dtype
    )
    with torch.no_grad(), host_form(meta_model), count_flops() as counter:
        meta_model(images)
    blocks: int = sum(
        block.count_macs(grid, grid.num_windows)
        for stage in _list_blocks_with_grids(model, image_size)
        for block, grid in stage
    )
    return counter.get_total_flops() // 2 - blocks


@contextmanager
def count_flops() -> Iterator[FlopCounterMode]:
    """PyTorch's counter of twice the multiply-accumulates that run inside the ``with`` block.

    Attention runs as the plain products it is made of: which of the fused ones a counter has a
    formula for differs between versions of PyTorch, and what has none counts as nothing.
    """
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        yield counter


def _list_blocks_with_grids(
    model: nn.Module, image_size: tuple[int, int]
) -> list[list[tuple[Any, WindowGrid]]]:
    """Of every stage its blocks, each with its windows."""
    grids = list_grids(model, image_size)
    return [list(zip(*of, strict=True)) for of in zip(list_blocks(model), grids, strict=True)]
