"""The latency of what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from sparsevit.measure.dense import DENSE_FORMS, choose_dense, make_runs
from sparsevit.measure.latency import describe_device, find_doubt, time_interleaved
from sparsevit.measure.load import LoadMeter
from sparsevit.networks import LoadedModel
from sparsevit.patch import get_sparsity, set_sparsity
from sparsevit.schedule import SparsitySchedule


def add_latency(
    reports: Sequence[dict[str, Any]],
    loaded: LoadedModel,
    image: np.ndarray,
    rounds: int = 10,
    on_round: Callable[[int], None] | None = None,
) -> list[dict[str, Any]]:
    """Time the network at every size and schedule of some results, in turn, in this process.

    Only the network is timed: resizing the picture and reading predictions off its output are not.

    Args:
        reports: what :func:`sparsevit.evaluation.evaluate_sizes` returned.
        loaded: the network they are of; its schedule is left as it was.
        image: (img_h, img_w, 3) uint8 RGB, one picture of the data.
        rounds: timed rounds, >= 1; the median counts.
        on_round: called with the number of finished rounds, warm-up included.

    Returns:
        The results with ``latency_ms`` for every schedule, and ``device {device, dtype, threads,
        batch, rounds, other_load, doubt, dense_form}`` for every size. ``dense_form``, present
        where a schedule is dense, is the dense form that was the fastest and so is the one timed;
        other_load is the share of the CPUs that other processes used, None if unknown; doubt says
        why the latencies are not worth quoting, None if they are.
    """
    plans, ratios = zip(*(_plan_runs(loaded, image, report) for report in reports), strict=True)
    runs = {f"{i} {name}": run for i, plan in enumerate(plans) for name, run in plan.items()}
    before = get_sparsity(loaded.module)
    try:
        with torch.inference_mode(), LoadMeter(loaded.device) as meter:
            stats = time_interleaved(runs, rounds, loaded.device, on_round=on_round)
    finally:
        set_sparsity(loaded.module, before)
    block = {
        "device": describe_device(loaded.device),
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "batch": 1,
        "rounds": rounds,
        "other_load": meter.other_load,
    }
    timed = []
    for number, (report, plan) in enumerate(zip(reports, plans, strict=True)):
        found = {name: stats[f"{number} {name}"] for name in plan}
        medians = {name: round(stat.median_ms, 2) for name, stat in found.items()}
        rivals = {form: found[form].samples_ms for form in DENSE_FORMS if form in plan}
        dense_form = choose_dense(rivals) if rivals else ""
        results = [
            result | {"latency_ms": medians[str(i) if str(i) in plan else dense_form]}
            for i, result in enumerate(report["results"])
        ]
        rival = dense_form or next(iter(plan))
        note: dict[str, Any] = {"doubt": find_doubt(found, rival, meter.other_load, ratios[number])}
        if dense_form:
            note["dense_form"] = dense_form
        timed.append(report | {"results": results, "device": block | note})
    return timed


def _plan_runs(
    loaded: LoadedModel, image: np.ndarray, report: dict[str, Any]
) -> tuple[dict[str, Callable[[], Any]], dict[str, float]]:
    """The forwards to time: each sparse schedule by its number, and the dense forms if asked.

    Returns:
        They, and beside dense the least that the sparse ones can take of its time.
    """
    size = None if report["size"] == "native" else report["size"]
    images = loaded.prepare(image, size, max_pixels=None)
    schedules = [SparsitySchedule.parse(r["schedule"], loaded.depths) for r in report["results"]]
    sparse = {str(i): schedule for i, schedule in enumerate(schedules) if not schedule.is_dense}
    runs = make_runs(loaded.module, images, sparse)
    if len(sparse) == len(schedules):
        return {name: runs[name] for name in sparse}, {}
    size_px = images.shape[-2], images.shape[-1]
    ratios = {name: loaded.find_least_ratio(size_px, schedule) for name, schedule in sparse.items()}
    return {name: runs[name] for name in (*DENSE_FORMS, *sparse)}, ratios
