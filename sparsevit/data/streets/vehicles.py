"""Cars and vans as meshes."""

import math
from functools import lru_cache

import numpy as np

from sparsevit.data.streets.bodies import BODIES, Body
from sparsevit.data.streets.mesh import Mesh, MeshBuilder

#: What the faces of a vehicle are made of; a scene says which colour each of them has.
ROLES = (
    *("paint", "lower", "sill", "glass", "sky glass", "black", "tyre", "rim", "front lamp"),
    *("rear lamp", "front plate", "rear plate", "second", "line", "indicator", "chrome"),
)
_REAR_PANE, _WINDSCREEN = 3, 7  # the strips of an outline that are glass
_FLAT = 0.72  # share of the width that is flat; beyond it the ends are rounded off


class _Shell:
    """The painted outside of a body.

    Attributes:
        body: its shape.
        length: from bumper to bumper, metres.
        points: (14, 4, 3): the outline at the left edge, left and right of the flat part, and at
            the right edge.
    """

    def __init__(self, body: Body) -> None:
        ahead, up = np.array(body.ahead), np.array(body.up)
        self.body, self.length = body, float(ahead.max())
        half = body.half - body.lean * np.maximum(up - body.belt, 0)
        edge = np.zeros((len(up), 2))  # how far the edges are drawn in: ahead, up
        edge[ahead < 0.15, 0] = 0.11
        edge[ahead > self.length - 0.7, 0] = -0.08
        edge[ahead > self.length - 0.12, 0] = -0.2
        edge[up > up.max() - 0.1, 1] = -0.05
        self.points = np.empty((len(up), 4, 3))
        for i, share in enumerate((-1, -_FLAT, _FLAT, 1)):
            inwards = edge * (abs(share) == 1)
            self.points[:, i, 0] = ahead + inwards[:, 0]
            self.points[:, i, 1] = up + inwards[:, 1]
            self.points[:, i, 2] = half * share

    def end(self, way: int, aside: float) -> float:
        """Where the front (way 1) or the rear (-1) ends, that far from the middle."""
        past = max(abs(aside) / self.body.half - _FLAT, 0) / (1 - _FLAT)
        return self.length + 0.012 - 0.2 * past if way > 0 else 0.11 * past - 0.012


@lru_cache(maxsize=16)
def build_body(index: int) -> Mesh:
    """The mesh of `BODIES[index]`; its roles index `ROLES`."""
    shell = _Shell(BODIES[index])
    mesh = MeshBuilder(ROLES)
    add_tread(mesh, shell.body.axles, shell.body.wheel, shell.body.half, 0.2)
    floor = shell.body.half - 0.1
    corners = [(0.2, 0.22, -floor), (0.2, 0.22, floor), (0.1, 0.5, floor), (0.1, 0.5, -floor)]
    mesh.add(corners, "black", (-1, 0, 0), label=True, layer=0)
    for i in range(len(shell.points) - 1):
        _add_strip(mesh, shell, i)
    for way in (-1, 1):
        _add_end(mesh, shell, way)
    for s in (-1, 1):
        _add_flank(mesh, shell, s)
    return mesh.build()


def _add_strip(mesh: MeshBuilder, shell: _Shell, i: int) -> None:
    """One strip across the body, from a point of the outline to the next."""
    low, high = shell.points[i], shell.points[i + 1]
    run, rise, _ = high[1] - low[1]
    role = "black" if max(low[1, 1], high[1, 1]) < 0.45 else "paint"
    for j in range(3):
        out = (-rise, run, (j - 1) * 0.5 * math.hypot(run, rise))
        mesh.add([low[j], high[j], high[j + 1], low[j + 1]], role, out, label=True)
    if i not in (_REAR_PANE, _WINDSCREEN) or (i == _REAR_PANE and not shell.body.rear_pane):
        return
    top, foot = (high, low) if rise > 0 else (low, high)
    left, right = 0.06, 0.94

    def across(share: float, y: float) -> np.ndarray:
        edge = foot + (top - foot) * y
        point: np.ndarray = edge[0] + (edge[3] - edge[0]) * share
        return point

    def pane(y0: float, y1: float, role: str, first: bool) -> None:
        quad = [across(left, y0), across(right, y0), across(right, y1), across(left, y1)]
        if first:
            mesh.add(quad, role, (-rise, run, 0), layer=2)
        else:
            mesh.detail(quad, role)

    pane(0.06, 0.93, "glass", True)
    pane(0.5, 0.93, "sky glass", False)


