"""What stands along the street: cars, lamps, signs, fences and bins."""

import math
from typing import Any

import numpy as np

from sparsevit.data.streets.canvas import Canvas, Colour, place_on_wall
from sparsevit.data.streets.classes import CAR, FENCE, POLE, SIGN, VOID
from sparsevit.data.streets.colours import BRIGHT, GLASS
from sparsevit.data.streets.landscape import PLOTS_M

#: Colours of cars.
PAINTS = (
    *(*BRIGHT, (236, 238, 240), (178, 184, 190), (52, 56, 64), (96, 104, 112)),
    *((222, 214, 196), (204, 208, 212), (126, 38, 42)),
)
_BLACK, _STEEL = (26, 27, 30), (88, 94, 100)

#: A car seen from its left: (ahead, up) in metres from the rear bumper; then the belt line and the
#: first points of the rear and front windows.
BODIES: tuple[tuple[tuple, tuple, float, tuple[int, int]], ...] = (
    (
        (0, 0, 0.03, 0.1, 0.4, 0.75, 1.5, 2.1, 2.9, 3.6, 3.95, 4.12, 4.15),
        (0.3, 0.7, 0.84, 0.98, 1.38, 1.46, 1.48, 1.43, 0.98, 0.88, 0.78, 0.64, 0.3),
        *(0.95, (3, 7)),
    ),
    (
        (0, 0, 0.08, 0.7, 1.3, 1.7, 2.2, 2.65, 3.5, 4.2, 4.55, 4.68, 4.7),
        (0.3, 0.74, 0.95, 1.0, 1.36, 1.44, 1.44, 1.38, 0.97, 0.87, 0.78, 0.62, 0.3),
        *(0.96, (3, 7)),
    ),
    (
        (0, 0, 0.05, 0.2, 0.4, 3.0, 3.9, 4.5, 4.7, 4.75),
        (0.36, 1.0, 1.15, 1.9, 1.99, 1.95, 1.15, 1.0, 0.8, 0.36),
        *(1.14, (2, 5)),
    ),
)


def draw_car(canvas: Canvas, x: float, z: float, body: Any, paint: Colour, oncoming: bool) -> None:
    """A car of `BODIES` whose nearer end stands `z` metres ahead."""
    lengths, heights, belt, windows = body
    ahead, up, dusk = np.array(lengths), np.array(heights), canvas.weather.lamps_lit
    if oncoming:
        ahead, up = (ahead[-1] - ahead)[::-1], up[::-1]
        windows = [len(up) - 2 - i for i in windows]
    half = 0.88 - 0.2 * np.clip((up - belt) / 0.5, 0, 1) - 0.05 * (ahead < 0.02)
    left, right = (np.stack([x + s * half, up, z + ahead], -1) for s in (-1, 1))

    def face(corners: Any, colour: Colour, normal: Any, label: int | None = None) -> None:
        canvas.fill(np.array(corners), canvas.lit(colour, normal, z), label)

    def near(x0: float, x1: float, y0: float, y1: float) -> np.ndarray:
        return np.array([(x + x0, y0, z), (x + x1, y0, z), (x + x1, y1, z), (x + x0, y1, z)])

    axles = (0.78, ahead[-1] - 0.8)
    for s in (-0.68, 0.68):
        for axle in axles[::-1]:
            hub = (x + s, 0.3, z + axle)
            canvas.limb(hub, hub, (0.3, 0.3), _BLACK, CAR)
    face(near(-0.8, 0.8, 0.22, 0.5), _BLACK, (0, 0, -1), CAR)
    for i in np.argsort(-(ahead[:-1] + ahead[1:])):
        run, rise = ahead[i + 1] - ahead[i], up[i + 1] - up[i]
        normal = np.array((0, run, -rise)) / math.hypot(run, rise)
        if normal @ (canvas.eye - left[i]) < 0:
            continue
        quad = np.array([left[i], left[i + 1], right[i + 1], right[i]])
        face(quad, paint, normal, CAR)
        if i in windows:
            middle, rise_up = quad.mean(0), (quad[1] - quad[0]) * (0, 0.22, 0.22)
            face(middle + (quad - middle) * (0.88, 0.86, 0.86), GLASS * 0.75, normal)
            face(middle + (quad - middle) * (0.86, 0.36, 0.36) + rise_up, GLASS * 1.5, normal)
    low, high = up[0], up[1]
    lamp = (255, 246, 214) if oncoming else (232, 44, 38) if dusk else (170, 32, 34)
    for s in (-0.66, 0.66):
        quad = near(s - 0.16, s + 0.16, high - 0.2, high - 0.02)
        canvas.fill(quad, canvas.glow(lamp, z) if dusk else canvas.lit(lamp, (0, 0, -1), z))
    face(near(-0.84, 0.84, low, low + 0.15), (58, 60, 64), (0, 0, -1))
    if oncoming:
        face(near(-0.42, 0.42, high - 0.18, high - 0.05), _BLACK, (0, 0, -1))
    face(near(-0.26, 0.26, low + 0.16, low + 0.27), (236, 232, 210), (0, 0, -1))
    seen_from, turn = canvas.eye[0] - canvas.bend * z * z - x, np.arange(20) * (math.pi / 10)
    for s, flank in ((-1, left), (1, right)):
        if seen_from * s <= 0.88:
            continue
        face(flank, paint, (s, 0.1, 0), CAR)
        face(flank[up < belt - 0.1], np.array(paint) * 0.9, (s, 0, 0))
        cabin = flank[up >= belt - 0.03]
        middle = cabin.mean(0)
        face(middle + (cabin - middle) * (1, 0.78, 0.88), GLASS * 0.75, (s, 0.1, 0))
        pillar = [(0, y, at) for y, at in ((-0.3, -0.06), (-0.3, 0.06), (0.3, 0.06), (0.3, -0.06))]
        face(middle + pillar, paint, (s, 0.1, 0))
        for axle in axles:
            for radius, shade in (
                (0.38, (16, 16, 18)),
                (0.32, (44, 44, 48)),
                (0.2, (176, 180, 186)),
            ):
                rim = 0.33 + radius * np.sin(turn), z + axle + radius * np.cos(turn)
                ring = np.stack([0 * turn + x + s * 0.89, *rim], -1)
                face(np.maximum(ring, (-99, 0, 0)), shade, (s, 0, 0), CAR)


