"""The search itself, step by step."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import sparsevit
from sparsevit.measure.dense import DENSE_FORMS, choose_dense, make_runs
from sparsevit.measure.latency import WARMUP_RUNS, find_doubt
from sparsevit.measure.load import LoadMeter
from sparsevit.networks import LoadedModel
from sparsevit.package.extras import require
from sparsevit.package.units import find_unit
from sparsevit.schedule import SparsitySchedule
from sparsevit.search.errors import SearchError
from sparsevit.search.evolution import Breeder, Plan
from sparsevit.search.fingerprint import describe_search
from sparsevit.search.frontier import (
    Frontier,
    FrontierPoint,
    find_pareto,
    find_winner,
    spread,
)
from sparsevit.search.judge import Judge
from sparsevit.search.predictor import (
    LatencyPredictor,
    build_predictor,
    make_key,
    read_predictor,
    time_rounds,
)
from sparsevit.search.settings import Phase, SearchProgress, SearchSettings, read_budget

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import Trial

    from sparsevit.search.study import SharedStudy

__all__ = ["SearchError", "SearchProgress", "SearchSettings", "search_steps"]

FRONTIER_FILE = "frontier.json"
PREDICTOR_FILE = "predictor.json"

MEASURED_ROUNDS = 10
_MAX_FINALISTS = 12  # besides the winner and dense: scored on more pictures, then timed
_MORE_PICTURES = 4  # times as many
_MS_DECIMALS = 3
_ACCURACY_DECIMALS = 6
_POLL_S = 0.2  # between looks at what other workers do


def search_steps(
    loaded: LoadedModel,
    judge: Judge,
    settings: SearchSettings | None = None,
    *,
    storage: str | BaseStorage | None = None,
    study_name: str = "search",
    folder: Path | None = None,
    predictor: LatencyPredictor | None = None,
) -> Generator[SearchProgress, None, None]:
    """Search for the schedules that nothing beats in both latency and accuracy.

    A step is one timed round, one schedule evaluated or one finalist checked. Between two steps
    the network may be used for something else. Closing the generator loses nothing, and calling
    again with the same study goes on; so do other processes at the same time, each of which ends
    when the study has its trials. A schedule that another process left unfinished is given up
    after 20 times as long as any took, at least two minutes.

    Args:
        loaded: the network.
        judge: of this network at its task.
        settings: what to search; all defaults if None.
        storage: where the study is kept: any storage of optuna's or its URL, or "journal:FILE";
            study.db in the folder if None, or only in memory without one.
        study_name: several searches may share a storage.
        folder: gets predictor.json and frontier.json; created. None writes nothing.
        predictor: of this network, device and size, instead of the folder's or a new one.

    Raises:
        DataError: the pictures show nothing to find.
        SearchError: a budget that cannot be reached, a study made for something else, or a storage
            that cannot be used.
        MissingPackageError: optuna is not installed.
    """
    require("optuna", "A search", "search")
    from sparsevit.search.store import Store  # optuna takes a second to import
    from sparsevit.search.study import SharedStudy

    settings = settings or SearchSettings()
    study = SharedStudy(Store(storage, folder), study_name, describe_search(loaded, judge))
    search = _Search(loaded, judge, settings, study, folder)
    _ = judge.dense_accuracy  # pictures that show nothing are refused before latency takes minutes
    if predictor is None:
        predictor = yield from search.find_predictor()
    search.plan(predictor)
    yield from search.try_schedules()
    finalists = yield from search.check_finalists()
    yield from search.measure(finalists)


class _Search:
    """One worker's part of a search."""

    def __init__(
        self,
        loaded: LoadedModel,
        judge: Judge,
        settings: SearchSettings,
        study: SharedStudy,
        folder: Path | None,
    ) -> None:
        self._loaded = loaded
        self._judge = judge
        self._settings = settings
        self._study = study
        self._folder = folder
        self._images = judge.images
        self._tried: tuple[FrontierPoint, ...] = ()
        self._budget_ms: float | None = None
        self._checked_dense: float | None = None  # accuracy on the pictures of the finalists
        self._predictor: LatencyPredictor

    def find_predictor(self) -> Generator[SearchProgress, None, LatencyPredictor]:
        """The folder's predictor, if it is of this network, device and size, or a new one."""
        path = None if self._folder is None else self._folder / PREDICTOR_FILE
        found = None if path is None else read_predictor(path)
        key = make_key(self._loaded, self._images)
        if found is not None and found.key == key:
            return found
        note = (
            ""
            if found is None
            else (
                f"The latency predictor in the folder is of {found.key.describe()}; measuring anew."
            )
        )
        for step in build_predictor(self._loaded, self._images):
            done, total, built = step
            if built is not None and built.doubt is not None:
                note = f"Latencies are predicted by an uncertain measurement: {built.doubt}."
            yield SearchProgress("timing", done, total, note=note)
            note = ""
        assert built is not None
        if path is not None:
            built.save(path)
        return built

    def plan(self, predictor: LatencyPredictor) -> None:
        """Know what schedules take, and so what is within the budget.

        Raises:
            SearchError: nothing is.
        """
        settings = self._settings
        self._predictor = predictor
        predict = lru_cache(maxsize=1 << 16)(predictor.predict)  # asked again at every step
        budget_ms = self._read_budget(predictor.dense_ms)
        fastest_ms = predict(predictor.fastest)
        if budget_ms is not None and fastest_ms > budget_ms:
            raise SearchError(
                f"No schedule is as fast as {budget_ms:.1f} ms: the fastest takes about "
                f"{fastest_ms:.1f} ms, {fastest_ms / predictor.dense_ms:.2f}x of dense."
            )
        population = settings.population_used
        self._study.follow(
            Plan(
                breeder=Breeder(self._loaded.depths, settings.mutation),
                sampler=settings.sampler,
                population=population,
                parents=max(1, min(settings.parents, population // 4)),
                trials=settings.trials,
                seed=settings.seed,
                predict_ms=predict,
                is_within_budget=lambda s: budget_ms is None or predict(s) <= budget_ms,
            )
        )
        self._budget_ms = budget_ms

    def try_schedules(self) -> Iterator[SearchProgress]:
        """Evaluate schedules until the study has its trials, or nothing new is left to try."""
        wanted = self._settings.trials
        while True:
            self._tried = tuple(self._study.list_points())
            counts = self._study.count()
            note = ""
            if self._study.is_exhausted and not counts.running and counts.complete < wanted:
                note = (
                    f"Nothing new is left to try{self._within_budget()}: stopped after "
                    f"{counts.complete} of {wanted} trials."
                )
            yield self._report("searching", counts.complete, wanted, find_pareto(self._tried), note)
            if counts.complete >= wanted or note:
                return
            taken = self._study.reserve() if counts.complete + counts.running < wanted else None
            if taken is not None:
                self._evaluate(*taken)
            elif counts.running:
                time.sleep(_POLL_S)  # what is left is another worker's

    def check_finalists(self) -> Generator[SearchProgress, None, list[FrontierPoint]]:
        """Score the best schedules on more pictures, where there are more; returns them."""
        dense = [point for point in self._tried if point.schedule.is_dense]
        finalists = self._choose_finalists(self._tried, _MAX_FINALISTS, dense)
        judge = self._judge.enlarge(_MORE_PICTURES)
        if judge.pictures == self._judge.pictures:
            return finalists
        checked: list[FrontierPoint] = []
        for point in finalists:
            accuracy = self._study.get_checked(judge.key, point.schedule)
            if accuracy is None:
                accuracy = _score(judge, point.schedule)
                self._study.set_checked(judge.key, point.schedule, accuracy)
            checked.append(replace(point, accuracy=accuracy))
            yield self._report("checking", len(checked), len(finalists), find_pareto(checked))
        self._judge = judge
        self._checked_dense = judge.dense_accuracy
        return checked

    def measure(self, finalists: Sequence[FrontierPoint]) -> Iterator[SearchProgress]:
        """Time the best schedules and dense in turn; the last step has the result."""
        points = self._choose_finalists(finalists, _MAX_FINALISTS)
        schedules = {str(i): p.schedule for i, p in enumerate(points) if not p.schedule.is_dense}
        runs = make_runs(self._loaded.module, self._images, schedules)
        total = (WARMUP_RUNS + MEASURED_ROUNDS) * len(runs)
        timer = time_rounds(self._loaded, runs, MEASURED_ROUNDS)
        meter = LoadMeter(self._images.device)
        for done in range(1, total + 1):
            with meter:
                stats = next(timer)
            if done < total:
                yield self._report("measuring", done, total, points)
        form = choose_dense({form: stats[form].samples_ms for form in DENSE_FORMS})
        dense_ms = stats[form].median_ms
        size = self._predictor.key.size
        ratios = {name: self._loaded.find_least_ratio(size, s) for name, s in schedules.items()}
        doubt = find_doubt(stats, form, meter.other_load, ratios)
        points = find_pareto(
            replace(
                point,
                predicted_ms=round(point.predicted_ms, _MS_DECIMALS),
                latency_ms=round(
                    stats[str(i)].median_ms if str(i) in stats else dense_ms, _MS_DECIMALS
                ),
            )
            for i, point in enumerate(points)
        )
        result = self._make_frontier(points, dense_ms, meter.other_load, doubt)
        if self._folder is not None:
            result.save(self._folder / FRONTIER_FILE)
        yield self._report("measuring", total, total, points, result=result)

    def _evaluate(self, trial: Trial, schedule: SparsitySchedule) -> None:
        try:
            accuracy = _score(self._judge, schedule)
        except BaseException:  # Ctrl-C too: the schedule is free for whoever goes on
            self._study.abandon(trial)
            raise
        self._study.finish(trial, self._predictor.predict(schedule), accuracy)

    def _choose_finalists(
        self, points: Sequence[FrontierPoint], count: int, extra: Sequence[FrontierPoint] = ()
    ) -> list[FrontierPoint]:
        """The unbeaten points, at most ``count`` of them and the winner, and some extra ones."""
        front = find_pareto(points)
        winner = self._find_winner(front)
        kept = spread(front, count)
        if winner is not None and winner not in kept:
            kept = [*spread(front, count - 1), winner]
        kept += [point for point in extra if point not in kept]
        return sorted(kept, key=lambda p: p.best_known_ms)

    def _find_winner(self, points: Sequence[FrontierPoint]) -> FrontierPoint | None:
        dense = self._dense_accuracy if self._checked_dense is None else self._checked_dense
        unit = find_unit(self._judge.metric, self._loaded.task.name)
        return find_winner(points, inf if dense is None else dense, self._budget_ms, unit)

    @property
    def _dense_accuracy(self) -> float | None:
        """Of the dense network, once some worker has found it."""
        return next((p.accuracy for p in self._tried if p.schedule.is_dense), None)

    def _read_budget(self, dense_ms: float) -> float | None:
        budget = self._settings.budget
        return None if budget is None else read_budget(budget, dense_ms)

    def _within_budget(self) -> str:
        return "" if self._budget_ms is None else f" within {self._budget_ms:.1f} ms"

    def _report(
        self,
        phase: Phase,
        done: int,
        total: int,
        frontier: Sequence[FrontierPoint],
        note: str = "",
        result: Frontier | None = None,
    ) -> SearchProgress:
        return SearchProgress(
            phase=phase,
            done=done,
            total=total,
            tried=self._tried,
            frontier=tuple(frontier),
            best=self._find_winner(frontier) if result is None else result.winner,
            budget_ms=self._budget_ms if result is None else result.budget_ms,
            dense_ms=self._predictor.dense_ms if result is None else result.dense_ms,
            dense_accuracy=self._dense_accuracy if result is None else result.dense_accuracy,
            note=note,
            result=result,
        )

    def _make_frontier(
        self,
        points: Sequence[FrontierPoint],
        dense_ms: float,
        other_load: float | None,
        doubt: str | None,
    ) -> Frontier:
        key, judge = self._predictor.key, self._judge
        budget_ms = self._read_budget(dense_ms)
        return Frontier(
            model=key.model,
            task=key.task,
            device=key.device,
            size=key.size,
            batch=key.batch,
            dtype=key.dtype,
            metric=judge.metric,
            data=judge.data,
            pictures=judge.pictures,
            dense_ms=round(dense_ms, _MS_DECIMALS),
            dense_accuracy=round(judge.dense_accuracy, _ACCURACY_DECIMALS),
            seed=self._settings.seed,
            trials=len(self._tried),
            other_load=other_load,
            points=tuple(points),
            budget_ms=None if budget_ms is None else round(budget_ms, _MS_DECIMALS),
            predictor_error_percent=self._predictor.error_percent,
            doubt=doubt,
            versions={
                "sparsevit": sparsevit.__version__,
                **{name: version(name) for name in ("torch", "timm", "optuna")},
            },
        )


def _score(judge: Judge, schedule: SparsitySchedule) -> float:
    accuracy = judge.dense_accuracy if schedule.is_dense else judge.score(schedule)
    return round(accuracy, _ACCURACY_DECIMALS)
