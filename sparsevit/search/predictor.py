"""Latency of any schedule, from measured costs of the pairs of blocks."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsevit.measure.dense import DENSE_FORMS, choose_dense, make_runs
from sparsevit.measure.latency import (
    WARMUP_RUNS,
    LatencyStats,
    describe_device,
    find_doubt,
    join_stats,
    time_interleaved,
)
from sparsevit.measure.load import LoadMeter
from sparsevit.networks import LoadedModel
from sparsevit.patch import get_sparsity, set_sparsity
from sparsevit.schedule import ADAPTATION_CHOICES, SparsitySchedule, num_pairs
from sparsevit.search.frontier import name_network, write_text

TIMED_ROUNDS = 8
_HELD_OUT = 6  # random schedules that only tell the error
_MIXED = 0.4  # sparsity of the last pair of every stage in the schedule that tells scoring's cost


@dataclass(frozen=True)
class PredictorKey:
    """What a latency depends on; a predictor is good for its own key only.

    Attributes:
        model: the network's name.
        task: what its forward computes.
        device: in words.
        size: (img_h, img_w) pixels fed to the network.
        batch: images at once.
        dtype: e.g. "float32".
        torch: its version.
    """

    model: str
    task: str
    device: str
    size: tuple[int, int]
    batch: int
    dtype: str
    torch: str

    def describe(self) -> str:
        """In words."""
        return (
            f"{self.model} for {self.task} on {self.device}, {self.dtype}, "
            f"{self.size[0]}x{self.size[1]}, batch {self.batch}, torch {self.torch}"
        )


@dataclass(frozen=True)
class LatencyPredictor:
    """Latency of a schedule without running it.

    A stage takes the mean over its pairs of what it takes with all pairs at that sparsity. Scoring
    the windows is part of that in the share of its pairs that are pruned; but it is done once and
    in full as soon as one is, so the missing share is added.

    Attributes:
        key: what it was measured on.
        depths: blocks per stage.
        fixed_ms: before the first stage and after the last.
        stages_ms: of every stage, with all its pairs at each of ``ADAPTATION_CHOICES``.
        scoring_ms: of every stage, what a stage takes as soon as one pair is pruned; 0 for a stage
            of one pair, where it is part of ``stages_ms``.
        dense_ms: of the fastest dense form.
        dense_form: which of ``sparsevit.measure.dense.DENSE_FORMS`` it was.
        error_percent: median over random schedules that were measured for this only.
        max_error_percent: the largest of them.
        other_load: share of the CPUs that other processes used meanwhile, None if unknown.
        doubt: why these latencies are not worth quoting; None if they are.
    """

    key: PredictorKey
    depths: tuple[int, ...]
    fixed_ms: float
    stages_ms: tuple[tuple[float, ...], ...]
    scoring_ms: tuple[float, ...]
    dense_ms: float
    dense_form: str
    error_percent: float | None = None
    max_error_percent: float | None = None
    other_load: float | None = None
    doubt: str | None = None

    def predict(self, schedule: SparsitySchedule) -> float:
        """Milliseconds of a schedule; the fastest dense form's where nothing is pruned.

        Sparsities between the measured ones are interpolated, those above count as the highest.
        """
        if schedule.is_dense:
            return self.dense_ms
        stages = zip(schedule.stages, self.stages_ms, self.scoring_ms, strict=True)
        return self.fixed_ms + sum(_predict_stage(*stage) for stage in stages)

    @cached_property
    def fastest(self) -> SparsitySchedule:
        """The schedule of ``ADAPTATION_CHOICES`` that takes least."""
        best = [ADAPTATION_CHOICES[int(np.argmin(costs))] for costs in self.stages_ms]
        return SparsitySchedule.parse(best, self.depths)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        write_text(path, json.dumps(asdict(self), indent=2) + "\n")


def read_predictor(path: Path) -> LatencyPredictor | None:
    """What :meth:`LatencyPredictor.save` wrote; None for a file that is missing or not one."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        key = PredictorKey(**values["key"] | {"size": tuple(values["key"]["size"])})
        stages_ms = tuple(tuple(map(float, costs)) for costs in values["stages_ms"])
        lists = {name: tuple(values[name]) for name in ("depths", "scoring_ms")}
        return LatencyPredictor(**values | lists | {"key": key, "stages_ms": stages_ms})
    except (OSError, KeyError, TypeError, ValueError):
        return None


def make_key(loaded: LoadedModel, images: Tensor) -> PredictorKey:
    """What latency on these (B, 3, img_h, img_w) images depends on."""
    return PredictorKey(
        model=name_network(loaded.name),
        task=loaded.task.name,
        device=describe_device(images.device),
        size=(images.shape[-2], images.shape[-1]),
        batch=images.shape[0],
        dtype=str(images.dtype).removeprefix("torch."),
        torch=torch.__version__,
    )


