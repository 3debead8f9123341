"""Labels that say nothing are refused; classes that never occur are warned of, in words."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from eval_support import INSTANCE, PANOPTIC, make_map, make_photo, write_instances, write_panoptic
from eval_support import write_json as write
from kitti_support import CAR, write_kitti
from training_support import MODEL, Recorder, make_config
from typer.testing import CliRunner

from sparsevit.cli import cli
from sparsevit.data.classes import STREET_CLASSES
from sparsevit.data.labelled import DataError, open_data
from sparsevit.data.pictures import DataWarning
from sparsevit.evaluation import evaluate
from sparsevit.evaluation.sources import open_pictures
from sparsevit.networks import load_model
from sparsevit.networks.segmenter import Segmenter, SegmenterConfig, save_segmenter
from sparsevit.studies.measure import score_variants
from sparsevit.studies.subject import make_subject
from sparsevit.training import TrainConfig, TrainingError, train

TWO = replace(MODEL, class_names=("rest", "crack"), palette=MODEL.palette[:2])


def write_masks(root: Path, values: list[list[int]], **classes: object) -> Path:
    """A picture for each list; its label file holds these values, in stripes of equal width."""
    for part in ("images", "labels"):
        (root / part).mkdir(parents=True)
    for number, row in enumerate(values):
        labels = np.uint8(row).repeat(96 // len(row))[None].repeat(64, 0)
        cv2.imwrite(str(root / "images" / f"a_{number}.png"), np.dstack([labels] * 3))
        cv2.imwrite(str(root / "labels" / f"a_{number}.png"), labels)
    write(root / "classes.json", {"classes": TWO.class_names, **classes})
    return root


def configure(root: Path, model: SegmenterConfig = TWO, **changes: object) -> TrainConfig:
    """Two steps on the pictures in ``root``/data."""
    folder = str(root / "data")
    return make_config(root, data=((folder, 1.0),), holdout=None, model=model, steps=2, **changes)


def test_masks_of_0_and_255_are_explained_to_whoever_trains(tmp_path: Path) -> None:
    write_masks(tmp_path / "data", [[0, 255, 255]] * 10)
    says = (
        r"No pixel of the 9 pictures looked at is labelled crack\. Label files such as a_0\.png "
        r"hold nothing but 0 and 255, and 255 means void: .* in its place, such as 1 for crack\."
    )
    with pytest.warns(DataWarning, match=says):
        train(configure(tmp_path), show_bar=False)


def test_masks_of_0_and_255_are_explained_to_whoever_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARSEVIT_DEVICE", "cpu")
    write_masks(tmp_path / "data", [[0, 255], [0, 0]])
    save_segmenter(Segmenter(TWO), tmp_path / "two.safetensors")
    arguments = ["--model", str(tmp_path / "two.safetensors"), "--data", str(tmp_path / "data")]
    result = CliRunner().invoke(cli, ["eval", *arguments, "-s", "0,0.5", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["pictures"] == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Warning: ")]
    assert "No pixel of the 2 pictures looked at is labelled crack." in line
    assert "write that class's number in its place, such as 1 for crack." in line


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([[0, 1, 255]], {}),
        ([[0, 0, 255], [1, 1, 1]], {}),
        ([[255, 0, 1]], {"classes": ["rest", "none", "crack"], "void": 1}),
    ],
)
def test_a_missing_class_is_not_what_a_file_lacks(
    tmp_path: Path, values: list, classes: dict
) -> None:
    """No word where every class occurs in some picture; nor is void explained where it is none."""
    write_masks(tmp_path / "data", values, **classes)
    data = open_data(str(tmp_path / "data"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        evaluate(Segmenter(TWO), data, [0])
    said = [str(warning.message) for warning in caught if warning.category is DataWarning]
    assert len(said) == ("void" in classes)  # there 1 is void, so nothing is a crack
    assert not any("255" in text for text in said)


def test_what_was_looked_at_is_said(tmp_path: Path) -> None:
    write_masks(tmp_path / "data", [[1]] * 3)
    with pytest.warns(
        DataWarning, match=r"No pixel of the 2 pictures looked at \(of 3\) is labelled rest"
    ):
        evaluate(Segmenter(TWO), open_data(str(tmp_path / "data")), [0], limit=2)
    many = [f"class {number}" for number in range(9)]
    model = replace(MODEL, class_names=tuple(many), palette=MODEL.palette * 3)
    write_masks(tmp_path / "more", [[1]], classes=many)
    with pytest.warns(DataWarning, match="labelled class 0, class 2, .*class 5 and 3 other classe"):
        evaluate(Segmenter(model), open_data(str(tmp_path / "more")), [0])


@pytest.mark.parametrize("void", [None, 0])
def test_nothing_labelled_is_not_trained_on(tmp_path: Path, void: int | None) -> None:
    """Where 0 is void, masks of 0 and 255 say nothing."""
    values = [[255, 255 if void is None else 0]] * 3
    names = {} if void is None else {"classes": ["none", "rest", "crack"], "void": 0}
    write_masks(tmp_path / "data", values, **names)
    config = configure(tmp_path)
    says = r"every pixel of the 3 pictures looked at, such as a_0, is void " + (
        r"\(255\)" if void is None else r"\(0 or 255\)"
    )
    with pytest.raises(DataError, match=says):
        train(config, show_bar=False)
    assert not list((tmp_path / "run").glob("*.safetensors"))


def test_a_few_labelled_pictures_are_enough_to_train_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only every second picture is looked at first, and those have no labels."""
    monkeypatch.setattr("sparsevit.data.batches._COUNTED_PICTURES", 2)
    write_masks(tmp_path / "data", [[255], [0, 1], [255], [0, 1]])
    report = Recorder()
    with pytest.warns(DataWarning, match=r"looked at \(of 4\) is labelled rest, crack"):
        train(configure(tmp_path), report, show_bar=False)
    assert len(report.seen) == 2


