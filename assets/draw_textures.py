"""Draw the three example pictures that are there to be restored: python assets/draw_textures.py

Each has smooth places, where a network has nothing to do, beside fine ones, where it has much.
They are drawn at three times their size and shrunk, so that edges are as soft as a lens makes them.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

HEIGHT, WIDTH = 768, 1024
_TIMES = 3
_QUALITY = 93


def draw_wall(seed: int = 0) -> np.ndarray:
    """A brick wall under a clear sky: (HEIGHT, WIDTH, 3) uint8 RGB."""
    rng = np.random.default_rng(seed)
    height, width = _TIMES * HEIGHT, _TIMES * WIDTH
    picture = _blend((96, 150, 214), (226, 236, 240), height, width)
    top = int(0.42 * height)
    picture[top:] = (186, 178, 166)  # mortar
    long, high, gap = 150, 54, 8
    for row, y in enumerate(range(top + gap, height, high + gap)):
        for x in range(-long * (row % 2) // 2, width, long + gap):
            colour = np.array((158, 74, 56)) + rng.normal(0, 14, 3) + rng.normal(0, 9)
            corners = [(max(0, x), y), (min(width, x + long), min(height, y + high))]
            cv2.rectangle(picture, *corners, tuple(map(float, colour.clip(0, 255))), -1)
    grain = rng.normal(0, 16, (height // 3, width // 3)).astype(np.float32)
    grain = cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)
    rough = picture[top:].astype(np.float32) + grain[top:, :, None]
    picture[top:] = rough.clip(0, 255).astype(np.uint8)
    for _ in range(70):  # a creeper, leaf by leaf
        stem = np.array([rng.uniform(0.55, 1.0) * width, height], dtype=float)
        angle = -math.pi / 2
        for _ in range(60):
            angle += rng.normal(0, 0.16)
            ahead = stem + 26 * np.array([math.cos(angle), math.sin(angle)])
            if ahead[1] < top:
                break
            cv2.line(picture, _at(stem), _at(ahead), (70, 62, 40), 5, cv2.LINE_AA)
            green = rng.uniform(0.6, 1.1) * np.array((74, 122, 48))
            leaf = ahead + rng.normal(0, 14, 2)
            axes, turn = (int(rng.integers(10, 22)), int(rng.integers(5, 9))), rng.uniform(0, 360)
            colour = tuple(map(float, green))
            cv2.ellipse(picture, _at(leaf), axes, turn, 0, 360, colour, -1, cv2.LINE_AA)
            stem = ahead
    return _shrink(picture)


def draw_letters(seed: int = 0) -> np.ndarray:
    """A printed page on a desk, its type from large to tiny: (HEIGHT, WIDTH, 3) uint8 RGB."""
    rng = np.random.default_rng(seed)
    height, width = _TIMES * HEIGHT, _TIMES * WIDTH
    picture = _blend((112, 84, 62), (150, 118, 90), height, width)
    page = [(int(0.16 * width), int(0.08 * height)), (int(0.84 * width), height)]
    cv2.rectangle(picture, page[0], page[1], (250, 248, 240), -1)
    left, y = page[0][0] + 120, page[0][1]
    words = ("windows", "that", "show", "nothing", "new", "may", "pass", "through", "as", "they")
    for scale in (4.6, 3.4, 2.6, 2.0, 1.5, 1.2, 1.0, 0.85, 0.7, 0.6):
        for _ in range(2):
            y += int(38 * scale) + 16
            line = " ".join(rng.permutation(words)).capitalize()
            room, thick = page[1][0] - left - 90, max(1, round(2.2 * scale))
            while cv2.getTextSize(line, cv2.FONT_HERSHEY_COMPLEX, scale, thick)[0][0] > room:
                line = line.rpartition(" ")[0]
            cv2.putText(
                picture, line, (left, y), cv2.FONT_HERSHEY_COMPLEX, scale, (28, 28, 34), thick,
                cv2.LINE_AA,
            )  # fmt: skip
    centre = np.array([0.70 * width, 0.82 * height])
    for ring in range(6, 300, 12):  # a seal, finer towards its middle
        cv2.circle(picture, _at(centre), ring, (150, 36, 40), 3, cv2.LINE_AA)
    for step in range(90):
        turn = 2 * math.pi * step / 90
        way = np.array([math.cos(turn), math.sin(turn)])
        ends = _at(centre + 40 * way), _at(centre + 290 * way)
        cv2.line(picture, *ends, (150, 36, 40), 2, cv2.LINE_AA)
    return _shrink(picture)


def draw_fur(seed: int = 0) -> np.ndarray:
    """A ball of wool, hair by hair, out of focus behind: (HEIGHT, WIDTH, 3) uint8 RGB."""
    rng = np.random.default_rng(seed)
    height, width = _TIMES * HEIGHT, _TIMES * WIDTH
    picture = _blend((38, 60, 66), (120, 142, 128), height, width)
    for _ in range(26):
        place = rng.uniform((0, 0), (width, height))
        light = tuple(map(float, rng.uniform((90, 90, 60), (230, 210, 150))))
        cv2.circle(picture, _at(place), int(rng.integers(60, 220)), light, -1, cv2.LINE_AA)
    picture = cv2.GaussianBlur(picture, (0, 0), 70)
    centre, radius = np.array([0.42 * width, 0.56 * height]), 0.36 * height
    for _ in range(9000):
        turn, far = rng.uniform(0, 2 * math.pi), radius * math.sqrt(rng.uniform())
        start = centre + far * np.array([math.cos(turn), math.sin(turn)])
        depth = math.sqrt(max(0.0, 1 - (far / radius) ** 2))
        shade = 0.45 + 0.55 * depth * rng.uniform(0.6, 1.0)
        colour = tuple(
            map(float, (shade * np.array((214, 150, 84)) + rng.normal(0, 10, 3)).clip(0, 255))
        )
        bend, way = rng.normal(0, 0.05), turn + rng.normal(math.pi / 2, 0.7)
        points = [start]
        for _ in range(12):
            way += bend
            points.append(points[-1] + 14 * np.array([math.cos(way), math.sin(way)]))
        line = np.round(np.array(points)).astype(np.int32)
        cv2.polylines(picture, [line], False, colour, int(rng.integers(2, 5)), cv2.LINE_AA)
    return _shrink(picture)


#: Of each picture the file and what draws it.
PICTURES = {
    "texture_wall_768x1024.jpg": draw_wall,
    "texture_letters_768x1024.jpg": draw_letters,
    "texture_wool_768x1024.jpg": draw_fur,
}


def _blend(above: tuple[int, ...], below: tuple[int, ...], height: int, width: int) -> np.ndarray:
    """From one colour at the top to another at the bottom: (height, width, 3) uint8."""
    share = np.linspace(0, 1, height)[:, None, None]
    column = (1 - share) * np.array(above) + share * np.array(below)
    return np.ascontiguousarray(np.broadcast_to(column, (height, width, 3)).astype(np.uint8))


def _at(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _shrink(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    for name, draw in PICTURES.items():
        path = Path(__file__).with_name(name)
        pixels = cv2.cvtColor(draw(), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        print(f"Wrote {path.name}")
