"""Accuracy against the truth: by hand, against slow oracles, and what a result holds."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from math import isnan

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sparsevit import is_sparse, sparsify
from sparsevit.data.classes import name_classes
from sparsevit.data.labelled import DataError, Sample
from sparsevit.data.pictures import DataWarning
from sparsevit.data.transforms import resize_image
from sparsevit.evaluation import (
    add_latency,
    evaluate,
    evaluate_sizes,
    make_iou_metric,
    read_score,
    timing,
    wrap_segmenter,
)
from sparsevit.measure.latency import LatencyStats
from sparsevit.networks.segmenter import Segmenter, SegmenterConfig
from sparsevit.schedule import SparsitySchedule

CLASSES = ("sky", "road", "car")
VOID = 3
MODEL = SegmenterConfig(
    class_names=CLASSES,
    palette=((0, 0, 255), (90, 90, 90), (255, 0, 0)),
    embed_dim=16,
    depths=(2, 2, 2, 2),
    num_heads=(1, 2, 4, 8),
    window_size=4,
    head_dim=16,
)


class Pictures:
    """Labelled pictures in memory; remembers which were read."""

    classes = name_classes(CLASSES)
    class_names = (*CLASSES, "Void")

    def __init__(self, *labels: np.ndarray) -> None:
        self.names = [str(number) for number in range(len(labels))]
        self.read: list[int] = []
        self._labels = labels

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> Sample:
        self.read.append(index)
        labels = self._labels[index]
        rng = np.random.default_rng(index)
        image = rng.integers(0, 255, (*labels.shape, 3), dtype=np.uint8)
        return Sample(image, labels, self.names[index])


def make_labels(height: int = 96, width: int = 128) -> np.ndarray:
    """Half sky, then road, and a twelfth of void at the bottom."""
    labels = np.zeros((height, width), dtype=np.uint8)
    labels[height // 2 :] = 1
    labels[-height // 12 :] = VOID
    return labels


class PaintsHalves(Segmenter):
    """Says sky on the left half of a picture and road on the right, whatever it sees."""

    seen: list[tuple[int, int]] = []  # noqa: RUF012 - shared with the copies on purpose

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append((images.shape[2], images.shape[3]))
        logits = torch.zeros(1, 3, images.shape[2] // 4, images.shape[3] // 4)
        half = logits.shape[3] // 2
        logits[:, 0, :, :half] = 1
        logits[:, 1, :, half:] = 1
        return logits


@pytest.fixture
def halves() -> PaintsHalves:
    PaintsHalves.seen = []
    return PaintsHalves(MODEL)


@pytest.fixture(scope="module")
def network() -> Segmenter:
    """Random weights, large enough for blocks to matter and for every class to be found."""
    torch.manual_seed(1)
    model = Segmenter(MODEL).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def score_slowly(truth: np.ndarray, predicted: np.ndarray, num_classes: int):
    """IoU of every class (None where it occurs nowhere) and accuracy, by sets of pixels."""
    known = {tuple(pixel) for pixel in np.argwhere(truth < num_classes)}
    ious = []
    for index in range(num_classes):
        wanted = {pixel for pixel in known if truth[pixel] == index}
        found = {pixel for pixel in known if predicted[pixel] == index}
        ious.append(len(wanted & found) / len(wanted | found) if wanted | found else None)
    return ious, sum(truth[pixel] == predicted[pixel] for pixel in known) / len(known)


def test_score_by_hand():
    truth = torch.tensor([[0, 0, 1], [1, 1, 3]], dtype=torch.uint8)  # 3 is void
    predicted = torch.tensor([[0, 1, 1], [1, 0, 2]], dtype=torch.uint8)
    metric = make_iou_metric(3)
    metric.update(predicted, truth)
    score = read_score(metric)
    assert score.per_class_iou[:2] == pytest.approx((1 / 3, 2 / 4))
    assert isnan(score.per_class_iou[2])  # said only where the truth is void
    assert score.miou == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert score.pixel_accuracy == pytest.approx(3 / 5)


def test_score_equals_a_slow_oracle_over_several_pictures():
    rng = np.random.default_rng(0)
    truths = rng.choice([0, 1, 2, 4, 5], (3, 12, 17)).astype(np.uint8)  # 3 nowhere, 5 is void
    predictions = rng.choice([0, 1, 4], (3, 12, 17)).astype(np.uint8)  # 2 never found
    metric = make_iou_metric(5)
    for truth, predicted in zip(truths, predictions, strict=True):
        metric.update(torch.from_numpy(predicted), torch.from_numpy(truth))
    score = read_score(metric)
    ious, accuracy = score_slowly(truths, predictions, 5)
    assert ious[2:4] == [0, None]
    assert isnan(score.per_class_iou[3])
    assert [iou for iou in score.per_class_iou if not isnan(iou)] == pytest.approx(
        [iou for iou in ious if iou is not None]
    )
    assert score.miou == pytest.approx(np.mean([iou for iou in ious if iou is not None]))
    assert score.pixel_accuracy == pytest.approx(accuracy)


def test_result_by_hand(halves: PaintsHalves):
    data = Pictures(make_labels(), make_labels())
    result = evaluate(halves, data, [0, 0.5], model_name="toy", data_name="d", split="val")
    assert json.loads(json.dumps(result)) == result
    assert [result[key] for key in ("model", "data", "split", "size", "pictures")] == [
        "toy", "d", "val", "native", 2,
    ]  # fmt: skip
    dense, sparse = result["results"]
    assert (dense["schedule"], sparse["schedule"]) == ([[0.0]] * 4, [[0.5]] * 4)
    assert sparse["agreement"] == dense["agreement"] == 1
    # 96 rows: 48 sky, 40 road, 8 void; the prediction is right on half of each.
    assert dense["pixel_accuracy"] == 0.5
    assert dense["per_class_iou"]["sky"] == pytest.approx(24 / (48 + 20), abs=1e-6)
    assert dense["per_class_iou"]["road"] == pytest.approx(20 / (40 + 24), abs=1e-6)
    assert dense["per_class_iou"]["car"] is None
    assert dense["miou"] == pytest.approx((24 / 68 + 20 / 64) / 2, abs=1e-6)


def test_pixels_count_alike_in_large_and_small_pictures(halves: PaintsHalves):
    all_sky, all_road = np.zeros((64, 64), np.uint8), np.ones((64, 192), np.uint8)
    result = evaluate(halves, Pictures(all_sky, all_road), [0])["results"][0]
    # right: half of 1 unit of sky, half of 3 units of road; sky is said on 0.5 + 1.5 units
    assert result["pixel_accuracy"] == 0.5
    assert result["per_class_iou"]["sky"] == pytest.approx(0.5 / (1 + 1.5), abs=1e-6)
    assert result["per_class_iou"]["road"] == pytest.approx(1.5 / (3 + 0.5), abs=1e-6)


def test_only_void_is_refused_before_anything_runs(halves: PaintsHalves):
    void = np.full((64, 64), VOID, np.uint8)
    halves.seen.clear()
    with pytest.raises(
        DataError, match=r"every pixel of the 2 pictures looked at \(of 3\), such as"
    ):
        evaluate(halves, Pictures(void, void, make_labels(64, 64)), [0], limit=2)
    assert not halves.seen
    with pytest.warns(DataWarning, match="No pixel of the 2 pictures looked at is labelled car"):
        result = evaluate(halves, Pictures(void, make_labels(64, 64)), [0])["results"][0]
    assert result["miou"] > 0


@pytest.mark.parametrize("size", [None, 64])
def test_a_real_network_equals_a_slow_oracle(network: Segmenter, size: int | None):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, (70, 100), dtype=np.uint8)  # no multiple of 32: it is resized
    data = Pictures(labels)
    dense, sparse = evaluate(network, data, [0, 0.7], size)["results"]
    predictions = []
    for sparsity in (0, 0.7):
        model = sparsify(deepcopy(network), sparsity)
        image = resize_image(data[0].image, (64, 96))
        inputs = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
        inputs = (inputs - torch.tensor(MODEL.mean).view(3, 1, 1)) / torch.tensor(MODEL.std).view(
            3, 1, 1
        )
        with torch.no_grad():
            logits = F.interpolate(model(inputs), labels.shape, mode="bilinear")
        predictions.append(logits[0].numpy().argmax(0))
        ious, accuracy = score_slowly(labels, predictions[-1], 3)
        found = sparse if sparsity else dense
        assert list(found["per_class_iou"].values()) == pytest.approx(ious, abs=5e-4)
        assert found["pixel_accuracy"] == pytest.approx(accuracy, abs=5e-4)
    agreement = (predictions[0] == predictions[1]).mean()
    assert 0.3 < agreement < 0.95
    assert sparse["agreement"] == pytest.approx(agreement, abs=5e-4)


def test_several_sizes_read_each_picture_once_and_run_dense_once(halves: PaintsHalves):
    data = Pictures(make_labels(), make_labels(128, 96))
    reports = evaluate_sizes(
        wrap_segmenter(halves), data, [0, 0.3, 0.6, 0.6], [64, None, 2048], limit=2
    )
    assert [report["size"] for report in reports] == [64, "native", 2048]
    assert data.read == [0, 1]
    first = [(64, 96)] * 3 + [(96, 128)] * 3 + [(2048, 2720)] * 3
    assert halves.seen == first + [(width, height) for height, width in first]
    assert [len(report["results"]) for report in reports] == [4, 4, 4]
    # The halves are the same at every size, and compared at the labels' own resolution.
    assert reports[0]["results"] == reports[1]["results"] == reports[2]["results"]


def test_sizes_are_multiples_of_what_the_network_wants(halves: PaintsHalves):
    loaded = replace(wrap_segmenter(halves), multiple=80)
    (report,) = evaluate_sizes(loaded, Pictures(make_labels()), [0], [90])
    add_latency([report], loaded, np.zeros((96, 128, 3), np.uint8), rounds=1)
    assert set(halves.seen) == {(80, 160)}  # 90x120, rounded
    assert report["results"][0]["pixel_accuracy"] == 0.5


def test_the_dense_reference_is_run_even_if_not_asked_for(network: Segmenter):
    data = Pictures(make_labels())
    (alone,) = evaluate(network, data, [0.7])["results"]
    assert alone == evaluate(network, data, [0, 0.7])["results"][1]


def test_limit_spreads_over_the_data(halves: PaintsHalves):
    data = Pictures(*[make_labels()] * 10)
    seen: list[tuple[int, int]] = []
    result = evaluate(halves, data, [0], 64, limit=4, report=lambda *state: seen.append(state))
    assert result["pictures"] == 4
    assert sorted(data.read) == [0, 2, 5, 7]
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert evaluate(halves, data, [0], 64, limit=99)["pictures"] == 10


def test_a_broken_picture_ends_it(halves: PaintsHalves):
    class Broken(Pictures):
        def __getitem__(self, index: int) -> Sample:
            if index == 7:
                raise DataError("The picture 7 cannot be decoded.")
            return super().__getitem__(index)

    with pytest.raises(DataError, match="picture 7"):
        evaluate(halves, Broken(*[make_labels()] * 20), [0], 64)


def test_the_network_stays_as_it_was(network: Segmenter):
    model = deepcopy(network).train()
    data = Pictures(make_labels())
    report = evaluate(model, data, [0.7], 64)
    assert 0 <= report["results"][0]["agreement"] <= 1
    assert model.training
    assert not is_sparse(model)
    loaded = wrap_segmenter(network)
    loaded.module.sparsity = 0.3
    reports = evaluate_sizes(loaded, data, [0.7], [64])
    add_latency(reports, loaded, data[0].image, rounds=1)
    assert loaded.module.sparsity == SparsitySchedule.parse(0.3, loaded.depths)


def test_other_classes_are_named():
    model = Segmenter(replace(MODEL, class_names=("x", "y"), palette=MODEL.palette[:2]))
    with pytest.raises(DataError, match=r"data \(sky, road, car\).*network \(x, y\)"):
        evaluate(model, Pictures(make_labels()), [0])


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was timed, in order; each forward is run once and takes 1, 2, 3, ... seconds."""
    names: list[str] = []

    def time_in_turn(runs, repeats, device, on_round):
        for run in runs.values():
            run()
        on_round(repeats)
        names.extend(runs)
        return {name: LatencyStats((1e3 * i,) * repeats) for i, name in enumerate(runs, start=1)}

    monkeypatch.setattr(timing, "time_interleaved", time_in_turn)
    return names


