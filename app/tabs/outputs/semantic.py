"""Semantic segmentation in the tab Outputs: maps of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import cv2
import numpy as np

from app.engine.records import Result, Truth
from app.page.common import describe_classes, encode_png, photo_key, round_number
from app.tabs.outputs.drawings import UNKNOWN
from sparsevit.inspect.photo import PreparedImage
from sparsevit.tasks.semantic import SemanticTask


@dataclass(frozen=True)
class _Score:
    """A prediction against the truth: IoU of the classes in either, and share of right pixels."""

    ious: dict[str, float]
    pixel_accuracy: float

    def to_dict(self) -> dict[str, float | None]:
        mean = float(np.mean(list(self.ious.values())))
        return {"miou": round_number(mean), "pixel_accuracy": round_number(self.pixel_accuracy)}


class _Scorer:
    """Scores predictions against the labels of a picture, at the labels' own resolution.

    Attributes:
        png: the true classes, ``UNKNOWN`` where a pixel never counts.
    """

    def __init__(self, labels: np.ndarray, task: SemanticTask) -> None:
        self._task = task
        self._known = labels < len(task.class_names)
        self._truth = labels[self._known]
        self.png = encode_png(np.where(self._known, labels, np.uint8(UNKNOWN)))

    def score(self, predicted: np.ndarray) -> _Score:
        """Score a map (h, w) uint8 of classes."""
        height, width = self._known.shape
        scaled = cv2.resize(predicted, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        found = scaled[self._known]
        ious = self._task.compare_classes(self._truth, found)
        return _Score(ious, float((found == self._truth).mean()))


@dataclass(frozen=True)
class _DenseSide:
    """What stays the same while the sparsity changes.

    Attributes:
        dense, truth: what the rest was made of.
        png: the dense class map.
        shares: share of the picture that each class has.
        scorer: None without usable labels.
        score: the dense map's.
    """

    dense: np.ndarray
    truth: Truth | None
    png: str
    shares: np.ndarray
    scorer: _Scorer | None
    score: _Score | None


# Half of the time saved. A picture that the engine forgets takes its side with it.
_dense_sides: WeakKeyDictionary[PreparedImage, _DenseSide] = WeakKeyDictionary()


def _get_dense_side(prepared: PreparedImage, truth: Truth | None, task: SemanticTask) -> _DenseSide:
    side = _dense_sides.get(prepared)
    if side is not None and side.truth is truth:
        return side
    dense = prepared.dense
    scorer = score = None
    names = task.class_names
    if truth and truth.class_names == names and (truth.labels < len(names)).any():
        scorer = _Scorer(truth.labels, task)
        score = scorer.score(dense)
    side = _DenseSide(dense, truth, encode_png(dense), _share_classes(dense), scorer, score)
    _dense_sides[prepared] = side
    return side


def describe_maps(result: Result, task: SemanticTask) -> dict[str, Any]:
    """Classes of pixels, as plain data.

    Returns:
        ``{"photo": key, "classes": [{"name", "colour"}], "dense", "sparse", "truth", "agreement",
        "mean_iou", "accuracy", "rows"}``. The maps are grey PNGs of class indices, dense and sparse
        at the network's input size; truth is at the size of the labels with ``UNKNOWN`` where
        nothing is known, and None without usable labels. Accuracy is ``{"dense", "sparse"}``, each
        ``{"miou", "pixel_accuracy"}`` against the truth, or None. Rows are the classes that occur,
        ``{"index", "dense", "sparse", "iou", "true_dense", "true_sparse"}``: shares of the picture,
        IoU of sparse against dense, IoU of each against the truth; None for what does not apply.
    """
    analysis = result.analysis
    sparse = analysis.sparse
    side = _get_dense_side(analysis.prepared, result.photo.truth, task)
    scores: dict[str, _Score] = {}
    if side.scorer and side.score:
        scores = {"dense": side.score, "sparse": side.scorer.score(sparse)}
    true_dense, true_sparse = (scores[name].ious if scores else {} for name in ("dense", "sparse"))
    ious = task.compare_classes(side.dense, sparse)
    shares = _share_classes(sparse)
    names = task.class_names
    present = [i for i, name in enumerate(names) if name in ious or name in true_dense]
    # The order is that of the dense output, so that no row moves while the sparse one changes.
    present.sort(
        key=lambda i: (side.shares[i] == 0 and names[i] not in true_dense, -side.shares[i])
    )
    rows = [
        {
            "index": index,
            "dense": round_number(side.shares[index]),
            "sparse": round_number(shares[index]),
            "iou": round_number(ious.get(names[index])),
            "true_dense": round_number(true_dense.get(names[index])),
            "true_sparse": round_number(true_sparse.get(names[index])),
        }
        for index in present
    ]
    return {
        "photo": photo_key(result.photo, analysis.prepared.input_size),
        "classes": describe_classes(task),
        "dense": side.png,
        "sparse": encode_png(sparse),
        "truth": side.scorer and side.scorer.png,
        "agreement": round_number(analysis.agreement["agreement"]),
        "mean_iou": round_number(analysis.agreement["mean_iou"]),
        "accuracy": {name: score.to_dict() for name, score in scores.items()} or None,
        "rows": rows,
    }


def _share_classes(labels: np.ndarray) -> np.ndarray:
    """(256,) float64, the share of the pixels that each class has."""
    return np.bincount(labels.ravel(), minlength=256) / labels.size
