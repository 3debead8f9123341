"""Curves of what was measured, as PNG: accuracy of ``sparsevit eval``, latency of ``bench``."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import PurePath
from typing import Any, Literal

from sparsevit.package.extras import require
from sparsevit.package.units import HEADLINES, METRICS, find_unit

Axis = Literal["sparsity", "latency"]

#: Okabe and Ito's colours, told apart by every kind of colour vision, darkest first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = "os^vPX"
DENSE_COLOUR = "#555555"
GRID_COLOUR = "#E5E5E5"
SIZE_INCHES = (6.4, 4.2)  # inches: 640x420 at 100 dots an inch
DPI = 200


class PlotError(ValueError):
    """Results that cannot be drawn; the message is one sentence that names the file."""


@dataclass(frozen=True)
class Point:
    """One measurement.

    Attributes:
        x: sparsity, or latency in milliseconds.
        accuracy: as it is written, in the unit of the plot's metric.
        note: written beside it; "" for none.
    """

    x: float
    accuracy: float
    note: str = ""


@dataclass(frozen=True)
class Line:
    """Points that belong together.

    Attributes:
        label: what they have in common.
        points: in the order they are connected.
        is_dense: they are the dense network at several sizes.
    """

    label: str
    points: tuple[Point, ...]
    is_dense: bool = False


@dataclass(frozen=True)
class Plot:
    """What :func:`draw_plot` draws.

    Attributes:
        lines: with different labels.
        axis: what x is.
        title: above the curves.
        device: what latency was measured on; "" without latency.
        metric: what accuracy is.
    """

    lines: tuple[Line, ...]
    axis: Axis
    title: str
    device: str = ""
    metric: str = "mIoU"


@dataclass(frozen=True)
class _Row:
    """One schedule of a result."""

    sparsity: float | None  # None where it is not the same everywhere
    accuracy: float  # as it is written
    latency_ms: float | None


@dataclass(frozen=True)
class _Report:
    """One result of ``sparsevit eval``, checked."""

    file: str
    network: str
    data: str
    size: str
    metric: str
    rows: tuple[_Row, ...]
    device: str | None


def plan_plot(
    documents: Sequence[tuple[str, Any]],
    axis: Axis,
    *,
    sizes: Sequence[int | str] | None = None,
    labels: Sequence[str] | None = None,
    title: str | None = None,
) -> Plot:
    """Find the lines in results of ``sparsevit eval``.

    There is a line for every file and size; of results of several tasks, those of the first one are
    taken. Along latency there is one more where a network was
    measured at several sizes: dense at each of them, for the others to be compared with.

    Args:
        documents: name of each file, and its parsed JSON: one result or a list of them.
        axis: what x is.
        sizes: only these sizes, short sides or "native", get lines of their own; all if None.
        labels: for the lines, in their order; by default what tells them apart.
        title: by default what the lines have in common.

    Raises:
        PlotError: no result of eval, nothing to draw, another number of labels than lines, a
            schedule that is not uniform (along sparsity), a missing latency, or latencies of
            different devices.
    """
    reports = [report for name, document in documents for report in _read(name, document)]
    metric = next((report.metric for report in reports if report.rows), METRICS["semantic"])
    reports = [report for report in reports if report.metric == metric]
    device = _check_latency(reports) if axis == "latency" else ""
    lines = _connect_dense(reports) if axis == "latency" else []
    has_dense = bool(lines)
    wanted = None if sizes is None else {_name_size(size) for size in sizes}
    for report in reports:
        points = _connect(report, axis, has_dense)
        if (wanted is None or report.size in wanted) and len(points) > has_dense:
            label = _tell_apart(report, reports, ("network", "data", "size")) or report.network
            if has_dense:
                label += ", at the sparsity noted"
            if label in {line.label for line in lines}:
                label += f" ({PurePath(report.file).stem})"
            lines.append(Line(label, points))
    if not any(line.points for line in lines):
        raise PlotError(
            "There is nothing to draw: no result has an accuracy at the sizes asked for."
        )
    if labels:
        if len(labels) != len(lines):
            raise PlotError(
                f"The plot has {len(lines)} lines but {len(labels)} labels; in order they are: "
                f"{'; '.join(line.label for line in lines)}."
            )
        lines = [replace(line, label=label) for line, label in zip(lines, labels, strict=True)]
    title = _describe(reports) if title is None else title
    return Plot(tuple(lines), axis, title, device, metric)


def draw_plot(plot: Plot) -> bytes:
    """A plot as a PNG of 1280x840 pixels, to be shown at half of that.

    Args:
        plot: from :func:`plan_plot`.
    """
    figure, axes = start_figure()
    styles = zip(cycle(COLOURS), cycle(_MARKERS))
    for line in plot.lines:
        colour, marker = (DENSE_COLOUR, "D") if line.is_dense else next(styles)
        axes.plot(
            [point.x for point in line.points],
            [point.accuracy for point in line.points],
            color=colour,
            marker=marker,
            markersize=5,
            linewidth=1.8,
            linestyle="--" if line.is_dense else "-",
            label=line.label,
            zorder=2 if line.is_dense else 3,
        )
        for point in line.points:
            axes.annotate(
                point.note,
                (point.x, point.accuracy),
                xytext=(6, -11) if line.is_dense else (-2, 7),
                textcoords="offset points",
                ha="left" if line.is_dense else "right",
                fontsize=8,
                color=colour,
            )
    unit = find_unit(plot.metric)
    values = [point.accuracy for line in plot.lines for point in line.points]
    axes.set_ylim(_choose_range(values, unit.span))
    axes.margins(x=0.06 if plot.axis == "sparsity" else 0.12)
    axes.set_ylabel(f"{plot.metric}, {unit.name}")
    axes.set_xlabel(
        "sparsity: share of windows pruned" if plot.axis == "sparsity" else "latency, ms"
    )
    return finish_figure(figure, axes, plot.title, plot.device, has_legend=len(plot.lines) > 1)


def draw_bench(document: Any) -> bytes:
    """How near the benchmark comes to the arithmetic: a PNG of 1280x840 pixels.

    Latency over that of the fastest dense form, against the share of multiply-accumulates left; a
    line for every size and batch.

    Args:
        document: the parsed JSON of ``sparsevit bench``.
    """
    figure, axes = start_figure()
    rows = [row for row in document["rows"] if row["schedule"] is not None]
    end = 1.05 * max(max(row["mac_ratio"], row["ratio_to_fastest_dense"]) for row in rows)
    axes.plot([0, end], [0, end], color=DENSE_COLOUR, linestyle="--", label="time = arithmetic")
    groups: dict[tuple[int, int], list[Any]] = {}
    for row in rows:
        groups.setdefault((row["size"], row["batch"]), []).append(row)
    for (size, batch), group in groups.items():
        points = sorted((row["mac_ratio"], row["ratio_to_fastest_dense"]) for row in group)
        axes.plot(*zip(*points, strict=True), "o-", label=f"{size} px, batch {batch}")
    axes.set_xlim(0, end)
    axes.set_ylim(0, end)
    axes.set_xlabel("multiply-accumulates left")
    axes.set_ylabel("latency over the fastest dense form")
    title = f"{document['model']}: latency against arithmetic"
    return finish_figure(figure, axes, title, f"{document['device']}, {document['dtype']}")


def start_figure() -> tuple[Any, Any]:
    """A figure and its axes.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    require("matplotlib", "A plot", "train")
    from matplotlib.figure import Figure  # a second to import

    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.set_prop_cycle(color=COLOURS)
    return figure, axes


