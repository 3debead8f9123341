"""The things of a picture one by one: vehicles and people, their pixels and their 3D boxes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sparsevit.data.boxes import Box3D, Intrinsics, wrap_angle

if TYPE_CHECKING:
    from sparsevit.data.transforms import Size

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

    def warp(self, matrix: np.ndarray, size: Size) -> Things:
        """The same things in a picture that is scaled, moved and perhaps mirrored left to right.

        Args:
            matrix: (2, 3) as of ``cv2.warpAffine``: columns and rows of pixels are each scaled and
                moved; a negative scale of columns mirrors.
            size: (img_h, img_w) pixels of the new picture.

        Returns:
            What shows in it. Boxes and camera of a mirrored picture are those of a mirrored world.
        """
        scale = np.array((matrix[0, 0], matrix[1, 1]))
        # The matrix counts from the middle of the first pixel, coordinates from its edge.
        move = matrix[:, 2] + 0.5 - 0.5 * scale
        ids = counts = None
        if self.ids is not None:
            ids = cv2.warpAffine(
                *(self.ids.astype(np.float32), matrix, size[::-1]), flags=cv2.INTER_NEAREST
            ).astype(np.int32)
            counts = np.bincount(ids.ravel())
        camera = self.camera
        if camera is not None:
            cx, cy = np.array((camera.cx, camera.cy)) * scale + move
            camera = Intrinsics(abs(camera.fx * scale[0]), camera.fy * scale[1], cx, cy)
        things = []
        for thing in self.things:
            rectangle = _warp_rectangle(thing.rectangle, scale, move, size)
            pixels = math.prod(np.subtract(rectangle[2:], rectangle[:2]).clip(min=0))
            if counts is not None and thing.id:
                pixels = counts[thing.id] if thing.id < len(counts) else 0
            if pixels:
                box = _mirror(thing.box) if thing.box and scale[0] < 0 else thing.box
                things.append(replace(thing, rectangle=rectangle, pixels=int(pixels), box=box))
        ignored = tuple(_warp_rectangle(part, scale, move, size) for part in self.ignored)
        return Things(self.kinds, tuple(things), ids, camera, ignored)


def _warp_rectangle(
    rectangle: Rectangle, scale: np.ndarray, move: np.ndarray, size: Size
) -> Rectangle:
    """A rectangle after a change of coordinates, cut off at the edges of the new picture."""
    corners = np.array(rectangle).reshape(2, 2) * scale + move
    (x0, y0), (x1, y1) = np.sort(corners, axis=0).clip((0, 0), size[::-1]).tolist()
    return x0, y0, x1, y1


def _mirror(box: Box3D) -> Box3D:
    x, y, z = box.centre
    return replace(box, centre=(-x, y, z), yaw=wrap_angle(math.pi - box.yaw))
