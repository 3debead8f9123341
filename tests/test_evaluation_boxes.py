"""Detection as nuScenes scores it: by hand, and against a slow reading of its rules."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from boxes_support import (
    BUS,
    CAMERA,
    CAR,
    CYCLIST,
    PEDESTRIAN,
    SIZE,
    TASK,
    VAN,
    BoxesTask,
    make_box,
    make_boxes,
    make_sample,
    make_thing,
)

from sparsevit.data.boxes import Box3D, Boxes3D, Intrinsics
from sparsevit.data.kinds import STREET_KINDS, KindList
from sparsevit.data.labelled import DataError, Sample, open_data
from sparsevit.data.segment_map import Segment, SegmentMap
from sparsevit.evaluation.box_scorer import BoxScorer
from sparsevit.evaluation.nuscenes import KindMeter, KindScore
from sparsevit.evaluation.scorer import MIN_PIXELS
from sparsevit.evaluation.scorers import choose_scorer
from sparsevit.package.units import HEADLINES
from sparsevit.tasks.palette import choose_palette
from sparsevit.tasks.segments import SegmentsTask


def score_kind(
    *pictures: tuple[Sequence[Box3D], Sequence[Box3D]], ignored: Sequence[Box3D] = ()
) -> KindScore:
    meter = KindMeter()
    for found, wanted in pictures:
        meter.add(found, wanted, ignored, [False] * len(found))
    score = meter.summarise()
    assert score is not None
    return score


def test_average_precision_by_hand() -> None:
    near, far = make_box(z=10), make_box(z=30)
    assert score_kind(([near, far], [near, far])) == KindScore((1, 1, 1, 1), 0, 0, 0)
    # One of two: precision 1 up to recall 0.5, 40 of the 90 recalls above 0.1.
    assert score_kind(([near], [near, far])).aps == pytest.approx([40 / 90] * 4)
    # A surer wrong one: precision rises from 0 to 0.5 with recall, and what is above 0.1 counts.
    wrong = make_box(x=20, z=10, score=1.0)
    right = make_box(z=10, score=0.8)
    rising = sum(max(0, 0.005 * k - 0.1) for k in range(11, 101)) / 90 / 0.9
    assert rising == pytest.approx(0.2)
    assert score_kind(([wrong, right], [near])).aps == pytest.approx([0.2] * 4)
    # A less sure wrong one matters at recall 1 alone, where precision is read last.
    wrong = make_box(x=20, z=10, score=0.5)
    assert score_kind(([wrong, right], [near])).aps == pytest.approx([(89 + 4 / 9) / 90] * 4)
    assert score_kind(([], [near])) == KindScore((0, 0, 0, 0), 1, 1, 1)


def test_distances_are_on_the_ground() -> None:
    truth = make_box(x=1, z=20)
    assert score_kind(([make_box(x=1.4, z=19.4, y=9)], [truth])).aps == (0, 1, 1, 1)  # 0.72 m
    assert score_kind(([make_box(x=1, z=22)], [truth])).aps == (0, 0, 0, 1)  # 2 m are not below 2 m
    assert score_kind(([make_box(x=1, z=24.1)], [truth])).aps == (0, 0, 0, 0)


def test_errors_by_hand() -> None:
    truth = make_box(size=(4, 1.5, 2), yaw=3.0)
    score = score_kind(([make_box(x=0.7, size=(2, 1.5, 2), yaw=-3.0)], [truth]))
    assert (score.ate_m, score.ase) == pytest.approx((0.7, 0.5))
    assert score.aoe_rad == pytest.approx(2 * math.pi - 6)
    # The surer of two has no error, the other is 1 m off: the mean of both at recall 1, and less
    # before, falling to 0 at recall 0.5.
    first, second = make_box(z=10, score=0.9), make_box(x=1, z=30, score=0.8)
    score = score_kind(([first, second], [make_box(z=10), make_box(z=30)]))
    assert score.ate_m == pytest.approx(sum(k / 100 - 0.5 for k in range(51, 101)) / 90)
    # An error beyond 2 m is no match there, and one of twenty is no recall above 0.1.
    assert score_kind(([make_box(z=22)], [make_box(z=20)])).ate_m == 1
    many = [make_box(x=10 * number) for number in range(20)]
    assert score_kind((many[:1], many)) == KindScore((0, 0, 0, 0), 1, 1, 1)


def test_one_true_thing_is_found_once() -> None:
    """The second on the same place is wrong; over pictures, the surest goes first."""
    truth = make_box()
    twice = score_kind(([make_box(score=0.9), make_box(score=0.8)], [truth]), ([], [truth]))
    assert twice.aps == pytest.approx([40 / 90 - (1 - 0.5) / 90 / 0.9] * 4)  # 0.5 at recall 0.5
    wrong = make_box(x=9, score=0.7)
    assert score_kind(([wrong], []), ([make_box(score=0.8)], [truth])).aps[0] > 0.99
    assert score_kind(([wrong], []), ([make_box(score=0.6)], [truth])).aps[0] == pytest.approx(0.2)


def test_ignored_things_are_neither_missed_nor_wrong() -> None:
    wanted, hidden = make_box(z=20), make_box(z=23, score=1)
    assert score_kind(([wanted], [wanted]), ignored=[hidden]).aps == (1, 1, 1, 1)
    assert score_kind(([hidden, make_box(z=20, score=0.5)], [wanted]), ignored=[hidden]).aps[0] == 1
    # What was found of the hidden one alone counts for the wanted one where that is near enough.
    assert score_kind(([hidden], [wanted]), ignored=[hidden]).aps == (0, 0, 0, 1)
    # It excuses one found thing, not two.
    three = [hidden, make_box(z=23, score=0.9), make_box(z=20, score=0.5)]
    assert score_kind((three, [wanted]), ignored=[hidden]).aps[0] == pytest.approx(0.2)
    # Of equally sure ones, that on the wanted one takes it first.
    assert score_kind(([hidden, wanted], [wanted]), ignored=[hidden]).aps == (1, 1, 1, 1)


def score_slowly(pictures: Sequence[tuple[list[Box3D], list[Box3D]]], limit: float):
    """AP and the three errors by nuScenes' rules, one found box at a time over all pictures."""
    every = [(box, index) for index, (found, _) in enumerate(pictures) for box in found]
    every.sort(key=lambda pair: -pair[0].score)
    free = [list(truth) for _, truth in pictures]
    count = sum(map(len, free))
    hits: list[bool] = []
    errors: list[list[float]] = []
    sure_hits: list[float] = []
    for box, index in every:
        ranked = sorted(free[index], key=lambda true: _far(true, box))
        hits.append(bool(ranked) and _far(ranked[0], box) < limit)
        if hits[-1]:
            true = ranked[0]
            free[index] = [other for other in free[index] if other is not true]
            shared = math.prod(min(a, b) for a, b in zip(true.size, box.size, strict=True))
            union = math.prod(true.size) + math.prod(box.size) - shared
            turn = abs(true.yaw - box.yaw) % (2 * math.pi)
            errors.append([_far(true, box), 1 - shared / union, min(turn, 2 * math.pi - turn)])
            sure_hits.append(box.score)
    if not errors:
        return 0.0, [1.0] * 3
    recall = [sum(hits[: end + 1]) / count for end in range(len(hits))]
    precision = [sum(hits[: end + 1]) / (end + 1) for end in range(len(hits))]
    steps = np.linspace(0, 1, 101)
    curve = np.interp(steps, recall, precision, right=0)
    ap = np.mean([max(0, value - 0.1) / 0.9 for value in curve[11:]])
    sure = np.interp(steps, recall, [box.score for box, _ in every], right=0)
    reached = max(step for step in range(101) if sure[step])
    if reached < 11:
        return float(ap), [1.0] * 3
    means = [np.mean(errors[: end + 1], axis=0) for end in range(len(errors))]
    return float(ap), [
        np.mean(
            [
                np.interp(sure[step], sure_hits[::-1], [mean[kind] for mean in means[::-1]])
                for step in range(11, reached + 1)
            ]
        )
        for kind in range(3)
    ]


