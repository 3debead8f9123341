"""Folders of pictures: without any truth, or sorted into one subfolder for each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset

from sparsevit.data.pictures import (
    DataError,
    EmptySplitError,
    describe_lack,
    list_pictures,
    read_image,
)
from sparsevit.package.choices import Split

_VAL_EVERY = 10  # of a folder that is not divided, every tenth picture validates
_NAMED = 5  # classes of a network that a message lists


@dataclass(frozen=True)
class Photo:
    """One picture.

    Attributes:
        image: (img_h, img_w, 3) uint8 RGB.
        name: the file's, without its suffix.
    """

    image: np.ndarray
    name: str

    @property
    def nbytes(self) -> int:
        """Of the pixels."""
        return self.image.nbytes


@dataclass(frozen=True)
class ClassPhoto(Photo):
    """One picture and its class.

    Attributes:
        label: number of its class, in the order of the network's output.
    """

    label: int


class PhotoFolder:
    """The pictures in a folder, or in images/ inside it; nothing says what they show."""

    def __init__(self, folder: str | Path, split: Split = "all") -> None:
        """List the pictures; nothing is decoded yet.

        Args:
            folder: of the pictures.
            split: "train" and "val" are the folders of those names inside it, where there are any;
                else every tenth picture is "val". "test" is a folder alone.

        Raises:
            DataError: there is no such folder, or it holds no pictures.
        """
        root = Path(folder).expanduser()
        is_divided = (root / "train").is_dir() or (root / "val").is_dir() or split == "test"
        if is_divided and split != "all":
            root /= split
        self._files = list_pictures(root) or list_pictures(root / "images")
        if not self._files:
            raise DataError(describe_lack(root))
        if split != "all" and not is_divided:
            last = _VAL_EVERY - 1
            is_val = [number % _VAL_EVERY == last for number in range(len(self._files))]
            self._files = [
                file
                for file, held in zip(self._files, is_val, strict=True)
                if held == (split == "val")
            ]
            if not self._files:
                raise EmptySplitError(f"No pictures are left in {root} for this split.")
        self.names = [path.stem for path in self._files]

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._files)

    def __getitem__(self, index: int) -> Photo:
        """Decode the picture at ``index``.

        Raises:
            DataError: it is damaged, too small, too thin or too large.
        """
        return Photo(read_image(self._files[index]), self.names[index])


class ClassFolder:
    """A folder that holds one subfolder of pictures for each class."""

    def __init__(self, folder: str | Path, class_names: Sequence[str]) -> None:
        """List the pictures; nothing is decoded yet.

        Args:
            folder: of the subfolders. Each is named as a class of the network, as its number, or,
                for ImageNet's classes, as their synset, such as n01440764. Where a class has
                several names with commas between them, the first one alone will do.
            class_names: of the network, in the order of its output.

        Raises:
            DataError: a subfolder names no class, or there are no pictures in any of them.
        """
        root = Path(folder).expanduser()
        table = _index_names(class_names)
        parts = _list_folders(root)
        for part in parts:
            if part.name not in table:
                raise DataError(
                    f"The folder {part} names no one class of the network; allowed are "
                    f"{_describe_names(class_names, table)}."
                )
        self._files = [(path, table[path.parent.name]) for path in list_pictures(*parts)]
        if not self._files:
            raise DataError(f"There are no pictures in the folders of classes in {root}.")
        self.names = [f"{path.parent.name}/{path.stem}" for path, _ in self._files]

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._files)

    def __getitem__(self, index: int) -> ClassPhoto:
        """Decode the picture at ``index``.

        Raises:
            DataError: it is damaged, too small, too thin or too large.
        """
        path, label = self._files[index]
        return ClassPhoto(read_image(path), self.names[index], label)


def holds_folders(folder: Path) -> bool:
    """Whether a folder holds others, hidden ones and macOS's own apart."""
    return bool(_list_folders(folder))


def _list_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    inside = (path for path in folder.iterdir() if path.is_dir())
    return sorted(path for path in inside if not path.name.startswith((".", "__MACOSX")))


def _index_names(class_names: Sequence[str]) -> dict[str, int]:
    """The class that each possible name of a subfolder means."""
    table: dict[str, int] = {}
    if not any(name.isdigit() for name in class_names):  # else a number could mean two
        table |= {str(index): index for index in range(len(class_names))}
    table |= _index_synsets(class_names)
    for names in ([_split(name)[0] for name in class_names], class_names):
        counts = Counter(names)
        table |= {name: index for index, name in enumerate(names) if counts[name] == 1}
    return table


def _index_synsets(class_names: Sequence[str]) -> dict[str, int]:
    """ImageNet's synsets, each where the network's class bears one of its names."""
    subset = infer_imagenet_subset({"num_classes": len(class_names)})
    if subset is None:
        return {}
    info: Any = ImageNetInfo(subset)
    return {
        synset: index
        for index, synset in enumerate(info.label_names())
        if set(_split(info.index_to_description(index))) & set(_split(class_names[index]))
    }


def _split(name: str) -> list[str]:
    return [part.strip().lower() for part in name.split(",")]


def _describe_names(class_names: Sequence[str], table: dict[str, int]) -> str:
    """What subfolders may be called, for a person."""
    shown = [_split(name)[0] for name in class_names[:_NAMED]]
    text = ", ".join(shown) + (", ..." if len(class_names) > len(shown) else "")
    synset = next((name for name in table if name[0] == "n" and name[1:].isdigit()), None)
    numbers = "" if "0" not in table else f", numbers from 0 to {len(class_names) - 1}"
    return f"its classes ({text}){numbers}" + ("" if synset is None else f", synsets like {synset}")