def _add_end(mesh: MeshBuilder, shell: _Shell, way: int) -> None:
    """Lamps, plate, bumper and grille of the front (way 1) or of the rear (-1)."""
    body, van = shell.body, shell.body.kind == "van"

    def plate(s0: float, s1: float, y0: float, y1: float, role: str) -> None:
        cuts = [s0, s1]
        for knee in (-_FLAT * body.half, _FLAT * body.half):
            if min(s0, s1) < knee < max(s0, s1):
                cuts.append(knee)
        cuts.sort()
        top = [(shell.end(way, s), y1, s) for s in cuts]
        foot = [(shell.end(way, s), y0, s) for s in cuts[::-1]]
        mesh.add(top + foot, role, (way, 0, 0), layer=2)

    edge = body.half - 0.02
    if way > 0:
        top = body.up[10] + 0.02
        plate(-edge, edge, 0.31, 0.43, "sill")
        plate(-0.45, 0.45, top - 0.2, top - 0.05, "black")
        plate(-0.45, 0.45, top - 0.14, top - 0.12, "chrome")
        plate(-0.55, 0.55, 0.42, 0.5, "black")
        plate(-0.26, 0.26, 0.43, 0.54, "front plate")
        for s in (-1, 1):
            plate(s * (edge - 0.36), s * edge, top - 0.2, top - 0.02, "front lamp")
            plate(s * (edge - 0.07), s * edge, top - 0.18, top - 0.04, "indicator")
        return
    top = body.up[2] + (0.2 if van else 0.04)
    plate(-edge, edge, 0.31, 0.43, "sill")
    plate(-edge, edge, 0.6, 0.615, "line")
    plate(-0.26, 0.26, 0.62, 0.73, "rear plate")
    for s in (-1, 1):
        wide, tall = (0.13, 0.4) if van else (0.24, 0.17)
        plate(s * (edge - wide), s * edge, top - tall, top, "rear lamp")
        low, high = top - tall * 0.65, top - tall * 0.35
        plate(s * (edge - wide * 0.75), s * (edge - wide * 0.3), low, high, "front plate")
    if van:  # the gap between the rear doors
        plate(-0.012, 0.012, 0.5, max(body.up) - 0.15, "line")