def _far(one: Box3D, other: Box3D) -> float:
    return math.hypot(one.centre[0] - other.centre[0], one.centre[2] - other.centre[2])


@pytest.mark.parametrize(
    ("seed", "things", "noise"), [(0, 12, 0.3), (1, 12, 2.0), (2, 40, 1.0), (3, 300, 1.0)]
)
def test_a_slow_reading_of_the_rules_says_the_same(seed: int, things: int, noise: float) -> None:
    random = np.random.default_rng(seed)
    pictures = []
    for _ in range(2):
        truth = [
            make_box(*random.uniform((-20, 3), (20, 45)), size=tuple(random.uniform(1, 5, 3)))
            for _ in range(things)
        ]
        found = [
            make_box(
                true.centre[0] + noise * random.normal(),
                true.centre[2] + noise * random.normal(),
                score=random.random(),
                size=tuple(random.uniform(1, 5, 3)),
                yaw=random.uniform(-3, 3),
            )
            for true in truth
            if random.random() < 0.8
        ]
        wrong = [make_box(*random.uniform((-20, 3), (20, 45)), random.random()) for _ in truth]
        pictures.append(([*found, *wrong[: things // 3]], truth))
    score = score_kind(*pictures)
    slow = [score_slowly(pictures, limit) for limit in (0.5, 1, 2, 4)]
    assert score.aps == pytest.approx([ap for ap, _ in slow])
    assert (score.ate_m, score.ase, score.aoe_rad) == pytest.approx(slow[2][1])
    assert 0 < score.ap < 1


def measure(sample: Sample, found: Sequence[Box3D], camera: Intrinsics = CAMERA) -> dict:
    scorer = BoxScorer(TASK, STREET_KINDS)
    boxes = make_boxes(found, camera)
    scorer.add(sample, boxes, boxes)
    return scorer.summarise()


def test_means_are_over_the_kinds_that_occur() -> None:
    car, van = make_box(z=10), make_box(x=5, z=20, label=VAN)
    result = measure(make_sample([make_thing(car), make_thing(van)]), [car])
    assert result["per_class_ap"] == {
        "Car": 1,
        "Van": 0,
        **dict.fromkeys(("Bus or lorry", "Pedestrian", "Cyclist")),
    }
    assert (result[HEADLINES["boxes3d"]], result["ap_cars"]) == (0.5, 1)
    assert result["per_distance_ap"] == {"0.5 m": 0.5, "1 m": 0.5, "2 m": 0.5, "4 m": 0.5}
    assert [result[name] for name in ("ate_m", "ase", "aoe_rad")] == [0.5, 0.5, 0.5]
    assert result["nds"] == (5 * 0.5 + 3 * 0.5) / 8
    assert result["agreement"] == 1
    assert not any(name.startswith("kitti") for name in result)
    # A found thing of another kind is no match.
    assert measure(make_sample([make_thing(car)]), [make_box(z=10, label=VAN)])["ap"] == 0


@pytest.mark.parametrize(
    ("label", "reach"), [(CAR, 50), (VAN, 50), (BUS, 50), (PEDESTRIAN, 40), (CYCLIST, 40)]
)
def test_things_are_looked_for_within_the_range_of_their_kind(label: int, reach: float) -> None:
    inside, outside = (make_box(z=z, label=label) for z in (reach - 0.1, reach + 0.1))
    assert measure(make_sample([make_thing(inside)]), [])["ap"] == 0
    assert measure(make_sample([make_thing(outside)]), [])["ap"] is None
    beyond = [make_box(x=30, z=reach, label=label, score=1.0), make_box(label=label, score=0.5)]
    assert measure(make_sample([make_thing(make_box(label=label))]), beyond)["ap"] == 1


def test_what_hardly_shows_need_not_be_found() -> None:
    car, other = make_box(), make_box(x=9)
    shown, hidden = (make_thing(other, pixels) for pixels in (MIN_PIXELS, MIN_PIXELS - 1))
    found = [make_box(score=0.5)]
    assert measure(make_sample([make_thing(car), hidden]), found)["ap"] == 1
    assert measure(make_sample([make_thing(car), hidden]), [*found, make_box(x=9)])["ap"] == 1
    assert measure(make_sample([make_thing(car), shown]), found)["ap"] < 0.5


def test_where_things_are_not_told_apart_nothing_is_wrong() -> None:
    car = make_thing(make_box(score=0.5))
    wrong = make_box(x=5, z=20)
    u, v = CAMERA.project(np.array(wrong.centre))
    found = [make_box(score=0.5), wrong]
    around = (u - 1, v - 1, u + 1, v + 1)
    assert measure(make_sample([car]), found)["ap"] == pytest.approx(0.2)
    assert measure(make_sample([car], ignored=(around,)), found)["ap"] == 1
    beside = (u + 1, v - 1, u + 3, v + 1)
    assert measure(make_sample([car], ignored=(beside,)), found)["ap"] == pytest.approx(0.2)
    # The same holds for a thing whose box is not told.
    assert measure(make_sample([car, make_thing(None)]), found)["ap"] == pytest.approx(0.2)
    boxless = make_thing(None)
    inside = CAMERA.find_point(30, 40, 20)
    hit = make_box(inside[0], 20, y=inside[1])
    assert measure(make_sample([car, boxless]), [make_box(score=0.5), hit])["ap"] == 1


def test_predictions_are_seen_with_the_camera_of_the_truth() -> None:
    usual = Intrinsics.from_field_of_view(SIZE)
    boxes = [make_box(x=4, z=30, yaw=1.0, score=0.9), make_box(x=-3, z=10, score=0.8)]
    sample = make_sample([make_thing(box) for box in boxes])
    seen = make_boxes(boxes).see_with(usual)
    assert abs(seen.boxes[0].centre[2] - 30) > 1
    result = measure(sample, seen.boxes, usual)
    assert (result["ap"], result["ate_m"], result["aoe_rad"]) == (1, 0, 0)


def test_nothing_to_find_and_nothing_found() -> None:
    nothing = dict.fromkeys(("ap", "ap_cars", "nds", "ate_m", "ase", "aoe_rad"))
    for found in ([], [make_box()]):
        result = measure(make_sample([]), found)
        assert {name: result[name] for name in nothing} == nothing
        assert set(result["per_class_ap"].values()) == {None}
        assert set(result["per_distance_ap"].values()) == {None}
    lost = measure(make_sample([make_thing(make_box())]), [])
    assert [lost[name] for name in ("ap", "nds", "ate_m")] == [0, 0, 1]
    hidden = [make_thing(make_box(x=x), pixels=1) for x in range(5)]
    assert measure(make_sample(hidden), [make_box(x=x) for x in range(5)])["ap"] is None


def test_what_it_cannot_be_measured_on_is_one_sentence() -> None:
    cars = BoxesTask(("Car",), choose_palette(("Car",)), TASK.read)
    with pytest.raises(DataError, match=r"kind Van, which is none of the network's \(Car\)"):
        BoxScorer(cars, STREET_KINDS)
    BoxScorer(cars, KindList(("Car",), (8,)))
    boxes = make_boxes([])
    untold = Sample(np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, np.uint8), "x")
    for sample in (make_sample([], camera=None), untold):
        with pytest.raises(DataError, match="Nothing tells the boxes of x and the camera"):
            BoxScorer(TASK, STREET_KINDS).add(sample, boxes, boxes)


@pytest.mark.parametrize("task", ["instance", "boxes3d"])
def test_the_truth_of_drawn_scenes_is_worth_all(task: str) -> None:
    data = open_data("streets:0:2:256x512", has_things=True)
    classes = data.class_names[:-1]
    segments = SegmentsTask(classes, choose_palette(classes), "instance", TASK.read)
    scorer = choose_scorer(TASK if task == "boxes3d" else segments, data, torch.device("cpu"))()
    usual = Intrinsics.from_field_of_view((256, 512))
    for index in range(2):
        sample = data[index]
        assert sample.things is not None
        assert sample.things.ids is not None
        things = sample.things.things
        told = [thing.box for thing in things if thing.box is not None]
        found = [Segment(t.id, STREET_KINDS.classes[t.label], 1.0) for t in things]
        prediction = (
            Boxes3D(tuple(told), sample.things.camera or CAMERA, (256, 512)).see_with(usual)
            if task == "boxes3d"
            else SegmentMap(sample.things.ids, tuple(found)).drop_hidden()
        )
        scorer.add(sample, prediction, prediction)
    result = scorer.summarise()
    assert result[HEADLINES[task]] == 1
    assert set(result["per_class_ap"].values()) <= {1, None}
    if task == "boxes3d":
        names = ("ap_cars", "nds", "ate_m", "ase", "aoe_rad")
        assert [result[name] for name in names] == [1, 1, 0, 0, 0]
    else:
        assert (result["ap50"], result["ap75"], result["per_class_ap"]["Car"]) == (1, 1, 1)
