"""Commands that run one photo through a network of three tasks, as their user runs them."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image
from PIL.ExifTags import IFD, Base
from typer.testing import CliRunner

from sparsevit.cli import cli
from sparsevit.data.boxes import Boxes3D, Intrinsics
from sparsevit.data.focal import make_camera
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.streets import CLASS_NAMES, PALETTE
from sparsevit.inspect.photo import analyze, prepare_image
from sparsevit.inspect.sizes import compare_sizes
from sparsevit.networks import LoadedModel, load_model
from sparsevit.networks.segmenter import Segmenter, SegmenterConfig, save_segmenter
from sparsevit.tasks.boxes3d import Boxes3DTask

SIZE = (128, 192)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo, one more by a lens of 26 mm in 35 mm terms, and a network that finds things."""
    folder = tmp_path_factory.mktemp("tasks")
    config = SegmenterConfig(
        class_names=CLASS_NAMES[:-1],
        palette=tuple((int(r), int(g), int(b)) for r, g, b in PALETTE[:-1]),
        embed_dim=12,
        depths=(2, 2, 2, 2),
        num_heads=(1, 2, 4, 8),
        head_dim=16,
        kinds=STREET_KINDS.names,
        kind_classes=STREET_KINDS.classes,
        kind_sizes=STREET_KINDS.sizes,
    )
    torch.manual_seed(0)
    network = Segmenter(config)
    with torch.no_grad():
        for head in ("centres", "boxes"):
            network.get_parameter(f"{head}.4.weight").mul_(30.0)  # so that places differ
        network.get_parameter("centres.4.bias")[:-2] = -2.5  # and some ten are probable
        network.get_parameter("boxes.4.bias")[0] += 4.0  # tens of metres ahead
    save_segmenter(network, folder / "three.safetensors")
    pixels = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    exif = Image.Exif()
    exif.get_ifd(IFD.Exif)[Base.FocalLengthIn35mmFilm] = 26
    Image.fromarray(pixels).save(folder / "lens.jpg", exif=exif.tobytes())
    return folder


@pytest.fixture(scope="module")
def loaded(folder: Path) -> LoadedModel:
    return load_model(str(folder / "three.safetensors"), task="boxes3d")


def run(folder: Path, *arguments: str, photo: str = "photo.png") -> Result:
    model = str(folder / "three.safetensors")
    return CliRunner().invoke(
        cli,
        [
            *("run", str(folder / photo), "--model", model, "--size", "native", "--repeats", "0"),
            *("--device", "cpu", "--out", str(folder / "out"), *arguments),
        ],
    )


@pytest.mark.parametrize("task", ["semantic", "instance", "boxes3d"])
def test_run_writes_pictures_for_every_task(folder: Path, task: str) -> None:
    result = run(folder, "--task", task, "--json", "--out", str(folder / task), photo="lens.jpg")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert data == json.loads((folder / task / "result.json").read_text())
    assert data["task"] == task
    assert ("boxes" in data) == ("camera" in data) == (task == "boxes3d")
    names = {path.name for path in (folder / task).iterdir()}
    assert names >= {"dense.png", "sparse.png", "filmstrip.png"}
    assert ("birds_eye.png" in names) == (task == "boxes3d")
    if task == "boxes3d":
        expected = 26 / 43.2666 * math.hypot(*SIZE)
        assert data["camera"]["fx"] == pytest.approx(expected, rel=1e-5)
        assert data["camera"]["known_from"] == "from its EXIF: 26 mm in terms of 35 mm film"
    photo = cv2.imread(str(folder / "lens.jpg"))
    for side in ("dense.png", "sparse.png"):
        drawn = cv2.imread(str(folder / task / side))
        assert drawn.shape == photo.shape
        assert (drawn != photo).any()