def _add_flank(mesh: MeshBuilder, shell: _Shell, s: int) -> None:
    """A side: panels, windows, doors, mirror and wheels."""
    body, outline = shell.body, shell.points[:, 0 if s < 0 else 3]
    out = (0, 0.08, s)
    mesh.add(_cut(outline, body.belt, -1), "paint", out, label=True)

    def lay(corners: list[tuple[float, float]], role: str, lift: float = 0.006) -> None:
        xy = np.array(corners)
        wide = body.half - body.lean * np.maximum(xy[:, 1] - body.belt, 0) + lift
        mesh.detail(np.stack([xy[:, 0], xy[:, 1], s * wide], -1), role)

    def bar(at: float, y0: float, y1: float, thick: float, role: str) -> None:
        lay([(at, y0), (at + thick, y0), (at + thick, y1), (at, y1)], role, 0.01)

    first, last = 0.16, shell.length - 0.26
    middle = 0.5 * (body.belt + 0.3)
    lay([(first, 0.28), (last, 0.28), (last, middle - 0.12), (first, middle - 0.05)], "lower")
    lay([(first, 0.24), (last, 0.24), (last, 0.34), (first, 0.34)], "sill")
    cabin = _cut(outline, body.belt, 1)
    mesh.add(cabin, "paint", out, label=True)
    top = float(cabin[:, 1].max())
    roof = cabin[cabin[:, 1] > top - 0.12]
    x0, x1 = float(cabin[:, 0].min()), float(cabin[:, 0].max())
    r0, r1 = float(roof[:, 0].min()), float(roof[:, 0].max())
    y0, y1 = body.belt + 0.03, top - 0.08
    if body.kind == "van":
        x0 = r0 = x1 - 1.35
        y1 -= 0.1
    else:
        x0, r0 = x0 + 0.2, r0 + 0.06
    half_way = (y0 + y1) / 2
    mid0, mid1 = (x0 + r0) / 2, (x1 - 0.2 + r1) / 2
    lay([(x0, y0), (x1 - 0.2, y0), (r1 + 0.02, y1), (r0, y1)], "glass")
    lay([(mid0, half_way), (mid1, half_way), (r1 + 0.02, y1), (r0, y1)], "sky glass")
    for share in body.pillars:
        at = x0 + (x1 - x0) * share
        tip = at * 0.94 + 0.06 * (r0 + r1) / 2
        feet = [(at - 0.05, y0 - 0.02), (at + 0.05, y0 - 0.02)]
        lay([*feet, (tip + 0.05, y1 + 0.02), (tip - 0.05, y1 + 0.02)], "paint", 0.008)
        bar(at - 0.01, 0.36, y0, 0.02, "line")
    for at in (x0 + 0.15, x1 - 0.5):
        bar(at, 0.36, y0, 0.018, "line")
    for at in (x0 + 0.4, (x0 + x1) / 2 + 0.12):
        bar(at, body.belt - 0.13, body.belt - 0.1, 0.18, "line")
    add_wheels(mesh, body.axles, body.wheel, body.half, s)
    x, y, near, far = x1 - 0.42, body.belt + 0.02, s * body.half, s * (body.half + 0.16)
    mirror = [(x, y, near), (x, y, far), (x, y + 0.14, far), (x, y + 0.14, near)]
    mesh.add(mirror, "black", (-1, 0, 0), label=True)
    mesh.add(mirror, "paint", (1, 0, 0), label=True)


def _cut(outline: np.ndarray, height: float, way: int) -> np.ndarray:
    """The part of an outline (corners, 3) above (way 1) or below (-1) some height."""
    kept = []
    for a, b in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        over_a, over_b = way * (a[1] - height), way * (b[1] - height)
        if over_a >= 0:
            kept.append(a)
        if over_a * over_b < 0:
            kept.append(a + (b - a) * over_a / (over_a - over_b))
    return np.array(kept)


def add_tread(
    mesh: MeshBuilder, axles: tuple[float, float], radius: float, half: float, wide: float
) -> None:
    """The tread of the tyres, as seen from the front and the rear under the bumpers."""
    for axle in axles:
        for s in (-1, 1):
            a, b = s * (half - wide), s * (half - 0.01)
            for way in (-1, 1):
                low, high = axle + way * radius * 0.4, axle + way * radius * 0.96
                rise = radius * 0.72
                corners = [(low, 0.02, a), (low, 0.02, b), (high, rise, b), (high, rise, a)]
                mesh.add(corners, "tyre", (way, 0, 0), label=True, layer=0)


def add_wheels(
    mesh: MeshBuilder, axles: tuple[float, float], radius: float, half: float, s: int
) -> None:
    """The wheels of one side, in their arches."""
    turn = np.arange(18) * (2 * math.pi / 18)
    ring = np.stack([np.cos(turn), np.sin(turn), 0 * turn], -1)
    for axle in axles:
        centre = np.array((axle, radius, s * half))
        arch = centre + ring * (radius + 0.06) + (0, 0.01, s * 0.008)
        arch[:, 1] = np.maximum(arch[:, 1], 0.2)
        mesh.add(arch, "black", (0, 0, s), layer=2)
        mesh.add(centre + ring * radius + (0, 0, s * 0.012), "tyre", (0, 0, s), label=True, layer=3)
        mesh.detail(centre + ring * radius * 0.66 + (0, 0, s * 0.014), "rim")
        for spoke in np.arange(5) * (2 * math.pi / 5) + 0.3:
            angle = spoke + np.array((-0.12, -0.34, 0, 0.34, 0.12))
            reach = np.array((0.2, 0.56, 0.6, 0.56, 0.2)) * radius
            hole = np.stack([reach * np.cos(angle), reach * np.sin(angle), 0 * angle], -1)
            mesh.detail(centre + hole + (0, 0, s * 0.016), "black")
