"""What stands along a street: lamps, signs, traffic lights, bollards and bins."""

import math
from typing import Any

import cv2
import numpy as np

from sparsevit.data.streets.canvas import Canvas, Point, to_fixed
from sparsevit.data.streets.classes import POLE, SIGN, VOID
from sparsevit.data.streets.colours import BRIGHT

_STEELS = ((88, 94, 100), (60, 64, 66), (120, 124, 126), (38, 40, 42), (58, 66, 60))
_WHITE, _RED, _BLUE, _DARK = (236, 236, 232), (186, 36, 42), (34, 78, 150), (30, 32, 34)
_TO_CAMERA = (0.0, 0.2, -0.98)

#: A bar beside a place: from and to (right, up), and the radii at either end, metres.
_Bar = tuple[float, float, float, float, float, float]


def draw_lamp(canvas: Canvas, x: float, z: float, way: float, style: int) -> None:
    """A street lamp; its arm reaches `way` (-1 left, 1 right)."""
    steel = np.array(_STEELS[style % len(_STEELS)])
    high = (7.6, 9.4, 5.0, 6.4)[style % 4]
    bars: list[_Bar] = [(0, 0, 0, 1.1, 0.1, 0.085), (0, 1.1, 0, high, 0.062, 0.045)]
    if style % 4 == 2:  # a lantern
        bars += [(0, high, 0, high + 0.1, 0.16, 0.13), (0, high + 0.12, 0, high + 0.5, 0.13, 0.2)]
        bulb = (-0.13, 0.13, high + 0.14, high + 0.46)
    elif style % 4 == 1:
        bars += [
            (0, high, way * 1.0, high + 0.75, 0.045, 0.04),
            (way * 1.0, high + 0.75, way * 2.4, high + 0.85, 0.04, 0.04),
            (way * 2.3, high + 0.84, way * 2.9, high + 0.86, 0.08, 0.06),
        ]
        bulb = (way * 2.3, way * 2.9, high + 0.74, high + 0.82)
    else:
        bars += [
            (0, high, way * 1.5, high + 0.3, 0.045, 0.04),
            (way * 1.5, high + 0.3, way * 2.1, high + 0.33, 0.085, 0.06),
        ]
        bulb = (way * 1.45, way * 2.1, high + 0.16, high + 0.26)
    _bars(canvas, x, z, bars, steel)
    if canvas.weather.lamps_lit:
        u0, u1, y0, y1 = bulb
        corners = [(x + u0, y0, z), (x + u1, y0, z), (x + u1, y1, z), (x + u0, y1, z)]
        canvas.fill(corners, canvas.light.glow((255, 240, 196), z), POLE)


def draw_poles(canvas: Canvas, spot: Point, following: Point | None) -> None:
    """A telegraph pole on a world point, and its wires to the pole that follows."""
    x, _, z = spot
    tall = 7.5
    bars: list[_Bar] = [
        (0, 0, 0, tall, 0.11, 0.08),
        (-0.7, tall - 0.5, 0.7, tall - 0.5, 0.05, 0.05),
    ]
    _bars(canvas, x, z, bars, (84, 70, 58))
    if following is None:
        return
    share = np.linspace(0, 1, 9)[:, None]
    line = np.array(spot) + (np.array(following) - spot) * share
    line[:, 1:2] += tall - 0.45 - 2.4 * share * (1 - share)
    for aside in (-0.6, -0.2, 0.3, 0.65):
        pixels = to_fixed(canvas.camera.project(np.add(line, (aside, 0, 0))))
        paint = canvas.light.glow((44, 46, 50), z)
        cv2.polylines(canvas.image, [pixels], False, paint, 1, cv2.LINE_AA, 4)


def draw_bollard(canvas: Canvas, x: float, z: float, style: int) -> None:
    """A bollard: iron, steel, timber or white."""
    colour = ((40, 42, 44), (150, 154, 156), (120, 100, 78), (214, 212, 204))[style % 4]
    radius = (0.07, 0.055, 0.08, 0.09)[style % 4]
    _bars(canvas, x, z, [(0, 0, 0, 0.95, radius, radius * 0.9)], colour)
    if style % 4 in (0, 3):
        band = _WHITE if style % 4 == 0 else _RED
        corners = [
            (x - radius, 0.72, z),
            (x + radius, 0.72, z),
            (x + radius, 0.8, z),
            (x - radius, 0.8, z),
        ]
        canvas.fill(corners, canvas.light.lit(band, _TO_CAMERA, z))


def draw_beacon(canvas: Canvas, x: float, z: float) -> None:
    """The striped pole with an amber globe beside a zebra crossing."""
    for i in range(6):
        _bars(
            canvas,
            x,
            z,
            [(0, i * 0.45, 0, (i + 1) * 0.45, 0.055, 0.055)],
            _DARK if i % 2 else _WHITE,
        )
    turn = np.arange(14) * (2 * math.pi / 14)
    ring = [(x + 0.17 * math.cos(t), 2.85 + 0.17 * math.sin(t), z) for t in turn]
    canvas.fill(ring, canvas.light.glow((244, 166, 40), z), SIGN)


