"""``sparsevit eval --task``: a network with three heads, measured on what tells things."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from eval_support import make_photo, write_instances, write_photo
from kitti_support import CAR, write_kitti
from typer.testing import CliRunner

from sparsevit.cli import cli
from sparsevit.data import streets
from sparsevit.data.classes import STREET_CLASSES
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.labelled import LabelledFolder, StreetScenes
from sparsevit.evaluation import timing
from sparsevit.evaluation.sources import open_for_tasks
from sparsevit.networks import load_model
from sparsevit.networks.segmenter import Segmenter, SegmenterConfig, save_segmenter

TASKS = "semantic,instance,boxes3d"
SCENES = "streets:3:2:96x192"
KEYS = {"semantic": "miou", "instance": "ap", "boxes3d": "ap_cars"}


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that finds some things wherever it looks, some metres away."""
    torch.manual_seed(0)
    config = SegmenterConfig(
        *(STREET_CLASSES.names, STREET_CLASSES.palette, 12, (2, 2, 2, 2), (1, 2, 4, 8)),
        window_size=4,
        head_dim=16,
        kinds=STREET_KINDS.names,
        kind_classes=STREET_KINDS.classes,
        kind_sizes=STREET_KINDS.sizes,
    )
    model = Segmenter(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
        model.get_parameter("centres.4.bias")[:-2] += 3
        model.get_parameter("boxes.4.bias")[0] += 3
        model.classifier.bias -= model(torch.randn(1, 3, 128, 256)).mean((0, 2, 3))
    path = tmp_path_factory.mktemp("heads") / "heads.safetensors"
    save_segmenter(model, path)
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heads: Path) -> Path:
    monkeypatch.setenv("SPARSEVIT_DEVICE", "cpu")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heads.safetensors").symlink_to(heads)
    return tmp_path


def run_eval(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["eval", "--model", "heads.safetensors", *arguments])


