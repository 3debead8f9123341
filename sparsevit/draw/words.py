"""Names in pictures: light letters on a dark outline."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

FONT = cv2.FONT_HERSHEY_SIMPLEX

_GAP = 3  # pixels around a name


def write_around(picture: np.ndarray, place: tuple[float, float], text: str) -> None:
    """Write a name around a place.

    Args:
        picture: (h, w, 3) uint8 RGB, changed.
        place: (u, v) fractions of the sides.
        text: what to write, ASCII.
    """
    _, height = _measure(picture, text)
    _write(picture, text, *_find_corner(picture, place, text, height / 2))


def write_above(picture: np.ndarray, names: Iterable[tuple[str, float, float]]) -> None:
    """Write names above their places; those that would run into an earlier one are left out.

    Args:
        picture: (h, w, 3) uint8 RGB, changed.
        names: each with (u, v), fractions of the sides.
    """
    taken: list[tuple[int, int, int, int]] = []
    for text, u, v in names:
        width, height = _measure(picture, text)
        left, bottom = _find_corner(picture, (u, v), text, -_GAP)
        area = (left - _GAP, bottom - height - _GAP, left + width + _GAP, bottom + _GAP)
        if not any(
            area[0] < other[2] and other[0] < area[2] and area[1] < other[3] and other[1] < area[3]
            for other in taken
        ):
            taken.append(area)
            _write(picture, text, left, bottom)


def _choose_scale(picture: np.ndarray) -> float:
    rows, cols = picture.shape[:2]
    scale: float = max(0.4, min(rows, cols) / 1100)
    return scale


def _measure(picture: np.ndarray, text: str) -> tuple[int, int]:
    """(width, height) of a name in a picture, pixels."""
    (width, height), _ = cv2.getTextSize(text, FONT, _choose_scale(picture), 1)
    return width, height


def _find_corner(
    picture: np.ndarray, place: tuple[float, float], text: str, down: float
) -> tuple[int, int]:
    """Where a name begins: in the middle of a place, its foot ``down`` pixels below, all inside."""
    rows, cols = picture.shape[:2]
    width, height = _measure(picture, text)
    left = int(np.clip(place[0] * cols - width / 2, 0, max(0, cols - width)))
    return left, int(np.clip(place[1] * rows + down, height, rows - 1))


def _write(picture: np.ndarray, text: str, left: int, bottom: int) -> None:
    scale = _choose_scale(picture)
    for colour, thickness in (((20, 20, 20), 3), ((255, 255, 255), 1)):
        cv2.putText(picture, text, (left, bottom), FONT, scale, colour, thickness, cv2.LINE_AA)
