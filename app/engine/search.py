"""A search for sparsities on one photo, and the frontiers that ship with networks. No gradio."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from app.engine.newest import Superseded
from app.engine.protocol import Engine
from app.engine.records import Photo, Result, Settings, Try, make_try
from sparsevit import networks
from sparsevit.data.transforms import Size
from sparsevit.networks import LoadedModel
from sparsevit.schedule import SparsitySchedule
from sparsevit.search import (
    AgreementJudge,
    Frontier,
    FrontierError,
    FrontierPoint,
    SearchError,
    SearchProgress,
    SearchSettings,
    read_frontier,
    search_steps,
)

#: Most trials of one search here; the command line has no such limit.
MOST_TRIALS = 300

#: Budgets that can be chosen, as shares of dense latency.
BUDGETS = (0.3, 0.95)

#: Shares of dense latency whose best schedules are presets.
PRESET_SHARES = (0.8, 0.7, 0.6, 0.5)

_MOST_SEED = 2**31 - 1
_STUDY = "photo"
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class PhotoSearch:
    """One user's search on one photo: its study and how far it has come.

    Attributes:
        photo: the picture.
        settings: network and resolution.
        size: (img_h, img_w) pixels fed to the network.
        asked: what is searched.
        storage: optuna's storage of the study, in memory; None before it has begun.
        note: what the user should know about its beginning; empty if nothing.
        is_running: wanted; set to False it stops after the step under way.
        has_begun: its steps have been asked for; before, it waits for a free place.
        progress: after the latest step.
        predicted_dense_ms: dense latency as the predictor has it; None before it is known.
        problem: why it ended early, in one sentence; empty if it did not.
        file: its frontier as a file of the user's, once it is complete.
    """

    photo: Photo
    settings: Settings
    size: Size
    asked: SearchSettings
    storage: Any = None
    note: str = ""
    is_running: bool = True
    has_begun: bool = False
    progress: SearchProgress | None = None
    predicted_dense_ms: float | None = None
    problem: str = ""
    file: Path | None = None

    @property
    def found(self) -> Frontier | None:
        """What came out, once it is complete."""
        return self.progress.result if self.progress is not None else None

    @property
    def tried(self) -> tuple[FrontierPoint, ...]:
        """Every schedule tried so far, in the order it was tried."""
        return self.progress.tried if self.progress is not None else ()

    @property
    def frontier(self) -> tuple[FrontierPoint, ...]:
        """What nothing beats so far, by rising latency; measured once it is complete."""
        if self.found is not None:
            return self.found.points
        return self.progress.frontier if self.progress is not None else ()

    @property
    def best(self) -> FrontierPoint | None:
        """The point to use so far."""
        if self.found is not None:
            return self.found.winner
        return self.progress.best if self.progress is not None else None

    def is_of(self, result: Result) -> bool:
        """True if it is of this result's photo, network and size."""
        return (
            self.photo.key == result.photo.key
            and self.settings.model == result.settings.model
            and self.size == result.analysis.prepared.input_size
        )

    def find_share(self, point: FrontierPoint) -> float | None:
        """Latency as a share of dense, both measured or both predicted; None before it is known."""
        if point.latency_ms is not None and self.found is not None:
            return point.latency_ms / self.found.dense_ms
        dense_ms = self.predicted_dense_ms
        return None if dense_ms is None else point.predicted_ms / dense_ms

    def note_step(self, progress: SearchProgress) -> None:
        """Take the outcome of a step; what an earlier run tried stays until it is told again."""
        if progress.result is None:
            self.predicted_dense_ms = progress.dense_ms or self.predicted_dense_ms
        if self.progress is not None and not progress.tried:
            known = self.progress
            progress = replace(
                progress, tried=known.tried, frontier=known.frontier, best=known.best
            )
        self.progress = progress


def read_search(budget: float | str | None, trials: int, seed: int) -> SearchSettings:
    """Settings of a search as a user sends them.

    Args:
        budget: share of dense latency (0.6), or text as "0.6x" or "120ms"; None or "" for none.
        trials: schedules to evaluate.
        seed: of everything random.

    Raises:
        SearchError: numbers outside what is allowed.
    """
    if not isinstance(trials, int) or not 1 <= trials <= MOST_TRIALS:
        raise SearchError(f"Trials must be a whole number from 1 to {MOST_TRIALS}.")
    if not isinstance(seed, int) or not 0 <= seed <= _MOST_SEED:
        raise SearchError(f"The seed must be a whole number from 0 to {_MOST_SEED}.")
    if isinstance(budget, (int, float)):
        low, high = BUDGETS
        if not low <= budget <= high:
            raise SearchError(f"The budget must be {low} to {high} of dense latency.")
        budget = f"{budget:g}x"
    budget = budget.strip() if budget else None
    if budget and not re.fullmatch(r"\d*\.?\d+ *(x|ms)?", budget):
        raise SearchError(f'The budget must be as 0.6x or 120ms, got "{budget[:20]}".')
    return SearchSettings(trials=trials, budget=budget or None, seed=seed)


