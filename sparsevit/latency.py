"""Honest latency: dense and sparse interleaved in one process, warm, recording off."""

from __future__ import annotations

import os
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

from sparsevit.patch import find_stages, get_sparsity, host_form, set_sparsity

WARMUP_RUNS = 2


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
        dense_form: which dense form was the fastest and so is the rival: "host" (the host
            library's own code with fused attention) or "sparsevit" (our blocks with every window).
        device: what it ran on, e.g. "cpu (2 threads)".
        dtype: e.g. "float32".
        image_size: (img_h, img_w) pixels.
        batch: images at once.
    """

    dense: LatencyStats
    sparse: LatencyStats
    dense_form: str
    device: str
    dtype: str
    image_size: tuple[int, int]
    batch: int

    @property
    def speedup(self) -> float:
        """Median dense over median sparse."""
        return self.dense.median_ms / self.sparse.median_ms

    @property
    def speedup_spread(self) -> tuple[float, float]:
        """10th and 90th percentile of the speed-up of neighbouring runs."""
        ratios = np.array(self.dense.samples_ms) / np.array(self.sparse.samples_ms)
        return float(np.percentile(ratios, 10)), float(np.percentile(ratios, 90))


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
) -> LatencyReport:
    """Time a sparsified model dense and at ``schedule``, interleaved.

    The dense rival is whichever dense form is faster here: the host's own code with fused
    attention, or our blocks with every window kept. The model's schedule is left as it was.

    Args:
        model: a sparsified model in evaluation mode.
        images: (B, 3, img_h, img_w) on the model's device, in its dtype.
        schedule: any form ``model.sparsity`` accepts.
        repeats: timed runs of each, >= 1.
        dense_form: "host" or "sparsevit" where it is known which is faster; found out if None.

    Raises:
        ValueError: repeats < 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}.")
    *_, report = refine_latency(model, images, schedule, repeats, dense_form)
    return report


def refine_latency(
    model: nn.Module,
    images: Tensor,
    schedule: Any,
    repeats: int = 10,
    dense_form: str | None = None,
    warmup: int = WARMUP_RUNS,
) -> Iterator[LatencyReport]:
    """:func:`measure_latency` round by round: after each, a report of all rounds so far.

    Between two rounds the model may be used for something else.

    Args:
        model, images, schedule, repeats, dense_form: see :func:`measure_latency`.
        warmup: untimed rounds before the first.
    """
    runs = make_runs(model, images, {"sparse": schedule})
    dense, sparse = LatencyStats(()), LatencyStats(())
    for number in range(repeats):
        before = get_sparsity(model)
        try:
            with torch.inference_mode():
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
        )


def find_dense_form(model: nn.Module, images: Tensor) -> str:
    """Which dense form is faster here: "host", its own code fused, or "sparsevit", our blocks.

    Args:
        model: a sparsified model in evaluation mode; its schedule is left as it was.
        images: (B, 3, img_h, img_w) on the model's device, in its dtype.
    """
    before = get_sparsity(model)
    runs = make_runs(model, images, {})
    rivals = {form: runs[form] for form in ("host", "sparsevit")}
    try:
        with torch.inference_mode():
            trial = time_interleaved(rivals, repeats=3, device=images.device, warmup=1)
    finally:
        set_sparsity(model, before)
    # Other work only ever slows a run down, so of few runs the best says most.
    return min(trial, key=lambda form: min(trial[form].samples_ms))


def join_stats(first: LatencyStats, second: LatencyStats) -> LatencyStats:
    """All runs of both, in order."""
    return LatencyStats(first.samples_ms + second.samples_ms, first.parts_ms + second.parts_ms)


def make_runs(
    model: nn.Module,
    images: Tensor,
    schedules: Mapping[str, Any],
    forward: Callable[[Tensor], Any] | None = None,
) -> dict[str, Callable[[], Any]]:
    """Things to time: "host" (fused), "host default", "sparsevit" (dense), and each schedule.

    Args:
        model: a sparsified model in evaluation mode.
        images: (B, 3, img_h, img_w) on the model's device, in its dtype.
        schedules: name -> any form ``model.sparsity`` accepts.
        forward: another way to run our forms, such as the model's CUDA graphs; itself if None.
    """
    forward = forward or model

    def run_host(fused: bool) -> Callable[[], Any]:
        def run() -> None:
            with host_form(model, fused):
                model(images)

        return run

    def run_at(schedule: Any) -> Callable[[], Any]:
        def run() -> None:
            set_sparsity(model, schedule)
            forward(images)

        return run

    runs = {"host default": run_host(False), "host": run_host(True), "sparsevit": run_at(0.0)}
    return runs | {name: run_at(schedule) for name, schedule in schedules.items()}


def describe_device(device: torch.device | str) -> str:
    """The device in words a reader can compare: its name, and the threads where it is a CPU."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{_cpu_name()}, {threads} thread{'s' if threads > 1 else ''}"


class LoadMeter:
    """Share of the machine's CPUs that other processes used between entering and leaving.

    Attributes:
        other_load: 0 to 1 of all CPUs after the ``with`` block; None where it cannot be read.
    """

    other_load: float | None = None

    def __enter__(self) -> LoadMeter:
        self._start = (_busy_seconds(), sum(os.times()[:2]), time.perf_counter())
        return self

    def __exit__(self, *_: object) -> None:
        busy, own, now = _busy_seconds(), sum(os.times()[:2]), time.perf_counter()
        if busy is None or self._start[0] is None:
            return
        others = (busy - self._start[0]) - (own - self._start[1])
        available = (now - self._start[2]) * (os.cpu_count() or 1)
        self.other_load = round(min(1.0, max(0.0, others / available)), 4)


def _busy_seconds() -> float | None:
    try:
        first = Path("/proc/stat").read_text().splitlines()[0].split()
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, steal = (float(v) for v in first[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


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

    def mark() -> None:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        events.append(event)

    with torch.cuda.device(device), _marking(model, mark):
        mark()
        run()
        mark()
        torch.cuda.synchronize()
    return tuple(before.elapsed_time(after) for before, after in pairwise(events))
