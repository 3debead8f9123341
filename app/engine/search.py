"""A search for sparsities on one photo: what is asked, how far it has come, its steps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.engine.camera import aim_task, choose_camera
from app.engine.records import Photo, Result, Settings
from sparsevit.data.photos import Photo as TruePhoto
from sparsevit.data.photos import PhotoFolder
from sparsevit.data.transforms import Size
from sparsevit.networks import LoadedModel
from sparsevit.search import (
    AgreementJudge,
    Frontier,
    FrontierPoint,
    Judge,
    LabelledJudge,
    SearchError,
    SearchProgress,
    SearchSettings,
    search_steps,
)

#: Most trials of one search here; the command line has no such limit.
MOST_TRIALS = 300

#: Budgets that can be chosen, as shares of dense latency.
BUDGETS = (0.3, 0.95)

_MOST_SEED = 2**31 - 1
_STUDY = "photo"


@dataclass(eq=False)
class PhotoSearch:
    """One user's search on one photo: its study and how far it has come.

    Attributes:
        photo: the picture.
        settings: network, task and resolution.
        size: (img_h, img_w) pixels fed to the network.
        asked: what is searched.
        task: name of what the network runs for.
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
    task: str = "semantic"
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
        """True if it is of this result's photo, network, task and size."""
        return result.is_of(self.photo, self.settings, self.size)

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
    """A search on the photo, network, task and size of a result.

    Args:
        result: what is on the screen.
        settings: what to search.
        earlier: the user's last search; if it was of the same and has not come to its end, or had
            fewer trials, the new one goes on with its study.
    """
    note = ""
    if earlier is not None and earlier.progress is not None and earlier.tried:
        if not earlier.is_of(result):
            note = "Starts anew: the last search was on another photo, network, task or size."
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
    return PhotoSearch(result.photo, result.settings, size, settings, result.task.name, note=note)


def make_storage() -> Any:
    """An empty storage for one study, in memory."""
    from optuna.storages import InMemoryStorage  # takes a second, once

    return InMemoryStorage()


class _OnePhoto(PhotoFolder):
    """A photo as if it lay in a folder alone."""

    def __init__(self, photo: Photo) -> None:
        self.names = [photo.path.stem]
        self._image = photo.pixels

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> TruePhoto:
        return TruePhoto(self._image, self.names[index])


def search_photo(
    loaded: LoadedModel,
    photo: Photo,
    settings: Settings,
    search: SearchSettings,
    storage: Any,
    folder: Path,
) -> Iterator[SearchProgress]:
    """Search on one photo, step by step.

    Accuracy is agreement with dense, or PSNR where the photo is the truth itself.

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
    camera = choose_camera(photo.size, settings, photo.camera)
    loaded = replace(loaded, task=aim_task(loaded.task, camera, photo.size))
    judge: Judge
    if loaded.task.name == "restoration":
        judge = LabelledJudge(loaded, _OnePhoto(photo), settings.short_side, data_name=data)
    else:
        judge = AgreementJudge(loaded, [photo.pixels], settings.short_side, data_name=data)
    yield from search_steps(
        loaded, judge, search, storage=storage, study_name=_STUDY, folder=folder
    )
