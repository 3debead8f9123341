"""From a photo to what a network reads: sizes, resizing, normalising."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sparsevit.data.transforms import choose_size, find_largest_side, resize_image, to_tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def make_photo() -> np.ndarray:
    """Smooth and different in every corner."""
    corners = np.array([[[255, 20, 0], [9, 200, 80]], [[130, 40, 220], [0, 60, 250]]], np.uint8)
    return cv2.resize(corners, (64, 48), interpolation=cv2.INTER_LINEAR)


@pytest.mark.parametrize(
    ("photo", "short_side", "expected"),
    [
        ((1024, 2048), 512, (512, 1024)),
        ((2048, 1024), 512, (1024, 512)),
        ((1536, 2730), 512, (512, 896)),
        ((1536, 2730), None, (1536, 2720)),
        ((100, 100), None, (96, 96)),
        ((40, 40), None, (64, 64)),
        ((32, 256), 1, (64, 512)),
        ((4000, 6000), None, (1760, 2656)),
    ],
)
def test_choose_size_table(photo: tuple[int, int], short_side: int | None, expected: tuple) -> None:
    assert choose_size(*photo, short_side) == expected


@pytest.mark.parametrize(
    ("photo", "expected"),
    [
        ((1024, 2048), 1536),  # 1536 x 3072 is all there may be
        ((300, 100), 1254),  # 1254 x 3762 are 4,717,548 pixels of 4,718,592
        ((1, 10_000), 64),  # no photo is fed smaller
    ],
)
def test_the_largest_short_side_is_as_the_pixels_allow(photo, expected: int) -> None:
    assert find_largest_side(*photo) == expected


@settings(max_examples=200, deadline=None)
@given(
    height=st.integers(1, 30_000),
    width=st.integers(1, 30_000),
    short_side=st.none() | st.integers(1, 5000),
    multiple=st.sampled_from([1, 7, 8, 32, 64, 96]),
    max_pixels=st.integers(1_000_000, 20_000_000),
)
def test_choose_size_properties(
    height: int, width: int, short_side: int | None, multiple: int, max_pixels: int
) -> None:
    assume(max(height, width) <= 8 * min(height, width))
    h, w = choose_size(height, width, short_side, multiple, max_pixels)
    assert h % multiple == w % multiple == 0
    assert min(h, w) >= max(64, multiple)
    assert h * w <= max_pixels
    # Some one scale brings both sides to within a multiple of what was chosen.
    low = max((h - multiple) / height, (w - multiple) / width)
    high = min((h + multiple) / height, (w + multiple) / width)
    assert low <= high * (1 + 1e-9)
    wanted = max(short_side or min(height, width), 96)
    if (wanted + multiple) ** 2 * max(height, width) / min(height, width) < max_pixels / 2:
        assert abs(min(h, w) - wanted) <= max(multiple, 96 - 64)


@settings(max_examples=200, deadline=None)
@given(
    height=st.integers(1, 3000),
    width=st.integers(1, 3000),
    max_pixels=st.integers(64 * 64, 300_000),
)
def test_choose_size_never_exceeds_a_small_cap(height: int, width: int, max_pixels: int) -> None:
    h, w = choose_size(height, width, None, 32, max_pixels)
    assert min(h, w) >= 64
    assert h * w <= max_pixels


@pytest.mark.parametrize("bad", [(0, 9, None), (9, 0, None), (9, 9, 0), (9, 9, 9, 0)])
def test_choose_size_refuses_nothing(bad: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 1 pixel"):
        choose_size(*bad)


def test_choose_size_refuses_a_cap_below_the_smallest() -> None:
    with pytest.raises(ValueError, match="max_pixels must be at least 4096"):
        choose_size(100, 100, None, 32, 4095)


def test_shrinking_averages_and_growing_interpolates() -> None:
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    assert (resize_image(stripes, (32, 32)) == 100).all()
    grown = resize_image(make_photo(), (96, 128))
    assert grown.shape == (96, 128, 3)
    assert np.abs(grown[::2, ::2].astype(int) - make_photo()).max() < 12


def test_resizing_to_the_same_size_copies() -> None:
    photo = make_photo()
    same = resize_image(photo, (48, 64))
    assert np.array_equal(same, photo)
    assert not np.shares_memory(same, photo)


def test_tensor_is_normalised_pixel_by_pixel() -> None:
    photo = make_photo()
    photo.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensor = to_tensor(photo, MEAN, STD)
    assert tensor.shape == (1, 3, 48, 64)
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    for y, x, c in ((0, 0, 0), (47, 63, 2), (20, 30, 1)):
        expected = (float(photo[y, x, c]) / 255 - MEAN[c]) / STD[c]
        assert float(tensor[0, c, y, x]) == pytest.approx(expected, abs=1e-5)


def test_tensor_of_a_view_of_the_photo() -> None:
    photo = make_photo()
    flipped = to_tensor(photo[:, ::-1], MEAN, STD)
    assert torch.equal(flipped, to_tensor(photo, MEAN, STD).flip(3))
