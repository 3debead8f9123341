"""Street scenes drawn from a seed, each with the class of every pixel.

A pinhole camera stands on a road. Road coordinates are metres, `(x, y, z)`: right of the road's
centre line, above the ground, ahead of the camera. Sky and ground are computed pixel by pixel;
everything else is drawn far to near, each shape into the image and into the labels alike.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

CLASS_NAMES: tuple[str, ...] = (
    *("Sky", "Building", "Pole", "Road", "Pavement", "Tree"),
    *("Sign", "Fence", "Car", "Pedestrian", "Bicyclist", "void"),
)
SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST, VOID = range(12)

# Classes that touch differ in lightness as well as hue, so the map also reads without colour.
_HEX = "9bd0f5 b07a5c f0e442 545462 ccbbcc 00875f e66100 663c14 005ab5 dc267f ffb000 000000"
PALETTE = np.array([list(bytes.fromhex(colour)) for colour in _HEX.split()], dtype=np.uint8)

Colour = Any  # three numbers 0..255, a tuple or an array
Point = tuple[float, float, float]
_f32 = partial(np.asarray, dtype=np.float32)


@dataclass(frozen=True)
class Scene:
    """One picture and its truth.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) uint8, an index into `CLASS_NAMES`.
    """

    image: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class _Weather:
    """Colours of the air (0..255) and strengths of the light (factors on a surface's colour)."""

    zenith: Point
    horizon: Point
    cloud_lit: Point
    cloud_dark: Point
    sun: Point
    ambient: Point
    cloud_cover: float
    haze_m: float
    shadow: float
    lamps_lit: bool = False


_CLEAR = _Weather(
    zenith=(80, 142, 216),
    horizon=(204, 224, 238),
    cloud_lit=(255, 253, 248),
    cloud_dark=(196, 208, 224),
    sun=(0.52, 0.46, 0.36),
    ambient=(0.72, 0.75, 0.81),
    cloud_cover=0.5,
    haze_m=300,
    shadow=0.45,
)
_OVERCAST = _Weather(
    zenith=(168, 180, 196),
    horizon=(220, 225, 230),
    cloud_lit=(236, 238, 241),
    cloud_dark=(172, 181, 193),
    sun=(0.14, 0.14, 0.14),
    ambient=(0.84, 0.86, 0.89),
    cloud_cover=0.85,
    haze_m=190,
    shadow=0.25,
)
_DUSK = _Weather(
    zenith=(72, 88, 150),
    horizon=(255, 190, 128),
    cloud_lit=(255, 176, 140),
    cloud_dark=(134, 104, 142),
    sun=(0.62, 0.38, 0.18),
    ambient=(0.68, 0.63, 0.72),
    cloud_cover=0.6,
    haze_m=210,
    shadow=0.34,
    lamps_lit=True,
)

_NEAR_M, _FAR_M = 2.0, 168.0
_KERB_M, _PLOTS_M = 5.7, 9.9  # from the road's centre to the kerb, and to where the plots begin
_FACADES = (
    *((232, 214, 178), (214, 168, 112), (192, 112, 84), (226, 186, 170), (176, 190, 198)),
    *((168, 92, 76), (206, 192, 164), (238, 232, 220), (190, 196, 160), (150, 128, 118)),
)
_ROOFS = ((160, 88, 66), (128, 80, 66), (98, 102, 114), (132, 112, 98))
_BRIGHT = ((176, 50, 44), (38, 84, 140), (222, 172, 60), (32, 106, 96), (110, 62, 92))
_PAINTS = (
    *(*_BRIGHT, (236, 238, 240), (178, 184, 190), (52, 56, 64), (96, 104, 112)),
    *((222, 214, 196), (204, 208, 212), (126, 38, 42)),
)
_CLOTHES = (
    *((176, 66, 56), (52, 80, 124), (206, 164, 76), (72, 104, 84), (222, 216, 204)),
    *((50, 50, 60), (120, 96, 76), (132, 140, 150)),
)
_SKINS, _HAIRS = ((238, 202, 172), (204, 152, 116), (134, 92, 66)), ((58, 42, 32), (150, 112, 66))
_GLASS, _BLACK, _STEEL = np.array((70, 86, 104)), (26, 27, 30), (88, 94, 100)
_FOLIAGE = (
    *(((64, 100, 44), (104, 132, 60)), ((52, 88, 50), (84, 116, 62))),
    *(((86, 112, 44), (186, 146, 58)), ((176, 96, 42), (206, 142, 56))),
    *(((88, 118, 62), (226, 176, 188)),),
)

# A car seen from its left: (ahead, up) in metres from the rear bumper; then the belt line and the
# first points of the rear and front windows.
_BODIES: tuple[tuple[tuple, tuple, float, tuple[int, int]], ...] = (
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

# Figures as tapering limbs, far to near: from and to (ahead, up, aside), the two radii, and
# what it wears there: 0 shirt, 1 trousers, 2 shoes and tyres, 3 skin, 4 hair or helmet, 5 frame.
_WALKER = (
    (0.2, 1.08, -0.2, 0.02, 1.36, -0.17, 0.038, 0.055, 0),
    (0.0, 0.92, -0.06, -0.14, 0.5, -0.07, 0.095, 0.065, 1),
    (-0.14, 0.5, -0.07, -0.32, 0.14, -0.07, 0.06, 0.045, 1),
    (-0.33, 0.09, -0.07, -0.22, 0.05, -0.07, 0.05, 0.035, 2),
    (0.0, 0.92, 0.06, 0.17, 0.52, 0.07, 0.095, 0.065, 1),
    (0.17, 0.52, 0.07, 0.2, 0.12, 0.07, 0.06, 0.045, 1),
    (0.2, 0.06, 0.07, 0.34, 0.05, 0.07, 0.05, 0.035, 2),
    (0.0, 1.36, 0.0, 0.0, 0.95, 0.0, 0.165, 0.14, 0),
    (0.0, 1.4, 0.1, 0.0, 1.4, -0.1, 0.08, 0.08, 0),
    (-0.02, 1.38, 0.19, -0.14, 1.06, 0.22, 0.055, 0.04, 0),
    (0.01, 1.46, 0.0, 0.01, 1.54, 0.0, 0.05, 0.05, 3),
    (-0.01, 1.67, 0.0, -0.02, 1.64, 0.0, 0.11, 0.1, 4),
    (0.035, 1.6, 0.0, 0.03, 1.64, 0.0, 0.075, 0.085, 3),
)
_RIM = [(0.33 * math.sin(t), 0.34 + 0.33 * math.cos(t)) for t in np.linspace(0, 2 * math.pi, 13)]
_CYCLIST = (
    *(
        (0.52 + a, b, 0, 0.52 + c, d, 0, 0.025, 0.025, 2)
        for (a, b), (c, d) in itertools.pairwise(_RIM)
    ),
    *(
        (a - 0.52, b, 0, c - 0.52, d, 0, 0.025, 0.025, 2)
        for (a, b), (c, d) in itertools.pairwise(_RIM)
    ),
    (-0.52, 0.34, 0, -0.08, 0.3, 0, 0.025, 0.025, 5),
    (-0.08, 0.3, 0, -0.2, 0.92, 0, 0.025, 0.025, 5),
    (-0.16, 0.8, 0, 0.4, 0.85, 0, 0.025, 0.025, 5),
    (-0.08, 0.3, 0, 0.4, 0.85, 0, 0.025, 0.025, 5),
    (0.38, 1.02, 0, 0.52, 0.34, 0, 0.025, 0.025, 5),
    (-0.2, 0.98, -0.09, 0.18, 0.62, -0.09, 0.1, 0.07, 1),
    (0.18, 0.62, -0.09, -0.14, 0.36, -0.09, 0.065, 0.045, 1),
    (0.1, 1.42, -0.16, 0.42, 1.06, -0.2, 0.06, 0.045, 0),
    (-0.2, 1.02, 0, 0.1, 1.4, 0, 0.15, 0.17, 0),
    (-0.2, 0.98, 0.09, 0.22, 0.72, 0.09, 0.1, 0.07, 1),
    (0.22, 0.72, 0.09, 0.02, 0.22, 0.09, 0.065, 0.045, 1),
    (0.0, 0.2, 0.09, 0.12, 0.18, 0.09, 0.045, 0.035, 2),
    (0.1, 1.42, 0.16, 0.42, 1.06, 0.2, 0.06, 0.045, 0),
    (0.2, 1.6, 0, 0.2, 1.66, 0, 0.09, 0.095, 3),
    (0.16, 1.71, 0, 0.22, 1.73, 0, 0.105, 0.09, 4),
)


class _Canvas:
    """Image, labels, camera and light; draws shapes given in road coordinates."""

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.rng = rng
        self.image = np.zeros((height, width, 3), np.uint8)
        self.labels = np.zeros((height, width), np.uint8)
        self.shade = np.zeros((height, width), np.uint8)  # how much of the sun the ground misses
        self.focal = max(0.6 * width, 0.95 * height)
        self.centre_x = width * rng.uniform(0.42, 0.58)
        self.horizon = height * (rng.uniform(0.48, 0.56) + 0.06 * (height > width))
        self.eye = np.array([rng.uniform(1.2, 2.2), rng.uniform(2.0, 2.9), 0.0])
        self.bend = rng.uniform(-1, 1) * 0.0011
        self.weather = (_CLEAR, _OVERCAST, _DUSK)[rng.choice(3, p=(0.5, 0.2, 0.3))]
        dusk = self.weather.lamps_lit
        aside, ahead = rng.choice((-1, 1)) * rng.uniform(0.45, 0.8), rng.uniform(-0.8, 0.2)
        sun = np.array([aside, 0.35 if dusk else 0.8, 0.9 + ahead / 2 if dusk else ahead])
        self.sun = (sun / np.linalg.norm(sun)).tolist()  # the direction towards it
        frequency = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512)[None]) * 512
        spectrum = np.fft.rfft2(rng.standard_normal((512, 512))) / np.maximum(frequency, 1) ** 1.6
        noise = np.fft.irfft2(spectrum * (frequency > 0))
        self.noise = (noise / noise.std()).astype(np.float32)  # like clouds; it tiles
        stains = (
            22 * np.linspace(-0.3, 1, 512)[:, None] ** 4 + 5 * (np.arange(512) % 8 < 1)[:, None]
        )
        plaster = 130 + 6 * self.noise + rng.normal(0, 4, (512, 512)) - stains
        self.plaster = np.clip(plaster, 60, 190).astype(np.uint8)  # 128 leaves a wall as it is

    def pick(self, options: tuple) -> np.ndarray:
        return np.array(options[self.rng.integers(len(options))])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of road points (..., 3); the road's bend is applied here."""
        points = np.asarray(points, np.float64)
        z = np.maximum(points[..., 2], _NEAR_M)
        pixels = np.empty((*z.shape, 2))
        pixels[..., 0] = self.centre_x + self.focal * (
            (points[..., 0] - self.eye[0]) / z + self.bend * z
        )
        pixels[..., 1] = self.horizon + self.focal * (self.eye[1] - points[..., 1]) / z
        return pixels

    def haze(self, z: Any) -> Any:
        """How much of what one sees at `z` metres is air, 0..1."""
        return 1 - np.exp(-np.maximum(z - 8, 0) / self.weather.haze_m)

    def glow(self, colour: Colour, z: float) -> Colour:
        """A light of its own, seen through `z` metres of air."""
        air = float(self.haze(z))
        return tuple(
            float(c + (h - c) * air) for c, h in zip(colour, self.weather.horizon, strict=True)
        )

    def lit(self, colour: Colour, normal: Any, z: float) -> Colour:
        """A surface facing `normal` in this weather's light, seen through `z` metres of air."""
        facing = 1.15 * max(0.0, sum(n * s for n, s in zip(normal, self.sun, strict=True)))
        lights = zip(colour, self.weather.ambient, self.weather.sun, strict=True)
        return self.glow([min(c * (a + s * facing), 255) for c, a, s in lights], z)

    def fill(self, polygons: Any, colour: Colour, label: int | None = None) -> None:
        """Fill road polygons (..., corners, 3); without a label they are detail on a surface."""
        pixels = self.project(polygons)
        self.fill_pixels(pixels.reshape(-1, *pixels.shape[-2:]), colour, label)

    def fill_pixels(self, pixels: np.ndarray, colour: Colour, label: int | None) -> None:
        height, width = self.labels.shape
        low, high = pixels.min(1), pixels.max(1)
        seen = (high > 0).all(1) & (low < (width, height)).all(1)
        if label is None:
            seen &= (high - low > 0.9).all(1)
        fixed = list(np.round((pixels[seen] - 0.5) * 16).astype(np.int32))
        if fixed:
            cv2.fillPoly(self.image, fixed, colour, cv2.LINE_AA, 4)
            if label is not None:
                cv2.fillPoly(self.labels, fixed, label, cv2.LINE_8, 4)

    def limb(self, start: Point, end: Point, radii: Any, colour: Colour, label: int) -> None:
        """A round-ended, tapering bar between two road points."""
        turn = np.arange(12) * (math.pi / 6)
        circle = np.stack([np.cos(turn), np.sin(turn)], -1)
        depth = np.maximum((start[2], end[2]), _NEAR_M)
        sizes = np.maximum(np.array(radii) * self.focal / depth, 0.5)
        outline = self.project(np.array([start, end]))[:, None] + sizes[:, None, None] * circle
        hull = cv2.convexHull(outline.reshape(-1, 2).astype(np.float32))[:, 0]
        self.fill_pixels(hull[None], self.lit(colour, (self.sun[0], 0.3, -0.4), start[2]), label)

    def paste(self, sprite: np.ndarray, base: Point, size: Any, label: int) -> None:
        """Stand a premultiplied RGBA sprite of `size` (wide, high) metres on a road point."""
        corners = np.add(base, [(-size[0] / 2, size[1], 0), (size[0] / 2, 0, 0)])
        (x0, y0), (x1, y1) = np.round(self.project(corners)).astype(int)
        height, width = self.labels.shape
        left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
        if right <= left or bottom <= top:
            return
        big = cv2.resize(sprite, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
        part = big[top - y0 : bottom - y0, left - x0 : right - x0].astype(np.float32)
        alpha, air = part[..., 3:] / 255, _f32(self.haze(base[2]))
        here = self.image[top:bottom, left:right]
        veil = _f32(self.weather.horizon) * air
        here[:] = here * (1 - alpha) + part[..., :3] * (1 - air) + veil * alpha
        self.labels[top:bottom, left:right][alpha[..., 0] > 0.5] = label

    def cast(self, outlines: Any) -> None:
        """Put ground polygons (..., corners, 2), given as (x, z), into shade."""
        outlines = np.asarray(outlines, np.float64)
        points = np.insert(outlines, 1, 0.0, axis=-1)
        for polygon in self.project(points).reshape(-1, outlines.shape[-2], 2):
            cv2.fillPoly(self.shade, [(polygon * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)

    def find_shadow(self, x: Any, y: Any, z: Any) -> np.ndarray:
        """Where on the ground, as (x, z), the shadow of a point falls."""
        reach = np.minimum(np.asarray(y) / max(self.sun[1], 0.3), 30)
        return np.stack(np.broadcast_arrays(x - self.sun[0] * reach, z - self.sun[2] * reach), -1)


def _sample(noise: np.ndarray, columns: Any, rows: Any) -> np.ndarray:
    columns, rows = np.broadcast_arrays(_f32(columns), _f32(rows))
    return cv2.remap(noise, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _mix(below: Any, above: Any, amount: np.ndarray) -> np.ndarray:
    return below + (_f32(above) - below) * amount[..., None]


def _paint_sky(canvas: _Canvas) -> None:
    """Gradient, clouds on a flat ceiling and a low sun, at half the image's resolution."""
    weather, high, width = canvas.weather, int(canvas.horizon) + 2, canvas.labels.shape[1]
    up = (canvas.horizon - np.arange(0, high, 2, dtype=np.float32)[:, None]) / canvas.focal
    aside = (np.arange(0, width, 2, dtype=np.float32)[None] - canvas.centre_x) / canvas.focal
    up = np.maximum(up, 0)
    fade = np.exp(-up / 0.28)
    far = 70 / (up + 0.16)
    density = _sample(canvas.noise, aside * far + 99, far * 1.6)
    density += 0.5 * _sample(canvas.noise, aside * far * 3, far * 4.8) + 2.2 * weather.cloud_cover
    cloud = _mix(_f32(weather.cloud_lit), weather.cloud_dark, np.clip(density - 2.1, 0, 1) * 0.7)
    cover = np.clip((density - 1.5) * 0.85, 0, 1) * (1 - 0.75 * fade)
    sky = _mix(_mix(_f32(weather.zenith), weather.horizon, fade), cloud, cover)
    if weather.lamps_lit:
        away = np.hypot(aside - 0.5 * canvas.sun[0], up - 0.15)
        glow = 0.75 * np.exp(-away / 0.16) + np.clip((0.03 - away) * 90, 0, 1)
        sky = _mix(sky, (255, 236, 196), np.minimum(glow, 1))
    whole = cv2.resize(np.clip(sky, 0, 255).astype(np.uint8), (width, high))
    canvas.image[:high] = whole
    canvas.labels[:high] = SKY


def _paint_ground(canvas: _Canvas, crossing: float | None, lawn: bool) -> None:
    """Road, markings, kerbs, pavements and plots, by casting a ray through each pixel."""
    height, width = canvas.labels.shape
    first = int(canvas.horizon) + 1
    rows = np.arange(first, height, dtype=np.float32)[:, None] + 0.5
    z = np.minimum(_f32(canvas.focal * canvas.eye[1]) / (rows - canvas.horizon), 900)
    z = z.astype(np.float32)
    aside = (np.arange(width, dtype=np.float32)[None] + 0.5 - canvas.centre_x) / canvas.focal
    x = z * aside.astype(np.float32) + _f32(canvas.eye[0]) - _f32(canvas.bend) * z * z
    side, across = np.abs(x), _f32(canvas.focal) / z  # pixels per metre, sideways
    along = across * _f32(canvas.eye[1]) / z  # and ahead

    def cover(value: np.ndarray, low: float, high: float, scale: np.ndarray) -> np.ndarray:
        return np.clip(np.minimum(value - low, high - value) * scale + 0.5, 0, 1)

    soft = _sample(canvas.noise, x * 9, z * 5) * 0.035
    grain = _sample(canvas.noise, x * 150, z * 110) * 0.04 * np.clip(across / 60, 0, 1)
    columns, lines = side / 0.7, z / 0.7
    column, line = np.floor(columns + 0.5), np.floor(lines + 0.5)
    gap_across = (0.5 - np.abs(columns - column)) * across
    joint = np.minimum(gap_across, (0.5 - np.abs(lines - line)) * along) * 0.7
    slab = 6 * np.sin(column * 91.7 + line * 47.3)
    stone = (slab - 38 * np.clip(1.2 - joint, 0, 1)) * np.clip(along / 30, 0, 1)
    paved, road = cover(side, -1, _PLOTS_M, across), cover(side, -1, _KERB_M - 0.06, across)
    tone = 178 + stone + 28 * cover(side, _KERB_M, _KERB_M + 0.22, across)
    tone -= 118 * cover(side, _KERB_M - 0.06, _KERB_M + 0.04, across)
    tone += (122 - 6 * np.exp(-(((side - 1.7) / 0.9) ** 2)) - tone) * road
    marks = cover(side, -1, 0.07, across) * cover(z % 6, 0, 3, along)
    marks += 0.8 * cover(side, 3.42, 3.52, across) * cover(z % 2, 0, 1, along)
    if crossing is not None:
        bars = cover(x % 1, 0.22, 0.76, across) * cover(side, -1, _KERB_M - 0.3, across)
        stop = cover(x, 0.15, 3.4, across) * cover(z, crossing - 1.7, crossing - 1.3, along)
        marks *= 1 - cover(z, crossing - 2.2, crossing + 4, along)
        marks += bars * cover(z, crossing, crossing + 3.2, along) + stop
    tone += (234 - tone) * marks * np.clip(0.86 + soft * 4, 0.5, 1)
    plots = (100, 128, 62) if lawn else (176, 168, 158)
    colour = _mix(_f32((1.02, 0.99, 0.94)), (1, 1, 1.03), road) * tone[..., None]
    colour = _mix(_f32(plots), colour, paved) * (1 + soft + grain)[..., None]
    shade = cv2.GaussianBlur(canvas.shade[first:], (0, 0), max(0.6, height / 500)) / _f32(255)
    light = np.array(canvas.weather.ambient) + np.array(canvas.weather.sun) * canvas.sun[1]
    shadow = np.array((1, 0.94, 0.84)) * canvas.weather.shadow
    colour *= _mix(_f32(light), light * (1 - shadow), shade)
    colour = _mix(colour, canvas.weather.horizon, _f32(canvas.haze(z)))
    canvas.image[first:] = np.clip(colour, 0, 255)
    plot = TREE if lawn else PAVEMENT
    canvas.labels[first:] = np.where(
        side < _KERB_M, ROAD, np.where(side < _PLOTS_M, PAVEMENT, plot)
    )


def _on_wall(start: Point, end: Point, rects: Any) -> np.ndarray:
    """Corners (n, 4, 3) of rectangles (n, 4) = (from, to, low, high) metres on an upright wall."""
    origin, rects = np.array(start, np.float64), np.atleast_2d(rects)
    ahead = np.array(end) - origin
    corners = origin + rects[:, (0, 1, 1, 0), None] * ahead / np.linalg.norm(ahead)
    corners[..., 1] += rects[:, (2, 2, 3, 3)]
    return corners


def _draw_wall(
    canvas: _Canvas, start: Point, end: Point, tall: float, colour: Colour, normal: Point
) -> None:
    """A plastered wall: flat colour, then stains and courses multiplied onto it."""
    length = float(np.linalg.norm(np.array(end) - start))
    corners = _on_wall(start, end, (0, length, 0, tall))[0]
    canvas.fill(corners, canvas.lit(colour, normal, (start[2] + end[2]) / 2), BUILDING)
    quad, (height, width) = canvas.project(corners), canvas.labels.shape
    left, top = np.clip(np.floor(quad.min(0)), 0, (width, height)).astype(int)
    right, bottom = np.clip(np.ceil(quad.max(0)), 0, (width, height)).astype(int)
    if min(right - left, bottom - top) < 12:
        return
    wide, high = int(length * 24), int(tall * 24)
    source = np.array([(0, high), (wide, high), (wide, 0), (0, 0)], np.float32)
    matrix = cv2.getPerspectiveTransform(source, _f32(quad - (left, top)))
    plaster, size = canvas.plaster[512 - high :, :wide], (right - left, bottom - top)
    grain = cv2.warpPerspective(plaster, matrix, size, borderValue=128)
    here = canvas.image[top:bottom, left:right]
    here[:] = cv2.multiply(here, cv2.merge([grain] * 3), scale=1 / 128)


def _draw_building(
    canvas: _Canvas, side: int, z0: float, z1: float, front: float, floors: int
) -> None:
    rng, dusk, far = canvas.rng, canvas.weather.lamps_lit, (z0 + z1) / 2
    shops, length, depth = floors > 2 and rng.random() < 0.75, z1 - z0, 9.0
    ground = 3.7 if shops else 3.0
    tall = ground + 3.0 * (floors - 1) + 0.5
    wall = canvas.pick(_FACADES) * rng.uniform(0.92, 1.05)
    trim, roof = np.minimum(wall * 1.1 + 18, 250), canvas.pick(_ROOFS)
    start, end, back = (
        (side * at, 0.0, z) for at, z in ((front, z0), (front, z1), (front + depth, z0))
    )

    def put(rects: Any, colour: Colour, bright: bool = False) -> None:
        paint = canvas.glow(colour, far) if bright else canvas.lit(colour, (-side, 0, 0), far)
        canvas.fill(_on_wall(start, end, rects), paint)

    if floors < 4 or rng.random() < 0.5:  # pitched, its ridge along the road
        ridge = np.array([(side * (front + depth / 2), tall + 3.2, z) for z in (z0, z1)])
        eaves = np.array([(side * (front - 0.35), tall - 0.1, z) for z in (z0, z1)])
        for step in range(10):
            a, b = (eaves + (ridge - eaves) * at for at in (step / 10, 1))
            tiles = canvas.lit(roof * (0.94 + 0.06 * (step % 2)), (-side * 0.6, 0.8, 0), far)
            canvas.fill(np.stack([*a, *b[::-1]]), tiles, BUILDING if step == 0 else None)
        corners = [(-0.5, -1, 2), (0.5, -1, 2), (0.5, 1.2, 2), (-0.5, 1.2, 2)]
        canvas.fill(ridge[0] + corners, canvas.lit((150, 96, 80), (0, 0, -1), far), BUILDING)
        gable = np.add([start, back, ridge[0]], [(0, tall, 0), (0, tall, 0), (0, 0, 0)])
        canvas.fill(gable, canvas.lit(wall * 0.9, (0, 0, -1), far), BUILDING)
    _draw_wall(canvas, start, back, tall, wall * 0.9, (0, 0, -1))
    holes = [(u, u + 1, y, y + 1.4) for u in (1.6, 5.4) for y in np.arange(1.2, tall - 2, 3)]
    frames = np.add(holes, (-0.12, 0.12, -0.12, 0.12))
    for rects, colour in ((frames, trim), (holes, _GLASS)):
        canvas.fill(_on_wall(start, back, rects), canvas.lit(colour, (0, 0, -1), z0))

    _draw_wall(canvas, start, end, tall, wall, (-side, 0, 0))
    cornice = _on_wall(start, end, (0, length, tall - 0.45, tall + 0.1)) - (side * 0.12, 0, 0)
    canvas.fill(cornice, canvas.lit(trim, (-side, 0, 0), far), BUILDING)
    bays = max(2, int(length / rng.uniform(2.1, 2.9)))
    pitch, share = length / bays, rng.uniform(0.4, 0.55)
    lefts = (np.arange(bays) + (1 - share) / 2) * pitch
    left, low = np.meshgrid(lefts, np.arange(ground if shops else 0, tall - 2.9, 3.0) + 0.95)
    left, low = left.ravel(), low.ravel()
    panes = np.stack([left, left + pitch * share, low, low + 1.6], -1)
    warm, tone = rng.random(len(panes)) < 0.4 * dusk, rng.integers(3, size=len(panes))
    put(np.add(panes, (-0.12, 0.12, -0.18, 0.12)), trim)
    put(panes[warm], (255, 206, 120), True)
    for index in range(3):
        put(panes[~warm & (tone == index)], _GLASS * (0.8, 1.0, 1.25)[index])
    put(panes[~warm][:, (0, 1, 3, 3)] - (0, 0, 0.6, 0), _GLASS * 1.5)
    middle = panes[:, :1] + pitch * share / 2
    put(np.hstack([middle - 0.04, middle + 0.04, panes[:, 2:]]), trim)
    put(panes[:, (0, 1, 3, 3)] - (0, 0, 0.64, 0.56), trim)
    put((0, length, 0, 0.5), wall * 0.7)
    if not shops:
        door = np.array((length * 0.45, length * 0.45 + 1.1, 0, 2.2))
        put(np.add(door, (-0.12, 0.12, 0, 0.12)), trim)
        put(door, canvas.pick(_BRIGHT))
        return
    put((0, length, 3.45, 3.7), trim)
    for u in np.arange(0.4, length - 2.5, 4.2):
        accent, v = canvas.pick(_BRIGHT), min(u + 3.8, length - 0.3)
        put((u, v, 0, 3.3), accent * 0.6)
        put((u + 0.2, v - 1.2, 0.6, 2.5), (255, 216, 140) if dusk else _GLASS, dusk)
        put((v - 1.0, v - 0.2, 0.1, 2.5), (240, 186, 112) if dusk else _GLASS * 0.7, dusk)
        put((u, v, 2.65, 3.25), accent)
        if rng.random() < 0.6:  # an awning of striped cloth
            strips = np.arange(u, v - 0.3, 0.45)
            cloth = _on_wall(start, end, [(s, s + 0.45, 2.25, 2.9) for s in strips])
            cloth[:, :2, 0] -= side * 1.2
            for odd, colour in enumerate((accent, np.array((240, 236, 226)))):
                canvas.fill(cloth[odd::2], canvas.lit(colour, (-side * 0.5, 0.8, 0), far), BUILDING)


def _draw_skyline(canvas: _Canvas, lawn: bool) -> None:
    """What closes the view: woods, or the roofs of the rest of the town."""
    along = np.arange(-420.0, 420.0, 1.5 if lawn else 3.0)
    hills = canvas.noise[7, (along * 0.6).astype(int) % 512] * 2.4 + 7
    leaves = canvas.rng.uniform(0, 1.6, len(along))
    blocks = np.repeat(canvas.rng.uniform(4, 13, len(along)), 3)[: len(along)]
    tops = np.stack([along, hills + leaves if lawn else blocks, 0 * along + _FAR_M], -1)
    if not lawn:
        tops = np.repeat(tops, 2, axis=0)[:-1]
        tops[1::2, 0] = tops[2::2, 0]
    outline = np.vstack([tops, [(420, -1, _FAR_M), (-420, -1, _FAR_M)]])
    colour, label = ((78, 104, 66), TREE) if lawn else ((186, 150, 132), BUILDING)
    canvas.fill(outline, canvas.lit(colour, (0, 0.4, -0.6), _FAR_M * 1.4), label)


def _grow_crown(rng: np.random.Generator, hues: Any, sun: Any) -> np.ndarray:
    """A tree's crown as (384, 384, 4) premultiplied RGBA: leaf dabs, the shaded ones first."""
    sprite, count = np.zeros((384, 384, 4), np.uint8), 2200
    angle, radius = rng.uniform(0, 2 * math.pi, 22), 0.68 * np.sqrt(rng.uniform(0, 1, 22))
    clumps = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)
    offset = rng.normal(0, 0.125, (count, 2))
    spot = clumps[rng.integers(22, size=count)] + offset
    spot *= np.minimum(1, 0.93 / np.hypot(*spot.T))[:, None]
    light = (offset * 2.4 + spot * 0.45) @ (sun[0], -sun[1]) + rng.normal(0, 0.1, count)
    blend, size = rng.random((count, 1)), rng.uniform(3, 7, count)
    colours = np.array(hues[0]) * (1 - blend) + np.array(hues[1]) * blend
    colours = np.clip(colours * (0.86 + 0.75 * np.clip(light, -0.5, 0.7))[:, None], 0, 255)
    places, axes = (
        ((spot + 1) * (384 * 8)).astype(np.int32),
        (size[:, None] * (16, 10)).astype(np.int32),
    )
    for i in np.argsort(light + rng.normal(0, 0.12, count)):
        turn, paint = 360 * float(blend[i, 0]), (*colours[i].tolist(), 255)
        cv2.ellipse(sprite, places[i], axes[i], turn, 0, 360, paint, -1, cv2.LINE_AA, 4)
    return sprite


def _draw_tree(canvas: _Canvas, x: float, z: float, tall: float, crown: np.ndarray) -> None:
    bark, spread = (98, 82, 68), tall * canvas.rng.uniform(0.52, 0.68)
    canvas.limb((x, 0, z), (x, tall * 0.55, z), (0.18, 0.1), bark, TREE)
    for lean in (-0.2, 0.22):
        tip = (x + lean * spread, tall * 0.66, z)
        canvas.limb((x, tall * 0.36, z), tip, (0.09, 0.05), bark, TREE)
    canvas.paste(crown, (x, tall * 0.32, z), (spread, tall * 0.68), TREE)


def _draw_car(
    canvas: _Canvas, x: float, z: float, body: Any, paint: Colour, oncoming: bool
) -> None:
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
            face(middle + (quad - middle) * (0.88, 0.86, 0.86), _GLASS * 0.75, normal)
            face(middle + (quad - middle) * (0.86, 0.36, 0.36) + rise_up, _GLASS * 1.5, normal)
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
        face(middle + (cabin - middle) * (1, 0.78, 0.88), _GLASS * 0.75, (s, 0.1, 0))
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


def _draw_figure(
    canvas: _Canvas, x: float, z: float, tall: float, limbs: Any, heading: float, label: int
) -> None:
    """A person made of limbs, moving at `heading` radians from straight across the road."""
    shirt, trousers, cap = (canvas.pick(_CLOTHES) for _ in range(3))
    hair = cap if label == BICYCLIST else canvas.pick(_HAIRS)
    wear = (shirt, trousers, (44, 42, 44), canvas.pick(_SKINS), hair, canvas.pick(_BRIGHT))
    ahead, k = np.array((math.cos(heading), 0, math.sin(heading))), tall / 1.75
    aside = np.array((ahead[2], 0, -ahead[0])) * (1 if ahead[0] > 0 else -1)
    for a0, y0, s0, a1, y1, s1, r0, r1, part in limbs:
        start, end = (
            (x, y * k, z) + (a * ahead + s * aside) * k for a, y, s in ((a0, y0, s0), (a1, y1, s1))
        )
        shade = 1 - 0.22 * (s0 < 0) - 0.1 * (s0 > 0.12)
        canvas.limb(start, end, (r0 * k, r1 * k), np.array(wear[part]) * shade, label)


def _draw_lamp(canvas: _Canvas, x: float, z: float) -> None:
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


def _draw_sign(canvas: _Canvas, x: float, z: float, kind: int) -> None:
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


def _draw_fence(canvas: _Canvas, side: int, z0: float, z1: float) -> None:
    wood = canvas.pick(((156, 122, 90), (196, 190, 178), (112, 94, 80), (134, 142, 130)))
    start, end = (side * (_PLOTS_M + 0.1), 0.0, z0), (side * (_PLOTS_M + 0.1), 0.0, z1)
    edges, tones = np.arange(0, z1 - z0 - 0.1, 0.2), (0.9, 1.0, 1.06)
    boards = np.stack([edges, edges + 0.18, 0 * edges, 1.3 + 0.05 * np.sin(edges * 9)], -1)
    tone = canvas.rng.integers(3, size=len(edges))
    canvas.fill(
        _on_wall(start, end, (0, z1 - z0, 0, 1.25)),
        canvas.lit(wood * 0.6, (-side, 0, 0), z0),
        FENCE,
    )
    for i, bright in enumerate(tones):
        paint = canvas.lit(wood * bright, (-side, 0, 0), z0)
        canvas.fill(_on_wall(start, end, boards[tone == i]), paint, FENCE)


def _draw_bin(canvas: _Canvas, x: float, z: float) -> None:
    canvas.limb((x, 0.2, z), (x, 0.95, z), (0.22, 0.26), (62, 88, 74), VOID)
    canvas.limb((x - 0.2, 0.98, z), (x + 0.2, 0.98, z), (0.07, 0.07), (44, 60, 54), VOID)


def _furnish(canvas: _Canvas) -> tuple[list[tuple[float, Callable[[], None]]], float | None, bool]:
    """Choose what stands where, and shade the ground beneath it.

    Returns:
        (distance, how to draw it) pairs; where the zebra crossing begins, if there is one; and
        whether the plots beside the pavements are lawns.
    """
    rng, green = canvas.rng, canvas.rng.random()
    lawn = bool(green > 0.5)
    things: list[tuple[float, Callable[[], None]]] = []
    crossing = float(rng.uniform(9, 17)) if rng.random() < 0.55 else None
    hues = _FOLIAGE[rng.choice(len(_FOLIAGE), p=(0.36, 0.26, 0.16, 0.12, 0.1))]
    crowns = [_grow_crown(rng, hues, canvas.sun) for _ in range(3)]
    circle = np.exp(1j * np.linspace(0, 2 * math.pi, 9))
    disc = np.stack([circle.real, circle.imag], -1)

    def add(z: float, draw: Callable[..., None], *args: Any) -> None:
        things.append((z, partial(draw, canvas, *args)))

    def add_tree(x: float, z: float, tall: float) -> None:
        add(z, _draw_tree, x, z, tall, crowns[rng.integers(3)])
        count = 16 if z < 50 else 3
        spread, high = rng.normal(x, tall * 0.12, count), rng.uniform(0.4, 0.95, count) * tall
        middle = canvas.find_shadow(spread, high, z)[:, None]
        canvas.cast(middle + rng.uniform(0.4, 0.9, (count, 1, 1)) * disc)

    def add_car(x: float, z: float, oncoming: bool) -> None:
        body, paint = _BODIES[rng.choice(3, p=(0.45, 0.4, 0.15))], canvas.pick(_PAINTS)
        add(z + 2, _draw_car, x, z, body, paint, oncoming)
        canvas.cast((x, z + 2.3) + disc[1:8:2] * (1.45, 3.4))

    def add_figure(x: float, z: float, limbs: tuple, heading: float, label: int) -> None:
        add(z, _draw_figure, x, z, rng.uniform(1.6, 1.88), limbs, heading, label)
        canvas.cast((x, z) + disc * (0.34, 0.28 if label == PEDESTRIAN else 0.8))

    for side in (-1, 1):
        z = rng.uniform(1, 5)
        while z < _FAR_M - 18:
            length = rng.uniform(9, 17)
            if rng.random() < 0.1 + 0.35 * green:
                add(z + length, _draw_fence, side, z, z + length)
                for _ in range(int(rng.integers(2, 5))):
                    x, at = side * (_PLOTS_M + rng.uniform(2.5, 9)), z + rng.uniform(1, length)
                    add_tree(x, at, rng.uniform(6, 11))
            else:
                floors = int(rng.integers(1, 4) if lawn else rng.integers(2, 7))
                front, end = _PLOTS_M + rng.uniform(2.5, 5) * lawn, z + length - 2 * lawn
                add(end, _draw_building, side, z, end, front, floors)
                if lawn and rng.random() < 0.6:
                    add(z + length - 0.1, _draw_fence, side, z, z + length)
                roof = canvas.find_shadow(side * front, floors * 3.0, np.array((end, z)))
                canvas.cast([(side * front, z), (side * front, end), *roof])
            z += length
        for z in rng.uniform(90, _FAR_M, 8 + 10 * lawn):
            x = side * rng.uniform(24, 24 + z) if z < 140 else rng.normal(0, 30)
            add_tree(x, z, rng.uniform(8, 13))
        for z in np.arange(rng.uniform(7, 11), 110, rng.uniform(8, 15)):
            if rng.random() < 0.3 + 0.6 * green:
                add_tree(side * (_KERB_M + 0.9), z, rng.uniform(5.5, 8.5))
        for z in np.arange(rng.uniform(8, 20), 120, 24.0):
            add(z, _draw_lamp, side * (_KERB_M + 0.5), z)
        for z in np.arange(rng.uniform(6, 14), 90, 6.2):
            clear = crossing is None or not crossing - 6 < z < crossing + 5
            if rng.random() < 0.6 and clear:
                add_car(side * 4.6, z, side < 0)
        for z in rng.uniform(7, 60, int(rng.integers(3, 9))):
            x, way = side * rng.uniform(_KERB_M + 1.6, _PLOTS_M - 0.6), rng.choice((0.5, 2.6))
            add_figure(x, z, _WALKER, way + rng.normal(0, 0.3), PEDESTRIAN)
        for z in rng.uniform(9, 50, 2):
            add(z, _draw_sign, side * (_KERB_M + 0.45), z, int(rng.integers(4)))
        z = rng.uniform(8, 40)
        add(z, _draw_bin, side * (_KERB_M + 1.1), z)
    start = 0.0 if crossing is None else crossing + 4
    for z in np.arange(start + rng.uniform(11, 20), 100, rng.uniform(14, 30)):
        add_car(1.75 + rng.normal(0, 0.1), z, False)
    for z in np.arange(start + rng.uniform(9, 24), 100, rng.uniform(12, 26)):
        add_car(-1.75 + rng.normal(0, 0.1), z, True)
    for z in rng.uniform(8, 40, int(rng.integers(1, 4))):
        lane = int(rng.choice((-1, 1)))
        add_figure(3.2 * lane, z, _CYCLIST, lane * 1.25, BICYCLIST)
    if crossing is not None:
        for side in (-1, 1):
            add(crossing, _draw_sign, side * (_KERB_M + 0.35), crossing, int(rng.integers(3, 5)))
        for x in rng.uniform(-5, 5, int(rng.integers(1, 4))):
            z = crossing + rng.uniform(0.6, 2.6)
            add_figure(x, z, _WALKER, rng.choice((0.0, math.pi)), PEDESTRIAN)
    return things, crossing, lawn


def _develop(canvas: _Canvas) -> np.ndarray:
    """What lens and sensor add: bloom, contrast, vignette and a grain that differs by class."""
    height, width = canvas.labels.shape
    small = (max(width // 4, 1), max(height // 4, 1))
    bright = cv2.resize(canvas.image, small, interpolation=cv2.INTER_AREA)
    bloom = cv2.GaussianBlur(np.maximum(bright, 205) - np.uint8(205), (0, 0), height / 120)
    strength = 0.9 if canvas.weather.lamps_lit else 0.25
    image = cv2.scaleAdd(cv2.resize(bloom, (width, height)), strength, canvas.image)
    texture = np.zeros(256, np.float32)
    texture[:12] = np.array([2, 8, 6, 5, 5, 12, 4, 8, 5, 5, 5, 5]) * 0.0022
    grain = canvas.rng.standard_normal((512, 512), np.float32)
    grain = np.tile(grain, (height // 512 + 1, width // 512 + 1))[:height, :width]
    across, down = (np.linspace(-1, 1, n, dtype=np.float32) ** 2 for n in (width, height))
    gain = 1 - 0.11 * (across[None] + down[:, None]) + grain * texture[canvas.labels]
    image = cv2.multiply(image, cv2.merge([gain] * 3), dtype=cv2.CV_8U)
    levels = np.linspace(0, 1, 256)
    curve = 255 * np.clip(levels - 0.035 * np.sin(2 * math.pi * levels), 0, 1)
    return cv2.LUT(image, np.round(curve).astype(np.uint8))


def draw_scene(seed: int, height: int = 1024, width: int = 2048) -> Scene:
    """Draw a street; the same seed and size always give the same scene.

    Args:
        seed: chooses everything in the scene, from the weather to each pedestrian's coat.
        height: image height in pixels, at least 64.
        width: image width in pixels, at least 64, between half and three times the height.

    Raises:
        ValueError: the size is out of range.
    """
    if min(height, width) < 64 or not 0.5 <= width / height <= 3:
        raise ValueError(
            "A scene's sides must be at least 64 pixels and its width 0.5 to 3 times its height, "
            f"not {height} x {width} (height x width)."
        )
    canvas = _Canvas(np.random.default_rng(seed), height, width)
    things, crossing, lawn = _furnish(canvas)
    _paint_sky(canvas)
    _paint_ground(canvas, crossing, lawn)
    _draw_skyline(canvas, lawn)
    for _, draw in sorted(things, key=lambda thing: -thing[0]):
        draw()
    return Scene(_develop(canvas), canvas.labels)


def write_scene(path_stem: str | Path, seed: int, height: int = 1024, width: int = 2048) -> None:
    """Write a scene as `<stem>.jpg` and its class indices as `<stem>_labels.png`."""
    scene = draw_scene(seed, height, width)
    picture = cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR)
    for name, pixels in ((f"{path_stem}.jpg", picture), (f"{path_stem}_labels.png", scene.labels)):
        if not cv2.imwrite(name, pixels, [cv2.IMWRITE_JPEG_QUALITY, 90]):
            raise OSError(f"Could not write {name}; does its folder exist?")
