"""Sky, road and pavements pixel by pixel; trees and the skyline as shapes."""

import math
from typing import Any

import cv2
import numpy as np

from sparsevit.data.streets.canvas import Canvas, as_f32
from sparsevit.data.streets.classes import BUILDING, PAVEMENT, ROAD, SKY, TREE

FAR_M = 168.0  # where the street ends
KERB_M, PLOTS_M = 5.7, 9.9  # from the road's centre to the kerb, and to where the plots begin

#: The two colours that a crown's leaves lie between, by kind of tree.
FOLIAGE = (
    *(((64, 100, 44), (104, 132, 60)), ((52, 88, 50), (84, 116, 62))),
    *(((86, 112, 44), (186, 146, 58)), ((176, 96, 42), (206, 142, 56))),
    *(((88, 118, 62), (226, 176, 188)),),
)


def _sample(noise: np.ndarray, columns: Any, rows: Any) -> np.ndarray:
    columns, rows = np.broadcast_arrays(as_f32(columns), as_f32(rows))
    return cv2.remap(noise, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _mix(below: Any, above: Any, amount: np.ndarray) -> np.ndarray:
    return below + (as_f32(above) - below) * amount[..., None]


def paint_sky(canvas: Canvas) -> None:
    """Gradient, clouds on a flat ceiling and a low sun, at half the image's resolution."""
    weather, high, width = canvas.weather, int(canvas.horizon) + 2, canvas.labels.shape[1]
    up = (canvas.horizon - np.arange(0, high, 2, dtype=np.float32)[:, None]) / canvas.focal
    aside = (np.arange(0, width, 2, dtype=np.float32)[None] - canvas.centre_x) / canvas.focal
    up = np.maximum(up, 0)
    fade = np.exp(-up / 0.28)
    far = 70 / (up + 0.16)
    density = _sample(canvas.noise, aside * far + 99, far * 1.6)
    density += 0.5 * _sample(canvas.noise, aside * far * 3, far * 4.8) + 2.2 * weather.cloud_cover
    cloud = _mix(as_f32(weather.cloud_lit), weather.cloud_dark, np.clip(density - 2.1, 0, 1) * 0.7)
    cover = np.clip((density - 1.5) * 0.85, 0, 1) * (1 - 0.75 * fade)
    sky = _mix(_mix(as_f32(weather.zenith), weather.horizon, fade), cloud, cover)
    if weather.lamps_lit:
        away = np.hypot(aside - 0.5 * canvas.sun[0], up - 0.15)
        glow = 0.75 * np.exp(-away / 0.16) + np.clip((0.03 - away) * 90, 0, 1)
        sky = _mix(sky, (255, 236, 196), np.minimum(glow, 1))
    whole = cv2.resize(np.clip(sky, 0, 255).astype(np.uint8), (width, high))
    canvas.image[:high] = whole
    canvas.labels[:high] = SKY


def paint_ground(canvas: Canvas, crossing: float | None, lawn: bool) -> None:
    """Road, markings, kerbs, pavements and plots, by casting a ray through each pixel."""
    height, width = canvas.labels.shape
    first = int(canvas.horizon) + 1
    rows = np.arange(first, height, dtype=np.float32)[:, None] + 0.5
    z = np.minimum(as_f32(canvas.focal * canvas.eye[1]) / (rows - canvas.horizon), 900)
    z = z.astype(np.float32)
    aside = (np.arange(width, dtype=np.float32)[None] + 0.5 - canvas.centre_x) / canvas.focal
    x = z * aside.astype(np.float32) + as_f32(canvas.eye[0]) - as_f32(canvas.bend) * z * z
    side, across = np.abs(x), as_f32(canvas.focal) / z  # pixels per metre, sideways
    along = across * as_f32(canvas.eye[1]) / z  # and ahead

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
    paved, road = cover(side, -1, PLOTS_M, across), cover(side, -1, KERB_M - 0.06, across)
    tone = 178 + stone + 28 * cover(side, KERB_M, KERB_M + 0.22, across)
    tone -= 118 * cover(side, KERB_M - 0.06, KERB_M + 0.04, across)
    tone += (122 - 6 * np.exp(-(((side - 1.7) / 0.9) ** 2)) - tone) * road
    marks = cover(side, -1, 0.07, across) * cover(z % 6, 0, 3, along)
    marks += 0.8 * cover(side, 3.42, 3.52, across) * cover(z % 2, 0, 1, along)
    if crossing is not None:
        bars = cover(x % 1, 0.22, 0.76, across) * cover(side, -1, KERB_M - 0.3, across)
        stop = cover(x, 0.15, 3.4, across) * cover(z, crossing - 1.7, crossing - 1.3, along)
        marks *= 1 - cover(z, crossing - 2.2, crossing + 4, along)
        marks += bars * cover(z, crossing, crossing + 3.2, along) + stop
    tone += (234 - tone) * marks * np.clip(0.86 + soft * 4, 0.5, 1)
    plots = (100, 128, 62) if lawn else (176, 168, 158)
    colour = _mix(as_f32((1.02, 0.99, 0.94)), (1, 1, 1.03), road) * tone[..., None]
    colour = _mix(as_f32(plots), colour, paved) * (1 + soft + grain)[..., None]
    shade = cv2.GaussianBlur(canvas.shade[first:], (0, 0), max(0.6, height / 500)) / as_f32(255)
    light = np.array(canvas.weather.ambient) + np.array(canvas.weather.sun) * canvas.sun[1]
    shadow = np.array((1, 0.94, 0.84)) * canvas.weather.shadow
    colour *= _mix(as_f32(light), light * (1 - shadow), shade)
    colour = _mix(colour, canvas.weather.horizon, as_f32(canvas.haze(z)))
    canvas.image[first:] = np.clip(colour, 0, 255)
    plot = TREE if lawn else PAVEMENT
    canvas.labels[first:] = np.where(side < KERB_M, ROAD, np.where(side < PLOTS_M, PAVEMENT, plot))


def draw_skyline(canvas: Canvas, lawn: bool) -> None:
    """What closes the view: woods, or the roofs of the rest of the town."""
    along = np.arange(-420.0, 420.0, 1.5 if lawn else 3.0)
    hills = canvas.noise[7, (along * 0.6).astype(int) % 512] * 2.4 + 7
    leaves = canvas.rng.uniform(0, 1.6, len(along))
    blocks = np.repeat(canvas.rng.uniform(4, 13, len(along)), 3)[: len(along)]
    tops = np.stack([along, hills + leaves if lawn else blocks, 0 * along + FAR_M], -1)
    if not lawn:
        tops = np.repeat(tops, 2, axis=0)[:-1]
        tops[1::2, 0] = tops[2::2, 0]
    outline = np.vstack([tops, [(420, -1, FAR_M), (-420, -1, FAR_M)]])
    colour, label = ((78, 104, 66), TREE) if lawn else ((186, 150, 132), BUILDING)
    canvas.fill(outline, canvas.lit(colour, (0, 0.4, -0.6), FAR_M * 1.4), label)


def grow_crown(rng: np.random.Generator, hues: Any, sun: Any) -> np.ndarray:
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


def draw_tree(canvas: Canvas, x: float, z: float, tall: float, crown: np.ndarray) -> None:
    """A trunk, two boughs and a crown from `grow_crown`, `tall` metres high."""
    bark, spread = (98, 82, 68), tall * canvas.rng.uniform(0.52, 0.68)
    canvas.limb((x, 0, z), (x, tall * 0.55, z), (0.18, 0.1), bark, TREE)
    for lean in (-0.2, 0.22):
        tip = (x + lean * spread, tall * 0.66, z)
        canvas.limb((x, tall * 0.36, z), tip, (0.09, 0.05), bark, TREE)
    canvas.paste(crown, (x, tall * 0.32, z), (spread, tall * 0.68), TREE)
