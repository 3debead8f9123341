"""The command line as its user runs it."""

import json

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from sparsevit import networks
from sparsevit.cli import cli
from sparsevit.cli.common import split_schedules
from sparsevit.data.streets import CLASS_NAMES, PALETTE
from sparsevit.networks.segmenter import Segmenter, SegmenterConfig, save_segmenter


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with a photo, and a small checkpoint under the name "small"."""
    monkeypatch.setattr(networks, "CHECKPOINT_FOLDER", tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("SPARSEVIT_DEVICE", "cpu")
    monkeypatch.chdir(tmp_path)
    config = SegmenterConfig(
        class_names=CLASS_NAMES[:-1],
        palette=tuple(tuple(int(v) for v in colour) for colour in PALETTE[:-1]),
        embed_dim=12,
        depths=(2, 2, 2, 2),
        num_heads=(1, 2, 4, 8),
        head_dim=16,
    )
    torch.manual_seed(0)
    save_segmenter(Segmenter(config), tmp_path / "small.safetensors")
    photo = np.random.default_rng(0).integers(0, 255, (128, 192, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "photo.png"), photo)
    return tmp_path


def _run(*arguments: str):
    return CliRunner().invoke(cli, list(arguments))


def _run_small(*arguments: str):
    return _run("run", "--model", "small", "--size", "128", "--repeats", "1", *arguments)


def test_run_writes_masks_outputs_and_result(home):
    wanted = ("--out", "out", "--json", "--figure", "svg")
    result = _run_small("photo.png", "--sparsity", "0.5", *wanted)
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert data == json.loads((home / "out" / "result.json").read_text())
    assert data["input_size"] == [128, 192]
    assert [block["kept"] * 2 for block in data["blocks"][:2]] == [24, 24]
    names = {path.name for path in (home / "out").iterdir()}
    assert names >= {"result.json", "compute_map.png", "dense.png", "sparse.png", "filmstrip.png"}
    assert names >= {"filmstrip.svg", "stage1_filmstrip.svg", "stage4_filmstrip.svg"}
    assert {f"stage{s}_block{b}_windows.png" for s in range(1, 5) for b in (1, 2)} <= names
    assert cv2.imread(str(home / "out" / "stage1_block1_windows.png")).shape == (128, 192, 3)


def test_run_reads_a_schedule_file_and_several_photos(home):
    (home / "s.json").write_text('{"schedule": [[0.5], [0], [0.25], [0]]}')
    cv2.imwrite("second.png", np.zeros((128, 128, 3), np.uint8))
    (home / "broken.jpg").write_bytes(b"not a picture")
    result = _run_small("photo.png", "broken.jpg", "second.png", "-s", "s.json", "--out", "o")
    assert result.exit_code == 1
    assert "broken.jpg" in result.stderr
    for name in ("photo", "second"):
        data = json.loads((home / "o" / name / "result.json").read_text())
        assert data["schedule"] == [[0.5], [0.0], [0.25], [0.0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("photo.png", "-s", "1.0"), "below 1"),
        (("photo.png", "-s", "nan"), "Cannot read the schedule"),
        (("photo.png", "-s", "[0.1, 0.2]"), "takes 1 (uniform)"),
        (("photo.png", "-s", "none.json"), "none.json"),
        (("missing.png",), "missing.png"),
        (("photo.png", "--size", "7"), "64 to 4096"),
        (("photo.png", "--device", "warp"), "warp"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(home, arguments, message):
    result = _run_small(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.stderr.strip().splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")]
)
def test_running_out_of_memory_is_one_sentence(home, monkeypatch, error):
    def run_out(*_: object) -> None:
        raise error

    monkeypatch.setattr("sparsevit.inspect.photo.prepare_image", run_out)
    result = _run_small("photo.png")
    assert result.exit_code == 2
    assert result.stderr.strip() == "Error: Out of memory; try a smaller --size or --batch."


def test_a_fault_of_ours_is_not_hidden(home, monkeypatch):
    def break_down(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("sparsevit.inspect.photo.prepare_image", break_down)
    assert isinstance(_run_small("photo.png").exception, KeyError)


def test_models_lists_offline_first(home):
    data = json.loads(_run("models", "--json").stdout)
    assert (data[0]["name"], data[0]["source"]) == ("small", "offline")
    assert "small" in _run("models").stdout.splitlines()[1]


def test_scenes_and_eval(home):
    drawn = _run("scenes", "--out", "w", "--count", "1", "--size", "256x512", "--seed", "3")
    assert drawn.exit_code == 0, drawn.output
    result = _run("eval", "--model", "small", "--data", "w", "-s", "0,0.5", "--json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert (data["data"], data["split"], data["pictures"]) == ("w", "all", 1)
    assert data["results"][0]["agreement"] == 1.0
    assert all(0 <= row["miou"] <= 1 for row in data["results"])


@pytest.fixture
def folder(home):
    """Two labelled pictures: sky above road, with void between; returns what ``--data`` takes."""
    labels = np.zeros((64, 96), np.uint8)
    labels[30:34], labels[34:] = 255, 3
    for part in ("images", "labels"):
        (home / "d" / part).mkdir(parents=True)
    for name in ("a", "b"):
        cv2.imwrite(str(home / "d" / "images" / f"{name}.png"), np.dstack([labels] * 3))
        cv2.imwrite(str(home / "d" / "labels" / f"{name}.png"), labels)
    (home / "d" / "classes.json").write_text(json.dumps({"classes": CLASS_NAMES[:-1]}))
    return "d"


def _eval(*arguments: str):
    return _run("eval", "--model", "small", "--device", "cpu", *arguments)


def test_eval_writes_what_it_prints_and_plot_draws_it(home, folder):
    out = home / "new" / "r.json"
    arguments = ("--data", folder, "-s", "0,0.5", "--size", "64,native, 96", "--latency")
    result = _eval(*arguments, "--repeats", "1", "--out", str(out), "--json")
    assert result.exit_code == 0, result.output
    reports = json.loads(result.stdout)
    assert reports == json.loads(out.read_text())
    assert [report["size"] for report in reports] == [64, "native", 96]
    for report in reports:
        assert list(report["results"][0]["per_class_iou"]) == list(CLASS_NAMES[:-1])
        assert all(row["latency_ms"] > 0 for row in report["results"])
        assert report["device"]["batch"] == 1
    for x in ("sparsity", "latency"):
        drawn = _run("plot", str(out), "--x", x, "--size", "64,96", "--out", f"p/{x}.png")
        assert drawn.exit_code == 0, drawn.output
        assert cv2.imread(str(home / "p" / f"{x}.png")).shape == (840, 1280, 3)


def test_eval_prints_a_table(home, folder):
    result = _eval("--data", folder, "-s", "0, paper-42ms", "--limit", "1")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "small on d, split all, 1 pictures, size native"
    assert lines[1].split() == ["sparsity", "0", "paper-42ms"]
    assert lines[4].split()[:2] == ["agreement", "100.0"]
    assert [line.split()[1] for line in lines[5:]] == list(CLASS_NAMES[:-1])


def test_eval_says_the_same_twice(home, folder):
    first, second = (_eval("--data", folder, "-s", "0.3", "--json").stdout for _ in range(2))
    assert first == second
    assert json.loads(first)["size"] == "native"


@pytest.mark.parametrize(
    ("spec", "split", "named"), [("camvid:x/y", "val", "camvid"), ("x/y", "all", "y")]
)
def test_eval_s_split_and_name_follow_the_data(home, monkeypatch, spec, split, named):
    asked = []

    def open_nothing(*arguments: object, **_: object) -> None:
        asked.append(arguments)

    monkeypatch.setattr("sparsevit.evaluation.sources.open_pictures", open_nothing)
    monkeypatch.setattr(
        "sparsevit.evaluation.evaluate_sizes",
        lambda *_, tasks, **options: [{"task": tasks[0], "data": options["data_name"]}],
    )
    result = _eval("--data", spec, "--json")
    assert asked == [(spec, split)]
    assert json.loads(result.stdout) == {"task": "semantic", "data": named}


def _spoil_label(home):
    cv2.imwrite(str(home / "d" / "labels" / "b.png"), np.full((64, 96), 77, np.uint8))


def _spoil_size(home):
    cv2.imwrite(str(home / "d" / "labels" / "b.png"), np.zeros((64, 64), np.uint8))


def _spoil_classes(home):
    (home / "d" / "classes.json").write_text('{"classes": ["cat", "dog"]}')


def _spoil_folder(home):
    for path in (home / "d" / "images").iterdir():
        path.unlink()


def _spoil_model(home):
    save_file({"weight": torch.zeros(1)}, home / "small.safetensors")


@pytest.mark.parametrize(
    ("spoil", "arguments", "message"),
    [
        (_spoil_label, (), "b.png holds the value 77; allowed are 0 to 10"),
        (_spoil_size, (), "b.png is 96x64 but its labels in d/labels/b.png are 64x64"),
        (_spoil_classes, (), "cat, dog"),
        (_spoil_folder, (), "There are no pictures in the folder"),
        (_spoil_model, (), "none of SparseViT's own networks"),
        (None, ("--model", "swin_tiny_patch4_window7_224"), "MB from the Hugging Face hub"),
        (None, ("--model", "missing"), "no model named 'missing'"),
        (None, ("--data", "nowhere"), "nowhere is not a data folder"),
        (None, ("--data", "camvid:d", "--split", "test"), "no test split"),
        (None, ("--size", "512,7"), "64 to 4096 pixels or 'native', not '7'"),
        (None, ("--size", "512,"), "64 to 4096 pixels or 'native', not ''"),
        (None, ("-s", "0,1.2"), "below 1"),
        (None, ("--device", "warp"), "warp"),
        (None, ("--out", "photo.png/r.json"), "photo.png"),
        (None, ("--out", "d"), "d is a folder"),
    ],
)
def test_eval_refuses_in_one_sentence(home, folder, spoil, arguments, message):
    if spoil is not None:
        spoil(home)
    result = _eval("--data", folder, "-s", "0", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.stderr.strip().splitlines()[-1].startswith("Error: ")
    assert result.stdout == ""


def test_eval_s_limit_is_at_least_one(home, folder):
    result = _eval("--data", folder, "--limit", "0")
    assert result.exit_code == 2
    assert "--limit" in result.stderr


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ('{"schedule": [0.5]}', (), "r.json is not a result of 'sparsevit eval --out'"),
        ("no JSON", (), "r.json is not a result"),
        (None, (), "There is no file r.json"),
        ("[]", ("--out", "p.jpg"), "saved as .png"),
        ("[]", ("--size", "1"), "64 to 4096"),
        (
            '{"model": "m", "data": "d", "split": "all", "size": 64, '
            '"results": [{"schedule": [[0]], "miou": 0.5}]}',
            ("--x", "latency"),
            "r.json has no latency",
        ),
    ],
)
def test_plot_refuses_in_one_sentence(home, text, arguments, message):
    if text is not None:
        (home / "r.json").write_text(text)
    result = _run("plot", "r.json", "--out", "p.png", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (home / "p.png").exists()


def test_every_command_has_help(home):
    for command in ("models", "run", "bench", "eval", "plot", "train", "scenes"):
        result = _run(command, "--help")
        assert result.exit_code == 0
        assert "Usage" in result.stdout


def test_schedules_split_outside_brackets():
    assert split_schedules("0, 0.6,[[.1],[0]] ,a") == ["0", "0.6", "[[.1],[0]]", "a"]


def test_help_shows_what_happens_by_default():
    """Rich took "[default: ...]" for markup and dropped it."""
    text = _run("eval", "--help").output
    assert "[default: val where there is one, else all]" in text
    assert "[default: a GPU if any]" in text
