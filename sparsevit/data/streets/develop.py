"""What lens, sensor and wet roads add to the finished drawing."""

import cv2
import numpy as np

from sparsevit.data.streets.canvas import Canvas
from sparsevit.data.streets.textures import cloud_tile


def mirror_in_wet(canvas: Canvas, road: np.ndarray) -> None:
    """Mirror what stands above the horizon in the wet road, blurred upright.

    Args:
        canvas: to draw on.
        road: (H, W) bool, where the road or pavement shows.
    """
    camera, wet = canvas.camera, canvas.weather.wet
    first = min(int(camera.cy) + 1, canvas.height)
    deep = canvas.height - first
    if wet < 0.05 or deep < 8 or first < 8:
        return
    small = (max(canvas.width // 4, 1), max(first // 4, 1))
    above = cv2.resize(canvas.image[:first], small, interpolation=cv2.INTER_AREA)[::-1]
    above = cv2.blur(above, (5, 25))
    rows = min(above.shape[0] * 4, deep)
    above = cv2.resize(above, (canvas.width, above.shape[0] * 4))[:rows]
    if rows < deep:
        above = cv2.copyMakeBorder(above, 0, deep - rows, 0, 0, cv2.BORDER_REPLICATE)
    down = np.arange(deep, dtype=np.float32) / camera.fy
    fresnel = np.clip(wet * (0.9 * np.exp(-down / 0.14) + 0.16), 0, 0.85)
    puddles = cv2.resize(cloud_tile(256, 1.8, 5), (canvas.width, deep))
    weight = fresnel[:, None] * np.clip(0.75 + 0.3 * puddles, 0.2, 1.2) * road[first:]
    here = canvas.image[first:]
    weight = weight.astype(np.float32)
    here[:] = cv2.blendLinear(here, above, 1 - weight, weight)


def draw_rain(canvas: Canvas) -> None:
    """Streaks of falling rain."""
    rng, height, width = canvas.rng, canvas.height, canvas.width
    layer = np.zeros((height // 2 + 1, width // 2 + 1), np.uint8)
    count = int(260 * rng.uniform(0.3, 1.5))
    lean = rng.normal(0, 0.12)
    at = rng.uniform((0, -20), (width / 2, height / 2), (count, 2))
    long = rng.uniform(0.012, 0.05, count) * height
    for (x, y), reach in zip(at, long, strict=True):
        tone = float(rng.uniform(8, 34))
        end = (int(x + lean * reach), int(y + reach))
        cv2.line(layer, (int(x), int(y)), end, tone, 1, cv2.LINE_AA)
    grey = cv2.resize(layer, (width, height))
    canvas.image[:] = cv2.add(canvas.image, cv2.merge([grey] * 3))


def blur_motion(canvas: Canvas, strength: float) -> None:
    """Zoom the picture slightly about the vanishing point, as a moving camera does."""
    image: np.ndarray = canvas.image
    camera = canvas.camera
    for share in (1.0, 0.5):
        zoom = 1 + strength * share
        matrix = np.array([(zoom, 0, camera.cx * (1 - zoom)), (0, zoom, camera.cy * (1 - zoom))])
        size = (canvas.width, canvas.height)
        moved = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        image = cv2.addWeighted(image, 0.5, moved, 0.5, 0)
    canvas.image = image


def develop(canvas: Canvas) -> np.ndarray:
    """The finished picture (H, W, 3): bloom, blur, exposure, white balance, vignette and noise."""
    rng, weather = canvas.rng, canvas.weather
    height, width = canvas.height, canvas.width
    image: np.ndarray = canvas.image
    small = (max(width // 8, 1), max(height // 8, 1))
    bright: np.ndarray = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    floor = 205 if weather.lamps_lit else 225
    bright = np.maximum(bright, floor) - np.uint8(floor)
    bloom = cv2.GaussianBlur(bright, (0, 0), max(height / 200, 1))
    strength = 1.1 if weather.lamps_lit else 0.5
    image = cv2.scaleAdd(cv2.resize(bloom, (width, height)), strength, image)
    soft = rng.uniform(0, 1.25) ** 2 * height / 1024
    if soft > 0.35:
        side = 5 if soft > 0.8 else 3
        image = cv2.GaussianBlur(image, (side, side), soft)
    image = cv2.LUT(image, _expose(rng, weather.exposure)[None])
    edge = rng.uniform(0.02, 0.2)
    across, down = (np.linspace(-1, 1, n, dtype=np.float32) ** 2 for n in (width, height))
    vignette = np.round(255 * (1 - edge * (across[None] + down[:, None]) / 1.2)).astype(np.uint8)
    image = cv2.multiply(image, cv2.merge([vignette] * 3), scale=1 / 255)
    sigma = rng.uniform(0.4, 2.6) * (1.4 if weather.lamps_lit else 1)
    tile = rng.standard_normal((128, 512, 3), np.float32) * sigma
    tile += rng.standard_normal((128, 512, 1), np.float32) * sigma
    tile = np.clip(np.round(tile), -100, 100).astype(np.int8)
    grain = np.tile(tile, (height // 128 + 1, width // 512 + 1, 1))[:height, :width]
    return cv2.add(image, grain, dtype=cv2.CV_8U)


def _expose(rng: np.random.Generator, exposure: float) -> np.ndarray:
    """A look-up table (256, 3): exposure, white balance and a film-like curve."""
    warm, tint = rng.normal(0, 0.035, 2)
    gains = exposure * np.array((1 + warm, 1 + 0.4 * tint, 1 - warm))
    level = np.arange(256)[:, None] / 255 * gains
    contrast = rng.uniform(-0.01, 0.07)
    level = level - contrast * np.sin(2 * np.pi * np.clip(level, 0, 1))
    over = np.maximum(level - 0.8, 0)  # highlights roll off
    level = np.where(level > 0.8, 0.8 + 0.2 * (1 - np.exp(-over / 0.2)), level)
    black = rng.uniform(0, 0.03)
    return np.clip(np.round(255 * (black + (1 - black) * level / 0.985)), 0, 255).astype(np.uint8)
