"""Where a sparse output errs: connected parts of a picture, and what every block did there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from sparsevit.data.transforms import Size
from sparsevit.tasks.restoration import read_luma

MOST_REGIONS = 12
DRIFT_SHARE = 0.1  # of the greatest fall of the cosine, from which on features count as drifting
_LEAST_FALL = 1e-4  # of the cosine; less is the rounding of sums
LEAST_LEVELS = 0.5  # grey levels that restored pictures must differ by to be a region
_FAR_SIDE = 9  # pixels around one, whose mean counts
_LOW_SHARE = 0.5  # of the greatest fall in a map, from which on a place is shown as a region


@dataclass(frozen=True)
class RegionTruth:
    """What a region really shows.

    Attributes:
        label: the most frequent true class.
        dense, sparse: shares of the region's labelled pixels that each prediction has right.
    """

    label: int
    dense: float
    sparse: float


@dataclass(frozen=True)
class Region:
    """A connected part of the picture where sparse differs from dense.

    Attributes:
        number: from 1, the largest first; its value in the map of regions.
        area: share of the picture, in (0, 1].
        box: (x0, y0, x1, y1) pixels.
        place: (x, y) pixels, the place in it that is farthest from its edge.
        classes: the most frequent pair of a dense and a sparse class; None where pixels have none.
        share: of the region's pixels that have this pair; 1 where pixels have none.
        truth: None without labels here.
        skipped: for every block, the share of the region whose windows it skipped.
        cosine: for every block, the mean cosine of sparse and dense tokens inside.
        readings: for every stage, the classes that are read off most of it behind the stage, dense
            and sparse; empty where none are.
    """

    number: int
    area: float
    box: tuple[int, int, int, int]
    place: tuple[int, int]
    classes: tuple[int, int] | None
    share: float
    truth: RegionTruth | None
    skipped: tuple[float, ...]
    cosine: tuple[float, ...]
    readings: tuple[tuple[int, int], ...] = ()

    @property
    def drifts_from(self) -> int | None:
        """Number of the block from which on the features drift, see :func:`find_drift`."""
        return find_drift(self.cosine)

    @property
    def falls_at(self) -> int | None:
        """Number of the block over which the cosine falls most; None where it never falls."""
        steps = [before - after for before, after in pairwise((1.0, *self.cosine))]
        return None if self.drifts_from is None else int(np.argmax(steps))


def label_regions(differs: np.ndarray) -> np.ndarray:
    """The largest connected parts of a mask, diagonal neighbours included.

    Args:
        differs: (h, w) bool.

    Returns:
        (h, w) uint8: 1 in the largest part, 2 in the next, up to ``MOST_REGIONS``; 0 elsewhere.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(differs.astype(np.uint8))
    largest = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:MOST_REGIONS] + 1
    numbers = np.zeros(count, np.uint8)
    numbers[largest] = np.arange(1, len(largest) + 1)
    numbered: np.ndarray = numbers[labels]
    return numbered


def find_low(cosine: np.ndarray) -> np.ndarray:
    """(h, w) bool, where a map of cosines has fallen by more than half of its greatest fall."""
    fall = 1 - cosine
    low: np.ndarray = fall > max(_LOW_SHARE * float(fall.max()), _LEAST_FALL)
    return low


def find_far(dense: np.ndarray, sparse: np.ndarray) -> np.ndarray:
    """(h, w) bool, where two pictures (h, w, 3) uint8 differ most in brightness, if they do at all.

    There the mean around a pixel is more than half of the greatest mean, and of half a grey level.
    """
    apart = np.abs(read_luma(dense) - read_luma(sparse))
    around = cv2.blur(apart, (_FAR_SIDE, _FAR_SIDE))
    far: np.ndarray = around > max(_LOW_SHARE * float(around.max()), LEAST_LEVELS)
    return far


def find_drift(cosine: Sequence[float]) -> int | None:
    """The first block behind which the cosine has fallen by a tenth of its greatest fall.

    Args:
        cosine: after every block; 1 where sparse and dense are the same.

    Returns:
        Its number; None where the cosine never falls.
    """
    falls = [1 - value for value in cosine]
    if max(falls) < _LEAST_FALL:
        return None
    return next(i for i, fall in enumerate(falls) if fall >= DRIFT_SHARE * max(falls))


