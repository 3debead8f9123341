"""What stands and moves on pavements and road: trees, lamps, signs, people and traffic."""

import math

import numpy as np

from sparsevit.data.streets.camera import NEAR_M
from sparsevit.data.streets.classes import VOID
from sparsevit.data.streets.furniture import (
    SIGNS,
    draw_beacon,
    draw_bollard,
    draw_clutter,
    draw_lamp,
    draw_poles,
    draw_sign,
    draw_signal,
)
from sparsevit.data.streets.layout import Band, Layout
from sparsevit.data.streets.plots import add_fence

_REACH_M = 130.0  # nothing smaller than a house is placed beyond it


def furnish_pavement(layout: Layout, side: int) -> None:
    """Trees, lamps, signs, bollards and clutter on one pavement."""
    street, rng = layout.street, layout.rng
    kerb, limit = street.kerb(side), min(street.end - 4, _REACH_M)
    inner = side * (kerb + max(0.5, street.verge_m[side > 0] * 0.5))
    if rng.random() < 0.3 + 0.65 * layout.leafy:
        for z in np.arange(rng.uniform(6, 14), limit, rng.uniform(7, 16)):
            if rng.random() < 0.8 and not street.is_open(side, z):
                tall = float(rng.uniform(5.5, 11))
                layout.add_tree(inner + side * 0.3, float(z), tall, Band.KERB, True)
    _light_pavement(layout, side, inner, limit)
    for z in rng.uniform(8, min(70, limit), int(rng.poisson(3.2))):
        kind = SIGNS[min(int(rng.exponential(3.2)), len(SIGNS) - 1)]
        at = inner if rng.random() < 0.7 else side * (street.plots(side) - 0.4)
        behind = bool(side != street.drive and rng.random() < 0.6)
        if not street.is_open(side, z, 0.0):
            layout.add_at(at, z, Band.KERB, draw_sign, kind, behind)
    if rng.random() < 0.3:
        first, style = float(rng.uniform(4, 30)), int(rng.integers(4))
        for z in first + np.arange(int(rng.integers(4, 12))) * 1.6:
            if z < limit and not street.is_open(side, z):
                layout.add_at(side * (kerb + 0.35), z, Band.KERB, draw_bollard, style)
    if rng.random() < 0.22:  # a guard rail at the kerb
        z = float(rng.uniform(4, 30))
        end = float(min(z + rng.uniform(6, 24), limit))
        add_fence(layout, "railings", side * (kerb + 0.3), z, end, 1.0)
    for z in rng.uniform(6, 60, int(rng.poisson(1.3))):
        at = side * float(rng.uniform(kerb + 0.7, max(street.plots(side) - 0.4, kerb + 0.8)))
        if not street.is_open(side, z):
            layout.add_at(at, z, Band.PATH, draw_clutter, int(rng.integers(5)))


def _light_pavement(layout: Layout, side: int, inner: float, limit: float) -> None:
    """Lamps, or poles with wires between them."""
    street, rng = layout.street, layout.rng
    at = inner if rng.random() < 0.7 else side * (street.plots(side) - 0.3)
    spaced = np.arange(rng.uniform(5, 20), limit, rng.uniform(20, 32)).tolist()
    places = [z for z in spaced if not street.is_open(side, z)]
    kind, style = rng.random(), int(rng.integers(20))
    if kind < 0.8:
        for z in places:
            layout.add_at(at, z, Band.KERB, draw_lamp, -side, style)
    elif kind < 0.92:
        spots = [street.point(at, z) for z in places]
        for number, spot in enumerate(spots):
            following = spots[number + 1] if number + 1 < len(spots) else None
            layout.add(spot[2], Band.KERB, draw_poles, spot, following)


def populate_pavement(layout: Layout, side: int) -> None:
    """People on one pavement."""
    street, rng = layout.street, layout.rng
    kerb, plots = street.kerb(side), street.plots(side)
    for z in rng.uniform(5, min(70.0, street.end - 4), int(rng.poisson(1 + 7 * layout.busy))):
        at = side * float(rng.uniform(kerb + 0.7, max(plots - 0.4, kerb + 0.9)))
        yaw = street.yaw(float(z), int(rng.choice((1, -1)))) + float(rng.normal(0, 0.25))
        for i in range(1 + int(rng.random() < 0.25)):
            layout.add_figure(at + 0.6 * i, float(z) + 0.1 * i, yaw, False, Band.PATH)
    if rng.random() < 0.08:
        z = float(rng.uniform(8, 40))
        layout.add_figure(side * (kerb + 0.9), z, street.yaw(z), True, Band.PATH)


