"""Average precision of 3D boxes as KITTI's object benchmark measures it, at 40 recalls.

After the benchmark's ``evaluate_object.cpp``: for each of up to 41 scores that reach recalls 0,
1/40 ... 1, the boxes found with that score or more are matched with the true ones. Two things
differ. Where a level has fewer than 40 boxes, a score stands for every recall that it reaches,
while KITTI's code gives it one, so that few boxes could never reach 1. And people who sit, whom
KITTI neither misses nor finds wrong among pedestrians, are told as rectangles here, and rectangles
excuse nothing in 3D, as in KITTI's code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan

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

_COUNTS, _IGNORED, _OTHER = 0, 1, -1  # what a box is at a level


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
        cases = [
            _Case(
                picture.scores,
                np.where(
                    picture.heights < level.height,
                    _IGNORED,
                    np.where(picture.labels == label, _COUNTS, _OTHER),
                ),
                [_judge(thing, label, near, level) for thing in picture.truth],
                [pair for pair in picture.overlaps[view] if pair[2] > least],
            )
            for picture in self._pictures
        ]
        wanted = sum(case.truth.count(_COUNTS) for case in cases)
        if not wanted:
            return nan
        reached = sorted((score for case in cases for score in case.find_scores()), reverse=True)
        sure = np.sort(np.concatenate([case.scores[case.found == _COUNTS] for case in cases]))
        precisions = np.zeros(_STEPS + 1)
        known: dict[float, float] = {}
        for step, score in enumerate(_choose_scores(reached, wanted)):
            if score not in known:
                known[score] = _measure_precision(cases, sure, score)
            precisions[step] = known[score]
        best_beyond = np.maximum.accumulate(precisions[::-1])[::-1]
        return float(best_beyond[1:].mean())


@dataclass(frozen=True, eq=False)
class _Case:
    """A picture at one level of one kind.

    Attributes:
        scores: (n,) of the found boxes.
        found, truth: what each box is there.
        pairs: (found, true, IoU) of those that overlap enough.
    """

    scores: np.ndarray
    found: np.ndarray
    truth: list[int]
    pairs: list[tuple[int, int, float]]

    def find_scores(self) -> list[float]:
        """Scores of the boxes that are right, each true box taking the surest that is near."""
        taken: set[int] = set()
        right = []
        for true, near in self._group():
            free = [found for found, _ in near if found not in taken]
            if free:
                best = max(free, key=lambda found: self.scores[found])
                taken.add(best)
                if self.truth[true] == self.found[best] == _COUNTS:
                    right.append(float(self.scores[best]))
        return right

    def count(self, score: float) -> tuple[int, int]:
        """Found boxes of a score or more that are right, and those that no true one excuses not.

        Each true box takes the found one with the largest overlap.

        Returns:
            How many are right, and how many that would count are taken, right ones among them.
        """
        taken: set[int] = set()
        right = excused = 0
        for true, near in self._group():
            free = [
                (self.found[found] == _COUNTS, iou if self.found[found] == _COUNTS else 0, -found)
                for found, iou in near
                if found not in taken and self.scores[found] >= score
            ]
            if free:
                counts, _, best = max(free)
                taken.add(-best)
                excused += int(counts)
                right += int(counts and self.truth[true] == _COUNTS)
        return right, excused

    def _group(self) -> Iterator[tuple[int, list[tuple[int, float]]]]:
        """The true boxes in order, each with the found ones that overlap it."""
        for true, kind in enumerate(self.truth):
            if kind != _OTHER:
                near = [
                    (found, iou)
                    for found, other, iou in self.pairs
                    if other == true and self.found[found] != _OTHER
                ]
                if near:
                    yield true, near


def _measure_precision(cases: Sequence[_Case], sure: np.ndarray, score: float) -> float:
    """Precision of what is found with a score or more; ``sure`` are all scores, rising."""
    counts = [case.count(score) for case in cases if case.pairs]
    right, taken = (sum(column) for column in zip(*counts, strict=True))
    wrong = len(sure) - int(np.searchsorted(sure, score)) - taken
    return right / (right + wrong) if right else 0.0


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