def describe_regions(
    numbers: np.ndarray,
    skipped: Sequence[np.ndarray],
    cosine: Sequence[np.ndarray],
    classes: tuple[np.ndarray, np.ndarray] | None = None,
    truth: np.ndarray | None = None,
    num_classes: int = 0,
    readings: Sequence[tuple[np.ndarray, np.ndarray]] = (),
) -> tuple[Region, ...]:
    """What every block did in each region.

    Args:
        numbers: (img_h, img_w) uint8, of :func:`label_regions`.
        skipped: for every block (H, W) bool, the tokens whose windows it skipped.
        cosine: for every block (h, w) float32, of tokens spread evenly over the picture.
        classes: dense and sparse, (img_h, img_w) uint8 each; None where pixels have none.
        truth: (img_h, img_w) uint8; ``num_classes`` and above where nothing is known.
        num_classes: of ``classes`` and ``truth``.
        readings: for every stage (h, w) uint8 classes read off behind it, dense and sparse.
    """
    regions = []
    for number in range(1, int(numbers.max()) + 1):
        inside = numbers == number
        weights = _Weights(inside)
        pair, share = (None, 1.0) if classes is None else _find_pair(classes, inside)
        regions.append(
            Region(
                number=number,
                area=float(inside.mean()),
                box=_find_box(inside),
                place=_find_place(inside),
                classes=pair,
                share=share,
                truth=_find_truth(classes, truth, inside, num_classes),
                skipped=tuple(map(weights.average, skipped)),
                cosine=tuple(map(weights.average, cosine)),
                readings=tuple(
                    (weights.find_most(dense), weights.find_most(sparse))
                    for dense, sparse in readings
                ),
            )
        )
    return tuple(regions)


class _Weights:
    """How much of every cell of a grid lies in a region (img_h, img_w) bool, grid by grid."""

    def __init__(self, inside: np.ndarray) -> None:
        self._inside = inside.astype(np.float32)
        self._known: dict[Size, np.ndarray] = {}

    def average(self, values: np.ndarray) -> float:
        """Mean inside the region of what cells (h, w) spread over the picture have."""
        return float((self._weigh(values) * values).sum())

    def find_most(self, classes: np.ndarray) -> int:
        """The class (h, w) uint8 that has most of the region."""
        return int(np.bincount(classes.ravel(), self._weigh(classes).ravel()).argmax())

    def _weigh(self, values: np.ndarray) -> np.ndarray:
        size = (values.shape[0], values.shape[1])
        if size not in self._known:
            weights = cv2.resize(self._inside, size[::-1], interpolation=cv2.INTER_AREA)
            self._known[size] = weights / weights.sum()
        return self._known[size]


def _find_box(inside: np.ndarray) -> tuple[int, int, int, int]:
    x, y, width, height = cv2.boundingRect(inside.astype(np.uint8))
    return x, y, x + width, y + height


def _find_place(inside: np.ndarray) -> tuple[int, int]:
    """(x, y) of the pixel that is farthest from the region's edge."""
    x0, y0, x1, y1 = _find_box(inside)
    part = np.pad(inside[y0:y1, x0:x1], 1).astype(np.uint8)
    y, x = divmod(int(cv2.distanceTransform(part, cv2.DIST_L2, 3).argmax()), part.shape[1])
    return x0 + x - 1, y0 + y - 1


def _find_pair(
    classes: tuple[np.ndarray, np.ndarray], inside: np.ndarray
) -> tuple[tuple[int, int], float]:
    """The most frequent pair of a dense and a sparse class, and its share of the region."""
    dense, sparse = (side[inside].astype(np.int64) for side in classes)
    counts = np.bincount(256 * dense + sparse)
    most = int(counts.argmax())
    return divmod(most, 256), float(counts[most] / counts.sum())


def _find_truth(
    classes: tuple[np.ndarray, np.ndarray] | None,
    truth: np.ndarray | None,
    inside: np.ndarray,
    num_classes: int,
) -> RegionTruth | None:
    if classes is None or truth is None:
        return None
    known = inside & (truth < num_classes)
    if not known.any():
        return None
    labels = truth[known]
    right = [float((side[known] == labels).mean()) for side in classes]
    return RegionTruth(int(np.bincount(labels).argmax()), *right)
