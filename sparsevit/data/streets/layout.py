"""The list of everything that stands along a street, and the shade it casts."""

import math
from collections.abc import Callable
from enum import IntEnum
from functools import partial
from typing import Any

import numpy as np

from sparsevit.data.streets.canvas import Canvas
from sparsevit.data.streets.figures import draw_figure
from sparsevit.data.streets.foliage import choose_hues, draw_tree
from sparsevit.data.streets.plan import FAR_M, Street, wrap_angle
from sparsevit.data.streets.traffic import (
    choose_vehicle,
    draw_vehicle,
    shade_vehicle,
    vehicle_length,
)

_SLICE_M = 8.0  # things within a slice are drawn from the outside in, slices far to near
_TURN = np.linspace(0, 2 * math.pi, 9)
_DISC = np.stack([np.cos(_TURN), np.sin(_TURN)], -1)
_BARE = {"summer": 0.03, "autumn": 0.2, "winter": 0.75}  # share of trees without leaves


class Band(IntEnum):
    """How far out a thing stands, for the order of drawing within a slice."""

    PLOT = 0
    YARD = 1
    EDGE = 2
    PATH = 3
    KERB = 4
    ROAD = 5


class Layout:
    """What stands along a street; `draw` draws it, far to near.

    Attributes:
        canvas: to draw on.
        street: that is furnished.
        rng: of every choice.
        busy: how many people and cars there are, 0..1.
        leafy: how many trees, 0..1.
    """

    def __init__(self, canvas: Canvas, street: Street) -> None:
        self.canvas, self.street, self.rng = canvas, street, canvas.rng
        self._draws: list[tuple[float, Band, Callable[[], None]]] = []
        self._taken: list[tuple[float, float, float]] = []  # (lateral, z, length) on the road
        self.busy, self.leafy = (float(value) for value in self.rng.uniform((0.25, 0.0), 1.0))
        season = str(self.rng.choice(tuple(_BARE), p=(0.6, 0.14, 0.26)))
        self._bare, self._autumn = _BARE[season], season == "autumn"
        self._row = choose_hues(self.rng, self._autumn), int(self.rng.integers(8))

    def add(self, z: float, band: Band, draw: Callable[..., None], *args: Any) -> None:
        """Have `draw(canvas, *args)` called in its turn."""
        self._draws.append((float(z), band, partial(draw, self.canvas, *args)))

    def draw(self) -> None:
        """Draw everything."""
        self._draws.sort(key=lambda thing: (-math.floor(thing[0] / _SLICE_M), thing[1], -thing[0]))
        for *_, draw in self._draws:
            draw()

    def add_at(
        self, lateral: float, z: float, band: Band, draw: Callable[..., None], *args: Any
    ) -> None:
        """Have `draw(canvas, x, z, *args)` called for a place on the street."""
        self.add(z, band, draw, float(self.street.x(lateral, z)), float(z), *args)

    def add_tree(
        self, lateral: float, z: float, tall: float, band: Band, in_row: bool = False
    ) -> None:
        """A tree; those of a row look alike."""
        if 3.5 < z < FAR_M:
            self.add_tree_at(float(self.street.x(lateral, z)), z, tall, band, in_row)

    def add_tree_at(
        self, x: float, z: float, tall: float, band: Band, in_row: bool = False
    ) -> None:
        """A tree at world (x, z)."""
        rng, light = self.rng, self.canvas.light
        bare = bool(rng.random() < self._bare)
        hues, crown = self._row
        if not in_row:
            hues = choose_hues(rng, self._autumn)
        if not in_row or rng.random() < 0.3:
            crown = int(rng.integers(24))
        self.add(z, band, draw_tree, x, z, tall, crown, hues, bare)
        if z > 70:
            return
        count = 45 if z < 30 else 10
        spread, deep = rng.normal(0, tall * 0.13, (2, count))
        high = rng.uniform(0.4, 0.95, count) * tall
        middle = light.find_shadow(x + spread, high, z + deep)[:, None]
        size = rng.uniform(0.12, 0.4, (count, 1, 1)) * (0.35 if bare else 1) * tall / 8
        self.canvas.cast(middle + size * _DISC)
        self._cast_post(x, z, 0.3, tall * 0.5)

    def _cast_post(self, x: float, z: float, wide: float, tall: float) -> None:
        across = np.array((wide / 2, -wide / 2))
        tip = self.canvas.light.find_shadow(x + across, tall, np.full(2, z))
        self.canvas.cast([(x - wide / 2, z), (x + wide / 2, z), *tip])

    def shade_block(self, a: Any, b: Any, tall: float) -> None:
        """The shadow of a front between two world points, `tall` metres high."""
        far = self.canvas.light.find_shadow(np.array((b[0], a[0])), tall, np.array((b[2], a[2])))
        self.canvas.cast([(a[0], a[2]), (b[0], b[2]), *far])

    def add_figure(self, lateral: float, z: float, yaw: float, riding: bool, band: Band) -> None:
        """A pedestrian or a cyclist."""
        rng = self.rng
        child = not riding and rng.random() < 0.1
        tall = float(rng.uniform(1.0, 1.5) if child else rng.uniform(1.58, 1.9))
        x, seed = float(self.street.x(lateral, z)), int(rng.integers(2**31))
        self.add(z, band, draw_figure, x, z, tall, wrap_angle(yaw), riding, seed)
        self._cast_post(x, z, 0.3, tall)
        self.canvas.cast((x, z) + _DISC * (0.3, 0.8 if riding else 0.25))

    def take(self, lateral: float, z: float, deep: float, apart: float = 1.9) -> bool:
        """Reserve a place on the road; False where something else is in the way."""
        for other, at, other_deep in self._taken:
            if abs(other - lateral) < apart and abs(at - z) < (deep + other_deep) / 2 + 0.6:
                return False
        self._taken.append((lateral, z, deep))
        return True

    def add_vehicle(
        self,
        lateral: float,
        z: float,
        kinds: dict[str, float],
        band: Band,
        *,
        moving: bool = True,
        way: int = 1,
        yaw: float | None = None,
    ) -> None:
        """A vehicle, unless something is in the way.

        Args:
            lateral: of its middle.
            z: of its middle.
            kinds: how common each kind is.
            band: for the order of drawing.
            moving: whether someone drives it.
            way: 1 ahead, -1 towards the camera.
            yaw: instead of along the street.
        """
        rng, street = self.rng, self.street
        kind, body = choose_vehicle(rng, kinds)
        length, seed = vehicle_length(kind, body), int(rng.integers(2**31))
        across = yaw is not None and abs(math.sin(yaw)) < 0.7
        near = z - (1.0 if across else length / 2)
        if near < 3.2 or not self.take(
            lateral, z, 2.2 if across else length, 3.5 if across else 1.9
        ):
            return
        if yaw is None:
            yaw = street.yaw(z, way) + float(rng.normal(0, 0.02))
        x = float(street.x(lateral, z))
        self.add(z, band, draw_vehicle, x, z, wrap_angle(yaw), kind, body, moving, seed)
        if z < 90:
            shade_vehicle(self.canvas, x, z, yaw, kind, body)
