"""Light and air: what each kind of weather does to colours."""

import math
from dataclasses import dataclass, replace

import numpy as np

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Weather:
    """Colours of the air (0..255) and strengths of the light (factors on a surface's colour).

    Attributes:
        name: what people call it.
        zenith: sky overhead.
        horizon: sky at the horizon, and the colour of haze.
        cloud_lit: bright parts of clouds.
        cloud_dark: their dark parts.
        sun: light of the sun on a surface that faces it.
        ambient: light of the sky on a surface that faces up.
        cloud_cover: 0..1.
        haze_m: distance in which the air swallows 63 % of a colour.
        shadow: how much darker the ground is where the sun does not reach, 0..1.
        height: of the sun, radians above the horizon.
        lamps_lit: lamps and windows shine.
        wet: how much the road mirrors, 0..1.
        exposure: factor on the finished picture.
        to_sun: unit vector towards the sun, (x, y, z).
    """

    name: str
    zenith: Triple
    horizon: Triple
    cloud_lit: Triple
    cloud_dark: Triple
    sun: Triple
    ambient: Triple
    cloud_cover: float
    haze_m: float
    shadow: float
    height: float = 0.8
    lamps_lit: bool = False
    wet: float = 0.0
    exposure: float = 1.0
    to_sun: Triple = (0.0, 1.0, 0.0)


_CLEAR = Weather(
    name="clear",
    zenith=(84, 140, 208),
    horizon=(206, 224, 238),
    cloud_lit=(255, 253, 248),
    cloud_dark=(200, 210, 224),
    sun=(0.62, 0.55, 0.43),
    ambient=(0.62, 0.66, 0.72),
    cloud_cover=0.45,
    haze_m=420,
    shadow=0.52,
    exposure=1.08,
)
_KINDS: tuple[tuple[float, Weather], ...] = (
    (0.24, _CLEAR),
    (
        0.13,
        replace(
            _CLEAR,
            name="low sun",
            zenith=(112, 152, 204),
            horizon=(244, 232, 210),
            sun=(0.78, 0.6, 0.38),
            ambient=(0.54, 0.56, 0.62),
            shadow=0.55,
            height=0.3,
            haze_m=300,
        ),
    ),
    (
        0.17,
        Weather(
            name="bright overcast",
            zenith=(236, 240, 244),
            horizon=(252, 253, 254),
            cloud_lit=(255, 255, 255),
            cloud_dark=(226, 230, 236),
            sun=(0.16, 0.16, 0.15),
            ambient=(0.7, 0.71, 0.73),
            cloud_cover=0.9,
            haze_m=340,
            shadow=0.2,
            exposure=1.3,
        ),
    ),
    (
        0.17,
        Weather(
            name="overcast",
            zenith=(160, 170, 184),
            horizon=(214, 219, 224),
            cloud_lit=(232, 235, 238),
            cloud_dark=(160, 168, 180),
            sun=(0.12, 0.12, 0.12),
            ambient=(0.72, 0.74, 0.77),
            cloud_cover=0.85,
            haze_m=240,
            shadow=0.22,
            exposure=1.2,
        ),
    ),
    (
        0.11,
        Weather(
            name="rain",
            zenith=(138, 146, 156),
            horizon=(188, 194, 200),
            cloud_lit=(196, 202, 208),
            cloud_dark=(128, 136, 146),
            sun=(0.05, 0.05, 0.05),
            ambient=(0.66, 0.69, 0.73),
            cloud_cover=0.9,
            haze_m=170,
            shadow=0.12,
            wet=0.6,
            exposure=1.05,
        ),
    ),
    (
        0.06,
        Weather(
            name="fog",
            zenith=(202, 208, 212),
            horizon=(208, 212, 215),
            cloud_lit=(212, 216, 219),
            cloud_dark=(196, 201, 206),
            sun=(0.06, 0.06, 0.06),
            ambient=(0.72, 0.74, 0.76),
            cloud_cover=0.8,
            haze_m=48,
            shadow=0.1,
            wet=0.12,
        ),
    ),
    (
        0.12,
        Weather(
            name="dusk",
            zenith=(72, 88, 146),
            horizon=(250, 188, 130),
            cloud_lit=(255, 178, 142),
            cloud_dark=(128, 102, 138),
            sun=(0.5, 0.32, 0.16),
            ambient=(0.56, 0.54, 0.62),
            cloud_cover=0.6,
            haze_m=230,
            shadow=0.26,
            height=0.24,
            exposure=1.05,
            lamps_lit=True,
        ),
    ),
)


def choose_weather(rng: np.random.Generator) -> Weather:
    """One of the kinds above, with its own sun, clearness of air and exposure."""
    shares = [share for share, _ in _KINDS]
    kind = _KINDS[rng.choice(len(_KINDS), p=shares)][1]
    height = kind.height * rng.uniform(0.75, 1.4)
    turn = rng.uniform(0, 2 * math.pi)
    to_sun = (
        math.cos(height) * math.cos(turn),
        math.sin(height),
        math.cos(height) * math.sin(turn),
    )
    after_rain = kind.name in ("overcast", "bright overcast", "dusk") and rng.random() < 0.2
    return replace(
        kind,
        to_sun=to_sun,
        height=height,
        haze_m=kind.haze_m * rng.uniform(0.7, 1.5),
        cloud_cover=kind.cloud_cover * rng.uniform(0.7, 1.15),
        wet=kind.wet * rng.uniform(0.6, 1.4) + 0.3 * after_rain,
        exposure=float(np.exp(rng.normal(0.0, 0.32 if kind.lamps_lit else 0.17))) * kind.exposure,
    )
