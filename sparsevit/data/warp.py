"""Things of a picture that is scaled, moved and mirrored."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sparsevit.data.boxes import Box3D, Intrinsics, wrap_angle
from sparsevit.data.things import Rectangle, Things

if TYPE_CHECKING:
    from sparsevit.data.transforms import Size


def warp_things(things: Things, matrix: np.ndarray, size: Size) -> Things:
    """The same things in a picture that is scaled, moved and perhaps mirrored left to right.

    Args:
        things: of the picture as it was.
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
    if things.ids is not None:
        ids = cv2.warpAffine(
            *(things.ids.astype(np.float32), matrix, size[::-1]), flags=cv2.INTER_NEAREST
        ).astype(np.int32)
        counts = np.bincount(ids.ravel())
    camera = things.camera
    if camera is not None:
        cx, cy = np.array((camera.cx, camera.cy)) * scale + move
        camera = Intrinsics(abs(camera.fx * scale[0]), camera.fy * scale[1], cx, cy)
    found = []
    for thing in things.things:
        rectangle = _warp_rectangle(thing.rectangle, scale, move, size)
        pixels = math.prod(np.subtract(rectangle[2:], rectangle[:2]).clip(min=0))
        if counts is not None and thing.id:
            pixels = counts[thing.id] if thing.id < len(counts) else 0
        if pixels:
            box = _mirror(thing.box) if thing.box and scale[0] < 0 else thing.box
            found.append(replace(thing, rectangle=rectangle, pixels=int(pixels), box=box))
    ignored = tuple(_warp_rectangle(part, scale, move, size) for part in things.ignored)
    return Things(things.kinds, tuple(found), ids, camera, ignored)


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
