"""Trees, bushes and hedges, from a bank of sprites grown once per process."""

import math
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from sparsevit.data.streets.camera import NEAR_M
from sparsevit.data.streets.canvas import Canvas
from sparsevit.data.streets.classes import TREE

#: Value, alpha and what counts as tree, (h, w) uint8 each.
Sprite = tuple[np.ndarray, np.ndarray, np.ndarray]

_SIDE = 640  # pixels of a sprite

#: Colours of shaded, ordinary and sunlit leaves, by kind of tree.
HUES = (
    ((26, 38, 22), (66, 92, 46), (128, 148, 76)),
    ((22, 36, 24), (56, 80, 46), (108, 130, 74)),
    ((36, 44, 20), (88, 102, 44), (156, 162, 82)),
    ((20, 30, 24), (44, 64, 46), (86, 106, 70)),
    ((52, 40, 20), (142, 108, 44), (208, 172, 84)),
    ((52, 32, 20), (132, 82, 42), (198, 142, 76)),
    ((60, 56, 36), (140, 134, 78), (206, 202, 146)),
)
_GREENS, _AUTUMN = (0.3, 0.3, 0.2, 0.18, 0, 0, 0.02), (0.14, 0.12, 0.16, 0.08, 0.24, 0.16, 0.1)
_BARK = (92, 80, 70)


@lru_cache(maxsize=16)
def grow_crown(index: int) -> tuple[Sprite, ...]:
    """A crown in leaf as sprites, each half as large as the one before.

    Value is 0 in the deepest shade and 255 in the sun, which shines from the upper left.
    """
    rng = np.random.default_rng(7000 + index)
    value, alpha = np.full((_SIDE, _SIDE), 90, np.uint8), np.zeros((_SIDE, _SIDE), np.uint8)
    clumps = int(rng.integers(16, 34))
    count = int(rng.integers(6500, 9000))
    angle = rng.uniform(0, 2 * math.pi, clumps)
    radius = rng.uniform(0.6, 0.78) * np.sqrt(rng.uniform(0, 1, clumps))
    narrow = rng.uniform(0.75, 1.0)
    centres = np.stack([radius * np.cos(angle) * narrow, radius * np.sin(angle)], -1)
    offset = rng.normal(0, rng.uniform(0.1, 0.14), (count, 2))
    spot = centres[rng.integers(clumps, size=count)] + offset
    spot *= np.minimum(1, 0.94 / np.hypot(*spot.T))[:, None]
    light = (offset * 2.6 + spot * 0.42) @ (-0.55, -0.85) + rng.normal(0, 0.13, count)
    tones = np.clip(105 + 150 * light, 0, 255)
    size = rng.uniform(1.7, 4.4, count)
    places = ((spot + 1) * (_SIDE * 8)).astype(np.int32)
    axes = (size[:, None] * (16, 10)).astype(np.int32)
    turns = rng.uniform(0, 360, count)
    for i in np.argsort(light + rng.normal(0, 0.14, count)):
        leaf = places[i], axes[i], turns[i], 0, 360
        cv2.ellipse(value, *leaf, float(tones[i]), -1, cv2.LINE_AA, 4)
        cv2.ellipse(alpha, *leaf, 255, -1, cv2.LINE_AA, 4)
    return _shrink(value, alpha)


@lru_cache(maxsize=16)
def grow_bare(index: int) -> tuple[Sprite, ...]:
    """A leafless tree with its trunk, as `grow_crown`."""
    rng = np.random.default_rng(9000 + index)
    value, alpha = np.full((_SIDE, _SIDE), 70, np.uint8), np.zeros((_SIDE, _SIDE), np.uint8)
    bend, fork = rng.uniform(0.25, 0.5), rng.uniform(0.24, 0.42)
    todo = [(0.0, 1.0, -math.pi / 2, rng.uniform(0.3, 0.42), 7.0)]
    while todo:
        x, y, angle, length, thick = todo.pop()
        to_x, to_y = x + length * math.cos(angle), y + length * math.sin(angle)
        start, end = (
            (int((a + 1) * _SIDE * 8), int((b + 1) * _SIDE * 8)) for a, b in ((x, y), (to_x, to_y))
        )
        tone = float(rng.uniform(50, 130))
        width = max(1, round(thick))
        cv2.line(value, start, end, tone, width + 1, cv2.LINE_AA, 4)
        cv2.line(alpha, start, end, 255 if thick > 0.8 else 190, width, cv2.LINE_AA, 4)
        if length < 0.045:
            continue
        for _ in range(int(rng.integers(2, 4)) + (length < 0.1)):
            turn = angle + rng.normal(0, fork) + rng.choice((-1, 1)) * bend * rng.uniform(0.4, 1)
            turn += 0.12 * (-math.pi / 2 - turn)  # branches strive upwards
            share = rng.uniform(0.6, 0.84)
            todo.append((to_x, to_y, turn, length * share, thick * rng.uniform(0.5, 0.72)))
    return _shrink(value, alpha)


