"""The tab "Outputs" as data: maps, accuracy and likeliest classes, by hand-computed examples."""

import base64
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from app.records import Photo, Result, Settings, Truth
from app.views.outputs import UNKNOWN, make_outputs
from sparsevit.evaluation import make_iou_metric, read_score
from sparsevit.schedule import SparsitySchedule
from sparsevit.tasks.classification import ClassificationTask
from sparsevit.tasks.semantic import SemanticTask

NAMES = ("sky", "road", "car", "tree")
SEMANTIC = SemanticTask(NAMES, np.array([[0, 114, 178], [90, 90, 90], [255, 0, 0], [0, 99, 7]]))
SETTINGS = Settings("net", SparsitySchedule.parse(0.5, (2,)))


def make_result(task, dense, sparse, truth=None, class_names=NAMES):
    """A result with these predictions; labels (img_h, img_w) as its truth."""
    pixels = np.zeros((4, 8, 3), np.uint8)
    labels = truth if truth is None else Truth(np.array(truth, np.uint8), class_names)
    prepared = SimpleNamespace(dense=dense, input_size=dense.shape if dense.ndim == 2 else (4, 8))
    analysis = SimpleNamespace(
        prepared=prepared, sparse=sparse, agreement=task.compare(dense, sparse)
    )
    return Result(Photo(pixels, "key", Path("x.png"), truth=labels), SETTINGS, analysis, task, (2,))


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


def test_another_kind_of_task_is_refused():
    with pytest.raises(TypeError, match="boxes"):
        make_outputs(SimpleNamespace(task=SimpleNamespace(name="boxes")))
