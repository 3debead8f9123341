"""What predictions are worth for each task: by hand, and against slow or other people's code."""

from math import log

import numpy as np
import pytest
import torch
from eval_support import INSTANCE, NAMES, PANOPTIC, make_map
from torchmetrics.functional.detection import panoptic_quality

from sparsevit.data.coco import InstancePhoto, PanopticPhoto
from sparsevit.data.photos import ClassPhoto, Photo
from sparsevit.data.segment_map import SegmentMap
from sparsevit.evaluation.scorer import AgreementScorer
from sparsevit.evaluation.scorers import ClassificationScorer
from sparsevit.evaluation.segment_scorers import InstanceScorer, PanopticScorer
from sparsevit.tasks.classification import ClassificationTask
from sparsevit.tasks.features import Features, FeaturesTask

IMAGE = np.zeros((1, 1, 3), np.uint8)


def test_classification_by_hand() -> None:
    task = ClassificationTask(tuple("abcdefg"))
    scorer = ClassificationScorer(task)
    even = np.full(7, 1 / 7, np.float32)
    sure = np.array([0.4, 0.2, 0.1, 0.1, 0.1, 0.06, 0.04], np.float32)
    moved = np.array([0.2, 0.4, 0.1, 0.1, 0.1, 0.06, 0.04], np.float32)
    for truth, dense, sparse in (
        (0, sure, sure),
        (1, sure, sure),
        (1, sure, moved),
        (6, sure, sure),
    ):
        scorer.add(ClassPhoto(IMAGE, "x", truth), dense, sparse)
    found = scorer.summarise()
    assert found["top1_accuracy"] == 0.5  # the first and the third
    assert found["top5_accuracy"] == 0.75  # of the last, class 6 is the least likely
    assert found["top1_agreement"] == 0.75
    assert found["agreement"] == pytest.approx((3 + 0.8) / 4, abs=1e-6)
    assert found["kl"] == pytest.approx((0.4 * log(2) + 0.2 * log(0.5)) / 4, abs=1e-6)
    assert task.compare(even, even)["kl"] == 0


def test_two_classes_have_no_top_five() -> None:
    scorer = ClassificationScorer(ClassificationTask(("cat", "dog")))
    chances = np.array([0.3, 0.7], np.float32)
    scorer.add(ClassPhoto(IMAGE, "x", 0), chances, chances)
    assert (scorer.summarise()["top1_accuracy"], scorer.summarise()["top5_accuracy"]) == (0, 1)


def test_features_are_averaged_over_pictures() -> None:
    scorer = AgreementScorer(FeaturesTask(tuple))
    one = Features((np.array([[[1.0]], [[0.0]]], np.float32),), (8, 8))
    other = Features((np.array([[[0.0]], [[1.0]]], np.float32),), (8, 8))
    for sparse in (one, one, other, one):
        scorer.add(Photo(IMAGE, "x"), one, sparse)
    assert scorer.summarise() == {"agreement": 0.75, "stage1": 0.75}


TRUTH = make_map(
    [
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 2, 2],
        [3, 3, 3, 0, 2, 2],
    ],
    {1: 1, 2: 2, 3: 2},
)
FOUND = make_map(
    [
        [7, 7, 7, 7, 7, 0],
        [7, 7, 7, 0, 4, 4],
        [5, 0, 0, 0, 4, 4],
    ],
    {7: 1, 4: 2, 5: 2},
)


def score_panoptic(truth: SegmentMap, found: SegmentMap, crowds: tuple[int, ...] = ()) -> dict:
    scorer = PanopticScorer(PANOPTIC)
    scorer.add(PanopticPhoto(IMAGE, "x", truth, frozenset(crowds)), found, found)
    return scorer.summarise()


def test_panoptic_quality_by_hand() -> None:
    # Road: 7 of 8 pixels; its ninth lies on void. Cars: one whole, one lost, one wrong.
    found = score_panoptic(TRUTH, FOUND)
    assert found["per_class_pq"] == {"sky": None, "road": 0.875, "car": 0.5}
    assert found["pq"] == pytest.approx((0.875 + 0.5) / 2)
    assert found["sq"] == pytest.approx((0.875 + 1) / 2)
    assert found["rq"] == pytest.approx((1 + 0.5) / 2)
    assert found["agreement"] == 1  # the dense prediction is the sparse one


def test_a_prediction_that_leaves_pixels_out_misses_them() -> None:
    """torchmetrics would leave out what nothing is predicted for, as if the truth were void."""
    truth = make_map([[1, 1, 1, 1]], {1: 2})
    assert score_panoptic(truth, make_map([[1, 1, 1, 0]], {1: 2}))["pq"] == 0.75
    assert score_panoptic(truth, make_map([[1, 1, 0, 0]], {1: 2}))["pq"] == 0  # not above 0.5
    assert score_panoptic(truth, make_map([[0, 0, 0, 0]], {}))["pq"] == 0


def test_void_and_crowds_excuse() -> None:
    nothing = make_map([[0, 0, 0, 0]], {})
    car = make_map([[5, 5, 5, 5]], {5: 2})
    assert score_panoptic(nothing, car)["pq"] is None  # nothing is known here
    crowd = make_map([[1, 1, 1, 2]], {1: 2, 2: 1})
    assert score_panoptic(crowd, car, (1,))["per_class_pq"] == {"sky": None, "road": 0, "car": None}
    assert score_panoptic(crowd, nothing, (1,))["per_class_pq"]["car"] is None
    sky = make_map([[5, 5, 5, 5]], {5: 0})  # of another class than the crowd: wrong
    assert score_panoptic(crowd, sky, (1,))["per_class_pq"]["sky"] == 0
    half = make_map([[1, 1, 2, 2]], {1: 2, 2: 1})  # not more than half of it is excused
    assert score_panoptic(half, car, (1,))["per_class_pq"]["car"] == 0


