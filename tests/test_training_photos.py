"""Training on folders of photos that nobody labelled."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from restorer_support import CONFIG
from typer.testing import CliRunner

from sparsevit.cli import cli
from sparsevit.data.augment import random_photo_crop
from sparsevit.data.batches import Phase
from sparsevit.data.photos import PhotoFolder
from sparsevit.data.pictures import DataError, EmptySplitError
from sparsevit.networks.own import load_own
from sparsevit.training import TrainConfig, train
from sparsevit.training.trainer import Trainer


@pytest.fixture
def photos(tmp_path):
    """20 photos of tiles, the last 2 of each 10 wider."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(20):
        width = 120 if number % 10 < 8 else 140
        tiles = rng.integers(0, 256, (12, width // 8 + 1, 3), dtype=np.uint8)
        image = tiles.repeat(8, axis=0).repeat(8, axis=1)[:, :width]
        cv2.imwrite(str(folder / f"{number:02}.png"), image)
    return folder


@pytest.fixture
def config(photos, tmp_path):
    return TrainConfig(
        output=tmp_path / "run",
        data=((str(photos), 1.0),),
        steps=8,
        model=CONFIG,
        phases=(Phase(1.0, 4, (64, 64), (0.7, 1.0)),),
        adaptation=1.0,
        device="cpu",
        validate=0.5,
        learning_rate=1e-2,
    )


def read_log(config):
    with (config.output / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_tenth_photo_is_kept_out(photos):
    assert PhotoFolder(photos, "val").names == ["09", "19"]
    assert len(PhotoFolder(photos, "train")) == 18
    assert len(PhotoFolder(photos)) == 20


def test_folders_named_so_divide_it(photos):
    (photos / "val").mkdir()
    (photos / "train").mkdir()
    (photos / "07.png").rename(photos / "val" / "07.png")
    (photos / "08.png").rename(photos / "train" / "08.png")
    assert PhotoFolder(photos, "val").names == ["07"]
    assert PhotoFolder(photos, "train").names == ["08"]


def test_a_few_photos_leave_none_for_validation(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 64, 3), dtype=np.uint8))
    assert PhotoFolder(tmp_path, "train").names == ["a"]
    with pytest.raises(EmptySplitError, match="No pictures are left"):
        PhotoFolder(tmp_path, "val")


def test_it_learns_a_photo_by_heart_and_says_how_well(config, tmp_path):
    folder = tmp_path / "same"
    folder.mkdir()
    tiles = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    for number in range(10):  # the tenth is what it is measured on
        cv2.imwrite(str(folder / f"{number}.png"), tiles.repeat(8, axis=0).repeat(8, axis=1))
    path = train(replace(config, data=((str(folder), 1.0),), steps=100), show_bar=False)
    rows = read_log(config)
    losses = [float(row["pixels"]) for row in rows]
    assert losses[-1] < 0.8 * losses[0]
    assert float(rows[-1]["psnr"]) > float(rows[0]["psnr"] or 0)
    assert "miou" not in rows[0]
    assert load_own(path).config == CONFIG


def test_a_run_goes_on_as_if_it_had_never_stopped(config):
    whole = train(replace(config, output=config.output / "whole"), show_bar=False)
    trainer = Trainer(config)
    for step in range(3):
        trainer.run_step(step / 8)
    trainer.save()
    trainer.close()
    resumed = train(config, show_bar=False)
    for ours, theirs in zip(
        load_own(resumed).parameters(), load_own(whole).parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_distillation_learns_from_dense(config):
    train(replace(config, distillation=1.0), show_bar=False)
    assert float(read_log(config)[-1]["distillation"]) >= 0


def test_crops_are_pieces_of_the_photo():
    image = np.random.default_rng(1).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    pieces = {image[i : i + 64, j : j + 64].tobytes() for i in range(7) for j in range(27)}
    rng = np.random.default_rng(0)
    for _ in range(8):
        crop = random_photo_crop(image, (64, 64), (1.0, 1.0), rng)
        turned = [np.rot90(side, k) for side in (crop, crop[:, ::-1]) for k in range(4)]
        assert any(np.ascontiguousarray(t).tobytes() in pieces for t in turned)
    small = random_photo_crop(image, (32, 48), (0.1, 0.1), rng)
    assert small.shape == (32, 48, 3)


def test_photos_smaller_than_a_crop_are_one_sentence(config):
    large = replace(config, phases=(Phase(1.0, 2, (128, 128), (1.0, 1.0)),))
    with pytest.raises(DataError, match=r"120x96 pixels is too small to cut 128x128"):
        train(large, show_bar=False)


@pytest.mark.parametrize("task", ["sr", "jpeg"])
def test_the_command_trains_on_anybodys_folder(photos, tmp_path, task):
    out = tmp_path / task
    options = ["--data", str(photos), "--task", task, "--steps", "2", "--crop", "64x64"]
    result = CliRunner().invoke(
        cli,
        ["train", *options, "--batch-size", "2", "--out", str(out), "--json", "--device", "cpu"],
    )
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["psnr"] > 0
    config = load_own(Path(said["checkpoint"])).config
    assert config.degradation == {"sr": "shrink", "jpeg": "jpeg"}[task]
    again = CliRunner().invoke(
        cli,
        [
            "train",
            *options[:-4],
            "--steps",
            "1",
            "--crop",
            "64x64",
            "--model",
            said["checkpoint"],
            "--out",
            str(tmp_path / "more"),
            "--device",
            "cpu",
        ],
    )
    assert again.exit_code == 0, again.output


def test_the_command_refuses_a_network_of_another_task(photos, tmp_path):
    options = [
        "--data",
        str(photos),
        "--task",
        "sr",
        "--model",
        "streets",
        "--out",
        str(tmp_path / "x"),
    ]
    result = CliRunner().invoke(cli, ["train", *options])
    assert result.exit_code != 0
    assert "streets is trained for another task" in result.output
