"""Training and evaluation on a tiny folder."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sparsevit import SparsitySchedule, is_sparse
from sparsevit.data.batches import BatchMaker, Phase
from sparsevit.data.labelled import DataError, LabelledFolder
from sparsevit.data.streets import CLASS_NAMES, PALETTE
from sparsevit.evaluation import count_confusion, evaluate, score_confusion
from sparsevit.segmenter import Segmenter, SegmenterConfig, load_segmenter, read_info
from sparsevit.training import (
    Progress,
    TrainConfig,
    Trainer,
    TrainingError,
    segmentation_loss,
    train,
)

MODEL = SegmenterConfig(
    class_names=CLASS_NAMES[:-1],
    palette=tuple(tuple(map(int, colour)) for colour in PALETTE[:-1]),
    embed_dim=16,
    depths=(2, 2, 2, 2),
    num_heads=(1, 2, 4, 8),
    window_size=4,
    head_dim=16,
)


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    """Four pictures, sky above road, of two sequences; 8 steps, the last 3 with schedules."""
    for folder in ("images", "labels"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    labels = np.zeros((96, 128), dtype=np.uint8)
    labels[48:] = 3
    labels[-8:] = 11
    for stem in ("a_1", "a_2", "b_1", "b_2"):
        image = cv2.applyColorMap(labels * 60, cv2.COLORMAP_JET)
        cv2.imwrite(str(tmp_path / "data" / "images" / f"{stem}.png"), image)
        cv2.imwrite(str(tmp_path / "data" / "labels" / f"{stem}.png"), labels)
    return TrainConfig(
        output=tmp_path / "run",
        data=((str(tmp_path / "data"), 1.0),),
        holdout=("b",),
        steps=8,
        model=MODEL,
        phases=(Phase(0.5, 4, (32, 32), (0.5, 1.0)), Phase(1.0, 2, (64, 64), (0.5, 1.0))),
        warmup=0.1,
        adaptation=0.4,
        learning_rate=3e-3,
    )


class StoppingAt:
    """Remembers what is reported, and presses Ctrl-C after a step."""

    def __init__(self, step: int | None = None) -> None:
        self.step = step
        self.seen: list[Progress] = []

    def __call__(self, progress: Progress) -> None:
        self.seen.append(progress)
        if progress.step == self.step:
            raise KeyboardInterrupt


def test_loss_falls(config: TrainConfig) -> None:
    report = StoppingAt()
    path = train(replace(config, steps=12), report, show_bar=False)
    assert report.seen[4].loss < report.seen[0].loss
    assert report.seen[-1].loss < 0.8 * report.seen[0].loss
    assert report.seen[-1].fraction == 1
    assert load_segmenter(path).config == MODEL
    assert read_info(path)["steps"] == "12"


def test_schedules_are_random_in_the_last_part_only(config: TrainConfig) -> None:
    report = StoppingAt()
    train(replace(config, steps=10), report, show_bar=False)
    dense = [progress.schedule.is_dense for progress in report.seen]
    assert all(dense[:6])
    adapted = [progress.schedule for progress in report.seen[6:]]
    assert len(set(adapted)) == len(adapted)
    for schedule in adapted:
        schedule.check_linked()


def test_interrupted_run_goes_on_where_it_stopped(config: TrainConfig, tmp_path: Path) -> None:
    straight, first, second = StoppingAt(), StoppingAt(6), StoppingAt()
    whole = load_segmenter(train(config, straight, show_bar=False))
    halted = replace(config, output=tmp_path / "halted")
    train(halted, first, show_bar=False)
    state = torch.load(halted.output / "state.pt", weights_only=True)
    assert state["step"] == 6
    resumed = load_segmenter(train(halted, second, show_bar=False))
    assert [p.step for p in first.seen + second.seen] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert second.seen[0].elapsed_s > state["elapsed_s"] >= first.seen[-1].elapsed_s
    losses = [p.loss for p in first.seen + second.seen]
    assert losses == pytest.approx([p.loss for p in straight.seen], rel=1e-4)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(value, resumed.state_dict()[name], rtol=2e-3, atol=2e-3)


def test_finished_run_has_nothing_left_to_do(config: TrainConfig) -> None:
    report = StoppingAt()
    train(config, show_bar=False)
    assert train(config, report, show_bar=False).is_file()
    assert report.seen == []


def test_state_of_another_run_is_refused(config: TrainConfig) -> None:
    train(replace(config, steps=1), show_bar=False)
    with pytest.raises(TrainingError, match="other settings"):
        train(config, show_bar=False)
    (config.output / "state.pt").write_bytes(b"rubbish")
    with pytest.raises(TrainingError, match="delete it"):
        train(config, show_bar=False)


def test_clock_drives_the_run(config: TrainConfig) -> None:
    now = [100.0]
    trainer = Trainer(replace(config, steps=None, minutes=2), clock=lambda: now[0])
    assert trainer.fraction == 0
    now[0] += 90
    progress = trainer.run_step()
    assert (progress.fraction, progress.elapsed_s) == (0.75, 90)
    assert not progress.schedule.is_dense
    assert is_sparse(trainer.model)
    now[0] += 60
    assert trainer.fraction == 1
    trainer.batches.close()


def test_loss_that_is_not_a_number_keeps_the_last_state(config: TrainConfig) -> None:
    train(config, StoppingAt(2), show_bar=False)
    before = (config.output / "state.pt").read_bytes()
    trainer = Trainer(config)
    with torch.no_grad():
        trainer.model.classifier.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"not a number at step 2"):
        trainer.run_step()
    trainer.batches.close()
    assert (config.output / "state.pt").read_bytes() == before


def test_holdout_never_leaks(config: TrainConfig) -> None:
    trainer = Trainer(config)
    trainer.batches.close()
    assert trainer.batches.names == ["a_1", "a_2"]


def test_log_has_a_line_every_twenty_steps(config: TrainConfig) -> None:
    train(replace(config, steps=20), show_bar=False)
    with (config.output / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["20"]
    assert SparsitySchedule.parse(rows[0]["schedule"], MODEL.depths)


def test_decay_spares_norms_biases_and_position_tables(config: TrainConfig) -> None:
    trainer = Trainer(config)
    trainer.batches.close()
    decayed, plain = trainer.optimizer.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.05, 0.0)
    spared = {id(parameter) for parameter in plain["params"]}
    for name, parameter in trainer.model.named_parameters():
        is_table = name.endswith("relative_position_bias_table")
        assert (id(parameter) in spared) == (parameter.ndim == 1 or is_table), name


@pytest.mark.parametrize(
    "changes",
    [
        {"minutes": 0},
        {"steps": 0},
        {"data": ()},
        {"data": (("x", 0.0),)},
        {"phases": ()},
        {"phases": (Phase(1.0, 4, (30, 32), (0.5, 1.0)),)},
        {"phases": (Phase(1.0, 0, (32, 32), (0.5, 1.0)),)},
    ],
)
def test_impossible_settings(config: TrainConfig, changes: dict) -> None:
    with pytest.raises(TrainingError):
        replace(config, **changes)


def test_classes_must_be_the_networks(config: TrainConfig) -> None:
    other = replace(MODEL, class_names=("x", "y"), palette=MODEL.palette[:2])
    with pytest.raises(DataError, match="classes of the network"):
        train(replace(config, model=other), show_bar=False)


def test_batches_depend_on_seed_and_step_alone(config: TrainConfig) -> None:
    data = LabelledFolder(config.data[0][0])
    one, other = (BatchMaker([data], [1.0], config.phases, seed=3) for _ in range(2))
    for step, phase in [(0, 0), (1, 0), (2, 1), (3, 1)]:
        images, labels = one.get(step, phase)
    again, _ = other.get(3, 1)
    torch.testing.assert_close(again, images)
    assert images.dtype == labels.dtype == torch.uint8
    assert not torch.equal(one.get(4, 1)[0], images)
    one.close()
    other.close()


def test_rarer_classes_weigh_more(config: TrainConfig) -> None:
    data = LabelledFolder(config.data[0][0])
    maker = BatchMaker([data], [1.0], config.phases, seed=0)
    weights = maker.class_weights()
    maker.close()
    assert weights.mean().item() == pytest.approx(1)
    assert weights[0] < weights[3] < weights[5]  # half of the picture, 40/96 of it, none


def test_loss_ignores_void() -> None:
    logits = torch.randn(1, 2, 4, 4)
    labels = torch.full((1, 16, 16), 2, dtype=torch.uint8)
    assert segmentation_loss(logits, labels, torch.ones(2)).item() == 0
    labels[:, :8] = 1
    flat = torch.zeros(1, 2, 4, 4)
    assert segmentation_loss(flat, labels, torch.ones(2)).item() == pytest.approx(np.log(2))


def test_confusion_and_scores_by_hand() -> None:
    truth = np.array([[0, 0, 1], [1, 1, 3]], dtype=np.uint8)  # 3 is void
    predicted = np.array([[0, 1, 1], [1, 0, 0]], dtype=np.uint8)
    confusion = count_confusion(truth, predicted, 3)
    np.testing.assert_array_equal(confusion, [[1, 1, 0], [1, 2, 0], [0, 0, 0]])
    score = score_confusion(confusion)
    np.testing.assert_allclose(score.per_class_iou, [1 / 3, 2 / 4, np.nan])
    assert score.miou == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert score.pixel_accuracy == pytest.approx(3 / 5)
    assert np.isnan(score_confusion(np.zeros((2, 2), dtype=np.int64)).miou)


class PaintsHalves(Segmenter):
    """Says Sky on the left half of a picture and Road on the right, whatever it sees."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(1, 11, images.shape[2] // 4, images.shape[3] // 4)
        half = logits.shape[3] // 2
        logits[:, 0, :, :half] = 1
        logits[:, 3, :, half:] = 1
        return logits


