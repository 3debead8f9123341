"""What lies on the walls of buildings: windows, doors, shops, awnings and hanging signs."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsevit.data.streets.classes import BUILDING, SIGN
from sparsevit.data.streets.colours import BRIGHT, SHOPFRONTS
from sparsevit.data.streets.wall import Wall, place_on_wall

_GLASS = np.array((46.0, 54.0, 62.0))
_DETAIL_M = 80.0  # beyond it only windows and shopfronts are drawn
_CLOSE_M = 32.0  # within it there are goods in the shops


@dataclass(frozen=True)
class Style:
    """How a building looks.

    Attributes:
        material: texture of its walls.
        wall: colour of its walls.
        trim: colour of frames, cornice and lintels.
        roof: colour of its roof.
        floor_m: height of an upper floor.
        ground_m: height of the ground floor.
        ground: "shops", "door", "garage" or "lobby".
        window: "sash", "casement", "band" or "arched".
        bay_m: width of a bay, one window each.
        share: share of a bay that is window.
        pitched: whether the roof slopes.
        seed: of everything smaller.
    """

    material: str
    wall: np.ndarray
    trim: np.ndarray
    roof: np.ndarray
    floor_m: float
    ground_m: float
    ground: str
    window: str
    bay_m: float
    share: float
    pitched: bool
    seed: int

    def door_at(self, length: float) -> float:
        """Where along a front of that length the door is, metres."""
        return (0.1 + 0.7 * ((self.seed % 97) / 97)) * max(length - 1.6, 0.5)


def draw_windows(wall: Wall, floors: int, style: Style, rng: np.random.Generator) -> None:
    """The windows of a front."""
    band, dusk = style.window == "band", wall.canvas.weather.lamps_lit
    panes = _place_panes(wall.length, floors, style)
    if len(panes) == 0:
        return
    high, trim = float(panes[0, 3] - panes[0, 2]), style.trim
    close = wall.near < _DETAIL_M
    if close and not band:
        wall.put(panes[:, (0, 1, 3, 3)] + (-0.2, 0.2, 0.08, 0.26), trim * 0.96)  # lintels
    if close:
        wall.put(panes[:, (0, 1, 2, 2)] + (-0.16, 0.16, -0.16, 0.0), trim * 0.98, out=0.05)
    wall.put(np.add(panes, (-0.1, 0.1, -0.1, 0.1)), trim)
    lit = rng.random(len(panes)) < 0.42 * dusk
    tone = rng.integers(4, size=len(panes))
    wall.put(panes[lit], (255, 208, 128), bright=True)
    for index, factor in enumerate((0.7, 0.95, 1.15, 1.5)):
        wall.put(panes[~lit & (tone == index)], _GLASS * factor, gloss=0.22 + 0.1 * index)
    if not close:
        return
    dark = panes[~lit]
    wall.put(dark[:, (0, 1, 3, 3)] - (0, 0, high * 0.42, 0), _GLASS * 1.5, gloss=0.4)
    chosen = rng.random(len(dark))
    if not band:
        curtain = dark[chosen < 0.4]
        width = curtain[:, 1:2] - curtain[:, :1]
        ends = [
            np.hstack([curtain[:, :1] + a * width, curtain[:, :1] + b * width, curtain[:, 2:]])
            for a, b in ((0.0, 0.2), (0.8, 1.0))
        ]
        wall.put(np.concatenate(ends), (168, 162, 152))
    blinds = dark[chosen > 0.84]
    wall.put(blinds[:, (0, 1, 3, 3)] + (0, 0, -high * 0.5, 0), (186, 182, 172))
    parts = np.arange(1, 4 if band else 2)[:, None, None] / (4 if band else 2)
    middle = (panes[:, :1] + (panes[:, 1:2] - panes[:, :1]) * parts).reshape(-1, 1)
    upright = np.tile(panes[:, 2:], (len(parts), 1))
    wall.put(np.hstack([middle - 0.03, middle + 0.03, upright]), trim)
    if style.window in ("sash", "arched"):
        bars = panes[:, (0, 1, 2, 2)] + (0, 0, high * 0.5, high * 0.5 + 0.07)
    else:
        bars = panes[:, (0, 1, 3, 3)] - (0, 0, 0.5, 0.44)
    wall.put(bars, trim)
    if style.window == "arched":
        turn = np.linspace(0, math.pi, 7)
        for pane in panes[:40]:
            mid, half = (pane[0] + pane[1]) / 2, (pane[1] - pane[0]) / 2
            arch = np.stack([mid + half * np.cos(turn), pane[3] + half * 0.7 * np.sin(turn)], -1)
            wall.polygon(arch, _GLASS * 1.2)


def _place_panes(length: float, floors: int, style: Style) -> np.ndarray:
    """Rectangles (n, 4) of the window panes of a front."""
    bays = max(1, round(length / style.bay_m))
    pitch = length / bays
    lefts = (np.arange(bays) + (1 - style.share) / 2) * pitch
    dwelling = style.ground in ("door", "garage")
    lows = [style.ground_m + style.floor_m * i + 0.85 for i in range(floors - 1)]
    if dwelling:
        lows.insert(0, 0.9)
    if not lows:
        return np.empty((0, 4))
    high = 1.55 if style.window != "band" else style.floor_m - 1.3
    left, low = (grid.ravel() for grid in np.meshgrid(lefts, np.array(lows)))
    panes = np.stack([left, left + pitch * style.share, low, low + high], -1)
    if dwelling:  # leave room for the door
        door = style.door_at(length)
        free = (panes[:, 0] > door + 1.4) | (panes[:, 1] < door - 0.4) | (panes[:, 2] > 1)
        panes = panes[free]
    return panes


def draw_gable_windows(wall: Wall, tall: float, style: Style, rng: np.random.Generator) -> None:
    """A few windows in a side wall."""
    if rng.random() < 0.35:
        return
    spots = np.arange(1.4, wall.length - 2, max(style.bay_m * 1.5, 3.4))
    holes = [(u, u + 1, y, y + 1.4) for u in spots for y in np.arange(1.2, tall - 2, style.floor_m)]
    if holes:
        wall.put(np.add(holes, (-0.1, 0.1, -0.12, 0.1)), style.trim)
        wall.put(holes, (50, 56, 64), gloss=0.25)
        wall.put(np.array(holes)[:, (0, 1, 3, 3)] - (0, 0, 0.6, 0.54), style.trim)


def draw_entrance(wall: Wall, style: Style, rng: np.random.Generator) -> None:
    """The ground floor of a house or of an office: door, garage or lobby."""
    length, at = wall.length, style.door_at(wall.length)
    if wall.near > _DETAIL_M:
        return
    if style.ground == "lobby":
        lit, top = wall.canvas.weather.lamps_lit, style.ground_m - 0.5
        wall.put((0.4, length - 0.4, 0.35, top), (60, 68, 76), gloss=0.35)
        posts = np.arange(0.4, length - 0.5, 2.4)[:, None]
        wall.put(
            np.hstack([posts - 0.06, posts + 0.06, 0 * posts + 0.35, 0 * posts + top]),
            style.trim * 0.7,
        )
        middle = length * 0.5
        inside = (255, 220, 160) if lit else (40, 46, 52)
        wall.put((middle - 1.4, middle + 1.4, 0, 2.5), inside, bright=lit)
        wall.put((middle - 1.8, middle + 1.8, 2.6, 2.8), style.trim, BUILDING, out=1.0)
        return
    wall.put((0, length, 0, 0.4), style.wall * 0.68)
    if style.ground == "garage" and length > 6:
        left = (at + 3.0) % max(length - 3, 1)
        wall.put((left - 0.1, left + 2.6, 0, 2.3), style.trim)
        wall.put((left, left + 2.5, 0, 2.2), (188, 186, 178))
        wall.put(
            [(left, left + 2.5, y, y + 0.03) for y in np.arange(0.4, 2.2, 0.4)], (140, 138, 132)
        )
    wall.put((at - 0.12, at + 1.12, 0, 2.35), style.trim)
    door = np.array(BRIGHT[rng.integers(len(BRIGHT))]) * rng.uniform(0.5, 1)
    wall.put((at, at + 1.0, 0, 2.0), door)
    wall.put((at, at + 1.0, 2.04, 2.26), (52, 58, 64), gloss=0.3)
    wall.put((at + 0.15, at + 0.85, 1.2, 1.8), door * 0.8)


def draw_shops(wall: Wall, style: Style, rng: np.random.Generator) -> None:
    """The ground floor of a row of shops."""
    length, top = wall.length, style.ground_m
    wall.put((0, length, top - 0.18, top + 0.06), style.trim, out=0.05)
    count = max(1, round(length / rng.uniform(4.5, 7)))
    for i in range(count):
        u, v = length * i / count + 0.15, length * (i + 1) / count - 0.15
        front = np.array(SHOPFRONTS[rng.integers(len(SHOPFRONTS))]) * rng.uniform(0.75, 1.1)
        seed = int(rng.integers(2**31))
        if wall.visible:
            _draw_shop(wall, u, v, top, front, np.random.default_rng(seed))


def _draw_shop(
    wall: Wall, u: float, v: float, top: float, front: np.ndarray, rng: np.random.Generator
) -> None:
    dusk = wall.canvas.weather.lamps_lit
    wall.put((u, v, 0, top - 0.2), front * 0.75)
    door = v - 1.15 if rng.random() < 0.5 else u + 0.2
    a, b = (u + 0.2, door - 0.15) if door > (u + v) / 2 else (door + 1.1, v - 0.2)
    glow = dusk or rng.random() < 0.22
    inside = np.array((255, 222, 160)) if glow else np.array((54, 58, 62))
    inside = inside * (1 if dusk else rng.uniform(0.7, 0.95))
    wall.put([(a, b, 0.5, 2.5), (door, door + 0.95, 0.08, 2.35)], inside, bright=glow, gloss=0.2)
    if wall.near < _CLOSE_M:
        goods = np.arange(a + 0.3, b - 0.4, 0.5)
        wide, tall = rng.uniform(0.2, 0.5, len(goods)), rng.uniform(0.2, 1.1, len(goods))
        rects = np.stack([goods, goods + wide, 0 * goods + 0.55, 0.55 + tall], -1)
        kind = rng.integers(3, size=len(goods))
        for j in range(3):
            colour = rng.uniform(40, 220, 3) * (1 if glow else 0.7)
            wall.put(rects[kind == j], colour)
    if not glow:
        wall.put((a, b, 1.6, 2.5), (92, 100, 106), gloss=0.4)
    wall.put((u, v, top - 0.85, top - 0.2), front, out=0.08)
    if wall.near < _DETAIL_M:
        posts = np.linspace(a, b, max(2, round((b - a) / 1.5) + 1))[:, None]
        wall.put(np.hstack([posts - 0.04, posts + 0.04, 0 * posts + 0.5, 0 * posts + 2.5]), front)
        wide = rng.uniform(0.12, 0.3, 30)  # lettering
        lefts = u + 0.6 + np.concatenate([[0], np.cumsum(wide + rng.uniform(0.07, 0.2, 30))[:-1]])
        high = rng.uniform(0.2, 0.32, 30) + top - 0.68
        text = np.stack([lefts, lefts + wide, 0 * lefts + top - 0.68, high], -1)
        ink = (236, 232, 220) if front.mean() < 150 else (40, 40, 44)
        wall.put(text[lefts + wide < v - rng.uniform(0.6, 2)], ink, out=0.09)
    if rng.random() < 0.3:
        _draw_awning(wall, u, v, top - 0.85, front, rng)
    if rng.random() < 0.3 and wall.near < _DETAIL_M:
        _draw_hanging_sign(wall, v - 0.4, rng)


def _draw_awning(
    wall: Wall, u: float, v: float, high: float, colour: np.ndarray, rng: np.random.Generator
) -> None:
    normal = np.array(wall.normal)
    strips = np.arange(u, v - 0.3, 0.45)
    rects = [(s, s + 0.45, high - 0.6, high) for s in strips]
    cloth = place_on_wall(wall.start, wall.point(wall.length), rects)
    cloth[:, :2] += normal * rng.uniform(0.8, 1.4)
    plain = rng.random() < 0.5
    for odd, tint in enumerate((colour, colour if plain else np.array((228, 224, 214)))):
        paint = wall.canvas.light.lit(tint, normal * 0.55 + (0, 0.8, 0), wall.z)
        wall.canvas.fill(cloth[odd::2], paint, BUILDING)


def _draw_hanging_sign(wall: Wall, at: float, rng: np.random.Generator) -> None:
    foot, out = np.array(wall.point(at)), np.array(wall.normal)
    low, wide, tall = 2.7, rng.uniform(0.5, 0.9), rng.uniform(0.6, 1.0)
    ends = foot + out * 0.15, foot + out * (0.15 + wide)
    board = Wall(wall.canvas, tuple(ends[0]), tuple(ends[1]), (0, 0.2, -0.98))
    colour: Any = SHOPFRONTS[rng.integers(len(SHOPFRONTS))]
    board.put((0, wide, low, low + tall), colour, SIGN)
    board.put((0.12, wide - 0.12, low + 0.3, low + tall - 0.3), (232, 228, 214))
