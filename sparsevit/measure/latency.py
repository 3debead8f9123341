"""Honest latency: dense and sparse interleaved in one process, warm, recording off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparsevit.core.ranking import Place
from sparsevit.measure.dense import choose_dense, make_runs
from sparsevit.measure.load import LoadMeter
from sparsevit.patch import find_stages, get_sparsity, set_sparsity

WARMUP_RUNS = 2

#: Other programs using more than this share of the CPUs spoil a measurement: on two cores, both of
#: them busy with one network, each run then waits for the slower core and takes a tenth longer.
MAX_OTHER_LOAD = 0.05

#: The middle half of the speed-ups of neighbouring runs may differ by this factor. On a quiet
#: machine it is nearly always below 1.1; at 1.25 the median of five is uncertain by a tenth.
MAX_SPREAD = 1.25

#: A speed-up may beat the arithmetic by this factor: sparse runs fit the caches better, and kept
#: windows may hold fewer tokens than others. On a quiet machine benchmarks stay below 1.05.
MAX_BEYOND_IDEAL = 1.15

_FEWEST_SPREAD = 3  # rounds; fewer say nothing of how much they differ


@dataclass(frozen=True)
class LatencyStats:
    """Milliseconds of repeated runs of one thing.

    Attributes:
        samples_ms: every run, in order, warm-up left out.
        parts_ms: every run's parts, which sum to the run: what comes before the first stage, each
            stage with what follows it until the next, what comes after the last. Empty if unknown.
    """

    samples_ms: tuple[float, ...]
    parts_ms: tuple[tuple[float, ...], ...] = ()

    @property
    def median_parts_ms(self) -> tuple[float, ...]:
        """Median of each part."""
        return tuple(float(np.median(part)) for part in zip(*self.parts_ms, strict=True))

    @property
    def median_ms(self) -> float:
        """Median run."""
        return float(np.median(self.samples_ms))

    @property
    def p10_ms(self) -> float:
        """A tenth of the runs were at least this fast."""
        return float(np.percentile(self.samples_ms, 10))

    @property
    def p90_ms(self) -> float:
        """Nine tenths of the runs were at least this fast."""
        return float(np.percentile(self.samples_ms, 90))


@dataclass(frozen=True)
class LatencyReport:
    """Dense against sparse latency of one model on one input.

    Attributes:
        dense, sparse: what was measured, run by run in turn.
        dense_form: which of :data:`DENSE_FORMS` was the fastest and so is the rival.
        device: what it ran on, e.g. "cpu (2 threads)".
        dtype: e.g. "float32".
        image_size: (img_h, img_w) pixels.
        batch: images at once.
        other_load: share of the CPUs that other programs used during all rounds so far; see
            :class:`LoadMeter`.
    """

    dense: LatencyStats
    sparse: LatencyStats
    dense_form: str
    device: str
    dtype: str
    image_size: tuple[int, int]
    batch: int
    other_load: float | None = None

    @property
    def speedup(self) -> float:
        """Median dense over median sparse."""
        return self.dense.median_ms / self.sparse.median_ms

    @property
    def speedup_spread(self) -> tuple[float, float]:
        """10th and 90th percentile of the speed-up of neighbouring runs."""
        ratios = _find_speedups(self.dense, self.sparse)
        return float(np.percentile(ratios, 10)), float(np.percentile(ratios, 90))

    def explain_doubt(self, least_ratio: float) -> str | None:
        """Why the speed-up is not worth quoting, None if it is; see :func:`explain_doubt`."""
        return explain_doubt(self.dense, self.sparse, self.other_load, least_ratio)


def explain_doubt(
    dense: LatencyStats,
    sparse: LatencyStats,
    other_load: float | None,
    least_ratio: float | None = None,
) -> str | None:
    """Why a speed-up is not worth quoting, in words without a capital and stop; None if it is.

    Args:
        dense, sparse: what was timed in turn, round by round.
        other_load: of :class:`LoadMeter` meanwhile; unknown is no reason to doubt.
        least_ratio: of the multiply-accumulates, see :class:`CostReport`; None where
            they are not known.
    """
    speedups = _find_speedups(dense, sparse)
    low, high = np.percentile(speedups, [25, 75])
    speedup = dense.median_ms / sparse.median_ms
    if other_load is not None and other_load > MAX_OTHER_LOAD:
        reason = f"other programs used {100 * other_load:.0f} % of its CPUs"
    elif len(speedups) >= _FEWEST_SPREAD and high > MAX_SPREAD * low:
        reason = f"speed-ups of neighbouring runs differ by a factor of {high / low:.1f}"
    elif least_ratio is not None and speedup * least_ratio > MAX_BEYOND_IDEAL:
        reason = (
            f"the speed-up {speedup:.2f}x beats what the arithmetic allows ({1 / least_ratio:.2f}x)"
        )
    else:
        return None
    return f"this machine is busy: {reason}"


def find_doubt(
    stats: Mapping[str, LatencyStats],
    dense: str,
    other_load: float | None,
    least_ratios: Mapping[str, float],
) -> str | None:
    """:func:`explain_doubt` of many things timed in turn: why one of them is not worth quoting.

    Args:
        stats: name -> what was timed.
        dense: name of what the others are held against.
        other_load: of :class:`LoadMeter` meanwhile.
        least_ratios: name -> that of its multiply-accumulates, where they are known.
    """
    doubts = (
        explain_doubt(stats[dense], found, other_load, least_ratios.get(name))
        for name, found in stats.items()
    )
    return next(filter(None, doubts), None)


def _find_speedups(dense: LatencyStats, sparse: LatencyStats) -> np.ndarray:
    """(rounds,) of the two runs of each round."""
    speedups: np.ndarray = np.array(dense.samples_ms) / np.array(sparse.samples_ms)
    return speedups


def time_interleaved(
    runs: Mapping[str, Callable[[], Any]],
    repeats: int,
    device: torch.device | str = "cpu",
    warmup: int = WARMUP_RUNS,
    clock: Callable[[], float] = time.perf_counter,
    on_round: Callable[[int], None] | None = None,
    model: nn.Module | None = None,
) -> dict[str, LatencyStats]:
    """Time several things in turn, round after round, so that a busy moment hits them all.

    Args:
        runs: name -> what to run.
        repeats: timed rounds, >= 1.
        device: on CUDA the clock is the GPU's own (events), with a synchronise after each run.
        warmup: untimed rounds before.
        clock: seconds; for tests.
        on_round: called with the number of finished rounds, warm-up included.
        model: the sparsified model that all of them run, if its stages are to be timed apart.

    Raises:
        ValueError: repeats < 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}.")
    device = torch.device(device)
    samples: dict[str, list[tuple[float, ...]]] = {name: [] for name in runs}
    for round_number in range(warmup + repeats):
        for name, run in runs.items():
            if device.type == "cuda":
                parts_ms = _time_cuda(run, device, model)
            else:
                parts_ms = _time(run, clock, model)
            if round_number >= warmup:
                samples[name].append(parts_ms)
        if on_round is not None:
            on_round(round_number + 1)
    return {
        name: LatencyStats(tuple(sum(parts) for parts in rounds), tuple(rounds) if model else ())
        for name, rounds in samples.items()
    }


