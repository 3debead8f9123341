"""Accuracy and latency of variants: every picture and every round meets all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsevit.data.occurrence import watch_labels
from sparsevit.evaluation import make_iou_metric
from sparsevit.measure.dense import choose_dense
from sparsevit.measure.latency import WARMUP_RUNS, find_doubt, time_interleaved
from sparsevit.measure.load import LoadMeter
from sparsevit.studies.subject import Subject, Variant
from sparsevit.tasks.semantic import read_classes


@dataclass(frozen=True)
class Measured:
    """What is known of one variant.

    Attributes:
        variant: which.
        confusions: (pictures, classes, classes) int64 pixels, row = truth.
        latency_ms: median of the timed rounds; None where it was not timed.
    """

    variant: Variant
    confusions: np.ndarray
    latency_ms: float | None = None

    @property
    def miou(self) -> float:
        """Mean IoU over all pixels of all pictures, 0..1."""
        return float(compute_miou(self.confusions.sum(axis=0)))

    def to_row(self) -> dict[str, Any]:
        """Plain data for JSON."""
        variant = self.variant
        row: dict[str, Any] = {"group": variant.group, "name": variant.name, "note": variant.note}
        if variant.schedule is not None:
            row["schedule"] = variant.schedule.to_list()
        row["miou"] = round(self.miou, 6)
        if self.latency_ms is not None:
            row["latency_ms"] = round(self.latency_ms, 2)
        return row


def compute_miou(confusions: np.ndarray) -> np.ndarray:
    """Mean IoU over the classes that occur in the truth or in the prediction.

    Args:
        confusions: (..., classes, classes) counts of pixels, row = truth.

    Returns:
        (...) float64, NaN where nothing was counted.
    """
    hits = np.diagonal(confusions, axis1=-2, axis2=-1)
    union = confusions.sum(-1) + confusions.sum(-2) - hits  # (..., classes)
    occurs = union > 0
    iou = np.divide(hits, union, out=np.zeros(hits.shape), where=occurs)
    count = occurs.sum(-1)
    nothing = np.full(count.shape, np.nan)
    miou: np.ndarray = np.divide(iou.sum(-1), count, out=nothing, where=count > 0)
    return miou


@torch.inference_mode()
def score_variants(subject: Subject, variants: Sequence[Variant]) -> list[Measured]:
    """Run every variant on every picture and count its pixels at the labels' own resolution.

    Args:
        subject: network and pictures.
        variants: with different names.

    Raises:
        DataError: a picture cannot be read, or nothing is labelled.
    """
    device = subject.loaded.device
    metric = make_iou_metric(subject.model.config.num_classes).to(device)
    counts: list[list[np.ndarray]] = [[] for _ in variants]
    indices = subject.list_indices()
    samples = map(subject.data.__getitem__, indices)
    for done, sample in enumerate(watch_labels(subject.data, indices, samples), start=1):
        truth = torch.from_numpy(sample.labels).to(device)
        sides = {variant.short_side for variant in variants}
        images = {side: subject.prepare(sample.image, side) for side in sides}
        for variant, confusions in zip(variants, counts, strict=True):
            logits = variant.run(images[variant.short_side])
            metric.reset()
            metric.update(read_classes(logits, sample.labels.shape), truth)
            confusions.append(metric.confmat.cpu().numpy().copy())
        subject.report("scoring", done, len(indices))
    return [
        Measured(variant, np.stack(confusions))
        for variant, confusions in zip(variants, counts, strict=True)
    ]


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
    runs: dict[str, Callable[[], Tensor]] = {}
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
