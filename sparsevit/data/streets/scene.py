"""A scene: one picture and its truth."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sparsevit.data.streets.camera import Camera
from sparsevit.data.streets.canvas import Canvas, Thing
from sparsevit.data.streets.classes import CLASS_NAMES, PAVEMENT, ROAD
from sparsevit.data.streets.develop import blur_motion, develop, draw_rain, mirror_in_wet
from sparsevit.data.streets.ground import paint_ground
from sparsevit.data.streets.layout import Layout
from sparsevit.data.streets.plan import plan_street
from sparsevit.data.streets.plots import build_side, close_end
from sparsevit.data.streets.roadside import (
    add_own_bonnet,
    add_traffic,
    furnish_pavement,
    guard_crossings,
    park_side,
    populate_pavement,
)
from sparsevit.data.streets.sky import draw_skyline, paint_sky
from sparsevit.data.streets.weather import Weather, choose_weather


@dataclass(frozen=True)
class SceneObject:
    """A vehicle, pedestrian or cyclist of which at least one pixel shows.

    Camera coordinates are metres: X right, Y down, Z ahead along the optical axis.

    Attributes:
        id: its number in `Scene.instances`.
        name: its class, one of `CLASS_NAMES`.
        kind: "car", "van", "bus", "lorry", "pedestrian" or "cyclist".
        centre: (X, Y, Z) of the middle of its box.
        size: (length, height, width) of its box, metres.
        yaw: rotation about Y in (-pi, pi]; 0 = its length lies along X and it faces right.
        pixels: how many of its pixels show.
        box: (x0, y0, x1, y1) around the pixels that show; x1 and y1 are exclusive.
    """

    id: int
    name: str
    kind: str
    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float
    pixels: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Scene:
    """One picture and its truth. What is costly is worked out when first asked for.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) uint8, an index into `CLASS_NAMES`.
        camera: that took the picture.
        weather: of the scene.
    """

    image: np.ndarray
    labels: np.ndarray
    camera: Camera
    weather: Weather
    _surface: np.ndarray = field(repr=False)  # (H, W) int32
    _surfaces: np.ndarray = field(repr=False)  # (surfaces, 7), as `Canvas.add_surface` has them
    _things: tuple[Thing, ...] = field(repr=False)

    @cached_property
    def instances(self) -> np.ndarray:
        """(H, W) uint16: the `id` of the object each pixel shows, 0 for none."""
        ids: np.ndarray = self._surfaces[:, 1].astype(np.uint16)[self._surface]
        return ids

    @cached_property
    def depth(self) -> np.ndarray:
        """(H, W) float32: metres along the optical axis; infinite for the sky."""
        a, b, c, low, high = self._surfaces[:, 2:].T.astype(np.float32)
        height, width = self._surface.shape
        inverse: np.ndarray = a[self._surface] * (np.arange(width, dtype=np.float32) + 0.5)
        inverse += b[self._surface] * (np.arange(height, dtype=np.float32)[:, None] + 0.5)
        inverse += c[self._surface]
        np.clip(inverse, low[self._surface], high[self._surface], out=inverse)
        with np.errstate(divide="ignore"):
            np.reciprocal(inverse, out=inverse)
        return inverse

    @cached_property
    def objects(self) -> tuple[SceneObject, ...]:
        """What has a 3D box and shows, by `id`."""
        rows, columns = np.nonzero(self.instances)
        ids = self.instances[rows, columns]
        order = np.argsort(ids, kind="stable")
        shown, starts, counts = np.unique(ids[order], return_index=True, return_counts=True)
        if len(shown) == 0:
            return ()
        rows, columns = rows[order], columns[order]
        edges = [
            extreme.reduceat(values, starts) + add
            for extreme, add in ((np.minimum, 0), (np.maximum, 1))
            for values in (columns, rows)
        ]
        found = []
        for number, count, box in zip(shown, counts, np.stack(edges, -1), strict=True):
            thing = self._things[number - 1]
            x, y, z = thing.centre
            found.append(
                SceneObject(
                    id=int(number),
                    name=CLASS_NAMES[thing.label],
                    kind=thing.kind,
                    centre=(x, self.camera.height_m - y, z),
                    size=thing.size,
                    yaw=thing.yaw,
                    pixels=int(count),
                    box=tuple(box.tolist()),
                )
            )
        return tuple(found)


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
    rng = np.random.default_rng(seed)
    canvas = Canvas(rng, height, width, choose_camera(rng, height, width), choose_weather(rng))
    street = plan_street(rng)
    layout = Layout(canvas, street)
    for side in (-1, 1):
        build_side(layout, side)
        furnish_pavement(layout, side)
        park_side(layout, side)
        populate_pavement(layout, side)
    close_end(layout)
    add_traffic(layout)
    guard_crossings(layout)
    paint_sky(canvas)
    paint_ground(canvas, street)
    draw_skyline(canvas, any(street.green), max(street.end + 40, 110))
    layout.draw()
    add_own_bonnet(layout)
    surfaces = np.array(canvas.surfaces)
    labels = surfaces[:, 0].astype(np.uint8)[canvas.surface]
    mirror_in_wet(canvas, (labels == ROAD) | (labels == PAVEMENT))
    if canvas.weather.name == "rain":
        draw_rain(canvas)
    if rng.random() < 0.2:
        blur_motion(canvas, float(rng.uniform(0.002, 0.012)))
    return Scene(
        image=develop(canvas),
        labels=labels,
        camera=canvas.camera,
        weather=canvas.weather,
        _surface=canvas.surface,
        _surfaces=surfaces,
        _things=tuple(canvas.things),
    )


def choose_camera(rng: np.random.Generator, height: int, width: int) -> Camera:
    """A camera between a dash-cam and the top of a bus."""
    focal = max(width, 1.45 * height) * float(rng.uniform(0.55, 1.0))
    tall = float(rng.uniform(1.15, 1.7)) if rng.random() < 0.7 else float(rng.uniform(1.7, 3.0))
    return Camera(
        fx=focal,
        fy=focal,
        cx=width * float(rng.uniform(0.42, 0.58)),
        cy=height * (float(rng.uniform(0.43, 0.56)) + 0.08 * (height > width)),
        height_m=tall,
    )