def test_evaluation_by_hand(config: TrainConfig) -> None:
    data = LabelledFolder(config.data[0][0])
    result = evaluate(PaintsHalves(MODEL), data, [0, 0.5], model_name="toy", split="all")
    assert json.loads(json.dumps(result)) == result
    assert (result["model"], result["size"], result["pictures"]) == ("toy", "native", 4)
    dense, sparse = result["results"]
    assert dense["schedule"] == [[0.0]] * 4
    assert sparse["agreement"] == dense["agreement"] == 1
    # 96 rows: 48 sky, 40 road, 8 void; the prediction is right on half of each.
    assert dense["pixel_accuracy"] == pytest.approx(0.5)
    assert dense["per_class_iou"]["Sky"] == pytest.approx(24 / (48 + 20))
    assert dense["per_class_iou"]["Road"] == pytest.approx(20 / (40 + 24))
    assert dense["per_class_iou"]["Car"] is None


def test_evaluation_leaves_the_network_as_it_was(config: TrainConfig) -> None:
    model = Segmenter(MODEL).train()
    seen: list[tuple[int, int]] = []
    data = LabelledFolder(config.data[0][0])
    result = evaluate(
        model, data, [0.7], 64, limit=2, report=lambda done, count: seen.append((done, count))
    )
    assert result["size"] == 64
    assert seen == [(1, 2), (2, 2)]
    assert 0 <= result["results"][0]["agreement"] <= 1
    assert model.training
    assert not is_sparse(model)


def test_evaluation_needs_the_same_classes(config: TrainConfig) -> None:
    model = Segmenter(replace(MODEL, class_names=("x", "y"), palette=MODEL.palette[:2]))
    with pytest.raises(DataError, match="classes of the network"):
        evaluate(model, LabelledFolder(config.data[0][0]), [0])
