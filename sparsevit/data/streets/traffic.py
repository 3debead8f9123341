"""Vehicles in their colours, and the shade beneath them."""

import math

import cv2
import numpy as np

from sparsevit.data.streets.bodies import BODIES
from sparsevit.data.streets.canvas import Canvas
from sparsevit.data.streets.classes import CAR
from sparsevit.data.streets.heavy import build_bus, build_lorry
from sparsevit.data.streets.mesh import Mesh, stand_mesh
from sparsevit.data.streets.vehicles import ROLES, build_body

#: Colours of cars, commonest first.
_PAINTS = (
    *((186, 190, 194), (40, 42, 46), (226, 228, 230), (112, 118, 124), (150, 156, 162)),
    *((34, 52, 92), (148, 36, 36), (62, 84, 124), (24, 62, 52), (204, 196, 170)),
    *((120, 30, 44), (38, 92, 132), (206, 168, 40), (94, 116, 98), (206, 92, 40)),
)
_VANS = (
    (232, 234, 236),
    (228, 230, 232),
    (190, 194, 198),
    (52, 60, 78),
    (186, 44, 40),
    (210, 180, 60),
)
_BUSES = (
    ((178, 32, 36), (200, 198, 190)),
    ((226, 228, 230), (38, 92, 160)),
    ((30, 82, 138), (226, 226, 220)),
    ((222, 170, 52), (60, 60, 66)),
    ((40, 116, 84), (226, 226, 214)),
    ((196, 200, 204), (122, 34, 66)),
)
_FIXED = {
    "sill": (40, 41, 43),
    "glass": (34, 40, 46),
    "sky glass": (66, 76, 86),
    "black": (22, 23, 25),
    "tyre": (28, 28, 30),
    "rim": (148, 152, 156),
    "front lamp": (206, 212, 216),
    "rear lamp": (150, 26, 28),
    "front plate": (226, 226, 220),
    "rear plate": (222, 190, 74),
    "chrome": (150, 154, 158),
    "line": (44, 46, 50),
    "indicator": (226, 140, 48),
}


def vehicle_length(kind: str, body: int) -> float:
    """Metres from bumper to bumper."""
    low, high = _mesh(kind, body).bounds()
    return float(high[0] - low[0])


def _mesh(kind: str, body: int) -> Mesh:
    if kind == "bus":
        return build_bus(1 + body % 2)
    if kind == "lorry":
        return build_lorry(bool(body % 2))
    return build_body(body)


def choose_vehicle(rng: np.random.Generator, kinds: dict[str, float]) -> tuple[str, int]:
    """A kind, by its share, and a body of that kind."""
    names = list(kinds)
    shares = np.array([kinds[name] for name in names])
    kind = str(names[rng.choice(len(names), p=shares / shares.sum())])
    if kind in ("bus", "lorry"):
        return kind, int(rng.integers(2))
    own = [i for i, body in enumerate(BODIES) if body.kind == kind]
    shares = np.array([BODIES[i].share for i in own])
    return kind, int(rng.choice(own, p=shares / shares.sum()))


def draw_vehicle(
    canvas: Canvas, x: float, z: float, yaw: float, kind: str, body: int, moving: bool, seed: int
) -> None:
    """A vehicle whose middle stands on world (x, z); `seed` chooses its colours and its size."""
    rng = np.random.default_rng(seed)
    lamps = canvas.weather.lamps_lit or canvas.weather.wet > 0.3 or canvas.weather.name == "fog"
    lamps = lamps and moving
    paint, second = _choose_paints(rng, kind)
    table = dict(_FIXED, paint=paint, second=second, lower=np.array(paint) * 0.86)
    braking = moving and rng.random() < 0.35
    if lamps:
        table["front lamp"] = (255, 248, 222)
        table["rear lamp"] = (236, 48, 40)
    if braking:
        table["rear lamp"] = (248, 60, 48)
    colours = np.array([table[role] for role in ROLES], np.float64)
    shine = np.array([_shine(role, lamps, braking) for role in ROLES])
    scale = (rng.uniform(0.96, 1.05), rng.uniform(0.97, 1.04), rng.uniform(0.98, 1.03))
    mesh = _mesh(kind, body)
    stand_mesh(canvas, mesh, (x, z), yaw, scale, colours, shine, CAR, kind)


def _choose_paints(rng: np.random.Generator, kind: str) -> tuple[np.ndarray, np.ndarray]:
    if kind == "bus":
        first, second = _BUSES[rng.integers(len(_BUSES))]
        return np.array(first, np.float64), np.array(second, np.float64)
    if kind == "car":
        paint = np.array(_PAINTS[min(int(rng.exponential(4.2)), len(_PAINTS) - 1)], np.float64)
        return paint * rng.uniform(0.85, 1.1), paint
    paint = np.array(_VANS[rng.integers(len(_VANS))], np.float64)
    box = np.array(_VANS[rng.integers(len(_VANS))], np.float64)
    return paint * rng.uniform(0.9, 1.05), box * rng.uniform(0.85, 1.02)


def _shine(role: str, lamps: bool, braking: bool) -> float:
    if (lamps and role in ("front lamp", "rear lamp")) or (braking and role == "rear lamp"):
        return -1.0
    return {"paint": 0.3, "lower": 0.08, "second": 0.14, "glass": 0.35, "sky glass": 0.6}.get(
        role, 0.0
    )


def shade_vehicle(canvas: Canvas, x: float, z: float, yaw: float, kind: str, body: int) -> None:
    """The shadow of a vehicle, and the dark beneath it."""
    length = vehicle_length(kind, body)
    half = 1.25 if kind in ("bus", "lorry") else 0.92
    tall = {"car": 1.3, "van": 2.0, "bus": 3.2, "lorry": 3.0}[kind]
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (length / 2, half)
    cos, sin = math.cos(yaw), math.sin(yaw)
    foot = np.stack(
        [
            x + corners[:, 0] * cos - corners[:, 1] * sin,
            z - corners[:, 0] * sin - corners[:, 1] * cos,
        ],
        -1,
    )
    head = canvas.light.find_shadow(foot[:, 0] * 0.9 + 0.1 * x, tall, foot[:, 1] * 0.9 + 0.1 * z)
    canvas.cast(convex(np.concatenate([foot, head])))
    canvas.cast((foot - (x, z)) * (1.06, 1.04) + (x, z))


def convex(points: np.ndarray) -> np.ndarray:
    """The convex hull (corners, 2) of points on the ground."""
    return cv2.convexHull(points.astype(np.float32))[:, 0].astype(np.float64)
