"""The networks a run can train, and the checkpoints it can start from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from eval_support import make_photo, write_instances
from kitti_support import CAR, write_kitti
from training_support import CLASSES, MODEL, PALETTE, make_config, write_folder

from sparsevit.data.classes import STREET_CLASSES, ClassList
from sparsevit.data.kinds import STREET_KINDS, KindList
from sparsevit.data.labelled import DataError
from sparsevit.networks.segmenter import (
    CheckpointError,
    Segmenter,
    load_segmenter,
    save_segmenter,
)
from sparsevit.training import (
    TrainConfig,
    Trainer,
    choose_network,
    nano_config,
)
from sparsevit.training.networks import find_targets, load_start

NO_SIZES: dict[str, Any] = {"kind_sizes": ()}
THINGS = replace(
    MODEL, kinds=("a", "b"), kind_classes=(0, 2), kind_sizes=((1.0, 1.0, 1.0), (9.0, 9.0, 9.5))
)


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return make_config(tmp_path)


def test_networks_have_their_sizes_and_the_classes_asked_for() -> None:
    classes = ClassList(CLASSES, PALETTE)
    nano, start = choose_network("nano", classes)
    assert start is None
    assert (nano.class_names, nano.palette) == (CLASSES, PALETTE)
    assert nano_config() == choose_network("nano", STREET_CLASSES)[0]
    tiny, _ = choose_network("tiny", classes)
    for config, millions in ((nano, 7), (tiny, 28)):
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in Segmenter(config).parameters())
        assert count / 1e6 == pytest.approx(millions, abs=0.5)


def test_a_run_starts_from_a_checkpoint_s_weights(config: TrainConfig, tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    save_segmenter(Segmenter(MODEL), path)
    weights = load_segmenter(path).state_dict()
    network, start = choose_network(str(path), ClassList(CLASSES, PALETTE))
    assert (network, start) == (MODEL, path)
    said: list[str] = []
    trainer = Trainer(replace(config, model=network, start=start), say=said.append)
    trainer.close()
    assert all(torch.equal(v, weights[n]) for n, v in trainer.model.state_dict().items())
    assert all(torch.equal(v, weights[n]) for n, v in trainer.average.weights.items())
    assert not any("classifier" in line for line in said)


def test_other_classes_take_all_but_the_classifier(config: TrainConfig, tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    other = replace(MODEL, class_names=("x", "y"), palette=MODEL.palette[:2])
    save_segmenter(Segmenter(other), path)
    weights = load_segmenter(path).state_dict()
    network, start = choose_network(str(path), ClassList(CLASSES, PALETTE))
    said: list[str] = []
    trainer = Trainer(replace(config, model=network, start=start), say=said.append)
    trainer.close()
    new = [n for n, v in trainer.model.state_dict().items() if not torch.equal(v, weights[n])]
    assert new == ["classifier.weight", "classifier.bias"]
    assert any("classifier starts anew" in line for line in said)


def test_networks_get_heads_for_the_things_of_the_data() -> None:
    with_things, _ = choose_network("nano", STREET_CLASSES, STREET_KINDS)
    assert with_things.tasks == ("semantic", "instance", "boxes3d")
    assert with_things.kinds == STREET_KINDS.names
    assert with_things.kind_classes == STREET_KINDS.classes
    masks, _ = choose_network("nano", ClassList(CLASSES, PALETTE), KindList(("wall",), (1,)))
    assert masks.tasks == ("semantic", "instance")
    assert choose_network("nano", None, STREET_KINDS)[0] == with_things


def test_boxes_alone_keep_the_classes_of_the_start(tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    own = ("Bicyclist", "Car", "Pedestrian")
    save_segmenter(Segmenter(replace(MODEL, class_names=own)), path)
    network, _ = choose_network(str(path), None, STREET_KINDS)
    assert network == replace(
        MODEL,
        class_names=own,
        kinds=STREET_KINDS.names,
        kind_classes=(1, 1, 1, 2, 0),
        kind_sizes=STREET_KINDS.sizes,
    )
    save_segmenter(Segmenter(MODEL), path)
    with pytest.raises(DataError, match="pixels of a Car have the class Car, which is none of sky"):
        choose_network(str(path), None, STREET_KINDS)


def test_fewer_classes_than_those_of_the_start_s_things(tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    save_segmenter(Segmenter(THINGS), path)
    classes = ClassList(CLASSES[:2], PALETTE[:2])
    network, _ = choose_network(str(path), classes, KindList(("wall",), (1,)))
    assert (network.class_names, network.kinds, network.kind_classes) == (
        CLASSES[:2],
        ("wall",),
        (1,),
    )
    assert choose_network(str(path), classes)[0].tasks == ("semantic",)


@pytest.mark.parametrize(
    ("changes", "anew", "said"),
    [
        ({}, set(), []),
        ({"kinds": (), "kind_classes": (), "kind_sizes": ()}, set(), ["heads for them are left"]),
        ({"kind_sizes": ()}, set(), []),
        ({"kind_classes": (1, 1)}, set(), []),
        ({"kind_sizes": ((1, 1, 1), (9, 9, 9))}, {"boxes"}, ["no head for 3D boxes of"]),
        ({"kinds": ("a", "c")}, {"centres", "boxes"}, ["no heads for these things"]),
        ({"class_names": ("x", "y", "z")}, {"classifier"}, ["the classifier starts anew"]),
        (
            {"class_names": ("x", "y", "z"), "kinds": ("a",), "kind_classes": (2,), **NO_SIZES},
            {"classifier", "centres"},
            ["the classifier starts anew", "no heads for these things"],
        ),
    ],
)
def test_heads_start_anew_where_they_mean_something_else(
    tmp_path: Path, changes: dict[str, Any], anew: set[str], said: list[str]
) -> None:
    path = tmp_path / "start.safetensors"
    save_segmenter(Segmenter(THINGS), path)
    weights = load_segmenter(path).state_dict()
    model = Segmenter(replace(THINGS, **changes))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    notes = load_start(model, path)
    assert len(notes) == len(said)
    assert all(part in note for part, note in zip(said, notes, strict=True))
    for name, value in model.state_dict().items():
        expected = before[name] if name.split(".")[0] in anew else weights[name]
        assert torch.equal(value, expected), name


def test_a_start_without_heads_fits_all_but_them(tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    save_segmenter(Segmenter(MODEL), path)
    weights = load_segmenter(path).state_dict()
    model = Segmenter(THINGS)
    assert load_start(model, path) == [
        "The checkpoint has no heads for these things, so they start anew."
    ]
    found = model.state_dict()
    assert all(torch.equal(found[name], value) for name, value in weights.items())
    assert {name.split(".")[0] for name in found.keys() - weights} == {"centres", "boxes"}


def test_mixed_data_is_learnt_as_one(tmp_path: Path) -> None:
    plain, boxes, own = (tmp_path / name for name in ("plain", "boxes", "own"))
    for folder in (plain, own):
        write_folder(folder)
    (plain / "classes.json").unlink()
    names = (*CLASSES, "Car", "Pedestrian", "Bicyclist")
    (own / "classes.json").write_text(json.dumps({"classes": names}))
    camvid, kitti = f"camvid:{plain}", f"kitti:{write_kitti(boxes, {'a': CAR})}"
    street = (STREET_CLASSES, STREET_KINDS)
    assert find_targets([camvid, "streets:0:1", str(plain)]) == street
    assert find_targets([kitti, "streets:0:1"]) == find_targets(["streets:0:1", kitti]) == street
    assert find_targets([kitti, camvid]) == street
    assert find_targets([kitti]) == (None, STREET_KINDS)
    assert find_targets([camvid]) == (STREET_CLASSES, None)
    for specs in ([kitti, str(own)], [str(own), kitti]):
        classes, kinds = find_targets(specs)
        assert classes is not None
        assert kinds is not None
        assert (classes.names, kinds.classes) == (names, (3, 3, 3, 4, 5))
    with pytest.raises(DataError, match="The classes of streets:0:1 are not the classes of the"):
        find_targets([str(own), "streets:0:1"])
    with pytest.raises(DataError, match="pixels of a Car have the class Car, which is none of x"):
        find_targets([str(plain), kitti], ["x"])


def test_kinds_that_differ_are_not_learnt_together(tmp_path: Path) -> None:
    masks = {"a": [("car", [[0, 0, 9, 0, 9, 9]], False)]}
    write_instances(tmp_path / "masks", {"a": make_photo()}, masks)
    kitti = f"kitti:{write_kitti(tmp_path / 'boxes', {'a': CAR})}"
    coco = f"coco:{tmp_path / 'masks'}"
    for specs in ([kitti, coco], [coco, kitti]):
        with pytest.raises(DataError, match=r"tell different kinds of things, .* road, car, sky"):
            find_targets(specs)


def test_checkpoints_that_no_run_can_start_from(tmp_path: Path) -> None:
    classes = ClassList(CLASSES, PALETTE)
    with pytest.raises(CheckpointError, match="no network 'swin_huge' to train; there are nano"):
        choose_network("swin_huge", classes)
    with pytest.raises(CheckpointError, match="no checkpoint file"):
        choose_network(str(tmp_path / "none.safetensors"), classes)
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"rubbish")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        choose_network(str(path), classes)
    save_segmenter(Segmenter(MODEL), path)
    with pytest.raises(CheckpointError, match="another architecture: its window_size is 4, and"):
        load_start(Segmenter(replace(MODEL, window_size=8)), path)
