"""Pictures and label files of a folder: which they are, how they are read, what may be wrong."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sparsevit.data.reader import ImageError, ImageSizeError, list_suffixes, load_image, load_values


class DataError(ValueError):
    """Data that cannot be used; the message is one sentence that names the file or the spec."""


class EmptySplitError(DataError):
    """A folder that holds pictures, but none of the split asked for."""


class DataWarning(UserWarning):
    """Data that can be used, but may not be what was meant; the message is one sentence."""


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


def read_numbers(path: Path) -> np.ndarray:
    """(img_h, img_w) uint8 or uint16: numbers of things as docs/scenes.md stores them.

    Raises:
        DataError: the file is no PNG with one channel, is damaged, or is too large.
    """
    numbers = _read_png(path, "file of instances", ("I;16", "L"))
    if numbers is None:
        raise DataError(f"The file of instances {path} is not a PNG with one channel of numbers.")
    return numbers


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
    """The values as they are stored; None if they are of other modes of PIL's."""
    name = f"The {kind} {path}"
    try:
        return load_values(path, modes, name)
    except ImageSizeError as error:
        raise DataError(str(error)) from error
    except ImageError as error:
        raise DataError(f"{name} cannot be decoded as a PNG.") from error
