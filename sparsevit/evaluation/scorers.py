"""What predictions are worth: against the truth of each task, and against the dense network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from math import isnan, nan
from typing import Any, Protocol, TypeGuard

import numpy as np
import torch

from sparsevit.data.coco import InstanceFolder, InstancePhoto, PanopticFolder, PanopticPhoto
from sparsevit.data.labelled import DataError, LabelledData, Sample
from sparsevit.data.photos import ClassFolder, ClassPhoto, PhotoFolder
from sparsevit.data.segment_map import SegmentMap
from sparsevit.evaluation.iou import make_iou_metric, read_score
from sparsevit.evaluation.sources import Pictures
from sparsevit.networks.segmenter import SegmenterConfig
from sparsevit.package.extras import require
from sparsevit.tasks import Task
from sparsevit.tasks.classification import TOP

#: Of each task, the number of :meth:`Scorer.summarise` that says how right it is; where there is no
#: truth, "agreement" is the number.
HEADLINES = {
    "semantic": "miou",
    "instance": "ap",
    "boxes3d": "ap",
    "panoptic": "pq",
    "classification": "top1_accuracy",
}

_DECIMALS = 6


class Scorer(Protocol):
    """Gathers what one schedule makes of pictures. Predictions are the task's own type."""

    def add(self, sample: Any, dense: Any, sparse: Any) -> None:
        """Count a picture: what the data holds of it, and both predictions at its size."""

    def summarise(self) -> dict[str, Any]:
        """The result over all pictures so far, as JSON can hold it; None where there is none."""


def has_labels(data: Pictures) -> TypeGuard[LabelledData]:
    """Whether there is a class for every pixel."""
    return not isinstance(data, (PhotoFolder, ClassFolder, PanopticFolder, InstanceFolder))


def choose_scorer(task: Task, data: Pictures, device: torch.device) -> Callable[[], Scorer]:
    """What makes a scorer for each schedule.

    Args:
        task: what the network outputs.
        data: what it is measured on.
        device: where pixels are counted.

    Raises:
        DataError: labels of pixels of other classes than the network's.
    """
    if isinstance(data, PhotoFolder):
        return partial(AgreementScorer, task)
    if isinstance(data, ClassFolder):
        return partial(ClassificationScorer, task)
    if isinstance(data, PanopticFolder):
        return partial(PanopticScorer, task)
    if isinstance(data, InstanceFolder):
        return partial(InstanceScorer, task)
    check_classes(data, task)
    return partial(SemanticScorer, task.class_names, device)


def check_classes(data: LabelledData, network: SegmenterConfig | Task) -> None:
    """Raise DataError unless the data has the network's classes."""
    found, expected = data.class_names[:-1], network.class_names
    if found != expected:
        raise DataError(
            f"The classes of the data ({', '.join(found)}) are not the classes of the network "
            f"({', '.join(expected)})."
        )


class AgreementScorer:
    """Against dense alone: the means over the pictures of all that the task compares."""

    def __init__(self, task: Task) -> None:
        """Start without a picture."""
        self._task = task
        self._sums: dict[str, float] = defaultdict(float)
        self._pictures = 0

    def add(self, sample: Any, dense: Any, sparse: Any) -> None:
        """Count a picture; what the data holds of it is not looked at."""
        self._pictures += 1
        for name, value in self._task.compare(dense, sparse).items():
            self._sums[name] += value

    def summarise(self) -> dict[str, Any]:
        """The numbers of the task's ``compare``."""
        return {name: _round(total / self._pictures) for name, total in self._sums.items()}


