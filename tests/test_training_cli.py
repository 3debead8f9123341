"""The ``sparsevit train`` command."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from eval_support import make_photo, write_instances
from kitti_support import CAR, write_kitti
from training_support import CLASSES, MODEL, PALETTE, write_folder
from typer.testing import CliRunner, Result

import sparsevit.training
from sparsevit.cli import cli
from sparsevit.data.batches import Phase
from sparsevit.data.classes import STREET_CLASSES
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.labelled import LabelledFolder
from sparsevit.networks.segmenter import Segmenter, load_segmenter, read_config, save_segmenter
from sparsevit.training import Progress, TrainConfig
from sparsevit.training import train as real_train


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_folder(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A small network, so that the command is quick."""
    path = tmp_path / "start.safetensors"
    save_segmenter(Segmenter(MODEL), path)
    return path


def run_train(data: Path | str, tmp_path: Path, *more: str) -> Result:
    fixed = ["--out", str(tmp_path / "run"), "--device", "cpu"]
    return CliRunner().invoke(cli, ["train", "--data", str(data), *fixed, *more])


def test_one_command_trains_on_a_folder(data: Path, start: Path, tmp_path: Path) -> None:
    quick = ["--model", str(start), "--steps", "2", "--crop", "32", "--batch-size", "2"]
    result = run_train(data, tmp_path, *quick, "--holdout", "b", "--validate", "1", "--json")
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["checkpoint"] == str(tmp_path / "run" / "model.safetensors")
    assert (answer["steps"], answer["data"]) == ("2", "data=1")
    assert 0 <= answer["miou"] <= 1
    assert load_segmenter(answer["checkpoint"]).config == MODEL
    assert "mIoU" in result.stderr


def capture_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[TrainConfig]:
    found: list[TrainConfig] = []

    def note(config: TrainConfig, report: Any) -> Path:
        found.append(config)
        save_segmenter(Segmenter(MODEL), tmp_path / "x.safetensors")
        return tmp_path / "x.safetensors"

    monkeypatch.setattr(sparsevit.training, "train", note)
    return found


