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
from sparsevit.data.streets import CLASS_NAMES, PALETTE
from sparsevit.data.things import STREET_KINDS
from sparsevit.inspect.photo import analyze, prepare_image
from sparsevit.inspect.sizes import compare_sizes
from sparsevit.networks import load_model
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
        network.get_parameter("centres.4.bias")[:-2] = 0.0  # probable everywhere
        network.get_parameter("boxes.4.bias")[0] += 4.0  # tens of metres ahead
    save_segmenter(network, folder / "three.safetensors")
    pixels = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    exif = Image.Exif()
    exif.get_ifd(IFD.Exif)[Base.FocalLengthIn35mmFilm] = 26
    Image.fromarray(pixels).save(folder / "lens.jpg", exif=exif.tobytes())
    return folder


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
    result = run(folder, "--task", task, "--json", "--out", str(folder / task))
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert data == json.loads((folder / task / "result.json").read_text())
    assert data["task"] == task
    assert ("boxes" in data) == ("camera" in data) == (task == "boxes3d")
    names = {path.name for path in (folder / task).iterdir()}
    assert names >= {"dense.png", "sparse.png", "filmstrip.png"}
    assert ("birds_eye.png" in names) == (task == "boxes3d")
    photo = cv2.imread(str(folder / "photo.png"))
    for side in ("dense.png", "sparse.png"):
        drawn = cv2.imread(str(folder / task / side))
        assert drawn.shape == photo.shape
        assert (drawn != photo).any()


def test_run_lists_the_boxes_that_the_photos_camera_saw(folder: Path) -> None:
    """Twice the focal length, so twice the distance; where a box is seen and its size stay."""
    short, long = (
        json.loads(run(folder, "--task", "boxes3d", "--json", "--focal", str(focal)).stdout)
        for focal in (150, 300)
    )
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


def test_run_says_which_camera_it_took(folder: Path) -> None:
    assumed = "camera assumed: 60 degrees over the longer side, as nothing tells it"
    known = "camera from its EXIF: 26 mm in terms of 35 mm film"
    for photo, arguments, words in (
        ("photo.png", (), assumed),
        ("lens.jpg", (), known),
        ("lens.jpg", ("--fov", "90"), "camera as given: 90 degrees over the longer side"),
    ):
        result = run(folder, "--task", "boxes3d", *arguments, photo=photo)
        assert f"  {words}\n" in result.stdout, result.output
    assert "camera" not in run(folder, photo="lens.jpg").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "depth"), "does semantic, instance, boxes3d, not depth"),
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
    for task, code in (("boxes3d", 0), ("depth", 2)):
        assert CliRunner().invoke(cli, [*arguments, "--task", task]).exit_code == code


def test_another_size_of_a_photo_has_the_same_camera(folder: Path) -> None:
    """Also where the sides are rounded to what the network takes, so that pixels are not square."""
    loaded = load_model(str(folder / "three.safetensors"), task="boxes3d")
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
    again = analyze(loaded, prepared, 0.0).sparse
    assert loaded.task.compare(prepared.dense, again)["agreement"] == 1.0
    assert isinstance(loaded.task, Boxes3DTask)
    sizes = compare_sizes(
        *(loaded, photo, prepared, again, analysis.schedule, "sparsevit"), rounds=0, shares=(1, 0.5)
    )
    *_, last = sizes
    assert vars(last.dense[1].prediction.camera) == pytest.approx(vars(expected))


def test_a_photo_prepared_for_another_task_is_refused(folder: Path) -> None:
    loaded = load_model(str(folder / "three.safetensors"))
    prepared = prepare_image(loaded, np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(ValueError, match=r"prepared for .* and semantic, not .* and boxes3d"):
        analyze(loaded.for_task("boxes3d"), prepared, 0.5)
