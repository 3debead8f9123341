"""Houses, shops and offices: what they are built of, their walls and roofs."""

import math

import numpy as np

from sparsevit.data.streets.canvas import Canvas, Point
from sparsevit.data.streets.classes import BUILDING
from sparsevit.data.streets.facades import (
    Style,
    draw_entrance,
    draw_gable_windows,
    draw_shops,
    draw_windows,
)
from sparsevit.data.streets.wall import Wall

_BRICKS = (
    (150, 92, 72),
    (134, 80, 64),
    (166, 128, 92),
    (182, 160, 116),
    (120, 84, 74),
    (176, 150, 124),
)
_PLASTERS = (
    (226, 218, 198),
    (214, 196, 160),
    (232, 228, 218),
    (198, 186, 174),
    (196, 168, 128),
    (208, 178, 166),
    (178, 188, 192),
    (238, 232, 214),
    (186, 146, 112),
)
_STONES = ((190, 178, 152), (168, 158, 142), (204, 192, 166), (150, 146, 140))
_CONCRETES = ((164, 162, 156), (142, 142, 142), (184, 182, 174))
_ROOFS = ((92, 88, 90), (74, 74, 80), (128, 80, 62), (110, 76, 62), (104, 96, 88))
_TRIMS = ((226, 224, 216), (198, 190, 172), (160, 154, 144), (74, 72, 70))


def choose_style(rng: np.random.Generator, kind: str) -> Style:
    """A style for a kind of building: "terrace", "shops", "villa", "city" or "office"."""
    materials = {
        "terrace": ("brick", "brick", "brick", "plaster"),
        "shops": ("brick", "plaster", "plaster", "stone", "dark brick"),
        "villa": ("plaster", "brick", "plaster"),
        "city": ("stone", "plaster", "brick", "dark brick", "panels"),
        "office": ("panels", "panels", "dark brick"),
    }[kind]
    material = str(rng.choice(materials))
    walls = {
        "brick": _BRICKS,
        "dark brick": _BRICKS,
        "plaster": _PLASTERS,
        "stone": _STONES,
        "panels": _CONCRETES,
    }[material]
    wall = np.array(walls[rng.integers(len(walls))], np.float64) * rng.uniform(0.84, 1.08)
    trim = np.array(_TRIMS[rng.choice(4, p=(0.5, 0.24, 0.16, 0.1))], np.float64)
    ground = {
        "shops": "shops",
        "office": "lobby",
        "terrace": "door",
        "villa": str(rng.choice(("door", "garage"))),
    }.get(kind)
    ground = ground or str(rng.choice(("shops", "shops", "door", "lobby")))
    window = {"office": "band"}.get(kind) or str(
        rng.choice(("sash", "casement", "arched"), p=(0.55, 0.35, 0.1))
    )
    return Style(
        material=material,
        wall=wall,
        trim=trim,
        roof=np.array(_ROOFS[rng.integers(len(_ROOFS))], np.float64) * rng.uniform(0.85, 1.1),
        floor_m=float(rng.uniform(2.7, 3.3)) + 0.4 * (kind == "office"),
        ground_m=float(rng.uniform(3.3, 4.0)) if ground in ("shops", "lobby") else 2.9,
        ground=ground,
        window=window,
        bay_m=float(rng.uniform(2.0, 3.3)),
        share=float(rng.uniform(0.36, 0.56)) if window != "band" else 0.92,
        pitched=kind in ("terrace", "villa") or (kind == "shops" and rng.random() < 0.6),
        seed=int(rng.integers(2**31)),
    )


