"""One labelled picture: how it is read from its two files, and how pictures stay in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

#: Decoded pictures that one data set keeps in memory, bytes.
CACHE_BYTES = 2_000_000_000

_BIT_DEPTH_AT = 24  # position of the bit depth in a PNG file


class DataError(ValueError):
    """Data that cannot be used; the message is one sentence that names the file or the spec."""


class EmptySplitError(DataError):
    """A folder that holds pictures, but none of the split asked for."""


@dataclass(frozen=True)
class Sample:
    """One picture and its truth.

    Attributes:
        image: (img_h, img_w, 3) uint8 RGB.
        labels: (img_h, img_w) uint8 class index; ``len(class_names) - 1`` is void.
        name: the file's stem, or the seed of a drawn scene.
    """

    image: np.ndarray
    labels: np.ndarray
    name: str


class SampleCache:
    """Keeps the first samples asked for, up to a number of bytes; the others are made each time.

    Training asks at random, so putting newer samples in the place of older ones would gain nothing.
    """

    def __init__(self, limit_bytes: int = CACHE_BYTES) -> None:
        """Start empty."""
        self._left = limit_bytes
        self._samples: dict[int, Sample] = {}

    def get(self, index: int, make: Callable[[int], Sample]) -> Sample:
        """The sample of ``index``, made by ``make(index)`` unless it is kept."""
        sample = self._samples.get(index)
        if sample is None:
            sample = make(index)
            size = sample.image.nbytes + sample.labels.nbytes
            if size <= self._left and index not in self._samples:
                self._samples[index] = sample
                self._left -= size
        return sample


def read_image(path: Path) -> np.ndarray:
    """(img_h, img_w, 3) uint8 RGB.

    Raises:
        DataError: the file cannot be decoded.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"The picture {path} cannot be decoded.")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_labels(path: Path) -> np.ndarray:
    """(img_h, img_w) uint8 label values; of a paletted file its indices, not its colours.

    Raises:
        DataError: the file is no PNG with one 8-bit channel, or cannot be decoded.
    """
    try:
        with Image.open(path, formats=["PNG"]) as image:
            # Grey levels of fewer bits would be stretched to 0..255; palette indices stay as is.
            is_exact = image.mode == "P" or (image.mode == "L" and _read_bit_depth(path) == 8)
            if is_exact:
                return np.array(image)
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError) as error:
        raise DataError(f"The label file {path} cannot be decoded as a PNG.") from error
    raise DataError(
        f"The label file {path} is not an 8-bit single-channel PNG: labels are class indices, "
        f"in grey levels or with a palette."
    )


def _read_bit_depth(path: Path) -> int:
    with path.open("rb") as file:
        return file.read(_BIT_DEPTH_AT + 1)[_BIT_DEPTH_AT]
