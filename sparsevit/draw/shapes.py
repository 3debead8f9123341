"""Lines and polygons: cut to half-spaces, cut into dashes, drawn at fractions of a pixel."""

from __future__ import annotations

import cv2
import numpy as np

from sparsevit.draw.looks import Colour

#: Metres; what reaches farther is not drawn, so that no number overflows.
MOST_M = 1e6

_SUBPIXEL = 4  # bits


def clip_lines(lines: np.ndarray, planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What of lines lies in all half-spaces.

    Args:
        lines: (n, 2, d) both ends of each.
        planes: (k, d + 1); a point p is inside where ``p @ plane[:d] + plane[d] >= 0``.

    Returns:
        (m, 2, d) and (m,) the line that each is of.
    """
    sides = lines @ planes[:, :-1].T + planes[:, -1]  # (n, 2, k)
    if (sides >= 0).all():
        return lines, np.arange(len(lines))
    start, end = sides[:, 0], sides[:, 1]
    differs = (start < 0) != (end < 0)
    share = start / np.where(differs, start - end, 1)  # of the way, where it goes through
    first = np.where(differs & (start < 0), share, 0).max(1, initial=0)
    last = np.where(differs & (end < 0), share, 1).min(1, initial=1)
    (kept,) = np.nonzero(~((start < 0) & (end < 0)).any(1) & (first < last))
    shares = np.stack([first, last], 1)[kept, :, None]
    return lines[kept, :1] * (1 - shares) + lines[kept, 1:] * shares, kept


def clip_polygon(points: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """What of a convex polygon lies in all half-spaces (Sutherland and Hodgman 1974).

    Args:
        points: (n, d) its corners in order.
        planes: as of :func:`clip_lines`.

    Returns:
        (m, d); m is 0 if nothing does.
    """
    for plane in planes:
        sides = points @ plane[:-1] + plane[-1]
        if (sides >= 0).all():
            continue
        corners: list[np.ndarray] = []
        for index, (point, side) in enumerate(zip(points, sides, strict=True)):
            before, side_before = points[index - 1], sides[index - 1]
            if (side < 0) != (side_before < 0):
                corners.append(before + (point - before) * (side_before / (side_before - side)))
            if side >= 0:
                corners.append(point)
        points = np.array(corners).reshape(-1, points.shape[1])
    return points


def cut_dashes(lines: np.ndarray, length: float) -> np.ndarray:
    """Lines (n, 2, d) as dashes (m, 2, d) of about a length with gaps as long; each ends in one."""
    dashes = []
    for start, end in lines:
        count = max(1, round((np.linalg.norm(end - start) / length + 1) / 2))
        edges = np.arange(2 * count).reshape(count, 2, 1) / (2 * count - 1)  # (count, 2, 1)
        dashes.append(start + (end - start) * edges)
    return np.concatenate(dashes) if dashes else lines


def draw_lines(
    picture: np.ndarray, lines: np.ndarray, colour: Colour | np.ndarray, thickness: int
) -> None:
    """Draw smooth lines.

    Args:
        picture: (h, w, 3) uint8 RGB, changed.
        lines: (n, 2, 2) both ends (u, v) of each; the first pixel covers 0 to 1.
        colour: RGB.
        thickness: pixels.
    """
    places, level = list(_round(lines)), [int(level) for level in colour]
    cv2.polylines(picture, places, False, level, thickness, cv2.LINE_AA, _SUBPIXEL)


def fill_polygon(
    picture: np.ndarray, polygon: np.ndarray, colour: Colour | np.ndarray, opacity: float = 1.0
) -> None:
    """Tint what lies in a convex polygon.

    Args:
        picture: (h, w, 3) uint8 RGB, changed.
        polygon: (n, 2) its corners (u, v); fewer than three are nothing.
        colour: RGB.
        opacity: of the colour, 0 to 1.
    """
    if len(polygon) < 3:
        return
    x0, y0 = np.maximum(np.floor(polygon.min(0)).astype(int), 0)
    x1, y1 = np.maximum(np.ceil(polygon.max(0)).astype(int) + 1, 0)
    part = picture[y0:y1, x0:x1]
    if part.size:
        tinted, level = part.copy(), [int(level) for level in colour]
        cv2.fillConvexPoly(tinted, _round(polygon - (x0, y0)), level, cv2.LINE_AA, _SUBPIXEL)
        part[:] = cv2.addWeighted(tinted, opacity, part, 1 - opacity, 0)


def _round(places: np.ndarray) -> np.ndarray:
    """int32 in OpenCV's units, which counts from the middle of the first pixel on."""
    rounded: np.ndarray = np.rint((places - 0.5) * 2**_SUBPIXEL).astype(np.int32)
    return rounded
