"""Average precision of 3D boxes as KITTI's object benchmark measures it, at 40 recalls.

After the benchmark's ``evaluate_object.cpp``: for each of up to 41 scores that reach recalls 0,
1/40 ... 1, the boxes found with that score or more are matched with the true ones. Two things
differ. Where a level has fewer than 40 boxes, a score stands for every recall that it reaches,
while KITTI's code gives it one, so that few boxes could never reach 1. And people who sit, whom
KITTI neither misses nor finds wrong among pedestrians, are told as rectangles here, and rectangles
excuse nothing in 3D, as in KITTI's code.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import nan
from typing import NamedTuple

import numpy as np

from sparsevit.data.boxes import Box3D, Boxes3D
from sparsevit.data.things import Thing
from sparsevit.draw.wireframe import find_extent
from sparsevit.evaluation.overlaps import measure_overlaps

_STEPS = 40  # recalls that count


@dataclass(frozen=True)
class _Level:
    """What a true box must be to count; heights are pixels of its rectangle."""

    name: str
    height: float
    occluded: int
    truncated: float


_LEVELS = (
    _Level("easy", 40, 0, 0.15),
    _Level("moderate", 25, 1, 0.3),
    _Level("hard", 25, 2, 0.5),
)
#: Kinds that are measured: the least IoU of a match, and kinds that are neither right nor wrong.
_KINDS: dict[str, tuple[float, tuple[str, ...]]] = {
    "Car": (0.7, ("Van",)),
    "Pedestrian": (0.5, ()),
    "Cyclist": (0.5, ()),
}
_LEAST_IOU = min(least for least, _ in _KINDS.values())

_COUNTS, _IGNORED, _OTHER = range(3)  # what a true box is at a level


@dataclass(frozen=True, eq=False)
class _Picture:
    """The boxes of one picture.

    Attributes:
        truth: the true things.
        labels, heights, scores: (n,) of the found ones, the height of each rectangle in pixels.
        overlaps: for "bev" and "3d" (i, j, IoU) of the found and true ones that overlap enough for
            any kind.
    """

    truth: tuple[Thing, ...]
    labels: np.ndarray
    heights: np.ndarray
    scores: np.ndarray
    overlaps: dict[str, list[tuple[int, int, float]]]


class KittiMeter:
    """Gathers boxes picture by picture."""

    def __init__(self, kinds: Sequence[str]) -> None:
        """Start without a picture.

        Args:
            kinds: names of the kinds; labels count in them.
        """
        self._kinds = kinds
        self._pictures: list[_Picture] = []

    def add(self, found: Boxes3D, truth: Sequence[Thing]) -> None:
        """Count a picture; labels of both are of the meter's kinds."""
        told = tuple(thing for thing in truth if thing.box is not None)
        overlaps = measure_overlaps(found.boxes, [thing.box for thing in told if thing.box])
        self._pictures.append(
            _Picture(
                told,
                np.array([box.label for box in found.boxes], np.int64),
                np.array([_find_height(box, found) for box in found.boxes]),
                np.array([box.score for box in found.boxes]),
                {
                    name: [
                        (int(i), int(j), float(ious[i, j]))
                        for i, j in np.argwhere(ious > _LEAST_IOU)
                    ]
                    for name, ious in zip(("bev", "3d"), overlaps, strict=True)
                },
            )
        )

    def summarise(self) -> dict[str, dict[str, float]]:
        """For "3d" and "bev" the AP in [0, 1] of "Car easy" and so on; NaN without such a box."""
        return {
            view: {
                f"{kind} {level.name}": self._measure(view, kind, level)
                for kind in _KINDS
                if kind in self._kinds
                for level in _LEVELS
            }
            for view in ("3d", "bev")
        }

    def _measure(self, view: str, kind: str, level: _Level) -> float:
        least, neighbours = _KINDS[kind]
        label = self._kinds.index(kind)
        near = [self._kinds.index(name) for name in neighbours if name in self._kinds]
        wanted = 0
        sure: list[float] = []  # scores of all found boxes that count
        pictures: list[list[_Place]] = []
        for picture in self._pictures:
            truth = [_judge(thing, label, near, level) for thing in picture.truth]
            wanted += truth.count(_COUNTS)
            counts = (picture.labels == label) & (picture.heights >= level.height)
            sure += picture.scores[counts].tolist()
            can_match = counts | (picture.heights < level.height)
            places = [_Place(judged == _COUNTS, []) for judged in truth]
            for found, true, iou in picture.overlaps[view]:
                if iou > least and can_match[found] and truth[true] != _OTHER:
                    score = float(picture.scores[found])
                    places[true].near.append(_Near(found, score, bool(counts[found]), iou))
            pictures.append([place for place in places if place.near])
        if not wanted:
            return nan
        reached = sorted(chain(*map(_find_scores, pictures)), reverse=True)
        sure.sort()
        precisions = np.zeros(_STEPS + 1)
        for step, score in enumerate(_choose_scores(reached, wanted)):
            right, taken = np.sum([_count(places, score) for places in pictures], axis=0)
            wrong = len(sure) - bisect_left(sure, score) - taken
            precisions[step] = right / max(1, right + wrong)
        best_beyond = np.maximum.accumulate(precisions[::-1])[::-1]
        return float(best_beyond[1:].mean())


