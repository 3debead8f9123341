"""What stands beside the pavements: buildings, gardens, gaps and side streets."""

import itertools
import math
from typing import Any

import numpy as np

from sparsevit.data.streets.buildings import choose_style, draw_building
from sparsevit.data.streets.facades import Style
from sparsevit.data.streets.fences import draw_boards, draw_hedge, draw_low_wall, draw_railings
from sparsevit.data.streets.foliage import choose_hues, draw_bush
from sparsevit.data.streets.layout import Band, Layout
from sparsevit.data.streets.plan import FAR_M, Opening

_FLOORS = {"villa": (1, 3), "shops": (2, 5), "city": (3, 7), "office": (3, 8), "terrace": (2, 4)}
_PIECE_M = 4.0  # fences are drawn in pieces short enough to sort


def build_side(layout: Layout, side: int) -> None:
    """Fill the plots on one side of the street."""
    street, rng = layout.street, layout.rng
    green = street.green[side > 0]
    kinds = ("villa", "terrace") if green else ("terrace", "shops", "city", "office")
    shares = (0.55, 0.45) if green else (0.28, 0.36, 0.26, 0.1)
    mood = str(rng.choice(kinds, p=shares))
    row = choose_style(rng, mood), int(rng.integers(*_FLOORS["terrace"]))
    limit = min(street.end - 8, FAR_M - 8)
    gaps = [opening for opening in street.openings if opening.side == side]
    z, corner = -4.0, False
    while z < limit:
        gap = next((o for o in gaps if o.z0 - 2.5 < z + 9 and z < o.z1 + 2), None)
        if gap is not None:
            if gap.z0 - 2.5 - z > 5:
                _build_plot(layout, side, z, gap.z0 - 2.5, mood, *row, False)
            _open_side_street(layout, gap)
            z, corner = gap.z1 + 2.5, True
            continue
        length = float(rng.uniform(6, 11) if mood == "terrace" else rng.uniform(8, 19))
        length = min(length, limit - z + 3)
        if rng.random() < 0.12:
            row = choose_style(rng, mood), int(rng.integers(*_FLOORS["terrace"]))
        if rng.random() < 0.06:
            mood = str(rng.choice(kinds, p=shares))
        open_share = 0.06 + 0.3 * layout.leafy * green + 0.22 * layout.leafy**2
        if rng.random() < open_share and not corner and length > 6:
            _leave_gap(layout, side, z, z + length)
        else:
            own = row
            if mood != "terrace":
                own = choose_style(rng, mood), int(rng.integers(*_FLOORS[mood]))
            _build_plot(layout, side, z, z + length, mood, *own, corner)
        z, corner = z + length, False


def _build_plot(
    layout: Layout,
    side: int,
    z0: float,
    z1: float,
    mood: str,
    style: Style,
    floors: int,
    corner: bool,
) -> None:
    street, rng = layout.street, layout.rng
    front = street.front(side) + (float(rng.uniform(0, 1.5)) if mood == "villa" else 0.0)
    apart = float(rng.uniform(1.5, 4)) if mood == "villa" else 0.0
    end = max(z1 - apart, z0 + 4)
    start, stop = street.point(side * front, z0), street.point(side * front, end)
    deep = side * (28.0 if corner else 9.0)
    layout.add(end - 0.05, Band.PLOT, draw_building, start, stop, deep, floors, style)
    near, far = street.point(side * front, max(z0, 0.5)), street.point(side * front, max(end, 1.0))
    tall = style.ground_m + style.floor_m * (floors - 1) + 2.0 * style.pitched
    layout.shade_block(near, far, tall)
    setback = front - street.plots(side)
    if setback > 0.8:
        _plant_garden(layout, side, z0, z1, setback)
    if apart > 2 and rng.random() < 0.6:
        at = side * (front + 5)
        layout.add_tree(at, end + apart / 2, float(rng.uniform(6, 10)), Band.PLOT)


def _plant_garden(layout: Layout, side: int, z0: float, z1: float, deep: float) -> None:
    street, rng = layout.street, layout.rng
    at = side * (street.plots(side) + 0.1)
    kinds = ("hedge", "wall", "railings", "boards", "none")
    kind = str(rng.choice(kinds, p=(0.28, 0.26, 0.2, 0.12, 0.14)))
    add_fence(layout, kind, at, z0, z1, float(rng.uniform(0.6, 1.5)))
    if deep < 1.8 or rng.random() < 0.25:
        return
    hues = choose_hues(rng)
    for _ in range(int(rng.integers(1, 4))):
        z, x = float(rng.uniform(z0, z1)), at + side * float(rng.uniform(0.6, deep - 0.4))
        if z > 3:
            size = float(rng.uniform(1, 2.6)), float(rng.uniform(0.7, 2.0))
            layout.add_at(x, z, Band.YARD, draw_bush, size, int(rng.integers(5)), hues)
    if deep > 3 and rng.random() < 0.5:
        z, tall = float(rng.uniform(z0, z1)), float(rng.uniform(3.5, 7))
        layout.add_tree(at + side * 2, z, tall, Band.YARD)


