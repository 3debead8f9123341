"""Evolutionary against random search at the same number of trials (SparseViT, section 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from sparsevit.package.choices import Sampler
from sparsevit.package.units import SHARE, Unit
from sparsevit.schedule import SparsitySchedule
from sparsevit.search import (
    FrontierPoint,
    LabelledJudge,
    LatencyPredictor,
    SearchSettings,
    find_pareto,
    search_steps,
)
from sparsevit.search.predictor import build_predictor
from sparsevit.studies.subject import StudyError, Subject

SAMPLERS: tuple[Sampler, ...] = ("evolutionary", "random")


class MemoJudge(LabelledJudge):
    """A judge that looks at a schedule once, however many searches ask for it."""

    def __init__(self, subject: Subject) -> None:
        """Take the subject's pictures.

        Args:
            subject: network and pictures.
        """
        super().__init__(
            subject.loaded, subject.data, subject.short_side, subject.pictures, data_name="study"
        )
        self._known: dict[SparsitySchedule, float] = {}

    @property
    def num_known(self) -> int:
        """Schedules looked at."""
        return len(self._known)

    def score(self, schedule: SparsitySchedule) -> float:
        if schedule not in self._known:
            self._known[schedule] = super().score(schedule)
        return self._known[schedule]


def compare_samplers(subject: Subject, trials: int = 150, budget: str = "0.6x") -> dict[str, Any]:
    """Search with either sampler once for each seed, all by one latency predictor.

    Accuracies are on the pictures searched with: what a search finds there is what is compared.

    Args:
        subject: network, pictures, seeds, and timed rounds for the predictor.
        trials: schedules that each search evaluates.
        budget: latency not to exceed, as in :class:`sparsevit.search.SearchSettings`.

    Returns:
        ``{rows, curves, budget_ms, dense_ms, dense_accuracy, trials, population, evaluated,
        predictor_error_percent, other_load, doubt, finding}``. ``curves {sampler: {best,
        hypervolume}}`` hold a list for each seed with a value for each trial, ``best`` None
        before a schedule is fast enough; ``evaluated`` counts different schedules of all searches.

    Raises:
        SearchError: an impossible budget.
        StudyError: fewer than two trials.
    """
    if trials < 2:
        raise StudyError(f"Searches are compared over at least 2 trials, not {trials}.")
    judge = MemoJudge(subject)
    predictor = _build_predictor(subject, judge)
    total = len(SAMPLERS) * len(subject.seeds) * trials
    low, high = _find_range(judge, predictor)
    curves: dict[str, dict[str, list[Any]]] = {}
    rows = []
    done = 0
    for sampler in SAMPLERS:
        curves[sampler] = {"best": [], "hypervolume": []}
        for seed in subject.seeds:
            settings = SearchSettings(trials=trials, budget=budget, sampler=sampler, seed=seed)
            tried, budget_ms = _search(subject, judge, predictor, settings, done, total)
            done += trials
            tried += tried[-1:] * (trials - len(tried))  # where nothing new was left to try
            best = list_best(tried, budget_ms)
            volumes = list_hypervolumes(tried, budget_ms, low, high)
            curves[sampler]["best"].append(best)
            curves[sampler]["hypervolume"].append(volumes)
            rows.append(
                {
                    "group": sampler,
                    "name": f"{sampler}, seed {seed}",
                    "accuracy": best[-1],
                    "hypervolume": volumes[-1],
                }
            )
    return {
        "rows": rows,
        "curves": curves,
        "budget_ms": round(budget_ms, 2),
        "dense_ms": round(predictor.dense_ms, 2),
        "dense_accuracy": round(judge.dense_accuracy, 6),
        "trials": trials,
        "population": settings.population_used,
        "evaluated": judge.num_known,
        "predictor_error_percent": predictor.error_percent,
        "other_load": predictor.other_load,
        "doubt": predictor.doubt,
        "finding": _describe(curves, trials, budget, subject),
    }


def list_best(tried: Sequence[FrontierPoint], budget_ms: float) -> list[float | None]:
    """The best accuracy within a budget after every trial; None before there is one."""
    best: list[float | None] = []
    highest = None
    for point in tried:
        if point.predicted_ms <= budget_ms:
            highest = point.accuracy if highest is None else max(highest, point.accuracy)
        best.append(None if highest is None else round(highest, 6))
    return best


def list_hypervolumes(
    tried: Sequence[FrontierPoint], budget_ms: float, low: float = 0.0, high: float = 1.0
) -> list[float]:
    """The hypervolume after every trial, as a share of all there is.

    All there is goes from 0 ms to the budget and from one accuracy to another; what counts is where
    some tried schedule is at least as fast and at least as accurate.

    Args:
        tried: in their order.
        budget_ms: where latency ends.
        low, high: where accuracy begins and ends.
    """
    volumes = []
    frontier: list[FrontierPoint] = []
    for point in tried:
        if point.predicted_ms < budget_ms:
            frontier = find_pareto([*frontier, point])
        ends = [*(p.predicted_ms for p in frontier), budget_ms]
        areas = (
            (end - start) * (min(max(p.accuracy, low), high) - low)
            for p, (start, end) in zip(frontier, pairwise(ends), strict=True)
        )
        volumes.append(round(sum(areas) / budget_ms / (high - low), 6))
    return volumes


def _find_range(judge: MemoJudge, predictor: LatencyPredictor) -> tuple[float, float]:
    """The accuracies that a hypervolume goes over: 0 to 1, or in dB from fastest to dense.

    dB have no natural zero, and of so much that all schedules have nothing could be seen. Where
    the fastest schedule is no worse than dense, the range is a small loss.
    """
    if judge.unit is SHARE:
        return 0.0, 1.0
    dense = judge.dense_accuracy
    return min(judge.score(predictor.fastest), dense - judge.unit.small_loss), dense


def _build_predictor(subject: Subject, judge: LabelledJudge) -> LatencyPredictor:
    """The latency of every schedule, measured once."""
    steps = build_predictor(subject.loaded, judge.images, subject.rounds)
    found: LatencyPredictor | None = None
    for done, total, step in steps:
        subject.report("timing", done, total)
        found = step
    assert found is not None  # the last step gives it
    return found


def _search(
    subject: Subject,
    judge: LabelledJudge,
    predictor: LatencyPredictor,
    settings: SearchSettings,
    done: int,
    total: int,
) -> tuple[tuple[FrontierPoint, ...], float]:
    """Everything one search tries, in order, and its budget in ms; finalists are not looked at."""
    for progress in search_steps(subject.loaded, judge, settings, predictor=predictor):
        subject.report("searching", done + progress.done, total)
        if progress.done == progress.total or progress.note:  # nothing new is left to try
            break
    assert progress.budget_ms is not None
    return progress.tried, progress.budget_ms


def _describe(
    curves: dict[str, dict[str, list[Any]]], trials: int, budget: str, subject: Subject
) -> str:
    """One sentence on what both end at."""
    last = {sampler: [run[-1] for run in found["best"]] for sampler, found in curves.items()}
    if any(value is None for values in last.values() for value in values):
        return (
            f"With a latency budget of {budget} some search found no schedule in {trials} trials."
        )
    unit = subject.unit
    evolved, drawn = (unit.scale * np.array(last[sampler]) for sampler in SAMPLERS)
    points = float(evolved.mean() - drawn.mean())
    apart = evolved.min() > drawn.max() or evolved.max() < drawn.min()
    doubt = "" if apart else ", whose ranges overlap"
    volumes = [np.mean([run[-1] for run in curves[sampler]["hypervolume"]]) for sampler in SAMPLERS]
    return (
        f"After {trials} trials with a latency budget of {budget}, evolutionary search ends "
        f"{unit.say_step(abs(points), 2)} of {subject.metric} "
        f"{'above' if points >= 0 else 'below'} random search "
        f"(evolutionary {_span(evolved, unit)}, random {_span(drawn, unit)} over {len(evolved)} "
        f"seeds{doubt}), and its hypervolume is {_compare_volumes(*volumes)}."
    )


def _span(values: np.ndarray, unit: Unit) -> str:
    return f"{values.min():.{unit.digits}f} to {values.max():.{unit.digits}f} {unit.name}"


def _compare_volumes(evolved: float, drawn: float) -> str:
    if drawn == 0:  # random search found nothing that is more accurate than the fastest
        return "the same" if evolved == 0 else "larger than nothing"
    return f"{100 * abs(evolved / drawn - 1):.1f} % {'larger' if evolved >= drawn else 'smaller'}"
