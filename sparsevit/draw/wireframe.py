"""Boxes in space, drawn over the photo they were found in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sparsevit.data.boxes import Box3D, Intrinsics
from sparsevit.data.transforms import Size
from sparsevit.draw.looks import DIFFERENCE_COLOUR, Colour
from sparsevit.draw.shapes import MOST_M, clip_lines, clip_polygon, draw_lines, fill_polygon

#: Metres ahead of the camera; what is nearer is cut off.
NEAR_M = 0.1

_OUTLINE: Colour = (20, 20, 20)
_FRONT_OPACITY, _ALONE_OPACITY = 0.35, 0.5
# Front, right, back, left, below, above; then the edges, and the two faces that each joins.
_FACES = np.array(
    [(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (0, 1, 2, 3), (4, 5, 6, 7)]
)
_EDGES = np.array(
    [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7)]
)
_JOINED = np.array(
    [(0, 4), (1, 4), (2, 4), (3, 4), (0, 5), (1, 5), (2, 5), (3, 5), (3, 0), (0, 1), (1, 2), (2, 3)]
)


@dataclass(frozen=True)
class Wireframe:
    """What shows of a box in a picture, pixels.

    Attributes:
        lines: (n, 2, 2) both ends of each edge.
        is_ahead: (n,) whether the edge is not behind the box itself.
        front: (k, 2) corners of the front; k is 0 where it does not show.
    """

    lines: np.ndarray
    is_ahead: np.ndarray
    front: np.ndarray


def project_box(box: Box3D, camera: Intrinsics, size: Size, margin: float = 16) -> Wireframe | None:
    """A box as a camera sees it in a picture (h, w) and a margin around; None if nothing shows."""
    corners = box.corners
    if np.abs(corners).max() > MOST_M or corners[:, 2].max() < NEAR_M:
        return None
    planes = _find_planes(camera, size, margin)
    ends, owners = clip_lines(corners[_EDGES], planes)
    if not len(ends):
        return None
    centres = corners[_FACES].mean(1)  # (6, 3)
    is_seen = ((centres - corners.mean(0)) * -centres).sum(1) > 0  # (6,)
    return Wireframe(
        camera.project(ends),
        is_seen[_JOINED].any(1)[owners],
        camera.project(clip_polygon(corners[_FACES[0]], planes)),
    )


def draw_wireframes(
    image: np.ndarray,
    boxes: Sequence[Box3D],
    camera: Intrinsics,
    palette: np.ndarray,
    alone: Sequence[bool] | None = None,
) -> np.ndarray:
    """The edges of boxes over the photo, their fronts filled lightly; the nearest on top.

    What of a box is behind the camera or outside of the photo is left out.

    Args:
        image: (h, w, 3) uint8 RGB.
        boxes: in metres, in any order.
        camera: of the picture at this size.
        palette: (kinds, 3) uint8 RGB.
        alone: of each box, whether it is filled whole, in the colour of what differs.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    picture = image.copy()
    order = sorted(range(len(boxes)), key=lambda index: -boxes[index].centre[2])
    for index in order:
        shown = project_box(boxes[index], camera, (image.shape[0], image.shape[1]))
        if shown is None:
            continue
        colour = palette[boxes[index].label]
        if alone is not None and alone[index]:
            hull = cv2.convexHull(shown.lines.reshape(-1, 2).astype(np.float32))[:, 0]
            fill_polygon(picture, hull, DIFFERENCE_COLOUR, _ALONE_OPACITY)
        fill_polygon(picture, shown.front, colour, _FRONT_OPACITY)
        _draw_edges(picture, shown, colour)
    return picture


def find_extent(box: Box3D, camera: Intrinsics, size: Size) -> tuple[float, ...] | None:
    """(x0, y0, x1, y1) pixels around what shows of a box in a picture (h, w); None if nothing."""
    shown = project_box(box, camera, size, 0)
    if shown is None:
        return None
    ends = shown.lines.reshape(-1, 2)
    return (*ends.min(0).tolist(), *ends.max(0).tolist())


def _find_planes(camera: Intrinsics, size: Size, margin: float) -> np.ndarray:
    """(5, 4): where a camera sees, and a margin in pixels around it, for :func:`clip_lines`."""
    height, width = size
    return np.array(
        [
            (0, 0, 1, -NEAR_M),
            (camera.fx, 0, camera.cx + margin, 0),
            (-camera.fx, 0, width + margin - camera.cx, 0),
            (0, camera.fy, camera.cy + margin, 0),
            (0, -camera.fy, height + margin - camera.cy, 0),
        ]
    )


def _draw_edges(picture: np.ndarray, shown: Wireframe, colour: np.ndarray) -> None:
    """The edges; those behind the box itself are thin."""
    thickness = max(1, round(min(picture.shape[:2]) / 400))
    draw_lines(picture, shown.lines, _OUTLINE, thickness + 2)
    draw_lines(picture, shown.lines[~shown.is_ahead], colour, 1)
    draw_lines(picture, shown.lines[shown.is_ahead], colour, thickness)
