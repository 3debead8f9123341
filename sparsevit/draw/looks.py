"""How masks look, once for saved pictures and for the page: colours, strengths, line widths.

``app/page/looks.js`` is made from this by ``python -m app.page.looks``.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

Colour = tuple[int, int, int]

#: Differing pixels: vermillion, told from grey by every kind of colour vision.
DIFFERENCE_COLOUR: Colour = (255, 96, 0)

#: Of a pruned window's brightness, and of its colour, so much is left.
PRUNED_LIGHT, PRUNED_COLOUR = 0.2, 0.25

#: Added to a pruned window, so that it shows on a black photo too.
PRUNED_TINT: Colour = (10, 15, 34)

#: Grey level of the line between kept and pruned windows.
OUTLINE_LEVEL = 240

#: Opacity of the line between other windows.
EDGE_OPACITY = 0.45

#: Pixels as a person sees them: edges of windows smaller than this are fainter.
FADED_WINDOW = 24

#: Opacity of colours that stand for numbers, over the grey photo.
HEAT_OPACITY = 0.65


def colour_levels(level: np.ndarray) -> np.ndarray:
    """(..., 3) uint8 RGB of levels 0 to 1 (viridis); levels outside are clipped, NaN is 0."""
    index = np.clip(np.nan_to_num(level) * 255 + 0.5, 0, 255).astype(np.uint8)
    colours: np.ndarray = _make_viridis().take(index, axis=0)
    return colours


@lru_cache(maxsize=1)
def _make_viridis() -> np.ndarray:
    """(256, 3) uint8 RGB, dark blue to yellow, even in brightness for every colour vision."""
    ramp = np.arange(256, dtype=np.uint8).reshape(256, 1)
    return cv2.applyColorMap(ramp, cv2.COLORMAP_VIRIDIS).reshape(256, 3)[:, ::-1].copy()
