"""The token stream of a stage: which rows hold a block's windows, and who may overwrite them.

Windows are taken by index alone: shift, padding and partition are composed into
``WindowGrid.token_index``, so that a block needs one indexed read and one indexed write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsevit.core.modes import is_recorded, may_sync
from sparsevit.core.windows import WindowGrid

#: Tokens handled at a time on CPU, at most, so that the MLP's hidden activation stays in the cache
#: instead of travelling to memory and back: 64 windows of 7 x 7. Fewer starve the matrix product.
CHUNK_TOKENS = 3136


class TokenStream:
    """The buffer of tokens that one stage's blocks share, so that none copies what it skips.

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
        self._latest: Tensor | None = None
        if own is not None:
            self.donate(own)

    def donate(self, x: Tensor) -> None:
        """Take x (B, H, W, C), made just now and held by nobody else, as the buffer."""
        if self._may_overwrite and x.is_contiguous() and may_sync(x):
            self._rows, self._latest = x.view(-1, x.shape[-1]), x  # spares a copy of it all

    def open_output(self, x: Tensor, fully_rewritten: bool) -> Tensor:
        """Rows to write into: (B*H*W, C), and on a GPU one more, a sink for padded slots.

        Args:
            x: (B, H, W, C) input of the block; the rows hold it, in place where that is allowed.
            fully_rewritten: every row will be written, so x need not be copied.
        """
        tokens = x.reshape(-1, x.shape[-1])
        size = len(tokens) + int(not may_sync(x))  # an older compiler adds no bool
        if self._rows is not None and len(self._rows) >= size and _is_same(x, self._latest):
            return self._rows  # shorter where one block is compiled and the one before is not
        rows = x.new_empty(size, x.shape[-1])
        if not fully_rewritten:
            rows[: len(tokens)] = tokens
        return rows

    def close_output(self, rows: Tensor, shape: torch.Size) -> Tensor:
        """The rows as the block's output (B, H, W, C); the next block may overwrite it."""
        output = rows[: shape[:-1].numel()].view(shape)
        if self._may_overwrite:
            self._rows, self._latest = rows, output
        return output


def _is_same(x: Tensor, latest: Tensor | None) -> bool:
    """True for the very tensor, or a view of all of it that a host's own shapes called for."""
    if x is latest or latest is None or is_recorded():
        return x is latest
    return x.shape == latest.shape and x.is_set_to(latest)


@dataclass(frozen=True)
class BlockPlan:
    """What a stage decided for one block.

    Attributes:
        grid: the block's windows.
        keep_idx: (B, K) int64 windows to compute, None for all.
        stream: the stage's tokens.
        gates: (B, K) factors of the kept windows' branches; None for 1. See :class:`Choice`.
    """

    grid: WindowGrid
    keep_idx: Tensor | None
    stream: TokenStream
    gates: Tensor | None = None

    def select(self, batch: int) -> WindowRows:
        """The kept windows of a batch of images, all in one."""
        grid, keep_idx = self.grid, self.keep_idx
        index, real, classes = grid.token_index, grid.real, grid.mask_class
        if keep_idx is not None:
            index = index[keep_idx]  # (B, K, N)
            real = None if real is None else real[keep_idx].flatten(0, 1)
            classes = None if classes is None else classes[keep_idx].flatten()
        else:
            real = None if real is None else real.repeat(batch, 1)
            classes = None if classes is None else classes.repeat(batch)
        if batch > 1:
            image_rows = grid.grid[0] * grid.grid[1]
            offset = torch.arange(0, batch * image_rows, image_rows, device=index.device)
            index = index + offset.view(-1, 1, 1)
        return WindowRows(index.reshape(-1, grid.num_tokens), real, classes)


@dataclass(frozen=True)
class WindowRows:
    """Where the tokens of n windows lie, which run together.

    Attributes:
        index: (n, N) rows of the stream (B*H*W, C); padded slots name any.
        real: (n, N) bool, False in padded slots; None when there are none.
        classes: (n,) mask class of each window; None when all are of class 0.
    """

    index: Tensor
    real: Tensor | None = None
    classes: Tensor | None = None

    def read(self, rows: Tensor) -> Tensor:
        """The windows' tokens: (B*H*W, C) -> (n, N, C)."""
        return rows.index_select(0, self.index.flatten()).view(*self.index.shape, -1)

    def pick_bias(self, bias: Tensor) -> Tensor:
        """(classes, nH, N, N) -> (1 or n, nH, N, N), one for all where they share it."""
        return bias[:1] if self.classes is None else bias[self.classes]

    def leave_padding(self, tokens: Tensor, sink: int) -> tuple[Tensor, Tensor]:
        """Rows (m,) to write tokens (n * N, C) to, and those tokens (m, C): padded slots go.

        To find them would wait for a GPU; there they stay, and are written to the row ``sink``.
        """
        rows = self.index.flatten()
        if self.real is None:
            return rows, tokens
        if not may_sync(tokens):
            return rows.masked_fill(~self.real.flatten(), sink), tokens
        slots = self.real.flatten().nonzero().squeeze(1)
        return rows[slots], tokens.index_select(0, slots)

    def split(self) -> Iterator[WindowRows]:
        """Pieces that fit the cache; most windows are alike, with one bias and no padding."""
        if not may_sync(self.index):  # all at once: a launch costs more than the cache saves
            yield self
            return
        count = -(-self.index.numel() // CHUNK_TOKENS)
        if self.real is None and self.classes is None:
            yield from map(WindowRows, self.index.tensor_split(count))
            return
        is_plain = torch.ones(len(self.index), dtype=torch.bool)
        if self.real is not None:
            is_plain &= self.real.all(dim=1)
        if self.classes is not None:
            is_plain &= self.classes == 0
        order = is_plain.argsort(descending=True, stable=True)
        num_plain, done = int(is_plain.sum()), 0
        for some in order.tensor_split(count):
            done += len(some)
            if done <= num_plain:
                yield WindowRows(self.index[some])
                continue
            real = None if self.real is None else self.real[some]
            yield WindowRows(
                self.index[some], real, None if self.classes is None else self.classes[some]
            )
