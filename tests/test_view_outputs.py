"""The tab "Outputs" as data: maps, accuracy and likeliest classes, by hand-computed examples."""

import base64
import gc
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from app.engine.records import Photo, Result, Settings, Truth
from app.tabs.outputs.drawings import UNKNOWN
from app.tabs.outputs.semantic import _dense_sides
from app.tabs.outputs.view import make_outputs
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.segment_map import Segment, SegmentMap
from sparsevit.data.things import Thing, Things
from sparsevit.evaluation import make_iou_metric, read_score
from sparsevit.inspect.photo import PreparedImage
from sparsevit.schedule import SparsitySchedule
from sparsevit.tasks.classification import ClassificationTask
from sparsevit.tasks.features import Features, FeaturesTask
from sparsevit.tasks.segments import SegmentsTask
from sparsevit.tasks.semantic import SemanticTask

NAMES = ("sky", "road", "car", "tree")
SEMANTIC = SemanticTask(NAMES, np.array([[0, 114, 178], [90, 90, 90], [255, 0, 0], [0, 99, 7]]))
INSTANCES = SegmentsTask(NAMES, SEMANTIC.palette, "instance", lambda output, size: output)
SETTINGS = Settings("net", SparsitySchedule.parse(0.5, (2,)))


def make_result(task, dense, sparse, truth=None, class_names=NAMES, things=None):
    """A result with these predictions; labels (img_h, img_w) and things as its truth."""
    pixels = np.zeros((4, 8, 3), np.uint8)
    labels = truth if truth is None else Truth(np.array(truth, np.uint8), class_names, things)
    size = dense.shape if getattr(dense, "ndim", 1) == 2 else (4, 8)
    prepared = PreparedImage(np.zeros((*size, 3), np.uint8), torch.empty(0), dense, 0, "net")
    analysis = SimpleNamespace(
        task=task,
        prepared=prepared,
        sparse=sparse,
        agreement=task.compare(dense, sparse),
    )
    return Result(Photo(pixels, "key", Path("x.png"), truth=labels), SETTINGS, analysis, (2,))


def show_maps(dense, sparse, truth=None, class_names=NAMES):
    maps = (np.array(labels, np.uint8) for labels in (dense, sparse))
    return json.loads(make_outputs(make_result(SEMANTIC, *maps, truth, class_names)))


def decode(uri):
    data = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)


def test_maps_shares_and_agreement_by_hand():
    shown = show_maps([[0, 1], [1, 1]], [[0, 2], [1, 1]])
    assert decode(shown["dense"]).tolist() == [[0, 1], [1, 1]]
    assert decode(shown["sparse"]).tolist() == [[0, 2], [1, 1]]
    assert shown["classes"][0] == {"name": "sky", "colour": "#0072b2"}
    assert shown["photo"] == "key-2x2"
    assert shown["agreement"] == 0.75
    assert shown["mean_iou"] == pytest.approx((1 + 2 / 3 + 0) / 3, abs=1e-5)
    assert shown["truth"] is None
    assert shown["accuracy"] is None
    rows = [[row["index"], row["dense"], row["sparse"], row["iou"]] for row in shown["rows"]]
    assert rows == [[1, 0.75, 0.5, 0.66667], [0, 0.25, 0.25, 1], [2, 0, 0.25, 0]]
    assert all(row["true_dense"] is None for row in shown["rows"])


def test_what_is_known_of_a_dense_output_goes_when_its_picture_goes():
    labels = np.zeros((2, 2), np.uint8)
    result = make_result(SEMANTIC, labels, labels, truth=np.zeros((4, 8)))
    first = make_outputs(result)
    side = _dense_sides[result.analysis.prepared]
    assert make_outputs(result) == first
    assert _dense_sides[result.analysis.prepared] is side
    del result
    gc.collect()
    assert all(kept is not side for kept in _dense_sides.values())


