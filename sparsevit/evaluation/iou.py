"""Intersection over union of classes of pixels, over any number of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

from sparsevit.package.extras import require

if TYPE_CHECKING:
    from torchmetrics.classification import MulticlassJaccardIndex


@dataclass(frozen=True)
class Score:
    """What an IoU metric says.

    Attributes:
        miou: mean IoU over the classes that occur in the truth or in the prediction; NaN if none.
        per_class_iou: of every class, NaN for a class that occurs in neither.
        pixel_accuracy: share of non-void pixels that are right; NaN if there are none.
    """

    miou: float
    per_class_iou: tuple[float, ...]
    pixel_accuracy: float


def make_iou_metric(num_classes: int) -> MulticlassJaccardIndex:
    """A torchmetrics metric without a picture yet.

    Its ``update(predicted, truth)`` takes integer tensors of one shape, on the metric's device;
    where the truth is ``num_classes``, which is void, nothing is counted.

    Raises:
        MissingPackageError: torchmetrics is not installed.
    """
    require("torchmetrics", "Measuring IoU", "train")
    from torchmetrics.classification import MulticlassJaccardIndex  # a second to import

    return MulticlassJaccardIndex(
        num_classes,
        average=None,
        ignore_index=num_classes,
        validate_args=False,
        zero_division=nan,
        sync_on_compute=False,  # in training one process measures while the others wait
    )


def read_score(metric: MulticlassJaccardIndex) -> Score:
    """IoU and accuracy over all pixels that a metric of :func:`make_iou_metric` has seen."""
    iou = metric.compute()  # (classes,)
    counts = metric.confmat  # (classes, classes) int64, row = truth
    total = int(counts.sum())
    return Score(
        miou=float(iou.nanmean()),
        per_class_iou=tuple(iou.tolist()),
        pixel_accuracy=int(counts.trace()) / total if total else nan,
    )
