"""The pruned block of docs/reference_block.py: it is the method, and the fast path computes it."""

import copy
from typing import Any

import pytest
import torch
from oracle import (
    SCHEDULE,
    list_windows,
    make_dense,
    mask_tokens,
    record_blocks,
    relative_error,
    run_pruned_block,
)

import sparsevit

SIZES = [(112, 112), (92, 64), (36, 132), (20, 20)]  # whole, padded, one window high, below one


@pytest.fixture(scope="module")
def swin() -> Any:
    return make_dense()


@pytest.mark.parametrize("grid", [(14, 21), (16, 23), (5, 30), (3, 4)], ids=str)
@pytest.mark.parametrize("number", [0, 1], ids=["plain", "shifted"])
@torch.no_grad()
def test_it_is_the_dense_block_with_pruned_windows_put_back(
    swin: Any, grid: tuple[int, int], number: int
) -> None:
    block = swin.layers[0].blocks[number]
    x = torch.randn(2, *grid, 24)
    windows = list_windows(grid, block.window_size, block.shift_size)
    kept = [sorted(torch.randperm(len(windows))[: (len(windows) + 1) // 2].tolist()) for _ in x]
    mask = mask_tokens(grid, windows, kept)
    got = run_pruned_block(block, x, torch.tensor(kept))
    assert relative_error(got, torch.where(mask, block(x), x)) <= 1e-5
    assert torch.equal(got.masked_select(~mask), x.masked_select(~mask))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("grad", [False, True], ids=["inference", "differentiable"])
def test_the_fast_path_computes_it(swin: Any, size: tuple[int, int], grad: bool) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(swin), SCHEDULE)
    with (
        torch.set_grad_enabled(grad),
        record_blocks(sparse) as seen,
        sparsevit.capture(sparse) as trace,
    ):
        sparse(torch.randn(2, 3, *size))
        for record in trace.blocks:
            before, after = seen[record.stage, record.block]
            block = swin.layers[record.stage].blocks[record.block]
            keep_idx = record.keep_mask.flatten(1).nonzero()[:, 1].view(2, -1)
            assert relative_error(after, run_pruned_block(block, before, keep_idx)) <= 1e-5
