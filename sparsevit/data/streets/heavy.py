"""Buses and lorries, as meshes made of boxes."""

from functools import lru_cache

import numpy as np

from sparsevit.data.streets.mesh import Mesh, MeshBuilder
from sparsevit.data.streets.vehicles import ROLES, add_tread, add_wheels


class _Box:
    """Adds an upright box and what lies on its faces."""

    def __init__(
        self, mesh: MeshBuilder, a: tuple[float, float], y: tuple[float, float], half: float
    ) -> None:
        self.mesh, self.a, self.y, self.half = mesh, a, y, half

    def side(self, s: int, role: str) -> None:
        (a0, a1), (y0, y1) = self.a, self.y
        w = s * self.half
        corners = [(a0, y0, w), (a1, y0, w), (a1, y1, w), (a0, y1, w)]
        self.mesh.add(corners, role, (0, 0, s), label=True)

    def on_side(self, s: int, a0: float, a1: float, y0: float, y1: float, role: str) -> None:
        w = s * (self.half + 0.01)
        self.mesh.detail([(a0, y0, w), (a1, y0, w), (a1, y1, w), (a0, y1, w)], role)

    def end(self, way: int, role: str) -> None:
        at, (y0, y1), w = self.a[way > 0], self.y, self.half
        corners = [(at, y0, -w), (at, y0, w), (at, y1, w), (at, y1, -w)]
        self.mesh.add(corners, role, (way, 0, 0), label=True)

    def on_end(self, way: int, s0: float, s1: float, y0: float, y1: float, role: str) -> None:
        at = self.a[way > 0] + way * 0.01
        self.mesh.detail([(at, y0, s0), (at, y0, s1), (at, y1, s1), (at, y1, s0)], role)

    def top(self, role: str) -> None:
        (a0, a1), y1, w = self.a, self.y[1], self.half
        corners = [(a0, y1, -w), (a1, y1, -w), (a1, y1, w), (a0, y1, w)]
        self.mesh.add(corners, role, (0, 1, 0), label=True)


@lru_cache(maxsize=2)
def build_bus(decks: int) -> Mesh:
    """A city bus with one deck or two."""
    length, half, top = 11.2, 1.25, 3.0 if decks == 1 else 4.3
    mesh = MeshBuilder(ROLES)
    box = _Box(mesh, (0.0, length), (0.32, top), half)
    add_tread(mesh, (2.6, length - 2.7), 0.48, half, 0.4)
    for way in (-1, 1):
        box.end(way, "paint")
        box.on_end(way, -half + 0.04, half - 0.04, 0.34, 0.62, "sill")
        box.on_end(way, -half, half, 0.62, 0.95, "second")
        low, high = (1.15, 2.35) if way > 0 else (1.5, 2.3)
        box.on_end(way, -half + 0.1, half - 0.1, low, high, "glass")
        box.on_end(way, -half + 0.14, half - 0.14, (low + high) / 2, high - 0.06, "sky glass")
        box.on_end(way, -half + 0.3, half - 0.3, 2.45, 2.75, "black")
        if way > 0:
            box.on_end(way, -0.7, 0.6, 2.5, 2.7, "indicator")  # where it goes
        if decks == 2:
            box.on_end(way, -half + 0.1, half - 0.1, 3.0, 3.9, "glass")
            box.on_end(way, -half + 0.14, half - 0.14, 3.45, 3.86, "sky glass")
        lamp = "front lamp" if way > 0 else "rear lamp"
        for s in (-1, 1):
            box.on_end(way, s * (half - 0.35), s * (half - 0.06), 0.66, 0.86, lamp)
        plate = "front plate" if way > 0 else "rear plate"
        box.on_end(way, -0.27, 0.27, 0.42, 0.54, plate)
    box.top("paint")
    for s in (-1, 1):
        box.side(s, "paint")
        box.on_side(s, 0.05, length - 0.05, 0.34, 0.55, "sill")
        box.on_side(s, 0, length, 0.55, 0.95, "second")
        for y0, y1 in ((1.25, 2.3), (3.0, 3.85))[:decks]:
            box.on_side(s, 0.25, length - 0.2, y0, y1, "glass")
            box.on_side(s, 0.3, length - 0.25, (y0 + y1) / 2, y1 - 0.05, "sky glass")
            for at in np.arange(1.6, length - 1, 1.45):
                box.on_side(s, at - 0.05, at + 0.05, y0, y1, "black")
        for at in (length - 1.5, length - 6.6) if s > 0 else ():
            box.on_side(s, at, at + 1.1, 0.4, 2.35, "glass")
            box.on_side(s, at + 0.53, at + 0.57, 0.4, 2.35, "black")
        add_wheels(mesh, (2.6, length - 2.7), 0.48, half, s)
        w = s * (half + 0.22)
        mirror = [
            (length, 1.9, s * half),
            (length, 1.9, w),
            (length, 2.3, w),
            (length, 2.3, s * half),
        ]
        mesh.add(mirror, "black", (1, 0, 0), label=True)
        mesh.add(mirror, "black", (-1, 0, 0), label=True)
    return mesh.build()


