"""What a run leaves on the disk: exact resume, interrupts, full disks, foreign states."""

from __future__ import annotations

import csv
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_support import MODEL, Recorder, make_config

from sparsevit.training import Interrupted, TrainConfig, Trainer, TrainingError, train
from sparsevit.training.interrupts import InterruptGuard


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return make_config(tmp_path)


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def load_state(config: TrainConfig) -> dict[str, Any]:
    return torch.load(config.output / "state.pt", weights_only=True)


def list_tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [tensor for item in items for tensor in list_tensors(item)]


@contextmanager
def limit_file_size(size: int) -> Iterator[None]:
    """Every write beyond ``size`` bytes of a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("stops", [(5,), (3, 6)], ids=str)
def test_interrupted_run_ends_bit_identical(
    config: TrainConfig, tmp_path: Path, stops: tuple[int, ...]
) -> None:
    """Where the random schedules begin (at step 5), and on either side."""
    straight = Recorder()
    train(config, straight, show_bar=False)
    halted = replace(config, output=tmp_path / "halted")
    seen = []
    for stop in stops:
        part = Recorder(stop, press_ctrl_c)
        with pytest.raises(Interrupted, match=f"after step {stop}.* same command goes on"):
            train(halted, part, show_bar=False)
        assert load_state(halted)["step"] == stop
        seen += part.seen
    last = Recorder()
    train(halted, last, show_bar=False)
    seen += last.seen
    assert [(p.step, p.loss, p.schedule) for p in seen] == [
        (p.step, p.loss, p.schedule) for p in straight.seen
    ]
    assert [p.elapsed_s for p in seen] == sorted(p.elapsed_s for p in seen)
    pairs = zip(list_tensors(load_state(config)), list_tensors(load_state(halted)), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    models = [(c.output / "model.safetensors").read_bytes()[1000:] for c in (config, halted)]
    assert models[0][-10_000:] == models[1][-10_000:]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_between_two_steps(config: TrainConfig, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    report = Recorder(3, lambda: signal.raise_signal(number))
    with pytest.raises(Interrupted) as caught:
        train(config, report, show_bar=False)
    assert caught.value.number == number
    assert len(report.seen) == 3
    assert signal.getsignal(number) == before


def test_second_ctrl_c_gets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("sparsevit.training.interrupts.time.monotonic", lambda: now[0])
    with InterruptGuard() as guard:
        press_ctrl_c()
        press_ctrl_c()  # a launcher passes on the one that came from the keyboard
        signal.raise_signal(signal.SIGTERM)
        assert guard.number == signal.SIGINT
        now[0] = 5
        with pytest.raises(KeyboardInterrupt):
            press_ctrl_c()


def test_training_works_outside_the_main_thread(config: TrainConfig) -> None:
    done: list[Path] = []
    short = replace(config, steps=1)
    thread = threading.Thread(target=lambda: done.append(train(short, show_bar=False)))
    thread.start()
    thread.join()
    assert done == [config.output / "model.safetensors"]


def test_finished_run_has_nothing_left_to_do(config: TrainConfig) -> None:
    report = Recorder()
    train(config, show_bar=False)
    assert train(config, report, show_bar=False).is_file()
    assert report.seen == []


def test_state_of_another_run_is_refused(config: TrainConfig) -> None:
    train(replace(config, steps=1), show_bar=False)
    with pytest.raises(TrainingError, match=r"other settings \(steps was 1, is 8\)"):
        train(config, show_bar=False)
    larger = replace(config, steps=1, model=replace(MODEL, window_size=8))
    with pytest.raises(TrainingError, match=r"other settings \(model\)"):
        train(larger, show_bar=False)
    (config.output / "state.pt").write_bytes(b"rubbish")
    with pytest.raises(TrainingError, match="delete it"):
        train(config, show_bar=False)


def test_device_precision_and_measuring_may_change_between_sittings(config: TrainConfig) -> None:
    with pytest.raises(Interrupted):
        train(config, Recorder(2, press_ctrl_c), show_bar=False)
    changed = replace(config, precision="bf16", validate=0.5, save_minutes=1.0)
    report = Recorder()
    train(changed, report, show_bar=False)
    assert report.seen[0].step == 3


def test_saves_now_and_then(config: TrainConfig) -> None:
    steps: list[int] = []
    report = Recorder(2, lambda: steps.append(load_state(config)["step"]))
    train(replace(config, steps=3, save_minutes=1e-9), report, show_bar=False)
    assert steps == [2]


def test_loss_that_is_not_a_number_keeps_the_last_state(config: TrainConfig) -> None:
    with pytest.raises(Interrupted):
        train(config, Recorder(2, press_ctrl_c), show_bar=False)
    before = (config.output / "state.pt").read_bytes()
    steep = load_state(config)
    steep["model"]["classifier.bias"].fill_(float("nan"))
    torch.save(steep, config.output / "state.pt")
    broken = (config.output / "state.pt").read_bytes()
    with pytest.raises(TrainingError, match=r"not a number at step 2; the last good state"):
        train(config, show_bar=False)
    assert (config.output / "state.pt").read_bytes() == broken != before


@pytest.mark.parametrize("size", [20_000, 400_000], ids=["at-once", "half-way"])
def test_full_disk_keeps_the_last_save(config: TrainConfig, size: int) -> None:
    with pytest.raises(Interrupted):
        train(config, Recorder(2, press_ctrl_c), show_bar=False)
    files = {path: path.read_bytes() for path in config.output.iterdir()}
    assert max(map(len, files.values())) > 400_000
    message = "Cannot write to .*run: .*File too large.* last save is intact, and"
    with limit_file_size(size), pytest.raises(TrainingError, match=message):
        train(config, show_bar=False)
    assert {path: path.read_bytes() for path in config.output.iterdir()} == files
    train(config, show_bar=False)  # there is room again
    assert load_state(config)["step"] == 8


def test_checkpoint_that_does_not_fit_on_the_disk(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_disk(model: object, config: object, path: Path, info: object) -> None:
        path.with_name(path.name + ".partial").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    train(replace(config, steps=1), show_bar=False)
    model = (config.output / "model.safetensors").read_bytes()
    monkeypatch.setattr("sparsevit.training.folder.save_checkpoint", fill_disk)
    with pytest.raises(TrainingError, match="No space left on device"):
        train(replace(config, steps=1), show_bar=False)
    assert sorted(path.name for path in config.output.iterdir()) == [
        "model.safetensors",
        "state.pt",
    ]
    assert (config.output / "model.safetensors").read_bytes() == model


def test_folder_that_cannot_be_written_is_found_before_training(config: TrainConfig) -> None:
    config.output.write_text("a file, not a folder")
    with pytest.raises(TrainingError, match=r"Cannot write to .*run: File exists\.$"):
        Trainer(config)


def test_log_forgets_the_steps_that_are_trained_again(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparsevit.training.loop._LOG_EVERY", 2)
    with pytest.raises(Interrupted):
        train(config, Recorder(3, press_ctrl_c), show_bar=False)
    state = (config.output / "state.pt").read_bytes()
    with pytest.raises(Interrupted):
        train(config, Recorder(6, press_ctrl_c), show_bar=False)
    (config.output / "state.pt").write_bytes(state)  # as if the machine had lost power
    train(config, show_bar=False)
    with (config.output / "log.csv").open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2", "4", "6", "8"]


def test_a_new_run_in_an_old_folder_keeps_nothing_of_the_old_one(config: TrainConfig) -> None:
    train(config, show_bar=False)
    dense, log = config.output / "dense.safetensors", config.output / "log.csv"
    old = dense.read_bytes()
    log.write_text("step,of,another,run\n")
    (config.output / "state.pt").unlink()
    train(replace(config, seed=config.seed + 1), show_bar=False)
    assert dense.read_bytes() != old
    assert not log.exists() or "another" not in log.read_text()
