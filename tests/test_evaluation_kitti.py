"""KITTI's average precision: by hand, and where boxes are many by its rules read slowly."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from boxes_support import CAMERA, CAR, CYCLIST, PEDESTRIAN, TASK, VAN, make_box, make_boxes
from boxes_support import make_thing as make_any_thing
from kitti_support import write_kitti

from sparsevit.data.boxes import Box3D, Boxes3D
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.things import Thing
from sparsevit.draw.wireframe import find_extent
from sparsevit.evaluation.kitti import KittiMeter
from sparsevit.evaluation.overlaps import measure_overlaps
from sparsevit.evaluation.scorers import choose_scorer
from sparsevit.evaluation.sources import open_pictures

LEVELS = {"easy": (40, 0, 0.15), "moderate": (25, 1, 0.3), "hard": (25, 2, 0.5)}
LEAST = {"Car": 0.7, "Pedestrian": 0.5, "Cyclist": 0.5}


def overlap(one: Box3D, other: Box3D) -> tuple[float, float]:
    from_above, in_space = measure_overlaps([one], [other])
    return float(from_above[0, 0]), float(in_space[0, 0])


def test_overlaps_by_hand() -> None:
    box = make_box(z=20, size=(4, 1.5, 2))
    assert overlap(box, box) == (1, 1)
    half = make_box(x=2, z=20, size=(4, 1.5, 2))
    assert overlap(box, half) == pytest.approx((1 / 3, 1 / 3))
    assert overlap(box, make_box(z=20, size=(4, 1.5, 2), yaw=math.pi)) == pytest.approx((1, 1))
    # Turned by a right angle both share a square of 2 x 2 of 8 + 8 - 4.
    turned = make_box(z=20, size=(4, 1.5, 2), yaw=math.pi / 2)
    assert overlap(box, turned) == pytest.approx((1 / 3, 1 / 3))
    # Two unit squares, one turned by 45 degrees, share an octagon of 2 (sqrt 2 - 1).
    square, diamond = (make_box(size=(1, 1, 1), yaw=yaw) for yaw in (0, math.pi / 4))
    octagon = 2 * (math.sqrt(2) - 1)
    assert overlap(square, diamond)[0] == pytest.approx(octagon / (2 - octagon), abs=1e-6)
    # Above the other by half its height, beside it, touching it, and around it.
    above = make_box(z=20, size=(4, 1.5, 2), y=-0.25)
    assert overlap(box, above) == pytest.approx((1, 1 / 3))
    assert overlap(box, make_box(z=20, size=(4, 1.5, 2), y=9)) == (1, 0)
    assert overlap(box, make_box(x=40, z=20)) == (0, 0)
    assert overlap(box, make_box(x=4, z=20)) == pytest.approx((0, 0), abs=1e-6)
    around = make_box(z=20, size=(8, 3, 4), yaw=0.3)
    assert overlap(make_box(z=20, size=(2, 3, 1), yaw=1.0), around)[0] == pytest.approx(2 / 32)
    assert [part.shape for part in measure_overlaps([], [box])] == [(0, 1), (0, 1)]


def share_slowly(one: Box3D, other: Box3D) -> float:
    """Square metres of both boxes, one cut at each edge of the other, in double precision."""
    polygon = [tuple(corner) for corner in one.corners[:4, [0, 2]]]
    cutter = [tuple(corner) for corner in other.corners[:4, [0, 2]]]
    middle = other.centre[0], other.centre[2]
    for start, end in zip(cutter, [*cutter[1:], cutter[0]], strict=True):

        def side(point, start=start, end=end):
            return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (
                point[0] - start[0]
            )

        inner = math.copysign(1, side(middle))
        kept = []
        for here, there in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
            a, b = inner * side(here), inner * side(there)
            if a >= 0:
                kept.append(here)
            if (a >= 0) != (b >= 0):
                part = a / (a - b)
                kept.append(tuple(h + part * (t - h) for h, t in zip(here, there, strict=True)))
        polygon = kept
    pairs = zip(polygon, [*polygon[1:], *polygon[:1]], strict=True)
    return abs(sum(a[0] * b[1] - a[1] * b[0] for a, b in pairs)) / 2


def test_overlaps_equal_those_of_polygons_cut_slowly() -> None:
    random = np.random.default_rng(0)

    def draw(x: float, z: float) -> Box3D:
        size = tuple(random.uniform(0.3, 9, 3))
        return make_box(x, z, size=size, yaw=random.uniform(-4, 4), y=random.uniform(-1, 1))

    ours = [draw(x, z) for x, z in random.uniform((-30, 5), (30, 70), (40, 2))]
    theirs = [draw(*(np.array(box.centre)[[0, 2]] + random.normal(size=2))) for box in ours]
    theirs[0] = ours[0]
    from_above, in_space = measure_overlaps(ours, theirs)
    for row, one in enumerate(ours):
        for column, other in enumerate(theirs):
            shared = share_slowly(one, other)
            areas = [box.size[0] * box.size[2] for box in (one, other)]
            assert from_above[row, column] == pytest.approx(
                shared / (sum(areas) - shared), abs=2e-6
            )
            height = min(b.centre[1] + b.size[1] / 2 for b in (one, other))
            height -= max(b.centre[1] - b.size[1] / 2 for b in (one, other))
            both = shared * max(0, height)
            volumes = [math.prod(box.size) for box in (one, other)]
            assert in_space[row, column] == pytest.approx(both / (sum(volumes) - both), abs=2e-6)
    assert (from_above > 0.2).sum() > 20


def make_thing(box: Box3D, height: float = 50, occluded: int = 0, truncated: float = 0) -> Thing:
    return make_any_thing(box, height=height, occluded=occluded, truncated=truncated)


def measure(*pictures: tuple[Sequence[Box3D], Sequence[Thing]]) -> dict[str, dict[str, float]]:
    meter = KittiMeter(STREET_KINDS.names)
    for found, truth in pictures:
        meter.add(make_boxes(found), truth)
    return meter.summarise()


def levels(result: dict[str, dict[str, float]], kind: str = "Car") -> list[float]:
    return [result["3d"][f"{kind} {name}"] for name in LEVELS]


def test_few_boxes_by_hand() -> None:
    car = make_box(z=6, score=0.9)
    assert levels(measure(([car], [make_thing(car)]))) == [1, 1, 1]
    assert levels(measure(([], [make_thing(car)]))) == [0, 0, 0]
    assert all(math.isnan(value) for value in levels(measure(([car], []))))
    # One of two: the 20 recalls up to a half.
    other = make_thing(make_box(x=4.6, z=6))
    assert levels(measure(([car], [make_thing(car), other]))) == [0.5] * 3
    # A surer wrong one halves the precision everywhere.
    wrong = make_box(x=-4.6, z=6, score=1.0)
    assert levels(measure(([car, wrong], [make_thing(car)]))) == [0.5] * 3
    assert levels(measure(([car, make_box(x=-4.6, z=6, score=0.8)], [make_thing(car)]))) == [1] * 3


def test_a_match_overlaps_by_more_than_the_kind_s_least() -> None:
    for label, kind, least in ((CAR, "Car", 0.7), (PEDESTRIAN, "Pedestrian", 0.5)):
        true = make_box(z=6, label=label, size=(1, 2, 1))
        for iou in (least - 0.02, least + 0.02):
            apart = (1 - iou) / (1 + iou)
            near = make_box(x=apart, z=6, label=label, size=(1, 2, 1))
            assert levels(measure(([near], [make_thing(true)])), kind) == [iou > least] * 3
    # Seen from above, height does not matter.
    high = make_box(z=6, y=0)
    result = measure(([high], [make_thing(make_box(z=6))]))
    assert (result["3d"]["Car easy"], result["bev"]["Car easy"]) == (0, 1)


def test_each_true_box_takes_what_overlaps_it_the_most() -> None:
    """So that what lies between two true boxes is left for the one that nothing else is near."""
    truth = [make_thing(make_box(x=x, z=6)) for x in (0, 1.2)]
    between, exact = make_box(x=0.6, z=6, score=0.8), make_box(z=6, score=0.9)
    assert levels(measure(([between, exact], truth))) == [1, 1, 1]


def test_levels_by_height_occlusion_and_truncation() -> None:
    car = make_box(z=6)

    def which(**thing: float) -> list[bool]:
        """At which levels the thing must be found."""
        return [value == 0 for value in levels(measure(([], [make_thing(car, **thing)])))]

    assert which(height=40) == [True, True, True]
    assert which(height=39.9) == which(occluded=1) == which(truncated=0.3) == [False, True, True]
    assert which(occluded=2) == which(truncated=0.5) == [False, False, True]
    assert which(height=24.9) == which(occluded=3) == which(truncated=0.51) == [False] * 3


def test_what_is_ignored_is_neither_missed_nor_wrong() -> None:
    car, far = make_box(z=6, score=0.5), make_box(x=4.6, z=6, score=0.9)
    van = make_thing(make_box(x=4.6, z=6, label=VAN))
    assert levels(measure(([car, far], [make_thing(car), van]))) == [1, 1, 1]
    hidden = make_thing(make_box(x=4.6, z=6), occluded=2)
    assert levels(measure(([car, far], [make_thing(car), hidden])))[:2] == [1, 1]
    # A cyclist is not near a car, and a found cyclist is no car.
    cyclist = make_thing(make_box(x=4.6, z=6, label=CYCLIST))
    assert levels(measure(([car, far], [make_thing(car), cyclist]))) == [0.5] * 3
    other = make_box(x=4.6, z=6, score=0.9, label=CYCLIST)
    assert levels(measure(([car, other], [make_thing(car)]))) == [1, 1, 1]
    # What looks less than 25 or 40 pixels high is not wrong: 1.5 m at 10 m look 27.5 of 180.
    small = make_box(x=4, z=10, score=0.9)
    found = make_boxes([small]).camera.project(small.corners)[:, 1]
    assert 25 < found.max() - found.min() < 40
    assert levels(measure(([car, small], [make_thing(car)]))) == [1, 0.5, 0.5]


def score_slowly(
    pictures: Sequence[tuple[Boxes3D, Sequence[Thing], np.ndarray]], kind: str, level: str
) -> float:
    """AP at 40 recalls as KITTI's program goes about it, of 40 boxes or more at every level."""
    height, occluded, truncated = LEVELS[level]
    label = STREET_KINDS.names.index(kind)
    cases = []
    for found, truth, ious in pictures:
        wanted: list[bool | None] = []  # None is of no interest
        for thing in truth:
            tall = thing.rectangle[3] - thing.rectangle[1] >= height
            fits = tall and thing.occluded <= occluded and thing.truncated <= truncated
            near = kind == "Car" and thing.label == VAN
            wanted.append(fits if thing.label == label else False if near else None)
        shown = []
        for box in found.boxes:
            extent = find_extent(box, found.camera, found.size) or (0, 0, 0, 0)
            is_small = extent[3] - extent[1] < height
            shown.append(False if is_small else True if box.label == label else None)
        cases.append((ious, wanted, shown, [box.score for box in found.boxes]))
    count = sum(wanted.count(True) for _, wanted, _, _ in cases)
    hits = []
    for ious, wanted, shown, scores in cases:
        taken = set()
        for true, is_wanted in enumerate(wanted):
            best = None
            for i in range(len(scores)):
                if is_wanted is None or shown[i] is None or i in taken:
                    continue
                if ious[i, true] > LEAST[kind] and (best is None or scores[i] > scores[best]):
                    best = i
            if best is not None:
                taken.add(best)
                if is_wanted and shown[best]:
                    hits.append(scores[best])
    assert count >= 40
    hits.sort(reverse=True)
    thresholds, recall = [], 0.0
    for i, score in enumerate(hits):
        is_last = i == len(hits) - 1
        left, right = (i + 1) / count, (i + 2 - is_last) / count
        if not is_last and right - recall < recall - left:
            continue
        thresholds.append(score)
        recall += 1 / 40
    precisions = [0.0] * 41
    for step, threshold in enumerate(thresholds):
        right = wrong = 0
        for ious, wanted, shown, scores in cases:
            taken = set()
            for true, is_wanted in enumerate(wanted):
                if is_wanted is None:
                    continue
                near = [
                    i
                    for i in range(len(scores))
                    if scores[i] >= threshold
                    and i not in taken
                    and shown[i] is not None
                    and ious[i, true] > LEAST[kind]
                ]
                counting = [i for i in near if shown[i]]
                if near:
                    best = max(counting, key=lambda i: ious[i, true]) if counting else near[0]
                    taken.add(best)
                    right += bool(is_wanted and shown[best])
            wrong += sum(
                bool(shown[i]) and i not in taken and scores[i] >= threshold
                for i in range(len(scores))
            )
        precisions[step] = right / (right + wrong) if right else 0.0
    return sum(max(precisions[step:]) for step in range(1, 41)) / 40