def test_classes_of_one_data_set_may_be_missing_in_another(tmp_path: Path) -> None:
    write_masks(tmp_path / "data", [[0]])
    write_masks(tmp_path / "other", [[1]])
    shares = tuple((str(tmp_path / name), 1.0) for name in ("data", "other"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        train(replace(configure(tmp_path), data=shares), show_bar=False)


def test_validation_without_labels_is_said_and_left_out(tmp_path: Path) -> None:
    """The tenth picture validates."""
    write_masks(tmp_path / "data", [[0, 1]] * 9 + [[255]])
    report = Recorder()
    with pytest.warns(DataWarning, match=r"Nothing is labelled in what .*data has for validation"):
        train(configure(tmp_path, validate=0.5), report, show_bar=False)
    assert [progress.accuracy for progress in report.seen] == [None, None]


def test_one_class_alone_is_nothing_to_learn(tmp_path: Path) -> None:
    one = replace(MODEL, class_names=("crack",), palette=MODEL.palette[:1])
    with pytest.raises(TrainingError, match=r"crack is the only class.* what is not crack as a cl"):
        configure(tmp_path, model=one)


def test_studies_need_labels_too(tmp_path: Path) -> None:
    save_segmenter(Segmenter(TWO), tmp_path / "two.safetensors")
    data = open_data(str(write_masks(tmp_path / "data", [[255], [255]])))
    subject = make_subject(load_model(str(tmp_path / "two.safetensors")), data, pictures=2)
    with pytest.raises(DataError, match="Nothing is labelled"):
        score_variants(subject, [])


def test_classes_cannot_be_measured_where_boxes_are_all_that_is_told(tmp_path: Path) -> None:
    data = open_data(f"kitti:{write_kitti(tmp_path, {'a': CAR})}")
    names, palette = STREET_CLASSES.names, STREET_CLASSES.palette
    network = Segmenter(replace(MODEL, class_names=names, palette=palette))
    with pytest.raises(DataError, match="Nothing tells the class of a pixel of a, nor"):
        evaluate(network, data, [0])


def test_segments_and_things_need_labels_too(tmp_path: Path) -> None:
    photo = make_photo()
    panoptic = write_panoptic(tmp_path, {"a": photo}, {"a": make_map(np.zeros((64, 96)), {})})
    assert panoptic["annotations"]
    with pytest.raises(DataError, match=r"panoptic\.json labels no segment"):
        open_pictures(str(tmp_path), task=PANOPTIC)
    instances = write_instances(tmp_path, {"a": photo}, {"a": [("car", [[0, 0, 9, 0, 9, 9]], 0)]})
    instances["annotations"][0]["image_id"] = 4
    write(tmp_path / "instances.json", instances)
    with pytest.raises(DataError, match=r"instances\.json labels nothing in the pictures that it"):
        open_pictures(str(tmp_path), task=INSTANCE)
