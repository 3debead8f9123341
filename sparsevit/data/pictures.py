"""Pictures and label files of a folder: which they are, how they are read and stay in memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparsevit.data.reader import (
    ImageError,
    ImageSizeError,
    list_suffixes,
    load_image,
    open_image,
    read_file,
)

#: Decoded pictures that one data set keeps in memory, bytes.
CACHE_BYTES = 2_000_000_000

_BIT_DEPTH_AT = 24  # position of the bit depth in a PNG file


class DataError(ValueError):
    """Data that cannot be used; the message is one sentence that names the file or the spec."""


class EmptySplitError(DataError):
    """A folder that holds pictures, but none of the split asked for."""


class DataWarning(UserWarning):
    """Data that can be used, but may not be what was meant; the message is one sentence."""


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


def list_pictures(*folders: Path) -> list[Path]:
    """The pictures in folders, in order of their names; none where there is no folder.

    A file is a picture if its name ends as one's that the reader reads, and is not hidden: macOS
    leaves ``._NAME.jpg`` beside a picture. Of the files passed over a DataWarning tells.
    """
    found = [_sort_files(folder) for folder in folders]
    pictures = [path for paths, _ in found for path in paths]
    others = [path for _, paths in found for path in paths]
    if pictures and others:
        warnings.warn(
            f"Skipped {len(others)} of {len(pictures) + len(others)} files, as they are no "
            f"pictures by their names, such as {others[0]}.",
            DataWarning,
            stacklevel=2,
        )
    return pictures


def describe_lack(folder: Path) -> str:
    """One sentence for a folder that holds no pictures."""
    if not folder.is_dir():
        return f"There is no folder {folder}."
    _, others = _sort_files(folder)
    if not others:
        return f"There are no pictures in the folder {folder}."
    return (
        f"There are no pictures in the folder {folder}: no file in it, such as {others[0].name}, "
        f"is a JPEG, PNG, WebP, TIFF, BMP or GIF by its name."
    )


def read_image(path: Path) -> np.ndarray:
    """(img_h, img_w, 3) uint8 RGB of a picture in a folder, the right way up.

    Raises:
        DataError: it is damaged, too small, too thin or too large.
    """
    try:
        return load_image(path, f"The picture {path}")
    except ImageError as error:
        raise DataError(str(error)) from error


def read_labels(path: Path) -> np.ndarray:
    """(img_h, img_w) uint8 label values; of a paletted file its indices, not its colours.

    Raises:
        DataError: the file is no PNG with one 8-bit channel, is damaged, or is too large.
    """
    labels = _read_png(path, "label file", ("L", "P"))
    if labels is None:
        raise DataError(
            f"The label file {path} is not an 8-bit single-channel PNG: labels are class indices, "
            f"in grey levels or with a palette."
        )
    return labels


def read_ids(path: Path) -> np.ndarray:
    """(img_h, img_w) int32 ids of segments, stored as COCO does: R + 256 G + 65536 B.

    Raises:
        DataError: the file is no RGB PNG, is damaged, or is too large.
    """
    colours = _read_png(path, "file of segments", ("RGB", "RGBA"))
    if colours is None:
        raise DataError(
            f"The file of segments {path} is not an 8-bit RGB PNG: its colours are the segments' "
            f"ids."
        )
    return colours[..., :3] @ np.array([1, 256, 65536], np.int32)


def check_sizes(
    picture: Path, size: tuple[int, ...], labels: Path, labelled: tuple[int, ...]
) -> None:
    """Refuse labels of another size than their picture's.

    Args:
        picture: its file.
        size: (img_h, img_w) of it, the right way up.
        labels: the file that holds them.
        labelled: (h, w) of the labels.

    Raises:
        DataError: they differ.
    """
    if size != labelled:
        turned = "; a picture is turned as its EXIF says, and its labels must be so already"
        raise DataError(
            f"The picture {picture} is {size[1]}x{size[0]} but its labels in {labels} are "
            f"{labelled[1]}x{labelled[0]}{turned * (size == labelled[::-1])}."
        )


def _sort_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """(pictures, other files) of a folder."""
    if not folder.is_dir():
        return [], []
    files = sorted(path for path in folder.iterdir() if not path.is_dir())
    pictures = [
        path
        for path in files
        if path.suffix.lower() in list_suffixes() and not path.name.startswith(".")
    ]
    return pictures, [path for path in files if path not in set(pictures)]


def _read_png(path: Path, kind: str, modes: Sequence[str]) -> np.ndarray | None:
    """The values as they are stored, 8 bits each; None if they are of other modes of PIL's."""
    name = f"The {kind} {path}"
    try:
        data = read_file(path, name)
        with open_image(data, name, ("PNG",)) as image:
            # Grey levels of fewer bits would be stretched to 0..255; palette indices stay as is.
            is_exact = image.mode == "P" or data[_BIT_DEPTH_AT] == 8
            return np.array(image) if image.mode in modes and is_exact else None
    except ImageSizeError as error:
        raise DataError(str(error)) from error
    except Exception as error:  # a damaged file makes PIL raise almost anything
        raise DataError(f"{name} cannot be decoded as a PNG.") from error