def test_many_boxes_equal_a_slow_reading_of_the_rules() -> None:
    random = np.random.default_rng(1)
    pictures = []
    for _ in range(30):
        truth, found = [], []
        for x, z in random.uniform((-4, 5), (4, 12), (10, 2)):
            label = int(random.choice([CAR, CAR, CAR, VAN, PEDESTRIAN, PEDESTRIAN]))
            box = make_box(x, z, label=label, yaw=random.uniform(-1, 1))
            truth.append(
                make_thing(
                    box,
                    height=random.uniform(20, 90),
                    occluded=int(random.choice([0, 0, 0, 0, 0, 1, 2, 3])),
                    truncated=float(random.choice([0, 0, 0, 0.2, 0.4])),
                )
            )
            for _ in range(random.choice([0, 1, 1, 1, 2])):
                moved = make_box(
                    *((x, z) + 0.08 * random.normal(size=2)),
                    score=round(random.random(), 2),
                    label=label if random.random() < 0.9 else PEDESTRIAN,
                    yaw=box.yaw + 0.05 * random.normal(),
                )
                found.append(moved)
        pictures.append((found, truth))
    result = measure(*pictures)
    cases = []
    for found, truth in pictures:
        boxes = make_boxes(found)
        _, ious = measure_overlaps(boxes.boxes, [thing.box for thing in truth if thing.box])
        cases.append((boxes, truth, ious))
    for kind, level in (("Car", "easy"), ("Car", "hard"), ("Pedestrian", "moderate")):
        slow = score_slowly(cases, kind, level)
        assert 0.05 < slow < 0.9
        assert result["3d"][f"{kind} {level}"] == pytest.approx(slow)


