"""Meshes: flat faces that stand anywhere on the ground, drawn far to near."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sparsevit.data.streets.camera import NEAR_M
from sparsevit.data.streets.canvas import Canvas, Thing, to_fixed


@dataclass(frozen=True)
class Mesh:
    """Faces in local coordinates (ahead, up, aside), metres; aside is to the right.

    Attributes:
        points: (P, 3) corners, face after face.
        starts: (F + 1,) where each face's corners begin.
        following: (P,) index of the next corner of the same face.
        roles: (F,) what each face is made of.
        groups: (F,) faces of a group are drawn together, in the order they were added.
        layers: (F,) groups of a higher layer are drawn over those of a lower one.
        labelled: (F,) whether a face belongs to the shape; the others are detail on one that does.
    """

    points: np.ndarray
    starts: np.ndarray
    following: np.ndarray
    roles: np.ndarray
    groups: np.ndarray
    layers: np.ndarray
    labelled: np.ndarray

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner (3,) of the labelled faces."""
        counts = np.diff(self.starts)
        solid = self.points[np.repeat(self.labelled, counts)]
        return solid.min(0), solid.max(0)


class MeshBuilder:
    """Collects faces into a `Mesh`."""

    def __init__(self, roles: tuple[str, ...]) -> None:
        self._roles = {name: i for i, name in enumerate(roles)}
        self._faces: list[np.ndarray] = []
        self._kinds: list[tuple[int, int, int, bool]] = []
        self._group, self._layer, self._out = -1, 1, np.zeros(3)

    def add(self, corners: Any, role: str, out: Any, label: bool = False, layer: int = 1) -> None:
        """A face that looks towards `out`; details that follow are drawn on it."""
        self._group, self._layer = self._group + 1, layer
        self._out = np.asarray(out, np.float64)
        self._append(corners, role, label)

    def detail(self, corners: Any, role: str) -> None:
        """A face on the face added last."""
        self._append(corners, role, False)

    def _append(self, corners: Any, role: str, label: bool) -> None:
        corners = np.asarray(corners, np.float64)
        normal = np.cross(corners, np.roll(corners, -1, 0)).sum(0)
        if normal @ self._out < 0:
            corners = corners[::-1]
        self._faces.append(corners)
        self._kinds.append((self._roles[role], self._group, self._layer, label))

    def build(self) -> Mesh:
        """The mesh of all faces so far."""
        counts = [len(face) for face in self._faces]
        starts = np.concatenate([[0], np.cumsum(counts)])
        following = np.concatenate(
            [start + np.roll(np.arange(n), -1) for start, n in zip(starts, counts, strict=False)]
        )
        roles, groups, layers, labelled = (
            np.array(column) for column in zip(*self._kinds, strict=True)
        )
        return Mesh(np.concatenate(self._faces), starts, following, roles, groups, layers, labelled)


def stand_mesh(
    canvas: Canvas,
    mesh: Mesh,
    place: tuple[float, float],
    yaw: float,
    scale: tuple[float, float, float],
    colours: np.ndarray,
    shine: np.ndarray,
    label: int,
    kind: str,
) -> None:
    """Draw a mesh and register it as a thing.

    Args:
        canvas: to draw on.
        mesh: its middle along and across is put on `place`.
        place: world (x, z) metres.
        yaw: rotation about the downward axis; 0 = ahead along the x axis.
        scale: factors on ahead, up and aside.
        colours: (roles, 3) 0..255.
        shine: (roles,) above 0: how much of the sky the role mirrors; below 0: a light of its own.
        label: class index.
        kind: what it is.
    """
    low, high = mesh.bounds()
    middle = np.array(((low[0] + high[0]) / 2, 0, (low[2] + high[2]) / 2))
    local = (mesh.points - middle) * scale
    cos, sin = math.cos(yaw), math.sin(yaw)
    points = np.empty_like(local)
    points[:, 0] = place[0] + local[:, 0] * cos - local[:, 2] * sin
    points[:, 1] = local[:, 1]
    points[:, 2] = place[1] - local[:, 0] * sin - local[:, 2] * cos
    if points[:, 2].min() < NEAR_M:
        return
    firsts = mesh.starts[:-1]
    x, y, z = points.T
    x_next, y_next, z_next = points[mesh.following].T
    twice = np.stack(
        [y * z_next - z * y_next, z * x_next - x * z_next, x * y_next - y * x_next], -1
    )
    normals = np.add.reduceat(twice, firsts)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / -np.maximum(lengths, 1e-12)  # the local axes mirror the world's
    eye = (0, canvas.camera.height_m, 0)
    facing = ((points[firsts] - eye) * normals).sum(1) < 0
    counts = np.diff(mesh.starts)
    centres = np.add.reduceat(points, firsts) / counts[:, None]
    away = np.linalg.norm(centres - eye, axis=1)
    pixels = canvas.camera.project(points)
    span = canvas.camera.fx / place[1]
    if pixels[:, 0].max() < 0 or pixels[:, 0].min() > canvas.width:
        return
    size = (high - low) * scale
    thing = canvas.add_thing(
        Thing(
            label,
            kind,
            (place[0], float(size[1] / 2 + low[1] * scale[1]), place[1]),
            (float(size[0]), float(size[1]), float(size[2])),
            yaw,
        )
    )
    tints = colours[mesh.roles]
    gloss = np.maximum(shine, 0)[mesh.roles][:, None]
    shown = canvas.light.lit_many(tints, normals, place[1], gloss)
    lamps = shine[mesh.roles] < 0
    for i in np.flatnonzero(lamps):
        shown[i] = canvas.light.glow(tints[i].tolist(), place[1])
    planes = canvas.camera.find_planes(normals, points[firsts])
    fixed = to_fixed(pixels)
    parents = np.flatnonzero(np.concatenate([[True], np.diff(mesh.groups) > 0]))
    order = np.lexsort((np.arange(len(facing)), -away[parents][mesh.groups], mesh.layers))
    large = lengths[:, 0] * span * span > 3  # in pixels, twice the area seen from the front
    for i in order[(facing & (large | mesh.labelled))[order]]:
        start, stop = mesh.starts[i], mesh.starts[i + 1]
        outline = fixed[start:stop]
        cv2.fillPoly(canvas.image, [outline], shown[i].tolist(), cv2.LINE_AA, 4)
        if mesh.labelled[i]:
            depths = z[start:stop]
            number = canvas.add_surface(label, thing, planes[i], depths.min(), depths.max())
            cv2.fillPoly(canvas.surface, [outline], number, cv2.LINE_8, 4)
