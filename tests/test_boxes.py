"""Cameras and boxes: by hand, against OpenCV's camera, and against KITTI's rotation."""

import math

import cv2
import numpy as np
import pytest

from sparsevit.data.boxes import Box3D, Boxes3D, Intrinsics, wrap_angle

SIZE = (400, 800)
CAMERA = Intrinsics(700.0, 650.0, 410.0, 190.0)
NAN = math.nan


def make_box(x: float = 1.0, z: float = 10.0, yaw: float = 0.3, score: float = 1.0) -> Box3D:
    return Box3D(0, score, (x, 1.0, z), (4.0, 1.5, 2.0), yaw)


def test_a_point_falls_where_it_does_by_hand() -> None:
    # 2 m to the right, 1 m down, 10 m ahead: 410 + 700 x 2 / 10 and 190 + 650 x 1 / 10.
    assert CAMERA.project(np.array([2.0, 1.0, 10.0])) == pytest.approx([550.0, 255.0])
    assert CAMERA.find_point(550.0, 255.0, 10.0) == pytest.approx((2.0, 1.0, 10.0))


def test_corners_fall_where_opencv_says() -> None:
    corners = make_box().corners
    matrix = np.array([[700.0, 0, 410.0], [0, 650.0, 190.0], [0, 0, 1]])
    expected, _ = cv2.projectPoints(corners, np.zeros(3), np.zeros(3), matrix, None)
    assert CAMERA.project(corners) == pytest.approx(expected[:, 0])


@pytest.mark.parametrize("yaw", [0.0, 0.3, -math.pi / 2, 2.5, math.pi, -7.0])
def test_corners_are_those_of_kittis_development_kit(yaw: float) -> None:
    """Its computeBox3D.m, whose box stands on its location."""
    box = make_box(yaw=yaw)
    length, height, width = box.size
    rotation = [
        [math.cos(yaw), 0, math.sin(yaw)],
        [0, 1, 0],
        [-math.sin(yaw), 0, math.cos(yaw)],
    ]
    x = np.array([1, 1, -1, -1, 1, 1, -1, -1]) * length / 2
    y = np.array([0, 0, 0, 0, -1, -1, -1, -1]) * height
    z = np.array([1, -1, -1, 1, 1, -1, -1, 1]) * width / 2
    location = np.add(box.centre, (0, height / 2, 0))
    assert box.corners == pytest.approx((rotation @ np.stack([x, y, z])).T + location)


def test_yaw_turns_from_the_right_to_the_camera() -> None:
    def front(yaw: float) -> np.ndarray:
        box = make_box(yaw=yaw)
        return box.corners[[0, 1, 4, 5]].mean(0) - box.centre

    assert front(0.0) == pytest.approx([2, 0, 0])
    assert front(-math.pi / 2) == pytest.approx([0, 0, 2])
    assert front(math.pi / 2) == pytest.approx([0, 0, -2])


def test_the_observation_angle_by_hand() -> None:
    # Seen at 45 degrees to the right; facing along that line of sight it looks like one straight
    # ahead that drives away.
    assert make_box(x=10, z=10, yaw=-math.pi / 4).alpha == pytest.approx(-math.pi / 2)
    assert make_box(x=0, z=10, yaw=0.7).alpha == pytest.approx(0.7)
    assert make_box(x=10, z=10, yaw=-math.pi).alpha == pytest.approx(0.75 * math.pi)


@pytest.mark.parametrize("turns", [-3, -1, 0, 1, 2])
def test_angles_are_wrapped(turns: int) -> None:
    for angle in (-3.0, -0.5, 0.0, 0.5, 3.0, math.pi):
        assert wrap_angle(angle + 2 * math.pi * turns) == pytest.approx(angle)
    assert wrap_angle(-math.pi) == math.pi


def test_the_usual_camera_sees_60_degrees_over_the_longer_side() -> None:
    for size in ((400, 800), (800, 400)):
        camera = Intrinsics.from_field_of_view(size)
        assert camera.focal == pytest.approx(400 * math.sqrt(3))
        assert (camera.cx, camera.cy) == (size[1] / 2, size[0] / 2)
    assert Intrinsics.from_field_of_view((400, 800), 90.0).fx == pytest.approx(400.0)
    assert Intrinsics.from_focal((400, 800), 123.0) == Intrinsics(123.0, 123.0, 400.0, 200.0)