def finish_figure(
    figure: Any, axes: Any, title: str, footer: str, has_legend: bool = True
) -> bytes:
    """Title, grid, legend and footer of a figure with one pair of axes, as PNG."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=10)
    tidy_axes(axes)
    if has_legend:
        axes.legend(frameon=False, fontsize=9)
    return save_figure(figure, footer)


def tidy_axes(axes: Any) -> None:
    """A light grid behind the marks, and no frame above and to the right."""
    axes.grid(color=GRID_COLOUR, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def save_figure(figure: Any, footer: str) -> bytes:
    """A figure with a small footer, as PNG."""
    if footer:
        figure.supxlabel(footer, fontsize=8, color=DENSE_COLOUR)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _read(file: str, document: Any) -> list[_Report]:
    """Check what a file holds."""
    try:
        found = document if isinstance(document, list) else [document]
        return [_read_report(file, report) for report in found]
    except (KeyError, TypeError, ValueError) as error:
        raise PlotError(f"{file} is not a result of 'sparsevit eval --out'.") from error


def _read_report(file: str, report: dict[str, Any]) -> _Report:
    results = report["results"]
    task = report.get("task", "semantic")  # files of before networks had several do not say it
    metric, key = METRICS.get(task, ""), HEADLINES.get(task, "")
    rows = [result for result in results if result.get(key) is not None]
    return _Report(
        file=file,
        network=_name_network(report["model"]),
        data=f"{report['data']} {report['split']}".removesuffix(" all"),
        size=_name_size(report["size"]),
        metric=metric,
        rows=tuple(_read_row(row, float(row[key]) * find_unit(metric).scale) for row in rows),
        device=_describe_device(report["device"]) if "device" in report else None,
    )


def _read_row(result: dict[str, Any], accuracy: float) -> _Row:
    sparsities = {float(s) for stage in result["schedule"] for s in stage}
    latency = result.get("latency_ms")
    return _Row(
        sparsity=sparsities.pop() if len(sparsities) == 1 else None,
        accuracy=accuracy,
        latency_ms=None if latency is None else float(latency),
    )


def _describe_device(block: dict[str, Any]) -> str:
    return f"{block['device']}, {block['dtype']}, batch {block['batch']}"


def _check_latency(reports: Sequence[_Report]) -> str:
    """The device that all latencies were measured on."""
    for report in reports:
        if report.device is None or any(row.latency_ms is None for row in report.rows):
            raise PlotError(
                f"{report.file} has no latency; measure it again with 'sparsevit eval --latency'."
            )
    devices = sorted({str(report.device) for report in reports})
    if len(devices) > 1:
        raise PlotError(f"Latencies of different devices do not compare: {'; '.join(devices)}.")
    return devices[0] if devices else ""


def _connect(report: _Report, axis: Axis, has_dense: bool) -> tuple[Point, ...]:
    """The schedules of one result; a note says the sparsity where x does not."""
    points = []
    for row in report.rows:
        if axis == "latency":
            assert row.latency_ms is not None
            hidden = row.sparsity is None or (row.sparsity == 0 and has_dense)
            points.append(
                Point(row.latency_ms, row.accuracy, "" if hidden else f"{row.sparsity:g}")
            )
        elif row.sparsity is None:
            raise PlotError(
                f"{report.file} has a schedule that is not uniform, so it has no place along "
                f"sparsity; plot it along latency."
            )
        else:
            points.append(Point(row.sparsity, row.accuracy))
    return tuple(sorted(points, key=lambda point: point.x))


def _connect_dense(reports: Sequence[_Report]) -> list[Line]:
    """Of each network on each data, dense at every size, where there are several."""
    groups: dict[tuple[str, str], list[_Report]] = {}
    for report in reports:
        groups.setdefault((report.network, report.data), []).append(report)
    lines = []
    for group in groups.values():
        points = [
            Point(row.latency_ms, row.accuracy, report.size)
            for report in group
            for row in report.rows
            if row.sparsity == 0 and row.latency_ms is not None
        ]
        if len({point.note for point in points}) > 1:
            name = _tell_apart(group[0], reports, ("network", "data"))
            label = ", ".join(filter(None, (name, "dense at several sizes")))
            lines.append(Line(label, tuple(sorted(points, key=lambda p: p.x)), is_dense=True))
    return lines


def _tell_apart(report: _Report, reports: Sequence[_Report], fields: Sequence[str]) -> str:
    """What of a result is not the same for all of them."""
    varying = [f for f in fields if len({getattr(other, f) for other in reports}) > 1]
    return ", ".join(getattr(report, field) for field in varying)


def _describe(reports: Sequence[_Report]) -> str:
    """What is the same for all results."""
    shared = {
        field: values.pop()
        for field in ("network", "data", "size")
        if len(values := {getattr(report, field) for report in reports}) == 1
    }
    words = " on ".join(shared[field] for field in ("network", "data") if field in shared)
    return ", ".join(filter(None, (words, shared.get("size"))))


def _name_network(name: str) -> str:
    return PurePath(name).stem if name.endswith(".safetensors") else name


def _name_size(size: int | str) -> str:
    return "native size" if size == "native" else f"{int(size)} px"


def _choose_range(values: Sequence[float], least: float) -> tuple[float, float]:
    """Ends of the y axis: around the values, but never so near that noise looks like a cliff."""
    low, high = min(values), max(values)
    span = max(least, 1.25 * (high - low))
    middle = (low + high) / 2
    return max(0.0, middle - span / 2), middle + span / 2
