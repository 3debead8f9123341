"""Token-level reduction for comparison: fewer tokens in every window, not fewer windows.

Built like :mod:`sparsevit.core.block`: one indexed read from the token stream, the block's own
kernels on fewer tokens, one indexed write, and on CPU in pieces that fit the cache. Two ways:

- ``prune``: of every window the tokens of largest magnitude run, the others pass through. They are
  ranked once per stage, as windows are.
- ``merge``: token merging (Bolya et al., "Token Merging: Your ViT But Faster", 2023) as tomesd
  does it for dense prediction: before a block the most similar tokens of every window are merged
  by bipartite soft matching, after it each gets back what the block added to their mean. At most
  half of the tokens can go, and attention counts a merged token as often as it holds tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sparsevit.core.block import SparseBlock
from sparsevit.core.modes import is_hooked, may_sync
from sparsevit.core.overrides import derive_class
from sparsevit.core.scoring import token_magnitudes
from sparsevit.core.stage import PruningStage
from sparsevit.core.stream import CHUNK_TOKENS, BlockPlan, TokenStream, WindowRows
from sparsevit.core.windows import WindowGrid
from sparsevit.networks import LoadedModel
from sparsevit.patch import find_stages
from sparsevit.schedule import num_keep

Reduction = Literal["prune", "merge"]

#: Sparsity, of tokens, that merging can reach: half of them look for a partner in the other half.
MAX_MERGED = 0.5


class TokenStage(PruningStage):
    """Mixin over a host adapter's stage: its sparsities are of tokens inside every window.

    For inference on one picture at a time.
    """

    reduction: Reduction

    def run_blocks(
        self, x: Tensor, entered: Tensor | None = None, owns_input: bool = False
    ) -> Tensor:
        """Run the stage's blocks on fewer tokens: (1, H, W, C) -> (1, H, W, C)."""
        if x.shape[0] != 1:
            raise ValueError(f"Token reduction takes one picture at a time, not {x.shape[0]}.")
        blocks = list(self.blocks)
        stream = TokenStream(not any(map(is_hooked, blocks)), x if owns_input else None)
        orders: dict[tuple[int, int], Tensor] = {}
        magnitudes: Tensor | None = None
        _, height, width, _ = x.shape
        for number, block in enumerate(blocks):
            grid = block.get_grid(height, width, x.device)
            plan = BlockPlan(grid, None, stream)
            kept = num_keep(grid.num_tokens, self.pruning.sparsities[number // 2])
            if kept == grid.num_tokens:
                x = self.call_block(block, x, plan)
            elif self.reduction == "merge":
                x = run_merged(block, x, plan, grid.num_tokens - kept)
            else:
                magnitudes = token_magnitudes(x) if magnitudes is None else magnitudes
                if grid.shift not in orders:
                    orders[grid.shift] = rank_tokens(magnitudes, grid)
                x = run_pruned(block, x, plan, orders[grid.shift][:, :kept])
        return x


def reduce_tokens(loaded: LoadedModel, reduction: Reduction) -> LoadedModel:
    """A copy of a network whose schedule says how many tokens of every window are left out.

    Args:
        loaded: the network.
        reduction: what happens to them.
    """
    model = deepcopy(loaded.module)
    for stage in find_stages(model):
        stage.__class__ = derive_class("Token", TokenStage, type(stage))
        stage.reduction = reduction
    return replace(loaded, module=model)


def rank_tokens(magnitudes: Tensor, grid: WindowGrid) -> Tensor:
    """Slots of every window from the largest magnitude to the smallest, padded ones last.

    Args:
        magnitudes: (1, H, W) float32, >= 0.
        grid: the windows.

    Returns:
        (nW, N) int64; equal magnitudes keep the lower slot first.
    """
    values = magnitudes.flatten()[grid.token_index]
    if grid.real is not None:
        values = values.masked_fill(~grid.real, -1.0)
    return values.argsort(dim=-1, descending=True, stable=True)


def run_pruned(block: SparseBlock, x: Tensor, plan: BlockPlan, keep: Tensor) -> Tensor:
    """Run a block on some tokens of every window; all others pass through bit-identical.

    Args:
        block: a host adapter's block.
        x: (1, H, W, C).
        plan: the windows, all of them kept.
        keep: (nW, r) int64, the slots of each window that run.

    Returns:
        (1, H, W, C).
    """
    grid = plan.grid
    keep = keep.sort(dim=-1).values  # reads the stream in its own order
    index = grid.token_index.gather(1, keep)  # (nW, r)
    real = None if grid.real is None else grid.real.gather(1, keep)
    source, bias = x.reshape(-1, x.shape[-1]), _SlotBias(block, grid)
    out = plan.stream.open_output(x, fully_rewritten=False)
    in_place = block.may_work_in_place()
    for some in _split_windows(keep):
        slots = WindowRows(index[some], None if real is None else real[some])
        tokens = slots.read(source)  # (n, r, C)
        own = bias.gather(some, keep[some])
        tokens = block.add_attention(tokens, slots.real, own, in_place)
        _write(out, slots, block.add_mlp(tokens.flatten(0, 1), in_place))
    return plan.stream.close_output(out, x.shape)


def run_merged(block: SparseBlock, x: Tensor, plan: BlockPlan, merged: int) -> Tensor:
    """Run a block on windows whose most similar tokens are merged, and share out what it added.

    Args:
        block: a host adapter's block.
        x: (1, H, W, C).
        plan: the windows, all of them kept.
        merged: tokens of every window that are merged into another, 0 to half of them.

    Returns:
        (1, H, W, C).
    """
    grid = plan.grid
    source, bias = x.reshape(-1, x.shape[-1]), _SlotBias(block, grid)
    out = plan.stream.open_output(x, fully_rewritten=True)
    in_place = block.may_work_in_place()
    for some in _split_windows(grid.token_index):
        real = None if grid.real is None else grid.real[some]
        slots = WindowRows(grid.token_index[some], real)
        tokens = slots.read(source)  # (n, N, C)
        matching = match_tokens(tokens, merged, real, _list_masks(grid, some))
        means, sizes = matching.merge(tokens, real)
        occupied = None if real is None else sizes > 0
        own = bias.gather(some, matching.slots)
        own = own + sizes.clamp(min=1).log()[:, None, None]  # (n, nH, N - merged, N - merged)
        added = block.add_attention(means.clone(), occupied, own, in_place).flatten(0, 1)
        added = block.add_mlp(added, in_place).view_as(means) - means
        _write(out, slots, (tokens + matching.unmerge(added)).flatten(0, 1))
    return plan.stream.close_output(out, x.shape)


@dataclass(frozen=True)
class Matching:
    """Which tokens of n windows share a place.

    Attributes:
        slots: (n, M) int64, the slot whose position each of the M places has.
        gone: (n, N - M) int64, the slots that go to another's place.
        home: (n, N) int64, the place of each token.
    """

    slots: Tensor
    gone: Tensor
    home: Tensor

    def merge(self, tokens: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean of the real tokens of each place: (n, N, C) -> (n, M, C) and (n, M) their number."""
        weights = tokens.new_ones(self.home.shape) if real is None else real.to(tokens.dtype)
        if real is not None:
            tokens = tokens * weights[:, :, None]
        sums, sizes = _take(tokens, self.slots), weights.gather(1, self.slots)
        places = _flatten_slots(self.home.gather(1, self.gone), self.slots.shape[1])
        sums.flatten(0, 1).index_add_(0, places, _take(tokens, self.gone).flatten(0, 1))
        sizes.flatten().index_add_(0, places, weights.gather(1, self.gone).flatten())
        return sums / sizes.clamp(min=1)[:, :, None], sizes

    def unmerge(self, places: Tensor) -> Tensor:
        """What every token has of its place: (n, M, C) -> (n, N, C)."""
        return _take(places, self.home)


def _take(tokens: Tensor, slots: Tensor) -> Tensor:
    """Tokens (n, N, C) at some slots (n, r) of each window: (n, r, C)."""
    rows = tokens.flatten(0, 1).index_select(0, _flatten_slots(slots, tokens.shape[1]))
    return rows.view(*slots.shape, tokens.shape[-1])


def _flatten_slots(slots: Tensor, num_tokens: int) -> Tensor:
    """Rows (n * r) of the flattened windows that slots (n, r) are."""
    first = torch.arange(0, len(slots) * num_tokens, num_tokens, device=slots.device)
    return (first[:, None] + slots).flatten()


def match_tokens(
    tokens: Tensor, merged: int, real: Tensor | None = None, masks: Tensor | None = None
) -> Matching:
    """Bipartite soft matching: even slots look for the most alike odd slot, the best pairs merge.

    Args:
        tokens: (n, N, C).
        merged: even slots of every window that go to their partner, 0 to ceil(N / 2).
        real: (n, N) bool, False in padded slots, which match nothing; None when there are none.
        masks: (n, N, N) float, far below 0 where two tokens must not meet; None without a shift.

    Raises:
        ValueError: more tokens than half are to be merged.
    """
    num_even = (tokens.shape[1] + 1) // 2
    if merged > num_even:
        raise ValueError(f"Of {tokens.shape[1]} tokens at most {num_even} can be merged.")
    unit = F.normalize(tokens, dim=-1)
    likeness = unit[:, ::2] @ unit[:, 1::2].transpose(1, 2)  # (n, even, odd) cosine
    if masks is not None:
        likeness = likeness + masks[:, ::2, 1::2].to(likeness.dtype)
    if real is not None:
        both = real[:, ::2, None] & real[:, None, 1::2]
        likeness = likeness.masked_fill(~both, -torch.inf)
    best, partner = likeness.max(dim=-1)  # (n, even)
    order = best.argsort(dim=-1, descending=True, stable=True)
    gone, stay = order[:, :merged], order[:, merged:].sort(dim=-1).values
    odd = torch.arange(1, tokens.shape[1], 2, device=tokens.device).expand(len(tokens), -1)
    slots = torch.cat([2 * stay, odd], dim=1)
    home = torch.empty(tokens.shape[:2], dtype=torch.long, device=tokens.device)
    places = torch.arange(slots.shape[1], device=tokens.device).expand_as(slots)
    home.scatter_(1, slots, places)
    home.scatter_(1, 2 * gone, stay.shape[1] + partner.gather(1, gone))
    return Matching(slots, 2 * gone, home)


class _SlotBias:
    """The attention bias of a block, read at some slots of each window."""

    def __init__(self, block: SparseBlock, grid: WindowGrid) -> None:
        bias = block.attention_bias(grid)  # (classes, nH, N, N)
        self._num_tokens = grid.num_tokens
        self._values = bias.transpose(0, 1).flatten(1)  # (nH, classes * N * N)
        self._first = None if grid.mask_class is None else grid.mask_class * grid.num_tokens**2

    def gather(self, windows: Tensor, slots: Tensor) -> Tensor:
        """(n, nH, r, r) bias between ``slots`` (n, r) of ``windows`` (n,)."""
        slots = slots.int()  # half the memory to read
        pairs = slots[:, :, None] * self._num_tokens + slots[:, None, :]  # (n, r, r)
        if self._first is not None:
            pairs += self._first[windows][:, None, None]
        return self._values.index_select(1, pairs.flatten()).view(-1, *pairs.shape).transpose(0, 1)


def _list_masks(grid: WindowGrid, windows: Tensor) -> Tensor | None:
    """(n, N, N) shift masks of some windows; None for plain windows."""
    return None if grid.mask_class is None else grid.class_masks[grid.mask_class[windows]]


def _split_windows(slots: Tensor) -> Iterator[Tensor]:
    """Windows that run together, by number, when each runs so many slots: (nW, r)."""
    windows = torch.arange(len(slots), device=slots.device)
    if not may_sync(slots):  # all at once: a launch costs more than the cache saves
        return iter((windows,))
    return iter(windows.tensor_split(-(-slots.numel() // CHUNK_TOKENS)))


def _write(out: Tensor, slots: WindowRows, tokens: Tensor) -> None:
    """Put tokens (n * r, C) where their slots are, padded ones nowhere."""
    index, tokens = slots.leave_padding(tokens, sink=len(out) - 1)
    out.index_copy_(0, index, tokens)