class _Near(NamedTuple):
    """A found box that overlaps a true one enough.

    Attributes:
        found: its number in the picture.
        score: how sure it is.
        counts: it is of the kind, and large enough.
        iou: of both.
    """

    found: int
    score: float
    counts: bool
    iou: float


class _Place(NamedTuple):
    """A true box that counts or is ignored, and the found ones that overlap it enough."""

    counts: bool
    near: list[_Near]


def _find_scores(places: Sequence[_Place]) -> list[float]:
    """Scores of a picture's right boxes, where each true box takes the surest that is left."""
    taken: set[int] = set()
    scores = []
    for place in places:
        left = [near for near in place.near if near.found not in taken]
        if left:
            best = max(left, key=lambda near: near.score)
            taken.add(best.found)
            if place.counts and best.counts:
                scores.append(best.score)
    return scores


def _count(places: Sequence[_Place], score: float) -> tuple[int, int]:
    """What is right of a picture's found boxes with a score or more.

    Each true box takes the one that overlaps it the most, of those that count if any does.

    Returns:
        How many are right, and how many of those that count are taken, the right ones among them.
    """
    taken: set[int] = set()
    right = counting = 0
    for place in places:
        left = [near for near in place.near if near.score >= score and near.found not in taken]
        if left:
            best = max(left, key=lambda near: (near.counts, near.counts and near.iou))
            taken.add(best.found)
            right += place.counts and best.counts
            counting += best.counts
    return right, counting


def _judge(thing: Thing, label: int, near: Sequence[int], level: _Level) -> int:
    """What a true thing is at a level of a kind."""
    if thing.label in near:
        return _IGNORED
    if thing.label != label:
        return _OTHER
    is_clear = thing.occluded <= level.occluded and thing.truncated <= level.truncated
    is_tall = thing.rectangle[3] - thing.rectangle[1] >= level.height
    return _COUNTS if is_clear and is_tall else _IGNORED


def _choose_scores(reached: Sequence[float], wanted: int) -> list[float]:
    """The scores whose recalls are nearest to 0, 1/40 ... as far as they go.

    Args:
        reached: scores of the right boxes, falling.
        wanted: boxes to find.
    """
    chosen: list[float] = []
    aim = 0.0  # summed up as KITTI does, for the same scores where two are as near
    for place, score in enumerate(reached, start=1):
        before, after = place / wanted, (place + 1) / wanted
        if place == len(reached) or after - aim >= aim - before:
            chosen.append(score)
            aim += 1 / _STEPS
        while wanted < _STEPS and len(chosen) / _STEPS <= before:
            chosen.append(score)
            aim += 1 / _STEPS
    return chosen


def _find_height(box: Box3D, of: Boxes3D) -> float:
    """Height of the rectangle around what a box covers of the picture, pixels."""
    extent = find_extent(box, of.camera, of.size)
    return 0.0 if extent is None else extent[3] - extent[1]
