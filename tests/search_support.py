"""A tiny network to search on, with accuracy and latency that are known by hand."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import cache, cached_property
from itertools import combinations_with_replacement, product
from pathlib import Path

import numpy as np
import pytest
import torch
from training_support import MODEL

from sparsevit import SparsitySchedule, sparsify
from sparsevit.measure.latency import LatencyStats
from sparsevit.networks import LoadedModel
from sparsevit.networks.segmenter import Segmenter
from sparsevit.patch import get_sparsity
from sparsevit.schedule import ADAPTATION_CHOICES, num_pairs
from sparsevit.search.predictor import LatencyPredictor, PredictorKey

DEPTHS = (2, 1, 4, 1)

#: What a stage takes with every window, and which share of accuracy its pruning costs.
STAGE_MS = (40.0, 10.0, 20.0, 5.0)
HARM = (0.05, 0.3, 0.1, 0.4)
FIXED_MS = 5.0


@cache
def make_loaded(name: str = "tiny") -> LoadedModel:
    """A segmenter with random weights; two networks of one name are the same."""
    from dataclasses import replace

    torch.manual_seed(1)
    model = Segmenter(replace(MODEL, depths=DEPTHS)).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return LoadedModel.wrap(sparsify(model), name)


def know_ms(schedule: SparsitySchedule) -> float:
    """The made-up latency: linear in the windows kept."""
    stages = zip(schedule.stages, STAGE_MS, strict=True)
    return FIXED_MS + sum(ms * float(np.mean([1 - s for s in row])) for row, ms in stages)


def know_accuracy(schedule: SparsitySchedule) -> float:
    """The made-up accuracy: pruning early pairs of a stage harms more than late ones."""
    harm = sum(
        cost * s**2 / (1 + pair)
        for row, cost in zip(schedule.stages, HARM, strict=True)
        for pair, s in enumerate(row)
    )
    return 0.9 - harm


def list_all_schedules() -> list[SparsitySchedule]:
    """Every schedule there is, by brute force."""
    rows = [list(combinations_with_replacement(ADAPTATION_CHOICES, num_pairs(d))) for d in DEPTHS]
    return [SparsitySchedule(stages) for stages in product(*rows)]


def make_predictor(**changes: object) -> LatencyPredictor:
    """One that says what :func:`know_ms` does."""
    key = PredictorKey("tiny", "semantic", "hand", (64, 64), 1, "float32", "0")
    costs = tuple(tuple(ms * (1 - s) for s in ADAPTATION_CHOICES) for ms in STAGE_MS)
    values = {
        "key": key,
        "depths": DEPTHS,
        "fixed_ms": FIXED_MS,
        "stages_ms": costs,
        "scoring_ms": (0.0,) * 4,
        "dense_ms": FIXED_MS + sum(STAGE_MS),
        "dense_form": "sparsevit",
    }
    return LatencyPredictor(**{**values, **changes})


def fake_timer(runs, repeats, device, warmup=0, model=None):
    """In place of ``time_interleaved``: latency as :func:`know_ms` has it, by parts if asked."""
    stats = {}
    network = make_loaded().module
    for name, run in runs.items():
        run()
        schedule = get_sparsity(network)
        parts = [FIXED_MS / 2]
        for row, ms in zip(schedule.stages, STAGE_MS, strict=True):
            parts.append(ms * float(np.mean([1 - s for s in row])))
        parts.append(FIXED_MS / 2)
        if name.startswith("host"):
            parts = [2 * part for part in (FIXED_MS / 2, *STAGE_MS, FIXED_MS / 2)]
        stats[name] = LatencyStats((sum(parts),), (tuple(parts),))
    return stats


@pytest.fixture
def known_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    """All timings of a search are made up, and the network is not run for them."""
    monkeypatch.setattr(make_loaded().module, "forward", lambda images: None)
    monkeypatch.setattr(LoadedModel, "count_fixed_macs", lambda loaded, size: 0)
    monkeypatch.setattr("sparsevit.measure.load._read_busy", lambda: None)
    monkeypatch.setattr("sparsevit.search.predictor.time_interleaved", fake_timer)


class KnownJudge:
    """Scores by :func:`know_accuracy` and remembers what it was asked."""

    metric = "mIoU"
    data = "made up"

    def __init__(
        self,
        pictures: int = 4,
        more: int = 0,
        act: Callable[[int], object] = lambda count: None,
        log: Path | None = None,
    ) -> None:
        self.pictures = pictures
        self.key = f"{pictures} made up"
        self.images = torch.zeros(1, 3, 64, 64)
        self.asked: list[SparsitySchedule] = []
        self._more = more
        self._act = act
        self._log = log

    @cached_property
    def dense_accuracy(self) -> float:
        return self.score(SparsitySchedule.parse(0, DEPTHS))

    def score(self, schedule: SparsitySchedule) -> float:
        self.asked.append(schedule)
        self._act(len(self.asked))
        if self._log is not None:
            with self._log.open("a") as file:
                file.write(f"{schedule}\n")
            time.sleep(random.random() / 50)
        return know_accuracy(schedule) - self.pictures / 1e4

    def enlarge(self, times: int) -> KnownJudge:
        return KnownJudge(self.pictures + self._more)
