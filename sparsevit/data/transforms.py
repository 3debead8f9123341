"""From a photo to what a network reads: sized, resized, normalised."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from sparsevit.data.reader import ImageError

#: (height, width), pixels.
Size = tuple[int, int]

#: Most pixels fed to a network: a short side of 1536 at 2:1.
MAX_NETWORK_PIXELS = 1536 * 3072

#: Both sides of what is fed to a network are multiples of it, unless it wants others.
SIZE_MULTIPLE = 32

#: Shortest side ever fed to a network.
MIN_NETWORK_SIDE = 64


def choose_size(
    height: int,
    width: int,
    short_side: int | None,
    multiple: int = SIZE_MULTIPLE,
    max_pixels: int | None = MAX_NETWORK_PIXELS,
    rounds_down: bool = False,
) -> Size:
    """The size to feed a network: the photo's aspect, in multiples, within bounds.

    Args:
        height, width: of the photo, pixels.
        short_side: wanted length of the shorter side, pixels; None keeps the photo's own.
        multiple: both sides are multiples of it, and at least 64.
        max_pixels: the photo is scaled down to have no more; None for no limit.
        rounds_down: to the next smaller multiples; by default to the nearest.

    Returns:
        (h, w) pixels.

    Raises:
        ImageError: a short side below 1.
        ValueError: another length below 1, or ``max_pixels`` too few for the smallest square.
    """
    if short_side is not None and short_side < 1:
        raise ImageError(f"The short side must be at least 1 pixel, got {short_side}.")
    if min(height, width, multiple) < 1:
        raise ValueError(
            f"Sizes must be at least 1 pixel, got {height} x {width}, multiple {multiple}."
        )
    smallest = math.ceil(MIN_NETWORK_SIDE / multiple) * multiple
    limit = math.inf if max_pixels is None else max_pixels
    if limit < smallest**2:
        raise ValueError(f"max_pixels must be at least {smallest**2}, got {max_pixels}.")
    shorter = min(height, width)
    scale = (short_side or shorter) / shorter
    scale = min(scale, math.sqrt(limit / (height * width)))
    scale = max(scale, smallest / shorter)
    exact_h, exact_w = height * scale, width * scale
    nearest = 0.0 if rounds_down else 0.5
    h, w = (
        max(smallest, math.floor(exact / multiple + nearest) * multiple)
        for exact in (exact_h, exact_w)
    )
    while h * w > limit:  # rounding went over: take back the side that gained more
        if h == smallest or (w > smallest and w / exact_w >= h / exact_h):
            w -= multiple
        else:
            h -= multiple
    return h, w


def find_largest_side(height: int, width: int, max_pixels: int = MAX_NETWORK_PIXELS) -> int:
    """The longest short side, pixels, at which a photo of this aspect is within ``max_pixels``.

    Args:
        height, width: of the photo, pixels.
        max_pixels: as of :func:`choose_size`.
    """
    largest = math.isqrt(max_pixels * min(height, width) // max(height, width))
    return max(largest, MIN_NETWORK_SIDE)


def resize_image(image: np.ndarray, size: Size) -> np.ndarray:
    """Resize without aliasing: area average when shrinking, cubic when growing.

    Args:
        image: (img_h, img_w, 3) uint8.
        size: (h, w) pixels.

    Returns:
        (h, w, 3) uint8; a copy even when the size is the same.
    """
    height, width = size
    if image.shape[:2] == (height, width):
        return image.copy()
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(image, (width, height), interpolation=method)


def fit_photo(image: np.ndarray, size: Size) -> np.ndarray:
    """A photo at a size as an original to restore: a few pixels are cut off, not blurred away.

    Args:
        image: (img_h, img_w, 3) uint8.
        size: (h, w) pixels, of :func:`choose_size`.

    Returns:
        (h, w, 3) uint8: the middle of the photo where it is larger by less than ``SIZE_MULTIPLE``
        pixels, else the photo resized.
    """
    spare = image.shape[0] - size[0], image.shape[1] - size[1]
    if not all(0 <= pixels < SIZE_MULTIPLE for pixels in spare):
        return resize_image(image, size)
    top, left = spare[0] // 2, spare[1] // 2
    return image[top : top + size[0], left : left + size[1]].copy()


def to_tensor(image: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Normalise a photo: (pixel / 255 - mean) / std.

    Args:
        image: (h, w, 3) uint8 RGB.
        mean, std: of each of R, G, B, in units where white is 1.

    Returns:
        (1, 3, h, w) float32, contiguous.
    """
    planes = torch.from_numpy(np.array(image.transpose(2, 0, 1), order="C"))  # (3, h, w)
    scale = 1 / (255 * torch.tensor(std, dtype=torch.float64))
    offset = torch.tensor(mean, dtype=torch.float64) / torch.tensor(std, dtype=torch.float64)
    tensor = planes.float().mul_(scale.float().view(3, 1, 1)).sub_(offset.float().view(3, 1, 1))
    return tensor.unsqueeze(0)
