"""The camera: where a point of the world falls in the picture.

World coordinates are metres `(x, y, z)`: right of the camera, above the ground, ahead of the
camera. The optical axis is level, so the world differs from the usual camera coordinates (X right,
Y down, Z forward) only in `Y = height_m - y`.
"""

from dataclasses import dataclass

import numpy as np

#: What is nearer to the camera than this, in metres along the optical axis, is cut away.
NEAR_M = 0.4


@dataclass(frozen=True)
class Camera:
    """A level pinhole camera.

    A point at camera coordinates (X, Y, Z) falls on `u = cx + fx * X / Z`, `v = cy + fy * Y / Z`;
    the pixel of column i and row j covers u from i to i + 1 and v from j to j + 1.

    Attributes:
        fx: focal length in pixels, horizontally.
        fy: focal length in pixels, vertically; the same.
        cx: column coordinate of the optical axis.
        cy: row coordinate of the optical axis, which is the horizon.
        height_m: height above the ground.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    height_m: float

    def project(self, points: np.ndarray) -> np.ndarray:
        """Image coordinates (..., 2) of world points (..., 3) that lie ahead of the camera."""
        pixels = np.empty((*points.shape[:-1], 2))
        scale = self.fx / points[..., 2]
        pixels[..., 0] = self.cx + points[..., 0] * scale
        pixels[..., 1] = self.cy + (self.height_m - points[..., 1]) * scale
        return pixels

    def find_planes(self, normals: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Inverse depth over the picture of planes: (n, 3) of a, b, c, `1/Z = a*u + b*v + c`.

        Args:
            normals: (n, 3) in world coordinates, of any length.
            points: (n, 3), a point on each plane.
        """
        turned = normals * (1 / self.fx, -1 / self.fy, 1)
        apart = (normals * (points - (0, self.height_m, 0))).sum(-1, keepdims=True)
        apart = np.where(np.abs(apart) < 1e-9, 1e-9, apart)
        planes = turned / apart
        planes[:, 2] -= planes[:, 0] * self.cx + planes[:, 1] * self.cy
        return planes


def clip_near(polygon: np.ndarray) -> np.ndarray:
    """The part of a polygon (corners, 3) at least `NEAR_M` ahead; maybe with no corners."""
    kept = []
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if a[2] >= NEAR_M:
            kept.append(a)
        if (a[2] >= NEAR_M) != (b[2] >= NEAR_M):
            kept.append(a + (b - a) * (NEAR_M - a[2]) / (b[2] - a[2]))
    return np.array(kept).reshape(-1, 3)


def find_normals(polygons: np.ndarray) -> np.ndarray:
    """Newell's normals (n, 3), as long as twice the area, of polygons (n, corners, 3)."""
    x, y, z = np.moveaxis(polygons - polygons[:, :1], -1, 0)
    normals = np.empty((len(polygons), 3))
    for axis, (a, b) in enumerate(((y, z), (z, x), (x, y))):
        normals[:, axis] = (a[:, :-1] * b[:, 1:] - b[:, :-1] * a[:, 1:]).sum(1)
    return normals
