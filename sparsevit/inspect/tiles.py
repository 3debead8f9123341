"""Pictures larger than a network is given at once, restored tile by tile without seams."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from sparsevit.data.transforms import MAX_NETWORK_PIXELS, MIN_NETWORK_SIDE, to_tensor
from sparsevit.networks import LoadedModel, ModelError
from sparsevit.networks.restorer import Restorer
from sparsevit.networks.restorer_config import TOKEN
from sparsevit.tasks.restoration import RestorationTask


def enhance(
    loaded: LoadedModel,
    image: np.ndarray,
    max_pixels: int = MAX_NETWORK_PIXELS,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:
    """Restore a picture as it is, of any size, at the network's schedule.

    A picture of more than ``max_pixels`` is restored in tiles. Each overlaps the next by all that a
    pixel depends on, and begins at a window's edge, so that a network that skips nothing gives what
    it would give of the whole picture. Pruned, every tile keeps its own best windows.

    Args:
        loaded: a restorer.
        image: (h, w, 3) uint8 RGB.
        max_pixels: given to the network at once; what it needs of memory grows with them.
        report: told of tiles done and in all.

    Returns:
        (scale h, scale w, 3) uint8 RGB, ``scale`` as the network's configuration says.

    Raises:
        ModelError: the network restores nothing.
        ValueError: ``max_pixels`` too few for a tile.
    """
    loaded = loaded.for_task("enhancement")
    module, task = loaded.module, loaded.task
    if not isinstance(module, Restorer) or not isinstance(task, RestorationTask):
        raise ModelError(f"{loaded.name} restores no pictures.")
    height, width = image.shape[:2]
    scale = module.config.scale
    found = np.empty((scale * height, scale * width, 3), np.uint8)
    side = _find_side(module, max_pixels) if height * width > max_pixels else max(height, width)
    margin = find_reach(module)
    tiles = [(rows, columns) for rows in _cut(height, side) for columns in _cut(width, side)]
    for done, (rows, columns) in enumerate(tiles, start=1):
        around = [
            slice(max(0, part.start - margin), min(length, part.stop + margin))
            for part, length in ((rows, height), (columns, width))
        ]
        piece = _pad(image[around[0], around[1]])
        images = to_tensor(piece, loaded.mean, loaded.std).to(loaded.device, loaded.dtype)
        with torch.inference_mode():
            picture = task.interpret(module(images), piece.shape[:2])
        top, left = (
            scale * (part.start - wide.start)
            for part, wide in zip((rows, columns), around, strict=True)
        )
        size = scale * (rows.stop - rows.start), scale * (columns.stop - columns.start)
        found[
            scale * rows.start : scale * rows.stop, scale * columns.start : scale * columns.stop
        ] = picture[top : top + size[0], left : left + size[1]]
        report(done, len(tiles))
    return found


def find_reach(module: Restorer) -> int:
    """Pixels that a restored one depends on to either side, whole windows of them.

    A pair of blocks reaches a window and a half: from one end of a shifted window over all of the
    plain windows that it touches. The convolutions at both ends reach less than a window more.
    """
    config = module.config
    pairs = sum(-(-depth // 2) for depth in config.depths)
    return TOKEN * config.window_size * (-(-3 * pairs // 2) + 1)


def _find_side(module: Restorer, max_pixels: int) -> int:
    """Of the inside of a tile: whole windows, so that the grid of windows stays where it is."""
    window = TOKEN * module.config.window_size
    side = (int(max_pixels**0.5) - 2 * find_reach(module)) // window * window
    if side < window:
        least = (2 * find_reach(module) + window) ** 2
        raise ValueError(f"max_pixels must be at least {least} for this network, not {max_pixels}.")
    return side


def _cut(length: int, side: int) -> Iterator[slice]:
    for start in range(0, length, side):
        yield slice(start, min(length, start + side))


def _pad(image: np.ndarray) -> np.ndarray:
    """A picture as large as a network needs, filled up with its last row and column."""
    spare = [(0, max(0, MIN_NETWORK_SIDE - side)) for side in image.shape[:2]]
    return np.pad(image, [*spare, (0, 0)], mode="edge")
