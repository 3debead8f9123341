"""Pictures with a class for every pixel: folders of images/ + labels/, CamVid, drawn streets."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sparsevit.data import streets
from sparsevit.data.classes import (
    CLASSES_FILE,
    STREET_CLASSES,
    ClassList,
    find_classes,
    name_classes,
)
from sparsevit.data.instances import LabelledInstances
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.kitti import KittiFolder
from sparsevit.data.pictures import (
    DataError,
    EmptySplitError,
    check_sizes,
    describe_lack,
    list_pictures,
    read_image,
    read_labels,
)
from sparsevit.data.samples import LabelledData, Sample, SampleCache
from sparsevit.data.scenes import describe_things, holds_things, read_things
from sparsevit.package.choices import Split

__all__ = [
    "CAMVID_HOLDOUT",
    "DataError",
    "EmptySplitError",
    "LabelledData",
    "LabelledFolder",
    "Sample",
    "SampleCache",
    "StreetScenes",
    "choose_split",
    "open_data",
    "sequence_of",
]


#: CamVid's sequence kept out of training: the only honest way to measure, as frames of one
#: sequence resemble each other.
CAMVID_HOLDOUT: tuple[str, ...] = ("0006R0",)

#: Size of a drawn training scene, pixels.
STREET_SIZE = (512, 1024)

_VAL_EVERY = 10  # of a folder that is not split, every tenth picture validates
_LAYOUTS = ("camvid", "kitti", "coco")  # folders that a spec names the layout of
_STREETS_SPEC = re.compile(r"streets:(\d{1,9}):(\d{1,9})(?::(\d{1,5})x(\d{1,5}))?")


class LabelledFolder:
    """Folders that hold images/ and labels/: an 8-bit PNG of label values for each picture.

    Labels are of the picture the right way up: one that its camera stored on its side is turned as
    its EXIF says, and its label file is not.

    Files are decoded when first asked for; then they stay in memory, up to a limit.

    Attributes:
        kinds: those of drawn streets if every folder holds the files of drawn scenes; else None.
    """

    def __init__(
        self,
        folders: str | Path | Sequence[str | Path],
        classes: ClassList = STREET_CLASSES,
        choose: Callable[[list[str]], Sequence[str]] = lambda names: names,
        has_things: bool = False,
    ) -> None:
        """List the pictures; nothing is decoded yet.

        Args:
            folders: one folder or several, each with images/ and labels/.
            classes: what the labels mean.
            choose: given the names of all pictures, which to take.
            has_things: read instances/ and scenes/ as well, as docs/scenes.md describes them.

        Raises:
            DataError: a folder is missing or empty, no picture is chosen, one has no label, or
                things are wanted that no file tells.
        """
        roots = [
            Path(root) for root in ([folders] if isinstance(folders, (str, Path)) else folders)
        ]
        self.classes = classes
        self.class_names = (*classes.names, "Void")
        found = [image for root in roots for image in _list_images(root)]
        chosen = set(choose([image.stem for image in found]))
        self._files = [(image, _find_label(image)) for image in found if image.stem in chosen]
        if not self._files:
            where = ", ".join(map(str, roots))
            raise EmptySplitError(f"No pictures are left in {where} for this split.")
        self.names = [image.stem for image, _ in self._files]
        is_drawn = classes.names == STREET_CLASSES.names
        self.kinds = STREET_KINDS if is_drawn and all(map(holds_things, roots)) else None
        if has_things and self.kinds is None:
            raise DataError(
                f"{', '.join(map(str, roots))} tells no things one by one: that takes the classes "
                f"of drawn scenes, and instances/ and scenes/ beside images/."
            )
        self.has_things = has_things
        self._cache: SampleCache[Sample] = SampleCache()
        self._table = classes.index_labels()

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        """Decode the picture at ``index``.

        Raises:
            DataError: a file cannot be read, sizes differ, or a label is no class.
        """
        return self._cache.get(index, self._load)

    def _load(self, index: int) -> Sample:
        image_path, label_path = self._files[index]
        image, labels = read_image(image_path), read_labels(label_path)
        check_sizes(image_path, image.shape[:2], label_path, labels.shape)
        classes = self._table[labels]
        if classes.min() < 0:
            raise DataError(
                f"The label file {label_path} holds the value {labels[classes < 0].max()}; "
                f"allowed are {self.classes.describe_labels()}."
            )
        things = read_things(image_path, labels.shape) if self.has_things else None
        return Sample(image, classes.astype(np.uint8), image_path.stem, things)


class StreetScenes:
    """Procedural street scenes of consecutive seeds, drawn when first asked for and then kept."""

    def __init__(
        self,
        seed: int,
        count: int,
        size: tuple[int, int] = STREET_SIZE,
        has_things: bool = False,
    ) -> None:
        """List the scenes; nothing is drawn yet.

        Args:
            seed: of the first scene; the others follow it.
            count: number of scenes.
            size: (height, width) of each, pixels.
            has_things: tell the things of each scene as well.

        Raises:
            DataError: a negative seed or no scenes.
        """
        if seed < 0 or count < 1:
            raise DataError(
                f"Street scenes need a seed >= 0 and a count >= 1, not {seed}, {count}."
            )
        self.classes = STREET_CLASSES
        self.kinds = STREET_KINDS
        self.class_names = streets.CLASS_NAMES
        self.names = [str(seed + index) for index in range(count)]
        self.size = size
        self.has_things = has_things
        self._cache: SampleCache[Sample] = SampleCache()

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """The scene at ``index``.

        Raises:
            DataError: a size that cannot be drawn.
        """
        return self._cache.get(index, self._draw)

    def _draw(self, index: int) -> Sample:
        name = self.names[index]
        try:
            scene = streets.draw_scene(int(name), *self.size)
        except ValueError as error:
            raise DataError(str(error)) from error
        things = describe_things(scene) if self.has_things else None
        return Sample(scene.image, scene.labels, name, things)


def sequence_of(name: str) -> str:
    """The recording a file belongs to: the text before the first "_" of its name."""
    return name.split("_", 1)[0]


def choose_split(spec: str) -> Split:
    """What to measure unless told: "val" of CamVid and of a folder that has val/, else "all"."""
    kind, root = _split_kind(spec)
    return "val" if kind == "camvid" or (root / "val").is_dir() else "all"


def name_data(spec: str) -> str:
    """The data without the place it lies at: "camvid", "streets:0:200", or a folder's name.

    Args:
        spec: as :func:`open_data` takes it.
    """
    if spec.startswith("streets:"):
        return spec
    kind, root = _split_kind(spec)
    return kind if kind in ("camvid", "kitti") else root.resolve().name


def open_data(
    spec: str,
    split: Split = "all",
    holdout: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    has_things: bool = False,
) -> LabelledFolder | StreetScenes | KittiFolder | LabelledInstances:
    """Open labelled pictures by a short text.

    A folder holds images/ and labels/, or train/, val/ and test/ that do. "train" and "val" are
    told apart by the held-out sequences where any are named, else by the folders train/ and val/,
    else every tenth picture is "val". "test" is the folder test/ alone; "all" is everything else.

    Args:
        spec: ``camvid:DIR``, ``kitti:DIR``, ``coco:DIR``, ``streets:SEED:COUNT``,
            ``streets:SEED:COUNT:HEIGHTxWIDTH``, or a folder with a classes.json. That of COCO's
            layout holds images/ and instances.json, or train/, val/ and test/ that do.
        split: which part; drawn streets are told apart by their seeds alone, so it changes nothing.
        holdout: the held-out sequences; by default :data:`CAMVID_HOLDOUT` for CamVid, else none.
        class_names: the classes without void, for a folder that has no classes.json.
        has_things: the things of each picture are wanted, too; of drawn streets and of folders that
            hold instances/ and scenes/. ``kitti:DIR`` and ``coco:DIR`` always tell them.

    Raises:
        DataError: an unreadable spec, a missing folder, nothing left to read, or classes that are
            unknown or other than ``class_names``.
    """
    if spec.partition(":")[0] == "streets":
        return _open_streets(spec, has_things)
    kind, root = _split_kind(spec)
    held = set(CAMVID_HOLDOUT if holdout is None and kind == "camvid" else holdout or ())
    if kind == "kitti":
        if split == "test":
            raise DataError(f"{root} has no test split: KITTI's labels are of its training part.")
        return KittiFolder(root, _choose_names(split, held), class_names or STREET_CLASSES.names)
    parts = {part: root / part for part in ("train", "val", "test") if (root / part).is_dir()}
    roots = [parts[part] for part in ("train", "val") if part in parts] or [root]
    if split == "test" and "test" not in parts:
        raise DataError(f"{root} has no folder test/, so it has no test split.")
    is_parted = split == "test" or (not held and split in parts and len(roots) == 2)
    if is_parted:
        roots = [parts[split]]
    choose = _choose_names("all" if is_parted else split, held)
    if kind == "coco":
        return _open_instances(roots, choose, class_names)
    if not any((folder / "images").is_dir() for folder in (*roots, *parts.values())):
        raise DataError(
            f"{root} is not a data folder: it needs images/ and labels/ inside, or train/ and val/ "
            f"that hold them."
        )
    classes = STREET_CLASSES if kind == "camvid" else _settle_classes(root, class_names)
    return LabelledFolder(roots, classes, choose, has_things)


def _open_instances(
    roots: Sequence[Path],
    choose: Callable[[list[str]], list[str]],
    class_names: Sequence[str] | None,
) -> LabelledInstances:
    data = LabelledInstances(roots, choose)
    if class_names is not None and tuple(class_names) != data.classes.names:
        raise DataError(
            f"The classes of {roots[0]} are {', '.join(data.classes.names)}, as its categories "
            f"say, not {', '.join(class_names)}."
        )
    return data


def _split_kind(spec: str) -> tuple[str, Path]:
    """The layout written before the colon, and the folder behind it; "" where there is none."""
    kind, mark, rest = spec.partition(":")
    if kind in _LAYOUTS and mark and not rest:
        raise DataError(f"{spec} names no folder; write {kind}:DIR.")
    is_kind = kind in _LAYOUTS and bool(rest)
    return (kind if is_kind else ""), Path(rest if is_kind else spec).expanduser()


def _choose_names(split: Split, held: set[str]) -> Callable[[list[str]], list[str]]:
    """What picks a split's pictures: "val" has the held-out sequences, or every tenth picture."""

    def choose(names: list[str]) -> list[str]:
        every_tenth = set(names[_VAL_EVERY - 1 :: _VAL_EVERY])
        return [
            name
            for name in names
            if split == "all"
            or (sequence_of(name) in held if held else name in every_tenth) == (split == "val")
        ]

    return choose


