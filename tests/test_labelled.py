"""Labelled folders, their splits and classes, and drawn streets."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sparsevit.data.classes import (
    STREET_CLASSES,
    ClassList,
    find_classes,
    make_palette,
    name_classes,
)
from sparsevit.data.labelled import (
    DataError,
    EmptySplitError,
    LabelledFolder,
    Sample,
    SampleCache,
    StreetScenes,
    choose_split,
    name_data,
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


def write_many(root: Path, stems: list[str]) -> None:
    for stem in stems:
        write_picture(root, stem, np.zeros((32, 32), dtype=np.uint8))


def write_classes(root: Path, **content: object) -> None:
    (root / "classes.json").write_text(json.dumps(content))


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
    train, held = open_data(spec, "train"), open_data(spec, "val")
    assert train.names == ["0001TP_1", "0016E5_1"]
    assert held.names == ["0006R0_1", "0006R0_2"]
    assert open_data(spec).names == ["0001TP_1", "0006R0_1", "0006R0_2", "0016E5_1"]
    assert open_data(spec, "train", ["0016E5"]).names == ["0001TP_1", "0006R0_1", "0006R0_2"]
    assert open_data(spec).classes == STREET_CLASSES


def test_the_official_test_split_is_kept_apart(camvid: Path) -> None:
    spec = f"camvid:{camvid}"
    with pytest.raises(DataError, match="has no folder test/, so it has no test split"):
        open_data(spec, "test")
    write_many(camvid / "test", ["0006R0_9", "Seq05VD_1"])
    assert open_data(spec, "test").names == ["0006R0_9", "Seq05VD_1"]
    for split in ("train", "val", "all"):
        assert not set(open_data(spec, split).names) & {"0006R0_9", "Seq05VD_1"}


def test_folders_called_train_and_val_are_the_splits(tmp_path: Path) -> None:
    write_many(tmp_path / "train", ["a_1", "b_1"])
    write_many(tmp_path / "val", ["c_1"])
    write_classes(tmp_path, classes=["sky", "road"])
    folder = str(tmp_path)
    assert open_data(folder, "train").names == ["a_1", "b_1"]
    assert open_data(folder, "val").names == ["c_1"]
    assert open_data(folder, "all").names == ["a_1", "b_1", "c_1"]
    assert open_data(folder, "train", ["a"]).names == ["b_1", "c_1"]
    assert open_data(folder, "val", ["a"]).names == ["a_1"]
    assert open_data(str(tmp_path / "train")).class_names == ("sky", "road", "Void")


def test_every_tenth_picture_of_a_flat_folder_validates(tmp_path: Path) -> None:
    stems = [f"{index:02d}" for index in range(23)]
    write_many(tmp_path, stems)
    write_classes(tmp_path, classes=["sky"])
    folder = str(tmp_path)
    assert open_data(folder, "val").names == ["09", "19"]
    assert open_data(folder, "train").names == [s for s in stems if s not in ("09", "19")]
    assert open_data(folder).names == stems


def test_plain_folder_holds_out_what_it_is_told(camvid: Path) -> None:
    folder, names = str(camvid / "train"), STREET_CLASSES.names
    assert len(open_data(folder, "train", None, names)) == 3
    assert open_data(folder, "val", ["0001TP"], names).names == ["0001TP_1"]
    with pytest.raises(EmptySplitError, match="No pictures are left"):
        open_data(folder, "val", None, names)


def test_sequence_is_the_text_before_the_underscore() -> None:
    assert [sequence_of(n) for n in ("0006R0_f0_1", "lonely")] == ["0006R0", "lonely"]


def test_jpeg_and_void_label_255(tmp_path: Path) -> None:
    labels = np.full((40, 40), 255, dtype=np.uint8)
    write_picture(tmp_path, "a", labels, ".JPG")
    assert (LabelledFolder(tmp_path)[0].labels == VOID).all()


def test_paletted_labels_are_indices_not_colours(tmp_path: Path) -> None:
    labels = np.array([[0, 1], [2, 255]], dtype=np.uint8).repeat(20, 0).repeat(20, 1)
    write_picture(tmp_path, "a", labels)
    image = Image.fromarray(labels, mode="P")
    image.putpalette([200, 30, 5, 0, 0, 250, 9, 99, 9])
    for bits in (8, 2):
        if bits == 2:  # few colours are packed into few bits
            image = image.point(lambda value: min(value, 3))
        image.save(tmp_path / "labels" / "a.png", bits=bits)
        found = LabelledFolder(tmp_path, name_classes(["x", "y", "z", "w"]))[0].labels
        np.testing.assert_array_equal(np.unique(found), [0, 1, 2, 4 if bits == 8 else 3])


def test_missing_label(camvid: Path) -> None:
    (camvid / "train" / "labels" / "0006R0_1.png").unlink()
    with pytest.raises(DataError, match=r"0006R0_1\.png has no label file"):
        LabelledFolder(camvid / "train")


def test_sizes_must_agree(camvid: Path) -> None:
    path = camvid / "train" / "labels" / "0001TP_1.png"
    cv2.imwrite(str(path), np.zeros((48, 60), dtype=np.uint8))
    with pytest.raises(DataError, match=r"is 64x48 but its labels in .*0001TP_1\.png are 60x48\.$"):
        LabelledFolder(camvid / "train")[0]


@pytest.mark.parametrize(
    "labels",
    [
        Image.new("RGB", (64, 48)),
        Image.new("RGBA", (64, 48)),
        Image.new("LA", (64, 48)),
        Image.new("I;16", (64, 48)),
        Image.new("1", (64, 48)),
    ],
    ids=lambda image: image.mode,
)
def test_labels_are_8_bit_and_single_channel(camvid: Path, labels: Image.Image) -> None:
    labels.save(camvid / "train" / "labels" / "0001TP_1.png")
    with pytest.raises(DataError, match="not an 8-bit single-channel PNG"):
        LabelledFolder(camvid / "train")[0]


def test_grey_levels_of_four_bits_would_be_stretched(camvid: Path) -> None:
    path = camvid / "train" / "labels" / "0001TP_1.png"
    cv2.imwrite(str(path), np.zeros((48, 64), np.uint8), [cv2.IMWRITE_PNG_BILEVEL, 1])
    with pytest.raises(DataError, match="not an 8-bit single-channel PNG"):
        LabelledFolder(camvid / "train")[0]


def test_label_out_of_range(camvid: Path) -> None:
    path = camvid / "train" / "labels" / "0001TP_1.png"
    cv2.imwrite(str(path), np.full((48, 64), 12, dtype=np.uint8))
    allowed = "0 to 10 for the 11 classes and 11 or 255 for void"
    with pytest.raises(DataError, match=f"0001TP_1.png holds the value 12; allowed are {allowed}"):
        LabelledFolder(camvid / "train")[0]
    with pytest.raises(DataError, match=r"are 0 to 2 for the 3 classes and 255 for void"):
        LabelledFolder(camvid / "train", name_classes(["a", "b", "c"]))[0]


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(40)])
@pytest.mark.parametrize("kind", ["images", "labels"])
def test_undecodable_files(camvid: Path, kind: str, content: bytes) -> None:
    (camvid / "train" / kind / "0001TP_1.png").write_bytes(content)
    says = (
        "is empty|is not an image|is damaged" if kind == "images" else "cannot be decoded as a PNG"
    )
    with pytest.raises(DataError, match=rf"{kind}/0001TP_1\.png ({says})"):
        LabelledFolder(camvid / "train")[0]


def test_cut_label_file(camvid: Path) -> None:
    path = camvid / "train" / "labels" / "0001TP_1.png"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"0001TP_1\.png cannot be decoded"):
        LabelledFolder(camvid / "train")[0]


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a data folder: it needs images/ and labels/"):
        open_data(str(tmp_path))
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match=r"There are no pictures in the folder .*images"):
        open_data(str(tmp_path), class_names=["sky"])
    with pytest.raises(DataError, match="is not a data folder"):
        open_data("camvid:/nowhere")


def test_classes_come_from_the_folder_or_from_the_caller(tmp_path: Path) -> None:
    write_many(tmp_path, ["a"])
    with pytest.raises(DataError, match=r"has no classes\.json, so the classes .* are unknown"):
        open_data(str(tmp_path))
    assert open_data(str(tmp_path), class_names=["x", "y"]).class_names == ("x", "y", "Void")
    write_classes(tmp_path, classes=["sky", "road"], palette=[[1, 2, 3], [4, 5, 6]])
    data = open_data(str(tmp_path))
    assert data.classes == ClassList(("sky", "road"), ((1, 2, 3), (4, 5, 6)))
    assert open_data(str(tmp_path), class_names=["sky", "road"]).classes == data.classes
    with pytest.raises(DataError, match=r"classes\.json are sky, road, not road, sky\."):
        open_data(str(tmp_path), class_names=["road", "sky"])


@pytest.mark.parametrize(
    ("content", "names", "expected"),
    [
        ({"classes": ["a", "b"]}, ("a", "b"), [0, 1, None, None, 2]),
        ({"classes": ["a", "b"], "void": 3}, ("a", "b"), [0, 1, None, 2, 2]),
        ({"classes": ["none", "a", "b"], "void": 0}, ("a", "b"), [2, 0, 1, None, 2]),
        ({"classes": ["a", "none", "b"], "void": 1}, ("a", "b"), [0, 2, 1, None, 2]),
        ({"classes": ["a", "b"], "void": 255}, ("a", "b"), [0, 1, None, None, 2]),
    ],
)
def test_what_label_values_mean(
    tmp_path: Path, content: dict, names: tuple, expected: list[int | None]
) -> None:
    """For the values 0, 1, 2, 3 and 255: a class, void (2), or refused (None)."""
    write_classes(tmp_path, **content)
    classes = find_classes(tmp_path)
    assert classes is not None
    assert classes.names == names
    for value, index in zip((0, 1, 2, 3, 255), expected, strict=True):
        write_picture(tmp_path, "a", np.full((32, 32), value, dtype=np.uint8))
        if index is None:
            with pytest.raises(DataError, match=f"holds the value {value}"):
                open_data(str(tmp_path))[0]
        else:
            assert (open_data(str(tmp_path))[0].labels == index).all()


def test_the_colour_of_a_void_class_is_left_out(tmp_path: Path) -> None:
    palette = [[0, 0, 0], [1, 1, 1], [2, 2, 2], [9, 9, 9]]  # one to spare
    write_classes(tmp_path, classes=["none", "a", "b"], void=0, palette=palette)
    classes = find_classes(tmp_path)
    assert classes == ClassList(("a", "b"), ((1, 1, 1), (2, 2, 2)), 0)


@pytest.mark.parametrize(
    "content",
    [
        "rubbish",
        "[]",
        '{"names": ["a"]}',
        '{"classes": []}',
        '{"classes": ["a", "a"]}',
        '{"classes": ["a", 3]}',
        '{"classes": ["a"], "void": "b"}',
        '{"classes": ["a"], "void": 256}',
        '{"classes": ["a", "b"], "palette": [[1, 2, 3]]}',
        '{"classes": ["a"], "palette": [[1, 2, 300]]}',
        '{"classes": ["a"], "palette": "red"}',
        json.dumps({"classes": [str(index) for index in range(255)]}),
    ],
)
def test_unusable_classes_file(tmp_path: Path, content: str) -> None:
    write_many(tmp_path, ["a"])
    (tmp_path / "classes.json").write_text(content)
    with pytest.raises(DataError, match=r"Cannot use .*classes\.json: "):
        open_data(str(tmp_path))


def test_generated_colours_differ() -> None:
    colours = np.array(make_palette(40), dtype=float)
    assert colours.min() >= 0
    assert colours.max() <= 255
    distance = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    distance[np.diag_indices(40)] = 999
    assert distance[:12, :12].min() > 60
    assert distance.min() > 20
    assert len(set(make_palette(254))) == 254
    assert make_palette(3) == make_palette(40)[:3]


def test_memory_holds_only_so_many_samples() -> None:
    made: list[int] = []

    def make(index: int) -> Sample:
        made.append(index)
        return Sample(np.zeros((10, 10, 3), np.uint8), np.zeros((10, 10), np.uint8), str(index))

    cache = SampleCache(limit_bytes=1000)  # two samples of 400 bytes
    for _ in range(2):
        assert [cache.get(index, make).name for index in range(4)] == ["0", "1", "2", "3"]
    assert made == [0, 1, 2, 3, 2, 3]


@pytest.mark.parametrize(
    "spec",
    ["streets:", "streets:1", "streets:a:b", "streets:-1:4", "streets:1:2:64", "streets:1:2:3:4"],
)
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
    again = open_data("streets:8:1:64x128", "val")[0]
    np.testing.assert_array_equal(again.image, sample.image)
    with pytest.raises(DataError, match="count >= 1"):
        open_data("streets:7:0")
    with pytest.raises(DataError, match="pixels"):
        open_data("streets:7:1:9x9")[0]


def test_what_is_measured_unless_told(tmp_path: Path) -> None:
    (tmp_path / "split" / "val").mkdir(parents=True)
    (tmp_path / "flat").mkdir()
    found = [
        choose_split(spec)
        for spec in ("camvid:x", "streets:0:4", str(tmp_path / "split"), str(tmp_path / "flat"))
    ]
    assert found == ["val", "all", "val", "all"]


def test_data_is_named_without_the_place_it_lies_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    places = ("camvid:a/b", "streets:0:200:64x128", "a/b/", ".", "x/odd:name")
    names = ["camvid", "streets:0:200:64x128", "b", "mine", "odd:name"]
    assert [name_data(spec) for spec in places] == names
