"""Segments and features compared: by hand, and panoptic quality against torchmetrics."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchmetrics.functional.detection import panoptic_quality

from sparsevit.data.segment_map import Segment, SegmentMap
from sparsevit.tasks.features import Features, FeaturesTask
from sparsevit.tasks.palette import choose_palette, vary_colour
from sparsevit.tasks.segments import SegmentsTask, match_segments

NAMES = ("road", "car", "person")
TASK = SegmentsTask(NAMES, choose_palette(NAMES), "panoptic", lambda output, size: output)


def make_map(rows: list[list[int]], labels: dict[int, int]) -> SegmentMap:
    segments = tuple(Segment(number, label, 0.9) for number, label in labels.items())
    return SegmentMap(np.array(rows, np.int32), segments)


DENSE = make_map(
    [
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 2, 2],
        [3, 3, 3, 0, 2, 2],
    ],
    {1: 0, 2: 1, 3: 1},
)
SPARSE = make_map(
    [
        [7, 7, 7, 7, 7, 0],
        [7, 7, 7, 0, 4, 4],
        [5, 0, 0, 0, 4, 4],
    ],
    {7: 0, 4: 1, 5: 1},
)


def test_agreement_by_hand() -> None:
    # Road: 7 of 9 pixels shared. Cars: one found again whole, one lost, one new in its place.
    result = TASK.compare(DENSE, SPARSE)
    assert TASK.compare_classes(DENSE, SPARSE) == pytest.approx({"road": 7 / 9, "car": 1 / 2})
    assert result["agreement"] == pytest.approx((7 / 9 + 1 / 2) / 2)
    assert result["matched"] == pytest.approx(2 / 3)
    assert result["matched_iou"] == pytest.approx((7 / 9 + 1) / 2)
    assert (result["dense_segments"], result["sparse_segments"]) == (3, 3)
    pairs = [(match.dense.id, match.sparse.id) for match in match_segments(DENSE, SPARSE)]
    assert pairs == [(2, 4), (1, 7)]
    assert next(iter(result)) == "agreement"


def test_a_prediction_agrees_with_itself_and_nothing_with_nothing() -> None:
    nothing = make_map([[0, 0, 0, 0, 0, 0]] * 3, {})
    assert TASK.compare(DENSE, DENSE)["agreement"] == 1.0
    assert TASK.compare(nothing, nothing)["agreement"] == 1.0
    assert TASK.compare(nothing, DENSE)["agreement"] == 0.0
    assert TASK.compare(DENSE, nothing)["matched"] == 0.0


def test_another_class_or_half_the_pixels_of_two_is_one_match_at_most() -> None:
    whole = make_map([[1, 1, 1, 1]], {1: 1})
    assert not match_segments(whole, make_map([[1, 1, 1, 1]], {1: 2}))
    halves = make_map([[1, 1, 2, 2]], {1: 1, 2: 1})  # each with an IoU of exactly 0.5
    assert len(match_segments(whole, halves)) == 1
    assert TASK.compare(whole, halves)["agreement"] == pytest.approx(2 * 0.5 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_panoptic_quality_is_that_of_torchmetrics(seed: int) -> None:
    """There what has no segment is made a class of its own, so that nothing is void."""
    random = np.random.default_rng(seed)
    ids = random.integers(0, 6, (6, 8)).repeat(5, 0).repeat(5, 1)
    moved = np.where(random.random(ids.shape) < 0.15, random.integers(0, 6, ids.shape), ids)
    labels = {number: int(random.integers(0, 3)) for number in range(1, 6)}
    dense, sparse = make_map(ids.tolist(), labels), make_map(moved.tolist(), labels)
    dense, sparse = dense.drop_hidden(), sparse.drop_hidden()
    none = len(NAMES)
    classes = np.array([none, *labels.values()])
    pairs = [torch.tensor(np.stack([classes[m.ids], m.ids], -1))[None] for m in (sparse, dense)]
    found = panoptic_quality(*pairs, things=set(range(none)), stuffs={none}, return_per_class=True)
    expected = {NAMES[label]: float(found[0, label]) for label in sorted(set(labels.values()))}
    assert TASK.compare_classes(dense, sparse) == pytest.approx(expected)


def test_interpret_and_resize_drop_what_cannot_be_seen() -> None:
    hidden = make_map([[1, 1], [1, 1]], {1: 0, 2: 1})
    assert [s.id for s in TASK.interpret(hidden, (2, 2)).segments] == [1]
    ids = np.ones((40, 40), np.int32)
    ids[0, 0] = 2
    small = TASK.resize(SegmentMap(ids, hidden.segments), (4, 8))
    assert small.ids.shape == (4, 8)
    assert [s.id for s in small.segments] == [1]


def test_a_match_has_one_colour_on_both_sides_and_nobody_else_has_it() -> None:
    image = np.full((60, 120, 3), 128, np.uint8)
    dense, sparse = TASK.draw_pair(image, DENSE, SPARSE)
    # Corners, where no letter of a name lies, whichever font OpenCV has.
    places = {"road": (1, 1), "car": (58, 118), "other": (58, 1), "none": (1, 118)}
    left = {name: tuple(dense[place]) for name, place in places.items()}
    right = {name: tuple(sparse[place]) for name, place in places.items()}
    assert left["road"] == right["road"]
    assert left["car"] == right["car"]
    assert left["none"] == right["none"] == (128, 128, 128)
    assert len({*left.values(), right["other"]}) == 5  # the new car is like neither dense car
    assert (TASK.draw(image, TASK.resize(DENSE, (60, 120))) == dense).all()
    assert (image == 128).all()


def test_palettes_are_spread_and_stable() -> None:
    names = [f"class {index}" for index in range(150)]
    palette = choose_palette(names)
    assert palette.shape == (150, 3)
    assert palette.dtype == np.uint8
    assert len({tuple(colour) for colour in palette}) > 140
    assert tuple(choose_palette(("sky", "car"))[1]) == (0, 0, 142)  # Cityscapes' own
    shades = {tuple(vary_colour(palette[3], number)) for number in range(8)}
    assert len(shades) == 8
    assert tuple(palette[3]) in shades


def make_features(*maps: list) -> Features:
    return Features(tuple(np.array(values, np.float32) for values in maps), (32, 64))


def test_cosines_by_hand() -> None:
    task = FeaturesTask(tuple)
    dense = make_features([[[1.0, 0.0]], [[0.0, 0.0]]], [[[3.0]], [[4.0]]])  # 1x2 and 1x1, 2 deep
    sparse = make_features([[[1.0, 0.0]], [[1.0, 0.0]]], [[[6.0]], [[8.0]]])
    first, second = task.map_cosines(dense, sparse)
    assert first[0] == pytest.approx([1 / np.sqrt(2), 1.0])  # zeros agree with zeros
    assert second[0] == pytest.approx([1.0])
    result = task.compare(dense, sparse)
    mean = (1 / np.sqrt(2) + 1.0) / 2
    assert result == pytest.approx({"agreement": (mean + 1.0) / 2, "stage1": mean, "stage2": 1.0})
    opposite = make_features([[[-1.0, 0.0]], [[0.0, 0.0]]], [[[-3.0]], [[-4.0]]])
    assert task.compare(dense, opposite)["agreement"] == 0.0
    assert task.compare(dense, opposite)["stage2"] == pytest.approx(-1.0)


def test_features_are_read_resized_and_drawn() -> None:
    task = FeaturesTask(lambda output: output.maps)
    output = SimpleNamespace(maps=[torch.rand(2, 6, 8, 16), torch.rand(2, 12, 4, 8)])
    dense = task.interpret(output, (32, 64))
    assert [x.shape for x in dense.maps] == [(6, 8, 16), (12, 4, 8)]
    assert (dense.maps[1] == output.maps[1][0].numpy()).all()
    half = task.resize(dense, (16, 32))
    assert [x.shape for x in half.maps] == [(6, 4, 8), (12, 2, 4)]
    image = np.full((50, 70, 3), 90, np.uint8)
    drawn, cosines = task.draw_pair(image, dense, dense)
    assert drawn.shape == cosines.shape == image.shape
    assert (cosines == cosines[0, 0]).all()  # 1 everywhere: the yellow end
    assert cosines[0, 0, 0] > cosines[0, 0, 2]
    assert (task.draw_cosines(image, dense, dense, stage=1) == cosines).all()
