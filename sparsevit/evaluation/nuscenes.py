"""Detection of things by where they stand on the ground, as nuScenes scores it.

Caesar et al., "nuScenes: a multimodal dataset for autonomous driving" (2020), and the code of its
development kit: precision is read at 101 recalls, as it is there and not the best beyond.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparsevit.data.boxes import Box3D, compare_sizes, compare_yaws
from sparsevit.evaluation.overlaps import measure_distances

#: Of a found thing from a true one on the ground (X, Z), below which they are one, metres.
DISTANCES_M = (0.5, 1.0, 2.0, 4.0)
#: The one of them at which errors are measured.
ERROR_DISTANCE_M = 2.0

_LEAST = 0.1  # recall and precision up to this count for nothing
_RECALLS = np.linspace(0, 1, 101)
_FIRST = round(_LEAST * 100) + 1  # of the recalls that count


@dataclass(frozen=True)
class KindScore:
    """How well things of one kind were found.

    Attributes:
        aps: average precision at each of :data:`DISTANCES_M`.
        ate_m: average translation error on the ground, metres.
        ase: average scale error, 1 - IoU of the boxes as if centres and yaws were the same.
        aoe_rad: average orientation error, the smallest difference of yaws, radians.

    Each error is 1 where a recall above 0.1 is never reached.
    """

    aps: tuple[float, ...]
    ate_m: float
    ase: float
    aoe_rad: float

    @property
    def ap(self) -> float:
        """The mean over the distances."""
        return sum(self.aps) / len(self.aps)


class KindMeter:
    """Gathers what was found of one kind, picture by picture."""

    def __init__(self) -> None:
        """Start without a picture."""
        self._count = 0  # of things to find
        self._scores: list[list[float]] = [[] for _ in DISTANCES_M]
        self._are_true: list[list[bool]] = [[] for _ in DISTANCES_M]
        self._errors: list[tuple[float, float, float]] = []  # of the true ones at ERROR_DISTANCE_M
        self._error_scores: list[float] = []

    def add(
        self,
        found: Sequence[Box3D],
        wanted: Sequence[Box3D],
        ignored: Sequence[Box3D],
        are_excused: Sequence[bool],
    ) -> None:
        """Count a picture.

        The surest found thing goes first, of equally sure ones the nearest to a wanted one. It
        takes the nearest of the wanted things that are left; if none is near enough, an ignored
        one, and then it counts for nothing.

        Args:
            found: things found, in any order.
            wanted: things to find.
            ignored: things that need not be found.
            are_excused: of each found thing, whether it is not wrong where it matches nothing.
        """
        self._count += len(wanted)
        truth = (*wanted, *ignored)
        distances = measure_distances(found, truth)
        nearest = distances[:, : len(wanted)].min(axis=1, initial=np.inf)
        order = np.lexsort((nearest, [-box.score for box in found])).tolist()
        for limit, scores, are_true in zip(DISTANCES_M, self._scores, self._are_true, strict=True):
            matches = _match_nearest(distances[order], len(wanted), limit)
            for number, match in zip(order, matches, strict=True):
                box, is_true = found[number], match is not None and match < len(wanted)
                if is_true or (match is None and not are_excused[number]):
                    scores.append(box.score)
                    are_true.append(is_true)
                if match is not None and is_true and limit == ERROR_DISTANCE_M:
                    self._errors.append(_measure_errors(box, truth[match]))
                    self._error_scores.append(box.score)

    def summarise(self) -> KindScore | None:
        """The score over all pictures; None where there was nothing to find."""
        if not self._count:
            return None
        curves = [
            _read_curve(np.array(scores), np.array(are_true, bool), self._count)
            for scores, are_true in zip(self._scores, self._are_true, strict=True)
        ]
        aps = tuple(_average_precision(precision) for precision, _ in curves)
        _, sureness = curves[DISTANCES_M.index(ERROR_DISTANCE_M)]
        return KindScore(aps, *self._average_errors(sureness))

    def _average_errors(self, sureness: np.ndarray) -> list[float]:
        """The mean over recalls above 0.1 of the mean error of all that is surer there."""
        (reached,) = np.nonzero(sureness)
        last = int(reached[-1]) if len(reached) else 0
        if last < _FIRST:
            return [1.0, 1.0, 1.0]
        order = np.argsort(-np.array(self._error_scores), kind="stable")
        scores = np.array(self._error_scores)[order]
        errors = np.array(self._errors)[order]  # (matches, 3)
        means = errors.cumsum(axis=0) / np.arange(1, len(errors) + 1)[:, None]
        wanted = sureness[_FIRST : last + 1]
        return [
            float(np.interp(wanted[::-1], scores[::-1], column[::-1]).mean()) for column in means.T
        ]


def _match_nearest(distances: np.ndarray, wanted: int, limit: float) -> list[int | None]:
    """Which true thing each found one takes, the first found one first.

    Args:
        distances: (found, truth) metres, those of the wanted things first.
        wanted: how many of the true things are wanted; they are preferred.
        limit: metres; a match is nearer.

    Returns:
        For each found thing the true one's number or None.
    """
    matches: list[int | None] = []
    is_free = np.ones(distances.shape[1], bool)
    for near in np.where(distances < limit, distances, np.inf):
        match = None
        for start, end in ((0, wanted), (wanted, len(near))):
            options = np.where(is_free[start:end], near[start:end], np.inf)
            if match is None and len(options) and options.min() < np.inf:
                match = start + int(options.argmin())
                is_free[match] = False
        matches.append(match)
    return matches


def _measure_errors(found: Box3D, true: Box3D) -> tuple[float, float, float]:
    """Translation on the ground in metres, scale (1 - IoU), orientation in radians."""
    apart = math.hypot(found.centre[0] - true.centre[0], found.centre[2] - true.centre[2])
    return apart, compare_sizes(found, true), compare_yaws(found, true)


def _read_curve(
    scores: np.ndarray, are_true: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Precision and the score reached at each of 101 recalls; 0 beyond the largest recall.

    Args:
        scores: (found,) of all that was found.
        are_true: (found,) which of it is right.
        count: of things to find, above 0.
    """
    if not are_true.any():
        return np.zeros_like(_RECALLS), np.zeros_like(_RECALLS)
    order = np.argsort(-scores, kind="stable")
    hits = are_true[order].cumsum()
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / count
    return (
        np.interp(_RECALLS, recall, precision, right=0),
        np.interp(_RECALLS, recall, scores[order], right=0),
    )


def _average_precision(precision: np.ndarray) -> float:
    """The mean precision above 0.1 at the recalls above 0.1, scaled to [0, 1]."""
    return float(((precision[_FIRST:] - _LEAST).clip(0) / (1 - _LEAST)).mean())
