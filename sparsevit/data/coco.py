"""Segments as COCO stores them: panoptic.json with PNGs of ids, instances.json with masks."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sparsevit.data.photos import Photo
from sparsevit.data.pictures import DataError, check_sizes, read_ids, read_image
from sparsevit.data.segment_map import Segment, SegmentMap

PANOPTIC_FILE = "panoptic.json"
INSTANCES_FILE = "instances.json"

_INSTALL = 'reading masks needs pycocotools: pip install "sparsevit[train]"'


@dataclass(frozen=True, eq=False)
class PanopticPhoto(Photo):
    """One picture and its segments.

    Attributes:
        truth: the segments, crowds among them; 0 is void. Every score is 1.
        crowds: ids of the segments that are crowds, in which things were not told apart.
    """

    truth: SegmentMap
    crowds: frozenset[int]


@dataclass(frozen=True, eq=False)
class InstancePhoto(Photo):
    """One picture and its things.

    Attributes:
        masks: (things, img_h, img_w) bool; they may overlap.
        labels: (things,) int64 classes, in the order of the network's output.
        are_crowds: (things,) bool, where one mask stands for many things.
    """

    masks: np.ndarray
    labels: np.ndarray
    are_crowds: np.ndarray


@dataclass(frozen=True, eq=False)
class PackedMask:
    """The mask of one thing, as small as its file has it.

    Attributes:
        label: class, in the order of the network's output.
        is_crowd: it stands for many things.
        area: number of its pixels.
        unpack: gives the mask (img_h, img_w) bool; raises DataError if it cannot be read.
    """

    label: int
    is_crowd: bool
    area: int
    unpack: Callable[[], np.ndarray]


class PanopticFolder:
    """COCO's panoptic layout: images/, panoptic/ with PNGs, and panoptic.json.

    The colour of a pixel of a PNG is the id of its segment, R + 256 G + 65536 B; 0 is void.
    """

    def __init__(self, folder: str | Path, class_names: Sequence[str]) -> None:
        """Read panoptic.json; no picture is decoded yet.

        Args:
            folder: that holds these.
            class_names: of the network; the file's categories are found among them by name.

        Raises:
            DataError: a file is missing or not of this layout, or a segment's category is no class.
        """
        self._root = Path(folder).expanduser()
        self._path = self._root / PANOPTIC_FILE
        content = _read_lists(self._path)
        with _naming(self._path):
            self._labels = _map_categories(self._path, content, class_names)
            images = {image["id"]: image for image in content["images"]}
            self._items = []
            for item in content["annotations"]:
                if item["image_id"] not in images:
                    raise DataError(
                        f"{self._path} labels the picture {item['image_id']}, which it does not "
                        f"list."
                    )
                self._items.append((images[item["image_id"]], item))
            self.names = [Path(image["file_name"]).stem for image, _ in self._items]
            used = {s["category_id"] for _, item in self._items for s in item["segments_info"]}
            _check_categories(self._path, content, self._labels, used)
            if not used:
                raise DataError(f"{self._path} labels no segment, so there is no truth.")
            for image, item in self._items:
                _check_file(self._root / "images" / image["file_name"], self._path)
                _check_file(self._root / "panoptic" / item["file_name"], self._path)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._items)

    def __getitem__(self, index: int) -> PanopticPhoto:
        """Decode the picture at ``index`` and its segments.

        Raises:
            DataError: a file cannot be read, sizes differ, or an id has no segment.
        """
        image_entry, item = self._items[index]
        image_path = self._root / "images" / image_entry["file_name"]
        path = self._root / "panoptic" / item["file_name"]
        image, ids = read_image(image_path), read_ids(path)
        check_sizes(image_path, image.shape[:2], path, ids.shape)
        found, places = np.unique(ids, return_inverse=True)
        with _naming(self._path):
            infos = {int(info["id"]): info for info in item["segments_info"]}
        unknown = set(found.tolist()) - set(infos) - {0}
        if unknown:
            raise DataError(
                f"{path} holds the segment {min(unknown)}, which {self._path} does not list."
            )
        numbers = np.zeros(len(found), np.int32)  # COCO's ids go into the millions
        segments: list[Segment] = []
        crowds: set[int] = set()
        for place, id_ in enumerate(found.tolist()):
            if id_:
                number = numbers[place] = len(segments) + 1
                label = self._labels[infos[id_]["category_id"]]
                segments.append(Segment(int(number), label, 1.0))
                if infos[id_].get("iscrowd"):
                    crowds.add(int(number))
        truth = SegmentMap(numbers[places].reshape(ids.shape), tuple(segments))
        return PanopticPhoto(image, self.names[index], truth, frozenset(crowds))


class InstanceFolder:
    """COCO's annotations of instances: images/ and instances.json with polygons or run lengths.

    Attributes:
        class_names: what labels count.
        names: of the pictures.
    """

    def __init__(self, folder: str | Path, class_names: Sequence[str] | None = None) -> None:
        """Read instances.json; no picture is decoded yet.

        Args:
            folder: that holds these.
            class_names: of the network; the file's categories are found among them by name. By
                default its categories, in the order of their ids.

        Raises:
            DataError: a file is missing or not of this layout, the category of an annotation is no
                class, or pycocotools is missing.
        """
        self._root = Path(folder).expanduser()
        self._path = self._root / INSTANCES_FILE
        self._coder = _import_masks(self._path)
        content = _read_lists(self._path)
        with _naming(self._path):
            if class_names is None:
                listed = sorted(content["categories"], key=lambda category: category["id"])
                class_names = [category["name"] for category in listed]
            self.class_names = tuple(class_names)
            self._labels = _map_categories(self._path, content, class_names)
            self._images = content["images"]
            self.names = [Path(image["file_name"]).stem for image in self._images]
            self._annotations: dict[Any, list[Any]] = defaultdict(list)
            for annotation in content["annotations"]:
                self._annotations[annotation["image_id"]].append(annotation)
            used = {annotation["category_id"] for annotation in content["annotations"]}
            _check_categories(self._path, content, self._labels, used)
            if not any(image["id"] in self._annotations for image in self._images):
                raise DataError(f"{self._path} labels nothing in the pictures that it lists.")
            for image in self._images:
                _check_file(self._root / "images" / image["file_name"], self._path)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._images)

    def __getitem__(self, index: int) -> InstancePhoto:
        """Decode the picture at ``index`` and its masks.

        Raises:
            DataError: the picture or a mask cannot be read, or sizes differ.
        """
        photo, found = self.read_masks(index)
        return InstancePhoto(
            photo.image,
            photo.name,
            np.array([m.unpack() for m in found], dtype=bool).reshape(-1, *photo.image.shape[:2]),
            np.array([m.label for m in found], dtype=np.int64),
            np.array([m.is_crowd for m in found], dtype=bool),
        )

    def read_masks(self, index: int) -> tuple[Photo, list[PackedMask]]:
        """Decode the picture at ``index`` alone: hundreds of masks may not fit into memory at once.

        Raises:
            DataError: the picture or a mask cannot be read, or sizes differ.
        """
        entry = self._images[index]
        path = self._root / "images" / entry["file_name"]
        image = read_image(path)
        size = (image.shape[0], image.shape[1])
        with _naming(self._path):
            check_sizes(path, size, self._path, (entry["height"], entry["width"]))
            masks = [
                self._pack(annotation, size, path)
                for annotation in self._annotations.get(entry["id"], [])
            ]
        return Photo(image, self.names[index]), masks

    def _pack(self, annotation: dict[str, Any], size: tuple[int, int], path: Path) -> PackedMask:
        segmentation = annotation["segmentation"]
        if isinstance(segmentation, dict):
            check_sizes(path, size, self._path, tuple(segmentation["size"]))
        with self._naming_mask(path):
            runs = segmentation
            if isinstance(segmentation, list):
                runs = self._coder.merge(self._coder.frPyObjects(segmentation, *size))
            elif isinstance(segmentation["counts"], list):
                if sum(segmentation["counts"]) != size[0] * size[1]:
                    raise ValueError("The run lengths do not fill the picture.")
                runs = self._coder.frPyObjects(segmentation, *size)
            area = int(self._coder.area(runs))
        label, is_crowd = self._labels[annotation["category_id"]], bool(annotation.get("iscrowd"))
        return PackedMask(label, is_crowd, area, partial(self._unpack, runs, area, path))

    def _unpack(self, runs: Any, area: int, path: Path) -> np.ndarray:
        with self._naming_mask(path):
            mask: np.ndarray = self._coder.decode(runs)
            # Beyond run lengths that are too short, it leaves whatever the memory held.
            if np.count_nonzero(mask) != area or mask.max() > 1:
                raise ValueError("The run lengths do not fill the picture.")
        return mask.astype(bool)

    @contextmanager
    def _naming_mask(self, path: Path) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # pycocotools raises bare Exceptions too
            raise DataError(f"A mask of {path} in {self._path} cannot be read.") from error


def _read_lists(path: Path) -> dict[str, Any]:
    """What a file of COCO's holds."""
    if not path.is_file():
        raise DataError(f"There is no {path}; the labels of segments are read from it.")
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no JSON.") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise DataError(f"{path} is no file of COCO's: it has no list of {key}.")
    if not content["images"] or not content["annotations"]:
        raise DataError(f"{path} lists no pictures or no annotations.")
    return content


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """One sentence for an entry that is not as COCO's are."""
    try:
        yield
    except KeyError as error:
        raise DataError(f"{path} is not of COCO's layout: it says no {error.args[0]}.") from error
    except DataError:
        raise
    except (TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{path} is not of COCO's layout: {error}.") from error


def _map_categories(
    path: Path, content: dict[str, Any], class_names: Sequence[str]
) -> dict[int, int]:
    """The class of each category that has one."""
    labels = {name: label for label, name in enumerate(class_names)}
    names = {category["id"]: category["name"] for category in content["categories"]}
    return {id_: labels[name] for id_, name in names.items() if name in labels}


def _check_categories(
    path: Path, content: dict[str, Any], labels: dict[int, int], used: set[int]
) -> None:
    """Refuse categories in use that the network does not know."""
    names = {category["id"]: category["name"] for category in content["categories"]}
    unknown = sorted(str(names.get(id_, id_)) for id_ in used - set(labels))
    if unknown:
        more = f" and {len(unknown) - 1} more" if unknown[1:] else ""
        raise DataError(
            f"{path} labels the category {unknown[0]}{more}, which the network has no class for; "
            f"rename it as the network does, or leave its annotations out."
        )


def _check_file(path: Path, listed_in: Path) -> None:
    if not path.is_file():
        raise DataError(f"There is no {path}, which {listed_in.name} lists.")


def _import_masks(path: Path) -> Any:
    try:
        from pycocotools import mask
    except ImportError as error:
        raise DataError(f"{path}: {_INSTALL}.") from error
    return mask