class SemanticScorer:
    """IoU and accuracy of classes of pixels."""

    def __init__(self, class_names: Sequence[str], device: torch.device) -> None:
        """Start without a picture.

        Args:
            class_names: of the network.
            device: where pixels are counted.
        """
        self._class_names = class_names
        self._device = device
        self._metric = make_iou_metric(len(class_names)).to(device)
        self._agreeing = 0
        self._pixels = 0

    def add(self, sample: Sample, dense: np.ndarray, sparse: np.ndarray) -> None:
        """Count a picture; both predictions (img_h, img_w) uint8."""
        predicted, truth = (torch.from_numpy(x).to(self._device) for x in (sparse, sample.labels))
        self._metric.update(predicted, truth)
        self._agreeing += int((dense == sparse).sum())
        self._pixels += truth.numel()

    def summarise(self) -> dict[str, Any]:
        """miou, per_class_iou, pixel_accuracy, and agreement: the share of all pixels."""
        score = read_score(self._metric)
        ious = map(_round, score.per_class_iou)
        return {
            "miou": _round(score.miou),
            "per_class_iou": dict(zip(self._class_names, ious, strict=True)),
            "pixel_accuracy": _round(score.pixel_accuracy),
            "agreement": _round(self._agreeing / self._pixels),
        }


class ClassificationScorer:
    """Accuracy of classes of pictures."""

    def __init__(self, task: Task) -> None:
        """Start without a picture."""
        require("torchmetrics", "Measuring accuracy", "train")
        from torchmetrics.classification import MulticlassAccuracy  # a second to import

        count = len(task.class_names)
        self._top1, self._top5 = (
            MulticlassAccuracy(count, top_k=min(top, count), average="micro", validate_args=False)
            for top in (1, TOP)
        )
        self._agreement = AgreementScorer(task)

    def add(self, sample: ClassPhoto, dense: np.ndarray, sparse: np.ndarray) -> None:
        """Count a picture; both predictions (classes,) float32."""
        truth, chances = torch.tensor([sample.label]), torch.from_numpy(sparse)[None]
        for metric in (self._top1, self._top5):
            metric.update(chances, truth)
        self._agreement.add(sample, dense, sparse)

    def summarise(self) -> dict[str, Any]:
        """top1_accuracy, top5_accuracy, and the means of what the task compares."""
        return {
            "top1_accuracy": _round(float(self._top1.compute())),
            "top5_accuracy": _round(float(self._top5.compute())),
            **self._agreement.summarise(),
        }


class PanopticScorer:
    """Panoptic quality by COCO's rules.

    A predicted segment and one of the truth match where they are of one class and have an IoU above
    0.5; void pixels do not enter it. Of the segments without a match, crowds do not count, nor do
    predicted ones that lie by more than half on void or on crowds of their class.
    """

    # torchmetrics has this too, but leaves out pixels where nothing is predicted as well, knows no
    # crowds, and takes two seconds a picture.

    def __init__(self, task: Task) -> None:
        """Start without a picture."""
        self._class_names = task.class_names
        self._ious = np.zeros(len(task.class_names))
        self._matches, self._missed, self._wrong = np.zeros((3, len(task.class_names)), np.int64)
        self._agreement = AgreementScorer(task)

    def add(self, sample: PanopticPhoto, dense: SegmentMap, sparse: SegmentMap) -> None:
        """Count a picture; both predictions at its size."""
        truth = sample.truth
        width = int(sparse.ids.max()) + 1
        joint = truth.ids.astype(np.int64) * width + sparse.ids
        height = int(truth.ids.max()) + 1
        overlap = np.bincount(joint.ravel(), minlength=height * width).reshape(height, width)
        areas, found_areas, void = overlap.sum(axis=1), overlap.sum(axis=0), overlap[0]
        wanted = {s.id: s.label for s in truth.segments if s.id not in sample.crowds}
        found = {s.id: s.label for s in sparse.segments}
        for ours, label in list(wanted.items()):
            for theirs in np.flatnonzero(overlap[ours]).tolist():
                shared = int(overlap[ours, theirs])
                union = int(areas[ours] + found_areas[theirs] - void[theirs]) - shared
                if found.get(theirs) == label and 2 * shared > union:
                    self._ious[label] += shared / union
                    self._matches[label] += 1
                    del wanted[ours], found[theirs]
                    break
        for label in wanted.values():
            self._missed[label] += 1
        crowds = {s.id: s.label for s in truth.segments if s.id in sample.crowds}
        for theirs, label in found.items():
            same = [id_ for id_, crowd_label in crowds.items() if crowd_label == label]
            excused = void[theirs] + overlap[same, theirs].sum()
            self._wrong[label] += 2 * excused <= found_areas[theirs]
        self._agreement.add(sample, dense, sparse)

    def summarise(self) -> dict[str, Any]:
        """pq, sq, rq and per_class_pq over the classes that occur, and what the task compares."""
        weights = self._matches + (self._missed + self._wrong) / 2
        occur = weights > 0
        sq = self._ious[occur] / np.maximum(self._matches[occur], 1)
        rq = self._matches[occur] / weights[occur]
        pq = np.full(len(weights), nan)
        pq[occur] = sq * rq
        means = {
            name: _round(float(values.mean()) if len(values) else nan)
            for name, values in (("pq", pq[occur]), ("sq", sq), ("rq", rq))
        }
        by_class = dict(zip(self._class_names, map(_round, pq.tolist()), strict=True))
        return {**means, "per_class_pq": by_class, **self._agreement.summarise()}


