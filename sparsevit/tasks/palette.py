"""Colours of classes, for outputs whose network brings none."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

#: The colours that Cityscapes' own scripts give its classes.
_CITYSCAPES = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}
_HUE_STEP = 0.618034  # of the circle: neighbours in the list come out far apart
_LIGHT = (0.95, 0.70, 0.85)
_SATURATION = (0.75, 0.90, 0.50)


def choose_palette(class_names: Sequence[str]) -> np.ndarray:
    """Colours for classes: Cityscapes' own where all of them are its classes, else spread hues.

    Args:
        class_names: the classes.

    Returns:
        (classes, 3) uint8 RGB, the same for the same names every time.
    """
    if all(name in _CITYSCAPES for name in class_names):
        colours = [_CITYSCAPES[name] for name in class_names]
    else:
        colours = [_spread(index) for index in range(len(class_names))]
    return np.array(colours, dtype=np.uint8).reshape(-1, 3)


def vary_colour(colour: np.ndarray, number: int) -> np.ndarray:
    """The ``number``-th shade of a class's colour; number 0 is the colour itself.

    Args:
        colour: (3,) uint8 RGB.
        number: which segment of the class, >= 0.

    Returns:
        (3,) uint8 RGB of another lightness and a slightly turned hue.
    """
    if number == 0:
        return colour
    hue, light, saturation = colorsys.rgb_to_hls(*(colour / 255))
    turned = (hue + 0.035 * ((number + 1) // 2) * (-1) ** number) % 1.0
    shade = 0.3 + (light - 0.3 + number * _HUE_STEP * 0.45) % 0.45
    rgb = colorsys.hls_to_rgb(turned, shade, max(saturation, 0.35))
    return np.round(255 * np.array(rgb)).astype(np.uint8)


def _spread(index: int) -> tuple[int, int, int]:
    rgb = colorsys.hsv_to_rgb(index * _HUE_STEP % 1.0, _SATURATION[index % 3], _LIGHT[index % 3])
    return round(255 * rgb[0]), round(255 * rgb[1]), round(255 * rgb[2])
