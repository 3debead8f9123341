"""Average precision of masks as runs: against torchmetrics, and on drawn scenes."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from eval_support import INSTANCE, make_map
from pycocotools import mask as coder
from torchmetrics.detection import MeanAveragePrecision

from sparsevit.data.coco import InstancePhoto
from sparsevit.data.kinds import KindList
from sparsevit.data.labelled import DataError, Sample
from sparsevit.data.segment_map import SegmentMap
from sparsevit.data.things import Thing, Things
from sparsevit.evaluation.scorer import MIN_PIXELS
from sparsevit.evaluation.segment_scorers import InstanceScorer, encode_ids

IMAGE = np.zeros((1, 1, 3), np.uint8)
#: Of two kinds of things the pixels are of the class "car".
KINDS = KindList(("car", "bus", "post"), (2, 2, 1))


def test_runs_of_ids_are_those_of_their_masks() -> None:
    random = np.random.default_rng(0)
    ids = random.integers(0, 5, (7, 11)).repeat(3, 0).repeat(2, 1).astype(np.int32)
    ids[:, -1] = 4  # runs to the end
    runs = encode_ids(ids, [4, 1, 9])
    for number, run in zip((4, 1, 9), runs, strict=True):
        mask = ids == number
        assert np.array_equal(coder.decode(run), mask)
        assert run == coder.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert encode_ids(ids, []) == []


def draw_pictures(count: int, things: int, size: tuple[int, int] = (48, 80)):
    """Photos with random blocks for things, a crowd among them, and most found a bit moved."""
    random = np.random.default_rng(things)
    pairs = []
    for _ in range(count):
        truth, found = np.zeros((2, *size), np.int32)
        labels, scores, masks = {}, {}, []
        for number in range(1, things + 1):
            y, x = (int(random.integers(0, side - 8)) for side in size)
            truth[y : y + 8, x : x + 8] = number
            y, x = y + int(random.integers(-1, 2)), x + int(random.integers(-1, 2))
            found[max(0, y) : y + 8, max(0, x) : x + 8] = number
            labels[number], scores[number] = int(random.integers(1, 3)), float(random.random())
        masks = np.stack([truth == number for number in labels])
        wrong = {n: 3 - label if random.random() < 0.2 else label for n, label in labels.items()}
        crowds = np.arange(things) == 0
        photo = InstancePhoto(IMAGE, "x", masks, np.array(list(labels.values())), crowds)
        pairs.append((photo, make_map(found, wrong, scores).drop_hidden()))
    return pairs


@pytest.mark.parametrize(("count", "things"), [(3, 6), (1, 150)])
def test_ap_is_that_of_torchmetrics(count: int, things: int) -> None:
    scorer = InstanceScorer(INSTANCE)
    metric = MeanAveragePrecision(
        iou_type="segm",
        # Its own are in single precision, and a recall of just 0.2 is then below 0.2.
        iou_thresholds=np.linspace(0.5, 0.95, 10).tolist(),
        rec_thresholds=np.linspace(0, 1, 101).tolist(),
        class_metrics=True,
    )
    metric.warn_on_many_detections = False
    for photo, found in draw_pictures(count, things):
        scorer.add(photo, found, found)
        segments = found.segments
        metric.update(
            [
                {
                    "masks": torch.from_numpy(np.stack([found.ids == s.id for s in segments])),
                    "scores": torch.tensor([s.score for s in segments]),
                    "labels": torch.tensor([s.label for s in segments]),
                }
            ],
            [
                {
                    "masks": torch.from_numpy(photo.masks),
                    "labels": torch.from_numpy(photo.labels),
                    "iscrowd": torch.from_numpy(photo.are_crowds).long(),
                }
            ],
        )
    result, expected = scorer.summarise(), metric.compute()
    assert result["ap"] == pytest.approx(float(expected["map"]), abs=1e-6)
    assert result["ap50"] == pytest.approx(float(expected["map_50"]), abs=1e-6)
    assert result["ap75"] == pytest.approx(float(expected["map_75"]), abs=1e-6)
    nothing, *by_class = result["per_class_ap"].values()
    assert nothing is None
    assert by_class == pytest.approx(expected["map_per_class"].tolist(), abs=1e-6)
    assert 0 < result["ap"] < result["ap50"] < 1


def make_scene(ids: np.ndarray, labels: Sequence[int]) -> Sample:
    things = [
        Thing(label, number, (0, 0, 1, 1), int((ids == number).sum()))
        for number, label in enumerate(labels, start=1)
    ]
    told = Things(KINDS.names, tuple(things), ids)
    return Sample(np.zeros((*ids.shape, 3), np.uint8), np.zeros(ids.shape, np.uint8), "x", told)


def score(sample: Sample, found: SegmentMap) -> dict:
    scorer = InstanceScorer(INSTANCE, KINDS)
    scorer.add(sample, found, found)
    return scorer.summarise()


def test_things_of_drawn_scenes_have_the_classes_of_their_kinds() -> None:
    ids = np.zeros((20, 60), np.int32)
    ids[:, :10], ids[:, 20:30], ids[:, 40:50] = 1, 2, 3
    sample = make_scene(ids, (0, 1, 2))  # a car, a bus, a post
    result = score(sample, make_map(ids, {1: 2, 2: 2, 3: 1}))
    assert result["per_class_ap"] == {"sky": None, "road": 1, "car": 1}
    lost = score(sample, make_map(np.where(ids == 2, 0, ids), {1: 2, 3: 1}))
    assert lost["per_class_ap"]["car"] == pytest.approx(51 / 101)  # at recalls 0, 0.01 ... 0.5
    assert score(sample, make_map(np.zeros_like(ids), {}))["ap"] == 0


def test_what_hardly_shows_is_neither_missed_nor_wrong() -> None:
    ids = np.zeros((20, 60), np.int32)
    ids[:, :10], ids[:, 40:45] = 1, 2
    assert (ids == 2).sum() == MIN_PIXELS
    for hidden, expected in ((False, 51 / 101), (True, 1)):
        ids[0, 44] = 0 if hidden else 2
        sample = make_scene(ids, (0, 0))
        assert score(sample, make_map(ids == 1, {1: 2}))["ap"] == pytest.approx(expected)
        assert score(sample, make_map(ids, {1: 2, 2: 2}, {2: 1.0}))["ap"] == 1
    nothing = score(make_scene((ids == 2).astype(np.int32), (0,)), make_map(ids, {1: 2, 2: 2}))
    assert (nothing["ap"], nothing["ap50"], nothing["per_class_ap"]["car"]) == (None, None, None)


def test_things_without_pixels_are_one_sentence() -> None:
    ids = np.zeros((20, 60), np.int32)
    untold = Sample(IMAGE, IMAGE[..., 0], "x", Things(KINDS.names, ()))
    with pytest.raises(DataError, match="Nothing tells which pixels of x are of which thing"):
        score(untold, make_map(ids, {}))
