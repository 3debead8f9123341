"""Measure a segmenter against the truth under several schedules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sparsevit.data.labelled import DataError, LabelledData
from sparsevit.patch import sparsify
from sparsevit.schedule import SparsitySchedule
from sparsevit.segmenter import Segmenter
from sparsevit.tasks.semantic import count_confusion
from sparsevit.transforms import choose_size, resize_image, to_tensor


@dataclass(frozen=True)
class Score:
    """What a confusion matrix says.

    Attributes:
        miou: mean IoU over the classes that occur in the truth or in the prediction; NaN if none.
        per_class_iou: (classes,) float64, NaN for a class that occurs in neither.
        pixel_accuracy: share of non-void pixels that are right; NaN if there are none.
    """

    miou: float
    per_class_iou: np.ndarray
    pixel_accuracy: float


def score_confusion(confusion: np.ndarray) -> Score:
    """Turn a confusion matrix (row = truth) into IoU and accuracy."""
    right = np.diag(confusion).astype(np.float64)
    union = confusion.sum(0) + confusion.sum(1) - right
    total = confusion.sum()
    iou = np.divide(right, union, out=np.full_like(right, np.nan), where=union > 0)
    return Score(
        miou=float(np.nanmean(iou)) if total else float("nan"),
        per_class_iou=iou,
        pixel_accuracy=float(right.sum() / total) if total else float("nan"),
    )


def evaluate(
    model: Segmenter,
    data: LabelledData,
    schedules: Sequence[Any],
    size: int | None = None,
    *,
    model_name: str = "",
    data_name: str = "",
    split: str = "all",
    limit: int | None = None,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure every schedule on every picture; each picture is read and resized once.

    Args:
        model: the network, on any device; it is copied, so it stays as it was.
        data: pictures with labels, e.g. ``open_data("camvid:DIR", "holdout")``.
        schedules: each in any form :meth:`SparsitySchedule.parse` accepts.
        size: short side given to the network, pixels; None for the picture's own.
        model_name: noted in the result, like data_name and split.
        data_name: see model_name.
        split: see model_name.
        limit: measure only so many pictures, spread evenly over the data.
        report: called after each picture with pictures done and in all.

    Returns:
        What JSON can hold: ``{model, data, split, size, pictures, results}``, size "native" or the
        short side, and for each schedule ``{schedule, miou, per_class_iou {name: x or None},
        pixel_accuracy, agreement}``. All are fractions, None where nothing could be measured;
        agreement is the share of all pixels that get the class the dense network gives.

    Raises:
        DataError: the data has other classes than the network, or a file cannot be read.
        ScheduleError: an impossible schedule.
    """
    config = model.config
    if data.class_names[:-1] != config.class_names:
        raise DataError("The classes of the data are not the classes of the network.")
    model = sparsify(deepcopy(model)).eval()
    parsed = [SparsitySchedule.parse(schedule, config.depths) for schedule in schedules]
    for schedule in parsed:
        schedule.check_linked()
    dense = SparsitySchedule.parse(0.0, config.depths)
    device = next(model.parameters()).device
    confusions = [np.zeros((config.num_classes,) * 2, dtype=np.int64) for _ in parsed]
    agreeing, pixels = [0] * len(parsed), 0
    count = len(data) if limit is None else min(limit, len(data))
    for done in range(count):
        sample = data[done * len(data) // count]
        height, width = sample.labels.shape
        image = resize_image(sample.image, choose_size(height, width, size))
        inputs = to_tensor(image, config.mean, config.std).to(device)
        reference = _predict(model, dense, inputs, (height, width))
        pixels += reference.size
        for index, schedule in enumerate(parsed):
            predicted = reference
            if not schedule.is_dense:
                predicted = _predict(model, schedule, inputs, (height, width))
            confusions[index] += count_confusion(sample.labels, predicted, config.num_classes)
            agreeing[index] += int((predicted == reference).sum())
        if report is not None:
            report(done + 1, count)
    return {
        "model": model_name,
        "data": data_name,
        "split": split,
        "size": "native" if size is None else size,
        "pictures": count,
        "results": [
            _summarise(schedule, score_confusion(confusion), config.class_names, agreed / pixels)
            for schedule, confusion, agreed in zip(parsed, confusions, agreeing, strict=True)
        ],
    }


@torch.inference_mode()
def _predict(
    model: Segmenter, schedule: SparsitySchedule, inputs: Tensor, size: tuple[int, int]
) -> np.ndarray:
    """Class of every pixel at the labels' own size: (img_h, img_w) uint8."""
    sparsify(model, schedule)
    logits = F.interpolate(model(inputs).float(), size, mode="bilinear")
    return logits.argmax(1)[0].byte().cpu().numpy()


def _summarise(
    schedule: SparsitySchedule, score: Score, names: Sequence[str], agreement: float
) -> dict[str, Any]:
    return {
        "schedule": schedule.to_list(),
        "miou": _or_none(score.miou),
        "per_class_iou": {
            name: _or_none(iou)
            for name, iou in zip(names, score.per_class_iou.tolist(), strict=True)
        },
        "pixel_accuracy": _or_none(score.pixel_accuracy),
        "agreement": agreement,
    }


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
