"""KITTI's layout: where its boxes are, and what is refused in one sentence."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from kitti_support import CAR, P2, write_kitti

from sparsevit.data.classes import STREET_CLASSES
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.kitti import KittiFolder
from sparsevit.data.labelled import (
    DataError,
    EmptySplitError,
    choose_split,
    name_data,
    open_data,
)

PERSON = "Pedestrian 0.25 3 -0.2 712.4 143 810.73 307.92 1.89 0.48 1.2 1.84 1.47 8.41 0.01"
DONT_CARE = "DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10"


def change(line: str, field: int, value: object) -> str:
    """The line with another value of a field, counted from 0."""
    fields = line.split()
    fields[field] = str(value)
    return " ".join(fields)


def test_boxes_are_seen_where_kitti_projects_them(tmp_path: Path) -> None:
    data = open_data(f"kitti:{write_kitti(tmp_path, {'000000': f'{CAR}  0.9'})}")
    sample = data[0]
    assert sample.things is not None
    (car,) = sample.things.things
    assert car.box is not None
    assert sample.things.camera is not None
    assert car.box.size == (3.69, 1.67, 1.87)
    # KITTI's own way: the middle of the box in the coordinates of camera 0, by the whole of P2.
    middle = np.array([-16.53, 2.39 - 1.67 / 2, 58.49, 1])
    u, v, depth = np.reshape(P2, (3, 4)) @ middle
    seen = sample.things.camera.project(np.array(car.box.centre))
    np.testing.assert_allclose(seen - 0.5, [u / depth, v / depth], rtol=1e-9)
    assert car.box.centre[2] == pytest.approx(depth)
    # All corners as KITTI's development kit computes them, the lower four first.
    yaw, (length, height, width) = 1.57, car.box.size
    turn = [[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
    x = np.array([1, 1, -1, -1, 1, 1, -1, -1]) * length / 2
    y = np.array([0, 0, 0, 0, -1, -1, -1, -1]) * height
    z = np.array([1, -1, -1, 1, 1, -1, -1, 1]) * width / 2
    corners = turn @ np.stack([x, y, z]) + np.array([[-16.53], [2.39], [58.49]])
    expected = np.reshape(P2, (3, 4)) @ np.vstack([corners, np.ones(8)])
    found = sample.things.camera.project(car.box.corners)
    np.testing.assert_allclose(found - 0.5, (expected[:2] / expected[2]).T, rtol=1e-9)


def test_things_and_what_is_not_told_apart(tmp_path: Path) -> None:
    lines = "\n".join(
        [CAR.replace("Car", kind) for kind in ("Car", "Van", "Truck", "Tram", "Misc")]
        + [PERSON, PERSON.replace("Pedestrian", "Cyclist"), "", DONT_CARE]
        + [PERSON.replace("Pedestrian", "Person_sitting"), change(DONT_CARE, 6, 503.89)]
    )
    data = open_data(f"kitti:{write_kitti(tmp_path / 'training', {'7': lines}).parent}")
    sample = data[0]
    things = sample.things
    assert things is not None
    assert (data.names, sample.image.shape, data.has_things) == (["7"], (400, 1240, 3), True)
    assert (sample.labels == 11).all()
    assert data.class_names == (*STREET_CLASSES.names, "Void")
    assert data.classes is None
    assert (data.kinds, things.kinds) == (STREET_KINDS, STREET_KINDS.names)
    assert [things.kinds[thing.label] for thing in things.things] == list(STREET_KINDS.names)
    assert [thing.label for thing in things.things] == [t.box.label for t in things.things if t.box]
    person = things.things[3]
    assert (person.truncated, person.occluded, person.id) == (0.25, 3, 0)
    assert person.rectangle == pytest.approx((712.9, 143.5, 811.23, 308.42))
    assert person.pixels == round((810.73 - 712.4) * (307.92 - 143))
    assert len(things.ignored) == 4
    assert things.ignored[2] == pytest.approx((504.39, 170.21, 591.11, 190.63))
    assert things.ids is None


def test_none_at_all_and_hundreds_are_right(tmp_path: Path) -> None:
    data = KittiFolder(write_kitti(tmp_path, {"a": "", "b": "\n".join([CAR] * 500)}))
    counts = [len(sample.things.things) for sample in (data[0], data[1]) if sample.things]
    assert counts == [0, 500]


def test_a_byte_order_mark_is_no_part_of_a_type(tmp_path: Path) -> None:
    data = open_data(f"kitti:{write_kitti(tmp_path, {'0': f'{chr(0xFEFF)}{CAR}'})}")
    things = data[0].things
    assert things is not None
    assert [thing.label for thing in things.things] == [0]


def test_every_tenth_picture_validates(tmp_path: Path) -> None:
    spec = f"kitti:{write_kitti(tmp_path, {f'{number:06d}': '' for number in range(12)})}"
    assert open_data(spec, "val").names == ["000009"]
    assert len(open_data(spec, "train")) == 11
    assert len(open_data(spec)) == 12
    with pytest.raises(EmptySplitError, match="No pictures are left"):
        open_data(spec, "val", ["drive"])
    with pytest.raises(DataError, match="has no test split"):
        open_data(spec, "test")
    assert (choose_split(spec), name_data(spec)) == ("all", "kitti")


def test_every_pixel_is_void_of_any_classes(tmp_path: Path) -> None:
    spec = f"kitti:{write_kitti(tmp_path, {'a': CAR})}"
    data = open_data(spec, class_names=("Road", "Car"))
    assert data.class_names == ("Road", "Car", "Void")
    assert (data[0].labels == 2).all()


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (0, "Horse", "Horse is no type of KITTI's, which are Car, Van"),
        (1, 1.5, r"a truncated share is from 0 to 1 and an occlusion .*, not 1\.5 and 1"),
        (2, -1, "not 0 and -1"),
        (6, 380.0, "its rectangle is left, top, right, bottom, and not empty"),
        (8, "nan", "finite numbers"),
        (8, 0, "Length, height and width of a box are above 0 m, not 3.69 x 0 x 1.87"),
        (10, -3.69, "are above 0 m, not -3.69"),
        (9, "wide", "all but the first of its fields are numbers"),
        (13, -40, "all of it lies behind the camera"),
        (13, "inf", "finite numbers"),
        (14, "nan", "finite numbers"),
        (14, "0.1 1 2", "it has 17 fields; a line has 15, or 16 with a score"),
        (14, "", "it has 14 fields"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, field: int, value: object, reason: str) -> None:
    lines = "\n".join([DONT_CARE, change(CAR, field, value)])
    data = KittiFolder(write_kitti(tmp_path, {"000003": lines}))
    with pytest.raises(DataError, match=rf"Line 2 of .*label_2/000003\.txt is no box: .*{reason}"):
        data[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("P0: 1 2 3\n", "has no line of P2: and twelve numbers"),
        ("P2: 1 2 3\n", "has no line of P2: and twelve numbers"),
        ("P2: " + "x " * 12, "has no line of P2: and twelve numbers"),
        ("P2: 0 0 600 0 0 700 170 0 0 0 1 0", "is no camera: A camera has a focal length above 0"),
        ("P2: nan 0 600 0 0 700 170 0 0 0 1 0", "is no camera"),
        ("P2: 700 0 600 inf 0 700 170 0 0 0 1 0", "no finite number"),
        ("P2: 700 5 600 0 0 700 170 0 0 0 1 0", "not of a camera as KITTI's rectified ones"),
        (b"\xff\xfe", "cannot be read as text"),
    ],
)
def test_a_wrong_calibration_is_named(tmp_path: Path, text: str | bytes, reason: str) -> None:
    data = KittiFolder(write_kitti(tmp_path, {"000003": CAR}))
    path = tmp_path / "calib" / "000003.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=rf"calib/000003\.txt.* {reason}"):
        data[0]


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder of KITTI's: it needs image_2/, calib/"):
        open_data(f"kitti:{tmp_path}")
    (tmp_path / "empty" / "image_2").mkdir(parents=True)
    with pytest.raises(DataError, match=r"There are no pictures in the folder .*image_2"):
        KittiFolder(tmp_path / "empty")
    write_kitti(tmp_path, {"a": CAR})
    (tmp_path / "calib" / "a.txt").unlink()
    with pytest.raises(DataError, match=r"image_2/a\.png has no calibration .*calib/a\.txt"):
        KittiFolder(tmp_path)
    write_kitti(tmp_path, {"a": CAR})
    (tmp_path / "label_2" / "a.txt").unlink()
    with pytest.raises(DataError, match=r"image_2/a\.png has no file of boxes .*label_2/a\.txt"):
        KittiFolder(tmp_path)