def build_predictor(
    loaded: LoadedModel, images: Tensor, rounds: int = TIMED_ROUNDS, seed: int = 0
) -> Iterator[tuple[int, int, LatencyPredictor | None]]:
    """Measure what a predictor needs, run by run.

    A round runs the network dense in every form, at the uniform schedules, at one that tells what
    scoring takes, and at random ones that tell the error. Between two runs the network may be used
    for something else; its schedule is left as it was.

    Args:
        loaded: the network.
        images: (B, 3, img_h, img_w) on the network's device, in its dtype.
        rounds: timed rounds, >= 1, after two untimed.
        seed: of the random schedules.

    Yields:
        Runs done and in all, untimed ones included; and in the last step the predictor.
    """
    depths = loaded.depths
    uniform = {f"uniform {s}": SparsitySchedule.parse(s, depths) for s in ADAPTATION_CHOICES[1:]}
    mixed = [[0.0] * (num_pairs(depth) - 1) + [_MIXED] for depth in depths]
    rng = random.Random(seed)
    held_out = {f"held {i}": SparsitySchedule.random(depths, rng) for i in range(_HELD_OUT)}
    schedules = {**uniform, "mixed": SparsitySchedule.parse(mixed, depths), **held_out}
    runs = make_runs(loaded.module, images, schedules)
    total = (WARMUP_RUNS + rounds) * len(runs)
    timer = time_rounds(loaded, runs, rounds, by_part=True)
    meter = LoadMeter(images.device)
    for done in range(1, total + 1):
        with meter:
            stats = next(timer)
        if done < total:
            yield done, total, None
    predictor = _fit(make_key(loaded, images), depths, stats, meter.other_load)
    errors = [
        100 * abs(predictor.predict(schedule) / stats[name].median_ms - 1)
        for name, schedule in held_out.items()
    ]
    predictor = replace(
        predictor,
        error_percent=round(float(np.median(errors)), 2),
        max_error_percent=round(max(errors), 2),
    )
    yield total, total, predictor


def time_rounds(
    loaded: LoadedModel, runs: dict[str, Any], rounds: int, by_part: bool = False
) -> Iterator[dict[str, LatencyStats]]:
    """Time runs of a network in turn, round after round, with a step after every single run.

    Args:
        loaded: the network; between two steps its schedule is what it was.
        runs: from :func:`sparsevit.measure.dense.make_runs`.
        rounds: timed rounds, >= 1, after untimed ones.
        by_part: also time the stages apart.

    Yields:
        Of every run, what was timed so far.
    """
    model = loaded.module if by_part else None
    stats = {name: LatencyStats(()) for name in runs}
    for number, (name, run) in product(range(WARMUP_RUNS + rounds), runs.items()):
        before = get_sparsity(loaded.module)
        try:
            with torch.inference_mode():
                found = time_interleaved({name: run}, 1, loaded.device, warmup=0, model=model)
        finally:
            set_sparsity(loaded.module, before)
        if number >= WARMUP_RUNS:
            stats[name] = join_stats(stats[name], found[name])
        yield stats


def _fit(
    key: PredictorKey,
    depths: Sequence[int],
    stats: dict[str, LatencyStats],
    other_load: float | None,
) -> LatencyPredictor:
    names = ["sparsevit", *(f"uniform {s}" for s in ADAPTATION_CHOICES[1:])]
    parts = np.array([stats[name].median_parts_ms for name in names])  # (choices, stages + 2)
    stages_ms = np.stack([_smooth(costs) for costs in parts[:, 1:-1].T])  # (stages, choices)
    scoring_ms = []
    mixed_ms = stats["mixed"].median_parts_ms[1:-1]
    for depth, costs, measured in zip(depths, stages_ms, mixed_ms, strict=True):
        pairs = num_pairs(depth)
        mixed = (0.0,) * (pairs - 1) + (_MIXED,)
        missing = measured - _predict_stage(mixed, costs, 0.0)  # 1 - 1 / pairs of it
        scoring_ms.append(max(0.0, missing * pairs / (pairs - 1)) if pairs > 1 else 0.0)
    dense_form = choose_dense({form: stats[form].samples_ms for form in DENSE_FORMS})
    return LatencyPredictor(
        key=key,
        depths=tuple(depths),
        fixed_ms=float(np.median(parts[:, 0]) + np.median(parts[:, -1])),
        stages_ms=tuple(tuple(costs) for costs in stages_ms.tolist()),
        scoring_ms=tuple(scoring_ms),
        dense_ms=stats[dense_form].median_ms,
        dense_form=dense_form,
        other_load=other_load,
        doubt=find_doubt(stats, dense_form, other_load, {}),
    )


def _predict_stage(
    sparsities: tuple[float, ...], costs: Sequence[float], scoring_ms: float
) -> float:
    uniform_ms = float(np.interp(sparsities, ADAPTATION_CHOICES, costs).mean())
    pruned = sum(s > 0 for s in sparsities)
    return uniform_ms + scoring_ms * ((pruned > 0) - pruned / len(sparsities))


def _smooth(costs: np.ndarray) -> np.ndarray:
    """The nearest costs that never rise while more is pruned: what rises is noise.

    Dense stays as measured; it needs no scoring, so a little pruning may cost more.

    Args:
        costs: (choices,) milliseconds at rising sparsity, dense first.
    """
    groups: list[list[float]] = []
    for cost in costs[1:].tolist():  # neighbours that rise are pooled until none does
        groups.append([cost])
        while len(groups) > 1 and np.mean(groups[-1]) > np.mean(groups[-2]):
            groups[-2:] = [groups[-2] + groups[-1]]
    pooled = [float(np.mean(group)) for group in groups for _ in group]
    return np.array([costs[0], *pooled])