def test_latency_is_taken_in_one_go_and_dense_is_the_fastest_form(
    network: Segmenter, timed: list[str]
):
    data, loaded = Pictures(make_labels()), wrap_segmenter(network)
    reports = evaluate_sizes(loaded, data, [0, 0.5, 0.7], [None, 64])
    rounds: list[int] = []
    large, small = add_latency(reports, loaded, data[0].image, 3, rounds.append)
    assert rounds == [3]
    assert len(timed) == 2 * (3 + 2)  # dense three ways and two schedules, at two sizes
    assert [row["latency_ms"] for row in large["results"]] == [1000, 4000, 5000]
    assert [row["latency_ms"] for row in small["results"]] == [6000, 9000, 10000]
    block = large["device"]
    assert block["dense_form"] == timed[0].partition(" ")[2]
    assert (block["dtype"], block["batch"], block["rounds"]) == ("float32", 1, 3)
    assert block["threads"] == torch.get_num_threads()
    assert block["device"]
    assert "device" not in reports[0]
    assert "latency_ms" not in reports[0]["results"][0]
    assert json.loads(json.dumps(large)) == large


def test_latency_without_dense_times_no_dense(network: Segmenter, timed: list[str]):
    data = Pictures(make_labels())
    loaded = wrap_segmenter(network)
    (report,) = add_latency([evaluate(network, data, [0.5])], loaded, data[0].image, 1, id)
    assert len(timed) == 1
    assert "dense_form" not in report["device"]
