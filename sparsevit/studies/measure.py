"""Accuracy and latency of variants: every picture and every round meets all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from sparsevit.data.pictures import DataError
from sparsevit.evaluation import read_samples
from sparsevit.evaluation.headline import read_accuracy
from sparsevit.evaluation.scorers import choose_scorer
from sparsevit.measure.dense import choose_dense
from sparsevit.measure.latency import WARMUP_RUNS, find_doubt, time_interleaved
from sparsevit.measure.load import LoadMeter
from sparsevit.package.units import SHARE, Unit
from sparsevit.studies.subject import StudyError, Subject, Variant
from sparsevit.tasks import Task

#: Parts of the pictures that are left out in turn, to see what the choice of pictures does.
GROUPS = 8


@dataclass(frozen=True)
class Measured:
    """What is known of one variant.

    Attributes:
        variant: which.
        accuracies: (1 + groups,) float64: over all pictures, then over all but those of each group.
        latency_ms: median of the timed rounds; None where it was not timed.
        unit: of the accuracies.
    """

    variant: Variant
    accuracies: np.ndarray
    latency_ms: float | None = None
    unit: Unit = SHARE

    @property
    def accuracy(self) -> float:
        """Over all pictures."""
        return float(self.accuracies[0])

    def to_row(self) -> dict[str, Any]:
        """Plain data for JSON."""
        variant = self.variant
        row: dict[str, Any] = {"group": variant.group, "name": variant.name, "note": variant.note}
        if variant.schedule is not None:
            row["schedule"] = variant.schedule.to_list()
        row["accuracy"] = round(self.accuracy, 6)
        if self.latency_ms is not None:
            row["latency_ms"] = round(self.latency_ms, 2)
        return row


@torch.inference_mode()
def score_variants(subject: Subject, variants: Sequence[Variant]) -> list[Measured]:
    """Run every variant on every picture, and measure it as evaluation does.

    Accuracy of many pictures is no mean over them, so each variant is also measured without an
    eighth of the pictures, in turn: see :mod:`sparsevit.studies.compare`.

    Args:
        subject: network and pictures.
        variants: with different names.

    Raises:
        DataError: a picture cannot be read, or nothing is labelled.
        StudyError: too few pictures show something to find.
    """
    task, indices = subject.loaded.task, subject.list_indices()
    make_scorer = choose_scorer(task, subject.data, subject.loaded.device, needs_all=False)
    groups = min(GROUPS, len(indices))
    scorers = [[make_scorer() for _ in range(1 + groups)] for _ in variants]
    for number, sample in enumerate(read_samples([task], subject.data, indices)):
        sides = {variant.short_side for variant in variants}
        images = {side: subject.prepare(sample.image, side) for side in sides}
        for variant, row in zip(variants, scorers, strict=True):
            output = variant.run(images[variant.short_side])
            found = task.interpret(output, sample.image.shape[:2])
            for place, scorer in enumerate(row):
                if place != 1 + number % groups:
                    scorer.add(sample, found, found)  # agreement with dense is not asked for
        subject.report("scoring", 1 + number, len(indices))
    return [
        Measured(
            variant,
            _read_accuracies(task, [scorer.summarise() for scorer in row]),
            unit=subject.unit,
        )
        for variant, row in zip(variants, scorers, strict=True)
    ]


def _read_accuracies(task: Task, summaries: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Of all pictures, then without each group."""
    found = [read_accuracy(task, summaries[0])]
    try:
        found += [read_accuracy(task, summary) for summary in summaries[1:]]
    except DataError as error:
        raise StudyError(
            "All that is to be found is in a few of the pictures, so nothing tells how sure this "
            "is; take more pictures."
        ) from error
    return np.array(found)


def time_measured(
    subject: Subject, measured: Sequence[Measured]
) -> tuple[list[Measured], dict[str, Any]]:
    """Time every variant on the first picture, interleaved, in this process.

    Args:
        subject: network and pictures.
        measured: the variants.

    Returns:
        The same with their latency, and ``{other_load, doubt}``: the share of the CPUs that other
        processes used meanwhile, None if unknown, and why the latencies are not worth quoting, None
        if they are.
    """
    image = subject.data[0].image
    variants = [one.variant for one in measured]
    images = {v.short_side: subject.prepare(image, v.short_side) for v in variants}
    runs: dict[str, Callable[[], Any]] = {}
    forms: list[list[str]] = []  # of every variant the names of its runs
    for number, variant in enumerate(variants):
        both = {f"{number} {i}": run for i, run in enumerate((variant.run, *variant.rivals))}
        runs |= {name: partial(run, images[variant.short_side]) for name, run in both.items()}
        forms.append(list(both))
    total = subject.rounds + WARMUP_RUNS
    with torch.inference_mode(), LoadMeter(subject.loaded.device) as meter:
        stats = time_interleaved(
            runs,
            subject.rounds,
            subject.loaded.device,
            on_round=lambda done: subject.report("timing", done, total),
        )
    fastest = [choose_dense({name: stats[name].samples_ms for name in names}) for names in forms]
    timed = [
        replace(one, latency_ms=stats[name].median_ms)
        for one, name in zip(measured, fastest, strict=True)
    ]
    doubt = find_doubt(stats, fastest[0], meter.other_load, {})
    return timed, {"other_load": meter.other_load, "doubt": doubt}
