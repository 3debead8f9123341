"""The tab Trade-off: every setting tried, and sparse against dense at lower resolutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from app.engine.frontiers import Curve
from app.engine.records import Result, Try
from app.engine.tasks import TASK_WORDS
from app.page.chart import Mark, make_points
from app.page.common import describe_schedule
from app.page.templates import render, say_percent
from app.page.units import Yardstick, find_yardstick, glue, say_agreement
from sparsevit.inspect.sizes import SizeComparison, SizePoint, find_equal_latency

_VERBS = {"sparse": "return to", "found": "use", "shipped": "use"}


def show_history(result: Result, history: Sequence[Try], curves: Sequence[Curve] = ()) -> str:
    """The settings a user tried: a plot of those of this photo, network, task and size, a table.

    Args:
        result: the current one.
        history: oldest first.
        curves: frontiers to draw behind them; their points are numbered -1, -2, ... throughout.
    """
    shown = [(index, entry) for index, entry in enumerate(history) if entry.is_like(result)]
    if not shown:
        return render("tabs/tradeoff/history.html", chart=None)
    yardstick = find_yardstick(result.task.name)
    marks = [
        _mark_try(entry, yardstick, "sparse", index, is_current=entry.settings == result.settings)
        for index, entry in shown
    ]
    entries = [entry for _, entry in shown]
    latest = ([entry for entry in entries if entry.doubt is None] or entries)[-1]
    dense_y = yardstick.scale(latest.dense_score)
    dense = Mark(
        *(latest.dense_ms, dense_y, "dense", f"dense: {latest.dense_ms:.0f} ms"),
        label="dense",
        is_doubtful=latest.doubt is not None,
    )
    lines: list[list[Mark]] = []
    number = 0
    for curve in curves:
        lines.append([])
        for entry in curve.points:
            number += 1
            x = latest.dense_ms * entry.sparse_ms / entry.dense_ms
            lines[-1].append(replace(_mark_try(entry, yardstick, curve.kind, -number), x=x))
    height, width = latest.size
    chart = make_points(
        [*(mark for line in lines for mark in line), dense, *marks],
        "latency of one forward, ms",
        yardstick.axis,
        f"{yardstick.title} over latency of the {len(marks)} settings tried at {height} × {width}",
        lines,
    )
    hollow = [mark for mark in (*marks, *chain(*lines)) if mark.is_doubtful]
    return render(
        "tabs/tradeoff/history.html",
        chart=chart,
        latest=latest,
        dtype=result.analysis.dtype,
        yardstick=yardstick,
        has_hollow=bool(hollow),
        curves=curves,
        tries=_list_tries(result, history),
    )


def show_sizes(result: Result, comparison: SizeComparison | None) -> str:
    """Sparse at this resolution against dense at lower ones, on this photo.

    Args:
        result: what the comparison is of.
        comparison: so far; None before it was asked for.
    """
    if not can_compare_sizes(result):
        return render("tabs/tradeoff/sizes.html", chart=None, comparison=None)
    if comparison is None:
        return ""
    if comparison.sparse.latency_ms is None:
        return render("tabs/tradeoff/sizes.html", chart=None, comparison=comparison)
    height, width = comparison.sparse.size
    is_doubtful = comparison.doubt is not None
    line = [
        _mark_size(point, "dense", f"{point.size[0]} × {point.size[1]}", is_doubtful)
        for point in comparison.dense
    ]
    sparse = _mark_size(comparison.sparse, "sparse", "this setting", is_doubtful)
    chart = make_points(
        [*line, sparse],
        "latency of one forward, ms",
        f"agreement with dense at {height} × {width}, %",
        "Agreement over latency: dense at several resolutions, and this setting",
        [line],
    )
    return render(
        "tabs/tradeoff/sizes.html",
        chart=chart,
        comparison=comparison,
        rival=find_equal_latency(comparison),
        dtype=result.analysis.dtype,
        device=result.analysis.device,
    )


def can_compare_sizes(result: Result) -> bool:
    """Whether a smaller input means the same thing: a smaller photo is another one to restore."""
    return result.restored is None


def _mark_size(point: SizePoint, kind: str, label: str, is_doubtful: bool) -> Mark:
    assert point.latency_ms is not None
    words = f"{kind} at {point.size[0]} × {point.size[1]}: {point.latency_ms:.0f} ms, "
    words += f"agreement {say_percent(point.agreement, 1)}"
    x, y = point.latency_ms, 100 * point.agreement
    return Mark(x, y, kind, words, label=label, is_doubtful=is_doubtful)


def _mark_try(
    entry: Try, yardstick: Yardstick, kind: str, index: int, is_current: bool = False
) -> Mark:
    return Mark(
        x=entry.sparse_ms,
        y=yardstick.scale(entry.score),
        kind=kind,
        words=f"{describe_schedule(entry.settings.schedule)}: {entry.sparse_ms:.0f} ms"
        f"{' (machine busy)' if entry.doubt else ''}, "
        f"{yardstick.name} {yardstick.say(entry.score)}. "
        f"Press to {_VERBS[kind]} it.",
        index=index,
        is_current=is_current,
        is_doubtful=entry.doubt is not None,
    )


def _list_tries(result: Result, history: Sequence[Try]) -> list[dict[str, Any]]:
    """The rows of the table, newest first."""
    return [
        {
            "index": index,
            "is_shown": entry.is_like(result) and entry.settings == result.settings,
            "schedule": describe_schedule(entry.settings.schedule),
            "task": TASK_WORDS.get(entry.settings.task or ""),
            "photo": entry.photo.path.stem,
            "size": entry.size,
            "sparse_ms": entry.sparse_ms,
            "dense_ms": entry.dense_ms,
            "doubt": entry.doubt,
            "agreement": glue(say_agreement(entry.agreement, entry.task)),
        }
        for index, entry in reversed(list(enumerate(history)))
    ]
