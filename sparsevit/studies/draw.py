"""Plots of studies, each a PNG drawn from the study's JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparsevit.draw.curves import (
    COLOURS,
    DPI,
    SIZE_INCHES,
    Axis,
    Line,
    Plot,
    Point,
    draw_plot,
    save_figure,
    tidy_axes,
)
from sparsevit.package.extras import require
from sparsevit.package.units import find_unit

_MARKERS = "osD^v"
_LEGEND_COLUMNS = 3  # of names that are too long for one line


def draw_curves(document: dict[str, Any], axis: Axis, title: str) -> bytes:
    """A curve for every group of rows: accuracy over latency or over sparsity.

    Args:
        document: of a study whose rows have latencies, or whose notes are sparsities.
        axis: what x is.
        title: above the curves.
    """
    scale = find_unit(document["metric"]).scale
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in document["rows"]:
        groups.setdefault(row["group"], []).append(row)
    lines = []
    for group, rows in groups.items():
        if axis == "latency":
            points = [
                Point(row["latency_ms"], scale * row["accuracy"], row["note"]) for row in rows
            ]
        else:
            points = [Point(float(row["note"]), scale * row["accuracy"]) for row in rows]
        points.sort(key=lambda point: point.x)
        lines.append(Line(group, tuple(points), is_dense="dense" in group))
    return draw_plot(Plot(tuple(lines), axis, title, _describe(document), document["metric"]))


def draw_dots(document: dict[str, Any], title: str) -> bytes:
    """A line for every group, a dot for every row, a colour for every note: accuracy across.

    Args:
        document: of a study; its groups and notes in the order of the legend.
        title: above.
    """
    rows, unit = document["rows"], find_unit(document["metric"])
    groups = list(dict.fromkeys(row["group"] for row in rows))
    notes = list(dict.fromkeys(row["note"] for row in rows))
    figure = _start(0.36 * len(groups) + 1.8)
    axes = figure.add_subplot()
    for note, colour, marker in zip(notes, COLOURS, _MARKERS, strict=False):
        dots = [(unit.scale * row["accuracy"], row["group"]) for row in rows if row["note"] == note]
        axes.plot(
            [x for x, _ in dots],
            [groups.index(group) for _, group in dots],
            marker,
            color=colour,
            markersize=6,
            alpha=0.8,
            label=f"sparsity {note}",
        )
    axes.set_yticks(range(len(groups)), groups)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.margins(x=0.05)
    axes.set_xlabel(f"{document['metric']}, {unit.name}")
    tidy_axes(axes)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(notes),
        frameon=False,
        fontsize=9,
        handletextpad=0.1,
        columnspacing=1.2,
    )
    return _finish(figure, title, _describe(document))


def draw_sensitivity(document: dict[str, Any]) -> bytes:
    """A heat map of the accuracy lost: a row for every pair, a column for every sparsity."""
    lost, unit = np.array(document["lost_points"]), find_unit(document["metric"])
    gains = np.array([gain["interval_points"] for gain in document["gains"]])
    is_sure = (gains.prod(axis=1) > 0).reshape(lost.shape)  # both ends on one side of 0
    pairs, sparsities = document["pairs"], document["sparsities"]
    figure = _start(0.36 * len(pairs) + 1.6)
    axes = figure.add_subplot()
    least = unit.scale * unit.small_loss  # so that noise does not look like a loss
    top = max(least, float(np.abs(lost).max()))
    picture = axes.imshow(lost, cmap="PuOr_r", vmin=-top, vmax=top, aspect="auto")
    for (row, column), value in np.ndenumerate(lost):
        axes.text(
            column,
            row,
            f"{value + 0.0:.{unit.digits}f}",
            ha="center",
            va="center",
            fontsize=9,
            fontweight="bold" if is_sure[row, column] else "normal",
            color="white" if abs(value) > 0.7 * top else "black",
        )
    axes.set_xticks(range(len(sparsities)), [f"{s:g}" for s in sparsities])
    axes.set_yticks(range(len(pairs)), pairs)
    axes.set_xlabel("sparsity of this pair alone (bold: these pictures tell it from 0)")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    bar = figure.colorbar(picture, ax=axes, pad=0.02)
    bar.set_label(f"{document['metric']} lost, {unit.step}", fontsize=9)
    bar.outline.set_visible(False)
    return _finish(figure, "What each pair of blocks costs when pruned alone", _describe(document))


def draw_correlations(document: dict[str, Any]) -> bytes:
    """A line for every stage and partition, a dot for every score: Spearman's coefficient across.

    A bar is twice the standard error to either side.
    """
    found = [one for one in document["correlations"] if one["spearman"] is not None]
    places = list(dict.fromkeys((one["stage"], one["shifted"]) for one in found))
    scores = list(dict.fromkeys(one["score"] for one in found))
    figure = _start(0.4 * len(places) + 2.1)
    axes = figure.add_subplot()
    for number, (score, colour) in enumerate(zip(scores, COLOURS, strict=False)):
        own = [one for one in found if one["score"] == score]
        lift = 0.12 * (number - (len(scores) - 1) / 2)  # so that bars do not cover each other
        axes.errorbar(
            [one["spearman"] for one in own],
            [places.index((one["stage"], one["shifted"])) + lift for one in own],
            xerr=[2 * one["standard_error"] for one in own],
            fmt=_MARKERS[number % len(_MARKERS)],
            color=colour,
            markersize=5,
            elinewidth=1,
            label=score,
        )
    axes.axvline(0, color="black", lw=0.8)
    names = [f"stage {stage}, {'shifted' if shifted else 'plain'}" for stage, shifted in places]
    axes.set_yticks(range(len(places)), names)
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.set_xlabel("rank correlation of score and worth")
    tidy_axes(axes)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.1, 1),
        ncols=_LEGEND_COLUMNS,
        frameon=False,
        fontsize=8,
        handletextpad=0.1,
        columnspacing=1.0,
    )
    return _finish(figure, "Do scores say what windows are worth?", _describe(document))


def draw_samplers(document: dict[str, Any]) -> bytes:
    """Best accuracy and hypervolume over trials: a thin line a seed, a thick one for the mean.

    Where all curves rise from nothing, at the start, they are cut off.
    """
    figure = _start(SIZE_INCHES[1])
    unit = find_unit(document["metric"])
    within = f"within {document['budget_ms']:.0f} ms"
    panels = {
        "best": (f"best {document['metric']} {within}, {unit.name}", unit.scale),
        "hypervolume": ("hypervolume, % of what is possible", 100),
    }
    for number, (key, (words, scale)) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), number)
        shown = []
        for (group, found), colour, style in zip(
            document["curves"].items(), COLOURS, ("-", "--"), strict=False
        ):
            curves = scale * np.array(found[key], dtype=float)  # (seeds, trials), NaN for None
            trials = np.arange(1, curves.shape[1] + 1)
            axes.step(trials, curves.T, style, color=colour, lw=0.8, alpha=0.45, where="post")
            mean = curves.mean(axis=0)
            axes.step(trials, mean, style, color=colour, lw=2.2, where="post", label=group)
            shown.append(curves[:, curves.shape[1] // 5 :])
        low, high = np.nanmin(shown), np.nanmax(shown)
        axes.set_ylim(low - 0.05 * (high - low) - 0.01, high + 0.05 * (high - low) + 0.01)
        axes.set_xlim(1, None)
        axes.set_xlabel("trials")
        axes.set_ylabel(words)
        tidy_axes(axes)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    seeds = len(document["seeds"])
    title = f"Evolutionary against random search: {seeds} seed{'s' if seeds > 1 else ''} and mean"
    return _finish(figure, title, _describe(document))


def _start(height: float) -> Any:
    """A figure of the usual width, and of some inches of height."""
    require("matplotlib", "A plot", "search")
    from matplotlib.figure import Figure  # a second to import

    return Figure(
        figsize=(SIZE_INCHES[0], height), dpi=DPI, layout="constrained", facecolor="white"
    )


def _finish(figure: Any, title: str, footer: str) -> bytes:
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return save_figure(figure, footer)


def _describe(document: dict[str, Any]) -> str:
    """What was measured on what, under the plot."""
    words = f"{document['model']}, {document['pictures']} pictures of {document['data']}"
    size = document["size"]
    if len(size) == 1:
        words += f", {size[0][0]}x{size[0][1]}"
    if "other_load" in document:
        words += f"\n{document['device']}, {document['dtype']}, batch 1"
    return words
