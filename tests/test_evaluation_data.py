"""Folders with truth of every task: what is read, and what is refused in one sentence."""

import builtins
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from eval_support import (
    INSTANCE,
    NAMES,
    PANOPTIC,
    count_runs,
    make_map,
    make_photo,
    write_instances,
    write_json,
    write_panoptic,
    write_photo,
)
from pycocotools import mask as coder
from timm.data import ImageNetInfo

from sparsevit.data.coco import InstanceFolder, PanopticFolder
from sparsevit.data.labelled import DataError, LabelledFolder
from sparsevit.data.photos import ClassFolder, PhotoFolder
from sparsevit.data.pictures import DataWarning
from sparsevit.evaluation.sources import open_pictures
from sparsevit.tasks import Task
from sparsevit.tasks.classification import ClassificationTask
from sparsevit.tasks.features import FeaturesTask
from sparsevit.tasks.palette import choose_palette
from sparsevit.tasks.semantic import SemanticTask

PHOTO = make_photo()
CLASSIFIER = ClassificationTask(("cat", "tabby, striped cat", "dog"))
SEMANTIC = SemanticTask(NAMES, choose_palette(NAMES))
FEATURES = FeaturesTask(tuple)


def write_classes(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        write_photo(root / name / f"{number}.png", make_photo(seed=number))
    return root


def test_subfolders_are_classes_by_name_or_number(tmp_path: Path) -> None:
    root = write_classes(tmp_path, "dog", "tabby", "0", "tabby, striped cat")
    (root / ".cache").mkdir()
    (root / "dog" / "notes.txt").write_text("no picture")
    with pytest.warns(DataWarning, match=r"Skipped 1 of 5 files.*dog/notes\.txt"):
        data = ClassFolder(root, CLASSIFIER.class_names)
    samples = [data[index] for index in range(len(data))]
    assert {sample.name: sample.label for sample in samples} == {
        "0/2": 0,
        "tabby, striped cat/3": 1,
        "tabby/1": 1,
        "dog/0": 2,
    }
    assert (next(s for s in samples if s.name == "dog/0").image == make_photo(seed=0)).all()


def test_subfolders_are_synsets_of_imagenet(tmp_path: Path) -> None:
    info = ImageNetInfo("imagenet-1k")
    names = tuple(info.index_to_description(index) for index in range(1000))
    root = write_classes(tmp_path, "n01440764", "n15075141", "goldfish")
    data = ClassFolder(root, names)
    assert [data[index].label for index in range(3)] == [1, 0, 999]  # in the order of the folders
    others = tuple(f"class {index}" for index in range(1000))  # not ImageNet's
    with pytest.raises(DataError, match=r"goldfish names no one class .*numbers from 0 to 999\.$"):
        ClassFolder(root, others)
    write_classes(root, "crane")  # a bird and a machine
    with pytest.raises(DataError, match=r"crane names no one class .* synsets like n01440764"):
        ClassFolder(root, names)


def test_numbers_that_are_names_stay_names(tmp_path: Path) -> None:
    data = ClassFolder(write_classes(tmp_path, "7"), ("5", "6", "7"))
    assert data[0].label == 2
    with pytest.raises(DataError, match=r"allowed are its classes \(5, 6, 7\)\."):
        ClassFolder(write_classes(tmp_path, "0"), ("5", "6", "7"))


def test_panoptic_truth_is_read(tmp_path: Path) -> None:
    ids = np.zeros((64, 96), int)
    ids[:20, :40], ids[20:, :40], ids[30:50, 60:80] = 5, 2, 200
    truth = make_map(ids, {5: 0, 2: 1, 200: 2})
    content = write_panoptic(tmp_path, {"a": PHOTO}, {"a": truth})
    content["annotations"][0]["segments_info"][2]["iscrowd"] = 1
    write_json(tmp_path / "panoptic.json", content)
    data = PanopticFolder(tmp_path, NAMES)
    sample = data[0]
    assert (len(data), data.names) == (1, ["a"])
    assert (sample.image == PHOTO).all()
    labels = {s.id: s.label for s in sample.truth.segments}
    found = np.vectorize(lambda id_: labels.get(id_, -1))(sample.truth.ids)
    expected = np.full((64, 96), -1)
    expected[:20, :40], expected[20:, :40], expected[30:50, 60:80] = 0, 1, 2
    assert (found == expected).all()
    assert [labels[id_] for id_ in sample.crowds] == [2]


def test_masks_are_read_from_polygons_and_run_lengths(tmp_path: Path) -> None:
    square, stripe = np.zeros((64, 96), bool), np.zeros((64, 96), bool)
    square[10:30, 20:60] = True
    stripe[:, ::3] = True
    packed = coder.encode(np.asfortranarray(stripe.astype(np.uint8)))
    packed["counts"] = packed["counts"].decode()
    corners = [20, 10, 60, 10, 60, 30, 20, 30]
    far = [70, 40, 90, 40, 90, 60, 70, 60]
    things = [
        ("car", [corners], False),
        ("road", count_runs(stripe), True),
        ("sky", packed, False),
        ("car", [corners, far], False),
    ]
    write_instances(tmp_path, {"a": PHOTO, "empty": PHOTO}, {"a": things})
    data = InstanceFolder(tmp_path, NAMES)
    sample, empty = data[0], data[1]
    both = square.copy()
    both[40:60, 70:90] = True
    assert [mask.tolist() for mask in sample.masks] == [
        m.tolist() for m in (square, stripe, stripe, both)
    ]
    assert sample.labels.tolist() == [2, 1, 0, 2]
    assert sample.are_crowds.tolist() == [False, True, False, False]
    assert (empty.masks.shape, len(empty.labels)) == ((0, 64, 96), 0)


def test_every_task_opens_its_own_layout(tmp_path: Path) -> None:
    plain, classes = tmp_path / "plain", write_classes(tmp_path / "c" / "val", "cat", "dog")
    write_photo(plain / "a.png", PHOTO)
    for task in (SEMANTIC, CLASSIFIER, PANOPTIC, INSTANCE, FEATURES):
        assert isinstance(open_pictures(str(plain), task=task), PhotoFolder)
    assert isinstance(open_pictures(str(classes), task=CLASSIFIER), ClassFolder)
    assert isinstance(open_pictures(str(tmp_path / "c"), "val", task=CLASSIFIER), ClassFolder)
    truth = make_map(np.ones((64, 96)), {1: 0})
    write_panoptic(tmp_path / "d", {"a": PHOTO}, {"a": truth})
    write_instances(tmp_path / "d", {"a": PHOTO}, {"a": [("car", [[0, 0, 9, 0, 9, 9]], False)]})
    assert isinstance(open_pictures(str(tmp_path / "d"), task=PANOPTIC), PanopticFolder)
    assert isinstance(open_pictures(str(tmp_path / "d"), task=INSTANCE), InstanceFolder)
    assert isinstance(open_pictures(str(tmp_path / "d"), task=FEATURES), PhotoFolder)
    write_photo(tmp_path / "d" / "labels" / "a.png", np.zeros((64, 96, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "d" / "labels" / "a.png"), np.zeros((64, 96), np.uint8))
    opened = open_pictures(str(tmp_path / "d"), task=SEMANTIC)
    assert isinstance(opened, LabelledFolder)
    assert opened.class_names == (*NAMES, "Void")


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (SEMANTIC, "nowhere is not a data folder"),
        (CLASSIFIER, "no folder .*nowhere; .* one subfolder of pictures for each class"),
        (PANOPTIC, "no folder .*nowhere; .* images/, panoptic/ and panoptic.json"),
        (INSTANCE, "no folder .*nowhere; .* images/ and instances.json"),
        (FEATURES, "no folder .*nowhere; .* no truth for features"),
    ],
)
def test_a_missing_folder_is_one_sentence(tmp_path: Path, task: Task, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_pictures(str(tmp_path / "nowhere"), task=task)
    if task is not SEMANTIC:
        for spec in (f"camvid:{tmp_path}", f"kitti:{tmp_path}", "streets:0:2"):
            if task is INSTANCE and spec == "streets:0:2":
                continue
            with pytest.raises(DataError, match=r"has (a class|boxes) .*; a network for"):
                open_pictures(spec, task=task)
        with pytest.raises(DataError, match=r"There is no folder .*val; "):
            open_pictures(str(tmp_path), "val", task=task)
        with pytest.raises(DataError, match="There are no pictures in the folder"):
            open_pictures(str(tmp_path), task=task)


def test_bad_pictures_are_named(tmp_path: Path) -> None:
    write_classes(tmp_path, "cat")
    (tmp_path / "cat" / "0.png").write_bytes(b"nothing")
    (tmp_path / "dog").mkdir()
    with pytest.raises(DataError, match=r"cat/0\.png is not an image that can be read"):
        ClassFolder(tmp_path, CLASSIFIER.class_names)[0]
    with pytest.raises(DataError, match=r"cat/0\.png is not an image"):
        PhotoFolder(tmp_path / "cat")[0]
    (tmp_path / "cat" / "0.png").unlink()
    with pytest.raises(DataError, match="no pictures in the folders of classes"):
        ClassFolder(tmp_path, CLASSIFIER.class_names)


def drop(*keys: str) -> Any:
    """Take away an entry of the file, the first of each list on the way."""

    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key][0]
        del content[keys[-1]]

    return change


