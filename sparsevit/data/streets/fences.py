"""What runs along the edge of a plot: fences, railings, garden walls and hedges."""

import math
from typing import Any

import numpy as np

from sparsevit.data.streets.canvas import Canvas, Point
from sparsevit.data.streets.classes import BUILDING, FENCE, TREE
from sparsevit.data.streets.wall import Wall

_WOODS = ((146, 116, 86), (120, 100, 82), (96, 80, 66), (134, 132, 122), (170, 148, 116))
_IRON = ((38, 40, 42), (146, 150, 152), (60, 76, 66), (206, 206, 200))
_FAR_M = 45.0  # beyond it single boards and bars are not drawn


def draw_boards(canvas: Canvas, start: Point, end: Point, tall: float, seed: int) -> None:
    """A fence of boards along the ground from `start` to `end`."""
    rng = np.random.default_rng(seed)
    wood = np.array(_WOODS[rng.integers(len(_WOODS))]) * rng.uniform(0.8, 1.15)
    wall = Wall(canvas, start, end)
    if wall.near > _FAR_M:
        wall.put((0, wall.length, 0, tall), wood * 0.95, FENCE)
        return
    wall.put((0, wall.length, 0, tall), wood * 0.6, FENCE)
    edges = np.arange(0, wall.length - 0.08, 0.15)
    boards = np.stack([edges, edges + 0.135, 0 * edges + 0.05, 0 * edges + tall], -1)
    tone = rng.integers(3, size=len(edges))
    for i, bright in enumerate((0.9, 1.0, 1.08)):
        wall.put(boards[tone == i], wood * bright)


def draw_railings(canvas: Canvas, start: Point, end: Point, tall: float, style: int) -> None:
    """Railings, a guard rail or wire; what one sees through them counts as fence, too."""
    colour = np.array(_IRON[style % 4])
    wall = Wall(canvas, start, end)
    if not wall.visible:
        return
    length = wall.length
    outline = wall.outline(np.array([(0, length, 0.08, tall)]), 0.0)[0]
    canvas.mark(outline, wall.add_surface(FENCE))
    rails = [(0, length, tall - 0.06, tall), (0, length, 0.12, 0.17)]
    if style % 4 == 1:
        rails.append((0, length, tall * 0.5, tall * 0.5 + 0.05))
    wall.put(rails, colour)
    step = (0.12, 1.6, 0.1, 0.14)[style % 4]
    edges = np.arange(0, length, step)
    if np.ptp(outline[:, 0]) > 2 * len(edges) and wall.near < _FAR_M:
        thick = min(0.03, step * 0.3)
        wall.put(np.stack([edges, edges + thick, 0 * edges + 0.1, 0 * edges + tall], -1), colour)
    posts = np.arange(0, length + 0.1, 2.0)[:, None]
    wall.put(np.hstack([posts, posts + 0.07, 0 * posts, 0 * posts + tall + 0.06]), colour)


def draw_low_wall(canvas: Canvas, start: Point, end: Point, tall: float, colour: Any) -> None:
    """A garden wall with its coping; it counts as building."""
    wall = Wall(canvas, start, end)
    wall.face(tall, colour, BUILDING, "brick")
    wall.put((0, wall.length, tall - 0.08, tall), np.array(colour) * 0.4 + 110)


def draw_hedge(
    canvas: Canvas, start: Point, end: Point, tall: float, thick: float, hues: np.ndarray
) -> None:
    """A clipped hedge along the ground from `start` to `end`."""
    along = np.subtract(end, start)
    across = np.array((along[2], 0, -along[0])) * (thick / 2 / math.hypot(along[0], along[2]))
    a, b = np.array(start, np.float64), np.array(end, np.float64)
    middle = max((start[2] + end[2]) / 2, 1.0)
    lift = (0, tall, 0)
    top = np.stack([a - across, b - across, b + across, a + across]) + lift
    canvas.fill(top, canvas.light.lit(hues[1] * 1.25, (0, 1, 0), middle), TREE)
    side = -1 if a[0] * across[0] + a[2] * across[2] > 0 else 1  # towards the camera
    flank = Wall(canvas, tuple(a + side * across), tuple(b + side * across))
    flank.face(tall, hues[1] * 0.9, TREE, "leaves")
    nearer = a if a[2] < b[2] else b
    cap = Wall(canvas, tuple(nearer - across), tuple(nearer + across))
    cap.face(tall, hues[1] * 0.85, TREE, "leaves")