def _open_streets(spec: str, has_things: bool) -> StreetScenes:
    match = _STREETS_SPEC.fullmatch(spec)
    if match is None:
        raise DataError(
            f"Write drawn streets as streets:SEED:COUNT or streets:SEED:COUNT:HEIGHTxWIDTH, "
            f"not {spec!r}."
        )
    seed, count, height, width = match.groups()
    size = STREET_SIZE if height is None else (int(height), int(width))
    return StreetScenes(int(seed), int(count), size, has_things)


def _settle_classes(root: Path, class_names: Sequence[str] | None) -> ClassList:
    classes = find_classes(root)
    if classes is None:
        if class_names is None:
            raise DataError(
                f"{root} has no {CLASSES_FILE}, so the classes of its labels are unknown; write "
                f'one, such as {{"classes": ["road", "car"]}}, or name the classes.'
            )
        return name_classes(class_names)
    if class_names is not None and tuple(class_names) != classes.names:
        raise DataError(
            f"The classes in {root}'s {CLASSES_FILE} are {', '.join(classes.names)}, "
            f"not {', '.join(class_names)}."
        )
    return classes


def _find_label(image: Path) -> Path:
    label = image.parent.parent / "labels" / f"{image.stem}.png"
    if not label.is_file():
        raise DataError(f"The picture {image} has no label file {label}.")
    return label


def _list_images(root: Path) -> list[Path]:
    folder = root / "images"
    if not folder.is_dir():
        raise DataError(f"{root} is not a data folder: it needs images/ and labels/ inside.")
    images = list_pictures(folder)
    if not images:
        raise DataError(describe_lack(folder))
    return images
