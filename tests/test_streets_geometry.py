"""Depth, instances and 3D boxes of drawn scenes against plain projective geometry."""

import cv2
import numpy as np
import pytest

from sparsevit.data import streets
from sparsevit.data.streets import CLASS_NAMES, Camera, Scene, SceneObject, draw_scene
from sparsevit.data.streets.camera import NEAR_M, clip_near
from sparsevit.data.streets.canvas import Canvas
from sparsevit.data.streets.plan import wrap_angle
from sparsevit.data.streets.weather import choose_weather

SEEDS = (4, 6, 9, 53, 63)
SIZE = (192, 384)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(seed, *SIZE) for seed in SEEDS]


def find_corners(thing: SceneObject) -> np.ndarray:
    """Corners (8, 3) of a 3D box in camera coordinates, by KITTI's rotation matrix."""
    cos, sin = np.cos(thing.yaw), np.sin(thing.yaw)
    turn = np.array([(cos, 0, sin), (0, 1, 0), (-sin, 0, cos)])
    signs = np.array([(a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
    return signs * np.array(thing.size) / 2 @ turn.T + thing.centre


def cast_rays(camera: Camera) -> np.ndarray:
    """Directions (H, W, 3) with Z = 1 of the middles of all pixels."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return np.stack(
        [(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, np.ones(SIZE)], -1
    )


def test_ground_depth_is_where_the_ray_meets_the_ground(scenes: list[Scene]) -> None:
    for scene in scenes:
        road = scene.labels == streets.ROAD
        rays = cast_rays(scene.camera)[road]
        np.testing.assert_allclose(scene.depth[road], scene.camera.height_m / rays[:, 1], rtol=1e-4)


def test_only_the_sky_is_infinitely_far(scenes: list[Scene]) -> None:
    for scene in scenes:
        np.testing.assert_array_equal(np.isinf(scene.depth), scene.labels == streets.SKY)
        assert scene.depth.min() >= NEAR_M


def test_nothing_lies_below_the_ground(scenes: list[Scene]) -> None:
    for scene in scenes:
        solid = scene.labels != streets.SKY
        heights = (cast_rays(scene.camera) * scene.depth[..., None])[solid][:, 1]
        # An outline reaches half a pixel beyond its shape, so a foot may sink by that much.
        slack = scene.depth[solid] / scene.camera.fy + 0.05
        assert (heights < scene.camera.height_m + slack).mean() > 0.999


def test_pixels_of_a_thing_lie_in_its_projected_box(scenes: list[Scene]) -> None:
    checked = 0
    for scene in scenes:
        camera = scene.camera
        for thing in scene.objects:
            corners = find_corners(thing)
            u = camera.cx + camera.fx * corners[:, 0] / corners[:, 2]
            v = camera.cy + camera.fy * corners[:, 1] / corners[:, 2]
            hull = cv2.convexHull(np.stack([u, v], -1).astype(np.float32))
            rows, columns = np.nonzero(scene.instances == thing.id)
            for x, y in zip(columns + 0.5, rows + 0.5, strict=True):
                assert cv2.pointPolygonTest(hull, (float(x), float(y)), True) > -2
            depth = scene.depth[rows, columns]
            assert depth.min() > corners[:, 2].min() - 0.01
            assert depth.max() < corners[:, 2].max() + 0.01
            checked += len(rows)
    assert checked > 1000


def test_things_fill_their_boxes(scenes: list[Scene]) -> None:
    """A thing that nothing hides reaches to the edges of its projected 3D box."""
    full = 0
    for scene in scenes:
        camera, rays = scene.camera, cast_rays(scene.camera)
        for thing in scene.objects:
            corners = find_corners(thing)
            u = camera.cx + camera.fx * corners[:, 0] / corners[:, 2]
            x0, _, x1, y1 = thing.box
            foot = camera.cy + camera.fy * camera.height_m / corners[:, 2].min()
            if y1 > foot - 2 and x1 - x0 > 8 and x0 > 2 and x1 < SIZE[1] - 2:
                full += x1 - x0 > 0.8 * (u.max() - u.min())
        assert rays.shape == (*SIZE, 3)
    assert full >= 10


def test_objects_list_what_shows(scenes: list[Scene]) -> None:
    for scene in scenes:
        listed = {thing.id: thing for thing in scene.objects}
        assert set(np.unique(scene.instances)) - {0} == set(listed)
        for number, thing in listed.items():
            rows, columns = np.nonzero(scene.instances == number)
            assert thing.pixels == len(rows)
            assert thing.box == (
                columns.min(),
                rows.min(),
                columns.max() + 1,
                rows.max() + 1,
            )
            assert {CLASS_NAMES[c] for c in scene.labels[rows, columns]} == {thing.name}
            assert -np.pi < thing.yaw <= np.pi
            bottom = thing.centre[1] + thing.size[1] / 2
            assert bottom == pytest.approx(scene.camera.height_m, abs=0.05)


def test_every_car_pedestrian_and_cyclist_pixel_has_an_instance(scenes: list[Scene]) -> None:
    things = [streets.CAR, streets.PEDESTRIAN, streets.BICYCLIST]
    for scene in scenes:
        np.testing.assert_array_equal(scene.instances > 0, np.isin(scene.labels, things))


def make_canvas() -> Canvas:
    rng = np.random.default_rng(0)
    return Canvas(rng, *SIZE, Camera(300.0, 300.0, 190.0, 90.0, 1.5), choose_weather(rng))


def show(canvas: Canvas) -> Scene:
    surfaces = np.array(canvas.surfaces)
    labels = surfaces[:, 0].astype(np.uint8)[canvas.surface]
    return Scene(canvas.image, labels, canvas.camera, canvas.weather, canvas.surface, surfaces, ())


@pytest.mark.parametrize(
    "corners",
    [
        [(-3, 0, 4), (2, 0, 12), (2, 4, 12), (-3, 4, 4)],  # an upright wall, seen from the side
        [(-2, 1, 5), (2, 1.5, 6), (2.5, 3, 9), (-1.5, 2.5, 8)],  # tilted every way
        [(-2, 0.3, -3), (2, 0.3, -3), (2, 0.3, 9), (-2, 0.3, 9)],  # begins behind the camera
    ],
)
def test_depth_of_a_polygon(corners: list[tuple[float, float, float]]) -> None:
    canvas = make_canvas()
    canvas.fill(np.array(corners), (90, 90, 90), streets.BUILDING)
    scene, points = show(canvas), np.array(corners, np.float64)
    points[:, 1] = canvas.camera.height_m - points[:, 1]  # to camera coordinates
    normal = np.cross(points[1] - points[0], points[2] - points[0])
    inside = cv2.erode((scene.labels == streets.BUILDING).astype(np.uint8), np.ones((3, 3)))
    inside = inside.astype(bool)
    rays = cast_rays(canvas.camera)[inside]
    assert inside.sum() > 1000
    np.testing.assert_allclose(scene.depth[inside], normal @ points[0] / (rays @ normal), rtol=1e-4)


def test_polygon_behind_the_camera_is_not_drawn() -> None:
    canvas = make_canvas()
    canvas.fill([(-2, 0, -3), (2, 0, -3), (2, 2, -3)], (90, 90, 90), streets.BUILDING)
    assert not canvas.surface.any()
    assert not canvas.image.any()


def test_clip_near_cuts_at_the_near_plane() -> None:
    clipped = clip_near(np.array([(0.0, 0.0, -1.6), (4.0, 0.0, 2.4), (0.0, 0.0, 2.4)]))
    np.testing.assert_allclose(
        clipped, [(2, 0, NEAR_M), (4, 0, 2.4), (0, 0, 2.4), (0, 0, NEAR_M)], atol=1e-12
    )


@pytest.mark.parametrize(
    ("angle", "wrapped"), [(0, 0), (np.pi, np.pi), (-np.pi, np.pi), (4, 4 - 2 * np.pi)]
)
def test_wrap_angle(angle: float, wrapped: float) -> None:
    assert wrap_angle(angle) == pytest.approx(wrapped)
