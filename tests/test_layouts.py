"""One reader for everything: the same pixels in every layout, the same files, the same errors."""

from __future__ import annotations

import io
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eval_support import NAMES, make_map, make_photo, write_instances, write_panoptic
from PIL import Image, features
from training_support import make_config
from typer.testing import CliRunner

from sparsevit.cli import cli
from sparsevit.data.classes import STREET_CLASSES, name_classes
from sparsevit.data.coco import InstanceFolder, PanopticFolder
from sparsevit.data.labelled import DataError, LabelledFolder
from sparsevit.data.photos import ClassFolder, PhotoFolder
from sparsevit.data.pictures import DataWarning, list_pictures
from sparsevit.data.reader import list_suffixes
from sparsevit.training import train

ORIENTATION = 0x0112
PHOTO = make_photo(64, 96)


def save(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def turn(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def make_layouts(root: Path, content: bytes, size: tuple[int, int]) -> dict[str, Callable[[], Any]]:
    """The file as picture a.png of every layout, and what reads it; its format is as it is."""
    truth = make_map(np.ones(size), {1: 0})
    photo = np.zeros((*size, 3), np.uint8)
    things = [("car", [[0, 0, 9, 0, 9, 9]], False)]
    write_panoptic(root / "panoptic", {"a": photo}, {"a": truth})
    write_instances(root / "instances", {"a": photo}, {"a": things})
    labels = save(Image.fromarray(np.zeros(size, np.uint8)), "PNG")
    for path in ("photos/a.png", "classes/cat/a.png", "labelled/images/a.png"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    for path in ("panoptic/images/a.png", "instances/images/a.png"):
        (root / path).write_bytes(content)
    (root / "labelled" / "labels").mkdir()
    (root / "labelled" / "labels" / "a.png").write_bytes(labels)
    return {
        "photos": lambda: PhotoFolder(root / "photos")[0],
        "classes": lambda: ClassFolder(root / "classes", ("cat", "dog"))[0],
        "labelled": lambda: LabelledFolder(root / "labelled", name_classes(NAMES))[0],
        "panoptic": lambda: PanopticFolder(root / "panoptic", NAMES)[0],
        "instances": lambda: InstanceFolder(root / "instances", NAMES)[0],
    }


def clear_half(photo: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Its left half clear: white, whatever colour lies under it."""
    alpha = np.full(photo.shape[:2], 255, np.uint8)
    alpha[:, :48] = 0
    shown = photo.copy()
    shown[:, :48] = 255
    return save(Image.fromarray(np.dstack([photo, alpha])), "PNG"), shown


def lay_down(photo: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Stored on its side, as a phone does."""
    stored = np.rot90(photo)  # to the left; orientation 6 turns it to the right
    return save(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=turn(6)), photo


def deepen(photo: np.ndarray) -> tuple[bytes, np.ndarray]:
    grey = photo[..., 0]
    content = save(Image.fromarray(grey.astype(np.uint16) * 257), "PNG")
    return content, np.dstack([grey] * 3)


def print_in_inks(photo: np.ndarray) -> tuple[bytes, np.ndarray]:
    """CMYK without loss, as TIFF; with no black ink each colour is what its ink leaves."""
    inks = np.dstack([255 - photo, np.zeros(photo.shape[:2], np.uint8)])
    return save(Image.fromarray(inks, "CMYK"), "TIFF"), photo


def clear_a_colour(photo: np.ndarray) -> tuple[bytes, np.ndarray]:
    """A palette with a clear colour."""
    indices = np.zeros(photo.shape[:2], np.uint8)
    indices[20:] = 1
    image = Image.fromarray(indices, "P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    shown = np.where(indices[..., None] == 1, np.uint8([40, 50, 60]), np.uint8(255))
    return save(image, "PNG", transparency=0), shown


@pytest.mark.parametrize("make", [clear_half, lay_down, deepen, print_in_inks, clear_a_colour])
def test_every_layout_gives_the_same_pixels(tmp_path: Path, make: Any) -> None:
    content, shown = make(PHOTO)
    for name, read in make_layouts(tmp_path, content, (64, 96)).items():
        np.testing.assert_array_equal(read().image, shown, err_msg=name)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "zeros"])
def test_a_damaged_picture_is_refused_in_every_layout(tmp_path: Path, form: str) -> None:
    """Cut, or from the middle on zeros, as a broken-off download leaves a file."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    content = save(Image.fromarray(noise), "JPEG" if form == "JPEG" else "PNG")
    half = len(content) * 9 // 10
    content = content[:half] + bytes(len(content) - half) * (form == "zeros")
    for name, read in make_layouts(tmp_path, content, (64, 96)).items():
        with pytest.raises(DataError, match=rf"{name}/.*a\.png is damaged or incomplete"):
            read()


@pytest.mark.parametrize(("size", "says"), [((31, 40), "too small"), ((32, 260), "too thin")])
def test_every_layout_has_the_same_limits(tmp_path: Path, size: Any, says: str) -> None:
    content = save(Image.new("RGB", size[::-1]), "PNG")
    for name, read in make_layouts(tmp_path, content, size).items():
        with pytest.raises(DataError, match=rf"{name}/.*a\.png is {says}"):
            read()


def test_labels_are_of_the_picture_the_right_way_up(tmp_path: Path) -> None:
    read = make_layouts(tmp_path, lay_down(PHOTO)[0], (64, 96))["labelled"]
    assert read().labels.shape == (64, 96)
    stored = save(Image.new("L", (64, 96)), "PNG")  # as the picture lies in its file
    (tmp_path / "labelled" / "labels" / "a.png").write_bytes(stored)
    with pytest.raises(DataError, match=r"is 96x64 but .* are 64x96; a picture is turned as its E"):
        read()


def test_ids_of_segments_are_read_as_they_are_stored(tmp_path: Path) -> None:
    """Neither composited nor taken from a file that only looks alike."""
    read = make_layouts(tmp_path, clear_half(PHOTO)[0], (64, 96))["panoptic"]
    path = tmp_path / "panoptic" / "panoptic" / "a.png"
    with Image.open(path) as image:
        ids = np.asarray(image)
    expected = read().truth.ids
    path.write_bytes(save(Image.fromarray(np.dstack([ids, np.zeros((64, 96), np.uint8)])), "PNG"))
    np.testing.assert_array_equal(read().truth.ids, expected)
    for mode in ("L", "P", "I;16"):
        Image.new(mode, (96, 64)).save(path)
        with pytest.raises(DataError, match=r"file of segments .*a\.png is not an 8-bit RGB PNG"):
            read()
    Image.new("RGB", (96, 64)).save(path, "BMP")
    with pytest.raises(DataError, match=r"file of segments .*a\.png cannot be decoded as a PNG"):
        read()


def test_huge_labels_are_one_sentence(tmp_path: Path) -> None:
    layouts = make_layouts(tmp_path, save(Image.fromarray(PHOTO), "PNG"), (64, 96))
    huge = save(Image.new("1", (14000, 14000)), "PNG")
    for name, path in (("labelled", "labels"), ("panoptic", "panoptic")):
        (tmp_path / name / path / "a.png").write_bytes(huge)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(DataError, match=r"a\.png is too large.*at most 100 megapixels"):
                layouts[name]()


def test_strays_are_skipped_with_a_word(tmp_path: Path) -> None:
    make_layouts(tmp_path, save(Image.fromarray(PHOTO), "PNG"), (64, 96))
    opened: dict[str, Callable[[Path], Any]] = {
        "photos": PhotoFolder,
        "classes/cat": lambda folder: ClassFolder(folder.parent, ("cat", "dog")),
        "labelled/images": lambda folder: LabelledFolder(folder.parent, name_classes(NAMES)),
    }
    for part, read in opened.items():
        folder = tmp_path / part
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(read(folder)) == 1
        for name in ("._a.png", ".DS_Store", "Thumbs.db", "notes.txt", "IMG_1.HEIC"):
            (folder / name).write_bytes(b"Mac OS X")
        (folder.parent / "__MACOSX").mkdir(exist_ok=True)
        with pytest.warns(DataWarning, match=r"Skipped 5 of 6 files.* such as .*\.DS_Store\."):
            assert len(read(folder)) == 1
        (folder / "b.jpg").write_text("text")  # named as a picture: never passed over
        (folder / "c.png").symlink_to("nowhere")
        if part == "labelled/images":
            for name in "bc":
                shutil.copy(
                    folder.parent / "labels" / "a.png", folder.parent / f"labels/{name}.png"
                )
        with pytest.warns(DataWarning):
            data = read(folder)
        assert len(data) == 3
        for index, says in ((1, r"b\.jpg is not an image"), (2, r"c\.png does not exist")):
            with pytest.raises(DataError, match=says):
                data[index]
        for path in folder.iterdir():
            if path.name[0] != "." and path.suffix in (".png", ".jpg"):
                path.unlink()
        with pytest.raises(DataError, match="There are no pictures in the folder"):
            read(folder)


@pytest.mark.filterwarnings("ignore:Unknown feature")
def test_all_that_can_be_read_is_listed(tmp_path: Path) -> None:
    """Each format under each ending that PIL has for it, in capitals too."""
    forms = {".jfif": "JPEG", ".Webp": "WEBP", ".bmp": "BMP", ".TIF": "TIFF", ".gif": "GIF"}
    forms |= {".ppm": "PPM", ".jp2": "JPEG2000", ".JPEG": "JPEG", ".apng": "PNG"}
    if features.check("avif"):  # not in every build of Pillow
        forms[".avif"] = "AVIF"
    assert {suffix.lower() for suffix in forms} <= list_suffixes()
    for number, (suffix, form) in enumerate(forms.items()):
        (tmp_path / f"{number}{suffix}").write_bytes(save(Image.fromarray(PHOTO), form))
    assert [path.suffix for path in list_pictures(tmp_path)] == list(forms)
    data = PhotoFolder(tmp_path)
    assert all(data[index].image.shape == (64, 96, 3) for index in range(len(forms)))


def test_training_refuses_what_eval_does(tmp_path: Path) -> None:
    config = make_config(tmp_path, steps=1)
    path = tmp_path / "data" / "images" / "a_2.png"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"images/a_2\.png is damaged or incomplete"):
        train(config, show_bar=False)


def test_eval_says_the_same_of_pictures_with_and_without_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word on strays comes once, however often the folder is looked at."""
    monkeypatch.setenv("SPARSEVIT_DEVICE", "cpu")
    make_layouts(tmp_path, clear_half(PHOTO)[0], (64, 96))
    (tmp_path / "labelled" / "images" / "._a.png").write_bytes(b"Mac OS X")
    found = {}
    (tmp_path / "labelled" / "classes.json").write_text(
        json.dumps({"classes": STREET_CLASSES.names})
    )
    for option, folder in (("--data", "labelled"), ("--images", "labelled/images")):
        arguments = ["eval", option, str(tmp_path / folder), "-s", "0.6", "--json"]
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.output
        found[option] = json.loads(result.stdout)["results"][0]["agreement"]
        assert result.stderr.count("Warning: Skipped 1 of 2 files") == 1
        assert "DataWarning" not in result.stderr
    assert found["--data"] == found["--images"]
