"""Figures, checked pixel by pixel against slow loops that know nothing of the library's indices."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sparsevit.core.trace import BlockTrace
from sparsevit.core.windows import get_window_grid
from sparsevit.draw import looks, masks

# H, W, window, shift, pad_first
GRIDS = [
    (14, 21, (7, 7), (0, 0), False),
    (14, 21, (7, 7), (3, 3), False),
    (13, 19, (7, 7), (3, 3), False),
    (13, 19, (7, 7), (3, 3), True),
    (9, 23, (4, 6), (2, 3), False),
    (9, 23, (4, 6), (2, 3), True),
    (5, 11, (5, 7), (0, 3), False),
]
SIZES = [(56, 84), (61, 97), (75, 66), (11, 12)]


def make_block(
    height: int = 14,
    width: int = 21,
    window: tuple[int, int] = (7, 7),
    shift: tuple[int, int] = (0, 0),
    pad_first: bool = False,
    batch: int = 2,
    seed: int = 0,
    **changes: object,
) -> BlockTrace:
    grid = get_window_grid(height, width, window, shift, pad_first=pad_first)
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand((batch, grid.rows, grid.cols), generator=generator)
    fields: dict[str, object] = {
        "stage": 0,
        "block": 0,
        "shifted": any(shift),
        "keep_mask": torch.rand(scores.shape, generator=generator) > 0.5,
        "scores": scores,
        "grid": grid,
        "scored_block": 0,
    }
    return BlockTrace(**(fields | changes))  # type: ignore[arg-type]


def make_photo(size: tuple[int, int], low: int = 90, seed: int = 1) -> np.ndarray:
    """Read-only, so that a function that writes into its input fails."""
    photo = np.random.default_rng(seed).integers(low, 256, (*size, 3), dtype=np.uint8)
    photo.flags.writeable = False
    return photo


def find_cell(pixel: int, length: int, count: int) -> int:
    """Which of ``count`` cells holds the centre of a pixel; exact arithmetic."""
    return floor((pixel + Fraction(1, 2)) * count / length)


def find_window(token: int, count: int, window: int, shift: int, pad_first: bool) -> int:
    """Row (or column) of the window that holds a token, by where a roll moves it."""
    cycle = ceil(count / window) * window if pad_first else count
    return (token - shift) % cycle // window


def map_pixels(block: BlockTrace, size: tuple[int, int]) -> np.ndarray:
    """(h, w) the window under each pixel, by a double loop."""
    grid = block.grid
    rows, columns = (
        [
            find_window(
                find_cell(pixel, size[axis], grid.grid[axis]),
                grid.grid[axis],
                grid.window[axis],
                grid.shift[axis],
                grid.pad_first,
            )
            for pixel in range(size[axis])
        ]
        for axis in range(2)
    )
    return np.array([[row * grid.cols + column for column in columns] for row in rows])


def find_changes(values: np.ndarray) -> np.ndarray:
    """(h, w) bool: pixels that differ from the one above or to the left, by a double loop."""
    rows = values.tolist()
    return np.array(
        [
            [
                value != rows[max(y - 1, 0)][x] or value != row[max(x - 1, 0)]
                for x, value in enumerate(row)
            ]
            for y, row in enumerate(rows)
        ]
    )


def spread(pixels: np.ndarray) -> np.ndarray:
    """How colourful pixels are: largest minus smallest channel."""
    return pixels.max(axis=-1).astype(int) - pixels.min(axis=-1)


def light(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(float) @ [0.299, 0.587, 0.114]


@pytest.mark.parametrize(("grid", "size"), [((3, 5), (7, 11)), ((5, 3), (2, 2)), ((4, 4), (16, 8))])
def test_upscale_is_the_token_under_the_pixel_centre(grid: tuple, size: tuple[int, int]) -> None:
    values = np.arange(grid[0] * grid[1]).reshape(grid)
    result = masks.upscale_tokens(values, size)
    for y in range(size[0]):
        for x in range(size[1]):
            token = find_cell(y, size[0], grid[0]), find_cell(x, size[1], grid[1])
            assert result[y, x] == values[token]


def test_upscale_keeps_dtype_channels_and_copies() -> None:
    values = np.zeros((3, 4, 3), dtype=np.float32)
    assert masks.upscale_tokens(values, (9, 8)).shape == (9, 8, 3)
    same = masks.upscale_tokens(values, (3, 4))
    same[:] = 1
    assert same.dtype == np.float32
    assert not values.any()


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 40), factor=st.integers(1, 9))
def test_upscale_by_a_whole_factor_repeats(count: int, factor: int) -> None:
    values = np.arange(count)[:, None]
    expected = values.repeat(factor, axis=0)
    assert np.array_equal(masks.upscale_tokens(values, (count * factor, 1)), expected)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("grid", GRIDS)
def test_pruned_windows_are_darkened_and_no_others(grid: tuple, size: tuple[int, int]) -> None:
    block, photo = make_block(*grid), make_photo(size)
    for image_index in range(2):
        picture = masks.draw_pruned_windows(photo, block, image_index)
        window = map_pixels(block, size)
        keep = block.keep_mask[image_index].flatten().numpy()[window]
        inside = ~find_changes(window)
        assert np.array_equal(picture[inside & keep], photo[inside & keep])
        dark, before = picture[inside & ~keep], photo[inside & ~keep]
        assert (light(dark) < 0.42 * light(before)).all()
        assert (find_changes(keep) <= (picture >= 235).all(axis=2)).all()
        assert picture.dtype == np.uint8
        assert picture.shape == photo.shape


def test_pruned_windows_lose_their_colour() -> None:
    block = make_block(keep_mask=torch.zeros((2, 2, 3), dtype=torch.bool))
    photo = np.zeros((56, 84, 3), dtype=np.uint8)
    photo[..., 0] = 255
    picture = masks.draw_pruned_windows(photo, block)
    assert spread(picture)[10, 10] < 64


def test_pruned_and_kept_differ_on_a_black_photo() -> None:
    keep = torch.zeros((1, 2, 3), dtype=torch.bool)
    keep[0, 0, 0] = True
    picture = masks.draw_pruned_windows(np.zeros((56, 84, 3), np.uint8), make_block(keep_mask=keep))
    assert not picture[10, 10].any()
    assert picture[10, 40].any()


@pytest.mark.parametrize("level", [0, 100, 180, 255])
def test_every_window_edge_shows_on_any_plain_photo(level: int) -> None:
    keep = torch.ones((1, 2, 3), dtype=torch.bool)
    photo = np.full((140, 210, 3), level, dtype=np.uint8)
    block = make_block(keep_mask=keep)
    changed = (masks.draw_pruned_windows(photo, block) != photo).any(axis=2)
    assert np.array_equal(changed, find_changes(map_pixels(block, photo.shape[:2])))
    contrast = np.abs(masks.draw_pruned_windows(photo, block)[changed].astype(int) - level)
    assert contrast.min() > 25


def test_edges_are_thicker_on_large_pictures_and_fainter_on_small_ones() -> None:
    keep = torch.ones((1, 2, 3), dtype=torch.bool)
    block = make_block(keep_mask=keep)

    def draw(height: int) -> np.ndarray:
        return masks.draw_pruned_windows(np.zeros((height, height, 3), np.uint8), block)[..., 0]

    assert (draw(2400)[0] > 0).sum() == 3 * (draw(600)[0] > 0).sum() == 6
    assert draw(20).max() < draw(600).max()


def test_score_map_rises_in_brightness_with_the_score() -> None:
    scores = torch.linspace(1, 2, 6).view(1, 2, 3)
    picture = masks.draw_score_map(np.full((56, 84, 3), 128, np.uint8), make_block(scores=scores))
    centres = light(picture[14::28, 14::28]).ravel()
    assert len(centres) == 6
    assert (np.diff(centres) > 5).all()


@pytest.mark.parametrize("grid", GRIDS)
def test_score_map_has_one_colour_a_window(grid: tuple) -> None:
    block, size = make_block(*grid), (61, 97)
    picture = masks.draw_score_map(np.full((*size, 3), 60, np.uint8), block, 1)
    window = map_pixels(block, size)
    for number in np.unique(window):
        assert (picture[window == number] == picture[window == number][0]).all()


def test_one_odd_score_does_not_wash_out_the_rest() -> None:
    scores = torch.linspace(1, 2, 100).view(1, 10, 10).clone()
    scores[0, 0, 0] = 1e6
    low, high = masks.get_score_range(make_block(70, 70, scores=scores))
    assert 1 <= low < 1.1
    assert 1.9 < high < 3


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0] * 6, (3, 3)),
        ([float("nan")] * 6, (0, 0)),
        ([float("inf"), 1, 1, 1, 1, float("-inf")], (1, 1)),
    ],
)
def test_scores_without_a_range_still_draw(values: list[float], expected: tuple) -> None:
    block = make_block(scores=torch.tensor(values).view(1, 2, 3))
    assert masks.get_score_range(block) == expected
    assert masks.draw_score_map(make_photo((28, 42)), block).shape == (28, 42, 3)


def test_few_different_scores_keep_their_ends() -> None:
    scores = torch.zeros((1, 10, 10))
    scores[0, 4, 4] = 5
    assert masks.get_score_range(make_block(70, 70, scores=scores)) == (0, 5)


@pytest.mark.parametrize("size", SIZES)
def test_compute_map_counts_blocks(size: tuple[int, int]) -> None:
    blocks = [make_block(*grid, seed=seed) for seed, grid in enumerate(GRIDS)]
    expected = np.zeros(size)
    for block in blocks:
        expected += block.keep_mask[1].flatten().numpy()[map_pixels(block, size)]
    result = masks.compute_map(blocks, size, 1)
    assert result.dtype == np.float32
    assert np.allclose(result, expected / len(blocks), rtol=1e-6)


def test_compute_map_picture_uses_the_legend() -> None:
    keep = torch.tensor([[[True, False, True], [False, False, True]]])
    blocks = [make_block(keep_mask=keep), make_block(keep_mask=torch.ones_like(keep))]
    legend = masks.compute_map_legend(blocks)
    assert [count for count, _ in legend] == [0, 1, 2]
    assert light(np.array([colour for _, colour in legend])).tolist() == sorted(
        light(np.array([colour for _, colour in legend]))
    )
    picture = masks.draw_compute_map(np.zeros((56, 84, 3), np.uint8), blocks)
    for x, count in ((10, 2), (40, 1), (70, 2)):
        blended = np.array(legend[count][1]) * 0.65
        assert np.abs(picture[10, x] - blended).max() <= 1


def test_compute_map_needs_blocks() -> None:
    with pytest.raises(ValueError, match="blocks"):
        masks.compute_map([], (8, 8))


def test_caption_counts_from_one() -> None:
    keep = torch.zeros((2, 2, 3), dtype=torch.bool)
    keep[1, 0, :2] = True
    block = make_block(shift=(3, 3), keep_mask=keep, stage=2, block=4)
    assert masks.caption_block(block, 1) == "Stage 3, block 5, shifted, 2/6 windows"
    assert masks.caption_block(make_block(keep_mask=keep)).startswith(
        "Stage 1, block 1, plain, 0/6"
    )


@pytest.mark.parametrize(("columns", "rows"), [(1, 5), (2, 3), (5, 1), (9, 1)])
@pytest.mark.parametrize("thumb_width", [120, 200, 400])
def test_filmstrip_holds_every_block_and_its_caption(
    columns: int, rows: int, thumb_width: int
) -> None:
    blocks = [make_block(seed=seed, block=seed) for seed in range(5)]
    photo = make_photo((50, 100))
    sheet = masks.make_filmstrip(photo, blocks, columns, thumb_width)
    columns = min(columns, 5)
    cell_width, cell_height = (sheet.shape[1] - 8) // columns, (sheet.shape[0] - 8) // rows
    assert cell_width == thumb_width + 8
    thumb = masks.resize_image(photo, (thumb_width // 2, thumb_width))
    for number, block in enumerate(blocks):
        y, x = 8 + number // columns * cell_height, 8 + number % columns * cell_width
        picture = sheet[y : y + thumb_width // 2, x : x + thumb_width]
        assert np.array_equal(picture, masks.draw_pruned_windows(thumb, block))
        caption = sheet[y + thumb_width // 2 : y + cell_height - 8, x : x + thumb_width]
        assert caption.max() > 180  # letters
        assert (caption[:, -1] == 24).all()  # and none cut off at the right
        assert (caption[-1] == 24).all()


@pytest.mark.parametrize("bad", [{"blocks": []}, {"columns": 0}, {"thumb_width": 20}])
def test_filmstrip_says_what_it_needs(bad: dict) -> None:
    arguments = {"image": make_photo((50, 100)), "blocks": [make_block()], **bad}
    with pytest.raises(ValueError, match="filmstrip needs"):
        masks.make_filmstrip(**arguments)


def test_labels_tint_each_pixel_with_its_class() -> None:
    photo = make_photo((6, 8))
    labels = np.arange(48, dtype=np.uint8).reshape(6, 8) % 4
    labels[0, 0] = 255
    palette = np.array([[0, 0, 0], [255, 0, 0], [0, 200, 10]], dtype=np.uint8)
    picture = masks.draw_labels(photo, labels, palette, opacity=0.25)
    for y in range(6):
        for x in range(8):
            label = labels[y, x]
            expected = photo[y, x] * 0.75 + palette[label] * 0.25 if label < 3 else photo[y, x]
            assert np.abs(picture[y, x] - expected).max() <= 1
    assert np.array_equal(picture[0, 0], photo[0, 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_labels_of_another_size_are_scaled(dtype: type) -> None:
    labels: np.ndarray = np.zeros((1, 2), dtype=dtype)
    labels[0, 1] = 1
    palette = np.array([[10, 20, 30], [40, 50, 60]], dtype=np.uint8)
    picture = masks.draw_labels(make_photo((4, 6)), labels, palette, opacity=1)
    assert (picture[:, :3] == palette[0]).all()
    assert (picture[:, 3:] == palette[1]).all()


def test_difference_marks_exactly_what_differs() -> None:
    photo, dense = make_photo((9, 7)), np.zeros((9, 7), np.uint8)
    sparse = dense.copy()
    sparse[2, 3] = sparse[8, 6] = 4
    picture = masks.draw_difference(photo, dense, sparse)
    marked = (picture == looks.DIFFERENCE_COLOUR).all(axis=2)
    assert np.array_equal(marked, dense != sparse)
    assert (spread(picture[~marked]) == 0).all()


def test_side_by_side_scales_the_right_one() -> None:
    left, right = make_photo((40, 30)), make_photo((80, 100))
    picture = masks.side_by_side(left, right, gap=5)
    assert picture.shape == (40, 30 + 5 + 50, 3)
    assert np.array_equal(picture[:, :30], left)
    assert (picture[:, 30:35] == 255).all()


@pytest.mark.parametrize(("name", "error"), [("ä b.PNG", 0), ("a.jpg", 12), ("a.webp", 12)])
def test_saved_pictures_are_rgb(tmp_path: Path, name: str, error: int) -> None:
    picture = np.zeros((32, 48, 3), dtype=np.uint8)
    picture[..., 0] = 200
    path = tmp_path / "new" / name
    masks.save_picture(path, picture)
    read = np.array(Image.open(path).convert("RGB")).astype(int)
    assert np.abs(read - picture).max() <= error


def test_saving_refuses_other_endings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.png"):
        masks.save_picture(tmp_path / "a.gif", np.zeros((8, 8, 3), np.uint8))
