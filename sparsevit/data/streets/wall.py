"""Upright walls: rectangles and textures on them."""

import itertools
import math
from typing import Any

import cv2
import numpy as np

from sparsevit.data.streets.camera import NEAR_M
from sparsevit.data.streets.canvas import Canvas, Point, to_fixed
from sparsevit.data.streets.light import Colour
from sparsevit.data.streets.textures import SCALES, scaled_tile

_SMALLEST_PX = 0.9


class Wall:
    """An upright wall over the ground from `start` to `end`; draws rectangles on it.

    Rectangles are (n, 4): from, to, low and high, in metres along the wall and up.

    Attributes:
        length: metres.
        normal: the side it is seen from.
        z: its typical distance, metres.
        near: its least distance.
        visible: whether any of it can be in the picture.
    """

    def __init__(self, canvas: Canvas, start: Point, end: Point, normal: Any = None) -> None:
        self.canvas, self.start = canvas, start
        self.length = math.hypot(end[0] - start[0], end[2] - start[2])
        self._x = (end[0] - start[0]) / self.length
        self._z = (end[2] - start[2]) / self.length
        if normal is None:  # the side towards the camera
            towards = self._z * start[0] - self._x * start[2]
            sign = -1.0 if towards > 0 else 1.0
            normal = (sign * self._z, 0.0, -sign * self._x)
        self.normal: Point = float(normal[0]), float(normal[1]), float(normal[2])
        ends = np.array((0.0, self.length))
        if self._z:  # the part of the wall that lies ahead of the camera
            cut = (NEAR_M - start[2]) / self._z
            ends = np.clip(ends, cut, None) if self._z > 0 else np.clip(ends, None, cut)
        self._low, self._high = float(ends[0]), float(ends[1])
        spans = [start[2] + a * self._z for a in (self._low, self._high)]
        self.near, self._far = max(min(spans), NEAR_M), max(*spans, NEAR_M)
        self.z = (self.near + self._far) / 2
        self.visible = self._low < self._high and max(spans) >= NEAR_M and self._is_in_view()

    def _is_in_view(self) -> bool:
        columns = self.outline(np.array([(self._low, self._high, 0, 1)]), 0.0)[0, :, 0]
        return bool(columns.max() > -50 and columns.min() < self.canvas.width + 50)

    def point(self, along: float) -> Point:
        """The world point at the foot of the wall, `along` metres from its start."""
        return self.start[0] + along * self._x, self.start[1], self.start[2] + along * self._z

    def outline(self, rects: np.ndarray, out: float) -> np.ndarray:
        """Image coordinates (n, 4, 2) of rectangles `out` metres before the wall."""
        camera = self.canvas.camera
        along = np.clip(rects[:, :2], self._low, self._high)
        scale = camera.fx / np.maximum(
            self.start[2] + out * self.normal[2] + along * self._z, NEAR_M * 0.5
        )
        across = camera.cx + (self.start[0] + out * self.normal[0] + along * self._x) * scale
        eye = camera.height_m - self.start[1]
        pixels = np.empty((len(rects), 4, 2))
        pixels[:, 0, 0] = pixels[:, 3, 0] = across[:, 0]
        pixels[:, 1, 0] = pixels[:, 2, 0] = across[:, 1]
        pixels[:, :2, 1] = camera.cy + (eye - rects[:, 2:3]) * scale
        pixels[:, 3:1:-1, 1] = camera.cy + (eye - rects[:, 3:4]) * scale
        return pixels

    def put(
        self,
        rects: Any,
        colour: Colour,
        label: int | None = None,
        out: float = 0.0,
        bright: bool = False,
        gloss: float = 0.0,
    ) -> None:
        """Draw rectangles.

        Args:
            rects: (n, 4) or one of them.
            colour: before lighting.
            label: class index; None for detail on the wall.
            out: metres before the wall.
            bright: whether they shine by themselves.
            gloss: how much of the sky they mirror, 0..1.
        """
        rects = np.asarray(rects, np.float64).reshape(-1, 4)
        if len(rects) == 0 or not self.visible:
            return
        canvas, pixels = self.canvas, self.outline(rects, out)
        x, y = pixels[:, :2, 0], pixels[..., 1]
        x0, x1, y0, y1 = x.min(1), x.max(1), y.min(1), y.max(1)
        seen = (x1 > 0) & (y1 > 0) & (x0 < canvas.width) & (y0 < canvas.height)
        if label is None:
            seen &= (x1 - x0 > _SMALLEST_PX) & (y1 - y0 > _SMALLEST_PX)
        if not seen.any():
            return
        light = canvas.light
        paint = (
            light.glow(colour, self.z) if bright else light.lit(colour, self.normal, self.z, gloss)
        )
        fixed = list(to_fixed(pixels[seen]))
        cv2.fillPoly(canvas.image, fixed, paint, cv2.LINE_AA, 4)
        if label is not None:
            number = self.add_surface(label, out)
            cv2.fillPoly(canvas.surface, fixed, number, cv2.LINE_8, 4)

    def add_surface(self, label: int, out: float = 0.0) -> int:
        """Register the wall as a surface; returns its number."""
        camera = self.canvas.camera
        normal = np.array([self.normal])
        foot = np.array(self.start) + np.array(self.normal) * out
        plane = camera.find_planes(normal, foot[None])[0]
        return self.canvas.add_surface(label, 0, plane, self.near * 0.99, self._far * 1.01)

    def polygon(self, corners: Any, colour: Colour, label: int | None = None) -> None:
        """Fill a polygon (corners, 2) of metres along the wall and up."""
        corners = np.asarray(corners, np.float64)
        points = np.empty((len(corners), 3))
        points[:, 0] = self.start[0] + corners[:, 0] * self._x
        points[:, 1] = self.start[1] + corners[:, 1]
        points[:, 2] = self.start[2] + corners[:, 0] * self._z
        self.canvas.fill(points, self.canvas.light.lit(colour, self.normal, self.z), label)

    def face(self, tall: float, colour: Colour, label: int, material: str) -> None:
        """Draw the whole wall, `tall` metres high, in some material."""
        if not self.visible:
            return
        first = len(self.canvas.surfaces)
        self.put((0, self.length, 0, tall), colour, label)
        if len(self.canvas.surfaces) > first:
            self._texture(material, tall, first)

    def _texture(self, kind: str, tall: float, number: int) -> None:
        """Multiply the tile `kind` onto the pixels of surface `number`."""
        canvas = self.canvas
        pieces = [self._low, self._high]
        if self._far / self.near > 1.8:
            cuts = np.geomspace(self.near, self._far, 4)
            pieces = sorted(float((z - self.start[2]) / self._z) for z in cuts)
        for a, b in itertools.pairwise(pieces):
            quad = self.outline(np.array([(a, b, 0, tall)]), 0.0)[0]
            frame = (canvas.width, canvas.height)
            left, top = np.clip(np.floor(quad.min(0)), 0, frame).astype(int)
            right, bottom = np.clip(np.ceil(quad.max(0)), 0, frame).astype(int)
            if min(right - left, bottom - top) < 6:
                continue
            scale = canvas.camera.fx / (self.start[2] + (a + b) / 2 * self._z)
            level = int(np.searchsorted(-np.array(SCALES), -scale * 0.75))
            if level >= len(SCALES):
                continue
            ppm = SCALES[level]
            source = np.array([(a, 0), (b, 0), (b, tall), (a, tall)], np.float32) * ppm
            matrix = cv2.getPerspectiveTransform((quad - (left, top)).astype(np.float32), source)
            box = np.s_[top:bottom, left:right]
            canvas.multiply(box, scaled_tile(kind, level), matrix, canvas.surface[box] == number)


def place_on_wall(start: Any, end: Any, rects: Any) -> np.ndarray:
    """World corners (n, 4, 3) of rectangles (n, 4) on the wall from `start` to `end`."""
    origin, rects = np.array(start, np.float64), np.atleast_2d(rects)
    ahead = np.array(end) - origin
    corners: np.ndarray = origin + rects[:, (0, 1, 1, 0), None] * ahead / np.linalg.norm(ahead)
    corners[..., 1] += rects[:, (2, 2, 3, 3)]
    return corners
