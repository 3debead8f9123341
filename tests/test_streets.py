"""Drawn street scenes: repeatable, laid out like a street, with labels that fit the picture."""

import itertools

import numpy as np
import pytest

from sparsevit.data import streets
from sparsevit.data.streets import CLASS_NAMES, PALETTE, Scene, draw_scene
from sparsevit.data.streets.plan import FAR_M, plan_street
from sparsevit.data.streets.scene import choose_camera
from sparsevit.data.streets.weather import choose_weather

SEEDS = (420, 463, 321, 573)  # rain, low sun, dusk and a clear day
SIZE = (127, 255)  # odd on purpose
KINDS = ("car", "van", "bus", "lorry", "pedestrian", "cyclist")


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(seed, *SIZE) for seed in SEEDS]


def test_classes_and_colours_match() -> None:
    assert len(set(CLASS_NAMES)) == 12
    assert CLASS_NAMES[-1] == "void"
    assert PALETTE.shape == (12, 3)
    assert PALETTE.dtype == np.uint8
    assert len(np.unique(PALETTE, axis=0)) == 12


def test_same_seed_same_scene(scenes: list[Scene]) -> None:
    first, second = scenes[0], draw_scene(SEEDS[0], *SIZE)
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.depth, second.depth)
    assert (first.objects, first.camera) == (second.objects, second.camera)


def test_other_seed_other_scene(scenes: list[Scene]) -> None:
    assert len({scene.weather.name for scene in scenes}) == len(SEEDS)
    for first, second in itertools.pairwise(scenes):
        assert (first.image != second.image).any(-1).mean() > 0.5
        assert (first.labels != second.labels).mean() > 0.05


def test_a_larger_picture_shows_the_same_street() -> None:
    small, large = draw_scene(6, 96, 192), draw_scene(6, 192, 384)
    assert large.camera.fx == pytest.approx(2 * small.camera.fx)
    assert large.camera.height_m == small.camera.height_m
    assert (large.labels[1::2, 1::2] == small.labels).mean() > 0.9


@pytest.mark.parametrize("size", [(64, 192), (130, 65)])
def test_any_size_in_range(size: tuple[int, int]) -> None:
    scene = draw_scene(1, *size)
    assert scene.image.shape == (*size, 3)
    assert scene.labels.shape == scene.instances.shape == scene.depth.shape == size
    assert [part.dtype for part in (scene.image, scene.labels)] == [np.uint8, np.uint8]
    assert [part.dtype for part in (scene.instances, scene.depth)] == [np.uint16, np.float32]


@pytest.mark.parametrize("size", [(63, 100), (100, 63), (64, 193), (131, 65), (0, 64), (-64, -64)])
def test_sizes_out_of_range_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 64 pixels"):
        draw_scene(0, *size)


def test_every_class_turns_up(scenes: list[Scene]) -> None:
    seen = set(np.unique([scene.labels for scene in scenes]))
    assert seen == set(range(len(CLASS_NAMES)))


def test_sky_lies_above_the_road(scenes: list[Scene]) -> None:
    rows = np.arange(SIZE[0])[:, None]
    for scene in scenes:
        sky, road = scene.labels == streets.SKY, scene.labels == streets.ROAD
        both = sky.any(0) & road.any(0)
        assert both.any()
        mean_sky, mean_road = (
            (rows * mask).sum(0)[both] / mask.sum(0)[both] for mask in (sky, road)
        )
        assert (mean_sky < mean_road).all()


def test_labels_follow_the_picture(scenes: list[Scene]) -> None:
    """Where the class changes the picture changes too, far more than inside one class."""
    for scene in scenes:
        grey = scene.image.astype(float).mean(-1)
        step, border = np.abs(np.diff(grey, axis=1)), np.diff(scene.labels.astype(int), axis=1) != 0
        assert step[border].mean() > 2.5 * step[~border].mean()


def test_trees_are_busier_than_sky(scenes: list[Scene]) -> None:
    for scene in scenes:
        step = np.abs(np.diff(scene.image.astype(float).mean(-1), axis=1))
        same = scene.labels[:, 1:] == scene.labels[:, :-1]
        sky, tree = (same & (scene.labels[:, 1:] == c) for c in (streets.SKY, streets.TREE))
        if scene.weather.name in ("clear", "low sun"):  # streaks of rain are busy, too
            assert step[tree].mean() > 1.5 * step[sky].mean()


def test_streets_differ() -> None:
    """Seeds bring every weather, low and high cameras, wide and narrow views, all kinds of road."""
    heights, views, weathers, roads = [], [], set(), set()
    for seed in range(150):
        rng = np.random.default_rng(seed)
        camera = choose_camera(rng, 512, 1024)
        heights.append(camera.height_m)
        views.append(camera.fx)
        weathers.add(choose_weather(rng).name)
        street = plan_street(rng)
        roads.add((street.drive, street.lanes, street.end < FAR_M, street.crossing is None))
    assert len(weathers) == 7
    assert min(heights) < 1.3
    assert max(heights) > 2.6
    assert max(views) > 1.6 * min(views)
    assert len(roads) == 16


def test_traffic_is_mixed(scenes: list[Scene]) -> None:
    kinds = {thing.kind for scene in scenes for thing in scene.objects}
    assert {"car", "van", "pedestrian", "cyclist"} <= kinds <= set(KINDS)


@pytest.mark.parametrize("seed", [200140])
def test_streets_that_once_broke_the_drawing(seed: int) -> None:
    """200140: telegraph poles along a pavement that has no place for one."""
    assert streets.draw_scene(seed, 64, 128).objects
