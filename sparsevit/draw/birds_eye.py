"""Boxes in space seen from above, with metres on the axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from sparsevit.data.boxes import Box3D, Intrinsics
from sparsevit.data.transforms import Size
from sparsevit.draw.looks import Colour
from sparsevit.draw.shapes import (
    MOST_M,
    clip_lines,
    clip_polygon,
    cut_dashes,
    draw_lines,
    fill_polygon,
)
from sparsevit.draw.words import FONT

Look = Literal["filled", "dashed", "hollow"]

#: How far a view may reach that is not told how far, metres ahead of the camera.
REACHES_M = (10, 20, 30, 40, 50, 60, 80)

_PAPER: Colour = (250, 250, 250)
_UNSEEN: Colour = (232, 234, 237)  # what lies outside of the camera's view
_GRID: Colour = (205, 208, 212)
_INK: Colour = (40, 40, 40)
_SOFT_INK: Colour = (110, 110, 110)
_BEHIND = 0.05  # of the reach, drawn behind the camera
_LEAST_SIDE = 8.0  # pixels of a footprint
_LEAST_CELL = 42.0  # pixels between two lines of the grid
_SIGNS = np.array([(1, 1), (1, -1), (-1, -1), (-1, 1)])  # of a footprint's corners
_STEPS_M = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True)
class Layer:
    """Boxes that are drawn alike.

    Attributes:
        name: in the legend.
        boxes: in metres.
        look: "filled" with the colour of their kind, "dashed", or "hollow": a double line.
    """

    name: str
    boxes: Sequence[Box3D]
    look: Look


def choose_reach(boxes: Sequence[Box3D]) -> float:
    """The least of :data:`REACHES_M` that shows nine boxes out of ten, or the largest."""
    ends = [box.centre[2] + max(box.size) / 2 for box in boxes]
    far = float(np.quantile(ends, 0.9)) if ends else 0.0
    return next((reach for reach in REACHES_M if reach >= far), REACHES_M[-1])


def draw_birds_eye(
    layers: Sequence[Layer],
    camera: Intrinsics,
    picture: Size,
    palette: np.ndarray,
    size: Size,
    reach_m: float | None = None,
) -> np.ndarray:
    """Footprints of boxes from above, the camera at the bottom, each with a line out of its front.

    Those of people are drawn larger where they would hardly show.

    Args:
        layers: the last on top.
        camera: of the picture; what it does not see is darker.
        picture: (img_h, img_w) pixels of the picture.
        palette: (kinds, 3) uint8 RGB.
        size: (h, w) pixels of the view, at least 160 each.
        reach_m: metres ahead that it shows at least; by default what the boxes need.

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        ValueError: too small a view.
    """
    if min(size) < 160:
        raise ValueError(f"A view from above is 160 pixels or more a side, not {size}.")
    if reach_m is None:
        reach_m = choose_reach([box for layer in layers for box in layer.boxes])
    view = _View(size, camera, picture, reach_m)
    view.draw_ground()
    names = []
    for layer in layers:
        shown = [view.draw_box(box, layer.look, palette[box.label]) for box in layer.boxes]
        hidden = shown.count(False)
        names.append(f"{layer.name} ({hidden} outside)" if hidden else layer.name)
    view.draw_legend(layers, names)
    return view.sheet


class _View:
    """A sheet with its plot: metres (X, Z) from above -> pixels."""

    def __init__(self, size: Size, camera: Intrinsics, picture: Size, reach: float) -> None:
        height, width = size
        self.sheet = np.full((height, width, 3), _PAPER, np.uint8)
        self.font = max(0.38, min(height, width) / 1300)
        self.thick = max(1, round(min(height, width) / 700))
        (digits, self.line), _ = cv2.getTextSize("000", FONT, self.font, 1)
        self.left, self.top, self.bottom = digits + 12, 2 * self.line + 8, 2 * self.line + 12
        self.plot = self.sheet[self.top : height - self.bottom, self.left : width - 8]
        # How far right and left the camera sees for every metre ahead.
        self.slopes = np.array([-camera.cx, picture[1] - camera.cx]) / camera.fx
        rows, columns = self.plot.shape[:2]
        self.scale = rows / (reach * (1 + _BEHIND))  # pixels of a metre
        self.near = -_BEHIND * reach
        self.far = self.near + rows / self.scale
        self.side = columns / 2 / self.scale
        edge = 4 * self.thick / self.scale
        self.planes = np.array(
            [
                (1, 0, self.side + edge),
                (-1, 0, self.side + edge),
                (0, 1, edge - self.near),
                (0, -1, self.far + edge),
            ]
        )

    def place(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) pixels (u, v) of the plot of points (X, Z) in metres."""
        rows, columns = self.plot.shape[:2]
        u = columns / 2 + points[..., 0] * self.scale
        v = rows - (points[..., 1] - self.near) * self.scale
        return np.stack([u, v], -1)

    def draw_ground(self) -> None:
        """What the camera sees, the grid, its metres, and the camera."""
        self.plot[:] = _UNSEEN
        ends = np.column_stack([self.slopes * self.far, [self.far, self.far]])
        seen = clip_polygon(np.array([(0, 0), *ends]), self.planes)
        fill_polygon(self.plot, self.place(seen), _PAPER)
        step = next(step for step in _STEPS_M if step * self.scale >= _LEAST_CELL)
        aheads = np.arange(math.ceil(self.near / step), self.far / step) * step
        asides = np.arange(math.ceil(-self.side / step), self.side / step) * step
        lines = [[(-self.side, z), (self.side, z)] for z in aheads]
        lines += [[(x, self.near), (x, self.far)] for x in asides]
        draw_lines(self.plot, self.place(np.array(lines)), _GRID, 1)
        edges, _ = clip_lines(np.array([[(0, 0), end] for end in ends]), self.planes)
        draw_lines(self.plot, self.place(edges), _SOFT_INK, 1)
        nose = 0.02 * (self.far - self.near)
        camera = np.array([(0, 0), (-nose, -1.5 * nose), (nose, -1.5 * nose)])
        fill_polygon(self.plot, self.place(camera), _INK)
        foot = self.top + self.plot.shape[0]
        for z in aheads:
            v = foot - (z - self.near) * self.scale
            self.write(f"{z:g}", self.left - 5, v + self.line / 2, align=1)
        for x in asides:
            u = self.left + (x + self.side) * self.scale
            if u < self.sheet.shape[1] - 3 * self.line:
                self.write(f"{x:g}", u, foot + self.line + 5, align=0.5)
        self.write("m", self.sheet.shape[1] - 4, foot + self.line + 5, align=1)

    def draw_box(self, box: Box3D, look: Look, colour: np.ndarray) -> bool:
        """A footprint, and a line from its middle out of its front; False if it is outside."""
        if max(map(abs, (*box.centre, *box.size))) > MOST_M:
            return False
        length, _, width = (max(side, _LEAST_SIDE / self.scale) for side in box.size)
        middle = np.array([box.centre[0], box.centre[2]])
        ahead = np.array([math.cos(box.yaw), -math.sin(box.yaw)])  # (X, Z)
        aside = np.array([-ahead[1], ahead[0]])
        corners = middle + _SIGNS @ np.stack([ahead * length / 2, aside * width / 2])  # (4, 2)
        tip = middle + ahead * (length / 2 + max(length, 2 * width) / 4)
        lines = [*zip(corners, np.roll(corners, -1, axis=0), strict=True), (middle, tip)]
        shown, _ = clip_lines(np.array(lines), self.planes)
        inside = clip_polygon(corners, self.planes)
        self._paint(self.plot, self.place(inside), self.place(shown), look, colour)
        return len(inside) > 0

    def draw_legend(self, layers: Sequence[Layer], names: Sequence[str]) -> None:
        """A sample of every layer's look, with its name."""
        u, height = float(self.left), 1.2 * self.line
        for layer, name in zip(layers, names, strict=True):
            v = self.line + 4 - height / 2
            corners = (u, v) + np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * (2 * height, height)
            lines = np.stack([corners, np.roll(corners, -1, axis=0)], 1)
            self._paint(self.sheet, corners, lines, layer.look, _SOFT_INK)
            u += 2 * height + self.line
            u += self.write(name, u, v + (height + self.line) / 2, align=0) + 2 * self.line

    def _paint(
        self,
        picture: np.ndarray,
        inside: np.ndarray,
        lines: np.ndarray,
        look: Look,
        colour: Colour | np.ndarray,
    ) -> None:
        """A polygon (n, 2) and its lines (m, 2, 2), pixels, as a layer looks."""
        if look == "filled":
            fill_polygon(picture, inside, colour, 0.75)
            draw_lines(picture, lines, _INK, self.thick)
        elif look == "dashed":
            draw_lines(picture, lines, _PAPER, self.thick + 1)
            draw_lines(picture, cut_dashes(lines, 4 * self.thick), _INK, self.thick + 1)
        else:
            draw_lines(picture, lines, _SOFT_INK, self.thick + 3)
            draw_lines(picture, lines, _PAPER, self.thick)

    def write(self, text: str, u: float, v: float, align: float) -> float:
        """Write on the sheet, the baseline at v; aligned left at 0, right at 1. Gives the width."""
        (width, _), _ = cv2.getTextSize(text, FONT, self.font, 1)
        place = (round(u - align * width), round(v))
        cv2.putText(self.sheet, text, place, FONT, self.font, _INK, 1, cv2.LINE_AA)
        return width
