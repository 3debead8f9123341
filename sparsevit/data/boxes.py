"""3D boxes of things, and the camera that saw them.

Camera coordinates are metres: X right, Y down, Z ahead along the optical axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sparsevit.data.transforms import Size

#: Degrees that the longer side of a picture takes in where nothing says how it was taken.
FIELD_OF_VIEW_DEG = 60.0


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera: a point (X, Y, Z) falls on ``u = cx + fx X / Z``, ``v = cy + fy Y / Z``.

    The pixel of column i and row j covers u from i to i + 1 and v from j to j + 1.

    Attributes:
        fx, fy: focal length, pixels; above 0.
        cx, cy: where the optical axis falls, pixels.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        values = (self.fx, self.fy, self.cx, self.cy)
        if not all(map(math.isfinite, values)) or min(self.fx, self.fy) <= 0:
            raise ValueError(
                f"A camera has a focal length above 0 and a finite centre, not focal lengths "
                f"{self.fx:g}, {self.fy:g} and centre {self.cx:g}, {self.cy:g}."
            )

    @classmethod
    def from_field_of_view(cls, size: Size, degrees: float = FIELD_OF_VIEW_DEG) -> Intrinsics:
        """The camera of a picture (img_h, img_w) whose longer side takes in an angle."""
        if not 0 < degrees < 180:
            raise ValueError(f"A field of view is above 0 and below 180 degrees, not {degrees:g}.")
        return cls.from_focal(size, max(size) / 2 / math.tan(math.radians(degrees) / 2))

    @classmethod
    def from_focal(cls, size: Size, focal: float) -> Intrinsics:
        """The camera of a picture (img_h, img_w) of a focal length in pixels, its axis central."""
        return cls(focal, focal, size[1] / 2, size[0] / 2)

    @property
    def focal(self) -> float:
        """The geometric mean of both focal lengths, pixels."""
        return math.sqrt(self.fx * self.fy)

    def resize(self, old: Size, new: Size) -> Intrinsics:
        """The camera of the same picture at another size; both (img_h, img_w)."""
        y, x = new[0] / old[0], new[1] / old[1]
        return Intrinsics(self.fx * x, self.fy * y, self.cx * x, self.cy * y)

    def project(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) pixels (u, v) of points (..., 3) ahead of the camera."""
        focal, axis = np.array((self.fx, self.fy)), np.array((self.cx, self.cy))
        seen: np.ndarray = points[..., :2] / points[..., 2:] * focal + axis
        return seen

    def find_point(self, u: float, v: float, z: float) -> tuple[float, float, float]:
        """The point (X, Y, Z) at depth z, metres, that falls on a pixel."""
        return ((u - self.cx) * z / self.fx, (v - self.cy) * z / self.fy, z)


@dataclass(frozen=True)
class Box3D:
    """One upright box.

    Attributes:
        label: number of its kind.
        score: how sure the network is, in [0, 1]; 1 of a true one.
        centre: (X, Y, Z) of its middle, metres.
        size: (length, height, width), metres; above 0.
        yaw: rotation about Y, radians: 0 faces along +X, -pi/2 away from the camera (KITTI's
            ``rotation_y``).
    """

    label: int
    score: float
    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (*self.centre, *self.size, self.yaw, self.score))):
            raise ValueError("The centre, size, yaw and score of a box are finite numbers.")
        if min(self.size) <= 0:
            raise ValueError(
                f"Length, height and width of a box are above 0 m, not "
                f"{' x '.join(f'{side:g}' for side in self.size)}."
            )

    @property
    def alpha(self) -> float:
        """Observation angle: the yaw as it looks from the camera, radians in (-pi, pi]."""
        return wrap_angle(self.yaw - math.atan2(self.centre[0], self.centre[2]))

    @property
    def is_behind(self) -> bool:
        """No corner lies ahead of the camera, so nothing of it can show."""
        return bool(self.corners[:, 2].max() <= 0)

    @property
    def corners(self) -> np.ndarray:
        """(8, 3) metres: the lower four from the front left on, seen from above, then the upper."""
        length, height, width = self.size
        along = np.array([1, 1, -1, -1]) * length / 2
        aside = np.array([1, -1, -1, 1]) * width / 2
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        x, z = along * cos + aside * sin, aside * cos - along * sin
        flat = np.stack([x, np.full(4, height / 2), z], axis=1)
        return np.concatenate([flat, flat * (1, -1, 1)]) + self.centre


@dataclass(frozen=True, eq=False)
class Boxes3D:
    """All boxes of a picture.

    Attributes:
        boxes: the surest first.
        camera: of the picture at ``size``.
        size: (img_h, img_w) pixels.
    """

    boxes: tuple[Box3D, ...]
    camera: Intrinsics
    size: Size

    def resize(self, size: Size) -> Boxes3D:
        """The same boxes for the same picture at another size (img_h, img_w)."""
        return Boxes3D(self.boxes, self.camera.resize(self.size, size), size)

    def see_with(self, camera: Intrinsics) -> Boxes3D:
        """The boxes as they are if another camera took the picture.

        What shows in a picture is depth in units of the focal length: each box stays where its
        centre is seen and keeps its size and observation angle.
        """
        boxes = []
        for box in self.boxes:
            # The pixel times the depth, so that a middle at depth 0 does no harm.
            x, y, z = box.centre
            u = self.camera.fx * x + (self.camera.cx - camera.cx) * z
            v = self.camera.fy * y + (self.camera.cy - camera.cy) * z
            scale = camera.focal / self.camera.focal
            centre = (u * scale / camera.fx, v * scale / camera.fy, z * scale)
            yaw = wrap_angle(box.alpha + math.atan2(centre[0], centre[2]))
            boxes.append(replace(box, centre=centre, yaw=yaw))
        return Boxes3D(tuple(boxes), camera, self.size)


def compare_sizes(one: Box3D, other: Box3D) -> float:
    """1 - IoU, in [0, 1), of two boxes once they have one centre and yaw: nuScenes' scale error."""
    shared = math.prod(map(min, one.size, other.size))
    return 1 - shared / (math.prod(one.size) + math.prod(other.size) - shared)


def compare_yaws(one: Box3D, other: Box3D) -> float:
    """The angle between the fronts of two boxes, radians in [0, pi]."""
    return abs(wrap_angle(one.yaw - other.yaw))


def wrap_angle(angle: float) -> float:
    """The same angle in (-pi, pi]."""
    return math.pi - (math.pi - angle) % (2 * math.pi)