@lru_cache(maxsize=16)
def grow_bush(index: int) -> tuple[Sprite, ...]:
    """A wide, low bush or a length of hedge, as `grow_crown`."""
    rng = np.random.default_rng(8000 + index)
    shape = (_SIDE // 2, _SIDE)
    value, alpha = np.full(shape, 80, np.uint8), np.zeros(shape, np.uint8)
    count = 3600
    x = rng.uniform(0, 1, count)
    wave = 0.14 + 0.05 * np.sin(x * 9 + index) + 0.04 * np.sin(x * 23 + 2 * index)
    edge = np.minimum(np.minimum(x, 1 - x) * 6, 1) ** 0.6
    top = 1 - (1 - wave) * edge * (0.5 + 0.5 * (index % 2 == 0)) - 0.0
    y = top + (1 - top) * rng.uniform(0, 1, count) ** 0.9
    light = (0.62 - y) * 1.2 + rng.normal(0, 0.22, count)
    tones = np.clip(100 + 130 * light, 0, 255)
    for i in np.argsort(light + rng.normal(0, 0.2, count)):
        place = int(x[i] * (_SIDE - 8) * 16) + 64, int((y[i] * 240 + 10) * 16)
        leaf = (
            place,
            (int(rng.uniform(50, 96)), int(rng.uniform(28, 52))),
            rng.uniform(0, 360),
            0,
            360,
        )
        cv2.ellipse(value, *leaf, float(tones[i]), -1, cv2.LINE_AA, 4)
        cv2.ellipse(alpha, *leaf, 255, -1, cv2.LINE_AA, 4)
    return _shrink(value, alpha)


def _shrink(value: np.ndarray, alpha: np.ndarray) -> tuple[Sprite, ...]:
    """Finish a sprite and halve it until it is tiny.

    Values spread a little beyond the leaves; small gaps between leaves or twigs count as tree, and
    single leaves far from the others do not, as in hand-made labels.
    """
    spread = cv2.dilate(value, np.ones((3, 3), np.uint8))
    value = np.where(alpha > 40, value, spread)
    near: np.ndarray = cv2.GaussianBlur(alpha, (0, 0), _SIDE / 80)
    solid = np.where(near > 90, np.uint8(255), np.uint8(0))
    levels = [(value, alpha, solid)]
    while min(value.shape) > 24:
        size = (value.shape[1] // 2, value.shape[0] // 2)
        value, alpha, solid = (
            np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA)) for part in levels[-1]
        )
        levels.append((value, alpha, solid))
    return tuple(levels)


def choose_hues(rng: np.random.Generator, autumn: bool = False) -> np.ndarray:
    """The (3, 3) colours of a tree's shaded, ordinary and sunlit leaves."""
    shares = _AUTUMN if autumn else _GREENS
    hues = np.array(HUES[rng.choice(len(HUES), p=shares)], np.float64)
    return hues * rng.uniform(0.86, 1.14, (1, 3)) * rng.uniform(0.85, 1.15)