def put(value: Any, *keys: str) -> Any:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key][0]
        content[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("categories"), r"panoptic.json is no file of COCO's: it has no list of categories"),
        (drop("annotations", "image_id"), "not of COCO's layout: it says no image_id"),
        (drop("annotations", "segments_info"), "it says no segments_info"),
        (put("text", "annotations", "segments_info"), "not of COCO's layout"),
        (put("x", "annotations", "segments_info", "id"), "panoptic.json is not of COCO's layout"),
        (put([], "annotations"), "lists no pictures or no annotations"),
        (put(4, "annotations", "image_id"), "labels the picture 4, which it does not list"),
        (put("b.png", "images", "file_name"), r"no .*images/b\.png, which panoptic\.json lists"),
        (put("b.png", "annotations", "file_name"), r"no .*panoptic/b\.png, which"),
        (
            put(90, "annotations", "segments_info", "category_id"),
            "the category tree, which the net",
        ),
        (put(91, "annotations", "segments_info", "category_id"), "the category 91, which"),
        (put(4, "annotations", "segments_info", "id"), r"a\.png holds the segment 70001, which"),
    ],
)
def test_bad_panoptic_files_are_one_sentence(tmp_path: Path, change: Any, message: str) -> None:
    content = write_panoptic(tmp_path, {"a": PHOTO}, {"a": make_map(np.ones((64, 96)), {1: 0})})
    change(content)
    write_json(tmp_path / "panoptic.json", content)
    with pytest.raises(DataError, match=message):
        open_pictures(str(tmp_path), task=PANOPTIC)[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("a", "annotations", "category_id"), "the category a, which"),
        (put(65, "images", "height"), r"a\.png is 96x64 but its labels in .* are 96x65"),
        (drop("images", "width"), "it says no width"),
        (put({"size": [4, 4], "counts": [16]}, "annotations", "segmentation"), "are 4x4"),
        (put({"size": [64, 96]}, "annotations", "segmentation"), "A mask of .* cannot be read"),
        (put([], "annotations", "segmentation"), "A mask of .* cannot be read"),
        (put("circle", "annotations", "segmentation"), "A mask of .* cannot be read"),
    ],
)
def test_bad_instance_files_are_one_sentence(tmp_path: Path, change: Any, message: str) -> None:
    polygon = [[0, 0, 9, 0, 9, 9]]
    content = write_instances(tmp_path, {"a": PHOTO}, {"a": [("car", polygon, False)]})
    change(content)
    write_json(tmp_path / "instances.json", content)
    with pytest.raises(DataError, match=message):
        open_pictures(str(tmp_path), task=INSTANCE)[0]


