"""Window geometry: which tokens every attention window holds, and which pairs it must not mix.

Everything here depends on sizes alone, so it is built once per (H, W, window, shift, device) and
cached; a forward pass only indexes into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]

#: Added to the attention logits of two tokens a shifted window must not mix (Swin, section 3.2).
MASK_VALUE = -100.0

_SPAN_DIGITS = 6  # far finer than a pixel of the largest picture


@dataclass(frozen=True, eq=False)
class WindowGrid:
    """The windows of one block over one token grid.

    Attributes:
        grid: (H, W) tokens.
        window: (Wh, Ww) tokens of a window, N = Wh * Ww.
        shift: (rows, columns) of the cyclic shift; (0, 0) for a plain window.
        rows, cols: windows down and across, nW = rows * cols.
        token_index: (nW, N) int64, the row-major token of each slot; padded slots hold 0.
        real: (nW, N) bool, False in padded slots; None when nothing is padded.
        num_real: (nW,) float32, real tokens of each window.
        mask_class: (nW,) int64, which of ``class_masks`` each window needs; None when unshifted.
        class_masks: (4, N, N) float32 added to the logits: none, right, bottom and corner window;
            (1, N, N) when unshifted.
        pad_first: whether the host pads before it rolls.
    """

    grid: Size
    window: Size
    shift: Size
    rows: int
    cols: int
    token_index: Tensor
    real: Tensor | None
    num_real: Tensor
    mask_class: Tensor | None
    class_masks: Tensor
    pad_first: bool = False

    @property
    def num_windows(self) -> int:
        """nW, windows of one image."""
        return self.rows * self.cols

    @property
    def num_tokens(self) -> int:
        """N, token slots of one window."""
        return self.window[0] * self.window[1]


def get_window_grid(
    height: int,
    width: int,
    window: Size,
    shift: Size,
    device: torch.device | str = "cpu",
    pad_first: bool = False,
) -> WindowGrid:
    """The cached :class:`WindowGrid` of a token grid.

    Args:
        height, width: H, W of the token grid.
        window: (Wh, Ww).
        shift: (rows, columns) the host rolls the grid by; (0, 0) for none.
        device: where the index tensors live.
        pad_first: the host pads before it rolls (Hugging Face) instead of after (timm).
    """
    return _build_window_grid(height, width, window, shift, str(device), pad_first)


@lru_cache(maxsize=128)
def _build_window_grid(
    height: int, width: int, window: Size, shift: Size, device: str, pad_first: bool
) -> WindowGrid:
    # Normal tensors even when the first forward runs under inference_mode: the cache outlives it.
    with torch.inference_mode(False), torch.no_grad():
        tokens = torch.arange(height * width).view(1, height, width)
        pad = (0, -width % window[1], 0, -height % window[0])
        roll = (-shift[0], -shift[1])
        if pad_first:
            tokens = F.pad(tokens, pad, value=-1).roll(roll, dims=(1, 2))
        else:
            tokens = F.pad(tokens.roll(roll, dims=(1, 2)), pad, value=-1)
        rows, cols = tokens.shape[1] // window[0], tokens.shape[2] // window[1]
        index = (
            tokens.view(rows, window[0], cols, window[1])
            .permute(0, 2, 1, 3)
            .reshape(rows * cols, window[0] * window[1])
        )  # (nW, N)
        real = index >= 0
        return WindowGrid(
            grid=(height, width),
            window=window,
            shift=shift,
            rows=rows,
            cols=cols,
            token_index=index.clamp(min=0).to(device),
            real=real.to(device) if any(pad) else None,
            num_real=real.sum(dim=1).float().to(device),
            mask_class=_classify_windows(rows, cols).to(device) if any(shift) else None,
            class_masks=_build_class_masks(window, shift).to(device),
            pad_first=pad_first,
        )


def _classify_windows(rows: int, cols: int) -> Tensor:
    """(nW,) int64: 0 interior, 1 last column, 2 last row, 3 the corner. Only these wrap around."""
    last_row = (torch.arange(rows) == rows - 1).long().unsqueeze(1)
    last_col = (torch.arange(cols) == cols - 1).long().unsqueeze(0)
    return (2 * last_row + last_col).flatten()


def _build_class_masks(window: Size, shift: Size) -> Tensor:
    """(4 or 1, N, N): MASK_VALUE between tokens from opposite edges of the picture."""
    wraps_down = (torch.arange(window[0]) >= window[0] - shift[0]).long() if shift[0] else None
    wraps_right = (torch.arange(window[1]) >= window[1] - shift[1]).long() if shift[1] else None
    masks = []
    for mask_class in range(4 if any(shift) else 1):
        region = torch.zeros(window, dtype=torch.long)
        if mask_class & 2 and wraps_down is not None:
            region += 2 * wraps_down.unsqueeze(1)
        if mask_class & 1 and wraps_right is not None:
            region += wraps_right.unsqueeze(0)
        region = region.flatten()
        masks.append((region.unsqueeze(0) != region.unsqueeze(1)).float() * MASK_VALUE)
    return torch.stack(masks)


def map_tokens_to_windows(grid: WindowGrid) -> Tensor:
    """(H, W) int64, the row-major window every token belongs to: what masks are drawn from."""
    height, width = grid.grid
    owner = torch.empty(height * width, dtype=torch.long, device=grid.token_index.device)
    windows = torch.arange(grid.num_windows, device=owner.device).unsqueeze(1)
    windows = windows.expand_as(grid.token_index)
    if grid.real is None:
        owner[grid.token_index.flatten()] = windows.flatten()
    else:
        owner[grid.token_index[grid.real]] = windows[grid.real]
    return owner.view(height, width)


#: Neighbouring tokens of a window along one side: [first token, first slot, length].
Run = tuple[int, int, int]

#: Pieces of a window along one side of the picture: (from, to) as fractions of it.
Span = tuple[float, float]


def find_runs(grid: WindowGrid) -> tuple[list[list[Run]], list[list[Run]]]:
    """The tokens of every window row and every window column, in runs of neighbours.

    A shifted window that wraps around has two runs a side; padded slots are in none.

    Returns:
        The runs of each of the rows, and of each of the cols.
    """
    index = grid.token_index if grid.real is None else grid.token_index.where(grid.real, -1)
    slots = index.view(grid.rows, grid.cols, *grid.window)
    width = grid.grid[1]
    down = (slots // width).where(slots >= 0, -1).amax(dim=(1, 3))  # (rows, Wh)
    across = (slots % width).where(slots >= 0, -1).amax(dim=(0, 2))  # (cols, Ww)
    return [_join_runs(row) for row in down.tolist()], [_join_runs(col) for col in across.tolist()]


def _join_runs(tokens: Sequence[int]) -> list[Run]:
    """[3, 4, 5, 0, -1] -> [(3, 0, 3), (0, 3, 1)]."""
    runs: list[Run] = []
    for slot, token in enumerate(tokens):
        if token < 0:
            continue
        first, start, length = runs[-1] if runs else (-1, -1, 0)
        if runs and token == first + length:
            runs[-1] = (first, start, length + 1)
        else:
            runs.append((token, slot, 1))
    return runs


def find_spans(grid: WindowGrid) -> tuple[list[list[Span]], list[list[Span]]]:
    """Where every window row and every window column lies in the picture; padding is cut off.

    Returns:
        The spans of each of the rows, fractions of the picture's height, and of each of the cols,
        of its width. Together they cover it once; a shifted window that wraps around has two.
    """
    rows, cols = (
        [[_measure_run(run, side) for run in runs] for runs in axis]
        for side, axis in zip(grid.grid, find_runs(grid), strict=True)
    )
    return rows, cols


def _measure_run(run: Run, side: int) -> Span:
    """(4, 0, 3) of 10 tokens -> (0.4, 0.7)."""
    first, _, length = run
    return round(first / side, _SPAN_DIGITS), round((first + length) / side, _SPAN_DIGITS)