def stand_sprite(
    canvas: Canvas,
    levels: tuple[Sprite, ...],
    hues: Any,
    base: tuple[float, float, float],
    size: tuple[float, float],
) -> None:
    """Stand a sprite of `size` (wide, high) metres on a world point."""
    z = base[2]
    if z < NEAR_M * 3:
        return
    weather = canvas.weather
    hues = np.asarray(hues, np.float64)
    direct = np.array((0.1, 0.45, 1.0))[:, None] * (0.55 + 0.6 * weather.to_sun[1] ** 0.5)
    light = np.array(weather.ambient) + np.array(weather.sun) * direct
    ends = np.array([canvas.light.glow(c, z) for c in np.minimum(hues * light, 255).tolist()])
    at = np.arange(256)
    ramp = np.stack([np.interp(at, (0, 110, 255), ends[:, i]) for i in range(3)], -1)
    corners = np.add(base, [(-size[0] / 2, size[1], 0), (size[0] / 2, 0, 0)])
    pixels = canvas.camera.project(corners)
    tall = pixels[1, 1] - pixels[0, 1]
    chosen = next((pair for pair in levels[::-1] if pair[0].shape[0] >= tall * 0.9), levels[0])
    number = canvas.add_surface(TREE, 0, (0.0, 0.0, 1 / z), z, z)
    _paste(canvas, chosen, ramp.astype(np.uint8)[:, None], pixels, weather.to_sun[0] > 0, number)


def _paste(
    canvas: Canvas, sprite: Sprite, ramp: np.ndarray, corners: Any, mirrored: bool, number: int
) -> None:
    """Draw a sprite upright in the picture.

    Args:
        canvas: to draw on.
        sprite: its values index `ramp`.
        ramp: (256, 1, 3) uint8 colours.
        corners: image coordinates ((left, top), (right, bottom)).
        mirrored: left and right are swapped.
        number: of the surface it shows.
    """
    value, alpha, solid = sprite
    (x0, y0), (x1, y1) = np.round(corners).astype(int).tolist()
    left, right = max(x0, 0), min(x1, canvas.width)
    top, bottom = max(y0, 0), min(y1, canvas.height)
    if right - left < 2 or bottom <= top:
        return
    size = (right - left, bottom - top)
    scale_x, scale_y = value.shape[1] / (x1 - x0), value.shape[0] / (y1 - y0)
    first = (left - x0 + 0.5) * scale_x - 0.5
    if mirrored:
        first, scale_x = value.shape[1] - 1 - first, -scale_x
    matrix = np.array([(scale_x, 0, first), (0, scale_y, (top - y0 + 0.5) * scale_y - 0.5)])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shown = cv2.warpAffine(value, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpAffine(alpha, matrix, size, flags=flags)
    colour, covers = cv2.applyColorMap(shown, ramp), cv2.merge([cover] * 3)
    here = canvas.image[top:bottom, left:right]
    kept = cv2.multiply(here, cv2.bitwise_not(covers), scale=1 / 255)
    here[:] = cv2.add(kept, cv2.multiply(colour, covers, scale=1 / 255))
    solid = cv2.warpAffine(solid, matrix, size, flags=flags)
    canvas.surface[top:bottom, left:right][solid > 127] = number


def draw_tree(
    canvas: Canvas, x: float, z: float, tall: float, crown: int, hues: Any, bare: bool
) -> None:
    """A tree `tall` metres high; `crown` chooses its shape."""
    if bare:
        bark = np.array(_BARK)[None] * np.array((0.4, 0.9, 1.4))[:, None]
        stand_sprite(canvas, grow_bare(crown % 6), bark, (x, 0, z), (tall, tall))
        return
    spread = tall * (0.52, 0.62, 0.7, 0.46)[crown % 4]
    low = tall * (0.3, 0.26, 0.34, 0.2)[crown % 4]
    starts = [(x, 0, z), (x, tall * 0.34, z), (x, tall * 0.34, z)]
    ends = [(x, tall * 0.55, z)]
    ends += [(x + lean * spread, tall * 0.66, z) for lean in (-0.2, 0.22)]
    radii = np.array([(0.024, 0.014), (0.013, 0.007), (0.013, 0.007)]) * tall
    canvas.limbs(starts, ends, radii, [_BARK] * 3, TREE)
    stand_sprite(canvas, grow_crown(crown % 8), hues, (x, low, z), (spread, tall - low))


def draw_bush(
    canvas: Canvas, x: float, z: float, size: tuple[float, float], shape: int, hues: Any
) -> None:
    """A bush, `size` (wide, high) metres."""
    stand_sprite(canvas, grow_bush(shape % 5), hues, (x, 0, z), size)
