"""Houses and shops, their windows, roofs and awnings."""

from typing import Any

import cv2
import numpy as np

from sparsevit.data.streets.canvas import Canvas, Colour, Point, as_f32, place_on_wall
from sparsevit.data.streets.classes import BUILDING
from sparsevit.data.streets.colours import BRIGHT, GLASS

_FACADES = (
    *((232, 214, 178), (214, 168, 112), (192, 112, 84), (226, 186, 170), (176, 190, 198)),
    *((168, 92, 76), (206, 192, 164), (238, 232, 220), (190, 196, 160), (150, 128, 118)),
)
_ROOFS = ((160, 88, 66), (128, 80, 66), (98, 102, 114), (132, 112, 98))


def _draw_wall(
    canvas: Canvas, start: Point, end: Point, tall: float, colour: Colour, normal: Point
) -> None:
    """A plastered wall: flat colour, then stains and courses multiplied onto it."""
    length = float(np.linalg.norm(np.array(end) - start))
    corners = place_on_wall(start, end, (0, length, 0, tall))[0]
    canvas.fill(corners, canvas.lit(colour, normal, (start[2] + end[2]) / 2), BUILDING)
    quad, (height, width) = canvas.project(corners), canvas.labels.shape
    left, top = np.clip(np.floor(quad.min(0)), 0, (width, height)).astype(int)
    right, bottom = np.clip(np.ceil(quad.max(0)), 0, (width, height)).astype(int)
    if min(right - left, bottom - top) < 12:
        return
    wide, high = int(length * 24), int(tall * 24)
    source = np.array([(0, high), (wide, high), (wide, 0), (0, 0)], np.float32)
    matrix = cv2.getPerspectiveTransform(source, as_f32(quad - (left, top)))
    plaster, size = canvas.plaster[512 - high :, :wide], (right - left, bottom - top)
    grain = cv2.warpPerspective(plaster, matrix, size, borderValue=128)
    here = canvas.image[top:bottom, left:right]
    here[:] = cv2.multiply(here, cv2.merge([grain] * 3), scale=1 / 128)


