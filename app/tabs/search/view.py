"""The tab Search: how far a search has come, and what nothing beats so far."""

from __future__ import annotations

from html import escape

from app.engine.records import Result
from app.engine.search import PhotoSearch
from app.page.chart import Limit, Mark, draw_chart
from app.page.common import say_doubt
from app.tabs.tradeoff.view import describe_schedule
from sparsevit.schedule import SparsitySchedule
from sparsevit.search import FrontierPoint, SearchProgress

_INTRO = (
    "Looks for the sparsities that keep most of the dense output on <b>this photo</b>, with this "
    "network and size, in the time you allow. It times the network's layers once, then tries "
    "schedule after schedule, keeps what nothing beats and breeds the next ones from it. You can "
    "go on using the page meanwhile."
)
_KEY = '<i class="sv-key {}"></i>'


def show_search(search: PhotoSearch | None, result: Result) -> str:
    """The state of a search: words, a bar, the plot and the best so far.

    Args:
        search: the user's last; None before the first.
        result: what is on the screen.
    """
    if search is None:
        side = f'<p class="sv-note">{_INTRO}</p>'
    else:
        side = _show_state(search, result) + _show_best(search)
    return f'<div class="sv-search">{_show_plot(search, result)}<div>{side}</div></div>'


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
    return f"Trial {done} of {total}, best {best.accuracy:.1%} agreement at {share:.2f}× of dense"


def _show_state(search: PhotoSearch, result: Result) -> str:
    notes = ["" if search.found is not None else search.note]
    notes.append(search.progress.note if search.progress is not None else "")
    if not search.is_of(result):
        notes.append("This is of another photo, network or size than the one shown now.")
    bar = ""
    if search.is_running:
        progress = search.progress
        value = (
            f' value="{progress.done}" max="{max(progress.total, 1)}"'
            if progress is not None and search.has_begun
            else ""
        )
        bar = f'<progress aria-label="Progress of the search"{value}></progress>'
    kind = ' class="sv-warning"' if search.problem else ""
    note = " ".join(escape(words) for words in notes if words)
    return (
        f'<div class="sv-search-state"><p{kind}>{escape(describe_step(search))}</p>{bar}'
        f'<p class="sv-note">{note}</p></div>'
    )


def _show_best(search: PhotoSearch) -> str:
    best, dense_ms = search.best, _find_dense_ms(search)
    share = None if best is None else search.find_share(best)
    if best is None or share is None or dense_ms is None:
        return ""
    how = "predicted" if best.latency_ms is None else "measured"
    if search.found is not None and search.found.doubt is not None:
        how += " while this machine was busy"
    budget_ms = search.progress.budget_ms if search.progress is not None else None
    if budget_ms is not None:
        head = f"Best within {budget_ms / dense_ms:.2f}× of dense ({budget_ms:.0f} ms)"
    else:
        head = "Fastest that loses at most 1 % of agreement, else the one that loses least"
    return (
        f'<section class="sv-best"><h3>{head}</h3><p><strong>{best.accuracy:.1%}</strong> '
        f"agreement in <strong>{best.best_known_ms:.0f} ms</strong>, "
        f"{share:.2f}× of dense ({how})</p>"
        f"<p>{_show_schedule(best.schedule)}</p></section>"
    )


def _show_schedule(schedule: SparsitySchedule) -> str:
    stages = [" ".join(f"{100 * value:.0f}" for value in stage) for stage in schedule.stages]
    words = "".join(
        f"<span>stage {number} <b>{values} %</b></span>"
        for number, values in enumerate(stages, start=1)
    )
    return f'<span class="sv-best-stages">{words}</span>'


