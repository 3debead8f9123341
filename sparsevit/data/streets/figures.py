"""People on foot and on bicycles, as tapering limbs."""

import itertools
import math

import numpy as np

from sparsevit.data.streets.camera import NEAR_M
from sparsevit.data.streets.canvas import Canvas, Thing
from sparsevit.data.streets.classes import BICYCLIST, PEDESTRIAN
from sparsevit.data.streets.colours import BRIGHT

_CLOTHES = (
    *((40, 42, 50), (52, 54, 60), (36, 44, 66), (70, 66, 64), (96, 86, 76), (120, 110, 96)),
    *((146, 44, 44), (52, 80, 124), (190, 160, 90), (72, 96, 80), (206, 202, 194), (110, 120, 132)),
    *((150, 96, 110), (214, 206, 92)),
)
_LEGS = ((36, 38, 44), (44, 52, 74), (62, 72, 96), (52, 48, 46), (116, 106, 92), (84, 86, 90))
_SKINS = ((232, 196, 168), (214, 166, 134), (150, 104, 76), (98, 68, 52))
_HAIRS = ((40, 32, 28), (84, 62, 44), (150, 116, 72), (120, 118, 116), (30, 30, 34))

#: What a limb is covered with.
_SHIRT, _TROUSERS, _SHOES, _SKIN, _HAIR, _FRAME, _TYRE = range(7)
Limb = tuple[float, float, float, float, float, float, float, float, int]

#: Limbs, far side to near: from and to (ahead, up, aside), the two radii, and the cover.
_RIM = [(0.33 * math.sin(t), 0.34 + 0.33 * math.cos(t)) for t in np.linspace(0, 2 * math.pi, 13)]
CYCLIST: tuple[Limb, ...] = (
    *(
        (middle + a, b, 0, middle + c, d, 0, 0.022, 0.022, _TYRE)
        for middle in (0.52, -0.52)
        for (a, b), (c, d) in itertools.pairwise(_RIM)
    ),
    (-0.52, 0.34, 0, -0.08, 0.3, 0, 0.025, 0.025, _FRAME),
    (-0.08, 0.3, 0, -0.2, 0.92, 0, 0.025, 0.025, _FRAME),
    (-0.16, 0.8, 0, 0.4, 0.85, 0, 0.025, 0.025, _FRAME),
    (-0.08, 0.3, 0, 0.4, 0.85, 0, 0.025, 0.025, _FRAME),
    (0.38, 1.02, 0, 0.52, 0.34, 0, 0.025, 0.025, _FRAME),
    (0.38, 1.03, -0.24, 0.38, 1.03, 0.24, 0.018, 0.018, _TYRE),
    (-0.2, 0.98, -0.09, 0.18, 0.62, -0.09, 0.1, 0.07, _TROUSERS),
    (0.18, 0.62, -0.09, -0.14, 0.36, -0.09, 0.065, 0.045, _TROUSERS),
    (-0.14, 0.32, -0.09, 0.0, 0.3, -0.09, 0.045, 0.035, _SHOES),
    (0.1, 1.42, -0.16, 0.4, 1.06, -0.22, 0.06, 0.045, _SHIRT),
    (-0.2, 1.02, 0, 0.1, 1.4, 0, 0.15, 0.17, _SHIRT),
    (-0.2, 0.98, 0.09, 0.22, 0.72, 0.09, 0.1, 0.07, _TROUSERS),
    (0.22, 0.72, 0.09, 0.02, 0.22, 0.09, 0.065, 0.045, _TROUSERS),
    (0.0, 0.2, 0.09, 0.14, 0.18, 0.09, 0.045, 0.035, _SHOES),
    (0.1, 1.42, 0.16, 0.4, 1.06, 0.22, 0.06, 0.045, _SHIRT),
    (0.12, 1.46, 0, 0.16, 1.54, 0, 0.05, 0.05, _SKIN),
    (0.2, 1.6, 0, 0.2, 1.66, 0, 0.085, 0.09, _SKIN),
    (0.16, 1.7, 0, 0.22, 1.72, 0, 0.1, 0.088, _HAIR),
)


