"""``sparsevit eval`` as its user runs it, for networks of every task."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from eval_support import (
    NAMES,
    count_runs,
    make_photo,
    write_instances,
    write_panoptic,
    write_photo,
)
from hf_support import (
    MEAN,
    STD,
    make_backbone,
    make_classifier,
    make_mask2former,
    make_upernet,
    write_folder,
)
from typer.testing import CliRunner

from sparsevit.cli import cli
from sparsevit.evaluation import evaluate_sizes
from sparsevit.evaluation.sources import open_pictures
from sparsevit.networks import load_model

#: Folders whose names say the task: how a network of masks is told what it is for.
NETWORKS: dict[str, Any] = {
    "panoptic": make_mask2former,
    "instance": make_mask2former,
    "masks-semantic": make_mask2former,
    "upernet": make_upernet,
    "classifier": make_classifier,
    "backbone": make_backbone,
}
PHOTOS = {"a": make_photo(224, 256, seed=1), "b": make_photo(256, 224, seed=2)}


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("networks")
    for name, make in NETWORKS.items():
        write_folder(root / name, make())
    return root


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, networks: Path) -> Path:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("SPARSEVIT_DEVICE", "cpu")
    monkeypatch.chdir(tmp_path)
    for name in NETWORKS:
        (tmp_path / name).symlink_to(networks / name)
    return tmp_path


def run_eval(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["eval", *arguments])


def evaluate_json(*arguments: str) -> list[dict[str, Any]]:
    result = run_eval(*arguments, "-s", "0,0.7", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert set(report) == {"model", "task", "data", "split", "size", "pictures", "results"}
    assert [row.pop("schedule") for row in report["results"]] == [[[0.0]] * 4, [[0.7]] * 4]
    return report["results"]


@cache
def predict(folder: Path, sparsity: float) -> dict[str, Any]:
    """What a network makes of each photo, fed as it is."""
    loaded = load_model(str(folder))
    loaded.module.sparsity = sparsity
    found = {}
    for key, photo in PHOTOS.items():
        pixels = torch.from_numpy(photo).permute(2, 0, 1)[None] / 255
        images = (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
        with torch.no_grad():
            output = loaded.module(images)
        found[key] = loaded.task.interpret(output, photo.shape[:2])
    return found


def predict_dense(name: str) -> dict[str, Any]:
    return predict(Path(name).resolve(), 0.0)


def compare_sparse(name: str) -> dict[str, Any]:
    """The means over the photos of how the sparse predictions compare with the dense ones."""
    folder = Path(name).resolve()
    compare = load_model(name).task.compare
    pairs = zip(predict(folder, 0.0).values(), predict(folder, 0.7).values(), strict=True)
    rows = [compare(dense, sparse) for dense, sparse in pairs]
    return {key: pytest.approx(np.mean([r[key] for r in rows]), abs=1e-4) for key in rows[0]}


@pytest.mark.parametrize("name", ["masks-semantic", "upernet"])
def test_semantic_networks_of_transformers(here: Path, name: str) -> None:
    """The truth is what dense says, void on the right: so dense is all right, sparse as alike."""
    for key, classes in predict_dense(name).items():
        write_photo(here / "d" / "images" / f"{key}.png", PHOTOS[key])
        (here / "d" / "labels").mkdir(exist_ok=True)
        cv2.imwrite(str(here / "d" / "labels" / f"{key}.png"), classes)
    dense, sparse = evaluate_json("--model", name, "--data", "d")
    assert (dense["miou"], dense["pixel_accuracy"], dense["agreement"]) == (1, 1, 1)
    assert sparse["pixel_accuracy"] == sparse["agreement"] < 1
    expected = compare_sparse(name)
    assert sparse["agreement"] == expected["agreement"]  # photos of as many pixels each
    assert set(sparse["per_class_iou"]) == set(NAMES)


def test_classifiers(here: Path) -> None:
    loaded = load_model("classifier")
    chances = predict_dense("classifier")
    for key, row in chances.items():  # one picture where dense puts it, one in a wrong folder
        place = int(row.argmax()) if key == "a" else int(row.argmin())
        write_photo(here / "d" / "val" / loaded.task.class_names[place] / f"{key}.png", PHOTOS[key])
    dense, sparse = evaluate_json("--model", "classifier", "--data", "d")
    assert (dense["top1_accuracy"], dense["top5_accuracy"]) == (0.5, 1)
    assert (dense["top1_agreement"], dense["kl"]) == (1, 0)
    expected = compare_sparse("classifier")
    assert {key: sparse[key] for key in expected} == expected
    assert sparse["agreement"] < 1
    result = run_eval("--model", "classifier", "--data", "d", "-s", "0")
    assert [" ".join(line.split()) for line in result.stdout.splitlines()[:3]] == [
        "classifier on d, split val, 2 pictures, size native",
        "sparsity 0",
        "top-1 accuracy 50.0 %",
    ]


def test_panoptic_networks(here: Path) -> None:
    write_panoptic(here / "d", PHOTOS, predict_dense("panoptic"))
    dense, sparse = evaluate_json("--model", "panoptic", "--data", "d")
    assert (dense["pq"], dense["sq"], dense["rq"], dense["agreement"]) == (1, 1, 1, 1)
    assert 0 <= sparse["pq"] < 1
    expected = compare_sparse("panoptic")
    assert {key: sparse[key] for key in expected} == expected
    assert list(sparse["per_class_pq"]) == list(NAMES)
    loaded = load_model("panoptic")
    loaded.module.sparsity = 0.4
    before = loaded.module.sparsity
    (report,) = evaluate_sizes(loaded, open_pictures("d", task=loaded.task), [0.7], [None])
    assert loaded.module.sparsity == before
    assert report["results"] == [{"schedule": [[0.7]] * 4, **sparse}]


def test_instance_networks(here: Path) -> None:
    predictions = predict_dense("instance")
    assert all(prediction.segments for prediction in predictions.values())
    things = {
        key: [
            (NAMES[s.label], count_runs(prediction.ids == s.id), False) for s in prediction.segments
        ]
        for key, prediction in predictions.items()
    }
    write_instances(here / "d", PHOTOS, things)
    dense, sparse = evaluate_json("--model", "instance", "--data", "d")
    assert (dense["ap"], dense["ap50"], dense["ap75"]) == (1, 1, 1)
    assert 0 <= sparse["ap"] < 1
    expected = compare_sparse("instance")
    assert {key: sparse[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("name", "option"), [*((name, "--images") for name in NETWORKS), ("backbone", "--data")]
)
def test_pictures_without_truth(here: Path, name: str, option: str) -> None:
    """Any network: what the task compares, averaged; of labels nothing is read."""
    for key, photo in PHOTOS.items():
        write_photo(here / "d" / "images" / f"{key}.png", photo)
    for file in ("panoptic.json", "images/notes.txt"):
        (here / "d" / file).write_text("{")
    dense, sparse = evaluate_json("--model", name, option, "d")
    assert sparse == compare_sparse(name)
    assert next(iter(sparse)) == "agreement"
    assert set(dense) == set(sparse)
    assert dense["agreement"] == 1


def test_latency_is_for_every_task(here: Path) -> None:
    write_photo(here / "photos" / "a.png", PHOTOS["a"])
    arguments = ["--images", "photos", "-s", "0,0.7", "--size", "224,256", "--latency"]
    result = run_eval("--model", "backbone", *arguments, "--repeats", "1", "--out", "r.json")
    assert result.exit_code == 0, result.output
    assert "latency, ms" in result.stdout
    assert "stage4" in result.stdout
    for report in json.loads((here / "r.json").read_text()):
        assert all(row["latency_ms"] > 0 for row in report["results"])
        assert report["device"]["dense_form"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "classifier"), "Give pictures with truth as --data or without as --images"),
        (("--model", "classifier", "--data", "d", "--images", "d"), "not both"),
        (("--model", "classifier", "--data", "d"), "names no one class of the network"),
        (("--model", "classifier", "--images", "d"), "There are no pictures in the folder d"),
        (("--model", "classifier", "--images", "small"), "224 pixels a side or more, not 96x128"),
        (("--model", "classifier", "--images", "x"), "There is no folder x"),
        (("--model", "panoptic", "--data", "streets:0:1"), "has a class for every pixel"),
        (("--model", "panoptic", "--data", "labelled"), "There is no labelled/panoptic.json"),
        (("--model", "instance", "--data", "labelled"), "labelled tells no things one by one"),
        (("--model", "upernet", "--data", "labelled"), "has no label file"),
        (
            ("--model", "upernet", "--data", "streets:0:1"),
            "not the classes of the network (sky, ro",
        ),
        (("--model", "upernet", "--images", "broken"), "a.png"),
        (("--model", "backbone", "--data", "d"), "There are no pictures in the folder d"),
        (("--model", "upernet", "--checkpoint", "w.safetensors"), "is a checkpoint itself"),
    ],
)
def test_bad_input_is_one_sentence(here: Path, arguments: tuple[str, ...], message: str) -> None:
    write_photo(here / "d" / "bird" / "a.png", PHOTOS["a"])
    write_photo(here / "small" / "a.png", make_photo(96, 128))
    write_photo(here / "labelled" / "images" / "a.png", PHOTOS["a"])
    (here / "broken").mkdir()
    (here / "broken" / "a.png").write_bytes(b"nothing")
    if "--checkpoint" in arguments:
        arguments = (*arguments, "--images", "small")
    result = run_eval(*arguments, "-s", "0")
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.strip().splitlines()[-1].startswith("Error: ")
    assert result.stdout == ""
