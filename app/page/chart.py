"""A scatter plot as SVG: axes with units, lines, points that can be pressed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from markupsafe import Markup

_WIDTH, _HEIGHT = 560, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 16, 14, 52
_TICKS = 5
_RADII = {"sparse": 5.5, "found": 4.5, "shipped": 4.5, "tried": 3}


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
        current: ringed.
        doubtful: hollow, as its x is not worth quoting.
    """

    x: float
    y: float
    kind: str
    words: str
    index: int | None = None
    label: str = ""
    current: bool = False
    doubtful: bool = False


@dataclass(frozen=True)
class Limit:
    """A line across the chart, for what x should not exceed.

    Attributes:
        x: in the units of the axis.
        label: written beside it.
    """

    x: float
    label: str


def draw_chart(
    marks: Sequence[Mark],
    x_title: str,
    y_title: str,
    words: str,
    lines: Sequence[Sequence[Mark]] = (),
    limit: Limit | None = None,
) -> Markup:
    """SVG of some points.

    Args:
        marks: at least one.
        x_title, y_title: of the axes, with units.
        words: what the chart shows, in one sentence.
        lines: each some points joined in this order, in the colour of their kind.
        limit: of x.
    """
    limits = [limit.x] if limit is not None else []
    x_ticks = _choose_ticks([*(mark.x for mark in marks), *limits], from_zero=True)
    y_ticks = _choose_ticks([mark.y for mark in marks], from_zero=False)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        left = _LEFT + across * (_WIDTH - _LEFT - _RIGHT)
        return round(left, 1), round(_HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM), 1)

    parts = [f"<title>{escape(words)}</title>"]
    for tick in x_ticks:
        x, bottom = place(tick, y_ticks[0])
        parts.append(f'<line x1="{x}" x2="{x}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>')
    for tick in y_ticks:
        left, y = place(x_ticks[0], tick)
        parts.append(f'<line x1="{left}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(
        f'<text class="sv-axis" x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">'
        f"{escape(x_title)}</text>"
    )
    height = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(
        f'<text class="sv-axis" transform="translate(15 {height}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_title)}</text>'
    )
    if limit is not None:
        parts.append(_draw_limit(limit, place(limit.x, y_ticks[0])))
    for line in lines:
        if len(line) > 1:
            path = " ".join("{},{}".format(*place(mark.x, mark.y)) for mark in line)
            parts.append(f'<polyline class="{line[0].kind}" points="{path}"/>')
    parts += [_draw_mark(mark, *place(mark.x, mark.y)) for mark in marks]
    return Markup(
        f'<svg class="sv-chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="group" '
        f'aria-label="{escape(words)}">{"".join(parts)}</svg>'
    )


def _draw_limit(limit: Limit, foot: tuple[float, float]) -> str:
    x, bottom = foot
    return (
        f'<g class="sv-limit"><line x1="{x}" x2="{x}" y1="{_TOP}" y2="{bottom}"/>'
        f'<text x="{x - 6}" y="{bottom - 8}" text-anchor="end">{escape(limit.label)}</text></g>'
    )


def _draw_mark(mark: Mark, x: float, y: float) -> str:
    shape = (
        f'<rect x="{x - 5}" y="{y - 5}" width="10" height="10"/>'
        if mark.kind == "dense"
        else f'<circle cx="{x}" cy="{y}" r="{_RADII[mark.kind]}"/>'
    )
    ring = f'<circle class="sv-ring" cx="{x}" cy="{y}" r="11"/>' if mark.current else ""
    at_right = x > _WIDTH * 0.75
    label = (
        f'<text x="{x - 10 if at_right else x + 10}" y="{y + 4}" '
        f'text-anchor="{"end" if at_right else "start"}">{escape(mark.label)}</text>'
        if mark.label
        else ""
    )
    words = escape(mark.words)
    role = 'role="img"'
    if mark.kind == "tried":  # too many to be read out one by one
        return f'<g class="sv-mark tried" aria-hidden="true"><title>{words}</title>{shape}</g>'
    if mark.index is not None:
        role = f'role="button" tabindex="0" data-index="{mark.index}"'
    kind = f"{mark.kind} doubtful" if mark.doubtful else mark.kind
    return (
        f'<g class="sv-mark {kind}" {role} aria-label="{words}"><title>{words}</title>'
        f"{ring}{shape}{label}</g>"
    )


def _choose_ticks(values: Sequence[float], from_zero: bool) -> list[float]:
    """Round numbers, evenly spaced, that hold all values."""
    low, high = (0.0 if from_zero else min(values)), max(values)
    spread = max(high - low, abs(high) * 0.02, 1e-6)
    rough = spread / _TICKS
    unit = 10.0 ** floor(log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough)
    first, last = floor(low / step), ceil(high / step)
    last = max(last, first + 1)
    return [round(step * number, 10) for number in range(first, last + 1)]
