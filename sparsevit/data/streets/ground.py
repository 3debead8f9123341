"""The ground: road, markings, kerbs, pavements and gardens, all of it one plane."""

from typing import Any

import cv2
import numpy as np

from sparsevit.data.streets.camera import NEAR_M, clip_near
from sparsevit.data.streets.canvas import Canvas
from sparsevit.data.streets.classes import PAVEMENT, ROAD, TREE
from sparsevit.data.streets.plan import FAR_M, Street

_NEAR_Z = 0.5
_WHITE, _YELLOW = (222, 222, 216), (206, 172, 70)


class Ground:
    """Draws on the ground of a street; its places are (lateral, z)."""

    def __init__(self, canvas: Canvas, street: Street) -> None:
        self.canvas, self.street = canvas, street
        camera, rng = canvas.camera, canvas.rng
        self._light = canvas.light.on_ground()
        plane = (0.0, *(np.array((1, -camera.cy)) / (camera.fy * camera.height_m)))
        self.numbers = {
            label: canvas.add_surface(label, 0, plane, 0.1, 1e5) for label in (ROAD, PAVEMENT, TREE)
        }
        tone = rng.uniform(78, 138) * (1 - 0.28 * min(canvas.weather.wet, 1))
        self.asphalt = tone * rng.uniform((0.97, 0.98, 0.98), (1.04, 1.02, 1.06))
        self.paving = rng.uniform(128, 182) * rng.uniform((0.98, 0.97, 0.9), (1.06, 1.01, 0.98))
        self.paving *= 1 - 0.2 * min(canvas.weather.wet, 1)
        lush = rng.random()
        self.grass = np.array((88, 106, 60)) * lush + np.array((112, 112, 80)) * (1 - lush)

    def strip(self, a: float, b: float, z0: float = _NEAR_Z, z1: float = FAR_M) -> np.ndarray:
        """The strip from lateral `a` to `b` between two distances: (corners, 2)."""
        z0, z1 = max(z0, _NEAR_Z), max(z1, _NEAR_Z + 0.01)
        steps = int(np.clip(abs(np.log(z1 / z0)) * 6, 2, 26)) if abs(self.street.bend) > 0 else 2
        z = np.geomspace(z0, z1, steps)
        return np.concatenate([np.stack([0 * z + a, z], -1), np.stack([0 * z + b, z], -1)[::-1]], 0)

    def area(self, outline: Any, colour: Any, label: int | None = None) -> None:
        """Fill an outline (corners, 2) of places; without a label it is detail."""
        outline = np.asarray(outline, np.float64)
        self.world_area(self.street.x(*outline.T), outline[:, 1], colour, label)

    def world_area(self, x: Any, z: Any, colour: Any, label: int | None = None) -> None:
        """Fill an outline given in world coordinates."""
        points = np.stack([x, 0 * x, z], -1)
        if points[:, 2].min() < NEAR_M:
            points = clip_near(points)
        if len(points) < 3:
            return
        paint = np.minimum(np.array(colour, np.float64) * self._light, 255)
        numbers = None if label is None else [self.numbers[label]]
        self.canvas.fill_outlines(
            self.canvas.camera.project(points)[None], [paint.tolist()], numbers
        )

    def mark(self, rects: Any, colour: Any, strength: float = 0.9) -> None:
        """Paint rectangles (n, 4) on the asphalt: lateral from and to, z from and to.

        What is narrower than a pixel takes only its share of the pixel.
        """
        rects = np.asarray(rects, np.float64).reshape(-1, 4)
        camera, z = self.canvas.camera, np.maximum(rects[:, 2:], _NEAR_Z)
        lateral, deep = rects[:, (0, 1, 1, 0)], z[:, (0, 0, 1, 1)]
        points = np.stack([self.street.x(lateral, deep), 0 * deep, deep], -1)
        pixels = camera.project(points)
        wide = np.abs(rects[:, 1] - rects[:, 0]) * camera.fx / z.mean(1)
        tall = np.abs(pixels[:, 2, 1] - pixels[:, 0, 1])
        share = np.minimum(np.minimum(wide, tall), 1) * strength
        kept = (share > 0.06) & (z[:, 1] > z[:, 0])
        paint = self.asphalt + (np.array(colour) - self.asphalt) * share[kept, None]
        paint = np.minimum(paint * self._light, 255)
        self.canvas.fill_outlines(pixels[kept], paint.tolist())