def park_side(layout: Layout, side: int) -> None:
    """Parked cars on one side of the street, or in front of its houses."""
    street, rng = layout.street, layout.rng
    full, limit = float(rng.uniform(0.2, 0.9)), min(street.end - 8, 120.0)
    kinds = {"car": 1.0, "van": 0.14, "lorry": 0.02}
    if street.parking[side > 0]:
        z = float(rng.uniform(4, 9))
        while z < limit:
            clear = street.is_clear(z) and not street.is_open(side, z, 4.5)
            if rng.random() < full and clear:
                way = int(rng.choice((1, -1), p=(0.75, 0.25))) * side * street.drive
                at = side * (street.kerb(side) - 1.05 + float(rng.normal(0, 0.08)))
                layout.add_vehicle(at, z, kinds, Band.KERB, moving=False, way=way)
            z += float(rng.uniform(5.3, 6.6))
    elif street.setback_m[side > 0] > 5:
        for z in np.arange(rng.uniform(5, 14), limit, 13.0):
            if rng.random() < full and not street.is_open(side, z, 4):
                yaw, at = float(rng.choice((0.0, math.pi))), side * (street.plots(side) + 2.6)
                layout.add_vehicle(at, float(z), kinds, Band.YARD, moving=False, yaw=yaw)


def add_traffic(layout: Layout) -> None:
    """Cars in every lane, and cyclists."""
    street, rng = layout.street, layout.rng
    kinds = {"car": 1.0, "van": 0.17, "bus": 0.07, "lorry": 0.07}
    limit = min(street.end - 3, _REACH_M)
    for way in (1, -1):
        for lane in range(street.lanes):
            at = street.drive * way * (lane + 0.5) * street.lane_m
            own = way == 1 and abs(at + street.shift) < 1.6
            z = float(rng.uniform(9, 40) if own else rng.uniform(5, 34))
            if own and street.stop is not None and rng.random() < 0.5:
                z = street.stop - 3.0  # waiting at the lights
            while z < limit:
                zebra = street.crossing is not None and -4 < z - street.crossing < 6
                if rng.random() < 0.85 and not zebra:
                    place = at + float(rng.normal(0, 0.15))
                    layout.add_vehicle(place, z, kinds, Band.ROAD, way=way)
                queue = rng.random() < layout.busy * 0.6
                z += float(rng.uniform(6.5, 14) if queue else rng.uniform(14, 50))
    for _ in range(int(rng.poisson(1.3 * layout.busy + 0.5))):
        way, z = int(rng.choice((1, -1))), float(rng.uniform(6, min(45, limit)))
        side = street.drive * way
        at = side * (street.kerb(side) - (2.6 if street.parking[side > 0] else 0.7))
        if layout.take(at, z, 2.4, 1.5):
            layout.add_figure(at, z, street.yaw(z, way), True, Band.ROAD)


def guard_crossings(layout: Layout) -> None:
    """Beacons and people at the zebra crossing, or traffic lights at the stop line."""
    street, rng = layout.street, layout.rng
    z = street.crossing
    if z is not None:
        for side in (-1, 1):
            if rng.random() < 0.6:
                layout.add_at(side * (street.kerb(side) + 0.4), z, Band.KERB, draw_beacon)
        for _ in range(int(rng.integers(0, 4))):
            at = float(rng.uniform(-street.kerb(-1), street.kerb(1)))
            yaw = float(rng.choice((0.0, math.pi)))
            layout.add_figure(at, z + float(rng.uniform(0.5, 2.2)), yaw, False, Band.ROAD)
    elif rng.random() < 0.2:
        at, z = float(rng.uniform(-3, 3)), float(rng.uniform(9, 40))
        layout.add_figure(at, z, float(rng.choice((0.0, math.pi))), False, Band.ROAD)
    if street.stop is None:
        return
    state, arm = int(rng.choice((0, 1, 2), p=(0.45, 0.1, 0.45))), bool(rng.random() < 0.3)
    for side in (-1, 1):
        reach = -side * street.kerb(side) * 0.6 if arm and side == street.drive else 0.0
        at = side * (street.kerb(side) + 0.4)
        layout.add_at(at, street.stop + 0.5, Band.KERB, draw_signal, state, reach)
    far, side = street.stop + 18, -street.drive
    if far < street.end - 4:
        layout.add_at(side * (street.kerb(side) + 0.5), far, Band.KERB, draw_signal, state, 0.0)


def add_own_bonnet(layout: Layout) -> None:
    """The bonnet of the car that carries the camera, at the lower edge of the picture."""
    canvas, rng = layout.canvas, layout.rng
    camera = canvas.camera
    row = canvas.height * float(rng.uniform(0.87, 0.99))
    if rng.random() > 0.14 or camera.height_m > 1.75:
        return
    ahead = float(rng.uniform(1.5, 2.2))
    up = camera.height_m - (row - camera.cy) * ahead / camera.fy
    share = np.linspace(-1, 1, 17)
    edge = np.stack([share * 0.86, 0 * share + up, ahead - 0.28 * share**4], -1)
    outline = np.concatenate([edge, [(0.95, up, NEAR_M), (-0.95, up, NEAR_M)]])
    colour = rng.uniform(14, 170, 1) * rng.uniform(0.85, 1.1, 3)
    light = canvas.light
    canvas.fill(outline, light.lit(colour * 0.6, (0, 1, 0), 1.0, 0.1), VOID)
    inner = np.concatenate([np.subtract(edge, (0, 0, 0.05)) * (0.93, 1, 1), outline[17:]])
    canvas.fill(inner, light.lit(colour, (0, 0.95, 0.3), 1.0, 0.3))
