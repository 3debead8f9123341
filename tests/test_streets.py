"""Drawn street scenes: repeatable, labelled with known classes, laid out like a street."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from sparsevit.data import streets
from sparsevit.data.streets import CLASS_NAMES, PALETTE, Scene, draw_scene, write_scene

SEEDS = (5, 6, 7)  # a clear day, an overcast one and dusk
SIZE = (127, 255)  # odd on purpose


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


def test_other_seed_other_scene(scenes: list[Scene]) -> None:
    for first, second in itertools.pairwise(scenes):
        assert (first.image != second.image).any(-1).mean() > 0.5
        assert (first.labels != second.labels).mean() > 0.05


@pytest.mark.parametrize("size", [(64, 192), (130, 65)])
def test_any_size_in_range(size: tuple[int, int]) -> None:
    scene = draw_scene(1, *size)
    assert scene.image.shape == (*size, 3)
    assert scene.image.dtype == np.uint8
    assert scene.labels.shape == size
    assert scene.labels.dtype == np.uint8


def test_labels_are_known_classes(scenes: list[Scene]) -> None:
    assert max(int(scene.labels.max()) for scene in scenes) < len(CLASS_NAMES)


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
        sky, tree = (scene.labels[:, 1:] == index for index in (streets.SKY, streets.TREE))
        assert step[tree].mean() > 2 * step[sky].mean()


@pytest.mark.parametrize("size", [(63, 100), (100, 63), (64, 193), (131, 65), (0, 64), (-64, -64)])
def test_sizes_out_of_range_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 64 pixels"):
        draw_scene(0, *size)


def test_written_scene_reads_back(scenes: list[Scene], tmp_path: Path) -> None:
    write_scene(tmp_path / "street", SEEDS[-1], *SIZE)
    scene = scenes[-1]
    picture = cv2.cvtColor(cv2.imread(str(tmp_path / "street.jpg")), cv2.COLOR_BGR2RGB)
    labels = cv2.imread(str(tmp_path / "street_labels.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(labels, scene.labels)
    assert np.abs(picture.astype(int) - scene.image).mean() < 8


def test_writing_into_no_folder_says_so(
    scenes: list[Scene], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streets, "draw_scene", lambda *_: scenes[0])  # drawn once is enough
    with pytest.raises(OSError, match="Could not write"):
        write_scene(tmp_path / "missing" / "street", 0, 64, 64)