def measure_latency(
    model: nn.Module,
    images: Tensor,
    schedule: Any,
    repeats: int = 10,
    dense_form: str | None = None,
    maps: Mapping[Place, Tensor] | None = None,
) -> LatencyReport:
    """Time a sparsified model dense and at ``schedule``, interleaved.

    The dense rival is whichever of :data:`DENSE_FORMS` is the fastest here. The model's
    schedule is left as it was.

    Args:
        model: a sparsified model in evaluation mode.
        images: (B, 3, img_h, img_w) on the model's device, in its dtype.
        schedule: any form ``model.sparsity`` accepts.
        repeats: timed runs of each, >= 1.
        dense_form: where it is known which is the fastest; found out if None.
        maps: of what is kept and skipped for certain, see :func:`sparsevit.rank_by`.

    Raises:
        ValueError: repeats < 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}.")
    *_, report = refine_latency(model, images, schedule, repeats, dense_form, maps=maps)
    return report


def refine_latency(
    model: nn.Module,
    images: Tensor,
    schedule: Any,
    repeats: int = 10,
    dense_form: str | None = None,
    warmup: int = WARMUP_RUNS,
    maps: Mapping[Place, Tensor] | None = None,
) -> Iterator[LatencyReport]:
    """:func:`measure_latency` round by round: after each, a report of all rounds so far.

    Between two rounds the model may be used for something else.

    Args:
        model, images, schedule, repeats, dense_form, maps: see :func:`measure_latency`.
        warmup: untimed rounds before the first.
    """
    runs = make_runs(model, images, {"sparse": schedule}, maps=maps)
    dense, sparse = LatencyStats(()), LatencyStats(())
    meter = LoadMeter(images.device)
    for number in range(repeats):
        before = get_sparsity(model)
        try:
            with torch.inference_mode(), meter:
                dense_form = dense_form or find_dense_form(model, images)
                pair = {"dense": runs[dense_form], "sparse": runs["sparse"]}
                stats = time_interleaved(
                    pair, 1, images.device, warmup=0 if number else warmup, model=model
                )
        finally:
            set_sparsity(model, before)
        dense = join_stats(dense, stats["dense"])
        sparse = join_stats(sparse, stats["sparse"])
        yield LatencyReport(
            dense=dense,
            sparse=sparse,
            dense_form=dense_form,
            device=describe_device(images.device),
            dtype=str(images.dtype).removeprefix("torch."),
            image_size=(images.shape[-2], images.shape[-1]),
            batch=images.shape[0],
            other_load=meter.other_load,
        )


def find_dense_form(model: nn.Module, images: Tensor) -> str:
    """Which of ``sparsevit.measure.dense.DENSE_FORMS`` is the fastest here, by a few runs of each.

    Args:
        model: a sparsified model in evaluation mode; its schedule is left as it was.
        images: (B, 3, img_h, img_w) on the model's device, in its dtype.
    """
    before = get_sparsity(model)
    try:
        with torch.inference_mode():
            # The first run of each may be slow, so it is never the best.
            trial = time_interleaved(make_runs(model, images, {}), 4, images.device, warmup=0)
    finally:
        set_sparsity(model, before)
    return choose_dense({form: stats.samples_ms for form, stats in trial.items()})


def join_stats(first: LatencyStats, second: LatencyStats) -> LatencyStats:
    """All runs of both, in order."""
    return LatencyStats(first.samples_ms + second.samples_ms, first.parts_ms + second.parts_ms)


def describe_device(device: torch.device | str) -> str:
    """The device in words a reader can compare: its name, and the threads where it is a CPU."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{_cpu_name()}, {threads} thread{'s' if threads > 1 else ''}"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "CPU"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "CPU"