def draw_building(
    canvas: Canvas, start: Point, end: Point, deep: float, floors: int, style: Style
) -> None:
    """A building whose front stands on the ground from `start` (nearer, or left) to `end`.

    Args:
        canvas: to draw on.
        start: world point of one end of the front.
        end: world point of its other end.
        deep: metres from front to back; positive to the right of the way from start to end.
        floors: number of floors.
        style: how it looks.
    """
    rng = np.random.default_rng(style.seed)
    along = np.subtract(end, start)
    length = math.hypot(along[0], along[2])
    aside = np.array((along[2], 0, -along[0])) / length  # to the right
    front = Wall(canvas, start, end, -aside * np.sign(deep))
    gable = Wall(canvas, start, tuple(np.array(start) + aside * deep), -along / length)
    faces_us = float(np.dot(gable.normal, start)) < 0
    if not front.visible and not (faces_us and gable.visible):
        return
    tall = style.ground_m + style.floor_m * (floors - 1) + 0.5
    ridge = tall + min(abs(deep), 12) * 0.31
    if style.pitched:
        _draw_roof(canvas, front, aside * deep, tall, ridge, style, rng)
    if faces_us:
        gable.face(tall, style.wall * 0.95, BUILDING, style.material)
        if style.pitched:
            tip = [(0, tall), (abs(deep), tall), (abs(deep) / 2, ridge)]
            gable.polygon(tip, style.wall * 0.95, BUILDING)
        draw_gable_windows(gable, tall, style, rng)
    front.face(tall, style.wall, BUILDING, style.material)
    draw_windows(front, floors, style, rng)
    if style.ground == "shops":
        draw_shops(front, style, rng)
    else:
        draw_entrance(front, style, rng)
    if style.pitched:
        front.put((-0.05, length + 0.05, tall - 0.2, tall), (60, 58, 56), BUILDING, out=0.3)
    else:
        front.put((-0.05, length + 0.05, tall - 0.4, tall + 0.12), style.trim, BUILDING, out=0.12)
        if rng.random() < 0.6:  # a parapet
            front.put((0, length, tall + 0.1, tall + 0.8), style.wall * 1.02, BUILDING)
    if rng.random() < 0.7:  # a downpipe
        at = 0.15 if rng.random() < 0.5 else length - 0.25
        front.put((at, at + 0.1, 0, tall - 0.4), (58, 58, 60), out=0.06)


def _draw_roof(
    canvas: Canvas,
    front: Wall,
    across: np.ndarray,
    tall: float,
    ridge: float,
    style: Style,
    rng: np.random.Generator,
) -> None:
    """A sloping roof, its ridge above the middle of the house, with chimneys and dormers."""
    foot = np.array([front.start, front.point(front.length)])
    normal = np.array(front.normal)
    top = foot + across / 2 + (0, ridge, 0)
    eaves = foot + normal * 0.35 + (0, tall - 0.05, 0)
    slope = normal * (ridge - tall) + (0, math.hypot(across[0], across[2]) / 2, 0)
    slope /= np.linalg.norm(slope)
    light, z = canvas.light, front.z
    canvas.fill(np.stack([*eaves, *top[::-1]]), light.lit(style.roof, slope, z, 0.05), BUILDING)
    if front.near < 60:  # courses of tiles
        at = np.arange(24 if front.near < 25 else 12) / (24 if front.near < 25 else 12)
        low, high = (
            eaves + (top - eaves) * share[:, None, None] for share in (at, at + 0.45 / len(at))
        )
        courses = np.concatenate([low, high[:, ::-1]], 1)  # (courses, 4, 3)
        tone = rng.integers(3, size=len(at))
        for i, bright in enumerate((0.9, 0.94, 1.05)):
            canvas.fill(courses[tone == i], light.lit(style.roof * bright, slope, z, 0.05))
    for at in rng.uniform(0.1, 0.9, int(rng.integers(0, 3))):  # chimneys
        spot, rise = top[0] + (top[1] - top[0]) * at, float(rng.uniform(0.9, 1.5))
        stack = np.array([(-0.45, -0.6, 0), (0.45, -0.6, 0), (0.45, rise, 0), (-0.45, rise, 0)])
        canvas.fill(spot + stack, light.lit((128, 84, 68), (0, 0, -1), z), BUILDING)
        foot = np.array([(spot[0] + x, spot[1] + rise, spot[2]) for x in (-0.25, 0.05)])
        pot = np.array([(0, 0, 0), (0.2, 0, 0), (0.2, 0.35, 0), (0, 0.35, 0)])
        both = foot[:, None] + pot
        canvas.fill(both, light.lit((168, 108, 76), (0, 0, -1), z), BUILDING)
    if rng.random() < 0.3 and front.near < 70:
        for at in rng.uniform(0.15, 0.8, int(rng.integers(1, 3))):
            left = eaves[0] + (eaves[1] - eaves[0]) * at + (top[0] - eaves[0]) * 0.3
            right = left + (eaves[1] - eaves[0]) / front.length * 1.4
            dormer = Wall(canvas, tuple(left), (right[0], left[1], right[2]), front.normal)
            dormer.put((0, 1.4, 0, 1.3), style.trim, BUILDING)
            dormer.put((0.2, 1.2, 0.2, 1.1), (52, 58, 66), gloss=0.3)