def test_boxes_behind_the_camera_and_none_at_all() -> None:
    behind = make_box(z=-1, size=(4, 1.5, 2), score=0.9)
    beside = make_box(x=1.5, z=1, score=0.8)
    result = measure(([behind, beside], [make_thing(beside)]), ([], []), ([behind], []))
    assert levels(result) == [1, 1, 1]
    assert set(result) == {"3d", "bev"}
    assert list(result["3d"]) == [f"{kind} {level}" for kind in LEAST for level in LEVELS]


def test_a_folder_of_kitti_s(tmp_path: Path) -> None:
    """The truth of it is worth all, and other data has no such numbers."""
    car = "Car 0.00 {} 1.85 387.6 150 423.8 203.1 1.67 1.87 3.69 {} 2.39 {} 1.57"
    lines = [
        car.format(0, -3, 15),
        car.format(1, 4, 25),
        "DontCare -1 -1 -10 5.0 229.9 214.1 367.6 -1 -1 -1 -1000 -1000 -1000 -10",
        "Pedestrian 0.00 0 1.85 387.6 150 423.8 203.1 1.7 0.6 0.8 2 1.7 12 0.2",
    ]
    write_kitti(tmp_path, {"a": "\n".join(lines), "b": ""})
    data = open_pictures(f"kitti:{tmp_path}", task=TASK)
    scorer = choose_scorer(TASK, data, torch.device("cpu"))()
    for index in range(2):
        sample = data[index]
        boxes = tuple(thing.box for thing in sample.things.things)
        prediction = Boxes3D(boxes, sample.things.camera, sample.image.shape[:2]).see_with(CAMERA)
        scorer.add(sample, prediction, prediction)
    result = scorer.summarise()
    assert [result[name] for name in ("ap", "nds", "ate_m")] == [1, 1, 0]
    for view in ("3d", "bev"):
        found = result[f"kitti_{view}_ap"]
        assert found["Car easy"] == found["Car hard"] == found["Pedestrian moderate"] == 1
        assert found["Cyclist easy"] is None
