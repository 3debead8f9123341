"""What predictions are worth: against the truth of each task, and against the dense network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeGuard

import numpy as np
import torch

from sparsevit.data.coco import InstanceFolder, PanopticFolder
from sparsevit.data.kinds import KindList
from sparsevit.data.kitti import KittiFolder
from sparsevit.data.labelled import DataError, LabelledData, Sample
from sparsevit.data.photos import ClassFolder, ClassPhoto, PhotoFolder
from sparsevit.evaluation.box_scorer import BoxScorer
from sparsevit.evaluation.iou import make_iou_metric, read_score
from sparsevit.evaluation.restoration_scorer import PsnrScorer, RestorationScorer
from sparsevit.evaluation.scorer import AgreementScorer, Scorer, round_number
from sparsevit.evaluation.segment_scorers import InstanceScorer, PanopticScorer
from sparsevit.evaluation.sources import Pictures
from sparsevit.networks.segmenter import SegmenterConfig
from sparsevit.package.extras import require
from sparsevit.tasks import Task
from sparsevit.tasks.classification import TOP
from sparsevit.tasks.restoration import RestorationTask


def has_labels(data: Pictures) -> TypeGuard[LabelledData]:
    """Whether labels of pixels, things or both are told as drawn scenes tell them."""
    return not isinstance(data, (PhotoFolder, ClassFolder, PanopticFolder, InstanceFolder))


def choose_scorer(
    task: Task, data: Pictures, device: torch.device, needs_all: bool = True
) -> Callable[[], Scorer]:
    """What makes a scorer for each schedule.

    Args:
        task: what the network outputs.
        data: what it is measured on.
        device: where pixels are counted.
        needs_all: else only what ``read_accuracy`` reads needs to be known, if that is faster.

    Raises:
        DataError: the data tells nothing of what the task is about, or of other classes or kinds
            than the network's.
    """
    if isinstance(data, PhotoFolder):
        if isinstance(task, RestorationTask) and task.name == "restoration":
            return partial(RestorationScorer if needs_all else PsnrScorer, task)
        return partial(AgreementScorer, task)
    if isinstance(data, ClassFolder):
        return partial(ClassificationScorer, task)
    if isinstance(data, PanopticFolder):
        return partial(PanopticScorer, task)
    if isinstance(data, InstanceFolder):
        return partial(InstanceScorer, task)
    if task.name == "boxes3d":
        return partial(BoxScorer, task, _get_kinds(data, task), isinstance(data, KittiFolder))
    check_classes(data, task)
    if task.name == "instance":
        return partial(InstanceScorer, task, _get_kinds(data, task))
    return partial(SemanticScorer, task.class_names, device)


def _get_kinds(data: LabelledData, task: Task) -> KindList:
    if data.kinds is None or not data.has_things:
        raise DataError(f"The data tells no things one by one, which {task.name} is measured on.")
    return data.kinds


def check_classes(data: LabelledData, network: SegmenterConfig | Task) -> None:
    """Raise DataError unless the data has the network's classes."""
    found, expected = data.class_names[:-1], network.class_names
    if found != expected:
        raise DataError(
            f"The classes of the data ({', '.join(found)}) are not the classes of the network "
            f"({', '.join(expected)})."
        )


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
        ious = map(round_number, score.per_class_iou)
        return {
            "miou": round_number(score.miou),
            "per_class_iou": dict(zip(self._class_names, ious, strict=True)),
            "pixel_accuracy": round_number(score.pixel_accuracy),
            "agreement": round_number(self._agreeing / self._pixels),
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
            "top1_accuracy": round_number(float(self._top1.compute())),
            "top5_accuracy": round_number(float(self._top5.compute())),
            **self._agreement.summarise(),
        }