def test_truth_of_another_size_and_files_that_are_no_json(tmp_path: Path) -> None:
    write_panoptic(tmp_path, {"a": PHOTO}, {"a": make_map(np.ones((32, 96)), {1: 0})})
    with pytest.raises(DataError, match=r"a\.png is 96x64 but its labels in .* are 96x32"):
        open_pictures(str(tmp_path), task=PANOPTIC)[0]
    for text in ("{", json.dumps([1])):
        (tmp_path / "panoptic.json").write_text(text)
        with pytest.raises(DataError, match=r"panoptic\.json is no"):
            open_pictures(str(tmp_path), task=PANOPTIC)
    (tmp_path / "panoptic.json").unlink()
    with pytest.raises(DataError, match=r"There is no .*panoptic\.json; the labels"):
        open_pictures(str(tmp_path), task=PANOPTIC)
    with pytest.raises(DataError, match=r"tells no things one by one; .* and instances\.json"):
        open_pictures(str(tmp_path), task=INSTANCE)


def test_without_pycocotools_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_instances(tmp_path, {"a": PHOTO}, {"a": [("car", [[0, 0, 9, 0, 9, 9]], False)]})
    real = builtins.__import__

    def refuse(name: str, *args: Any, **options: Any) -> Any:
        if name.startswith("pycocotools"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(DataError, match=r'pycocotools: pip install "sparsevit\[train\]"'):
        InstanceFolder(tmp_path, NAMES)