def draw_building(
    canvas: Canvas, side: int, z0: float, z1: float, front: float, floors: int
) -> None:
    """A house of `floors` from `z0` to `z1` metres ahead, its face `front` from the centre line."""
    rng, dusk, far = canvas.rng, canvas.weather.lamps_lit, (z0 + z1) / 2
    shops, length, depth = floors > 2 and rng.random() < 0.75, z1 - z0, 9.0
    ground = 3.7 if shops else 3.0
    tall = ground + 3.0 * (floors - 1) + 0.5
    wall = canvas.pick(_FACADES) * rng.uniform(0.92, 1.05)
    trim, roof = np.minimum(wall * 1.1 + 18, 250), canvas.pick(_ROOFS)
    start, end, back = (
        (side * at, 0.0, z) for at, z in ((front, z0), (front, z1), (front + depth, z0))
    )

    def put(rects: Any, colour: Colour, bright: bool = False) -> None:
        paint = canvas.glow(colour, far) if bright else canvas.lit(colour, (-side, 0, 0), far)
        canvas.fill(place_on_wall(start, end, rects), paint)

    if floors < 4 or rng.random() < 0.5:  # pitched, its ridge along the road
        ridge = np.array([(side * (front + depth / 2), tall + 3.2, z) for z in (z0, z1)])
        eaves = np.array([(side * (front - 0.35), tall - 0.1, z) for z in (z0, z1)])
        for step in range(10):
            a, b = (eaves + (ridge - eaves) * at for at in (step / 10, 1))
            tiles = canvas.lit(roof * (0.94 + 0.06 * (step % 2)), (-side * 0.6, 0.8, 0), far)
            canvas.fill(np.stack([*a, *b[::-1]]), tiles, BUILDING if step == 0 else None)
        corners = [(-0.5, -1, 2), (0.5, -1, 2), (0.5, 1.2, 2), (-0.5, 1.2, 2)]
        canvas.fill(ridge[0] + corners, canvas.lit((150, 96, 80), (0, 0, -1), far), BUILDING)
        gable = np.add([start, back, ridge[0]], [(0, tall, 0), (0, tall, 0), (0, 0, 0)])
        canvas.fill(gable, canvas.lit(wall * 0.9, (0, 0, -1), far), BUILDING)
    _draw_wall(canvas, start, back, tall, wall * 0.9, (0, 0, -1))
    holes = [(u, u + 1, y, y + 1.4) for u in (1.6, 5.4) for y in np.arange(1.2, tall - 2, 3)]
    frames = np.add(holes, (-0.12, 0.12, -0.12, 0.12))
    for rects, colour in ((frames, trim), (holes, GLASS)):
        canvas.fill(place_on_wall(start, back, rects), canvas.lit(colour, (0, 0, -1), z0))

    _draw_wall(canvas, start, end, tall, wall, (-side, 0, 0))
    cornice = place_on_wall(start, end, (0, length, tall - 0.45, tall + 0.1)) - (side * 0.12, 0, 0)
    canvas.fill(cornice, canvas.lit(trim, (-side, 0, 0), far), BUILDING)
    bays = max(2, int(length / rng.uniform(2.1, 2.9)))
    pitch, share = length / bays, rng.uniform(0.4, 0.55)
    lefts = (np.arange(bays) + (1 - share) / 2) * pitch
    left, low = np.meshgrid(lefts, np.arange(ground if shops else 0, tall - 2.9, 3.0) + 0.95)
    left, low = left.ravel(), low.ravel()
    panes = np.stack([left, left + pitch * share, low, low + 1.6], -1)
    warm, tone = rng.random(len(panes)) < 0.4 * dusk, rng.integers(3, size=len(panes))
    put(np.add(panes, (-0.12, 0.12, -0.18, 0.12)), trim)
    put(panes[warm], (255, 206, 120), True)
    for index in range(3):
        put(panes[~warm & (tone == index)], GLASS * (0.8, 1.0, 1.25)[index])
    put(panes[~warm][:, (0, 1, 3, 3)] - (0, 0, 0.6, 0), GLASS * 1.5)
    middle = panes[:, :1] + pitch * share / 2
    put(np.hstack([middle - 0.04, middle + 0.04, panes[:, 2:]]), trim)
    put(panes[:, (0, 1, 3, 3)] - (0, 0, 0.64, 0.56), trim)
    put((0, length, 0, 0.5), wall * 0.7)
    if not shops:
        door = np.array((length * 0.45, length * 0.45 + 1.1, 0, 2.2))
        put(np.add(door, (-0.12, 0.12, 0, 0.12)), trim)
        put(door, canvas.pick(BRIGHT))
        return
    put((0, length, 3.45, 3.7), trim)
    for u in np.arange(0.4, length - 2.5, 4.2):
        accent, v = canvas.pick(BRIGHT), min(u + 3.8, length - 0.3)
        put((u, v, 0, 3.3), accent * 0.6)
        put((u + 0.2, v - 1.2, 0.6, 2.5), (255, 216, 140) if dusk else GLASS, dusk)
        put((v - 1.0, v - 0.2, 0.1, 2.5), (240, 186, 112) if dusk else GLASS * 0.7, dusk)
        put((u, v, 2.65, 3.25), accent)
        if rng.random() < 0.6:  # an awning of striped cloth
            strips = np.arange(u, v - 0.3, 0.45)
            cloth = place_on_wall(start, end, [(s, s + 0.45, 2.25, 2.9) for s in strips])
            cloth[:, :2, 0] -= side * 1.2
            for odd, colour in enumerate((accent, np.array((240, 236, 226)))):
                canvas.fill(cloth[odd::2], canvas.lit(colour, (-side * 0.5, 0.8, 0), far), BUILDING)