def pose_walker(rng: np.random.Generator) -> tuple[Limb, ...]:
    """Someone on foot: walking or standing, in a coat or a skirt, with a bag or without."""
    swing = float(rng.uniform(-0.34, 0.34)) * (rng.random() < 0.85)
    arm, wide = -0.8 * swing, float(rng.uniform(0.9, 1.15))
    legs: list[Limb] = []
    for aside, step in ((-0.08, -swing), (0.08, swing)):
        knee, heel = 0.55 * step + 0.03, step - 0.04 * (step < 0)
        lift = 0.06 * (step < -0.1)
        legs += [
            (0, 0.92, aside, knee, 0.5, aside, 0.092 * wide, 0.064, _TROUSERS),
            (knee, 0.5, aside, heel - 0.02, 0.12 + lift, aside, 0.06, 0.045, _TROUSERS),
            (heel - 0.03, 0.06 + lift, aside, heel + 0.14, 0.045, aside, 0.05, 0.034, _SHOES),
        ]
    arms: list[Limb] = []
    for aside, reach in ((-0.2, arm), (0.2, -arm)):
        elbow = 0.5 * reach - 0.03
        arms.append((0, 1.38, aside * 0.9, elbow, 1.12, aside * 1.1, 0.056, 0.046, _SHIRT))
        arms.append((elbow, 1.12, aside * 1.1, reach, 0.88, aside * 1.05, 0.044, 0.036, _SHIRT))
        arms.append((reach, 0.86, aside * 1.05, reach, 0.82, aside * 1.05, 0.038, 0.034, _SKIN))
    hem = float(rng.choice((0.93, 0.93, 0.72, 0.55)))
    body: list[Limb] = [
        (0, 1.3, 0, 0, hem, 0, 0.158 * wide, (0.135 + 0.06 * (hem < 0.8)) * wide, _SHIRT),
        (0, 1.385, 0.1 * wide, 0, 1.385, -0.1 * wide, 0.075, 0.075, _SHIRT),
    ]
    head: list[Limb] = [
        (0.01, 1.44, 0, 0.01, 1.52, 0, 0.048, 0.05, _SKIN),
        (-0.015, 1.655, 0, -0.02, 1.62, 0, 0.1, 0.088, _HAIR),
        (0.03, 1.585, 0, 0.025, 1.63, 0, 0.068, 0.08, _SKIN),
    ]
    if rng.random() < 0.25:
        head.insert(1, (-0.05, 1.6, 0, -0.07, 1.4, 0, 0.085, 0.07, _HAIR))  # long hair
    bag: list[Limb] = []
    if rng.random() < 0.3:
        bag = [(-0.2, 1.3, 0, -0.2, 1.05, 0, 0.12, 0.13, _FRAME)]  # a rucksack
    elif rng.random() < 0.25:
        bag = [(0.0, 0.66, 0.26, 0.0, 0.5, 0.26, 0.1, 0.13, _FRAME)]
    return (*arms[:3], *legs, *bag, *body, *head, *arms[3:])


def draw_figure(
    canvas: Canvas, x: float, z: float, tall: float, yaw: float, riding: bool, seed: int
) -> None:
    """A person `tall` metres high (on foot) on world (x, z), facing `yaw` as a vehicle does."""
    rng = np.random.default_rng(seed)
    limbs = np.array(CYCLIST if riding else pose_walker(rng))
    if not _seen_from_right(x, z, yaw):
        limbs[:, (2, 5)] *= -1  # the order of drawing is that of someone seen from the right
    label = BICYCLIST if riding else PEDESTRIAN
    wear = np.array(
        [
            _CLOTHES[rng.integers(len(_CLOTHES))],
            _LEGS[rng.integers(len(_LEGS))],
            (46, 42, 42),
            _SKINS[rng.integers(len(_SKINS))],
            _HAIRS[rng.integers(len(_HAIRS))],
            BRIGHT[rng.integers(len(BRIGHT))],
            (26, 26, 28),
        ],
        np.float64,
    ) * rng.uniform(0.85, 1.12)
    if riding and rng.random() < 0.6:
        wear[_HAIR] = BRIGHT[rng.integers(len(BRIGHT))]  # a helmet
    scale = tall / 1.75
    ends, radii = limbs[:, :6].reshape(-1, 2, 3) * scale, limbs[:, 6:8] * scale
    low, high = (ends - radii[..., None]).min((0, 1)), (ends + radii[..., None]).max((0, 1))
    low[1] = min(low[1], 0.0)
    middle = np.array(((low[0] + high[0]) / 2, 0.0, (low[2] + high[2]) / 2))
    ends = ends - middle
    cos, sin = math.cos(yaw), math.sin(yaw)
    points = np.stack(
        [
            x + ends[..., 0] * cos - ends[..., 2] * sin,
            ends[..., 1],
            z - ends[..., 0] * sin - ends[..., 2] * cos,
        ],
        -1,
    )
    if points[..., 2].min() < 2 * NEAR_M:
        return
    size = high - low
    centre = (x, float((low[1] + high[1]) / 2), z)
    kind = "cyclist" if riding else "pedestrian"
    box = float(size[0]), float(size[1]), float(size[2])
    thing = canvas.add_thing(Thing(label, kind, centre, box, yaw))
    near = points[..., 2].mean(1)
    shade = np.where(near > z + 0.06 * scale, 0.84, 1.0)[:, None]
    colours = wear[limbs[:, 8].astype(int)] * shade
    canvas.limbs(points[:, 0], points[:, 1], radii, colours, label, thing)


def _seen_from_right(x: float, z: float, yaw: float) -> bool:
    """Whether the camera stands to the right of someone there who faces `yaw`."""
    return x * math.sin(yaw) + z * math.cos(yaw) > 0
