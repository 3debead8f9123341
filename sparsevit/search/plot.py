"""The trade-off that a search found, as PNG."""

from __future__ import annotations

from collections.abc import Sequence

from sparsevit.plots import DENSE_COLOUR, finish_figure, start_figure
from sparsevit.search.frontier import Frontier, FrontierPoint

_TRIED_COLOUR = "#BBBBBB"
_BUDGET_COLOUR = "#D55E00"


def draw_frontier(frontier: Frontier, tried: Sequence[FrontierPoint] = ()) -> bytes:
    """Accuracy against latency, a PNG of 1280x840 pixels.

    Args:
        frontier: its points are drawn as measured.
        tried: every schedule that was evaluated; drawn as predicted, in grey. Their accuracies may
            be over fewer pictures than the frontier's.
    """
    figure, axes = start_figure()
    axes.scatter(
        [point.predicted_ms for point in tried],
        [100 * point.accuracy for point in tried],
        color=_TRIED_COLOUR,
        s=9,
        label=f"{len(tried)} tried (latency predicted)",
    )
    axes.plot(
        [point.best_known_ms for point in frontier.points],
        [100 * point.accuracy for point in frontier.points],
        "o-",
        markersize=5,
        linewidth=1.8,
        label="frontier (latency measured)",
        zorder=3,
    )
    dense = (frontier.dense_ms, 100 * frontier.dense_accuracy)
    axes.plot(*dense, "D", color=DENSE_COLOUR, label="dense", zorder=4)
    if frontier.budget_ms is not None:
        axes.axvline(
            frontier.budget_ms,
            color=_BUDGET_COLOUR,
            linestyle="--",
            label=f"budget, {frontier.budget_ms:.0f} ms",
        )
    axes.set_xlabel("latency, ms")
    axes.set_ylabel(f"{frontier.metric}, %")
    height, width = frontier.size
    title = f"{frontier.model}, searched: {frontier.metric} over {frontier.pictures} pictures"
    footer = f"{frontier.device}, {frontier.dtype}, {height}x{width}, batch {frontier.batch}"
    return finish_figure(figure, axes, title, footer)
