"""How the weather's light and air change colours, and where shadows fall."""

import math
from typing import Any

import numpy as np

from sparsevit.data.streets.weather import Weather

Colour = Any  # three numbers 0..255: a tuple, a list or an array


class Light:
    """The light of one kind of weather."""

    def __init__(self, weather: Weather) -> None:
        self.weather = weather
        self._arrays = tuple(np.array(v) for v in (weather.ambient, weather.sun, weather.horizon))
        self._mirrored = tuple(
            0.5 * h + 0.35 * z for h, z in zip(weather.horizon, weather.zenith, strict=True)
        )
        self._to_sun = np.array(weather.to_sun)

    def haze(self, z: Any) -> Any:
        """How much of what one sees at `z` metres is air, 0..1."""
        return 1 - np.exp(-np.maximum(z - 6.0, 0) / self.weather.haze_m)

    def glow(self, colour: Colour, z: float) -> list[float]:
        """A light of its own, seen through `z` metres of air."""
        air = 1 - math.exp(-max(z - 6.0, 0.0) / self.weather.haze_m)
        return [float(c + (h - c) * air) for c, h in zip(colour, self.weather.horizon, strict=True)]

    def lit(self, colour: Colour, normal: Any, z: float, gloss: float = 0.0) -> list[float]:
        """A surface in this light, through the air.

        Args:
            colour: 0..255.
            normal: unit vector, (right, up, ahead).
            z: distance, metres.
            gloss: how much of the sky it mirrors, 0..1.
        """
        weather = self.weather
        if isinstance(colour, np.ndarray):
            colour = colour.tolist()
        if isinstance(normal, np.ndarray):
            normal = normal.tolist()
        x, y, ahead = weather.to_sun
        facing = max(normal[0] * x + normal[1] * y + normal[2] * ahead, 0.0)
        dome = 0.84 + 0.16 * normal[1]
        mirror = gloss * min(max(0.45 + 0.55 * normal[1], 0.0), 1.0)
        air = 1 - math.exp(-max(z - 6.0, 0.0) / weather.haze_m)
        shown = []
        for c, a, s, h, m in zip(
            colour, weather.ambient, weather.sun, weather.horizon, self._mirrored, strict=True
        ):
            own = min(c * (a * dome + s * facing) * (1 - mirror) + m * mirror, 255.0)
            shown.append(own + (h - own) * air)
        return shown

    def lit_many(self, colours: np.ndarray, normals: Any, z: float, gloss: Any = 0.0) -> np.ndarray:
        """As `lit`, for colours (n, 3), normals (n, 3) or (3,), and gloss (n, 1) or a number."""
        ambient, sun, horizon = self._arrays
        normals = np.asarray(normals, np.float64)
        facing = np.maximum(normals @ self._to_sun, 0)[..., None]
        up = normals[..., 1:2]
        mirror = gloss * np.clip(0.45 + 0.55 * up, 0, 1)
        shown: np.ndarray = colours * (ambient * (0.84 + 0.16 * up) + sun * facing) * (1 - mirror)
        shown = np.minimum(shown + np.array(self._mirrored) * mirror, 255)
        shown += (horizon - shown) * float(self.haze(z))
        return shown

    def on_ground(self) -> np.ndarray:
        """Factors (3,) on the colour of level ground in the sun."""
        ambient, sun, _ = self._arrays
        return ambient + sun * self.weather.to_sun[1]

    def find_shadow(self, x: Any, y: Any, z: Any) -> np.ndarray:
        """Where on the ground, as (..., 2) of x and z, the shadow of a point falls."""
        sun_x, sun_y, sun_z = self.weather.to_sun
        reach = np.minimum(np.asarray(y) / max(sun_y, 0.12), 45)
        return np.stack(np.broadcast_arrays(x - sun_x * reach, z - sun_z * reach), -1)