def test_accuracy_at_the_labels_resolution_without_unknown_pixels():
    truth = [[0, 0, 1, 3], [0, 1, 1, 4], [1, 1, 1, 255], [1, 1, 1, 9]]  # 4 is void
    shown = show_maps([[0, 1], [1, 1]], [[0, 0], [1, 1]], truth)
    known = np.array(truth) < 4
    assert (decode(shown["truth"]) == np.where(known, truth, UNKNOWN)).all()
    # Dense, 13 known pixels: wrong is the road in the upper left quarter and the tree.
    assert shown["accuracy"]["dense"]["pixel_accuracy"] == pytest.approx(11 / 13, abs=1e-5)
    assert shown["accuracy"]["dense"]["miou"] == pytest.approx((3 / 4 + 8 / 10 + 0) / 3, abs=1e-5)
    # Sparse also takes the upper right quarter for sky: two roads and the tree.
    assert shown["accuracy"]["sparse"]["pixel_accuracy"] == pytest.approx(9 / 13, abs=1e-5)
    assert shown["accuracy"]["sparse"]["miou"] == pytest.approx((3 / 7 + 6 / 9 + 0) / 3, abs=1e-5)
    sky = next(row for row in shown["rows"] if row["index"] == 0)
    assert [sky["true_dense"], sky["true_sparse"]] == [0.75, round(3 / 7, 5)]
    tree = next(row for row in shown["rows"] if row["index"] == 3)
    assert [tree["dense"], tree["iou"], tree["true_dense"]] == [0, None, 0]


def test_labels_of_no_use_are_left_out():
    dense = [[0, 1], [1, 1]]
    assert show_maps(dense, dense, [[0, 1], [1, 1]], ("a", "b", "c", "d"))["truth"] is None
    assert show_maps(dense, dense, [[255, 4], [4, 255]])["accuracy"] is None


def test_real_result_scores_as_evaluation_does(engine):
    result = engine.first
    size = tuple(2 * side for side in result.analysis.prepared.input_size)
    count = len(result.task.class_names)
    labels = np.random.default_rng(0).integers(0, count + 1, size, dtype=np.uint8)
    truth = Truth(labels, result.task.class_names)
    shown = json.loads(make_outputs(replace(result, photo=replace(result.photo, truth=truth))))
    predictions = {"dense": result.analysis.prepared.dense, "sparse": result.analysis.sparse}
    for name, predicted in predictions.items():
        assert (decode(shown[name]) == predicted).all()
        metric = make_iou_metric(count)
        metric.update(torch.tensor(predicted.repeat(2, 0).repeat(2, 1)), torch.tensor(labels))
        score = read_score(metric)
        assert shown["accuracy"][name]["miou"] == pytest.approx(score.miou, abs=1e-5)
        assert shown["accuracy"][name]["pixel_accuracy"] == pytest.approx(
            score.pixel_accuracy, abs=1e-5
        )
        assert {row["index"]: row[f"true_{name}"] for row in shown["rows"]} == pytest.approx(
            dict(enumerate(score.per_class_iou)), abs=1e-5
        )


def test_likeliest_classes_of_both_networks():
    task = ClassificationTask(("crane", "crane", "dog", "cat", "owl", "fox", "bee"))
    dense = np.array([0.3, 0.25, 0.2, 0.1, 0.08, 0.04, 0.03], np.float32)
    sparse = np.array([0.2, 0.3, 0.25, 0.1, 0.02, 0.03, 0.1], np.float32)
    shown = json.loads(make_outputs(make_result(task, dense, sparse)))
    assert shown["same_top"] is False
    assert shown["agreement"] == pytest.approx(0.83, abs=1e-5)  # 1 - (.1+.05+.05+.06+.01+.07)/2
    rows = [(row["name"], row["dense"], row["sparse"]) for row in shown["rows"]]
    assert rows == [
        ("crane", 0.3, 0.2),
        ("crane", 0.25, 0.3),
        ("dog", 0.2, 0.25),
        ("cat", 0.1, 0.1),
        ("owl", 0.08, 0.02),
        ("bee", 0.03, 0.1),
    ]
    assert json.loads(make_outputs(make_result(task, dense, dense)))["same_top"] is True


def make_segments(rows, labels):
    ids = np.array(rows, np.int32)
    return SegmentMap(ids, tuple(Segment(number, label, 0.9) for number, label in labels.items()))


def read_picture(uri):
    data = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB).astype(int)