def _show_plot(search: PhotoSearch | None, result: Result) -> str:
    """Agreement over latency as a share of dense, which was timed in turn with it."""
    is_here = search is None or search.is_of(result)
    latency = result.analysis.latency if is_here else None
    dense_ms = _find_dense_ms(search) if search is not None else None
    if dense_ms is None and latency is not None:
        dense_ms = latency.dense.median_ms
    if dense_ms is None:
        return '<div class="sv-plot-wait" aria-hidden="true"></div>'
    tried: list[Mark] = []
    frontier: list[Mark] = []
    limit = None
    if search is not None and search.progress is not None:
        now = result.settings.schedule if is_here else None
        tried, frontier = _mark_points(search, now)
        if search.progress.budget_ms is not None:
            limit = Limit(search.progress.budget_ms / dense_ms, "budget")
    dense = Mark(1.0, 100.0, "dense", f"dense: {dense_ms:.0f} ms", label="dense")
    marks = [*tried, *frontier, dense]
    if latency is not None and not any(mark.current for mark in frontier):
        words = f"the sliders now: {describe_schedule(result.settings.schedule)}"
        agreement = 100 * result.analysis.agreement["agreement"]
        place = (1 / latency.speedup, agreement, "sparse", words)
        marks.append(Mark(*place, current=True, doubtful=result.doubt is not None))
    chart = draw_chart(
        marks,
        f"latency of one forward, share of dense ({dense_ms:.0f} ms)",
        "agreement with dense, %",
        f"Agreement over latency of {len(tried) + len(frontier)} schedules",
        [[*frontier, dense]],
        limit,
    )
    return f'<figure class="sv-figure">{chart}{_show_caption(search, result)}</figure>'


def _show_caption(search: PhotoSearch | None, result: Result) -> str:
    words = []
    if search is not None:
        words = [
            f"{_KEY.format('tried')} Tried, latency predicted.",
            f"{_KEY.format('found')} Frontier: nothing tried is both faster and closer to dense; "
            "press a point to use it.",
        ]
    if search is None or search.is_of(result):
        kind = "sparse" if result.doubt is None else "doubtful"
        busy = "" if result.doubt is None else ", timed while this machine was busy"
        words.append(f"{_KEY.format(kind)} The sliders now{busy}.")
    found = search.found if search is not None else None
    if found is not None:
        words.append("The frontier's medians were measured in turn with dense.")
    if found is not None and found.doubt is not None:
        words.append(f"{say_doubt(found.doubt)}, so they are not worth quoting; search again.")
    if found is not None and found.predictor_error_percent is not None:
        words.append(f"Median error of the predictions {found.predictor_error_percent:.1f} %.")
    height, width = search.size if search is not None else result.analysis.prepared.input_size
    place = found or result.analysis
    words.append(f"{escape(place.device)}, {height} × {width}, {place.dtype}, batch 1.")
    return f"<figcaption>{' '.join(words)}</figcaption>"


def _mark_points(
    search: PhotoSearch, now: SparsitySchedule | None
) -> tuple[list[Mark], list[Mark]]:
    """What was tried, and the frontier, both without dense."""
    numbers = {point.schedule: number for number, point in enumerate(search.tried)}
    kept = {point.schedule for point in search.frontier}

    def mark(point: FrontierPoint, kind: str) -> Mark:
        is_kept = kind == "found"
        return Mark(
            x=search.find_share(point) or 0.0,
            y=100 * point.accuracy,
            kind=kind,
            words=_describe_point(point) + (" Press to use it." if is_kept else ""),
            index=numbers.get(point.schedule) if is_kept else None,
            doubtful=is_kept and search.found is not None and search.found.doubt is not None,
            current=is_kept and point.schedule == now,
        )

    others = [point for point in search.tried if point.schedule not in kept]
    tried, frontier = (
        [mark(point, kind) for point in points if not point.schedule.is_dense]
        for kind, points in (("tried", others), ("found", search.frontier))
    )
    return tried, frontier


def _describe_point(point: FrontierPoint) -> str:
    how = "predicted" if point.latency_ms is None else "measured"
    return (
        f"{describe_schedule(point.schedule)}: {point.best_known_ms:.0f} ms {how}, "
        f"agreement {point.accuracy:.1%}."
    )


def _find_dense_ms(search: PhotoSearch) -> float | None:
    if search.found is not None:
        return search.found.dense_ms
    return search.progress.dense_ms if search.progress is not None else None
