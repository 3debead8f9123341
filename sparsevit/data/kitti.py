"""KITTI's object detection layout: pictures, a calibration of each, and its boxes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sparsevit.data.boxes import Box3D, Intrinsics, wrap_angle
from sparsevit.data.classes import STREET_CLASSES
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.pictures import (
    DataError,
    EmptySplitError,
    describe_lack,
    list_pictures,
    read_image,
)
from sparsevit.data.samples import Sample, SampleCache
from sparsevit.data.things import Rectangle, Thing, Things

#: Number of the kind of each type of object that is a thing here.
_LABELS = {"Car": 0, "Van": 1, "Truck": 2, "Pedestrian": 3, "Cyclist": 4}
#: Types of which a rectangle is kept: nothing found there is wrong.
_IGNORED = ("Person_sitting", "Tram", "Misc", "DontCare")

_FIELDS = 15  # of a line; a detection has its score after them
_HALF = 0.5  # pixel: KITTI counts from the middle of the first pixel, we from its corner


class KittiFolder:
    """image_2/, calib/ and label_2/, or training/ that holds them, as KITTI's archives do.

    No pixel has a class. Boxes are in the coordinates of the camera that took the pictures: KITTI
    tells them in those of its camera 0, some centimetres beside it.

    Attributes:
        classes: None.
        kinds: those of drawn streets; KITTI's Truck is a "Bus or lorry".
    """

    classes = None
    kinds = STREET_KINDS
    has_things = True

    def __init__(
        self,
        folder: str | Path,
        choose: Callable[[list[str]], Sequence[str]] = lambda names: names,
        class_names: Sequence[str] = STREET_CLASSES.names,
    ) -> None:
        """List the pictures; nothing is read yet.

        Args:
            folder: that holds these.
            choose: given the names of all pictures, which to take.
            class_names: of the network's pixels, without void.

        Raises:
            DataError: a folder or a file is missing, or no picture is chosen.
        """
        root = Path(folder).expanduser()
        if (root / "training").is_dir():
            root /= "training"
        if not (root / "image_2").is_dir():
            raise DataError(
                f"{root} is no folder of KITTI's: it needs image_2/, calib/ and label_2/ inside, "
                f"or training/ that holds them."
            )
        found = list_pictures(root / "image_2")
        if not found:
            raise DataError(describe_lack(root / "image_2"))
        chosen = set(choose([image.stem for image in found]))
        self._images = [image for image in found if image.stem in chosen]
        if not self._images:
            raise EmptySplitError(f"No pictures are left in {root} for this split.")
        for image in self._images:
            for part, what in (("calib", "calibration"), ("label_2", "file of boxes")):
                path = _find_text(image, part)
                if not path.is_file():
                    raise DataError(f"The picture {image} has no {what} {path}.")
        self.names = [image.stem for image in self._images]
        self.class_names = (*class_names, "Void")
        self._cache: SampleCache[Sample] = SampleCache()

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        """Decode the picture at ``index`` and read its boxes.

        Raises:
            DataError: a file cannot be read; the message names it and the line.
        """
        return self._cache.get(index, self._load)

    def _load(self, index: int) -> Sample:
        path = self._images[index]
        image = read_image(path)
        camera, shift = read_calibration(_find_text(path, "calib"))
        things, ignored = read_objects(_find_text(path, "label_2"), shift)
        labels = np.full(image.shape[:2], len(self.class_names) - 1, np.uint8)
        told = Things(self.kinds.names, things, None, camera, ignored)
        return Sample(image, labels, path.stem, told)


def read_calibration(path: Path) -> tuple[Intrinsics, tuple[float, float, float]]:
    """The left colour camera, number 2, of a file of KITTI's calibrations.

    Returns:
        The camera, and what to add to a point in the coordinates of camera 0, metres, to have it in
        those of this camera.

    Raises:
        DataError: the file cannot be read, has no P2, or P2 is no camera.
    """
    rows = [row.split() for row in _read_lines(path)]
    found = [row[1:] for row in rows if row and row[0] == "P2:"]
    try:
        matrix = np.array(found[0], float).reshape(3, 4)
    except (IndexError, ValueError) as error:
        raise DataError(
            f"{path} has no line of P2: and twelve numbers, which says how the camera projects."
        ) from error
    (fx, skew, cx, _), (zero, fy, cy, _), last = matrix.tolist()
    if (skew, zero, *last[:3]) != (0, 0, 0, 0, 1):
        raise DataError(f"P2 in {path} is not of a camera as KITTI's rectified ones are.")
    try:
        camera = Intrinsics(fx, fy, cx + _HALF, cy + _HALF)
        x, y, z = np.linalg.solve(matrix[:, :3], matrix[:, 3]).tolist()
    except ValueError as error:
        raise DataError(f"P2 in {path} is no camera: {error}") from error
    if not all(map(math.isfinite, (x, y, z))):
        raise DataError(f"P2 in {path} holds a value that is no finite number.")
    return camera, (x, y, z)


def read_objects(
    path: Path, shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> tuple[tuple[Thing, ...], tuple[Rectangle, ...]]:
    """What a file of KITTI's labels holds; an empty one holds nothing.

    Args:
        path: the file.
        shift: metres to add to every place.

    Returns:
        The things, and the rectangles around everything else.

    Raises:
        DataError: a line is not as KITTI's are.
    """
    things: list[Thing] = []
    ignored: list[Rectangle] = []
    for number, line in enumerate(_read_lines(path), start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            if fields[0] not in _IGNORED:
                things.append(_read_thing(fields, shift))
                continue
            x0, y0, x1, y1 = rectangle = _read_rectangle(_read_values(fields))
            if x0 < x1 and y0 < y1:  # nothing is ignored in an empty one
                ignored.append(rectangle)
        except ValueError as error:
            raise DataError(f"Line {number} of {path} is no box: {error}") from error
    return tuple(things), tuple(ignored)


def _read_thing(fields: list[str], shift: tuple[float, float, float]) -> Thing:
    if fields[0] not in _LABELS:
        raise ValueError(
            f"{fields[0]} is no type of KITTI's, which are {', '.join([*_LABELS, *_IGNORED])}."
        )
    values = _read_values(fields)
    truncated, occluded = values[:2]
    if not 0 <= truncated <= 1 or occluded not in (0, 1, 2, 3):
        raise ValueError(
            f"a truncated share is from 0 to 1 and an occlusion 0, 1, 2 or 3, not {truncated:g} "
            f"and {occluded:g}."
        )
    x0, y0, x1, y1 = rectangle = _read_rectangle(values)
    if x0 >= x1 or y0 >= y1:
        raise ValueError("its rectangle is left, top, right, bottom, and not empty.")
    height, width, length, x, bottom, z, yaw = values[7:14]
    centre = (x + shift[0], bottom - height / 2 + shift[1], z + shift[2])
    label = _LABELS[fields[0]]
    box = Box3D(label, 1.0, centre, (length, height, width), wrap_angle(yaw))
    if box.is_behind:
        raise ValueError("all of it lies behind the camera.")
    area = max(1, round((x1 - x0) * (y1 - y0)))
    return Thing(label, 0, rectangle, area, box, int(occluded), truncated)


def _read_values(fields: list[str]) -> list[float]:
    """The numbers after the type; raises ValueError."""
    if len(fields) not in (_FIELDS, _FIELDS + 1):
        raise ValueError(
            f"it has {len(fields)} fields; a line has {_FIELDS}, or {_FIELDS + 1} with a score."
        )
    try:
        values = [float(field) for field in fields[1:]]
    except ValueError as error:
        raise ValueError("all but the first of its fields are numbers.") from error
    if not all(map(math.isfinite, values)):
        raise ValueError("all but the first of its fields are finite numbers.")
    return values


def _read_rectangle(values: list[float]) -> Rectangle:
    left, top, right, bottom = (value + _HALF for value in values[3:7])
    return left, top, right, bottom


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as text.") from error


def _find_text(image: Path, part: str) -> Path:
    return image.parent.parent / part / f"{image.stem}.txt"
