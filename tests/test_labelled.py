"""Labelled folders, drawn streets and the crops cut out of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sparsevit.data.augment import random_crop
from sparsevit.data.labelled import (
    DataError,
    LabelledFolder,
    Sample,
    StreetScenes,
    open_data,
    sequence_of,
)

VOID = 11


def write_picture(root: Path, stem: str, labels: np.ndarray, suffix: str = ".png") -> None:
    """Store labels and a picture whose red channel is ten times the label."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    image = np.zeros((*labels.shape, 3), dtype=np.uint8)
    image[..., 2] = labels * 10  # OpenCV writes BGR
    cv2.imwrite(str(root / "images" / (stem + suffix)), image)
    cv2.imwrite(str(root / "labels" / f"{stem}.png"), labels)


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4).repeat(16, 0).repeat(16, 1)
    for part, stems in {"train": ["0001TP_1", "0006R0_1", "0006R0_2"], "val": ["0016E5_1"]}.items():
        for stem in stems:
            write_picture(tmp_path / part, stem, labels)
    return tmp_path


def test_pictures_come_as_rgb_with_their_labels(camvid: Path) -> None:
    sample = LabelledFolder(camvid / "train")[1]
    assert sample.name == "0006R0_1"
    assert sample.image.shape == (48, 64, 3)
    assert sample.labels.dtype == np.uint8
    np.testing.assert_array_equal(sample.image[..., 0], sample.labels * 10)
    assert not sample.image[..., 1:].any()


def test_held_out_sequences_are_never_trained_on(camvid: Path) -> None:
    spec = f"camvid:{camvid}"
    train, held = open_data(spec, "train"), open_data(spec, "holdout")
    assert train.names == ["0001TP_1", "0016E5_1"]
    assert held.names == ["0006R0_1", "0006R0_2"]
    assert open_data(spec).names == ["0001TP_1", "0006R0_1", "0006R0_2", "0016E5_1"]
    assert open_data(spec, "train", ["0016E5"]).names == ["0001TP_1", "0006R0_1", "0006R0_2"]


def test_plain_folder_holds_out_what_it_is_told(camvid: Path) -> None:
    folder = str(camvid / "train")
    assert len(open_data(folder, "train")) == 3
    assert open_data(folder, "holdout", ["0001TP"]).names == ["0001TP_1"]
    with pytest.raises(DataError, match="No pictures are left"):
        open_data(folder, "holdout")


def test_sequence_is_the_text_before_the_underscore() -> None:
    assert [sequence_of(n) for n in ("0006R0_f0_1", "lonely")] == ["0006R0", "lonely"]


def test_jpeg_and_void_label_255(tmp_path: Path) -> None:
    labels = np.full((40, 40), 255, dtype=np.uint8)
    write_picture(tmp_path, "a", labels, ".JPG")
    assert (LabelledFolder(tmp_path)[0].labels == VOID).all()


def test_missing_label(camvid: Path) -> None:
    (camvid / "train" / "labels" / "0006R0_1.png").unlink()
    with pytest.raises(DataError, match=r"0006R0_1\.png has no label file"):
        LabelledFolder(camvid / "train")


def test_sizes_must_agree(camvid: Path) -> None:
    path = camvid / "train" / "labels" / "0001TP_1.png"
    cv2.imwrite(str(path), np.zeros((48, 60), dtype=np.uint8))
    with pytest.raises(DataError, match=r"is 64x48 but its labels are 60x48"):
        LabelledFolder(camvid / "train")[0]


@pytest.mark.parametrize("labels", [np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64), np.uint16)])
def test_labels_are_8_bit_and_single_channel(camvid: Path, labels: np.ndarray) -> None:
    cv2.imwrite(str(camvid / "train" / "labels" / "0001TP_1.png"), labels)
    with pytest.raises(DataError, match="not an 8-bit single-channel PNG"):
        LabelledFolder(camvid / "train")[0]


def test_label_out_of_range(camvid: Path) -> None:
    path = camvid / "train" / "labels" / "0001TP_1.png"
    cv2.imwrite(str(path), np.full((48, 64), 12, dtype=np.uint8))
    with pytest.raises(DataError, match="holds class 12; allowed are 0 to 11"):
        LabelledFolder(camvid / "train")[0]


def test_undecodable_picture(camvid: Path) -> None:
    (camvid / "train" / "images" / "0001TP_1.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="cannot be decoded"):
        LabelledFolder(camvid / "train")[0]


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a data folder"):
        open_data(str(tmp_path))
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match=r"no \.jpg or \.png pictures"):
        open_data(str(tmp_path))


@pytest.mark.parametrize("spec", ["streets:", "streets:1", "streets:a:b", "streets:-1:4"])
def test_unreadable_street_specs(spec: str) -> None:
    with pytest.raises(DataError, match="streets:SEED:COUNT"):
        open_data(spec)


def test_streets_are_drawn_from_consecutive_seeds() -> None:
    data = StreetScenes(7, 2, size=(64, 128))
    assert open_data("streets:7:2").names == data.names == ["7", "8"]
    sample = data[1]
    assert sample is data[1]
    assert sample.image.shape == (64, 128, 3)
    assert sample.labels.shape == (64, 128)
    with pytest.raises(DataError, match="count >= 1"):
        open_data("streets:7:0")


def test_crops_keep_picture_and_labels_together() -> None:
    left = np.zeros((60, 80), dtype=np.uint8)
    left[:, 40:] = 1
    image = np.where(left[..., None] == 1, np.uint8(230), np.uint8(20)).repeat(3, 2)
    for seed in range(20):
        crop, labels = random_crop(
            Sample(image, left, ""), (32, 64), (0.4, 2.0), VOID, np.random.default_rng(seed)
        )
        assert crop.shape == (32, 64, 3)
        assert crop.dtype == np.uint8
        assert set(np.unique(labels)) <= {0, 1, VOID}
        both = (labels == 0).sum() > 40 and (labels == 1).sum() > 40
        if both:
            assert crop[labels == 1].mean() > crop[labels == 0].mean() + 50


def test_small_pictures_are_surrounded_by_void() -> None:
    sample = Sample(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.uint8), "")
    _, labels = random_crop(sample, (64, 64), (1.0, 1.0), VOID, np.random.default_rng(0))
    assert (labels == 0).sum() == pytest.approx(400, rel=0.15)
    assert (labels == VOID).sum() + (labels == 0).sum() == 64 * 64
