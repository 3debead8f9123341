"""Street scenes drawn from a seed, with the truth of every pixel."""

from sparsevit.data.streets.camera import Camera
from sparsevit.data.streets.classes import (
    BICYCLIST,
    BUILDING,
    CAR,
    CLASS_NAMES,
    FENCE,
    PALETTE,
    PAVEMENT,
    PEDESTRIAN,
    POLE,
    ROAD,
    SIGN,
    SKY,
    TREE,
    VOID,
)
from sparsevit.data.streets.files import describe_scene, write_scenes
from sparsevit.data.streets.scene import Scene, SceneObject, draw_scene

__all__ = [
    "BICYCLIST",
    "BUILDING",
    "CAR",
    "CLASS_NAMES",
    "FENCE",
    "PALETTE",
    "PAVEMENT",
    "PEDESTRIAN",
    "POLE",
    "ROAD",
    "SIGN",
    "SKY",
    "TREE",
    "VOID",
    "Camera",
    "Scene",
    "SceneObject",
    "describe_scene",
    "draw_scene",
    "write_scenes",
]