@pytest.mark.parametrize("seed", range(4))
def test_panoptic_quality_over_pictures_is_that_of_torchmetrics(seed: int) -> None:
    """There what is not predicted is made a class of its own, so that it is not left out."""
    random = np.random.default_rng(seed)
    scorer = PanopticScorer(PANOPTIC)
    none = len(NAMES)
    pairs: list[list[torch.Tensor]] = [[], []]
    for _ in range(3):
        ids = random.integers(0, 6, (6, 8)).repeat(5, 0).repeat(5, 1)
        moved = np.where(random.random(ids.shape) < 0.2, random.integers(0, 6, ids.shape), ids)
        classes = {number: int(random.integers(0, 3)) for number in range(1, 6)}
        others = classes | {1: int(random.integers(0, 3))}
        truth, found = make_map(ids, classes), make_map(moved, others)
        scorer.add(PanopticPhoto(IMAGE, "x", truth, frozenset()), found, found)
        for pair, prediction, labels, void in (
            (pairs[0], found, others, none),
            (pairs[1], truth, classes, none + 1),
        ):
            table = np.array([void, *labels.values()])
            pair.append(torch.tensor(np.stack([table[prediction.ids], prediction.ids], -1)))
    expected = panoptic_quality(
        *(torch.stack(pair) for pair in pairs),
        things=set(range(none)),
        stuffs={none},
        return_sq_and_rq=True,
        return_per_class=True,
    )
    result = scorer.summarise()
    per_class = expected[:none].mean(dim=0).tolist()
    assert [result["pq"], result["sq"], result["rq"]] == pytest.approx(per_class, abs=1e-5)
    assert list(result["per_class_pq"].values()) == pytest.approx(
        expected[:none, 0].tolist(), abs=1e-5
    )


def make_mask(columns: slice) -> np.ndarray:
    mask = np.zeros((8, 20), bool)
    mask[:, columns] = True
    return mask


def make_instances(*things: tuple[slice, int, bool]) -> InstancePhoto:
    masks, labels, crowds = zip(*things, strict=True)
    return InstancePhoto(
        *(IMAGE, "x", np.stack([make_mask(columns) for columns in masks])),
        *(np.array(labels), np.array(crowds)),
    )


def find_instances(*things: tuple[slice, int, float]) -> SegmentMap:
    ids = np.zeros((8, 20), np.int32)
    for number, (columns, _, _) in enumerate(things, start=1):
        ids[:, columns] = number
    labels = {number: label for number, (_, label, _) in enumerate(things, start=1)}
    return make_map(ids, labels, {n: score for n, (_, _, score) in enumerate(things, start=1)})


def score_instances(*pairs: tuple[InstancePhoto, SegmentMap]) -> dict:
    scorer = InstanceScorer(INSTANCE)
    for truth, found in pairs:
        scorer.add(truth, found, found)
    return scorer.summarise()


def test_average_precision_by_hand() -> None:
    truth = make_instances((slice(0, 10), 2, False), (slice(12, 18), 1, False))
    exact = find_instances((slice(0, 10), 2, 0.9), (slice(12, 18), 1, 0.8))
    found = score_instances((truth, exact))
    assert (found["ap"], found["ap50"], found["ap75"]) == (1, 1, 1)
    assert found["per_class_ap"] == {"sky": None, "road": 1, "car": 1}
    # The car with an IoU of 0.72 counts at 0.5 to 0.7, five of ten thresholds; the road is lost.
    found = score_instances((truth, find_instances((slice(0, 7), 2, 0.9))))
    assert found["per_class_ap"]["car"] == pytest.approx(0.5)
    assert found["ap"] == pytest.approx(0.25)
    assert (found["ap50"], found["ap75"]) == (0.5, 0)


def test_a_wrong_thing_costs_by_how_sure_it_is() -> None:
    truth = make_instances((slice(0, 10), 2, False))
    for score, expected in ((0.6, 1.0), (0.95, 0.5)):  # after or before the right one
        found = find_instances((slice(0, 10), 2, 0.9), (slice(12, 18), 2, score))
        assert score_instances((truth, found))["ap"] == pytest.approx(expected)


def test_crowds_and_empty_pictures() -> None:
    crowd = make_instances((slice(0, 10), 2, False), (slice(12, 20), 2, True))
    found = find_instances((slice(0, 10), 2, 0.7), (slice(13, 16), 2, 0.9))
    assert score_instances((crowd, found))["ap"] == 1  # what lies in a crowd is not wrong
    empty = InstancePhoto(
        IMAGE, "x", np.zeros((0, 8, 20), bool), np.zeros(0, np.int64), np.zeros(0, bool)
    )
    nothing = find_instances()
    assert score_instances((empty, nothing))["ap"] is None
    assert score_instances((empty, found))["ap"] is None
    lost = score_instances((crowd, nothing))
    assert (lost["ap"], lost["per_class_ap"]) == (0, {"sky": None, "road": None, "car": 0})
    assert (
        score_instances((empty, found), (crowd, find_instances((slice(0, 10), 2, 0.95))))["ap"] == 1
    )