@lru_cache(maxsize=2)
def build_lorry(long: bool) -> Mesh:
    """A lorry: a cab in front of a box."""
    length, half = (9.4, 1.24) if long else (6.6, 1.1)
    top, cab_top = (3.7, 2.9) if long else (3.1, 2.4)
    cab = 2.0 if long else 1.7
    radius = 0.5 if long else 0.4
    mesh = MeshBuilder(ROLES)
    axles = (1.6, length - 1.2)
    add_tread(mesh, axles, radius, half, 0.4)
    load = _Box(mesh, (0.0, length - cab - 0.15), (0.85, top), half)
    frame = _Box(mesh, (0.3, length - cab), (0.5, 0.85), half - 0.2)
    front = _Box(mesh, (length - cab, length), (0.4, cab_top), half - 0.03)
    for way in (-1, 1):
        frame.end(way, "black")
        load.end(way, "second")
        front.end(way, "paint")
    load_back = _Box(mesh, (0.0, 0.0), (0.85, top), half)
    load_back.end(-1, "second")
    load_back.on_end(-1, -0.015, 0.015, 0.9, top - 0.1, "line")
    for s in (-1, 1):
        load_back.on_end(-1, s * (half - 0.34), s * (half - 0.04), 0.88, 1.04, "rear lamp")
    load_back.on_end(-1, -0.27, 0.27, 0.88, 1.0, "rear plate")
    nose = _Box(mesh, (length, length), (0.4, cab_top), half - 0.03)
    nose.end(1, "paint")
    low = 1.45 if long else 1.25
    nose.on_end(1, -half + 0.12, half - 0.12, low, cab_top - 0.25, "glass")
    nose.on_end(1, -half + 0.16, half - 0.16, (low + cab_top) / 2, cab_top - 0.3, "sky glass")
    nose.on_end(1, -half + 0.3, half - 0.3, 0.85, low - 0.2, "black")
    nose.on_end(1, -half + 0.05, half - 0.05, 0.42, 0.7, "sill")
    nose.on_end(1, -0.27, 0.27, 0.48, 0.6, "front plate")
    for s in (-1, 1):
        nose.on_end(1, s * (half - 0.4), s * (half - 0.08), 0.72, 0.9, "front lamp")
    for box, role in ((load, "second"), (front, "paint")):
        box.top(role)
    for s in (-1, 1):
        frame.side(s, "black")
        load.side(s, "second")
        load.on_side(s, 0.5, length - cab - 0.8, top - 1.5, top - 0.7, "paint")
        load.on_side(s, 0, length - cab - 0.15, 0.86, 0.95, "line")
        front.side(s, "paint")
        front.on_side(s, length - cab + 0.6, length - 0.15, low, cab_top - 0.3, "glass")
        front.on_side(
            s, length - cab + 0.6, length - 0.15, (low + cab_top) / 2, cab_top - 0.35, "sky glass"
        )
        front.on_side(s, length - cab + 0.5, length - cab + 0.53, 0.6, cab_top - 0.25, "line")
        add_wheels(mesh, axles, radius, half, s)
    return mesh.build()
