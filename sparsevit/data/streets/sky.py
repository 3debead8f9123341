"""Sky, clouds and what closes the view."""

from typing import Any

import cv2
import numpy as np

from sparsevit.data.streets.canvas import Canvas
from sparsevit.data.streets.classes import BUILDING, TREE
from sparsevit.data.streets.foliage import choose_hues, grow_crown, stand_sprite
from sparsevit.data.streets.textures import cloud_tile

_SCALE = 4  # the sky is soft: it is computed at a quarter of the size


def _sample(columns: Any, rows: Any) -> np.ndarray:
    columns, rows = np.broadcast_arrays(np.float32(columns), np.float32(rows))
    return cv2.remap(
        cloud_tile(), columns % 512, rows % 512, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
    )


def _mix(below: Any, above: Any, amount: np.ndarray) -> np.ndarray:
    mixed: np.ndarray = below + (np.float32(above) - below) * amount[..., None]
    return mixed


def paint_sky(canvas: Canvas) -> None:
    """Gradient, clouds on a flat ceiling and the glow of the sun."""
    weather, camera, rng = canvas.weather, canvas.camera, canvas.rng
    high = min(int(camera.cy) + 3, canvas.height)
    rows = np.arange(0, high + _SCALE, _SCALE, dtype=np.float32)[:, None]
    columns = np.arange(0, canvas.width + _SCALE, _SCALE, dtype=np.float32)[None]
    up = np.maximum((camera.cy - rows) / camera.fy, 0).astype(np.float32)
    aside = ((columns - camera.cx) / camera.fx).astype(np.float32)
    fade = np.exp(-up / rng.uniform(0.2, 0.4))
    far = 70 / (up + 0.16)
    at = rng.uniform(0, 512, 2)
    density = _sample(aside * far + at[0], far * 1.6 + at[1])
    density = density + 0.5 * _sample(aside * far * 3, far * 4.8) + 2.2 * weather.cloud_cover
    thick = np.clip(density - 2.1, 0, 1) * 0.7
    cloud = _mix(np.array(weather.cloud_lit, np.float32), weather.cloud_dark, thick)
    cover = np.clip((density - 1.5) * 0.85, 0, 1) * (1 - 0.75 * fade)
    sky = _mix(_mix(np.array(weather.zenith, np.float32), weather.horizon, fade), cloud, cover)
    sun_x, sun_y, sun_z = weather.to_sun
    if sun_z > 0.1 and max(weather.sun) > 0.3:
        away = np.hypot(aside - sun_x / sun_z, up - sun_y / sun_z)
        glow = 0.8 * np.exp(-away / 0.2) + np.clip((0.035 - away) * 80, 0, 1)
        sky = _mix(sky, (255, 244, 220), np.minimum(glow, 1))
    small = np.clip(sky, 0, 255).astype(np.uint8)
    size = (small.shape[1] * _SCALE, small.shape[0] * _SCALE)
    whole = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
    canvas.image[:high] = whole[:high, : canvas.width]


def draw_skyline(canvas: Canvas, green: bool, distance: float) -> None:
    """What closes the view `distance` metres ahead: woods, or the roofs of the rest of the town."""
    rng, reach = canvas.rng, distance * 2.6
    along = np.arange(-reach, reach, distance / 110)
    hills = cloud_tile()[int(rng.integers(512)), (along * 0.6).astype(int) % 512] * 2.4
    hills += rng.uniform(5, 13)
    _draw_outline(canvas, along * 1.7, hills, distance * 1.7, (66, 90, 62), TREE)
    blocks = np.repeat(np.repeat(rng.uniform(4, 12, len(along)), 4)[: len(along)], 2)[:-1]
    steps = np.repeat(along, 2)
    steps = np.concatenate([steps[:1], steps[2:]])
    colour = rng.uniform((120, 96, 84), (190, 176, 164))
    _draw_outline(canvas, steps * 1.25, blocks, distance * 1.25, colour, BUILDING)
    hues, count = choose_hues(rng), int(rng.integers(40, 110) if green else rng.integers(6, 40))
    for x in rng.uniform(-reach, reach, count):
        tall, crown = float(rng.uniform(4, 11)), int(rng.integers(8))
        z = distance * float(rng.uniform(1.0, 1.2))
        tones = hues * rng.uniform(0.85, 1.15)
        stand_sprite(canvas, grow_crown(crown), tones, (float(x), 0, z), (tall * 0.8, tall))


def _draw_outline(
    canvas: Canvas, x: np.ndarray, tops: np.ndarray, z: float, colour: Any, label: int
) -> None:
    spots = np.stack([x, np.maximum(tops, 0.3), np.full(len(x), z)], -1)
    ends = np.array([(x[-1], -1, z), (x[0], -1, z)])
    paint = canvas.light.lit(colour, (0, 0.4, -0.6), z)
    canvas.fill(np.concatenate([spots, ends]), paint, label)