def test_options_reach_the_run(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = capture_config(monkeypatch, tmp_path)
    write_folder(tmp_path / "more")
    text = (
        "--model tiny --minutes 3 --holdout a --holdout b --learning-rate 0.002 --crop 128 "
        "--batch-size 3 --adaptation 0.2 --finetune-schedule .5 --finetune 0.25 --precision bf16 "
        f"--validate 0 --seed 7 --data {tmp_path / 'more'}=0.5"
    )
    result = run_train(f"{data}=2.5", tmp_path, *text.split())
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"Wrote {tmp_path / 'x.safetensors'}\n"
    (config,) = found
    assert config.data == ((str(data), 2.5), (str(tmp_path / "more"), 0.5))
    assert (config.minutes, config.steps, config.holdout) == (3, None, ("a", "b"))
    assert (config.model.embed_dim, config.model.class_names) == (96, CLASSES)
    assert config.model.palette == PALETTE
    assert config.start is None
    assert (config.learning_rate, config.adaptation, config.finetune) == (0.002, 0.2, 0.25)
    assert config.finetune_schedule is not None
    assert config.finetune_schedule.stages == ((0.5,), (0.5,), (0.5,) * 3, (0.5,))
    assert [(p.size, p.batch_size) for p in config.phases] == [((128, 128), 3), ((192, 192), 1)]
    assert (config.precision, config.validate, config.seed) == ("bf16", 0, 7)
    assert (config.output, config.device) == (tmp_path / "run", "cpu")


def test_whole_pictures_may_be_the_crops(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = capture_config(monkeypatch, tmp_path)
    text = "--crop 512x1024 --scales 1,1.8 --batch-size 1"
    assert run_train(data, tmp_path, *text.split()).exit_code == 0
    assert found[0].phases == (Phase(1.0, 1, (512, 1024), (1.0, 1.8)),)


def test_defaults_and_a_folder_named_with_an_equals_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "size=3"
    write_folder(folder)
    (folder / "classes.json").unlink()
    found = capture_config(monkeypatch, tmp_path)
    assert run_train(folder, tmp_path, "--classes", "a, b,c").exit_code == 0
    (config,) = found
    assert config.data == ((str(folder), 1.0),)
    assert config.model.class_names == ("a", "b", "c")
    assert (config.model.embed_dim, config.minutes, config.steps) == (48, 50, None)
    assert (config.phases, config.minutes) == (TrainConfig.phases, TrainConfig.minutes)


def test_the_data_s_things_give_the_network_its_heads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = capture_config(monkeypatch, tmp_path)
    masks = {"a": [("car", [[0, 0, 9, 0, 9, 9]], False)]}
    write_instances(tmp_path / "masks", {"a": make_photo()}, masks)
    write_kitti(tmp_path / "boxes", {"a": CAR})
    for kind, folder in (("coco", "masks"), ("kitti", "boxes")):
        result = run_train(f"{kind}:{tmp_path / folder}", tmp_path, "-m", "streets-nano")
        assert result.exit_code == 0, result.stderr
    of_masks, of_boxes = (config.model for config in found)
    assert of_masks.class_names == ("background", "road", "car", "sky", "tree")
    assert (of_masks.kinds, of_masks.kind_classes) == (("road", "car", "sky", "tree"), (1, 2, 3, 4))
    assert of_masks.tasks == ("semantic", "instance")
    assert of_boxes.class_names == STREET_CLASSES.names
    assert (of_boxes.kinds, of_boxes.kind_classes) == (STREET_KINDS.names, STREET_KINDS.classes)
    assert of_boxes.tasks == ("semantic", "instance", "boxes3d")


def test_shipped_checkpoint_is_a_place_to_start_from(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = capture_config(monkeypatch, tmp_path)
    result = run_train(data, tmp_path, "-m", "streets")
    assert result.exit_code == 0, result.stderr
    (config,) = found
    assert config.start is not None
    assert config.start.name == "streets.safetensors"
    assert read_config(config.start).embed_dim == config.model.embed_dim
    assert config.model.class_names == CLASSES


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--steps", "1", "--minutes", "1"], "as --minutes or as --steps, not both"),
        (["--model", "gigantic"], "no network 'gigantic' to train; there are nano, tiny"),
        (["--classes", "a,b"], "classes.json are sky, wall, road, not a, b"),
        (["--data", "streets:0:1"], "The classes of streets:0:1 are not the classes of the"),
        (["--data", "streets:0:1=lots"], "The share after '=' in 'streets:0:1=lots'"),
        (["--crop", "100"], "multiples of 32"),
        (["--crop", "64x100"], "multiples of 32"),
        (["--crop", "64x64x64"], "a side, such as 256, or HEIGHTxWIDTH, not '64x64x64'"),
        (["--crop", "large"], "a side, such as 256, or HEIGHTxWIDTH, not 'large'"),
        (["--scales", "1"], "two numbers, such as 0.5,2.5, not '1'"),
        (["--scales", "2,1"], "factors above 0, the smaller first"),
        (["--scales", "0,1"], "factors above 0, the smaller first"),
        (["--finetune-schedule", "[[0.5],[0]]"], "2 stages; this network has 4"),
        (["--finetune-schedule", "[0.5,0.2,[0.5,0.2,0.1],0]"], "must not decrease"),
        (["--steps", "0"], "at least one step"),
    ],
)
def test_bad_options_end_with_one_sentence(
    data: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    result = run_train(data, tmp_path, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_bad_labels_end_with_one_sentence(data: Path, start: Path, tmp_path: Path) -> None:
    (data / "labels" / "a_2.png").unlink()
    result = run_train(data, tmp_path, "--model", str(start))
    assert result.exit_code == 2
    assert f"Error: The picture {data / 'images' / 'a_2.png'} has no label file" in result.stderr


def test_every_folder_is_looked_at_before_training(
    data: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The held-out pictures too, and the last of many."""
    read: list[str] = []
    load = LabelledFolder._load

    def note(self: LabelledFolder, index: int) -> Any:
        read.append(self.names[index])
        return load(self, index)

    def stop(*_: Any) -> None:
        raise ValueError("enough")

    monkeypatch.setattr(LabelledFolder, "_load", note)
    monkeypatch.setattr("sparsevit.training.loop._Bar", stop)
    run_train(data, tmp_path, "--model", str(start), "--holdout", "b")
    assert sorted(read) == ["a_1", "a_2", "b_1", "b_2"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_command_says_how_to_go_on(
    data: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def interrupt(progress: Progress) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr(
        sparsevit.training, "train", lambda config, report: real_train(config, interrupt, False)
    )
    quick = ["--model", str(start), "--steps", "4", "--crop", "32", "--batch-size", "2"]
    result = run_train(data, tmp_path, *quick)
    assert result.exit_code == 128 + number
    assert "Stopped after step 1, at 25 % of the run; the state is in" in result.stderr
    assert "same command goes on" in result.stderr
    monkeypatch.undo()
    resumed = run_train(data, tmp_path, *quick)
    assert resumed.exit_code == 0, resumed.stderr