class InstanceScorer:
    """Average precision of masks by COCO's rules.

    The task gives each pixel to one thing and drops those the network is not sure of, so this is
    below what the network's authors report, dense and sparse alike.
    """

    def __init__(self, task: Task) -> None:
        """Start without a picture."""
        require("torchmetrics", "Average precision", "hf")
        from torchmetrics.detection import MeanAveragePrecision  # needs pycocotools, as the truth

        self._class_names = task.class_names
        self._occurring: set[str] = set()
        self._metric = MeanAveragePrecision(iou_type="segm", class_metrics=True)
        self._agreement = AgreementScorer(task)

    def add(self, sample: InstancePhoto, dense: SegmentMap, sparse: SegmentMap) -> None:
        """Count a picture; both predictions at its size."""
        ids = torch.tensor([s.id for s in sparse.segments], dtype=torch.int32)
        predicted = {
            "masks": torch.from_numpy(sparse.ids) == ids.view(-1, 1, 1),
            "scores": torch.tensor([s.score for s in sparse.segments]),
            "labels": torch.tensor([s.label for s in sparse.segments], dtype=torch.int64),
        }
        truth = {
            "masks": torch.from_numpy(sample.masks),
            "labels": torch.from_numpy(sample.labels),
            "iscrowd": torch.from_numpy(sample.are_crowds).long(),
        }
        self._metric.update([predicted], [truth])
        wanted = sample.labels[~sample.are_crowds].tolist()
        self._occurring |= {self._class_names[label] for label in wanted}
        self._agreement.add(sample, dense, sparse)

    def summarise(self) -> dict[str, Any]:
        """ap, ap50, ap75 and per_class_ap over the classes of the truth, what the task compares."""
        found = self._metric.compute()
        by_class = {name: 0.0 if name in self._occurring else None for name in self._class_names}
        if "map_per_class" in found:  # not where nothing is predicted in any picture
            labels, values = (found[key].reshape(-1) for key in ("classes", "map_per_class"))
            for label, value in zip(labels.tolist(), values.tolist(), strict=True):
                name = self._class_names[label]
                by_class[name] = _round(value) if name in self._occurring else None
        names = {"ap": "map", "ap50": "map_50", "ap75": "map_75"}
        means = {
            ours: _round(max(0.0, float(found[theirs]))) if self._occurring else None
            for ours, theirs in names.items()
        }
        return {**means, "per_class_ap": by_class, **self._agreement.summarise()}


def _round(value: float) -> float | None:
    return None if isnan(value) else round(value, _DECIMALS)