def test_the_same_picture_at_another_size() -> None:
    boxes = Boxes3D((make_box(),), CAMERA, SIZE).resize((200, 1600))
    assert boxes.camera == Intrinsics(1400.0, 325.0, 820.0, 95.0)
    assert boxes.size == (200, 1600)
    before, after = (camera.project(make_box().corners) for camera in (CAMERA, boxes.camera))
    assert after == pytest.approx(before * (2, 0.5))


def test_with_twice_the_focal_length_it_is_twice_as_far() -> None:
    # At 45 degrees to the right before, so at atan(1 / 2) after; the side it shows stays the same.
    box = Box3D(1, 0.5, (10.0, 1.0, 10.0), (4.0, 1.5, 2.0), 0.2)
    one, two = (Intrinsics.from_focal(SIZE, focal) for focal in (300.0, 600.0))
    (seen,) = Boxes3D((box,), one, SIZE).see_with(two).boxes
    assert seen.centre == pytest.approx((10.0, 1.0, 20.0))
    assert (seen.size, seen.label, seen.score) == (box.size, 1, 0.5)
    assert seen.yaw == pytest.approx(0.2 - math.pi / 4 + math.atan(0.5))
    assert seen.alpha == pytest.approx(box.alpha)


def test_another_camera_sees_a_box_where_it_was_and_back_again() -> None:
    boxes = Boxes3D((make_box(), make_box(x=-7, z=30)), CAMERA, SIZE)
    other = Intrinsics(500.0, 520.0, 380.0, 230.0)
    seen = boxes.see_with(other)
    for before, after in zip(boxes.boxes, seen.boxes, strict=True):
        place = CAMERA.project(np.array(before.centre))
        assert other.project(np.array(after.centre)) == pytest.approx(place)
    for before, after in zip(boxes.boxes, seen.see_with(CAMERA).boxes, strict=True):
        assert after.centre == pytest.approx(before.centre)
        assert after.yaw == pytest.approx(before.yaw)


def test_a_box_beside_the_camera_is_seen_by_another_one() -> None:
    """Its middle falls nowhere in the picture: it lies in the camera's own plane."""
    beside = Boxes3D((make_box(x=3.0, z=0.0),), CAMERA, SIZE)
    (seen,) = beside.see_with(Intrinsics(1400.0, 1300.0, 410.0, 190.0)).boxes
    assert seen.centre == pytest.approx((3.0, 1.0, 0.0))


@pytest.mark.parametrize(
    "values", [(0, 1, 1, 1), (1, -1, 1, 1), (NAN, 1, 1, 1), (1, 1, math.inf, 1)]
)
def test_impossible_cameras_are_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="focal length above 0 and a finite centre"):
        Intrinsics(*values)


@pytest.mark.parametrize("degrees", [0.0, -60.0, 180.0, NAN])
def test_impossible_fields_of_view_are_refused(degrees: float) -> None:
    with pytest.raises(ValueError, match="above 0 and below 180 degrees"):
        Intrinsics.from_field_of_view(SIZE, degrees)


@pytest.mark.parametrize("size", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0)])
def test_boxes_without_a_size_are_refused(size: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="above 0 m, not "):
        Box3D(0, 1.0, (0.0, 0.0, 1.0), size, 0.0)


@pytest.mark.parametrize("number", [NAN, math.inf])
def test_boxes_of_no_number_are_refused(number: float) -> None:
    for values in (
        (1.0, (0.0, 0.0, 1.0), (1.0, 1.0, 1.0), number),
        (1.0, (0.0, number, 1.0), (1.0, 1.0, 1.0), 0.0),
        (1.0, (0.0, 0.0, 1.0), (1.0, 1.0, number), 0.0),
        (number, (0.0, 0.0, 1.0), (1.0, 1.0, 1.0), 0.0),
    ):
        with pytest.raises(ValueError, match="finite numbers"):
            Box3D(0, *values)
