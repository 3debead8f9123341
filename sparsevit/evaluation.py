"""Measure a segmenter against the truth under several schedules."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sparsevit.data.labelled import DataError, LabelledData, Sample
from sparsevit.latency import LoadMeter, describe_device, make_runs, time_interleaved
from sparsevit.patch import set_sparsity, sparsify
from sparsevit.schedule import SparsitySchedule
from sparsevit.segmenter import Segmenter, SegmenterConfig
from sparsevit.tasks.semantic import read_classes
from sparsevit.transforms import choose_size, resize_image, to_tensor

if TYPE_CHECKING:
    from torchmetrics.classification import MulticlassJaccardIndex

#: The dense forms that are timed; the fastest is what "dense" means in a result.
DENSE_FORMS = ("host default", "host", "sparsevit")

_READERS = 4  # pictures read ahead, each by a thread
_NO_LIMIT = 2**40  # pixels: a size asked for is the size measured
_DECIMALS = 6


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
    """
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
    """Measure every schedule at one size; see :func:`evaluate_sizes`."""
    return evaluate_sizes(
        model,
        data,
        schedules,
        (size,),
        model_name=model_name,
        data_name=data_name,
        split=split,
        limit=limit,
        report=report,
    )[0]


def evaluate_sizes(
    model: Segmenter,
    data: LabelledData,
    schedules: Sequence[Any],
    sizes: Sequence[int | None],
    *,
    model_name: str = "",
    data_name: str = "",
    split: str = "all",
    limit: int | None = None,
    report: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Measure every schedule at every size on every picture; each picture is read once.

    Predictions are compared at the labels' own resolution; void pixels count for nothing.

    Args:
        model: the network, on any device; it is copied, so it stays as it was.
        data: pictures with labels, e.g. ``open_data("camvid:DIR", "val")``.
        schedules: each in any form :meth:`SparsitySchedule.parse` accepts.
        sizes: short sides given to the network, pixels; None for a picture's own. Both sides are
            rounded to multiples of 32.
        model_name: noted in the result, like data_name and split.
        data_name: see model_name.
        split: see model_name.
        limit: measure only so many pictures, spread evenly over the data.
        report: called after each picture with pictures done and in all.

    Returns:
        For each size what JSON can hold: ``{model, data, split, size, pictures, results}``, size
        "native" or the short side, and for each schedule ``{schedule, miou, per_class_iou {name: x
        or None}, pixel_accuracy, agreement}``. All are fractions, None where nothing could be
        measured; agreement is the share of all pixels that get the class the dense network gives.

    Raises:
        DataError: the data has other classes than the network, or a file cannot be read.
        ScheduleError: an impossible schedule.
    """
    config = model.config
    check_classes(data, config)
    parsed = [SparsitySchedule.parse(s, config.depths).check_linked() for s in schedules]
    model = sparsify(deepcopy(model)).eval()
    device = _find_device(model)
    tallies = [{s: _Tally(config.num_classes, device) for s in parsed} for _ in sizes]
    count = len(data) if limit is None else min(limit, len(data))
    indices = (number * len(data) // count for number in range(count))
    for done, sample in enumerate(read_ahead(data, indices), start=1):
        for size, row in zip(sizes, tallies, strict=True):
            _measure_picture(model, sample, size, row)
        if report is not None:
            report(done, count)
    return [
        {
            "model": model_name,
            "data": data_name,
            "split": split,
            "size": "native" if size is None else size,
            "pictures": count,
            "results": [
                {"schedule": s.to_list(), **row[s].summarise(config.class_names)} for s in parsed
            ],
        }
        for size, row in zip(sizes, tallies, strict=True)
    ]


def add_latency(
    reports: Sequence[dict[str, Any]],
    model: Segmenter,
    image: np.ndarray,
    rounds: int = 10,
    on_round: Callable[[int], None] | None = None,
) -> list[dict[str, Any]]:
    """Time the network at every size and schedule of some results, in turn, in this process.

    Only the network is timed: resizing the picture and reading classes off the logits are not.

    Args:
        reports: what :func:`evaluate_sizes` returned.
        model: the network they are of; it is copied, so it stays as it was.
        image: (img_h, img_w, 3) uint8 RGB, one picture of the data.
        rounds: timed rounds, >= 1; the median counts.
        on_round: called with the number of finished rounds, warm-up included.

    Returns:
        The results with ``latency_ms`` for every schedule, and ``device {device, dtype, threads,
        batch, rounds, other_load, dense_form}`` for every size. ``dense_form``, present where a
        schedule is dense, is the dense form that was the fastest and so is the one timed;
        other_load is the share of the CPUs that other processes used, None if unknown.
    """
    model = sparsify(deepcopy(model)).eval()
    device = _find_device(model)
    plans = [_plan_runs(model, image, report) for report in reports]
    runs = {f"{i} {name}": run for i, plan in enumerate(plans) for name, run in plan.items()}
    with torch.inference_mode(), LoadMeter() as meter:
        stats = time_interleaved(runs, rounds, device, on_round=on_round)
    block = {
        "device": describe_device(device),
        "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "batch": 1,
        "rounds": rounds,
        "other_load": meter.other_load,
    }
    timed = []
    for number, (report, plan) in enumerate(zip(reports, plans, strict=True)):
        medians = {name: round(stats[f"{number} {name}"].median_ms, 2) for name in plan}
        rivals = [form for form in DENSE_FORMS if form in plan]
        dense_form = min(rivals, key=medians.__getitem__, default="")
        results = [
            result | {"latency_ms": medians[str(i) if str(i) in plan else dense_form]}
            for i, result in enumerate(report["results"])
        ]
        note = {"dense_form": dense_form} if dense_form else {}
        timed.append(report | {"results": results, "device": block | note})
    return timed


class _Tally:
    """What one schedule got right at one size, over all pictures so far."""

    def __init__(self, num_classes: int, device: torch.device) -> None:
        self.metric = make_iou_metric(num_classes).to(device)
        self.agreeing = 0
        self.pixels = 0

    def add(self, truth: Tensor, dense: Tensor, predicted: Tensor) -> None:
        """Count a picture; all (img_h, img_w) uint8 on the metric's device."""
        self.metric.update(predicted, truth)
        self.agreeing += int((predicted == dense).sum())
        self.pixels += truth.numel()

    def summarise(self, class_names: Sequence[str]) -> dict[str, Any]:
        score = read_score(self.metric)
        ious = map(_round, score.per_class_iou)
        return {
            "miou": _round(score.miou),
            "per_class_iou": dict(zip(class_names, ious, strict=True)),
            "pixel_accuracy": _round(score.pixel_accuracy),
            "agreement": _round(self.agreeing / self.pixels),
        }


@torch.inference_mode()
def _measure_picture(
    model: Segmenter, sample: Sample, size: int | None, tallies: dict[SparsitySchedule, _Tally]
) -> None:
    """Count what every schedule makes of one picture; the dense network runs once."""
    device = _find_device(model)
    height, width = sample.labels.shape
    truth = torch.from_numpy(sample.labels).to(device)
    images = prepare_picture(sample.image, size, model.config).to(device)

    def predict(schedule: Any) -> Tensor:
        set_sparsity(model, schedule)
        return read_classes(model(images), (height, width))

    dense = predict(0.0)
    for schedule, tally in tallies.items():
        tally.add(truth, dense, dense if schedule.is_dense else predict(schedule))


def prepare_picture(image: np.ndarray, size: int | None, config: SegmenterConfig) -> Tensor:
    """(1, 3, h, w) float32 of a picture, as the network wants it."""
    wanted = choose_size(image.shape[0], image.shape[1], size, max_pixels=_NO_LIMIT)
    return to_tensor(resize_image(image, wanted), config.mean, config.std)


def _plan_runs(
    model: Segmenter, image: np.ndarray, report: dict[str, Any]
) -> dict[str, Callable[[], Any]]:
    """The forwards to time: each sparse schedule by its number, and the dense forms if asked."""
    size = None if report["size"] == "native" else report["size"]
    images = prepare_picture(image, size, model.config).to(_find_device(model))
    schedules = [
        SparsitySchedule.parse(r["schedule"], model.config.depths) for r in report["results"]
    ]
    sparse = {str(i): schedule for i, schedule in enumerate(schedules) if not schedule.is_dense}
    runs = make_runs(model, images, sparse)
    dense_forms = DENSE_FORMS if len(sparse) < len(schedules) else ()
    return {name: runs[name] for name in (*dense_forms, *sparse)}


def read_ahead(data: LabelledData, indices: Iterable[int]) -> Iterator[Sample]:
    """The pictures in order, while threads decode or draw the next ones."""
    waiting: deque[Future[Sample]] = deque()
    with ThreadPoolExecutor(_READERS) as pool:
        for index in indices:
            waiting.append(pool.submit(data.__getitem__, index))
            if len(waiting) > _READERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def check_classes(data: LabelledData, config: SegmenterConfig) -> None:
    """Raise DataError unless the data has the network's classes."""
    found, expected = data.class_names[:-1], config.class_names
    if found != expected:
        raise DataError(
            f"The classes of the data ({', '.join(found)}) are not the classes of the network "
            f"({', '.join(expected)})."
        )


def _find_device(model: Segmenter) -> torch.device:
    return next(model.parameters()).device


def _round(value: float) -> float | None:
    return None if isnan(value) else round(value, _DECIMALS)
