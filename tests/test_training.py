"""Training on a tiny folder: phases, schedules, loss, optimiser, measurement, log."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_support import MODEL, Recorder, make_config, read_log

from sparsevit import ScheduleError, SparsitySchedule, is_sparse
from sparsevit.data.batches import Phase
from sparsevit.data.labelled import DataError
from sparsevit.evaluation import evaluate
from sparsevit.networks.segmenter import (
    Segmenter,
    load_segmenter,
    read_info,
    save_segmenter,
)
from sparsevit.training import (
    Progress,
    TrainConfig,
    Trainer,
    TrainingError,
    make_phases,
    nano_config,
    train,
)
from sparsevit.training.config import LOSSES
from sparsevit.training.optimisation import MovingAverage, build_optimizers
from sparsevit.training.validation import Validator, find_validation


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return make_config(tmp_path)


def test_loss_falls(config: TrainConfig) -> None:
    report = Recorder()
    path = train(replace(config, steps=12), report, show_bar=False)
    assert report.seen[4].loss < report.seen[0].loss
    assert report.seen[-1].loss < 0.8 * report.seen[0].loss
    assert report.seen[-1].fraction == 1
    assert load_segmenter(path).config == MODEL
    info = read_info(path)
    assert (info["steps"], info["data"]) == ("12", "data=1")


def test_dense_then_random_schedules_then_the_one_given(config: TrainConfig) -> None:
    report = Recorder()
    last = SparsitySchedule.parse([0.5, 0, 0.25, 0], MODEL.depths)
    train(
        replace(config, steps=10, finetune_schedule=last, finetune=0.2, adaptation=0.3),
        report,
        show_bar=False,
    )
    schedules = [progress.schedule for progress in report.seen]
    assert all(schedule.is_dense for schedule in schedules[:5])
    adapted = schedules[5:8]
    assert len(set(adapted)) == 3
    for schedule in adapted:
        schedule.check_linked()
    assert schedules[8:] == [last, last]


@pytest.mark.parametrize(("adaptation", "finetune"), [(0.3, 0.1), (0.1, 0.2), (1.0, 0.0)])
def test_parts_begin_where_sums_of_shares_say(
    config: TrainConfig, adaptation: float, finetune: float
) -> None:
    """0.1 + 0.2 is not 0.3 in binary, but step 7 of 10 is the first of the last three tenths."""
    last = SparsitySchedule.parse(0.5, MODEL.depths)
    parts = replace(config, adaptation=adaptation, finetune=finetune, finetune_schedule=last)
    found = [parts.find_part(step / 10) for step in range(10)]
    counts = [found.count(part) for part in ("dense", "adaptation", "finetune")]
    tenths = [round(10 * share) for share in (1 - adaptation - finetune, adaptation, finetune)]
    assert counts == tenths
    assert found == sorted(found, key=("dense", "adaptation", "finetune").index)


def test_schedule_that_cannot_be_run_is_refused(config: TrainConfig) -> None:
    wrong = SparsitySchedule(((0.5,), (0.0,)))
    with pytest.raises(ScheduleError, match="2 stages"):
        Trainer(replace(config, finetune_schedule=wrong))


def test_clock_drives_the_run(config: TrainConfig) -> None:
    now = [100.0]
    trainer = Trainer(replace(config, steps=None, minutes=2), clock=lambda: now[0])
    assert trainer.sync_progress() == (0, False)
    assert trainer.sync_progress(wants_to_stop=True) == (0, True)
    now[0] += 90
    progress = trainer.run_step(trainer.sync_progress()[0])
    assert (progress.fraction, progress.elapsed_s) == (0.75, 90)
    assert not progress.schedule.is_dense
    assert is_sparse(trainer.model)
    now[0] += 60
    assert trainer.sync_progress()[0] == 1
    assert not trainer.is_save_due()
    now[0] += 60
    assert trainer.is_save_due()
    trainer.close()


def test_small_crops_first_and_a_wide_range_of_scales_later() -> None:
    first, later = make_phases(320, 6)
    assert (first.size, first.batch_size) == ((320, 320), 6)
    assert (later.size, later.batch_size) == ((480, 480), 3)
    assert first.scales == later.scales == (0.5, 2.5)
    assert [phase.size for phase in make_phases(32, 1)] == [(32, 32), (64, 64)]
    config = TrainConfig(Path("x"), (("y", 1.0),), phases=(first, later))
    assert [config.find_phase(f) for f in (0, 0.49, 0.5, 1)] == [0, 0, 1, 1]


def test_norms_keep_their_statistics_where_a_step_has_one_picture(
    config: TrainConfig, tmp_path: Path
) -> None:
    start = tmp_path / "start.safetensors"
    trained = Segmenter(MODEL)
    for name, count in trained.named_buffers():
        if name.endswith("num_batches_tracked"):
            count.fill_(200)
    save_segmenter(trained, start)
    single = (Phase(1.0, 1, (64, 64), (1.0, 1.0)),)
    cases = [(start, single, True), (None, single, False), (start, config.phases, False)]
    for index, (begin, phases, is_kept) in enumerate(cases):
        run = replace(config, start=begin, phases=phases, output=tmp_path / str(index), steps=1)
        trainer = Trainer(run)
        before = {name: value.clone() for name, value in trainer.model.named_buffers()}
        trainer.run_step(0.0)
        trainer.close()
        changed = {n for n, value in trainer.model.named_buffers() if not value.equal(before[n])}
        assert any(name.endswith("running_mean") for name in before)
        assert any(name.endswith("running_mean") for name in changed) is not is_kept
        assert trainer.model.training


def test_bfloat16_trains(config: TrainConfig) -> None:
    report = Recorder()
    path = train(replace(config, steps=12, precision="bf16"), report, show_bar=False)
    assert report.seen[-1].loss < 0.8 * report.seen[0].loss
    exact = Recorder()
    train(replace(config, steps=1, output=config.output / "fp32"), exact, show_bar=False)
    assert report.seen[0].loss == pytest.approx(exact.seen[0].loss, rel=0.02)
    assert report.seen[0].loss != exact.seen[0].loss
    assert load_segmenter(path).config == MODEL


def test_miou_is_measured_on_pictures_not_trained_on(config: TrainConfig) -> None:
    report = Recorder()
    path = train(replace(config, validate=0.5), report, show_bar=False)
    mious = [progress.accuracy for progress in report.seen]
    assert [index for index, miou in enumerate(mious) if miou is not None][-1] == 7
    validation = find_validation(config)
    assert validation is not None
    assert validation.data.names == ["b_1", "b_2"]
    result = evaluate(load_segmenter(path), validation.data, [0.0])
    # The file holds half precision.
    assert mious[-1] == pytest.approx(result["results"][0]["miou"], abs=0.01)
    rows = read_log(config)
    assert rows[-1]["step"] == "8"
    assert float(rows[-1]["miou"]) == pytest.approx(mious[-1], abs=1e-4)


def test_measuring_changes_nothing_that_is_trained(config: TrainConfig) -> None:
    losses = []
    for name, validate in (("with", 0.125), ("without", 0.0)):
        report = Recorder()
        changes = {"validate": validate, "output": config.output / name}
        train(replace(config, **changes), report, show_bar=False)
        losses.append([progress.loss for progress in report.seen])
    assert losses[0] == losses[1]


def test_measuring_takes_a_small_part_of_the_time(config: TrainConfig) -> None:
    found = find_validation(config)
    assert found is not None
    validator = Validator(replace(config, validate=0.25), found, torch.device("cpu"), 0.1)
    assert not validator.is_due(0.3, 100)
    assert validator.is_due(0.35, 100)
    validator.measure(Segmenter(MODEL).state_dict(), 0.4)
    assert not validator.is_due(0.6, 1000)
    assert validator.is_due(0.65, 1000)
    assert not validator.is_due(0.65, 1e-9)  # it took more than a few percent of that
    assert validator.is_due(1.0, 1e-9)  # but the end is always measured


def test_validation_pictures_come_from_a_folder_or_from_later_seeds(config: TrainConfig) -> None:
    def find(**changes: object) -> tuple[str, list[str]] | None:
        found = find_validation(replace(config, **changes))
        return found and (found.spec, found.data.names)

    folder = config.data[0][0]
    assert find(holdout=None) is None  # four pictures: too few to spare every tenth
    streets = {"data": (("streets:5:3:64x128", 1.0),), "model": nano_config()}
    spec, names = find(**streets) or ("", [])
    assert spec == "streets:8:24"
    assert (names[0], len(names)) == ("8", 24)
    mixed = (("streets:5:3", 1.0), (folder, 1.0))
    assert find(data=mixed) == (folder, ["b_1", "b_2"])


def test_holdout_never_leaks(config: TrainConfig) -> None:
    trainer = Trainer(config)
    trainer.close()
    assert trainer.course.batches.names == ["a_1", "a_2"]


def test_log_has_a_line_now_and_then(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparsevit.training.loop._LOG_EVERY", 3)
    train(config, show_bar=False)
    rows = read_log(config)
    assert [row["step"] for row in rows] == ["3", "6"]
    assert {row["miou"] for row in rows} == {""}
    assert SparsitySchedule.parse(rows[0]["schedule"], MODEL.depths)


def test_progress_is_shown_on_standard_error(
    config: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    train(replace(config, steps=2, validate=0.5))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "2 pictures of" in captured.err
    assert "mIoU 0." in captured.err
    for word in ("100.0%", "step 2", "loss", "images/s"):
        assert word in captured.err.splitlines()[-1]


def test_decay_spares_norms_biases_and_position_tables(config: TrainConfig) -> None:
    model = Segmenter(MODEL)
    (optimizer,) = build_optimizers(model, config)
    decayed, plain = optimizer.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.05, 0.0)
    spared = {id(parameter) for parameter in plain["params"]}
    for name, parameter in model.named_parameters():
        is_table = name.endswith("relative_position_bias_table")
        assert (id(parameter) in spared) == (parameter.ndim == 1 or is_table), name


def test_learning_rate_rises_and_falls_in_every_part(config: TrainConfig) -> None:
    last = SparsitySchedule.parse(0.5, MODEL.depths)
    parts = replace(
        config, learning_rate=2, warmup=0.1, adaptation=0.25, finetune=0.25, finetune_schedule=last
    )
    for fraction, rate in [
        (0.0, 0.02),  # 1 % of its height
        (0.05, 2 * 0.5 * 0.5 * (1 + math.cos(math.pi * 0.1))),
        (0.25, 2 * 0.5),
        (0.4999, 0.02),
        (0.5, 0.006),  # the adaptation is 0.3 times as high
        (0.625, 2 * 0.3 * 0.5),
        (0.75, 0.002),  # the fine-tune 0.1 times
        (0.875, 2 * 0.1 * 0.5),
        (1.0, 0.002),
    ]:
        assert parts.find_rate(fraction) == pytest.approx(rate, rel=1e-3), fraction
    assert replace(config, adaptation=1.0, learning_rate=1).find_rate(0.5) == pytest.approx(0.15)


def test_network_before_the_adaptation_is_kept(config: TrainConfig) -> None:
    steps, kept = [], config.output / "dense.safetensors"

    def watch(progress: Progress) -> None:
        steps.append((progress.schedule.is_dense, kept.exists()))

    train(config, watch, show_bar=False)
    assert (True, False) in steps
    assert {is_dense == (not exists) for is_dense, exists in steps} == {True}
    assert read_info(kept)["steps"] == str([is_dense for is_dense, _ in steps].count(True))
    before, after = load_segmenter(kept), load_segmenter(config.output / "model.safetensors")
    assert not torch.equal(before.classifier.weight, after.classifier.weight)


def test_average_follows_weights_and_buffers() -> None:
    model = torch.nn.BatchNorm1d(1)
    average = MovingAverage(model, decay=0.75)
    with torch.no_grad():
        model.weight.fill_(5)
        model.running_mean.fill_(8)
        model.num_batches_tracked.fill_(3)
    average.update(step=1000)
    assert average.weights["weight"].item() == pytest.approx(0.75 * 1 + 0.25 * 5)
    assert average.weights["running_mean"].item() == pytest.approx(2)
    assert average.weights["num_batches_tracked"].item() == 3
    average.update(step=0)  # at first it hardly looks back: the decay is 1 / 10
    assert average.weights["weight"].item() == pytest.approx(0.1 * 2 + 0.9 * 5)


def test_loss_that_is_not_a_number_changes_no_weight(config: TrainConfig) -> None:
    trainer = Trainer(config)
    with torch.no_grad():
        trainer.model.classifier.bias.fill_(float("nan"))
    before = [parameter.clone() for parameter in trainer.model.parameters()]
    with pytest.raises(TrainingError, match=r"not a number at step 0"):
        trainer.run_step(0)
    trainer.close()
    for old, parameter in zip(before, trainer.model.parameters(), strict=True):
        assert torch.equal(old.nan_to_num(-7), parameter.nan_to_num(-7))


def test_a_bad_picture_stops_the_run_with_its_name(config: TrainConfig) -> None:
    (Path(config.data[0][0]) / "labels" / "a_2.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a_2\.png cannot be decoded"):
        train(config, show_bar=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minutes": 0}, "minutes above 0"),
        ({"minutes": math.nan}, "minutes above 0"),
        ({"steps": 0}, "at least one step"),
        ({"data": ()}, "needs data"),
        ({"data": (("x", 0.0),)}, "share above 0"),
        ({"data": (("x", math.nan),)}, "share above 0"),
        ({"phases": ()}, "multiples of 32"),
        ({"phases": (Phase(1.0, 4, (30, 32), (0.5, 1.0)),)}, "multiples of 32"),
        ({"phases": (Phase(1.0, 0, (32, 32), (0.5, 1.0)),)}, "a batch has a picture"),
        ({"phases": (Phase(1.0, 1, (0, 32), (0.5, 1.0)),)}, "multiples of 32"),
        ({"phases": (Phase(1.0, 1, (32, 32), (0.5, 1.0)),)}, "two if a crop has only 32 x 32"),
        ({"learning_rate": 0}, "learning rate"),
        ({"adaptation": -0.1}, "shares of the run"),
        (
            {"adaptation": 0.95, "finetune_schedule": SparsitySchedule.parse(0.5)},
            "together at most 1",
        ),
        ({"validate": 2}, "from 0 to 1"),
        ({"loss_weights": tuple((name, 0.0) for name in LOSSES)}, "Every loss has a weight of 0"),
    ],
)
def test_impossible_settings(config: TrainConfig, changes: dict, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        replace(config, **changes)


def test_device_that_is_not_there(config: TrainConfig) -> None:
    with pytest.raises(TrainingError, match="Cannot train on the device pigeon"):
        Trainer(replace(config, device="pigeon"))


def test_classes_must_be_the_networks(config: TrainConfig) -> None:
    other = replace(MODEL, class_names=("x", "y"), palette=MODEL.palette[:2])
    with pytest.raises(DataError, match=r"are sky, wall, road, not x, y"):
        train(replace(config, model=other), show_bar=False)
    streets = replace(config, data=(("streets:0:1:64x128", 1.0),))
    with pytest.raises(DataError, match="classes of streets:0:1:64x128 are not the classes of the"):
        train(streets, show_bar=False)


def test_same_seed_same_run_other_seed_other_run(config: TrainConfig) -> None:
    losses = []
    for number, seed in enumerate((1, 1, 2)):
        report = Recorder()
        changes = {"seed": seed, "output": config.output / str(number)}
        train(replace(config, steps=3, **changes), report, show_bar=False)
        losses.append([progress.loss for progress in report.seen])
    assert losses[0] == losses[1]
    assert not np.isclose(losses[0], losses[2]).any()


def test_denormals_are_back_after_a_run(config: TrainConfig) -> None:
    """They are flushed for speed while training; whoever called it may need them."""
    train(replace(config, steps=1), show_bar=False)
    assert (torch.tensor(1e-40) * 0.5).item() > 0
