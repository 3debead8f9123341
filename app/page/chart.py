"""The data of the page's curves and bars, as JSON will have it; ``chart.js`` draws them.

What commands write to files is drawn by matplotlib, see :mod:`sparsevit.draw.curves`: a file needs
no browser, and the page no matplotlib.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_DECIMALS = 4

#: Plain data that becomes JSON.
Chart = Mapping[str, Any]


@dataclass(frozen=True)
class Mark:
    """One point.

    Attributes:
        x, y: in the units of the axes.
        kind: "dense", "sparse", "found" or "shipped" (of a frontier) or "tried" (by a search): its
            colour and shape.
        words: what it is, for the tooltip and for screen readers.
        index: what pressing it selects; None for a point that cannot be pressed.
        label: written beside it.
        is_current: ringed.
        is_doubtful: hollow, as its x is not worth quoting.
    """

    x: float
    y: float
    kind: str
    words: str
    index: int | None = None
    label: str = ""
    is_current: bool = False
    is_doubtful: bool = False


@dataclass(frozen=True)
class Limit:
    """A line across the chart, for what x should not exceed.

    Attributes:
        x: in the units of the axis.
        label: written beside it.
    """

    x: float
    label: str


@dataclass(frozen=True)
class Row:
    """One or two bars, the lengths in the unit of the chart.

    Attributes:
        bars: (kind, length) each, one below the other; the kind is "dense", "sparse", "ideal",
            "a" or "b".
        name, value, about: written before and after them; no name, no words.
        range: two lengths between which a line is drawn over the only bar.
        at: where a mark stands over the last bar.
        track: the whole that the bars are a part of.
    """

    bars: Sequence[tuple[str, float]]
    name: str | None = None
    value: str = ""
    about: str = ""
    range: tuple[float, float] | None = None
    at: float | None = None
    track: float | None = None


def make_points(
    marks: Sequence[Mark],
    x_title: str,
    y_title: str,
    words: str,
    lines: Sequence[Sequence[Mark]] = (),
    limit: Limit | None = None,
) -> Chart:
    """A chart of points.

    Args:
        marks: at least one.
        x_title, y_title: of the axes, with units; x begins at 0.
        words: what the chart shows, in one sentence.
        lines: each some points joined in this order, in the colour of their kind.
        limit: of x.
    """
    return {
        "kind": "points",
        "words": words,
        "x": {"title": x_title, "from_zero": True},
        "y": {"title": y_title, "from_zero": False},
        "marks": [asdict(mark) | _place(mark) for mark in marks],
        "lines": [
            {"kind": line[0].kind, "points": [list(_place(mark).values()) for mark in line]}
            for line in lines
            if line
        ],
        "limit": limit and asdict(limit),
    }


def make_bars(rows: Sequence[Row], most: float, words: str = "") -> Chart:
    """A chart of bars.

    Args:
        rows: from top to bottom.
        most: the length that fills the whole width.
        words: what the chart shows, in one sentence; empty if the text beside it says so.
    """
    return {
        "kind": "bars",
        "words": words,
        "most": most,
        "rows": [_describe_row(row) for row in rows],
    }


def _place(mark: Mark) -> dict[str, float]:
    return {"x": round(mark.x, _DECIMALS), "y": round(mark.y, _DECIMALS)}


def _describe_row(row: Row) -> dict[str, Any]:
    """Without what it does not say."""
    bars = [{"kind": kind, "to": length} for kind, length in row.bars]
    said = {name: value for name, value in asdict(row).items() if value not in (None, "")}
    return said | {"bars": bars}