def test_segments_matches_and_panoptic_quality_by_hand():
    # Segments by number: road, car, car (lost); road (shrunk), car, tree (new).
    dense = make_segments([[1, 1, 1, 1, 2, 2, 5, 5]] * 4, {1: 1, 2: 2, 5: 2})
    sparse = make_segments([[9, 9, 9, 0, 4, 4, 3, 3]] * 4, {9: 1, 4: 2, 3: 3})
    shown = json.loads(make_outputs(make_result(INSTANCES, dense, sparse)))
    assert shown["task"] == "instance"
    assert shown["photo"] == "key-4x8"
    assert decode(shown["dense"])[0].tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    assert decode(shown["sparse"])[0].tolist() == [0, 0, 0, UNKNOWN, 1, 1, 2, 2]
    assert shown["segments"] == {
        "dense": [
            {"class": 1, "match": 0, "iou": 0.75},
            {"class": 2, "match": 1, "iou": 1.0},
            {"class": 2, "match": None, "iou": None},
        ],
        "sparse": [
            {"class": 1, "match": 0, "iou": 0.75},
            {"class": 2, "match": 1, "iou": 1.0},
            {"class": 3, "match": None, "iou": None},
        ],
    }
    keys = ("index", "dense", "sparse", "matched", "quality")
    rows = [tuple(row[key] for key in keys) for row in shown["rows"]]
    assert rows == [(1, 1, 1, 1, 0.75), (2, 2, 1, 1, round(1 / 1.5, 5)), (3, 0, 1, 0, 0.0)]
    assert shown["agreement"] == pytest.approx((0.75 + 1 / 1.5 + 0) / 3, abs=1e-5)
    assert (shown["matched"], shown["counts"]) == (2, {"dense": 3, "sparse": 3})
    assert shown["matched_iou"] == pytest.approx(0.875)


def test_names_stand_where_their_segments_are_widest_the_largest_first():
    ids = np.repeat([[2, 2, 2, 1, 1, 1, 1, 5]] * 4, 25, axis=0).repeat(25, axis=1)
    dense = make_segments(ids, {1: 1, 2: 2, 5: 3})
    speck = ids.copy()
    speck[0, 0] = 7  # one pixel of 20,000 bears no name
    sparse = make_segments(speck, {1: 1, 2: 2, 5: 3, 7: 3})
    names = json.loads(make_outputs(make_result(INSTANCES, dense, sparse)))["names"]
    for side in ("dense", "sparse"):
        assert [name["class"] for name in names[side]] == [1, 2, 3]
        places = np.array([(name["u"], name["v"]) for name in names[side]])
        assert places[0] == pytest.approx([0.625, 0.5], abs=0.02)
        assert places[1:, 0] == pytest.approx([0.1875, 0.9375], abs=0.02)
        assert np.all((places[:, 1] > 0.1) & (places[:, 1] < 0.9))


def test_a_match_has_one_colour_in_both_drawings():
    dense = make_segments([[1, 1, 1, 1, 2, 2, 2, 2]] * 4, {1: 1, 2: 2})
    sparse = make_segments([[1, 1, 1, 1, 3, 3, 3, 3]] * 4, {1: 2, 3: 2})  # the road is a car now
    (drawn,) = json.loads(make_outputs(make_result(INSTANCES, dense, sparse)))["drawings"]
    pictures = {side: read_picture(uri) for side, uri in drawn.items()}
    assert pictures["dense"].shape == (360, 720, 3)
    corner = {side: picture[20, 20] for side, picture in pictures.items()}
    other = {side: picture[20, 700] for side, picture in pictures.items()}
    assert np.abs(other["dense"] - other["sparse"]).max() < 12
    assert np.abs(corner["dense"] - corner["sparse"]).max() > 40
    assert np.abs(corner["sparse"] - other["sparse"]).max() > 20


STREETS = SegmentsTask(
    ("Bicyclist", "Road", "Car"), np.full((3, 3), 90), "instance", lambda output, size: output
)


def make_things(ids, things):
    """Things by their kind's name and number in the map."""
    listed = (
        Thing(STREET_KINDS.names.index(kind), number, (0, 0, 1, 1), 1) for kind, number in things
    )
    return Things(STREET_KINDS.names, tuple(listed), np.array(ids, np.int32))


