"""Window geometry against the host's own roll, pad and partition."""

import pytest
import torch
import torch.nn.functional as F
from oracle import list_windows
from timm.models.swin_transformer import SwinTransformerBlock, window_partition, window_reverse

from sparsevit.core.windows import (
    find_runs,
    find_spans,
    get_window_grid,
    map_tokens_to_windows,
)

# (H, W), (Wh, Ww), shift
GEOMETRIES = [
    ((14, 14), (7, 7), (0, 0)),
    ((14, 14), (7, 7), (3, 3)),
    ((14, 21), (7, 7), (3, 3)),
    ((16, 16), (7, 7), (0, 0)),
    ((16, 16), (7, 7), (3, 3)),
    ((10, 23), (7, 7), (3, 3)),
    ((23, 10), (7, 7), (3, 3)),
    ((6, 9), (4, 3), (2, 1)),
    ((5, 30), (5, 7), (0, 3)),
    ((30, 5), (7, 5), (3, 0)),
    ((5, 31), (5, 7), (0, 3)),
    ((3, 4), (7, 7), (3, 3)),
    ((1, 1), (7, 7), (3, 3)),
    ((2, 25), (12, 12), (6, 6)),
    ((1, 9), (1, 1), (0, 0)),
]
ids = [f"{g[0]}x{g[1]}-w{w[0]}x{w[1]}-s{s[0]}{s[1]}" for g, w, s in GEOMETRIES]
geometries = pytest.mark.parametrize(("grid", "window", "shift"), GEOMETRIES, ids=ids)


def host_windows(tokens: torch.Tensor, window: tuple, shift: tuple) -> torch.Tensor:
    """timm's way: (B, H, W, C) -> (B * nW, Wh, Ww, C), zeros where padded."""
    tokens = tokens.roll((-shift[0], -shift[1]), dims=(1, 2))
    pad_h, pad_w = -tokens.shape[1] % window[0], -tokens.shape[2] % window[1]
    return window_partition(F.pad(tokens, (0, 0, 0, pad_w, 0, pad_h)), window)


@geometries
def test_token_index_is_the_host_s_partition(grid, window, shift) -> None:
    height, width = grid
    numbers = torch.arange(1, height * width + 1).view(1, height, width, 1)
    expected = host_windows(numbers, window, shift).flatten(1) - 1  # -1 where padded
    ours = get_window_grid(height, width, window, shift)
    real = torch.ones_like(ours.token_index).bool() if ours.real is None else ours.real
    assert torch.equal(ours.token_index.masked_fill(~real, -1), expected)
    assert (ours.num_windows, ours.num_tokens) == tuple(expected.shape)
    assert torch.equal(ours.num_real, (expected >= 0).sum(dim=1).float())
    assert (ours.real is None) == (height % window[0] == width % window[1] == 0)


@geometries
def test_gathered_windows_reverse_exactly(grid, window, shift) -> None:
    height, width = grid
    ours = get_window_grid(height, width, window, shift)
    x = torch.randn(2, height, width, 3)
    windows = x.flatten(1, 2)[:, ours.token_index].flatten(0, 1)
    rows, cols = ours.rows * window[0], ours.cols * window[1]
    back = window_reverse(windows.view(-1, *window, 3), window, rows, cols)
    assert torch.equal(back[:, :height, :width].roll(shift, dims=(1, 2)), x)


@geometries
def test_every_token_has_one_window(grid, window, shift) -> None:
    owner = map_tokens_to_windows(get_window_grid(*grid, window, shift))
    expected = torch.full(grid, -1)
    for number, slots in enumerate(list_windows(grid, window, shift)):
        for token in slots:
            if token is not None:
                assert expected[token] == -1
                expected[token] = number
    assert torch.equal(owner, expected)


@pytest.mark.parametrize(
    ("grid", "window", "shift"), [g for g in GEOMETRIES if any(g[2])], ids=lambda value: str(value)
)
def test_class_masks_are_the_host_s(grid, window, shift) -> None:
    block = SwinTransformerBlock(
        8, grid, num_heads=1, window_size=window, shift_size=shift, always_partition=True
    )
    ours = get_window_grid(*grid, window, shift)
    assert block.shift_size == shift
    padded = torch.zeros(1, ours.rows * window[0], ours.cols * window[1], 1)
    expected = block.get_attn_mask(padded)
    assert torch.equal(ours.class_masks[ours.mask_class], expected)
    assert torch.equal(expected, block.attn_mask)


def test_plain_windows_need_no_mask() -> None:
    ours = get_window_grid(16, 16, (7, 7), (0, 0))
    assert ours.mask_class is None
    assert not ours.class_masks[0].any()


