"""Frontiers, found by a search or shipped with a network, beside the results on one photo."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from app.engine.newest import Superseded
from app.engine.protocol import Engine
from app.engine.records import Result, Settings, Try, make_try
from app.engine.search import PhotoSearch
from sparsevit import networks
from sparsevit.schedule import SparsitySchedule
from sparsevit.search import Frontier, FrontierError, name_shipped, read_frontier

#: Shares of dense latency whose best schedules are presets.
PRESET_SHARES = (0.8, 0.7, 0.6, 0.5)

_log = logging.getLogger(__name__)

_FIRST_TASKS = ("semantic", "restoration")  # of networks of ours


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
    shipped = find_shipped(result.settings)
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
            task=result.task.name,
            agreement=point.accuracy,
            score=point.accuracy,
            dense_score=found.dense_accuracy,
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


def find_shipped(settings: Settings) -> Frontier | None:
    """The frontier that ships beside a network of ours for a task, if there is one."""
    model = settings.model
    if Path(model).name != model:
        return None  # a file of the user's, or of others
    for task in [settings.task] if settings.task else _FIRST_TASKS:
        path = networks.CHECKPOINT_FOLDER / name_shipped(model, task)
        if frontier := _read_shipped(path, model, task):
            return frontier
    return None


@lru_cache(maxsize=32)
def _read_shipped(path: Path, model: str, task: str) -> Frontier | None:
    if not path.exists():
        return None
    try:
        return read_frontier(path, model, task)
    except FrontierError as error:
        _log.warning("%s", error)
        return None


def list_ours(settings: Settings) -> list[tuple[float, SparsitySchedule]]:
    """(share of dense latency, schedule) of the presets that a shipped frontier gives."""
    frontier = find_shipped(settings)
    if frontier is None:
        return []
    best = [(share, frontier.find_best(share * frontier.dense_ms)) for share in PRESET_SHARES]
    return [(share, point.schedule) for share, point in best if point is not None]
