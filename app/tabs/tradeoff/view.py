"""The tab Trade-off: every setting tried, and sparse against dense at lower resolutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape

from app.engine.records import Result, Try
from app.engine.search import Curve
from app.page.chart import Mark, draw_chart
from app.page.common import say_doubt
from sparsevit.inspect.sizes import SizeComparison, SizePoint, find_equal_latency
from sparsevit.schedule import SparsitySchedule

_VERBS = {"sparse": "return to", "found": "use", "shipped": "use"}


def show_history(result: Result, history: Sequence[Try], curves: Sequence[Curve] = ()) -> str:
    """The settings a user tried: a plot of those of this photo, network and size, and a table.

    Args:
        result: the current one.
        history: oldest first.
        curves: frontiers to draw behind them; their points are numbered -1, -2, ... throughout.
    """
    shown = [(index, entry) for index, entry in enumerate(history) if entry.is_like(result)]
    if not shown:
        return '<p class="sv-note">Every setting you try appears here once it is measured.</p>'
    marks = [
        _mark_try(entry, "sparse", index, current=entry.settings == result.settings)
        for index, entry in shown
    ]
    entries = [entry for _, entry in shown]
    latest = ([entry for entry in entries if entry.doubt is None] or entries)[-1]
    dense = Mark(
        *(latest.dense_ms, 100.0, "dense", f"dense: {latest.dense_ms:.0f} ms"),
        label="dense",
        doubtful=latest.doubt is not None,
    )
    lines: list[list[Mark]] = []
    number = 0
    for curve in curves:
        lines.append([])
        for entry in curve.points:
            number += 1
            x = latest.dense_ms * entry.sparse_ms / entry.dense_ms
            lines[-1].append(replace(_mark_try(entry, curve.kind, -number), x=x))
    height, width = latest.size
    chart = draw_chart(
        [*(mark for line in lines for mark in line), dense, *marks],
        "latency of one forward, ms",
        "agreement with dense, %",
        f"Agreement over latency of the {len(marks)} settings tried at {height} × {width}",
        lines,
    )
    behind = "".join(
        f'<br><i class="sv-key {curve.kind}"></i> The line joins {escape(curve.words)}, placed by '
        "their share of dense latency."
        for curve in curves
    )
    return (
        f'<figure class="sv-figure">{chart}<figcaption>Each blue circle is a setting you tried on '
        f"this photo at <b>{height} × {width}</b>; press one to go back to it. Up and left is "
        f"better. Measured on {escape(latest.device)}, {result.analysis.dtype}."
        f"{_explain_hollow([*marks, *(mark for line in lines for mark in line)])}{behind}"
        f"</figcaption></figure>{_show_tries(result, history)}"
    )


def show_sizes(result: Result, comparison: SizeComparison | None) -> str:
    """Sparse at this resolution against dense at lower ones, on this photo.

    Args:
        result: what the comparison is of.
        comparison: so far; None before it was asked for.
    """
    if comparison is None:
        return ""
    if comparison.sparse.latency_ms is None:
        return (
            f'<p class="sv-note">Running dense at {len(comparison.dense)} of '
            f"{comparison.total} steps…</p>"
        )
    height, width = comparison.sparse.size
    is_doubtful = comparison.doubt is not None
    line = [
        _mark_size(point, "dense", f"{point.size[0]} × {point.size[1]}", is_doubtful)
        for point in comparison.dense
    ]
    sparse = _mark_size(comparison.sparse, "sparse", "this setting", is_doubtful)
    chart = draw_chart(
        [*line, sparse],
        "latency of one forward, ms",
        f"agreement with dense at {height} × {width}, %",
        "Agreement over latency: dense at several resolutions, and this setting",
        [line],
    )
    left = comparison.total - comparison.done
    progress = f" {left} more rounds to come." if left else ""
    return (
        f'<figure class="sv-figure">{chart}<figcaption>{_judge(comparison)}{progress} Medians of '
        f"interleaved runs, batch 1, {result.analysis.dtype}, "
        f"{escape(result.analysis.device)}.</figcaption></figure>"
    )


def describe_schedule(schedule: SparsitySchedule) -> str:
    """ "60 %" or "60 / 0 / 20 40 50 / 0 %"."""
    sparsities = {sparsity for stage in schedule.stages for sparsity in stage}
    if len(sparsities) == 1:
        return f"{100 * sparsities.pop():.0f} %"
    stages = [" ".join(f"{100 * value:.0f}" for value in stage) for stage in schedule.stages]
    return " / ".join(stages) + " %"


def _judge(comparison: SizeComparison) -> str:
    """One sentence: which of the two does better in the same time."""
    if comparison.doubt is not None:
        return (
            f"{say_doubt(comparison.doubt)}, so which keeps more in the same time cannot be told; "
            "compare again when it is quiet."
        )
    sparse, rival = comparison.sparse, find_equal_latency(comparison)
    agreement = f"{sparse.agreement:.1%}"
    if rival is None:
        smallest = comparison.dense[-1]
        return (
            f"This setting takes <b>{sparse.latency_ms:.0f} ms</b>, less than the dense network "
            f"even at {smallest.size[0]} × {smallest.size[1]}."
        )
    better = "more" if sparse.agreement > rival.agreement else "less"
    return (
        f"In <b>{sparse.latency_ms:.0f} ms</b> this setting agrees with the dense network on "
        f"<b>{agreement}</b>. To be as fast, the dense network must see the photo at "
        f"{rival.size[0]} × {rival.size[1]} ({rival.latency_ms:.0f} ms) and agrees on "
        f"<b>{rival.agreement:.1%}</b>: here pruning keeps {better}."
    )


def _explain_hollow(marks: Sequence[Mark]) -> str:
    if not any(mark.doubtful for mark in marks):
        return ""
    return (
        '<br><i class="sv-key doubtful"></i> Hollow: timed while this machine was busy, so its '
        "latency is not worth quoting."
    )


def _mark_size(point: SizePoint, kind: str, label: str, doubtful: bool) -> Mark:
    assert point.latency_ms is not None
    words = f"{kind} at {point.size[0]} × {point.size[1]}: {point.latency_ms:.0f} ms, "
    words += f"agreement {point.agreement:.1%}"
    x, y = point.latency_ms, 100 * point.agreement
    return Mark(x, y, kind, words, label=label, doubtful=doubtful)


def _mark_try(entry: Try, kind: str, index: int, current: bool = False) -> Mark:
    return Mark(
        x=entry.sparse_ms,
        y=100 * entry.agreement,
        kind=kind,
        words=f"{describe_schedule(entry.settings.schedule)}: {entry.sparse_ms:.0f} ms"
        f"{' (machine busy)' if entry.doubt else ''}, agreement {entry.agreement:.1%}. "
        f"Press to {_VERBS[kind]} it.",
        index=index,
        current=current,
        doubtful=entry.doubt is not None,
    )


def _show_speedup(entry: Try) -> str:
    if entry.doubt is None:
        return f"{entry.dense_ms / entry.sparse_ms:.2f}×"
    return f'<span title="{escape(entry.doubt)}">busy</span>'


def _show_tries(result: Result, history: Sequence[Try]) -> str:
    rows = []
    for index, entry in reversed(list(enumerate(history))):
        current = entry.is_like(result) and entry.settings == result.settings
        name = escape(entry.photo.path.stem).replace("_", "_<wbr>")
        rows.append(
            f'<tr><td><button type="button" class="sv-small" data-index="{index}"'
            f"{' disabled' if current else ''}>{'shown' if current else 'show'}</button></td>"
            f'<th scope="row">{escape(describe_schedule(entry.settings.schedule))}</th>'
            f'<td class="sv-name">{name}</td>'
            f"<td>{entry.size[0]} × {entry.size[1]}</td>"
            f"<td>{entry.sparse_ms:.0f} ms</td><td>{_show_speedup(entry)}</td>"
            f"<td>{entry.agreement:.1%}</td></tr>"
        )
    return (
        '<table class="sv-table sv-tries"><caption>Everything tried in this session, newest first'
        '</caption><thead><tr><th scope="col"></th><th scope="col">sparsities</th>'
        '<th scope="col">photo</th><th scope="col">size</th><th scope="col">latency</th>'
        '<th scope="col">speed-up</th><th scope="col">agreement</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