def begin_search(
    result: Result, settings: SearchSettings, earlier: PhotoSearch | None
) -> PhotoSearch:
    """A search on the photo, network and size of a result.

    Args:
        result: what is on the screen.
        settings: what to search.
        earlier: the user's last search; if it was of the same and has not come to its end, or had
            fewer trials, the new one goes on with its study.
    """
    note = ""
    if earlier is not None and earlier.progress is not None and earlier.tried:
        if not earlier.is_of(result):
            note = "Starts anew: the last search was on another photo, network or size."
        elif earlier.found is None or settings.trials > earlier.asked.trials:
            return replace(
                earlier,
                asked=settings,
                note=f"Goes on with the {len(earlier.tried)} schedules tried before.",
                is_running=True,
                has_begun=False,
                progress=replace(earlier.progress, result=None),
                problem="",
                file=None,
            )
    size = result.analysis.prepared.input_size
    return PhotoSearch(result.photo, result.settings, size, settings, note=note)


def make_storage() -> Any:
    """An empty storage for one study, in memory."""
    from optuna.storages import InMemoryStorage  # takes a second, once

    return InMemoryStorage()


def search_photo(
    loaded: LoadedModel,
    photo: Photo,
    settings: Settings,
    search: SearchSettings,
    storage: Any,
    folder: Path,
) -> Iterator[SearchProgress]:
    """Search on one photo, step by step; accuracy is agreement with dense.

    Args:
        loaded: the network; between two steps it may be used for something else.
        photo: the picture.
        settings: with the short side fed to the network.
        search: what to search.
        storage: optuna's.
        folder: for the latency predictor, so that a search that goes on need not time again, and
            for the frontier's file.

    Raises:
        SearchError: a budget that cannot be met.
    """
    data = f"the photo {photo.path.name}"
    judge = AgreementJudge(loaded, [photo.pixels], settings.short_side, data_name=data)
    yield from search_steps(
        loaded, judge, search, storage=storage, study_name=_STUDY, folder=folder
    )


@dataclass(frozen=True)
class Curve:
    """A frontier on the plot of the tab Trade-off.

    Attributes:
        kind: "found" by a search on this very photo, or "shipped" with the network.
        words: what it is, one sentence.
        points: its schedules, run and timed on this photo, by rising share of dense latency.
    """

    kind: str
    words: str
    points: tuple[Try, ...]


def list_curves(search: PhotoSearch | None, placed: list[Try], result: Result) -> list[Curve]:
    """What is known of frontiers on the photo of a result, at its size.

    Args:
        search: the user's last.
        placed: schedules of the shipped frontier, tried by :func:`place_frontier`.
        result: what is on the screen.
    """
    curves = []
    if search is not None and search.found is not None and search.is_of(result):
        words = f"what the search on this photo found after {search.found.trials} trials"
        curves.append(_make_curve("found", words, _list_found(search.found, result)))
    shipped = find_shipped(result.settings.model)
    here = [entry for entry in placed if entry.is_like(result)]
    if shipped is not None and here:
        height, width = shipped.size
        words = (
            f"schedules that ship with {shipped.model}, run and timed on this photo (a search "
            f"found them for {shipped.metric} on {shipped.data} at {height} × {width} on "
            f"{shipped.device})"
        )
        curves.append(_make_curve("shipped", words, here))
    return curves


def _make_curve(kind: str, words: str, points: list[Try]) -> Curve:
    return Curve(
        kind, words, tuple(sorted(points, key=lambda entry: entry.sparse_ms / entry.dense_ms))
    )


def _list_found(found: Frontier, result: Result) -> list[Try]:
    return [
        Try(
            photo=result.photo,
            settings=replace(result.settings, schedule=point.schedule, linked=True),
            size=found.size,
            agreement=point.accuracy,
            dense_ms=found.dense_ms,
            sparse_ms=point.best_known_ms,
            device=found.device,
            doubt=found.doubt,
        )
        for point in found.points
    ]


def place_frontier(
    engine: Engine,
    result: Result,
    frontier: Frontier,
    placed: list[Try],
    is_current: Callable[[], bool],
) -> Iterator[list[Try]]:
    """Run and time the schedules of a shipped frontier on the photo of a result.

    Its own latency and accuracy are of another machine and other pictures; here they are measured.

    Args:
        engine: runs them; others may run in between.
        result: what is on the screen.
        frontier: of its network.
        placed: what is known already.
        is_current: asked before every run; False ends it.

    Yields:
        What is known, after each schedule.
    """
    known = {entry.settings.schedule for entry in placed}
    for point in frontier.points:
        if point.schedule in known or point.schedule.is_dense:
            continue
        settings = replace(result.settings, schedule=point.schedule, linked=True)
        try:
            outcome = engine.analyze(result.photo, settings, is_current)
        except Superseded:
            return
        for measured in engine.measure(outcome, engine.config.compare_rounds, is_current):
            outcome = measured
        if not is_current():
            return
        placed = [*placed, make_try(outcome)]
        yield placed


def find_shipped(model: str) -> Frontier | None:
    """The frontier that ships beside a network of ours, if there is one."""
    if Path(model).name != model:
        return None  # a file of the user's, or of others
    return _read_shipped(networks.CHECKPOINT_FOLDER / f"{model}.frontier.json", model)


@cache
def _read_shipped(path: Path, model: str) -> Frontier | None:
    if not path.exists():
        return None
    try:
        return read_frontier(path, model)
    except FrontierError as error:
        _log.warning("%s", error)
        return None


def list_ours(model: str) -> list[tuple[float, SparsitySchedule]]:
    """(share of dense latency, schedule) of the presets that a shipped frontier gives."""
    frontier = find_shipped(model)
    if frontier is None:
        return []
    best = [(share, frontier.find_best(share * frontier.dense_ms)) for share in PRESET_SHARES]
    return [(share, point.schedule) for share, point in best if point is not None]
