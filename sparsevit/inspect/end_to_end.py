"""From a photo's file to the picture a person sees: what each step of it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparsevit.data.reader import load_image
from sparsevit.measure.dense import as_dense
from sparsevit.measure.latency import (
    WARMUP_RUNS,
    LatencyStats,
    describe_device,
    explain_doubt,
    find_dense_form,
)
from sparsevit.measure.load import LoadMeter
from sparsevit.networks import LoadedModel
from sparsevit.patch import set_sparsity
from sparsevit.schedule import SparsitySchedule

STEPS = ("decode", "resize", "network", "draw")


@dataclass(frozen=True)
class PhotoBench:
    """Medians of every step; :meth:`to_dict` is what ``sparsevit time --json`` prints.

    Attributes:
        model: the network's name.
        photo: the file's name.
        photo_size, input_size: (img_h, img_w) pixels of the file, and fed to the network.
        schedule: of the sparse run.
        dense_form: which of ``sparsevit.measure.dense.DENSE_FORMS`` ran, the fastest.
        device, dtype, repeats: how it was run.
        other_load: share of the CPUs that other processes used meanwhile, None if unknown.
        doubt: why these latencies are not worth quoting; None if they are.
        dense_ms, sparse_ms: of each of ``STEPS``. "network" ends with the prediction on the CPU.
        dense_total_ms, sparse_total_ms: medians of the whole.
    """

    model: str
    photo: str
    photo_size: tuple[int, int]
    input_size: tuple[int, int]
    schedule: list[list[float]]
    dense_form: str
    device: str
    dtype: str
    repeats: int
    other_load: float | None
    doubt: str | None
    dense_ms: dict[str, float]
    sparse_ms: dict[str, float]
    dense_total_ms: float
    sparse_total_ms: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def time_photo(
    loaded: LoadedModel,
    photo: Path,
    schedule: SparsitySchedule,
    short_side: int | None = None,
    repeats: int = 10,
    on_round: Callable[[int], None] | None = None,
) -> PhotoBench:
    """Time decode, resize, network and drawing of a photo, dense and sparse in turn.

    Args:
        loaded: the network; its schedule is changed.
        photo: a picture file.
        schedule: of the sparse run.
        short_side: pixels of the shorter side fed to the network; the photo's own if None.
        repeats: timed rounds, >= 1.
        on_round: called with the number of finished rounds, warm-up included.

    Raises:
        ImageError: the photo cannot be read.
        ScheduleError: an impossible schedule.
    """
    pixels = load_image(photo)
    size = loaded.choose_size(pixels, short_side)
    module = loaded.module
    form = find_dense_form(module, loaded.prepare(pixels, short_side))
    samples: dict[bool, list[list[float]]] = {True: [], False: []}
    with LoadMeter(loaded.device) as meter, torch.inference_mode():
        for number in range(WARMUP_RUNS + repeats):
            for is_dense in (True, False):
                set_sparsity(module, schedule)
                with as_dense(module, form) if is_dense else nullcontext():
                    steps = _run_once(loaded, photo, size)
                if number >= WARMUP_RUNS:
                    samples[is_dense].append(steps)
            if on_round is not None:
                on_round(number + 1)
    dense, sparse = (np.array(samples[key]) for key in (True, False))  # (repeats, steps)
    all_dense, all_sparse = (LatencyStats(tuple(x.sum(axis=1).tolist())) for x in (dense, sparse))
    least = loaded.find_least_ratio(size, schedule)
    return PhotoBench(
        model=loaded.name,
        photo=photo.name,
        photo_size=(pixels.shape[0], pixels.shape[1]),
        input_size=size,
        schedule=schedule.to_list(),
        dense_form=form,
        device=describe_device(loaded.device),
        dtype=str(loaded.dtype).removeprefix("torch."),
        repeats=repeats,
        other_load=meter.other_load,
        doubt=explain_doubt(all_dense, all_sparse, meter.other_load, least),
        dense_ms=_describe(dense),
        sparse_ms=_describe(sparse),
        dense_total_ms=round(all_dense.median_ms, 2),
        sparse_total_ms=round(all_sparse.median_ms, 2),
    )


def _run_once(loaded: LoadedModel, photo: Path, size: tuple[int, int]) -> list[float]:
    """Milliseconds of each of ``STEPS``."""
    marks = [time.perf_counter()]
    pixels = load_image(photo)
    marks.append(time.perf_counter())
    resized = loaded.resize(pixels, size)
    images = loaded.to_tensor(resized)
    marks.append(time.perf_counter())
    prediction = loaded.task.interpret(loaded.module(images), size)
    marks.append(time.perf_counter())
    loaded.task.draw(resized, prediction)
    marks.append(time.perf_counter())
    return [1e3 * step for step in np.diff(marks)]


def _describe(samples: np.ndarray) -> dict[str, float]:
    return {step: _median(column) for step, column in zip(STEPS, samples.T, strict=True)}


def _median(values: np.ndarray) -> float:
    return round(float(np.median(values)), 2)
