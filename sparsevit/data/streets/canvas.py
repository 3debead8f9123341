"""The canvas that every shape of a scene is drawn on: the picture and the truth at once.

Each labelled fill writes the number of its *surface* into a buffer beside the picture; a surface
knows its class, its instance and its distance, so labels, instances and depth are one look-up each.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sparsevit.data.streets.camera import NEAR_M, Camera, clip_near, find_normals
from sparsevit.data.streets.classes import SKY
from sparsevit.data.streets.light import Colour, Light
from sparsevit.data.streets.textures import SCALES, scaled_tile
from sparsevit.data.streets.weather import Weather

Point = tuple[float, float, float]  # world coordinates, metres

_FRACTION_BITS = 4  # of the fixed-point corners that OpenCV fills
_SMALLEST_PX = 0.9  # detail smaller than this is not drawn
_HALF_TURN = np.linspace(-math.pi / 2, math.pi / 2, 7)


@dataclass(frozen=True)
class Thing:
    """Something with a 3D box: where it stands and what it is, in world coordinates.

    Attributes:
        label: class index.
        kind: a finer name, such as "van".
        centre: middle of the box, metres.
        size: length, height and width, metres.
        yaw: rotation about the downward axis; 0 = length along the x axis, radians.
    """

    label: int
    kind: str
    centre: Point
    size: Point
    yaw: float


class Canvas:
    """Picture, surfaces, camera and light; draws shapes given in world coordinates."""

    def __init__(
        self, rng: np.random.Generator, height: int, width: int, camera: Camera, weather: Weather
    ) -> None:
        self.rng, self.camera, self.weather, self.light = rng, camera, weather, Light(weather)
        self.height, self.width = height, width
        self.image = np.zeros((height, width, 3), np.uint8)
        self.surface = np.zeros((height, width), np.int32)  # 0 is the sky
        self.shade = np.zeros((height, width), np.uint8)  # how much of the sun the ground misses
        self.surfaces: list[tuple[float, ...]] = [(SKY, 0, 0.0, 0.0, 0.0, 0.0, 0.0)]
        self.things: list[Thing] = []  # instance i is things[i - 1]

    def add_surface(
        self, label: int, thing: int, plane: Any, nearest: float, farthest: float
    ) -> int:
        """Register a surface; its number is what the surface buffer holds.

        Args:
            label: class index.
            thing: instance number, 0 for none.
            plane: a, b, c of `1/Z = a*u + b*v + c` in image coordinates.
            nearest: metres; depth never lies outside `nearest`..`farthest`.
            farthest: metres.
        """
        self.surfaces.append((label, thing, *plane, 1 / farthest, 1 / nearest))
        return len(self.surfaces) - 1

    def add_thing(self, thing: Thing) -> int:
        """Register something with a 3D box; returns its instance number."""
        self.things.append(thing)
        return len(self.things)

    def fill(self, polygons: Any, colour: Colour, label: int | None = None) -> None:
        """Fill world polygons (..., corners, 3); without a label they are detail on a surface."""
        polygons = np.asarray(polygons, np.float64)
        polygons = polygons.reshape(-1, *polygons.shape[-2:])
        if len(polygons) == 0:
            return
        if polygons[..., 2].min() >= NEAR_M:
            self._fill(polygons, colour, label)
            return
        for polygon in polygons:
            clipped = clip_near(polygon)
            if len(clipped) > 2:
                self._fill(clipped[None], colour, label)

    def _fill(self, polygons: np.ndarray, colour: Colour, label: int | None) -> None:
        pixels = self.camera.project(polygons)
        seen = self._find_seen(pixels, label is None)
        if not seen.any():
            return
        fixed = list(to_fixed(pixels[seen]))
        cv2.fillPoly(self.image, fixed, to_scalar(colour), cv2.LINE_AA, _FRACTION_BITS)
        if label is None:
            return
        polygons = polygons[seen]
        planes = self.camera.find_planes(find_normals(polygons), polygons.mean(1))
        near, far = polygons[..., 2].min(1), polygons[..., 2].max(1)
        for outline, plane, nearest, farthest in zip(fixed, planes, near, far, strict=True):
            number = self.add_surface(label, 0, plane, nearest, farthest)
            cv2.fillPoly(self.surface, [outline], number, cv2.LINE_8, _FRACTION_BITS)

    def _find_seen(self, pixels: np.ndarray, detail: bool) -> np.ndarray:
        low, high = pixels.min(1), pixels.max(1)
        seen: np.ndarray = (high[:, 0] > 0) & (high[:, 1] > 0)
        seen &= (low[:, 0] < self.width) & (low[:, 1] < self.height)
        if detail:
            seen &= (high - low).min(1) > _SMALLEST_PX
        return seen

    def fill_outlines(self, pixels: np.ndarray, colours: Any, numbers: Any = None) -> None:
        """Fill image outlines in order.

        Args:
            pixels: (n, corners, 2) image coordinates.
            colours: n colours.
            numbers: n surface numbers; None for detail.
        """
        seen = self._find_seen(pixels, False)
        fixed = to_fixed(pixels)
        for i in np.flatnonzero(seen).tolist():
            cv2.fillPoly(self.image, [fixed[i]], colours[i], cv2.LINE_AA, _FRACTION_BITS)
            if numbers is not None:
                cv2.fillPoly(self.surface, [fixed[i]], numbers[i], cv2.LINE_8, _FRACTION_BITS)

    def mark(self, pixels: np.ndarray, number: int) -> None:
        """Give the inside of an image outline (corners, 2) to a surface, unpainted."""
        cv2.fillPoly(self.surface, [to_fixed(pixels)], number, cv2.LINE_8, _FRACTION_BITS)

    def limbs(
        self, starts: Any, ends: Any, radii: Any, colours: Any, label: int, thing: int = 0
    ) -> None:
        """Round-ended, tapering bars, drawn in the order given.

        Args:
            starts: (n, 3) world points.
            ends: (n, 3) world points.
            radii: (n, 2) metres at either end.
            colours: (n, 3), before lighting.
            label: class index.
            thing: instance number, 0 for none.
        """
        bars = np.stack([starts, ends], 1).astype(np.float64)  # (n, 2, 3)
        z = bars[..., 2]
        if z.min() < NEAR_M:
            return
        sizes = np.maximum(np.asarray(radii) * self.camera.fx / z, 0.45)
        pixels = self.camera.project(bars)
        if pixels[..., 0].max() < -sizes.max() or pixels[..., 0].min() > self.width + sizes.max():
            return
        along = pixels[:, 1] - pixels[:, 0]
        turn = np.arctan2(along[:, 1], along[:, 0])[:, None] + _HALF_TURN  # (n, 7)
        circle = np.stack([np.cos(turn), np.sin(turn)], -1)
        stands = bars[:, 0, 1] <= 0  # what stands on the ground has a flat foot
        flat = np.where(stands, 0.3, 1.0)[:, None] * np.cos(_HALF_TURN)
        unit = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        foot = circle + (flat - np.cos(_HALF_TURN))[..., None] * unit[:, None]
        a, b = (pixels[:, i : i + 1] for i in (0, 1))
        outline = np.concatenate(
            [a - foot * sizes[:, :1, None], b + circle * sizes[:, 1:, None]], 1
        )
        sun_x = self.weather.to_sun[0]
        shown = self.light.lit_many(np.asarray(colours), (0.3 * sun_x, 0.25, -0.6), float(z.mean()))
        bright = np.minimum(shown * 1.16, 255).tolist()
        wide = sizes.mean(1)
        shift = np.stack([np.copysign(0.3, sun_x) * wide, -0.1 * wide], -1)[:, None]
        middle = outline.mean(1, keepdims=True)
        glints = to_fixed(middle + (outline - middle) * 0.62 + shift)
        fixed, colour = to_fixed(outline), shown.tolist()
        for i, (z0, z1) in enumerate(z.tolist()):
            plane = (0.0, 0.0, 2 / (z0 + z1))
            number = self.add_surface(label, thing, plane, min(z0, z1), max(z0, z1))
            cv2.fillPoly(self.image, [fixed[i]], colour[i], cv2.LINE_AA, _FRACTION_BITS)
            cv2.fillPoly(self.surface, [fixed[i]], number, cv2.LINE_8, _FRACTION_BITS)
            if wide[i] > 2.5:  # the side towards the sun is brighter
                cv2.fillPoly(self.image, [glints[i]], bright[i], cv2.LINE_AA, _FRACTION_BITS)

    def multiply(self, box: Any, tile: np.ndarray, matrix: np.ndarray, mask: np.ndarray) -> None:
        """Multiply a tile onto part of the picture.

        Args:
            box: slices of rows and columns.
            tile: (h, w) uint8, 128 leaves a pixel as it is.
            matrix: (3, 3) from pixels of the box to those of the tile.
            mask: bool, the box's pixels that are meant.
        """
        here = self.image[box]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (here.shape[1], here.shape[0])
        gain = cv2.warpPerspective(tile, matrix, size, flags=flags, borderMode=cv2.BORDER_WRAP)
        gain[~mask] = 128
        here[:] = cv2.multiply(here, cv2.merge([gain] * 3), scale=1 / 128)

    def texture_ground(self, kind: str, mask: np.ndarray, slope: float, shift: float) -> None:
        """Multiply the tile `kind` onto the ground where `mask` (rows below the horizon, W) holds.

        Args:
            kind: of tile.
            mask: bool, its first row is the first one below the horizon.
            slope: metres to the right per metre ahead, along which the tile's rows run.
            shift: metres to the right at the camera.
        """
        camera, tall = self.camera, self.camera.height_m
        first = self.height - len(mask)
        down = np.arange(first, self.height) + 0.5 - camera.cy
        sharpness = (down / tall) * np.sqrt(down / camera.fy)  # pixels per metre, both ways' mean
        levels = np.searchsorted(-np.array(SCALES), -sharpness * 0.8)
        ahead = tall * camera.fy
        for level in range(len(SCALES)):
            rows = np.flatnonzero(levels == level)
            if len(rows) == 0 or not mask[rows[0] : rows[-1] + 1].any():
                continue
            ppm, tile = SCALES[level], scaled_tile(kind, level)
            top, bottom = first + rows[0], first + rows[-1] + 1
            middle = tile.shape[0] / 2
            from_box = np.array([(1, 0, 0.5), (0, 1, top + 0.5), (0, 0, 1)])
            down_gain = middle - ppm * shift
            across = -ppm * (tall * camera.cx + slope * ahead) - down_gain * camera.cy
            to_tile = np.array(
                [(ppm * tall, down_gain, across), (0, 0, ppm * ahead), (0, 1, -camera.cy)]
            )
            part = mask[rows[0] : rows[-1] + 1]
            self.multiply(np.s_[top:bottom], tile, to_tile @ from_box, part)

    def cast(self, outlines: Any) -> None:
        """Put ground polygons (..., corners, 2), given as (x, z), into shade."""
        outlines = np.asarray(outlines, np.float64)
        points = np.zeros((*outlines.shape[:-1], 3))
        points[..., 0], points[..., 2] = outlines[..., 0], outlines[..., 1]
        points = points.reshape(-1, *points.shape[-2:])
        if points[..., 2].min() >= NEAR_M:
            pieces = list(self.camera.project(points))
        else:
            clipped = (clip_near(polygon) for polygon in points)
            pieces = [self.camera.project(piece) for piece in clipped if len(piece) > 2]
        for piece in pieces:
            cv2.fillPoly(self.shade, [to_fixed(piece)], 255, cv2.LINE_8, _FRACTION_BITS)


def to_fixed(pixels: np.ndarray) -> np.ndarray:
    """Image coordinates as OpenCV's fixed-point corners."""
    scaled = pixels * (1 << _FRACTION_BITS)
    scaled -= (1 << _FRACTION_BITS) // 2
    np.clip(scaled, -3e7, 3e7, out=scaled)
    fixed: np.ndarray = np.rint(scaled).astype(np.int32)
    return fixed


def to_scalar(colour: Colour) -> Any:
    """A colour as OpenCV takes it."""
    return colour.tolist() if isinstance(colour, np.ndarray) else colour