def draw_lamp(canvas: Canvas, x: float, z: float) -> None:
    """A street lamp reaching over the road."""
    way = -math.copysign(1, x)
    for a, y0, b, y1, r0, r1 in (
        (0, 0, 0, 0.9, 0.1, 0.08),
        (0, 0.9, 0, 7.6, 0.06, 0.045),
        (0, 7.6, 1.9, 7.95, 0.045, 0.04),
        (1.9, 7.93, 2.5, 7.93, 0.08, 0.06),
    ):
        canvas.limb((x + way * a, y0, z), (x + way * b, y1, z), (r0, r1), _STEEL, POLE)
    if canvas.weather.lamps_lit:
        corners = ((1.85, 7.8), (2.5, 7.8), (2.5, 7.9), (1.85, 7.9))
        bulb = [(x + way * a, y, z) for a, y in corners]
        canvas.fill(bulb, canvas.glow((255, 240, 190), z), POLE)


def draw_sign(canvas: Canvas, x: float, z: float, kind: int) -> None:
    """Kinds: 0 no entry, 1 no vehicles, 2 warning, 3 crossing, 4 traffic light."""
    high, up, white, red = 2.5 + 0.7 * (kind == 4), math.pi / 2, (244, 244, 240), (196, 40, 44)
    canvas.limb((x, 0, z), (x, high + 0.2, z), (0.045, 0.045), _STEEL, POLE)

    def shape(corners: int, wide: float, tall: float, colour: Colour, y: float = 0.0) -> None:
        turn = np.arange(corners) * 2 * math.pi / corners + (up / 2 if corners == 4 else up)
        ring = [(x + wide * math.cos(t), high + y + tall * math.sin(t), z - 0.06) for t in turn]
        on = kind == 4 and corners > 4
        canvas.fill(
            ring, canvas.glow(colour, z) if on else canvas.lit(colour, (0, 0.3, -1), z), SIGN
        )

    if kind == 4:
        shape(4, 0.26, 0.64, (30, 32, 34))
        go = canvas.rng.random() < 0.6
        for y, colour, on in (
            (0.28, (246, 64, 52), not go),
            (0, (96, 78, 40), False),
            (-0.28, (70, 232, 140), go),
        ):
            shape(16, 0.115, 0.115, colour if on else np.array(colour) * 0.3, y)
    elif kind == 3:
        shape(4, 0.5, 0.5, (30, 90, 168))
        shape(3, 0.28, 0.28, white, -0.04)
    elif kind == 2:
        shape(3, 0.46, 0.46, red)
        shape(3, 0.29, 0.29, white)
    else:
        shape(24, 0.37, 0.37, red)
        shape(*((24, 0.27, 0.27) if kind else (4, 0.36, 0.11)), white)


def draw_fence(canvas: Canvas, side: int, z0: float, z1: float) -> None:
    """Boards between pavement and plot, from `z0` to `z1` metres ahead."""
    wood = canvas.pick(((156, 122, 90), (196, 190, 178), (112, 94, 80), (134, 142, 130)))
    start, end = (side * (PLOTS_M + 0.1), 0.0, z0), (side * (PLOTS_M + 0.1), 0.0, z1)
    edges, tones = np.arange(0, z1 - z0 - 0.1, 0.2), (0.9, 1.0, 1.06)
    boards = np.stack([edges, edges + 0.18, 0 * edges, 1.3 + 0.05 * np.sin(edges * 9)], -1)
    tone = canvas.rng.integers(3, size=len(edges))
    canvas.fill(
        place_on_wall(start, end, (0, z1 - z0, 0, 1.25)),
        canvas.lit(wood * 0.6, (-side, 0, 0), z0),
        FENCE,
    )
    for i, bright in enumerate(tones):
        paint = canvas.lit(wood * bright, (-side, 0, 0), z0)
        canvas.fill(place_on_wall(start, end, boards[tone == i]), paint, FENCE)


def draw_bin(canvas: Canvas, x: float, z: float) -> None:
    """A litter bin with its lid."""
    canvas.limb((x, 0.2, z), (x, 0.95, z), (0.22, 0.26), (62, 88, 74), VOID)
    canvas.limb((x - 0.2, 0.98, z), (x + 0.2, 0.98, z), (0.07, 0.07), (44, 60, 54), VOID)
