"""Street scenes drawn from a seed, each with the class of every pixel.

A pinhole camera stands on a road. Road coordinates are metres, `(x, y, z)`: right of the road's
centre line, above the ground, ahead of the camera. Sky and ground are computed pixel by pixel;
everything else is drawn far to near, each shape into the image and into the labels alike.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sparsevit.data.streets.canvas import Canvas, develop
from sparsevit.data.streets.classes import (
    BICYCLIST,
    BUILDING,
    CAR,
    CLASS_NAMES,
    FENCE,
    PALETTE,
    PAVEMENT,
    PEDESTRIAN,
    POLE,
    ROAD,
    SIGN,
    SKY,
    TREE,
    VOID,
)
from sparsevit.data.streets.landscape import draw_skyline, paint_ground, paint_sky
from sparsevit.data.streets.layout import furnish

__all__ = [
    "BICYCLIST",
    "BUILDING",
    "CAR",
    "CLASS_NAMES",
    "FENCE",
    "PALETTE",
    "PAVEMENT",
    "PEDESTRIAN",
    "POLE",
    "ROAD",
    "SIGN",
    "SKY",
    "TREE",
    "VOID",
    "Scene",
    "draw_scene",
    "write_scene",
]


@dataclass(frozen=True)
class Scene:
    """One picture and its truth.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) uint8, an index into `CLASS_NAMES`.
    """

    image: np.ndarray
    labels: np.ndarray


def draw_scene(seed: int, height: int = 1024, width: int = 2048) -> Scene:
    """Draw a street; the same seed and size always give the same scene.

    Args:
        seed: chooses everything in the scene, from the weather to each pedestrian's coat.
        height: image height in pixels, at least 64.
        width: image width in pixels, at least 64, between half and three times the height.

    Raises:
        ValueError: the size is out of range.
    """
    if min(height, width) < 64 or not 0.5 <= width / height <= 3:
        raise ValueError(
            "A scene's sides must be at least 64 pixels and its width 0.5 to 3 times its height, "
            f"not {height} x {width} (height x width)."
        )
    canvas = Canvas(np.random.default_rng(seed), height, width)
    things, crossing, lawn = furnish(canvas)
    paint_sky(canvas)
    paint_ground(canvas, crossing, lawn)
    draw_skyline(canvas, lawn)
    for _, draw in sorted(things, key=lambda thing: -thing[0]):
        draw()
    return Scene(develop(canvas), canvas.labels)


def write_scene(path_stem: str | Path, seed: int, height: int = 1024, width: int = 2048) -> None:
    """Write a scene as `<stem>.jpg` and its class indices as `<stem>_labels.png`."""
    scene = draw_scene(seed, height, width)
    picture, quality = cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90]
    for name, pixels, settings in (
        (f"{path_stem}.jpg", picture, quality),
        (f"{path_stem}_labels.png", scene.labels, []),
    ):
        if not cv2.imwrite(name, pixels, settings):
            raise OSError(f"Could not write {name}; does its folder exist?")