def test_a_result_lists_the_boxes_that_the_photos_camera_saw(loaded: LoadedModel) -> None:
    """Twice the focal length, so twice the distance; where a box is seen and its size stay."""
    photo = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    short, long = (
        analyze(
            loaded, prepare_image(loaded, photo, None, make_camera(SIZE, focal_px=focal)), 0.5
        ).to_dict("photo.png")
        for focal in (150, 300)
    )
    assert json.loads(json.dumps(short, allow_nan=False)) == short
    assert short["camera"] == {
        **{"fx": 150.0, "fy": 150.0, "cx": 96.0, "cy": 64.0},
        "known_from": "as given: a focal length of 150 pixels",
    }
    assert short["agreement"]["dense_boxes"] == len(short["boxes"]["dense"]) > 0
    assert short["agreement"]["sparse_boxes"] == len(short["boxes"]["sparse"])
    for side in ("dense", "sparse"):
        for near, far in zip(short["boxes"][side], long["boxes"][side], strict=True):
            x, y, z = near["centre_m"]
            assert far["centre_m"] == pytest.approx([x, y, 2 * z], abs=2e-3)
            assert {*near} == {"class", "score", "centre_m", "size_m", "yaw_rad"}
            for name in ("class", "score", "size_m"):
                assert near[name] == far[name]
            turned = near["yaw_rad"] - math.atan2(x, z) + math.atan2(x, 2 * z)
            assert math.cos(far["yaw_rad"] - turned) == pytest.approx(1, abs=1e-5)
    assert {box["class"] for box in short["boxes"]["dense"]} <= {*STREET_KINDS.names}
    assert min(box["score"] for box in short["boxes"]["dense"]) >= short["min_score"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "assumed: 60 degrees over the longer side, as nothing tells it"),
        (("--fov", "90"), "as given: 90 degrees over the longer side"),
    ],
)
def test_run_says_which_camera_it_took(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.setattr("sparsevit.inspect.files.write_analysis", lambda *values: None)
    result = run(folder, "--task", "boxes3d", *arguments)
    assert f"  camera {words}\n" in result.stdout, result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "depth"), "does semantic, instance, boxes3d, not 'depth'"),
        (("--focal", "100"), "Only --task boxes3d asks which camera took a photo"),
        (("--task", "boxes3d", "--focal", "0"), "pixels, not 0."),
        (("--task", "boxes3d", "--focal", "nan"), "pixels, not nan."),
        (("--task", "boxes3d", "--focal", "-3"), "pixels, not -3."),
        (("--task", "boxes3d", "--fov", "171"), "1 to 170 degrees, not 171."),
        (("--task", "boxes3d", "--fov", "60", "--focal", "100"), "and not both"),
    ],
)
def test_bad_input_is_one_sentence(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run(folder, *arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    assert message in line


def test_time_takes_a_task(folder: Path) -> None:
    arguments = ["time", str(folder / "photo.png"), "--model", str(folder / "three.safetensors")]
    arguments += ["--size", "64", "--repeats", "1", "--device", "cpu"]
    result = CliRunner().invoke(cli, [*arguments, "--task", "boxes3d"])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(cli, [*arguments, "--task", "depth"])
    assert result.exit_code == 2
    assert "not 'depth'" in result.stderr


def test_another_size_of_a_photo_has_the_same_camera(loaded: LoadedModel) -> None:
    """Also where the sides are rounded to what the network takes, so that pixels are not square."""
    photo = np.random.default_rng(0).integers(0, 255, (100, 210, 3), dtype=np.uint8)
    camera = make_camera((100, 210), focal_px=200.0)
    prepared = prepare_image(loaded, photo, 128, camera)
    assert prepared.input_size == (128, 256)
    assert isinstance(prepared.dense, Boxes3D)
    expected = Intrinsics(200 * 256 / 210, 200 * 1.28, 128.0, 64.0)
    analysis = analyze(loaded, prepared, 0.5)
    for boxes in (prepared.dense, analysis.sparse):
        assert vars(boxes.camera) == pytest.approx(vars(expected))
        assert boxes.size == (128, 256)
    again = analyze(loaded, prepared, 0.0)
    assert loaded.task.compare(prepared.dense, again.sparse)["agreement"] == 1.0
    assert isinstance(loaded.task, Boxes3DTask)
    sizes = compare_sizes(loaded, photo, again, "sparsevit", rounds=0, shares=(1, 0.5))
    *_, last = sizes
    assert vars(last.dense[1].prediction.camera) == pytest.approx(vars(expected))


def test_a_photo_prepared_for_another_task_is_refused(loaded: LoadedModel) -> None:
    prepared = prepare_image(loaded, np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(ValueError, match=r"prepared for .* and boxes3d, not .* and semantic"):
        analyze(loaded.for_task("semantic"), prepared, 0.5)
