"""Agreement by hand-computed examples."""

import numpy as np
import pytest
import torch

from sparsevit.tasks.classification import ClassificationTask
from sparsevit.tasks.semantic import SemanticTask

SEMANTIC = SemanticTask(("sky", "road", "car"), np.array([[0, 0, 255], [90, 90, 90], [255, 0, 0]]))
NAMES = ("a", "b", "c", "d", "e", "f")


def test_semantic_agreement_by_hand():
    dense = np.array([[0, 0], [1, 1]], dtype=np.uint8)
    sparse = np.array([[0, 1], [1, 1]], dtype=np.uint8)
    result = SEMANTIC.compare(dense, sparse)
    assert result["agreement"] == 0.75
    assert result["mean_iou"] == pytest.approx((1 / 2 + 2 / 3) / 2)  # no car: left out
    assert SEMANTIC.compare_classes(dense, sparse) == pytest.approx({"sky": 1 / 2, "road": 2 / 3})


def test_semantic_prediction_has_the_size_asked_for():
    logits = torch.zeros(1, 3, 4, 4)
    logits[:, 2, :, 2:] = 5.0
    labels = SEMANTIC.interpret(logits, (8, 8))
    assert labels.shape == (8, 8)
    assert labels.dtype == np.uint8
    assert (labels[:, 5:] == 2).all()
    assert (labels[:, :3] == 0).all()


def test_drawing_keeps_the_pictures_size():
    image = np.full((20, 30, 3), 100, np.uint8)
    drawn = SEMANTIC.draw(image, np.zeros((10, 15), np.uint8))
    assert drawn.shape == image.shape
    assert drawn[..., 2].mean() > drawn[..., 0].mean()  # sky is blue


def test_classification_agreement_by_hand():
    task = ClassificationTask(NAMES)
    dense = np.array([0.5, 0.3, 0.2, 0, 0, 0], np.float32)
    sparse = np.array([0.3, 0.5, 0.2, 0, 0, 0], np.float32)
    result = task.compare(dense, sparse)
    assert result["agreement"] == pytest.approx(0.8)  # 1 - (0.2 + 0.2) / 2
    assert result["top1_agreement"] == 0.0
    assert result["dense_winner_probability"] == pytest.approx(0.3)
    assert result["kl"] == pytest.approx(0.2 * np.log(5 / 3), abs=1e-5)
    assert task.compare(dense, dense)["agreement"] == 1.0
    assert task.top(dense, 2) == [("a", 0.5), ("b", pytest.approx(0.3))]


def test_classification_picture_grows_downwards_only():
    task = ClassificationTask(NAMES)
    image = np.zeros((64, 200, 3), np.uint8)
    drawn = task.draw(image, task.interpret(torch.randn(1, 6), (64, 200)))
    assert drawn.shape[1] == 200
    assert (drawn[:64] == image).all()
