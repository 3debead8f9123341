"""The things of a picture one by one: vehicles and people, their pixels and their 3D boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsevit.data.boxes import Box3D, Intrinsics

Rectangle = tuple[float, float, float, float]


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
