"""What stands where along the street, and the shade it casts."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from sparsevit.data.streets.buildings import draw_building
from sparsevit.data.streets.canvas import Canvas
from sparsevit.data.streets.classes import BICYCLIST, PEDESTRIAN
from sparsevit.data.streets.figures import CYCLIST, WALKER, draw_figure
from sparsevit.data.streets.landscape import FAR_M, FOLIAGE, KERB_M, PLOTS_M, draw_tree, grow_crown
from sparsevit.data.streets.objects import (
    BODIES,
    PAINTS,
    draw_bin,
    draw_car,
    draw_fence,
    draw_lamp,
    draw_sign,
)


def furnish(canvas: Canvas) -> tuple[list[tuple[float, Callable[[], None]]], float | None, bool]:
    """Choose what stands where, and shade the ground beneath it.

    Returns:
        (distance, how to draw it) pairs; where the zebra crossing begins, if there is one; and
        whether the plots beside the pavements are lawns.
    """
    rng, green = canvas.rng, canvas.rng.random()
    lawn = bool(green > 0.5)
    things: list[tuple[float, Callable[[], None]]] = []
    crossing = float(rng.uniform(9, 17)) if rng.random() < 0.55 else None
    hues = FOLIAGE[rng.choice(len(FOLIAGE), p=(0.36, 0.26, 0.16, 0.12, 0.1))]
    crowns = [grow_crown(rng, hues, canvas.sun) for _ in range(3)]
    circle = np.exp(1j * np.linspace(0, 2 * math.pi, 9))
    disc = np.stack([circle.real, circle.imag], -1)

    def add(z: float, draw: Callable[..., None], *args: Any) -> None:
        things.append((z, partial(draw, canvas, *args)))

    def add_tree(x: float, z: float, tall: float) -> None:
        add(z, draw_tree, x, z, tall, crowns[rng.integers(3)])
        count = 16 if z < 50 else 3
        spread, high = rng.normal(x, tall * 0.12, count), rng.uniform(0.4, 0.95, count) * tall
        middle = canvas.find_shadow(spread, high, z)[:, None]
        canvas.cast(middle + rng.uniform(0.4, 0.9, (count, 1, 1)) * disc)

    def add_car(x: float, z: float, oncoming: bool) -> None:
        body, paint = BODIES[rng.choice(3, p=(0.45, 0.4, 0.15))], canvas.pick(PAINTS)
        add(z + 2, draw_car, x, z, body, paint, oncoming)
        canvas.cast((x, z + 2.3) + disc[1:8:2] * (1.45, 3.4))

    def add_figure(x: float, z: float, limbs: tuple, heading: float, label: int) -> None:
        add(z, draw_figure, x, z, rng.uniform(1.6, 1.88), limbs, heading, label)
        canvas.cast((x, z) + disc * (0.34, 0.28 if label == PEDESTRIAN else 0.8))

    for side in (-1, 1):
        z = rng.uniform(1, 5)
        while z < FAR_M - 18:
            length = rng.uniform(9, 17)
            if rng.random() < 0.1 + 0.35 * green:
                add(z + length, draw_fence, side, z, z + length)
                for _ in range(int(rng.integers(2, 5))):
                    x, at = side * (PLOTS_M + rng.uniform(2.5, 9)), z + rng.uniform(1, length)
                    add_tree(x, at, rng.uniform(6, 11))
            else:
                floors = int(rng.integers(1, 4) if lawn else rng.integers(2, 7))
                front, end = PLOTS_M + rng.uniform(2.5, 5) * lawn, z + length - 2 * lawn
                add(end, draw_building, side, z, end, front, floors)
                if lawn and rng.random() < 0.6:
                    add(z + length - 0.1, draw_fence, side, z, z + length)
                roof = canvas.find_shadow(side * front, floors * 3.0, np.array((end, z)))
                canvas.cast([(side * front, z), (side * front, end), *roof])
            z += length
        for z in rng.uniform(90, FAR_M, 8 + 10 * lawn):
            x = side * rng.uniform(24, 24 + z) if z < 140 else rng.normal(0, 30)
            add_tree(x, z, rng.uniform(8, 13))
        for z in np.arange(rng.uniform(7, 11), 110, rng.uniform(8, 15)):
            if rng.random() < 0.3 + 0.6 * green:
                add_tree(side * (KERB_M + 0.9), z, rng.uniform(5.5, 8.5))
        for z in np.arange(rng.uniform(8, 20), 120, 24.0):
            add(z, draw_lamp, side * (KERB_M + 0.5), z)
        for z in np.arange(rng.uniform(6, 14), 90, 6.2):
            clear = crossing is None or not crossing - 6 < z < crossing + 5
            if rng.random() < 0.6 and clear:
                add_car(side * 4.6, z, side < 0)
        for z in rng.uniform(7, 60, int(rng.integers(3, 9))):
            x, way = side * rng.uniform(KERB_M + 1.6, PLOTS_M - 0.6), rng.choice((0.5, 2.6))
            add_figure(x, z, WALKER, way + rng.normal(0, 0.3), PEDESTRIAN)
        for z in rng.uniform(9, 50, 2):
            add(z, draw_sign, side * (KERB_M + 0.45), z, int(rng.integers(4)))
        z = rng.uniform(8, 40)
        add(z, draw_bin, side * (KERB_M + 1.1), z)
    start = 0.0 if crossing is None else crossing + 4
    for z in np.arange(start + rng.uniform(11, 20), 100, rng.uniform(14, 30)):
        add_car(1.75 + rng.normal(0, 0.1), z, False)
    for z in np.arange(start + rng.uniform(9, 24), 100, rng.uniform(12, 26)):
        add_car(-1.75 + rng.normal(0, 0.1), z, True)
    for z in rng.uniform(8, 40, int(rng.integers(1, 4))):
        lane = int(rng.choice((-1, 1)))
        add_figure(3.2 * lane, z, CYCLIST, lane * 1.25, BICYCLIST)
    if crossing is not None:
        for side in (-1, 1):
            add(crossing, draw_sign, side * (KERB_M + 0.35), crossing, int(rng.integers(3, 5)))
        for x in rng.uniform(-5, 5, int(rng.integers(1, 4))):
            z = crossing + rng.uniform(0.6, 2.6)
            add_figure(x, z, WALKER, rng.choice((0.0, math.pi)), PEDESTRIAN)
    return things, crossing, lawn
