"""People on foot and on bicycles."""

import itertools
import math
from typing import Any

import numpy as np

from sparsevit.data.streets.canvas import Canvas
from sparsevit.data.streets.classes import BICYCLIST
from sparsevit.data.streets.colours import BRIGHT

_CLOTHES = (
    *((176, 66, 56), (52, 80, 124), (206, 164, 76), (72, 104, 84), (222, 216, 204)),
    *((50, 50, 60), (120, 96, 76), (132, 140, 150)),
)
_SKINS, _HAIRS = ((238, 202, 172), (204, 152, 116), (134, 92, 66)), ((58, 42, 32), (150, 112, 66))

#: Figures as tapering limbs, far to near: from and to (ahead, up, aside), the two radii, and
#: what it wears there: 0 shirt, 1 trousers, 2 shoes and tyres, 3 skin, 4 hair or helmet, 5 frame.
WALKER = (
    (0.2, 1.08, -0.2, 0.02, 1.36, -0.17, 0.038, 0.055, 0),
    (0.0, 0.92, -0.06, -0.14, 0.5, -0.07, 0.095, 0.065, 1),
    (-0.14, 0.5, -0.07, -0.32, 0.14, -0.07, 0.06, 0.045, 1),
    (-0.33, 0.09, -0.07, -0.22, 0.05, -0.07, 0.05, 0.035, 2),
    (0.0, 0.92, 0.06, 0.17, 0.52, 0.07, 0.095, 0.065, 1),
    (0.17, 0.52, 0.07, 0.2, 0.12, 0.07, 0.06, 0.045, 1),
    (0.2, 0.06, 0.07, 0.34, 0.05, 0.07, 0.05, 0.035, 2),
    (0.0, 1.36, 0.0, 0.0, 0.95, 0.0, 0.165, 0.14, 0),
    (0.0, 1.4, 0.1, 0.0, 1.4, -0.1, 0.08, 0.08, 0),
    (-0.02, 1.38, 0.19, -0.14, 1.06, 0.22, 0.055, 0.04, 0),
    (0.01, 1.46, 0.0, 0.01, 1.54, 0.0, 0.05, 0.05, 3),
    (-0.01, 1.67, 0.0, -0.02, 1.64, 0.0, 0.11, 0.1, 4),
    (0.035, 1.6, 0.0, 0.03, 1.64, 0.0, 0.075, 0.085, 3),
)
_RIM = [(0.33 * math.sin(t), 0.34 + 0.33 * math.cos(t)) for t in np.linspace(0, 2 * math.pi, 13)]
CYCLIST = (
    *(
        (0.52 + a, b, 0, 0.52 + c, d, 0, 0.025, 0.025, 2)
        for (a, b), (c, d) in itertools.pairwise(_RIM)
    ),
    *(
        (a - 0.52, b, 0, c - 0.52, d, 0, 0.025, 0.025, 2)
        for (a, b), (c, d) in itertools.pairwise(_RIM)
    ),
    (-0.52, 0.34, 0, -0.08, 0.3, 0, 0.025, 0.025, 5),
    (-0.08, 0.3, 0, -0.2, 0.92, 0, 0.025, 0.025, 5),
    (-0.16, 0.8, 0, 0.4, 0.85, 0, 0.025, 0.025, 5),
    (-0.08, 0.3, 0, 0.4, 0.85, 0, 0.025, 0.025, 5),
    (0.38, 1.02, 0, 0.52, 0.34, 0, 0.025, 0.025, 5),
    (-0.2, 0.98, -0.09, 0.18, 0.62, -0.09, 0.1, 0.07, 1),
    (0.18, 0.62, -0.09, -0.14, 0.36, -0.09, 0.065, 0.045, 1),
    (0.1, 1.42, -0.16, 0.42, 1.06, -0.2, 0.06, 0.045, 0),
    (-0.2, 1.02, 0, 0.1, 1.4, 0, 0.15, 0.17, 0),
    (-0.2, 0.98, 0.09, 0.22, 0.72, 0.09, 0.1, 0.07, 1),
    (0.22, 0.72, 0.09, 0.02, 0.22, 0.09, 0.065, 0.045, 1),
    (0.0, 0.2, 0.09, 0.12, 0.18, 0.09, 0.045, 0.035, 2),
    (0.1, 1.42, 0.16, 0.42, 1.06, 0.2, 0.06, 0.045, 0),
    (0.2, 1.6, 0, 0.2, 1.66, 0, 0.09, 0.095, 3),
    (0.16, 1.71, 0, 0.22, 1.73, 0, 0.105, 0.09, 4),
)


def draw_figure(
    canvas: Canvas, x: float, z: float, tall: float, limbs: Any, heading: float, label: int
) -> None:
    """A person made of limbs, moving at `heading` radians from straight across the road."""
    shirt, trousers, cap = (canvas.pick(_CLOTHES) for _ in range(3))
    hair = cap if label == BICYCLIST else canvas.pick(_HAIRS)
    wear = (shirt, trousers, (44, 42, 44), canvas.pick(_SKINS), hair, canvas.pick(BRIGHT))
    ahead, k = np.array((math.cos(heading), 0, math.sin(heading))), tall / 1.75
    aside = np.array((ahead[2], 0, -ahead[0])) * (1 if ahead[0] > 0 else -1)
    for a0, y0, s0, a1, y1, s1, r0, r1, part in limbs:
        start, end = (
            (x, y * k, z) + (a * ahead + s * aside) * k for a, y, s in ((a0, y0, s0), (a1, y1, s1))
        )
        shade = 1 - 0.22 * (s0 < 0) - 0.1 * (s0 > 0.12)
        canvas.limb(start, end, (r0 * k, r1 * k), np.array(wear[part]) * shade, label)