def evaluate_json(*arguments: str) -> Any:
    result = run_eval(*arguments, "-s", "0,0.7", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_three_tasks_share_each_forward_and_say_what_one_alone_says(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [evaluate_json("--data", SCENES, "--task", task) for task in KEYS]
    assert [report["task"] for report in alone] == list(KEYS)
    assert alone[0] == evaluate_json("--data", SCENES)  # the first task unless another is named
    forwards = []
    merge = Segmenter._merge

    def count(self: Segmenter, images: torch.Tensor) -> torch.Tensor:
        forwards.append(self.tasks)
        return merge(self, images)

    monkeypatch.setattr(Segmenter, "_merge", count)
    order = ("boxes3d", "semantic", "instance")
    together = evaluate_json("--data", SCENES, "--task", "boxes3d, semantic,instance,semantic")
    assert [report["task"] for report in together] == list(order)
    assert len(forwards) == 2 * 2  # pictures and schedules
    for report in together:
        same = next(other for other in alone if other["task"] == report["task"])
        assert report == same
        assert KEYS[report["task"]] in report["results"][0]
        dense, sparse = report["results"]
        assert dense["agreement"] == 1 > sparse["agreement"]


def test_folders_of_scenes_are_the_truth_of_all_three(here: Path) -> None:
    streets.write_scenes("d", 3, 2, 96, 192)
    assert [
        [row | {"schedule": None} for row in report["results"]]
        for report in evaluate_json("--data", "d", "--task", TASKS)
    ] == [
        [row | {"schedule": None} for row in report["results"]]
        for report in evaluate_json("--data", SCENES, "--task", TASKS)
    ]
    tasks = [load_model("heads.safetensors", task=name).task for name in KEYS]
    ((opened, names),) = open_for_tasks("d", "all", tasks)
    assert isinstance(opened, LabelledFolder)
    assert (opened.has_things, sorted(names)) == (True, sorted(KEYS))
    ((drawn, names),) = open_for_tasks(SCENES, "all", tasks[:1])
    assert isinstance(drawn, StreetScenes)
    assert (drawn.has_things, names) == (False, ["semantic"])


def test_the_table_names_the_task_and_latency_is_of_its_heads_alone(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = []
    make_runs = timing.make_runs

    def watch(model: Segmenter, *rest: Any) -> Any:
        timed.append(model.tasks)
        return make_runs(model, *rest)

    monkeypatch.setattr(timing, "make_runs", watch)
    arguments = ("--data", SCENES, "--task", TASKS, "-s", "0.7", "--limit", "1", "--latency")
    result = run_eval(*arguments, "--repeats", "1")
    assert result.exit_code == 0, result.output
    assert sorted(timed) == sorted((task,) for task in KEYS)
    lines = result.stdout.splitlines()
    heads = [line for line in lines if line.startswith("heads")]
    assert [line.rsplit(", ", 1)[1] for line in heads] == list(KEYS)
    labels = [line.split("  ")[0] for line in lines]
    for label in ("mIoU", "AP at IoU 0.5", "AP of cars", "translation error, m", "AP within 0.5 m"):
        assert label in labels
    assert sum(label == "latency, ms" for label in labels) == 3


def test_kitti_and_coco_folders(here: Path) -> None:
    write_kitti(here / "k", {"000000": CAR, "000001": ""})
    report = evaluate_json("--data", "kitti:k", "--task", "boxes3d", "--size", "128")
    assert (report["data"], report["pictures"]) == ("kitti", 2)
    row = report["results"][0]
    assert row["ap_cars"] is None  # 61 m away, which nuScenes does not look at
    assert set(row["kitti_3d_ap"]) == set(row["kitti_bev_ap"])
    assert list(row["kitti_3d_ap"])[:3] == ["Car easy", "Car moderate", "Car hard"]
    result = run_eval("--data", "kitti:k", "--task", "boxes3d", "-s", "0", "--size", "128")
    assert "KITTI's 3D AP Car moderate" in result.stdout
    photos = {"a": make_photo(128, 256)}
    box = [[10, 10, 60, 10, 60, 60, 10, 60]]
    content = write_instances(here / "c", photos, {"a": [("car", box, False)]})
    content["categories"] = [{"id": 7, "name": "Car"}]
    (here / "c" / "instances.json").write_text(json.dumps(content))
    report = evaluate_json("--data", "c", "--task", "instance")
    assert report["results"][0]["per_class_ap"]["Car"] is not None
    named = evaluate_json("--data", "coco:c", "--task", "instance")
    assert (named["data"], named["results"]) == ("c", report["results"])


def test_photos_without_truth_for_every_task(here: Path) -> None:
    write_photo(here / "p" / "a.png", make_photo(128, 256))
    reports = evaluate_json("--images", "p", "--task", TASKS)
    assert [report["task"] for report in reports] == list(KEYS)
    for report in reports:
        assert next(iter(report["results"][0])) == "schedule"
        assert report["results"][0]["agreement"] == 1
        assert not set(report["results"][0]) & set(KEYS.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "panoptic"), "does semantic, instance, boxes3d, not 'panoptic'"),
        (("--task", "semantic,"), "does semantic, instance, boxes3d, not ''."),
        (("--task", "instance", "--data", "camvid:d"), "camvid:d has a class for every pixel; a"),
        (("--task", "boxes3d", "--data", "d"), "tells no boxes; a network for boxes3d is measured"),
        (("--task", "instance", "--data", "d"), "d tells no things one by one; a net"),
        (("--task", "semantic", "--data", "kitti:d"), "kitti:d has boxes of things; a network for"),
        (("--task", "instance", "--data", "kitti:d"), "kitti:d has boxes of things; a network for"),
        (("--task", "boxes3d", "--data", "coco:d"), "coco:d has masks of things; a network for"),
        (("--task", "boxes3d", "--data", "kitti:"), "kitti: names no folder; write kitti:DIR."),
        (("--task", "boxes3d", "--data", "empty"), "folder empty; a network for boxes3d is meas"),
        (("--task", "boxes3d", "--data", "kitti:x"), "x is no folder of KITTI's"),
        (("--task", "boxes3d", "--data", "nowhere"), "There is no folder nowhere"),
        (("--task", TASKS, "--data", "half"), "There is no half/scenes/a.json"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    here: Path, arguments: tuple[str, ...], message: str
) -> None:
    for folder in ("d", "half"):
        write_photo(here / folder / "images" / "a.png", make_photo(128, 256))
        (here / folder / "labels").mkdir()
        cv2.imwrite(str(here / folder / "labels" / "a.png"), np.zeros((128, 256), np.uint8))
        (here / folder / "classes.json").write_text(
            json.dumps({"classes": list(STREET_CLASSES.names), "void": 11})
        )
    for part in ("half/instances", "half/scenes", "empty"):
        (here / part).mkdir()
    data = () if "--data" in arguments else ("--data", SCENES)
    result = run_eval(*arguments, *data, "-s", "0")
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.strip().splitlines()[-1].startswith("Error: ")
    assert result.stdout == ""
