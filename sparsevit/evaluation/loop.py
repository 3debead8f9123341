"""Measure a network under several schedules: every picture is read once and runs dense once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import torch

from sparsevit.data.labelled import LabelledData
from sparsevit.data.occurrence import watch_labels
from sparsevit.evaluation.scorer import Scorer
from sparsevit.evaluation.scorers import choose_scorer, has_labels
from sparsevit.evaluation.sources import Pictures
from sparsevit.networks import LoadedModel
from sparsevit.networks.segmenter import Segmenter
from sparsevit.patch import get_sparsity, set_sparsity, sparsify
from sparsevit.schedule import SparsitySchedule
from sparsevit.tasks import Task

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)

_NUM_WORKERS = 4  # threads that each prefetch a picture


class _Readable(Protocol[S_co]):
    def __getitem__(self, index: int, /) -> S_co: ...


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
    """Measure a segmenter at one size, as :func:`evaluate_sizes` does any network at several.

    Args:
        model: the segmenter; it stays as it was, as a copy is measured.
        data, schedules, data_name, split, limit, report: as of :func:`evaluate_sizes`.
        size: short side given to the network, pixels; None for a picture's own.
        model_name: noted in the result.
    """
    return evaluate_sizes(
        wrap_segmenter(model, model_name),
        data,
        schedules,
        (size,),
        data_name=data_name,
        split=split,
        limit=limit,
        report=report,
    )[0]


def wrap_segmenter(model: Segmenter, name: str = "") -> LoadedModel:
    """A copy of a segmenter, sparsified and in evaluation mode, as ``load_model`` gives one."""
    return LoadedModel.wrap(sparsify(deepcopy(model), score=model.config.score).eval(), name)


def evaluate_sizes(
    loaded: LoadedModel,
    data: Pictures,
    schedules: Sequence[Any],
    sizes: Sequence[int | None],
    *,
    tasks: Sequence[str] = (),
    data_name: str = "",
    split: str = "all",
    limit: int | None = None,
    report: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Measure every schedule at every size on every picture; each picture is read once.

    Predictions are compared at the picture's own resolution; void pixels count for nothing.

    Args:
        loaded: the network; its schedule is left as it was.
        data: pictures with or without truth, e.g. ``open_pictures("camvid:DIR", "val", task=...)``.
        schedules: each in any form :meth:`SparsitySchedule.parse` accepts.
        sizes: short sides given to the network, pixels; None for a picture's own. Both sides are
            rounded to multiples of 32, or of what the network wants.
        tasks: of the network, to measure on the same forwards where they can share them; by default
            the one it is set to.
        data_name: noted in the result, like split.
        split: see data_name.
        limit: measure only so many pictures, spread evenly over the data.
        report: called after each picture with pictures done and in all.

    Returns:
        For each task and each of its sizes what JSON can hold: ``{model, task, data, split, size,
        pictures, results}``, size "native" or the short side, and for each schedule
        ``{schedule, ...}`` with what its scorer says:

        - classes of pixels: ``miou, per_class_iou {name: x or None}, pixel_accuracy, agreement``,
          the last being the share of all pixels that get the class the dense network gives;
        - classes of pictures: ``top1_accuracy, top5_accuracy`` and what the task compares;
        - panoptic segments: ``pq, sq, rq, per_class_pq`` and what the task compares;
        - instances: ``ap, ap50, ap75, per_class_ap`` and what the task compares;
        - 3D boxes: ``ap, ap_cars, nds, ate_m, ase, aoe_rad, per_distance_ap, per_class_ap``, on
          KITTI's data ``kitti_3d_ap, kitti_bev_ap``, and what the task compares;
        - photos to restore: ``psnr, ssim``, ``base_psnr, base_ssim`` of what is had without a
          network, and what the task compares;
        - no truth: the means over the pictures of what the task compares with dense.

        Accuracies are fractions, PSNR and the agreement of restored photos are in dB; None where
        nothing could be measured.

    Raises:
        DataError: the data has other classes than the network, a file cannot be read, or nothing
            is labelled.
        ImageError: a picture, or a size, that the network cannot take.
        ScheduleError: an impossible schedule.
    """
    if len(tasks) > 1 and not isinstance(loaded.module, Segmenter):  # no forward does them all
        rest: dict[str, Any] = {
            "data_name": data_name,
            "split": split,
            "limit": limit,
            "report": report,
        }
        return [
            found
            for task in tasks
            for found in evaluate_sizes(loaded, data, schedules, sizes, tasks=(task,), **rest)
        ]
    parsed = [SparsitySchedule.parse(s, loaded.depths).check_linked() for s in schedules]
    views = [loaded.for_task(name) for name in tasks or (loaded.task.name,)]
    makers = [choose_scorer(view.task, data, loaded.device) for view in views]
    rows = [{s: [make() for make in makers] for s in parsed} for _ in sizes]
    count = len(data) if limit is None else min(limit, len(data))
    indices = [number * len(data) // count for number in range(count)]
    samples = read_samples([view.task for view in views], data, indices)
    shared = _share_forward(views)
    before = get_sparsity(loaded.module)
    try:
        for done, sample in enumerate(samples, start=1):
            for size, row in zip(sizes, rows, strict=True):
                _measure_picture(shared, views, sample, size, row)
            if report is not None:
                report(done, count)
    finally:
        set_sparsity(loaded.module, before)
    return [
        {
            "model": loaded.name,
            "task": view.task.name,
            "data": data_name,
            "split": split,
            "size": "native" if size is None else size,
            "pictures": count,
            "results": _summarise(parsed, {s: scorers[place] for s, scorers in row.items()}),
        }
        for place, view in enumerate(views)
        for size, row in zip(sizes, rows, strict=True)
    ]


def _share_forward(views: Sequence[LoadedModel]) -> LoadedModel:
    """The network of some views, with a forward that computes what each of their tasks reads."""
    first = views[0]
    if len(views) == 1 or not isinstance(first.module, Segmenter):
        return first
    return replace(first, module=first.module.for_tasks(*(view.task.name for view in views)))


def _summarise(
    schedules: Sequence[SparsitySchedule], row: Mapping[SparsitySchedule, Scorer]
) -> list[dict[str, Any]]:
    found = {schedule: scorer.summarise() for schedule, scorer in row.items()}
    return [{"schedule": schedule.to_list(), **found[schedule]} for schedule in schedules]


@torch.inference_mode()
def _measure_picture(
    loaded: LoadedModel,
    views: Sequence[LoadedModel],
    sample: Any,
    size: int | None,
    row: Mapping[SparsitySchedule, Sequence[Scorer]],
) -> None:
    """Count what every schedule makes of one picture; the dense network runs once.

    Args:
        loaded: the network.
        views: the same for each task, in the order of the scorers.
        sample: the picture and its truth.
        size: short side fed to the network, pixels; None for the picture's own.
        row: scorers of each schedule.
    """
    height, width = sample.image.shape[:2]
    images = loaded.prepare(sample.image, size, max_pixels=None)  # a size asked for is measured

    def predict(schedule: Any) -> list[Any]:
        set_sparsity(loaded.module, schedule)
        output = loaded.module(images)
        return [view.task.interpret(output, (height, width)) for view in views]

    dense = predict(0.0)
    for schedule, scorers in row.items():
        sparse = dense if schedule.is_dense else predict(schedule)
        for scorer, ours, theirs in zip(scorers, dense, sparse, strict=True):
            scorer.add(sample, ours, theirs)


def read_samples(tasks: Sequence[Task], data: Pictures, indices: Sequence[int]) -> Iterator[Any]:
    """What the data holds of some pictures, in order, while the next ones are decoded.

    Raises:
        DataError: a file cannot be read, or no pixel has a class where a task is about classes.
    """
    samples: Iterator[Any] = prefetch(data, indices)
    if has_labels(data) and any(task.name == "semantic" for task in tasks):
        samples = watch_labels(data, indices, samples)
    return samples


def prefetch(data: _Readable[S], indices: Iterable[int]) -> Iterator[S]:
    """The pictures in order, while threads decode or draw the next ones."""
    futures: deque[Future[S]] = deque()
    with ThreadPoolExecutor(_NUM_WORKERS) as pool:
        for index in indices:
            futures.append(pool.submit(data.__getitem__, index))
            if len(futures) > _NUM_WORKERS:
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()
