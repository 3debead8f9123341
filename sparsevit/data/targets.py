"""What the heads for things should output for a picture whose things are known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sparsevit.data.kinds import KindList
from sparsevit.data.things import Thing, Things

#: Pixels of the network's input between two cells of an output.
STRIDE = 4

#: Pixels of the network's input that an offset of 1 stands for.
OFFSET_PIXELS = 32.0

#: Pixels: depth / focal length is learned as the logarithm of this times it.
DEPTH_SCALE = 1000.0

_LEAST_PIXELS = 24  # that show of a thing: where fewer do, nothing is asked and nothing is wrong
_LEAST_SIGMA = 0.8  # cells, of the bump around a centre
_SIGMA_SHARE = 1 / 8  # of the shorter side of a thing's rectangle
_NEAR = 0.3  # cells this high on the bump learn the box, too
_NEAREST_M = 0.5  # centres of boxes nearer than this to the camera's plane are not learned


def make_targets(
    things: Things | None, kinds: KindList, size: Sequence[int]
) -> dict[str, np.ndarray]:
    """The maps that a network should output, and where they count.

    Args:
        things: of the picture; None where nobody told them apart, so that nothing counts.
        kinds: those that the network knows.
        size: (img_h, img_w) pixels of the picture, multiples of 4.

    Returns:
        float32, h = img_h / 4 and w = img_w / 4:

        - heat (kinds, h, w): 1 at the cell of a thing's centre, a bump around it;
          heat_weight (h, w): 0 where things are too small to count or were not told apart;
        - offsets (2, h, w) from a pixel of a thing to its centre; offsets_weight (h, w): one over
          the square root of the thing's cells, so that what counts is the error over its size;
        - boxes (8, h, w): see :meth:`sparsevit.networks.segmenter.Segmenter.forward`; boxes_weight
          (h, w): around each centre it sums up to 1. Only of kinds with sizes.
    """
    height, width = size[0] // STRIDE, size[1] // STRIDE
    targets = {
        "heat": np.zeros((len(kinds.names), height, width), np.float32),
        "heat_weight": np.zeros((height, width), np.float32),
        "offsets": np.zeros((2, height, width), np.float32),
        "offsets_weight": np.zeros((height, width), np.float32),
    }
    if kinds.sizes:
        targets["boxes"] = np.zeros((8, height, width), np.float32)
        targets["boxes_weight"] = np.zeros((height, width), np.float32)
    if things is None:
        return targets
    y, x = (np.mgrid[:height, :width] + 0.5) * STRIDE  # pixels, of the middle of each cell
    targets["heat_weight"][:] = 1
    for x0, y0, x1, y1 in things.ignored:
        targets["heat_weight"][(x >= x0) & (x < x1) & (y >= y0) & (y < y1)] = 0
    ids = None if things.ids is None else things.ids[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    highest = np.zeros((height, width), np.float32)  # of the bumps so far
    for thing in things.things:
        is_own = np.zeros((height, width), bool) if ids is None or not thing.id else ids == thing.id
        if thing.pixels < _LEAST_PIXELS:
            targets["heat_weight"][is_own] = 0
            continue
        u, v = _find_centre(things, thing)
        row, column = min(height - 1, int(v / STRIDE)), min(width - 1, int(u / STRIDE))
        x0, y0, x1, y1 = thing.rectangle
        sigma = max(_LEAST_SIGMA, _SIGMA_SHARE * min(x1 - x0, y1 - y0) / STRIDE)
        rows, columns = np.ogrid[:height, :width]
        bump = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2))
        heat = targets["heat"][thing.label]
        np.maximum(heat, bump, out=heat)
        targets["offsets"][:, is_own] = np.stack([u - x[is_own], v - y[is_own]]) / OFFSET_PIXELS
        targets["offsets_weight"][is_own] = 1 / math.sqrt(max(1, int(is_own.sum())))
        if kinds.sizes and thing.box and things.camera and thing.box.centre[2] > _NEAREST_M:
            is_near = (bump > _NEAR) & (bump > highest)
            highest[is_near] = bump[is_near]
            box, focal = thing.box, things.camera.focal
            seen_u, seen_v = things.camera.project(np.array(box.centre))
            size_ratio = np.log(np.array(box.size) / kinds.sizes[thing.label])
            angle = (math.sin(box.alpha), math.cos(box.alpha))
            depth = math.log(DEPTH_SCALE * box.centre[2] / focal)
            targets["boxes"][:6, is_near] = np.array([depth, *size_ratio, *angle])[:, None]
            targets["boxes"][6, is_near] = (seen_u - x[is_near]) / OFFSET_PIXELS
            targets["boxes"][7, is_near] = (seen_v - y[is_near]) / OFFSET_PIXELS
            targets["boxes_weight"][is_near] = bump[is_near] / bump[is_near].sum()
    return targets


def _find_centre(things: Things, thing: Thing) -> tuple[float, float]:
    """(u, v) pixels: the middle of the pixels of a thing, or of its rectangle."""
    x0, y0, x1, y1 = thing.rectangle
    if things.ids is not None and thing.id:
        top, left = math.floor(y0), math.floor(x0)
        part = things.ids[top : math.ceil(y1), left : math.ceil(x1)]
        rows, columns = np.nonzero(part == thing.id)
        if len(rows):
            return left + float(columns.mean()) + 0.5, top + float(rows.mean()) + 0.5
    return (x0 + x1) / 2, (y0 + y1) / 2
