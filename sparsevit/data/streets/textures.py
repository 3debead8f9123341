"""Tiles of noise, brick, stone and asphalt that surfaces are multiplied with.

A tile's value 128 leaves a colour as it is. Every tile is made once per process from its own fixed
seed and comes at several scales, so that what is far away can be sampled from a coarser one.
"""

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

#: Pixels per metre of the scales of a tile, finest first.
SCALES = (64, 32, 16, 8, 4)
_METRES = 8  # side of what a tile shows before it repeats


class _Recipe(NamedTuple):
    """What a tile is made of.

    Attributes:
        tone: its mean, before the blocks are laid.
        broad, fine: gains of large and of small clouds.
        grain: deviation and seed of what no two pixels share.
        courses: blocks in rows, see :func:`_courses`.
        clouds: power and seed of the large ones.
    """

    tone: int
    broad: float
    fine: float = 0
    grain: tuple[float, int] | None = None
    courses: tuple[float, float, float, float, float] | None = None
    clouds: tuple[float, int] = (1.5, 1)


_KINDS = {
    "asphalt": _Recipe(128, 2.5, 3, (12, 3)),
    "old asphalt": _Recipe(127, 5, 5, (16, 4)),
    "slabs": _Recipe(128, 4, 0, (4, 5), (0.8, 0.8, 0.5, -34, 5)),
    "setts": _Recipe(128, 4, 0, (5, 6), (0.2, 0.1, 0.5, -24, 8)),
    "grass": _Recipe(128, 12, 10, (14, 7)),
    "leaves": _Recipe(128, 10, 26, (26, 14)),
    "brick": _Recipe(126, 5, 0, (4, 8), (0.222, 0.0741, 0.5, 20, 8)),
    "dark brick": _Recipe(128, 6, 0, (5, 9), (0.222, 0.0741, 0.5, -22, 9)),
    "stone": _Recipe(128, 6, 4, (5, 10), (0.66, 0.33, 0.5, -22, 8)),
    "plaster": _Recipe(128, 2.5, 2, (3, 11)),
    "tiles": _Recipe(128, 5, 0, None, (0.25, 0.2, 0.5, -26, 9)),
    "panels": _Recipe(128, 2.5, 0, (4, 13), (3.2, 1.6, 0, -14, 2), (1.2, 12)),
}


@lru_cache(maxsize=8)
def cloud_tile(side: int = 512, power: float = 1.6, seed: int = 0) -> np.ndarray:
    """Noise like clouds: (side, side) float32 of mean 0 and deviation 1 that repeats seamlessly."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) * side
    noise = np.random.default_rng(seed).standard_normal((side, side))
    spectrum = np.fft.rfft2(noise) / np.maximum(frequency, 1) ** power
    tile = np.fft.irfft2(spectrum * (frequency > 0), s=(side, side))
    scaled: np.ndarray = (tile / tile.std()).astype(np.float32)
    return scaled


def _grain(strength: float, seed: int) -> np.ndarray:
    side = SCALES[0] * _METRES
    noise = np.random.default_rng(seed).standard_normal((side, side)).astype(np.float32)
    return noise * np.float32(strength)


def _courses(long_m: float, high_m: float, bond: float, joint: float, spread: float) -> np.ndarray:
    """Blocks laid in rows: gain of each block (deviation `spread`) and of the joints between."""
    side = SCALES[0] * _METRES
    rows = round(_METRES / high_m)
    blocks = round(_METRES / long_m)
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    row = np.floor(y * rows)
    column = x * blocks + bond * (row % 2)
    tone = np.random.default_rng(rows * 1000 + blocks).normal(0, spread, (rows, blocks))
    tile = tone[row.astype(int) % rows, np.floor(column).astype(int) % blocks]
    along = np.abs(column % 1 - 0.5) * 2 > 1 - 0.02 / long_m
    across = np.abs((y * rows) % 1 - 0.5) * 2 > 1 - 0.02 / high_m
    return np.where(along | across, np.float32(joint), tile.astype(np.float32))


@lru_cache(maxsize=16)
def _base_tile(kind: str) -> np.ndarray:
    recipe = _KINDS[kind]
    tile = recipe.tone + recipe.broad * cloud_tile(512, *recipe.clouds)
    if recipe.fine:
        tile = tile + recipe.fine * cloud_tile(512, 0.8, 2)
    if recipe.grain:
        tile = tile + _grain(*recipe.grain)
    if recipe.courses:
        tile = tile + _courses(*recipe.courses)
    return np.clip(tile, 20, 240).astype(np.uint8)


@lru_cache(maxsize=64)  # of every kind all scales
def scaled_tile(kind: str, level: int) -> np.ndarray:
    """The tile `kind` at `SCALES[level]`, repeated to at least 2048 pixels a side; uint8."""
    tile = _base_tile(kind)
    side = SCALES[level] * _METRES
    if level:
        small = cv2.resize(tile, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
        tile = np.clip(128 + (small - 128) * 1.25, 0, 255).astype(np.uint8)
    repeats = max(1, 2048 // side)
    return np.tile(tile, (repeats, repeats))
