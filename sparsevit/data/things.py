"""The things of a picture one by one: vehicles and people, their pixels and their 3D boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sparsevit.data.boxes import Box3D, Intrinsics
from sparsevit.data.pictures import DataError

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class KindList:
    """Kinds of things.

    Attributes:
        names: the kinds.
        classes: of each, the number of the class that its pixels have.
        sizes: of each, its mean (length, height, width) in metres; empty where nothing has a box.
    """

    names: tuple[str, ...]
    classes: tuple[int, ...]
    sizes: tuple[tuple[float, float, float], ...] = ()

    def renumber(self, old: Sequence[str], new: Sequence[str]) -> KindList:
        """The same kinds, their classes counted in another list of classes.

        Args:
            old: names of the classes as they are counted now.
            new: names of the classes as they shall be counted.

        Raises:
            DataError: a class of theirs is missing there.
        """
        names = [old[label] for label in self.classes]
        missing = [name for name in names if name not in new]
        if missing:
            raise DataError(
                f"The pixels of a {self.names[names.index(missing[0])]} have the class "
                f"{missing[0]}, which is none of {', '.join(new)}."
            )
        return replace(self, classes=tuple(new.index(name) for name in names))


#: Of the drawn streets, with the classes of ``sparsevit.data.classes.STREET_CLASSES``.
STREET_KINDS = KindList(
    ("Car", "Van", "Bus or lorry", "Pedestrian", "Cyclist"),
    (8, 8, 8, 9, 10),
    ((4.3, 1.5, 2.1), (5.4, 2.2, 2.3), (9.4, 3.5, 2.6), (0.57, 1.7, 0.54), (1.7, 1.8, 0.53)),
)


@dataclass(frozen=True)
class Thing:
    """One thing.

    Attributes:
        label: number of its kind.
        id: its value in ``Things.ids``; 0 where its pixels are not told.
        rectangle: (x0, y0, x1, y1) pixels around what shows of it; x1 and y1 are exclusive.
        pixels: how many of its pixels show; the area of its rectangle where that is not told.
        box: where it is; None where that is not told.
        occluded: how much of it lies behind other things, as KITTI grades it: 0 nothing, 1 a part,
            2 most, 3 not known.
        truncated: share of it that lies beyond the picture's edges, in [0, 1].
    """

    label: int
    id: int
    rectangle: Rectangle
    pixels: int
    box: Box3D | None = None
    occluded: int = 0
    truncated: float = 0.0


@dataclass(frozen=True, eq=False)
class Things:
    """All things of a picture that are told apart.

    Attributes:
        kinds: names of the kinds.
        things: the things, in any order.
        ids: (img_h, img_w) int32, the thing each pixel shows, 0 for none; None where not told.
        camera: that took the picture; None where not told.
        ignored: rectangles in which things are not told apart: nothing found there is wrong.
    """

    kinds: tuple[str, ...]
    things: tuple[Thing, ...]
    ids: np.ndarray | None = None
    camera: Intrinsics | None = None
    ignored: tuple[Rectangle, ...] = ()
