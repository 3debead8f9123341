"""The things of a picture one by one: vehicles and people, their pixels and their 3D boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsevit.data.boxes import Box3D, Intrinsics

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
    """

    label: int
    id: int
    rectangle: Rectangle
    pixels: int
    box: Box3D | None = None


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
