"""Sparse at high resolution against dense at lower ones, on one photo (SparseViT, section 4.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sparsevit.data.transforms import Size
from sparsevit.inspect.photo import Analysis, list_maps, prepare_image
from sparsevit.measure.dense import make_runs
from sparsevit.measure.latency import LatencyStats, find_doubt, time_interleaved
from sparsevit.measure.load import LoadMeter
from sparsevit.networks import LoadedModel
from sparsevit.patch import get_sparsity, set_sparsity

#: Shorter sides tried, as shares of the largest.
SIDE_SHARES = (1.0, 0.875, 0.75, 0.625, 0.5)


@dataclass(frozen=True)
class SizePoint:
    """One way to run a network on one photo.

    Attributes:
        size: (img_h, img_w) pixels fed to the network.
        prediction: the task's prediction, brought to the largest size.
        agreement: with the dense network at the largest size, as the task counts it.
        latency_ms: median so far; None before the first timed round.
    """

    size: Size
    prediction: Any
    agreement: float
    latency_ms: float | None = None


@dataclass(frozen=True)
class SizeComparison:
    """What is known after some steps.

    Attributes:
        sparse: the schedule at the largest size.
        dense: without pruning, at the largest size and at lower ones, largest first.
        done, total: steps.
        doubt: why the latencies are not worth quoting; None if they are, or nothing is timed.
    """

    sparse: SizePoint
    dense: tuple[SizePoint, ...]
    done: int
    total: int
    doubt: str | None = None


def compare_sizes(
    loaded: LoadedModel,
    photo: np.ndarray,
    analysis: Analysis,
    dense_form: str,
    rounds: int = 3,
    shares: Sequence[float] = SIDE_SHARES,
) -> Iterator[SizeComparison]:
    """Time what was analysed at full size and the dense network at several sizes, in turn.

    A step is one prediction or one timed round; after each the comparison so far is given, and
    between two the network may be used for something else.

    Args:
        loaded: the network.
        photo: (img_h, img_w, 3) uint8 RGB.
        analysis: of the photo at the largest size.
        dense_form: the fastest, from :func:`sparsevit.measure.latency.find_dense_form`.
        rounds: timed rounds, after one untimed.
        shares: of the largest shorter side, for the dense network; 1 is the largest itself.
    """
    prepared, largest = analysis.prepared, analysis.prepared.input_size
    side, step = min(largest), loaded.multiple
    sides = sorted({max(1, round(side * share / step)) * step for share in shares}, reverse=True)
    total = len(sides) + rounds
    point = SizePoint(largest, analysis.sparse, analysis.agreement["agreement"])
    result = SizeComparison(point, (), 0, total)
    pictures = []
    for side in sides:
        at_side = (
            prepared
            if side == min(largest)
            else prepare_image(loaded, photo, side, prepared.camera)
        )
        prediction = loaded.task.resize(at_side.dense, largest)
        agreement = loaded.task.compare(prepared.dense, prediction)["agreement"]
        point = SizePoint(at_side.input_size, prediction, agreement)
        pictures.append(at_side)
        result = replace(result, dense=(*result.dense, point), done=result.done + 1)
        yield result
    sparse = {"sparse": analysis.schedule}
    maps = list_maps(loaded, analysis)
    runs = {"sparse": make_runs(loaded.module, prepared.images, sparse, maps=maps)["sparse"]}
    for number, picture in enumerate(pictures):
        runs[str(number)] = make_runs(loaded.module, picture.images, {})[dense_form]
    samples: dict[str, list[float]] = {name: [] for name in runs}
    meter = LoadMeter(loaded.device)
    ratios = {"sparse": analysis.cost.least_ratio}
    for number in range(rounds):
        before = get_sparsity(loaded.module)
        try:
            with torch.inference_mode(), meter:
                stats = time_interleaved(runs, 1, loaded.device, warmup=int(number == 0))
        finally:
            set_sparsity(loaded.module, before)
        for name in runs:
            samples[name] += stats[name].samples_ms
        known = {name: LatencyStats(tuple(values)) for name, values in samples.items()}
        medians = {name: stats.median_ms for name, stats in known.items()}
        result = replace(
            result,
            sparse=replace(result.sparse, latency_ms=medians["sparse"]),
            dense=tuple(
                replace(point, latency_ms=medians[str(index)])
                for index, point in enumerate(result.dense)
            ),
            done=result.done + 1,
            doubt=find_doubt(known, "0", meter.other_load, ratios),
        )
        yield result


def find_equal_latency(comparison: SizeComparison) -> SizePoint | None:
    """The dense run to hold against the sparse one: the largest that takes no longer than it.

    Returns:
        None while nothing is timed, or when dense is slower even at the smallest size.
    """
    limit = comparison.sparse.latency_ms
    if limit is None:
        return None
    return next((p for p in comparison.dense if p.latency_ms and p.latency_ms <= limit), None)