def _bars(canvas: Canvas, x: float, z: float, bars: Any, colour: Any) -> None:
    bars = np.array(bars, np.float64)
    starts = np.stack([x + bars[:, 0], bars[:, 1], 0 * bars[:, 0] + z], -1)
    ends = np.stack([x + bars[:, 2], bars[:, 3], 0 * bars[:, 0] + z], -1)
    canvas.limbs(starts, ends, bars[:, 4:], [colour] * len(bars), POLE)


class _Plate:
    """Shapes on an upright plate that faces the camera."""

    def __init__(self, canvas: Canvas, x: float, y: float, z: float, grey: bool = False) -> None:
        self.canvas, self.place, self.grey = canvas, (x, y, z - 0.07), grey

    def shape(self, points: Any, colour: Any, label: int | None = None, glow: bool = False) -> None:
        points = np.asarray(points, np.float64)
        z = self.place[2]
        flat = np.stack([points[:, 0], points[:, 1], 0 * points[:, 0]], -1) + self.place
        if self.grey:
            colour = (112, 116, 118)  # seen from behind
        light = self.canvas.light
        paint = light.glow(colour, z) if glow else light.lit(colour, _TO_CAMERA, z)
        self.canvas.fill(flat, paint, label)

    def ring(
        self,
        corners: int,
        wide: float,
        tall: float,
        colour: Any,
        label: int | None = None,
        y: float = 0.0,
        start: float = math.pi / 2,
        glow: bool = False,
    ) -> None:
        turn = np.arange(corners) * (2 * math.pi / corners) + start
        self.shape(
            np.stack([wide * np.cos(turn), y + tall * np.sin(turn)], -1), colour, label, glow
        )

    def box(
        self, x0: float, x1: float, y0: float, y1: float, colour: Any, label: int | None = None
    ) -> None:
        self.shape([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, label)


#: Kinds of sign, commonest first.
SIGNS = (
    "speed",
    "warning",
    "parking",
    "no entry",
    "direction",
    "blue round",
    "stop",
    "name",
    "board",
    "bus stop",
    "no waiting",
)


def draw_sign(canvas: Canvas, x: float, z: float, kind: str, behind: bool = False) -> None:
    """A sign of `SIGNS` on its pole, seen from the front or from behind."""
    high = {"direction": 2.9, "name": 0.75, "board": 2.4, "bus stop": 2.6}.get(kind, 2.45)
    if kind in ("name", "board", "direction"):
        wide = {"name": 0.5, "board": 0.55, "direction": 0.85}[kind]
        bars = [(s * wide * 0.7, 0, s * wide * 0.7, high + 0.2, 0.04, 0.04) for s in (-1, 1)]
    else:
        bars = [(0, 0, 0, high + 0.25, 0.04, 0.04)]
    _bars(canvas, x, z, bars, (120, 124, 126))
    plate = _Plate(canvas, x, high, z, behind)
    if kind == "direction":
        base = ((22, 92, 62), _WHITE, _BLUE)[int(abs(x * 7)) % 3]
        ink = _WHITE if base is not _WHITE else _DARK
        plate.box(-0.98, 0.98, -0.62, 0.62, ink, SIGN)
        plate.box(-0.94, 0.94, -0.58, 0.58, base)
        for row in (0.3, -0.02, -0.34):
            plate.box(-0.75, -0.75 + 1.1 * (1 - 0.3 * abs(row)), row, row + 0.14, ink)
        plate.box(0.6, 0.75, -0.4, 0.44, ink)
    elif kind == "name":
        plate.box(-0.62, 0.62, -0.14, 0.14, _WHITE, SIGN)
        plate.box(-0.5, 0.46, -0.05, 0.06, _DARK)
    elif kind == "board":
        plate.box(-0.58, 0.58, -0.85, 0.6, (222, 186, 60), SIGN)
        for row in np.arange(-0.6, 0.4, 0.24):
            plate.box(-0.44, 0.4, row, row + 0.1, _DARK)
    elif kind in ("parking", "bus stop"):
        base = _BLUE if kind == "parking" else (188, 40, 44)
        plate.box(-0.24, 0.24, -0.34, 0.34, _WHITE, SIGN)
        plate.box(-0.22, 0.22, -0.32, 0.32, base)
        plate.box(-0.1, -0.02, -0.2, 0.22, _WHITE)
        plate.box(-0.02, 0.1, 0.02, 0.22, _WHITE)
    elif kind == "warning":
        plate.ring(3, 0.44, 0.44, _RED, SIGN)
        plate.ring(3, 0.29, 0.29, _WHITE)
        plate.box(-0.04, 0.04, -0.1, 0.12, _DARK)
    elif kind == "stop":
        plate.ring(8, 0.4, 0.4, _WHITE, SIGN, start=math.pi / 8)
        plate.ring(8, 0.37, 0.37, _RED, start=math.pi / 8)
        plate.box(-0.24, 0.24, -0.08, 0.08, _WHITE)
    elif kind == "blue round":
        plate.ring(20, 0.32, 0.32, _WHITE, SIGN)
        plate.ring(20, 0.3, 0.3, _BLUE)
        plate.shape(
            [
                (-0.06, 0.2),
                (0.06, 0.2),
                (0.06, -0.02),
                (0.16, -0.02),
                (0, -0.22),
                (-0.16, -0.02),
                (-0.06, -0.02),
            ],
            _WHITE,
        )
    elif kind == "no waiting":
        plate.ring(20, 0.3, 0.3, _RED, SIGN)
        plate.ring(20, 0.23, 0.23, _BLUE)
        plate.shape([(-0.2, 0.14), (-0.14, 0.2), (0.2, -0.14), (0.14, -0.2)], _RED)
    else:
        plate.ring(24, 0.34, 0.34, _RED, SIGN)
        if kind == "no entry":
            plate.box(-0.24, 0.24, -0.07, 0.07, _WHITE)
        else:
            plate.ring(24, 0.25, 0.25, _WHITE)
            plate.box(-0.13, -0.02, -0.12, 0.12, _DARK)
            plate.box(0.03, 0.13, -0.12, 0.12, _DARK)


def draw_signal(canvas: Canvas, x: float, z: float, state: int, arm: float) -> None:
    """Traffic lights: 0 red, 1 amber, 2 green; `arm` metres sideways carry a second set."""
    bars: list[_Bar] = [(0, 0, 0, 3.3, 0.07, 0.06)]
    if arm:
        bars = [(0, 0, 0, 5.8, 0.1, 0.08), (0, 5.7, arm, 5.9, 0.07, 0.05)]
    _bars(canvas, x, z, bars, (52, 56, 58))
    places = [(x, 2.95), (x + arm, 5.75)] if arm else [(x, 2.95)]
    for at, y in places:
        plate = _Plate(canvas, at, y, z)
        board = _WHITE if round(x * 10) % 3 == 0 else _DARK
        plate.box(-0.3, 0.3, -0.68, 0.68, board, SIGN)
        plate.box(-0.19, 0.19, -0.54, 0.54, (20, 22, 24), SIGN)
        for i, colour in enumerate(((252, 60, 48), (252, 186, 60), (70, 236, 150))):
            on = i == state
            plate.ring(
                14,
                0.125,
                0.125,
                np.array(colour) * (1.0 if on else 0.22),
                None,
                0.33 - 0.33 * i,
                glow=on,
            )


def draw_clutter(canvas: Canvas, x: float, z: float, kind: int) -> None:
    """A litter bin, a wheelie bin, a post box, a cabinet or a bench; all of them count as void."""
    if kind == 0:
        ends = [((x, 0.1, z), (x, 0.95, z)), ((x - 0.2, 0.98, z), (x + 0.2, 0.98, z))]
        radii, colours = [(0.22, 0.26), (0.07, 0.07)], [(40, 50, 46), (30, 36, 34)]
    elif kind == 1:
        bin_, lid = (54, 60, 56), BRIGHT[int(abs(x) * 10) % len(BRIGHT)]
        plate = _Plate(canvas, x, 0, z)
        plate.shape([(-0.22, 0.05), (0.22, 0.05), (0.28, 0.98), (-0.28, 0.98)], bin_, VOID)
        plate.box(-0.3, 0.3, 0.96, 1.06, np.array(lid) * 0.6, VOID)
        plate.box(-0.24, -0.16, 0.0, 0.16, _DARK, VOID)
        plate.box(0.16, 0.24, 0.0, 0.16, _DARK, VOID)
        return
    elif kind == 2:
        ends = [((x, 0.2, z), (x, 1.35, z)), ((x, 1.45, z), (x, 1.5, z))]
        radii, colours = [(0.22, 0.22), (0.25, 0.2)], [(176, 32, 34), (150, 28, 30)]
    elif kind == 3:
        plate = _Plate(canvas, x, 0, z)
        plate.box(-0.36, 0.36, 0.02, 1.15, (96, 106, 98), VOID)
        plate.box(-0.36, 0.36, 1.08, 1.15, (120, 130, 122))
        plate.box(-0.005, 0.005, 0.1, 1.05, (50, 56, 52))
        return
    else:
        ends = [
            ((x - 0.8, 0.45, z), (x + 0.8, 0.45, z)),
            ((x - 0.8, 0.8, z), (x + 0.8, 0.8, z)),
            ((x - 0.7, 0, z), (x - 0.7, 0.8, z)),
            ((x + 0.7, 0, z), (x + 0.7, 0.8, z)),
        ]
        radii, colours = (
            [(0.06, 0.06)] * 2 + [(0.04, 0.04)] * 2,
            [(116, 90, 62)] * 2 + [(50, 50, 52)] * 2,
        )
    starts, stops = zip(*ends, strict=True)
    canvas.limbs(starts, stops, radii, colours, VOID)
