"""COCO's layout of instances as labelled data: a class for every pixel, and things."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sparsevit.data.classes import ClassList, Colour, make_palette
from sparsevit.data.coco import INSTANCES_FILE, InstanceFolder
from sparsevit.data.kinds import KindList
from sparsevit.data.pictures import DataError, EmptySplitError
from sparsevit.data.samples import Sample, SampleCache
from sparsevit.data.things import Rectangle, Thing, Things

#: Class of the pixels that no mask covers. It is a class, not void: that nothing is there is what a
#: network has to learn, and one kind of things needs something to be told from.
BACKGROUND = "background"

_BLACK: Colour = (0, 0, 0)


class LabelledInstances:
    """Folders that hold images/ and instances.json, whose categories are the kinds of things.

    Where masks overlap, the smaller one is on top: COCO does not say which is. A crowd's pixels are
    void, as things are not told apart there.

    Attributes:
        classes: :data:`BACKGROUND` and the categories, in the order of their ids.
        kinds: the categories. They have no size, so there are no 3D boxes.
    """

    has_things = True

    def __init__(
        self,
        folders: Sequence[str | Path],
        choose: Callable[[list[str]], Sequence[str]] = lambda names: names,
    ) -> None:
        """Read the files of instances; no picture is decoded yet.

        Args:
            folders: one or several.
            choose: given the names of all pictures, which to take.

        Raises:
            DataError: a file is missing or not of this layout, the folders differ in their
                categories, no picture is chosen, or pycocotools is missing.
        """
        sources = [InstanceFolder(folder) for folder in folders]
        names = sources[0].class_names
        for folder, source in zip(folders, sources, strict=True):
            if source.class_names != names:
                raise DataError(f"{folders[0]} and {folder} have different categories.")
        if BACKGROUND in names:
            raise DataError(
                f"{folders[0]} has a category {BACKGROUND}, which is what pixels without a mask "
                f"are called here; rename it."
            )
        try:
            self.classes = ClassList((BACKGROUND, *names), (_BLACK, *make_palette(len(names))))
        except DataError as error:
            path = Path(folders[0]) / INSTANCES_FILE
            raise DataError(f"Cannot use the categories of {path}: {error}") from error
        self.class_names = (*self.classes.names, "Void")
        self.kinds = KindList(names, tuple(range(1, len(names) + 1)))
        found = [
            (source, index, name) for source in sources for index, name in enumerate(source.names)
        ]
        chosen = set(choose([name for _, _, name in found]))
        self._pictures = [(source, index) for source, index, name in found if name in chosen]
        if not self._pictures:
            where = ", ".join(map(str, folders))
            raise EmptySplitError(f"No pictures are left in {where} for this split.")
        self.names = [source.names[index] for source, index in self._pictures]
        self._cache: SampleCache[Sample] = SampleCache()

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._pictures)

    def __getitem__(self, index: int) -> Sample:
        """Decode the picture at ``index`` and its masks.

        Raises:
            DataError: the picture or a mask cannot be read, or sizes differ.
        """
        return self._cache.get(index, self._load)

    def _load(self, index: int) -> Sample:
        """The masks on top of each other: crowds lowest, then the largest."""
        source, number = self._pictures[index]
        photo, masks = source.read_masks(number)
        labels = np.zeros(photo.image.shape[:2], np.uint8)
        ids = np.zeros(photo.image.shape[:2], np.int32)
        ignored: list[Rectangle] = []
        numbered = list(enumerate(masks, start=1))
        for id_, mask in sorted(numbered, key=lambda pair: (not pair[1].is_crowd, -pair[1].area)):
            pixels = mask.unpack()
            if not mask.is_crowd:
                labels[pixels] = self.kinds.classes[mask.label]
                ids[pixels] = id_
            elif mask.area:
                labels[pixels] = len(self.class_names) - 1
                ignored.append(_surround(pixels))
        shown = np.bincount(ids.ravel(), minlength=len(masks) + 1).tolist()
        things = tuple(
            Thing(mask.label, id_, _surround(ids == id_), shown[id_])
            for id_, mask in numbered
            if shown[id_]
        )
        told = Things(self.kinds.names, things, ids, None, tuple(ignored))
        return Sample(photo.image, labels, photo.name, told)


def _surround(mask: np.ndarray) -> Rectangle:
    """The rectangle around the pixels of a mask (img_h, img_w), of which there are some."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