@contextmanager
def _marking(model: nn.Module | None, mark: Callable[[], None]) -> Iterator[None]:
    """Call ``mark`` whenever a stage of the model starts, and when the last one ends."""
    stages = find_stages(model) if model is not None else []
    handles = [stage.register_forward_pre_hook(lambda *_: mark()) for stage in stages]
    handles += [stage.register_forward_hook(lambda *_: mark()) for stage in stages[-1:]]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _time(
    run: Callable[[], Any], clock: Callable[[], float], model: nn.Module | None
) -> tuple[float, ...]:
    """Milliseconds of the parts of one run; one part without a model."""
    marks: list[float] = []
    with _marking(model, lambda: marks.append(clock())):
        start = clock()
        run()
        marks.append(clock())
    return tuple(1e3 * (after - before) for before, after in pairwise([start, *marks]))


def _time_cuda(
    run: Callable[[], Any], device: torch.device, model: nn.Module | None
) -> tuple[float, ...]:
    """The same by the GPU's own clock."""
    events: list[torch.cuda.Event] = []
    new_event: Any = torch.cuda.Event  # has no types

    def mark() -> None:
        event = new_event(enable_timing=True)
        event.record()
        events.append(event)

    with torch.cuda.device(device), _marking(model, mark):
        mark()
        run()
        mark()
        torch.cuda.synchronize()
    return tuple(before.elapsed_time(after) for before, after in pairwise(events))