def add_fence(layout: Layout, kind: str, lateral: float, z0: float, z1: float, tall: float) -> None:
    """A "hedge", "wall", "railings", "boards" or "none" along the street."""
    street, rng = layout.street, layout.rng
    hues, style, seed = choose_hues(rng), int(rng.integers(8)), int(rng.integers(2**31))
    tone = rng.uniform(0, 1)
    brick = np.array((118, 74, 60)) * (1 - tone) + np.array((176, 152, 118)) * tone
    draw: Any
    draw, args = {
        "hedge": (draw_hedge, (tall, 0.7, hues)),
        "wall": (draw_low_wall, (tall * 0.8, brick)),
        "railings": (draw_railings, (max(tall, 0.9), style)),
        "boards": (draw_boards, (tall + 0.4, seed)),
    }.get(kind, (None, ()))
    if draw is None:
        return
    z0 = max(z0, 1.0)
    cuts = [z0, *np.arange(math.ceil(z0 / _PIECE_M) * _PIECE_M, z1, _PIECE_M), z1]
    for a, b in itertools.pairwise(cuts):
        if b - a > 0.3:
            ends = street.point(lateral, float(a)), street.point(lateral, float(b))
            layout.add(b - 0.01, Band.EDGE, draw, *ends, *args)


def _leave_gap(layout: Layout, side: int, z0: float, z1: float) -> None:
    """A gap between houses: trees and bushes behind a fence."""
    street, rng = layout.street, layout.rng
    kinds = ("railings", "hedge", "boards", "wall", "none")
    kind = str(rng.choice(kinds, p=(0.28, 0.22, 0.2, 0.15, 0.15)))
    at = street.plots(side) + 0.1
    add_fence(layout, kind, side * at, z0, z1, float(rng.uniform(0.8, 1.9)))
    for _ in range(max(1, int((z1 - z0) / rng.uniform(2.5, 5)))):
        x, z = side * (at + float(rng.uniform(1.5, 10))), float(rng.uniform(z0 + 0.5, z1))
        layout.add_tree(x, z, float(rng.uniform(6, 13)), Band.YARD)
    hues = choose_hues(rng)
    for z in np.arange(max(z0, 4) + 0.5, z1, 1.6):
        size = float(rng.uniform(2, 3.4)), float(rng.uniform(1.2, 3))
        x = side * (at + float(rng.uniform(1.5, 4)))
        layout.add_at(x, z, Band.YARD, draw_bush, size, int(rng.integers(5)), hues)


def _open_side_street(layout: Layout, opening: Opening) -> None:
    """What one sees along a side street: trees at its end, cars waiting to come out."""
    street, rng = layout.street, layout.rng
    side, z0, z1 = opening.side, opening.z0, opening.z1
    for at in (44.0, 62.0):
        x = side * (street.plots(side) + at)
        layout.add_tree(x, (z0 + z1) / 2, float(rng.uniform(9, 15)), Band.PLOT)
    if rng.random() < 0.6:
        x = side * (street.plots(side) + 14)
        layout.add_tree(x, z1 + 1.2, float(rng.uniform(5, 9)), Band.PLOT)
    for lane, way in ((0.3, 1), (0.7, -1)):
        if rng.random() < 0.45:
            x = side * (street.kerb(side) + float(rng.uniform(2.8, 12)))
            yaw = 0.0 if side * way < 0 else math.pi
            kinds = {"car": 1.0, "van": 0.2}
            layout.add_vehicle(x, z0 + (z1 - z0) * lane, kinds, Band.PATH, yaw=yaw)


def close_end(layout: Layout) -> None:
    """Where the street ends at another: the houses across, and what drives along there."""
    street, rng = layout.street, layout.rng
    if street.end >= FAR_M:
        return
    z = street.end + 13 + 4 * layout.leafy
    middle = float(street.x(0, street.end))
    mood = str(rng.choice(("terrace", "shops", "city", "villa")))
    style, floors = choose_style(rng, mood), int(rng.integers(2, 5))
    x = middle - 64.0
    while x < middle + 64:
        wide = float(rng.uniform(7, 16))
        if rng.random() < 0.22:
            for _ in range(3):
                at, deep = x + float(rng.uniform(0, wide)), z + float(rng.uniform(0, 6))
                layout.add_tree_at(at, deep, float(rng.uniform(7, 13)), Band.PLOT)
        else:
            ends = (x, 0.0, z), (x + wide, 0.0, z)
            layout.add(z, Band.PLOT, draw_building, *ends, -10.0, floors, style)
        if rng.random() < 0.5:
            style, floors = choose_style(rng, mood), int(rng.integers(2, 5))
        x += wide
    for lane in (2.5, 7.5):
        for side in (-1, 1):
            if rng.random() < 0.35:
                yaw = math.pi if (lane > 5) == (street.drive > 0) else 0.0
                at, kinds = side * float(rng.uniform(4, 16)), {"car": 1, "van": 0.2, "bus": 0.1}
                layout.add_vehicle(at, street.end + lane, kinds, Band.ROAD, yaw=yaw)
    for _ in range(int(rng.integers(0, 5))):
        at, deep = float(rng.normal(0, 9)), street.end + float(rng.uniform(10.8, 12.5))
        layout.add_figure(at, deep, float(rng.choice((0.0, math.pi))), False, Band.PATH)
