"""The trade-off that a search found, as PNG."""

from __future__ import annotations

from collections.abc import Sequence

from sparsevit.draw.curves import DENSE_COLOUR, finish_figure, start_figure
from sparsevit.search.frontier import Frontier, FrontierPoint

_TRIED_COLOUR = "#BBBBBB"
_BUDGET_COLOUR = "#D55E00"


def draw_frontier(frontier: Frontier, tried: Sequence[FrontierPoint] = ()) -> bytes:
    """Accuracy lost against latency, a PNG of 1280x840 pixels.

    What was tried is scored on fewer pictures than the frontier, so each is drawn against dense on
    its own pictures.

    Args:
        frontier: its points are drawn as measured.
        tried: every schedule that was evaluated, dense among them; drawn as predicted, in grey.
    """
    figure, axes = start_figure()
    unit = frontier.unit
    dense = next((point.accuracy for point in tried if point.schedule.is_dense), None)
    if dense is not None:
        axes.scatter(
            [point.predicted_ms for point in tried],
            [unit.scale * (point.accuracy - dense) for point in tried],
            color=_TRIED_COLOUR,
            s=9,
            label=f"{len(tried)} tried (latency predicted, fewer pictures)",
        )
    axes.plot(
        [point.best_known_ms for point in frontier.points],
        [unit.scale * (point.accuracy - frontier.dense_accuracy) for point in frontier.points],
        "o-",
        markersize=5,
        linewidth=1.8,
        label=f"frontier (latency measured, {frontier.pictures} pictures)",
        zorder=3,
    )
    axes.plot(frontier.dense_ms, 0, "D", color=DENSE_COLOUR, label="dense", zorder=4)
    if frontier.budget_ms is not None:
        axes.axvline(
            frontier.budget_ms,
            color=_BUDGET_COLOUR,
            linestyle="--",
            label=f"budget, {frontier.budget_ms:.0f} ms",
        )
    axes.set_xlabel("latency, ms")
    axes.set_ylabel(f"{frontier.metric} against dense, {unit.step}")
    height, width = frontier.size
    task = "" if frontier.task is None else f" for {frontier.task}"
    accuracy = unit.say(frontier.dense_accuracy)
    title = f"{frontier.model}{task}, searched (dense: {accuracy} {frontier.metric})"
    footer = f"{frontier.device}, {frontier.dtype}, {height}x{width}, batch {frontier.batch}"
    return finish_figure(figure, axes, title, footer)
