"""How far 3D boxes overlap, on the ground and in space."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from sparsevit.data.boxes import Box3D


def measure_distances(found: Sequence[Box3D], truth: Sequence[Box3D]) -> np.ndarray:
    """(found, truth) metres between centres on the ground."""
    places = [
        np.array([(box.centre[0], box.centre[2]) for box in boxes]).reshape(-1, 2)
        for boxes in (found, truth)
    ]
    distances: np.ndarray = np.hypot(*(places[0][:, None] - places[1]).transpose(2, 0, 1))
    return distances


def measure_overlaps(
    found: Sequence[Box3D], truth: Sequence[Box3D]
) -> tuple[np.ndarray, np.ndarray]:
    """Intersection over union of every pair of boxes.

    Args:
        found: n boxes.
        truth: m boxes.

    Returns:
        Seen from above and in space, both (n, m) in [0, 1].
    """
    from_above, in_space = np.zeros((2, len(found), len(truth)))
    reaches = [
        np.array([math.hypot(box.size[0], box.size[2]) / 2 for box in boxes])
        for boxes in (found, truth)
    ]
    can_touch = measure_distances(found, truth) < reaches[0][:, None] + reaches[1]
    for row, column in np.argwhere(can_touch):
        pair = found[row], truth[column]
        shared = _measure_shared_area(*pair)
        areas = sum(box.size[0] * box.size[2] for box in pair)
        from_above[row, column] = shared / (areas - shared)
        bottom = min(box.centre[1] + box.size[1] / 2 for box in pair)  # Y points down
        top = max(box.centre[1] - box.size[1] / 2 for box in pair)
        volume = shared * max(0.0, bottom - top)
        volumes = sum(math.prod(box.size) for box in pair)
        in_space[row, column] = volume / (volumes - volume)
    return from_above, in_space


def _measure_shared_area(one: Box3D, other: Box3D) -> float:
    """Square metres of the ground that lie below both boxes."""
    # OpenCV counts in single precision, so metres are from one of the boxes.
    ours, theirs = (
        (box.corners[:4] - one.centre)[:, [0, 2]].astype(np.float32) for box in (one, other)
    )
    return float(cv2.intersectConvexConvex(ours, theirs)[0])