def test_segments_against_the_truth_by_hand():
    # At half the size of the labels: a car, a road; a car that reaches less far, a cyclist.
    dense = make_segments([[1, 1, 1, 1, 2, 2, 2, 2]] * 4, {1: 2, 2: 1})
    sparse = make_segments([[7, 7, 0, 0, 0, 0, 5, 5]] * 4, {7: 2, 5: 0})
    # True: a van of the same pixels and one more column, a cyclist and, of no class, a pedestrian.
    row = [40] * 9 + [3] * 2 + [20] * 5
    things = make_things([row] * 8, [("Cyclist", 20), ("Van", 40), ("Pedestrian", 3)])
    result = make_result(STREETS, dense, sparse, np.zeros((8, 16)), things=things)
    shown = json.loads(make_outputs(result))
    assert decode(shown["truth"]).tolist() == [[1] * 9 + [UNKNOWN] * 2 + [0] * 5] * 8
    assert shown["segments"]["truth"] == [
        {"class": 0, "dense": None, "sparse": 0.8},  # 4 columns of 5
        {"class": 2, "dense": round(8 / 9, 5), "sparse": None},  # sparse: 4 of 9
    ]
    keys = ("index", "dense", "sparse", "true", "true_dense", "true_sparse", "quality")
    rows = [tuple(row[key] for key in keys) for row in shown["rows"]]
    assert sorted(rows) == [(0, 0, 1, 1, 0, 1, 0), (1, 1, 0, 0, 0, 0, 0), (2, 1, 1, 1, 1, 0, 0.5)]
    assert shown["accuracy"] == {
        "dense": {"found": 1, "miou": round(8 / 9, 5)},
        "sparse": {"found": 1, "miou": 0.8},
    }
    assert shown["counts"]["truth"] == 2
    assert [name["class"] for name in shown["names"]["truth"]] == [2, 0]
    drawn = {side: read_picture(uri) for side, uri in shown["drawings"][0].items()}
    car = drawn["dense"][180, 100]
    assert np.abs(drawn["truth"][180, 100] - car).max() < 12  # what dense finds has its colour
    assert drawn["truth"][180, 405].max() < 12  # the pedestrian: the photo


def test_things_that_tell_no_pixels_or_no_known_class_are_no_truth():
    nothing = make_segments([[0] * 8] * 4, {})
    for task, ids, kind in ((STREETS, None, "Car"), (INSTANCES, [[1] * 8] * 4, "Pedestrian")):
        things = replace(make_things([[1] * 8] * 4, [(kind, 1)]), ids=ids and np.array(ids))
        result = make_result(task, nothing, nothing, np.zeros((4, 8)), things=things)
        shown = json.loads(make_outputs(result))
        assert (shown["truth"], shown["accuracy"], shown["rows"]) == (None, None, [])
    none = make_things([[0] * 8] * 4, [])
    result = make_result(STREETS, nothing, nothing, np.zeros((4, 8)), things=none)
    shown = json.loads(make_outputs(result))
    assert (shown["counts"]["truth"], shown["accuracy"]["dense"]["miou"]) == (0, None)


def test_no_segments_at_all():
    nothing = make_segments([[0] * 8] * 4, {})
    shown = json.loads(make_outputs(make_result(INSTANCES, nothing, nothing)))
    assert (decode(shown["dense"]) == UNKNOWN).all()
    assert (shown["agreement"], shown["rows"], shown["matched"]) == (1.0, [], 0)


def test_features_have_a_row_and_drawings_for_each_stage():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(6, 2, 4)), np.ones((3, 1, 2))
    turned = second * np.array([1.0, -1.0])  # the right place points the other way
    dense, sparse = (
        Features(tuple(m.astype(np.float32) for m in maps), (4, 8))
        for maps in ((first, second), (2 * first, turned))
    )
    shown = json.loads(
        make_outputs(make_result(FeaturesTask(lambda output: output), dense, sparse))
    )
    assert shown["rows"] == [
        {"index": 0, "grid": [2, 4], "channels": 6, "cosine": 1.0},
        {"index": 1, "grid": [1, 2], "channels": 3, "cosine": 0.0},
    ]
    assert shown["agreement"] == 0.5
    assert [stage["name"] for stage in shown["classes"]] == ["Stage 1", "Stage 2"]
    mean, one, two = (read_picture(drawn["sparse"]) for drawn in shown["drawings"])
    assert np.abs(one[180, 20] - one[180, 700]).max() < 12  # cosine 1 everywhere
    assert np.abs(two[180, 20] - one[180, 20]).max() < 12
    blue = two[180, 700]
    assert blue[2] > blue[0]
    assert mean[180, 700].tolist() != one[180, 700].tolist()


def test_another_kind_of_task_is_refused():
    with pytest.raises(TypeError, match="boxes"):
        make_outputs(SimpleNamespace(task=SimpleNamespace(name="boxes")))
