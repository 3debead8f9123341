"""3D boxes in the tab "Outputs" as data, by hand-computed examples."""

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from app.engine.records import Photo, Result, Settings, Truth
from app.tabs.outputs.view import make_outputs
from sparsevit.data.boxes import Box3D, Boxes3D, Intrinsics
from sparsevit.data.things import Thing, Things
from sparsevit.schedule import SparsitySchedule
from sparsevit.tasks.boxes3d import Boxes3DTask

SIZE = (50, 100)
CAMERA = Intrinsics(100, 100, 40, 25)
TASK = Boxes3DTask(("Car", "Pedestrian"), np.zeros((2, 3), np.uint8), lambda output, size: output)
SETTINGS = Settings("net", SparsitySchedule.parse(0.5, (2,)))
AWAY = -math.pi / 2


def make_box(x, z, label=0, score=0.8, yaw=AWAY):
    return Box3D(label, score, (x, 0, z), (4, 2, 2), yaw)


def make_truth(boxes, kinds=("Pedestrian", "Lorry", "Car"), camera=CAMERA):
    """At twice the size; kinds by their name."""
    camera = camera and camera.resize(SIZE, (100, 200))
    things = (
        Thing(kinds.index(kind), 0, (0, 0, 1, 1), 1, replace(box, label=kinds.index(kind)))
        for kind, box in boxes
    )
    return Truth(np.zeros((100, 200), np.uint8), (), Things(kinds, tuple(things), None, camera))


def describe(dense, sparse, truth=None):
    dense, sparse = (Boxes3D(tuple(boxes), CAMERA, SIZE) for boxes in (dense, sparse))
    prepared = SimpleNamespace(dense=dense, input_size=SIZE)
    agreement = TASK.compare(dense, sparse)
    analysis = SimpleNamespace(task=TASK, prepared=prepared, sparse=sparse, agreement=agreement)
    photo = Photo(np.zeros((*SIZE, 3), np.uint8), "key", Path("x.png"), truth=truth)
    return json.loads(make_outputs(Result(photo, SETTINGS, analysis, (2,))))


def test_a_box_is_where_the_camera_sees_it_by_hand():
    shown = describe([make_box(0, 10)], [])
    assert (shown["task"], shown["photo"], shown["min_score"]) == ("boxes3d", "key-50x100", 0.3)
    assert shown["sights"] == [-0.4, 0.6]
    (box,) = shown["boxes"]["dense"]
    assert (box["class"], box["score"], box["matches"]) == (0, 0.8, {})
    assert (box["place"], box["size"]) == ([0, 10], [4, 2, 2])
    assert box["footprint"] == [[-1, 12], [1, 12], [1, 8], [-1, 8]]
    # Its back is 8 m ahead: u = 40 +- 100 / 8, v = 25 +- 100 / 8 pixels; its front 12 m.
    back = {(u, v) for u in (0.275, 0.525) for v in (0.25, 0.75)}
    ends = [tuple(line[i : i + 2]) for line in box["ahead"] for i in (0, 2)]
    assert len(ends) == 8
    assert set(ends) == back  # all that faces the camera
    front = {(round(0.4 + u / 12, 4), round(0.5 + v / 6, 4)) for u in (-1, 1) for v in (-1, 1)}
    assert {tuple(corner) for corner in box["front"]} == front
    assert len(box["behind"]) == 8


def test_what_is_behind_the_camera_is_cut_off_or_left_out():
    beside, behind = describe([make_box(2, 1), make_box(0, -10)], [])["boxes"]["dense"]
    numbers = np.concatenate([np.ravel(beside[key]) for key in ("ahead", "behind", "front")])
    assert numbers.size > 4
    assert np.all(numbers > -0.5)
    assert np.all(numbers < 1.5)
    assert behind["ahead"] == behind["behind"] == behind["front"] == []
    assert behind["place"] == [0, -10]


def test_matches_with_each_other_and_with_the_truth_by_hand():
    dense = [make_box(0, 20), make_box(3, 10.2), make_box(-2, 5, label=1)]
    sparse = [make_box(3, 10.6), make_box(-2, 5), make_box(0, 21, score=0.29)]
    truth = make_truth(
        [
            ("Car", make_box(0.3, 20.4)),
            ("Car", make_box(0, 40)),
            ("Car", make_box(3, 10)),
            ("Lorry", make_box(-2, 5)),
        ]
    )
    shown = describe(dense, sparse, truth)
    boxes = shown["boxes"]
    # The nearest first, no lorry, and none that is too unsure.
    assert [box["place"] for box in boxes["dense"]] == [[-2, 5], [3, 10.2], [0, 20]]
    assert [box["place"] for box in boxes["sparse"]] == [[-2, 5], [3, 10.6]]
    assert [box["place"] for box in boxes["truth"]] == [[3, 10], [0.3, 20.4], [0, 40]]
    assert [box["score"] for box in boxes["truth"]] == [None] * 3
    assert boxes["truth"][0]["class"] == 0
    assert [box["matches"] for box in boxes["dense"]] == [
        {},
        {"sparse": 1, "truth": 0},
        {"truth": 1},
    ]
    assert boxes["sparse"][1]["matches"] == {"dense": 1, "truth": 0}
    assert boxes["truth"][2]["matches"] == {}
    assert (shown["matched"], shown["centre_error"]) == (1, 0.4)
    assert shown["agreement"] == 0.4  # 2 of 5
    found = {"true": 3, "true_dense": 2, "true_sparse": 1}
    lost = {"true": 0, "true_dense": 0, "true_sparse": 0}
    assert shown["rows"] == [
        {"index": 0, "dense": 2, "sparse": 2, "matched": 1, "error": 0.4} | found,
        {"index": 1, "dense": 1, "sparse": 0, "matched": 0, "error": None} | lost,
    ]


def test_the_truth_is_seen_by_its_own_camera():
    (box,) = describe([], [], make_truth([("Car", make_box(0, 10))]))["boxes"]["truth"]
    (same,) = describe([make_box(0, 10)], [])["boxes"]["dense"]
    assert (box["ahead"], box["front"]) == (same["ahead"], same["front"])


@pytest.mark.parametrize(
    "truth", [None, make_truth([("Car", make_box(0, 10))], camera=None)], ids=["none", "no camera"]
)
def test_without_a_truth_nothing_is_said_of_one(truth):
    shown = describe([make_box(0, 10)], [make_box(0, 10)], truth)
    assert shown["boxes"]["truth"] is None
    assert shown["rows"][0]["true"] is shown["rows"][0]["true_dense"] is None


def test_no_boxes_at_all():
    shown = describe([make_box(0, 10, score=0.1)], [], make_truth([]))
    assert shown["boxes"] == {"truth": [], "dense": [], "sparse": []}
    assert (shown["rows"], shown["agreement"], shown["centre_error"]) == ([], 1.0, None)


def test_hundreds_of_boxes_keep_their_matches():
    boxes = [make_box(3.0 * x, 5.0 + 5 * z) for x in range(-8, 9) for z in range(20)]
    moved = [replace(box, centre=(box.centre[0], 0, box.centre[2] + 0.5)) for box in boxes]
    shown = describe(boxes, moved[::-1])
    assert shown["matched"] == len(boxes) == 340
    for box in shown["boxes"]["dense"]:
        partner = shown["boxes"]["sparse"][box["matches"]["sparse"]]
        assert partner["place"] == pytest.approx([box["place"][0], box["place"][1] + 0.5])
