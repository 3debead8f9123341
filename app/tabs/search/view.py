"""The tab Search: how far a search has come, and what nothing beats so far."""

from __future__ import annotations

from typing import Any

from app.engine.records import Result
from app.engine.search import PhotoSearch
from app.page.chart import Chart, Limit, Mark, make_points
from app.page.common import describe_schedule
from app.page.templates import render
from app.page.units import Yardstick, find_yardstick
from sparsevit.schedule import SparsitySchedule
from sparsevit.search import FrontierPoint, SearchProgress


def show_search(search: PhotoSearch | None, result: Result) -> str:
    """The state of a search: words, a bar, the plot and the best so far.

    Args:
        search: the user's last; None before the first.
        result: what is on the screen.
    """
    found = search.found if search is not None else None
    size = search.size if search is not None else result.analysis.prepared.input_size
    return render(
        "tabs/search/search.html",
        search=search,
        chart=_draw_plot(search, result),
        is_here=search is None or search.is_of(result),
        doubt=result.doubt,
        found=found,
        place=found or result.analysis,
        size=size,
        yardstick=find_yardstick(search.task if search is not None else result.task.name),
        **({} if search is None else _describe_state(search, result)),
    )


def describe_step(search: PhotoSearch) -> str:
    """How far a search has come, one sentence."""
    progress, found = search.progress, search.found
    if search.problem:
        return search.problem
    if found is not None:
        number = len(found.points)
        kept = "schedule that nothing beats" if number == 1 else "schedules that nothing beats"
        return f"Done: {found.trials} schedules tried, {number} {kept}, timed against dense."
    if search.is_running and not search.has_begun:
        return "Waiting for a free place…"
    if progress is None:
        return "Starting…" if search.is_running else "Stopped."
    words = _describe_phase(search, progress)
    return f"{words}." if search.is_running else f"Stopped: {words[0].lower()}{words[1:]}."


def _describe_phase(search: PhotoSearch, progress: SearchProgress) -> str:
    done, total, best = progress.done, progress.total, progress.best
    match progress.phase:
        case "timing":
            return f"Timing the layers, {done} of {total}"
        case "checking":
            return f"Scoring the best once more, {done} of {total}"
        case "measuring":
            return f"Timing the best against dense, {done} of {total}"
    share = None if best is None else search.find_share(best)
    if best is None or share is None:
        return f"Trial {done} of {total}, nothing within the budget yet"
    yardstick = find_yardstick(search.task)
    best_yet = f"{yardstick.say(best.accuracy)} {yardstick.name}"
    return f"Trial {done} of {total}, best {best_yet} at {share:.2f}× of dense"


def _describe_state(search: PhotoSearch, result: Result) -> dict[str, Any]:
    """What stands beside the plot."""
    progress = search.progress
    notes = ["" if search.found is not None else search.note]
    notes.append(progress.note if progress is not None else "")
    if not search.is_of(result):
        notes.append("This is of another photo, network, task or size than the one shown now.")
    best, dense_ms = search.best, _find_dense_ms(search)
    share = None if best is None else search.find_share(best)
    return {
        "step": describe_step(search),
        "done": (progress.done, max(progress.total, 1)) if progress and search.has_begun else None,
        "notes": [words for words in notes if words],
        "best": None if share is None or dense_ms is None else best,
        "share": share,
        "dense_ms": dense_ms,
        "budget_ms": progress.budget_ms if progress is not None else None,
    }


def _draw_plot(search: PhotoSearch | None, result: Result) -> Chart | None:
    """Agreement over latency as a share of dense, which was timed in turn; None before it is."""
    is_here = search is None or search.is_of(result)
    yardstick = find_yardstick(result.task.name if search is None else search.task)
    latency = result.analysis.latency if is_here else None
    dense_ms = _find_dense_ms(search) if search is not None else None
    if dense_ms is None and latency is not None:
        dense_ms = latency.dense.median_ms
    if dense_ms is None:
        return None
    tried: list[Mark] = []
    frontier: list[Mark] = []
    limit = None
    if search is not None and search.progress is not None:
        now = result.settings.schedule if is_here else None
        tried, frontier = _mark_points(search, yardstick, now)
        if search.progress.budget_ms is not None:
            limit = Limit(search.progress.budget_ms / dense_ms, "budget")
    marks = [*tried, *frontier]
    line = [*frontier]
    dense_score = _find_dense_score(search, result)
    if dense_score is not None:
        y = yardstick.scale(dense_score)
        line.append(Mark(1.0, y, "dense", f"dense: {dense_ms:.0f} ms", label="dense"))
        marks.append(line[-1])
    if latency is not None and not any(mark.is_current for mark in frontier):
        words = f"the sliders now: {describe_schedule(result.settings.schedule)}"
        place = (1 / latency.speedup, yardstick.scale(result.score[1]), "sparse", words)
        marks.append(Mark(*place, is_current=True, is_doubtful=result.doubt is not None))
    return make_points(
        marks,
        f"latency of one forward, share of dense ({dense_ms:.0f} ms)",
        yardstick.axis,
        f"{yardstick.title} over latency of {len(tried) + len(frontier)} schedules",
        [line],
        limit,
    )


def _mark_points(
    search: PhotoSearch, yardstick: Yardstick, now: SparsitySchedule | None
) -> tuple[list[Mark], list[Mark]]:
    """What was tried, and the frontier, both without dense."""
    numbers = {point.schedule: number for number, point in enumerate(search.tried)}
    kept = {point.schedule for point in search.frontier}

    def mark(point: FrontierPoint, kind: str) -> Mark:
        is_kept = kind == "found"
        return Mark(
            x=search.find_share(point) or 0.0,
            y=yardstick.scale(point.accuracy),
            kind=kind,
            words=_describe_point(point, yardstick) + (" Press to use it." if is_kept else ""),
            index=numbers.get(point.schedule) if is_kept else None,
            is_doubtful=is_kept and search.found is not None and search.found.doubt is not None,
            is_current=is_kept and point.schedule == now,
        )

    others = [point for point in search.tried if point.schedule not in kept]
    tried, frontier = (
        [mark(point, kind) for point in points if not point.schedule.is_dense]
        for kind, points in (("tried", others), ("found", search.frontier))
    )
    return tried, frontier


def _describe_point(point: FrontierPoint, yardstick: Yardstick) -> str:
    how = "predicted" if point.latency_ms is None else "measured"
    return (
        f"{describe_schedule(point.schedule)}: {point.best_known_ms:.0f} ms {how}, "
        f"{yardstick.name} {yardstick.say(point.accuracy)}."
    )


def _find_dense_score(search: PhotoSearch | None, result: Result) -> float | None:
    """Of dense where the search is, in the unit of the search; None before it is known."""
    if search is None or search.is_of(result):
        return result.score[0]
    if search.found is not None:
        return search.found.dense_accuracy
    return search.progress.dense_accuracy if search.progress is not None else None


def _find_dense_ms(search: PhotoSearch) -> float | None:
    if search.found is not None:
        return search.found.dense_ms
    return search.progress.dense_ms if search.progress is not None else None
