"""The sparse block body: gather the kept windows, run the block on them, scatter them back.

The hot path of the library; nothing else lives here. A block is pruned by index alone: one indexed
read straight from the token stream (shift, padding and partition are composed into
``WindowGrid.token_index``) and one indexed write. Tokens of pruned windows are never touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from sparsevit.core.overrides import borrow_weights, list_offloaded
from sparsevit.core.windows import WindowGrid

#: Tokens handled at a time on CPU, at most, so that the MLP's hidden activation stays in the cache
#: instead of travelling to memory and back: 64 windows of 7 x 7. Fewer starve the matrix product.
CHUNK_TOKENS = 3136


#: What of a block to run on the kept windows: networks may have something dense in between.
Part = Literal["all", "attention", "mlp"]


class WindowBlock(Protocol):
    """What a host adapter's block offers the engine; n windows of N tokens of C channels."""

    training: bool

    def attention_branch(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """Attention residual branch: tokens (n, N, C), real (n, N) bool or None -> (n, N, C)."""

    def mlp_branch(self, tokens: Tensor) -> Tensor:
        """MLP residual branch of tokens: (..., C) -> (..., C)."""

    def add_attention(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """For inference: (n, N, C) tokens, which may be overwritten, with attention added."""

    def add_mlp(self, tokens: Tensor) -> Tensor:
        """For inference: (m, C) tokens, which may be overwritten, with the MLP added."""

    def attention_bias(self, grid: WindowGrid) -> Tensor:
        """(classes, nH, N, N): position bias plus the shift mask of each class of window."""

    def list_bypassed(self) -> list[nn.Module]:
        """The modules that are not called, though their weights or modules inside are used."""

    def drop_paths(self, attention: Tensor, mlp: bool) -> Tensor:
        """Stochastic depth over (B, tokens, C) of one image's windows; identity in evaluation."""


class Workspace:
    """The token stream one stage's blocks share, so that a block need not copy what it skips.

    A block may overwrite its input only if nobody else can hold that very tensor: the block before
    it in the same forward of the same stage produced it, or the stage itself did.
    """

    def __init__(self, may_overwrite: bool, own: Tensor | None = None) -> None:
        """Start a stage's forward.

        Args:
            may_overwrite: nobody looks at what passes between the blocks.
            own: the stage's input (B, H, W, C), if the stage made it and nobody else holds it.
        """
        self._may_overwrite = may_overwrite
        self._rows: Tensor | None = None
        self._stream: Tensor | None = None
        if own is not None:
            self.adopt(own)

    def claim(self, x: Tensor, fully_rewritten: bool) -> Tensor:
        """Rows to write into: (B*H*W, C), and on a GPU one more, a sink for padded slots.

        Args:
            x: (B, H, W, C) input of the block.
            fully_rewritten: every row will be written, so x need not be copied.
        """
        tokens = x.reshape(-1, x.shape[-1])
        size = len(tokens) + (not can_look(x))
        if self._rows is not None and len(self._rows) >= size and _is_same(x, self._stream):
            return self._rows  # shorter where one block is compiled and the one before is not
        rows = x.new_empty(size, x.shape[-1])
        if not fully_rewritten:
            rows[: len(tokens)] = tokens
        return rows

    def adopt(self, x: Tensor) -> None:
        """Take x (B, H, W, C), which was made just now and nobody else holds, for the stream."""
        if self._may_overwrite and x.is_contiguous() and can_look(x):
            self._rows, self._stream = x.view(-1, x.shape[-1]), x  # spares a copy of it all

    def publish(self, rows: Tensor, shape: torch.Size) -> Tensor:
        """The rows as the block's output (B, H, W, C), remembered if it may be overwritten."""
        stream = rows[: shape[:-1].numel()].view(shape)
        if self._may_overwrite:
            self._rows, self._stream = rows, stream
        return stream


def _is_same(x: Tensor, stream: Tensor | None) -> bool:
    """True for the very tensor, or a view of all of it that a host's own shapes called for."""
    if x is stream or stream is None or is_recorded():
        return x is stream
    return x.shape == stream.shape and x.is_set_to(stream)


def can_look(x: Tensor) -> bool:
    """True where Python may look at a tensor's values at no cost: on a CPU.

    A GPU would have to be waited for, and while a CUDA graph, ``torch.export``, ``torch.compile``
    or ``torch.jit.trace`` records, or ``torch.func`` transforms, there is nothing to see. There
    every shape follows from the picture's size and the schedule alone.
    """
    return x.device.type == "cpu" and not is_recorded()


def is_recorded() -> bool:
    """True while what happens is recorded or transformed, to run with other values."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or is_transformed()


def is_transformed() -> bool:
    """True inside a transform of ``torch.func``, such as ``vmap``, and in forward-mode AD."""
    return torch._C._functorch.maybe_current_level() is not None or forward_ad._current_level >= 0


@dataclass(frozen=True)
class BlockPlan:
    """What a stage decided for one block.

    Attributes:
        grid: the block's windows.
        keep_idx: (B, K) int64 windows to compute, None for all.
        workspace: the stage's token stream.
    """

    grid: WindowGrid
    keep_idx: Tensor | None
    workspace: Workspace


def run_block(block: WindowBlock, x: Tensor, plan: BlockPlan, part: Part = "all") -> Tensor:
    """Run ``block`` on the kept windows of ``x``; all other tokens pass through bit-identical.

    Args:
        block: a host adapter's block.
        x: (B, H, W, C).
        plan: windows and which of them to keep.
        part: run only the attention, or only the MLP.

    Returns:
        (B, H, W, C), contiguous.
    """
    offloaded = list_offloaded(block.list_bypassed())
    if offloaded:
        with borrow_weights(offloaded):
            return _run(block, x, plan, part)
    return _run(block, x, plan, part)


def _run(block: WindowBlock, x: Tensor, plan: BlockPlan, part: Part) -> Tensor:
    if is_transformed():
        with sdpa_kernel(SDPBackend.MATH):  # the fused ones have no rules for it
            return _run_at_once(block, x, plan, part)
    if torch.is_grad_enabled() or block.training:
        return _run_at_once(block, x, plan, part)
    return _run_in_chunks(block, x, plan, part)


def _run_at_once(block: WindowBlock, x: Tensor, plan: BlockPlan, part: Part) -> Tensor:
    """Differentiable form: every kept window in one piece, images kept apart for drop path."""
    batch, height, width, channels = x.shape
    grid = plan.grid
    index, real = _select(grid, plan.keep_idx, batch)  # (n, N)
    rows = x.reshape(-1, channels)
    tokens = rows.index_select(0, index.flatten()).view(*index.shape, channels)  # (n, N, C)
    if part != "mlp":
        bias = block.attention_bias(grid)
        if grid.mask_class is not None:
            bias = bias[_classes(grid, plan.keep_idx, batch)]  # (n, nH, N, N)
        branch = block.attention_branch(tokens, real, bias)
        tokens = tokens + _per_image(block, branch, batch, False)
    if part != "attention":
        tokens = tokens + _per_image(block, block.mlp_branch(tokens), batch, True)
    tokens = tokens.to(x.dtype)
    if real is None:
        rows = rows.index_copy(0, index.flatten(), tokens.flatten(0, 1))
    else:
        sink = rows.shape[0]
        target = index.masked_fill(~real, sink).flatten()
        rows = F.pad(rows, (0, 0, 0, 1)).index_copy(0, target, tokens.flatten(0, 1))[:sink]
    return rows.view(batch, height, width, channels)


def _per_image(block: WindowBlock, branch: Tensor, batch: int, mlp: bool) -> Tensor:
    return block.drop_paths(branch.view(batch, -1, branch.shape[-1]), mlp).view_as(branch)


def _run_in_chunks(block: WindowBlock, x: Tensor, plan: BlockPlan, part: Part) -> Tensor:
    """Inference form: in place where allowed, and on CPU in pieces that fit the cache."""
    grid = plan.grid
    batch, channels = x.shape[0], x.shape[-1]
    out = plan.workspace.claim(x, fully_rewritten=plan.keep_idx is None)
    index, real = _select(grid, plan.keep_idx, batch)
    source = x.reshape(-1, channels)
    bias = block.attention_bias(grid)
    for piece in _pieces(index, real, bias, grid, plan.keep_idx, batch):
        rows = piece.index.flatten()
        tokens = source.index_select(0, rows).view(*piece.index.shape, channels)
        if part != "mlp":
            tokens = block.add_attention(tokens, piece.real, piece.bias)
        tokens = tokens.flatten(0, 1)  # (n * N, C)
        if piece.real is not None and can_look(x):  # the MLP needs no padded slots
            slots = piece.real.flatten().nonzero().squeeze(1)
            rows, tokens = rows[slots], tokens.index_select(0, slots)
        elif piece.real is not None:
            rows = rows.masked_fill(~piece.real.flatten(), source.shape[0])
        if part != "attention":
            tokens = block.add_mlp(tokens)
        out.index_copy_(0, rows, tokens)
    return plan.workspace.publish(out, x.shape)


def _select(grid: WindowGrid, keep_idx: Tensor | None, batch: int) -> tuple[Tensor, Tensor | None]:
    """Rows of (B*H*W, C) that the kept windows hold, and which slots are real; (n, N) each."""
    index, real = grid.token_index, grid.real
    if keep_idx is not None:
        index = index[keep_idx]  # (B, K, N)
        real = None if real is None else real[keep_idx].flatten(0, 1)
    elif real is not None:
        real = real.repeat(batch, 1)
    if batch > 1:
        image_rows = grid.grid[0] * grid.grid[1]
        offset = torch.arange(0, batch * image_rows, image_rows, device=index.device)
        index = index + offset.view(-1, 1, 1)
    return index.reshape(-1, grid.num_tokens), real


def _classes(grid: WindowGrid, keep_idx: Tensor | None, batch: int) -> Tensor:
    """(n,) mask class of every kept window of a shifted grid."""
    assert grid.mask_class is not None
    if keep_idx is None:
        return grid.mask_class.repeat(batch)
    return grid.mask_class[keep_idx].flatten()


@dataclass(frozen=True)
class _Piece:
    """Windows that run together: n of them.

    Attributes:
        index: (n, N) rows of the token stream.
        real: (n, N) bool, False in padded slots; None when there are none.
        bias: (1 or n, nH, N, N), broadcast wherever it is shared.
    """

    index: Tensor
    real: Tensor | None
    bias: Tensor


def _pieces(
    index: Tensor,
    real: Tensor | None,
    bias: Tensor,
    grid: WindowGrid,
    keep_idx: Tensor | None,
    batch: int,
) -> Iterator[_Piece]:
    """Which windows to run together; most are alike, with one bias for all and no padding."""
    classes = None if grid.mask_class is None else _classes(grid, keep_idx, batch)
    if not can_look(index):  # all at once: a launch costs more than the cache saves
        yield _Piece(index, real, bias if classes is None else bias[classes])
        return
    count = -(-index.numel() // CHUNK_TOKENS)
    if classes is None and real is None:
        for some in index.tensor_split(count):
            yield _Piece(some, None, bias)
        return
    is_plain = torch.ones(len(index), dtype=torch.bool) if real is None else real.all(dim=1)
    if classes is not None:
        is_plain &= classes == 0
    order = is_plain.argsort(descending=True, stable=True)
    num_plain = int(is_plain.sum())
    done = 0
    for windows in order.tensor_split(count):
        done += len(windows)
        if done <= num_plain:  # they share one bias and have no padding
            yield _Piece(index[windows], None, bias[:1])
            continue
        own = bias if classes is None else bias[classes[windows]]
        yield _Piece(index[windows], None if real is None else real[windows], own)