def paint_ground(canvas: Canvas, street: Street) -> None:
    """Paint the whole ground, in the shade that has been cast so far."""
    ground = Ground(canvas, street)
    _lay_plots(ground)
    _lay_roads(ground)
    _wear_road(ground)
    first = min(int(canvas.camera.cy) + 1, canvas.height)
    _add_texture(ground, first)
    _paint_lines(ground)
    _add_shade(canvas, first)
    _add_haze(canvas, first)


def _lay_plots(ground: Ground) -> None:
    street, rng = ground.street, ground.canvas.rng
    far = 3000.0
    for side in (1, -1):  # the right side first, everywhere; then what lies left of the road
        garden = street.green[side > 0] and rng.random() < 0.85
        colour = ground.grass if garden else ground.paving * rng.uniform(0.8, 1.0)
        x, z = np.array((-far, far, far, -far)) * 4, np.array((_NEAR_Z, _NEAR_Z, far, far))
        if side < 0:
            middle = ground.strip(0, 0)
            middle = middle[: len(middle) // 2]
            x = np.array((-far * 4, *street.x(*middle.T), float(street.x(0, FAR_M)), -far * 4))
            z = np.array((_NEAR_Z, *middle[:, 1], far, far))
        ground.world_area(x, z, colour, TREE if garden else PAVEMENT)


def _lay_roads(ground: Ground) -> None:
    street, rng = ground.street, ground.canvas.rng
    kerb_stone, gutter = ground.paving * 1.1, ground.asphalt * 0.72
    cross = street.end < FAR_M
    end = street.end if cross else FAR_M * 2
    for side in (-1, 1):
        kerb, plots = street.kerb(side), street.plots(side)
        if street.verge_m[side > 0]:
            ground.area(ground.strip(side * kerb, side * plots, z1=end), ground.grass, TREE)
            inner = kerb + street.verge_m[side > 0]
            ground.area(ground.strip(side * inner, side * plots, z1=end), ground.paving, PAVEMENT)
        else:
            ground.area(ground.strip(side * kerb, side * plots, z1=end), ground.paving, PAVEMENT)
    if cross:
        ground.area(
            [(-400, end - 3), (400, end - 3), (400, end + 13), (-400, end + 13)],
            ground.paving,
            PAVEMENT,
        )
        ground.area(
            [(-400, end), (400, end), (400, end + 10), (-400, end + 10)], ground.asphalt, ROAD
        )
    for opening in street.openings:
        side = opening.side
        a, b = side * (street.plots(side) - 0.2), side * 90
        z0, z1 = opening.z0, opening.z1
        ground.area([(a, z0 - 2), (b, z0 - 2), (b, z1 + 2), (a, z1 + 2)], ground.paving, PAVEMENT)
    for side in (-1, 1):
        kerb = side * street.kerb(side)
        ground.area(ground.strip(kerb, kerb + side * 0.16, z1=end), kerb_stone, PAVEMENT)
    left, right = street.kerb(-1), street.kerb(1)
    ground.area(ground.strip(-left, right, z1=end), ground.asphalt, ROAD)
    for side in (-1, 1):
        kerb = side * street.kerb(side)
        ground.area(ground.strip(kerb, kerb - side * 0.12, z1=40), gutter)
        tone = ground.asphalt * rng.uniform(0.86, 1.06)
        if street.parking[side > 0] and rng.random() < 0.5:  # the parking lane has its own surface
            ground.area(ground.strip(kerb - side * 0.12, kerb - side * 2.1, z1=end), tone, ROAD)
    for opening in street.openings:
        side, z0, z1 = opening.side, opening.z0, opening.z1
        kerb = side * street.kerb(side)
        arc = np.linspace(0, np.pi / 2, 6)
        round_m = 2.5
        first = np.stack(
            [kerb + side * round_m * (1 - np.cos(arc)), z0 - round_m * (1 - np.sin(arc))], -1
        )
        last = np.stack([first[::-1, 0], z0 + z1 - first[::-1, 1]], -1)
        outline = [
            (kerb - side * 0.3, z0 - round_m),
            *first,
            (side * 90, z0),
            (side * 90, z1),
            *last,
        ]
        ground.area([*outline, (kerb - side * 0.3, z1 + round_m)], ground.asphalt, ROAD)


def _wear_road(ground: Ground) -> None:
    """Tyre tracks, patches, cracks and manholes."""
    street, rng = ground.street, ground.canvas.rng
    end = min(street.end, 60.0)
    worn = rng.uniform(0.93, 1.07)
    for lane in range(-street.lanes, street.lanes):
        for track in (-0.75, 0.75):
            at = (lane + 0.5) * street.lane_m + track
            ground.area(ground.strip(at - 0.28, at + 0.28, z1=end), ground.asphalt * worn)
    for _ in range(int(rng.integers(0, 9))):  # patches
        z, at = rng.uniform(2.5, 30), rng.uniform(-street.kerb(-1), street.kerb(1) - 1.5)
        wide, deep = rng.uniform(0.5, 2.2), rng.uniform(0.5, 6)
        tone = ground.asphalt * rng.uniform(0.78, 1.12)
        right = min(at + wide, street.kerb(1) - 0.1)
        ground.area([(at, z), (right, z), (right, z + deep), (at, z + deep)], tone)
    turn = np.linspace(0, 2 * np.pi, 17)[:-1]
    for _ in range(int(rng.integers(0, 6))):  # manholes
        z, at = rng.uniform(3, 28), rng.uniform(-street.lane_m, street.lane_m)
        ring = np.stack([np.cos(turn), np.sin(turn)], -1)
        ground.area((at, z) + ring * 0.36, ground.asphalt * 0.66)
        ground.area((at, z) + ring * 0.29, ground.asphalt * 0.84)
    for _ in range(int(rng.integers(0, 5))):  # cracks
        z, at = rng.uniform(3, 14), rng.uniform(-street.kerb(-1) + 1, street.kerb(1) - 1)
        spine = np.add(np.cumsum(rng.normal((0, 0.3), (0.06, 0.05), (12, 2)), 0), (at, z))
        crack = np.concatenate([spine, np.add(spine[::-1], (0.02, 0.0))])
        ground.area(crack, ground.asphalt * 0.72)


def _paint_lines(ground: Ground) -> None:
    street, rng = ground.street, ground.canvas.rng
    white = np.array(_WHITE) * rng.uniform(0.8, 1.05)
    strength = rng.uniform(0.55, 0.95)
    style = rng.choice(
        ("dashed", "long", "solid", "double", "none"), p=(0.46, 0.2, 0.16, 0.1, 0.08)
    )
    stop_at = min(street.end - 1.5, FAR_M * 0.8)
    gaps = [(o.side, o.z0 - 2.4, o.z1 + 2.4) for o in street.openings]
    if street.crossing is not None:
        gaps.append((0, street.crossing - 2.2, street.crossing + 5.0))
    if street.stop is not None:
        gaps.append((0, street.stop - 0.3, street.stop + 3.4))

    def line(
        at: float, wide: float, dash: float, gap: float, colour: Any = white, side: int = 0
    ) -> None:
        first = _NEAR_Z + float(rng.uniform(0, dash + gap)) * (gap > 0)
        z = np.arange(first, stop_at, dash + max(gap, 0.01))
        to = np.minimum(z + dash, stop_at)
        for where, g0, g1 in gaps:
            if where in (0, side):
                free = (z >= g1) | (to <= g0)
                z, to = z[free], to[free]
        ground.mark(
            np.stack([0 * z + at - wide / 2, 0 * z + at + wide / 2, z, to], -1), colour, strength
        )

    dash, gap = {"dashed": (2, 4), "long": (4, 2)}.get(str(style), (6.0, 0.0))
    if style != "none":
        for at in (-0.13, 0.13) if style == "double" else (0.0,):
            line(at, 0.11, dash, gap)
    for lane in range(1, street.lanes):
        for way in (-1, 1):
            line(way * lane * street.lane_m, 0.11, 2, 4)
    edge = rng.choice(("none", "yellow", "double yellow", "white"), p=(0.4, 0.18, 0.2, 0.22))
    for side in (-1, 1):
        kerb = street.kerb(side)
        if street.parking[side > 0]:
            line(side * (kerb - 2.15), 0.09, 1, 1, white, side)
            if rng.random() < 0.5:
                ground.mark(
                    [
                        (side * (kerb - 2.1), side * (kerb - 0.1), z, z + 0.1)
                        for z in np.arange(3, 60, 5.6)
                    ],
                    white,
                    strength,
                )
        elif edge == "white":
            line(side * (kerb - 0.35), 0.1, 6, 0, white, side)
        elif edge != "none":
            for at in (0.22, 0.42)[: 1 + (edge == "double yellow")]:
                line(side * (kerb - at), 0.08, 6, 0, _YELLOW, side)
    if street.crossing is not None:
        z, wide = street.crossing, float(rng.uniform(2.4, 3.6))
        bars = np.arange(-street.kerb(-1) + 0.3, street.kerb(1) - 0.5, 1.1)
        ground.mark([(at, at + 0.58, z, z + wide) for at in bars], white, strength)
    stops = (street.crossing and street.crossing - 1.6, street.stop, street.end < FAR_M and stop_at)
    across = (0.15 * street.drive, street.drive * (street.kerb(street.drive) - 0.3))
    ground.mark([(*across, z, z + 0.3) for z in stops if z], white, strength)
    for opening in street.openings:  # give-way dashes
        at = opening.side * (street.kerb(opening.side) + 0.3)
        ground.mark(
            [
                (at, at + 0.2, z, z + 0.6)
                for z in np.arange(opening.z0 + 0.2, opening.z1 - 0.5, 0.9)
            ],
            white,
            strength,
        )
    if rng.random() < 0.3:
        _paint_arrow(ground, white, strength)


def _paint_arrow(ground: Ground, white: Any, strength: float) -> None:
    street, rng = ground.street, ground.canvas.rng
    z = float(rng.uniform(6, 16))
    at = street.drive * (street.lanes - 0.5) * street.lane_m
    shaft = [(-0.08, 0), (0.08, 0), (0.08, 3), (0.35, 3), (0, 4.6), (-0.35, 3), (-0.08, 3)]
    paint = ground.asphalt + (white - ground.asphalt) * strength
    ground.area(np.add(shaft, (at, z)), paint)


def _add_texture(ground: Ground, first: int) -> None:
    canvas, street = ground.canvas, ground.street
    below = canvas.surface[first:]
    pavings = ("slabs", "slabs", "old asphalt", "setts")
    kinds: tuple[tuple[int, str], ...] = (
        (ROAD, str(canvas.rng.choice(("asphalt", "old asphalt")))),
        (PAVEMENT, str(canvas.rng.choice(pavings))),
        (TREE, "grass"),
    )
    for label, kind in kinds:
        mask = below == ground.numbers[label]
        canvas.texture_ground(kind, mask, street.slope, street.shift)


def _add_shade(canvas: Canvas, first: int) -> None:
    weather = canvas.weather
    size = (canvas.width, canvas.height - first)
    half: np.ndarray = cv2.resize(
        canvas.shade[first:],
        (size[0] // 2, max(size[1] // 2, 1)),
        interpolation=cv2.INTER_AREA,
    )
    soft = canvas.height / (700 if max(weather.sun) > 0.3 else 200)
    half = cv2.GaussianBlur(half, (0, 0), max(0.5, soft))
    shade = cv2.resize(half, size)
    left = np.array(weather.ambient) * 0.8 / canvas.light.on_ground()
    left = np.minimum(left, 1 - 0.5 * weather.shadow)
    ramp = np.round(255 * (1 + (left - 1) * np.arange(256)[:, None] / 255)).astype(np.uint8)
    gain = cv2.applyColorMap(shade, ramp[:, None])
    canvas.image[first:] = cv2.multiply(canvas.image[first:], gain, scale=1 / 255)


def _add_haze(canvas: Canvas, first: int) -> None:
    camera = canvas.camera
    z = camera.fy * camera.height_m / (np.arange(first, canvas.height) + 0.5 - camera.cy)
    air = np.asarray(canvas.light.haze(z), np.float32)
    last = first + int((air > 0.004).sum())
    air = air[: last - first, None, None]
    part = canvas.image[first:last]
    veil = np.array(canvas.weather.horizon, np.float32) * air
    part[:] = (part * (1 - air) + veil).astype(np.uint8)
