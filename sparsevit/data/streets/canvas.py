"""The camera, the weather and the canvas that every shape of a scene is drawn on."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

Colour = Any  # three numbers 0..255, a tuple or an array
Point = tuple[float, float, float]  # road coordinates in metres

_NEAR_M = 2.0  # whatever is nearer is drawn as if it stood here


def as_f32(values: Any) -> np.ndarray:
    """`values` as 32-bit floats."""
    return np.asarray(values, np.float32)


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


class Canvas:
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
        alpha, air = part[..., 3:] / 255, as_f32(self.haze(base[2]))
        here = self.image[top:bottom, left:right]
        veil = as_f32(self.weather.horizon) * air
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


def place_on_wall(start: Point, end: Point, rects: Any) -> np.ndarray:
    """Corners (n, 4, 3) of rectangles (n, 4) = (from, to, low, high) metres on an upright wall."""
    origin, rects = np.array(start, np.float64), np.atleast_2d(rects)
    ahead = np.array(end) - origin
    corners = origin + rects[:, (0, 1, 1, 0), None] * ahead / np.linalg.norm(ahead)
    corners[..., 1] += rects[:, (2, 2, 3, 3)]
    return corners


def develop(canvas: Canvas) -> np.ndarray:
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
