"""Boxes and pictures with things, made by hand."""

from collections.abc import Sequence

import numpy as np

from sparsevit.data.boxes import Box3D, Boxes3D, Intrinsics
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.labelled import Sample
from sparsevit.data.things import Rectangle, Thing, Things
from sparsevit.tasks.boxes3d import Boxes3DTask
from sparsevit.tasks.palette import choose_palette

CAR, VAN, BUS, PEDESTRIAN, CYCLIST = range(5)
SIZE = (120, 200)
CAMERA = Intrinsics(180.0, 180.0, 95.0, 60.0)


class BoxesTask(Boxes3DTask):
    """Compares nothing, so that what is measured against the truth stands alone."""

    def compare(self, dense: Boxes3D, sparse: Boxes3D) -> dict[str, float]:
        return {"agreement": 1.0}


TASK = BoxesTask(
    STREET_KINDS.names, choose_palette(STREET_KINDS.names), lambda output, size: output
)


def make_box(
    x: float = 0.0,
    z: float = 20.0,
    score: float = 1.0,
    label: int = CAR,
    size: tuple[float, float, float] = (4.0, 1.5, 2.0),
    yaw: float = 0.0,
    y: float = 0.5,
) -> Box3D:
    return Box3D(label, score, (x, y, z), size, yaw)


def make_thing(box: Box3D | None, pixels: int = 1000, height: float = 50.0, **more: float) -> Thing:
    rectangle = (10.0, 20.0, 50.0, 20.0 + height)
    return Thing(CAR if box is None else box.label, 1, rectangle, pixels, box, **more)


def make_sample(
    things: Sequence[Thing],
    camera: Intrinsics | None = CAMERA,
    ignored: tuple[Rectangle, ...] = (),
) -> Sample:
    told = Things(STREET_KINDS.names, tuple(things), None, camera, ignored)
    return Sample(np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, np.uint8), "x", told)


def make_boxes(boxes: Sequence[Box3D], camera: Intrinsics = CAMERA) -> Boxes3D:
    return Boxes3D(tuple(sorted(boxes, key=lambda box: -box.score)), camera, SIZE)
