"""Pictures with a class for every pixel: folders of images/ + labels/, CamVid, drawn streets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import cv2
import numpy as np

from sparsevit.data import streets

Split = Literal["train", "holdout", "all"]

#: Label value that means void in every folder, beside the last class.
VOID_LABEL = 255

#: CamVid's sequence kept out of training: the only honest way to measure, as frames of one
#: sequence resemble each other.
CAMVID_HOLDOUT: tuple[str, ...] = ("0006R0",)

#: Size of a drawn training scene, pixels.
STREET_SIZE = (512, 1024)

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


class DataError(ValueError):
    """Data that cannot be used; the message is one sentence that names the file or the spec."""


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


class LabelledData(Protocol):
    """What training and evaluation read. The last class name is void: no loss, no metric."""

    class_names: tuple[str, ...]
    names: list[str]

    def __len__(self) -> int:
        """Number of pictures."""

    def __getitem__(self, index: int) -> Sample:
        """The picture at 0 <= index < len."""


class LabelledFolder:
    """Folders that hold images/ and labels/: an 8-bit PNG of class indices for each picture.

    Files are decoded when first asked for and then stay in memory.
    """

    def __init__(
        self,
        folders: str | Path | Sequence[str | Path],
        class_names: tuple[str, ...] = streets.CLASS_NAMES,
        only: Sequence[str] | None = None,
        without: Sequence[str] = (),
    ) -> None:
        """List the pictures; nothing is decoded yet.

        Args:
            folders: one folder or several, each with images/ and labels/.
            class_names: names of the classes, the last one void.
            only: if given, take only these sequences (the text before "_" in a file's name).
            without: leave these sequences out.

        Raises:
            DataError: a folder is missing or empty, no picture is left, or one has no label.
        """
        roots = [folders] if isinstance(folders, (str, Path)) else folders
        self.class_names = class_names
        self._files: list[tuple[Path, Path]] = []
        for root in roots:
            for image in _list_images(Path(root)):
                sequence = sequence_of(image.stem)
                if sequence in without or (only is not None and sequence not in only):
                    continue
                label = image.parent.parent / "labels" / f"{image.stem}.png"
                if not label.is_file():
                    raise DataError(f"The picture {image} has no label file {label}.")
                self._files.append((image, label))
        self.names = [image.stem for image, _ in self._files]
        if not self._files:
            raise DataError(
                f"No pictures are left in {', '.join(map(str, roots))} after choosing sequences."
            )
        self._cache: dict[int, Sample] = {}

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        """Decode the picture at ``index``.

        Raises:
            DataError: a file cannot be decoded, sizes differ, or a label is out of range.
        """
        if index not in self._cache:
            self._cache[index] = self._load(*self._files[index])
        return self._cache[index]

    def _load(self, image_path: Path, label_path: Path) -> Sample:
        image = cv2.imread(str(image_path), cv2.IMREAD_COLOR)
        labels = cv2.imread(str(label_path), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise DataError(f"The picture {image_path} cannot be decoded.")
        if labels is None or labels.ndim != 2 or labels.dtype != np.uint8:
            raise DataError(f"The label file {label_path} is not an 8-bit single-channel PNG.")
        if image.shape[:2] != labels.shape:
            raise DataError(
                f"The picture {image_path} is {image.shape[1]}x{image.shape[0]} but its labels "
                f"are {labels.shape[1]}x{labels.shape[0]}."
            )
        void = len(self.class_names) - 1
        labels = np.where(labels == VOID_LABEL, np.uint8(void), labels)
        if labels.max() > void:
            raise DataError(
                f"The label file {label_path} holds class {labels.max()}; allowed are 0 to {void}, "
                f"and {VOID_LABEL} for void."
            )
        return Sample(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), labels, image_path.stem)


class StreetScenes:
    """Procedural street scenes of consecutive seeds, drawn when first asked for and then kept."""

    def __init__(self, seed: int, count: int, size: tuple[int, int] = STREET_SIZE) -> None:
        """List the scenes; nothing is drawn yet.

        Args:
            seed: of the first scene; the others follow it.
            count: number of scenes.
            size: (height, width) of each, pixels.

        Raises:
            DataError: a negative seed or no scenes.
        """
        if seed < 0 or count < 1:
            raise DataError(
                f"Street scenes need a seed >= 0 and a count >= 1, not {seed}, {count}."
            )
        self.class_names = streets.CLASS_NAMES
        self.names = [str(seed + index) for index in range(count)]
        self._size = size
        self._cache: dict[int, Sample] = {}

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """The scene at ``index``."""
        if index not in self._cache:
            name = self.names[index]
            scene = streets.draw_scene(int(name), *self._size)
            self._cache[index] = Sample(scene.image, scene.labels, name)
        return self._cache[index]


def sequence_of(name: str) -> str:
    """The recording a file belongs to: the text before the first "_" of its name."""
    return name.split("_", 1)[0]


def open_data(
    spec: str, split: Split = "all", holdout: Sequence[str] | None = None
) -> LabelledFolder | StreetScenes:
    """Open labelled pictures by a short text.

    Args:
        spec: ``camvid:DIR`` (DIR/train and DIR/val together), ``streets:SEED:COUNT``, or a folder
            with images/ and labels/.
        split: "train" leaves the held-out sequences out, "holdout" takes only them, "all" takes
            everything. Drawn streets are told apart by their seeds alone, so it changes nothing.
        holdout: the held-out sequences; by default :data:`CAMVID_HOLDOUT` for CamVid, else none.

    Raises:
        DataError: an unreadable spec, a missing folder, or nothing left to read.
    """
    kind, _, rest = spec.partition(":")
    if kind == "streets":
        parts = rest.split(":")
        if len(parts) != 2 or not all(part.isdecimal() for part in parts):
            raise DataError(f"Write drawn streets as streets:SEED:COUNT, not {spec!r}.")
        return StreetScenes(int(parts[0]), int(parts[1]))
    folders = [Path(spec)]
    if kind == "camvid" and rest:
        folders = [Path(rest) / "train", Path(rest) / "val"]
        holdout = CAMVID_HOLDOUT if holdout is None else holdout
    held = tuple(holdout or ())
    if split == "train":
        return LabelledFolder(folders, without=held)
    if split == "holdout":
        return LabelledFolder(folders, only=held)
    return LabelledFolder(folders)


def _list_images(root: Path) -> list[Path]:
    folder = root / "images"
    if not folder.is_dir():
        raise DataError(f"{root} is not a data folder: it needs images/ and labels/ inside.")
    images = sorted(p for p in folder.iterdir() if p.suffix.lower() in _IMAGE_SUFFIXES)
    if not images:
        raise DataError(f"There are no .jpg or .png pictures in {folder}.")
    return images
