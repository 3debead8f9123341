"""What windows are worth, whether scores say so, and what a ranking by worth itself would keep."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsevit.core.steering import Choice, Partition, Situation, steer
from sparsevit.inspect.worth import WorthMeter, correlate, join_worth, measure_worth, run_metered
from sparsevit.networks import LoadedModel
from sparsevit.package.choices import Score
from sparsevit.patch import sparsify
from sparsevit.schedule import SparsitySchedule
from sparsevit.studies.compare import Gain, compare_means, describe_gain
from sparsevit.studies.measure import Measured, score_variants
from sparsevit.studies.subject import Subject, Variant, make_ranked

SPARSITIES = (0.3, 0.6)

#: Score -> words.
RANKINGS: dict[Score, str] = {
    "rms": "L2 magnitude (ours)",
    "centred": "L2, centred",
    "linf": "largest token",
    "gradient": "image gradient",
    "random": "random",
}
OURS = RANKINGS["rms"]
WORTH = "worth itself"

PerPartition = dict[Partition, Tensor]  # (nW,) float32 each


def study_worth(subject: Subject) -> dict[str, Any]:
    """Correlate every score with worth, and measure what is kept of accuracy at two sparsities.

    A window's worth is summed over the blocks of its partition, which rank it together.

    Args:
        subject: its first seed is that of the "random" score.

    Returns:
        ``{rows, correlations, gains, finding}``: a row for every ranking and sparsity; of every
        score, stage and partition ``{score, stage, shifted, windows, spearman, standard_error}``,
        Spearman's coefficient over the windows of a picture, its mean over the pictures and the
        error of that, None where there are too few windows to rank; gains of worth over each score.
    """
    correlations = _correlate_all(subject)
    groups = {words: _make_variants(subject, score) for score, words in RANKINGS.items()}
    groups[WORTH] = [_make_worth_variant(subject, sparsity) for sparsity in SPARSITIES]
    side = subject.short_side
    dense = make_ranked(subject.loaded, 0.0, "dense", "dense", note="0", short_side=side)
    measured = score_variants(subject, [dense, *(v for some in groups.values() for v in some)])
    of_group: dict[str, list[Measured]] = {}
    for one in measured:
        of_group.setdefault(one.variant.group, []).append(one)
    gains = [
        compare_means(WORTH, words, of_group[WORTH], of_group[words]) for words in RANKINGS.values()
    ]
    return {
        "rows": [one.to_row() for one in measured],
        "correlations": correlations,
        "gains": [gain.to_dict() for gain in gains],
        "finding": _describe(correlations, gains, subject),
    }


def add_worth(loaded: LoadedModel, images: Tensor) -> PerPartition:
    """The worth of the windows of every partition, summed over its blocks."""
    parts = join_worth(measure_worth(loaded, images))
    return {key: part.worth for key, part in parts.items()}


def _read_scores(loaded: LoadedModel, images: Tensor, score: Score, seed: int) -> PerPartition:
    """What every stage would rank its windows by."""
    sparsify(loaded.module, 0.0, score=score, rescore=False, seed=seed)
    meter = WorthMeter()
    with torch.inference_mode():
        run_metered(loaded.module, images, meter)
    return {meter.find_partition(key): scores[0].cpu() for key, scores in meter.scores.items()}


def _correlate_all(subject: Subject) -> list[dict[str, Any]]:
    found: dict[tuple[Score, Partition], list[float | None]] = {}
    sizes: dict[Partition, int] = {}
    indices = subject.list_indices()
    for done, index in enumerate(indices, start=1):
        images = subject.prepare(subject.data[index].image, subject.short_side)
        worth = add_worth(subject.loaded, images)
        sizes |= {key: len(values) for key, values in worth.items()}
        for score in RANKINGS:
            # Every picture draws its own ranking at random.
            scores = _read_scores(subject.loaded, images, score, subject.seeds[0] + index)
            for key, values in worth.items():
                found.setdefault((score, key), []).append(correlate(scores[key], values))
        subject.report("correlating", done, len(indices))
    return [
        {
            "score": RANKINGS[score],
            "stage": stage + 1,
            "shifted": shifted,
            "windows": sizes[stage, shifted],
            **_average([value for value in values if value is not None]),
        }
        for (score, (stage, shifted)), values in found.items()
    ]


def _average(values: list[float]) -> dict[str, float | None]:
    if len(values) < 2:
        return {"spearman": None, "standard_error": None}
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    return {"spearman": round(float(np.mean(values)), 4), "standard_error": round(error, 4)}


def _make_variants(subject: Subject, score: Score) -> list[Variant]:
    words, seed = RANKINGS[score], subject.seeds[0]
    return [
        make_ranked(
            subject.loaded,
            sparsity,
            f"{words}, sparsity {sparsity:g}",
            words,
            score=score,
            seed=seed,
            note=f"{sparsity:g}",
            short_side=subject.short_side,
        )
        for sparsity in SPARSITIES
    ]


def _make_worth_variant(subject: Subject, sparsity: float) -> Variant:
    """The network with windows ranked by their worth in the very picture."""
    loaded = subject.loaded
    schedule = SparsitySchedule.parse(sparsity, loaded.depths)

    def run(images: Tensor) -> Tensor:
        sparsify(loaded.module, schedule, score="rms", rescore=False)
        with steer(loaded.module, _Ranked(add_worth(loaded, images))):
            logits: Tensor = loaded.module(images)
        return logits

    return Variant(
        *(f"{WORTH}, sparsity {sparsity:g}", WORTH, run, f"{sparsity:g}"),
        short_side=subject.short_side,
        schedule=schedule,
    )


class _Ranked:
    """Steering that keeps as many windows of one image as its stage would, by another ranking."""

    def __init__(self, values: PerPartition) -> None:
        self._orders = {
            key: worth.argsort(descending=True, stable=True)[None] for key, worth in values.items()
        }

    def choose(self, situation: Situation) -> Choice:
        keep_idx = situation.keep_idx
        if keep_idx is None:
            return Choice(None)
        order = self._orders[situation.partition].to(keep_idx.device)
        return Choice(order[:, : keep_idx.shape[1]])


def _describe(correlations: list[dict[str, Any]], gains: list[Gain], subject: Subject) -> str:
    """One sentence: how well ours goes with worth in each stage, the best score, the headroom."""
    means: dict[str, list[float]] = {}
    by_stage: dict[int, list[float]] = {}
    for one in correlations:
        if one["spearman"] is None:
            continue
        means.setdefault(one["score"], []).append(one["spearman"])
        if one["score"] == OURS:
            by_stage.setdefault(one["stage"], []).append(one["spearman"])
    best = max(means, key=lambda words: float(np.mean(means[words])), default=OURS)
    ours = ", ".join(f"{np.mean(values):.2f} in stage {n}" for n, values in by_stage.items())
    mean = " and ".join(f"{s:g}" for s in SPARSITIES)
    best_mean = float(np.mean(means.get(best, [0.0])))
    return (
        f"The rank correlation of {OURS} with what windows are worth is {ours}; of these scores "
        f"the one that goes best with it is {best} ({best_mean:.2f} on average); ranking by "
        f"worth itself at sparsities {mean} is {describe_gain(gains[0], subject)}."
    )