def test_hosts_that_pad_first() -> None:
    numbers = torch.arange(10 * 16).view(1, 10, 16)
    padded = F.pad(numbers, (0, 5, 0, 4), value=-1).roll((-3, -3), dims=(1, 2))
    expected = window_partition(padded.unsqueeze(-1), (7, 7)).flatten(1)
    ours = get_window_grid(10, 16, (7, 7), (3, 3), pad_first=True)
    assert torch.equal(ours.token_index.masked_fill(~ours.real, -1), expected)
    assert ours is not get_window_grid(10, 16, (7, 7), (3, 3))


def test_built_once_and_usable_after_inference_mode() -> None:
    with torch.inference_mode():
        first = get_window_grid(37, 41, (7, 7), (3, 3))
    assert get_window_grid(37, 41, (7, 7), (3, 3)) is first
    tensors = (first.token_index, first.real, first.num_real, first.mask_class, first.class_masks)
    assert not any(tensor.is_inference() for tensor in tensors)


# (H, W), window, shift, pad_first
SPANNED = [
    ((16, 24), (8, 8), (0, 0), False),
    ((16, 24), (8, 8), (4, 4), False),
    ((16, 23), (7, 7), (0, 0), False),
    ((16, 23), (7, 7), (3, 3), False),
    ((16, 23), (7, 7), (3, 3), True),
    ((8, 15), (7, 7), (3, 3), False),
    ((9, 23), (4, 6), (2, 3), True),
    ((5, 30), (5, 7), (0, 3), False),
    ((3, 4), (7, 7), (0, 0), False),
]


def find_owner(spans, place):
    """The one window row (or column) with this place, a fraction of the picture."""
    owners = [
        row for row, pieces in enumerate(spans) for low, high in pieces if low <= place < high
    ]
    assert len(owners) == 1
    return owners[0]


@pytest.mark.parametrize(("size", "window", "shift", "pad_first"), SPANNED)
def test_spans_are_where_the_tokens_of_each_window_lie(size, window, shift, pad_first):
    grid = get_window_grid(*size, window, shift, pad_first=pad_first)
    spans = find_spans(grid)
    assert [len(part) for part in spans] == [grid.rows, grid.cols]
    owners = [
        [
            find_owner(spans[0], (y + 0.5) / size[0]) * grid.cols
            + find_owner(spans[1], (x + 0.5) / size[1])
            for x in range(size[1])
        ]
        for y in range(size[0])
    ]
    assert owners == map_tokens_to_windows(grid).tolist()


@pytest.mark.parametrize("pad_first", [False, True])
def test_spans_by_hand(pad_first):
    # 10 tokens in windows of 4 rolled by 2: [2..5] [6..9] [0, 1] after timm's roll; padding first
    # rolls 12 positions, so the last window holds the padding and the first two tokens. Of 8 tokens
    # none is padded.
    rows, cols = find_spans(get_window_grid(10, 8, (4, 4), (2, 2), pad_first=pad_first))
    assert rows == [[(0.2, 0.6)], [(0.6, 1.0)], [(0.0, 0.2)]]
    assert cols == [[(0.25, 0.75)], [(0.75, 1.0), (0.0, 0.25)]]
    rows, cols = find_spans(get_window_grid(10, 3, (4, 4), (1, 0), pad_first=pad_first))
    assert rows == [[(0.1, 0.5)], [(0.5, 0.9)], [(0.9, 1.0), (0.0, 0.1)]]
    assert cols == [[(0.0, 1.0)]]


@pytest.mark.parametrize(
    ("size", "window", "shift"),
    [
        ((16, 24), (8, 8), (0, 0)),
        ((16, 24), (8, 8), (4, 4)),
        ((16, 23), (7, 7), (3, 3)),
        ((9, 23), (4, 6), (2, 3)),
        ((5, 30), (5, 7), (0, 3)),
        ((3, 4), (7, 7), (0, 0)),
    ],
)
def test_runs_hold_the_tokens_of_every_window(size, window, shift):
    rows, cols = find_runs(get_window_grid(*size, window, shift))
    found = [
        {
            (v + i, u + j): (y + i, x + j)
            for y, v, height in down
            for x, u, width in across
            for i in range(height)
            for j in range(width)
        }
        for down in rows
        for across in cols
    ]
    expected = [
        {divmod(slot, window[1]): token for slot, token in enumerate(tokens) if token is not None}
        for tokens in list_windows(size, window, shift)
    ]
    assert found == expected
