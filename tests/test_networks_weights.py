"""What is taken from a file of weights: timm's own rules, said in words, and never a traceback."""

from __future__ import annotations

import argparse
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from hf_support import make_classifier, write_folder
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from timm.models import load_state_dict
from timm.utils import ModelEmaV3
from torch import nn
from training_support import MODEL
from typer.testing import CliRunner

from sparsevit.cli import cli
from sparsevit.networks import load_model
from sparsevit.networks.entries import ModelError
from sparsevit.networks.hub import has_weights
from sparsevit.networks.segmenter import Segmenter, load_segmenter, save_segmenter
from sparsevit.networks.weights import read_weights

SMALL = "tiny_vit_5m_224"


def make_state(value: float = 0.0, prefix: str = "") -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": torch.full((2,), value) for name in ("a.weight", "b.bias")}


PLAIN, OTHER = make_state(1), make_state(2)
ARGUMENTS = argparse.Namespace(model="swin", lr=0.1)  # as timm's train.py stores beside the weights

#: (what a file holds, the entry taken of it)
FILES: dict[str, tuple[Any, str | None]] = {
    "plain": (PLAIN, None),
    "data parallel": (make_state(1, "module."), None),
    "compiled": (make_state(1, "_orig_mod."), None),
    "compiled, then parallel": (make_state(1, "module._orig_mod."), None),
    "parallel, then compiled": (make_state(1, "_orig_mod.module."), None),
    "state_dict": ({"state_dict": make_state(1, "module."), "epoch": 3}, "state_dict"),
    "model": ({"model": PLAIN, "optimizer": {"state": {}}}, "model"),
    "state_dict and model": ({"model": OTHER, "state_dict": PLAIN}, "state_dict"),
    "timm's train.py": (
        {"state_dict": OTHER, "state_dict_ema": PLAIN, "args": ARGUMENTS, "arch": "swin"},
        "state_dict_ema",
    ),
    "parallel average": (
        {"state_dict": OTHER, "state_dict_ema": make_state(1, "module.")},
        "state_dict_ema",
    ),
    "model_ema": ({"model": OTHER, "model_ema": PLAIN}, "model_ema"),
    "both averages": ({"model_ema": OTHER, "state_dict_ema": PLAIN}, "state_dict_ema"),
    "no average": ({"state_dict": PLAIN, "state_dict_ema": None}, "state_dict"),
    "a buffer named module": ({"x.module.weight": torch.ones(2)}, None),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_taken_is_what_timm_takes(tmp_path: Path, name: str) -> None:
    content, entry = FILES[name]
    path = tmp_path / "x.pth"
    torch.save(content, path)
    expected = load_state_dict(str(path))
    found = read_weights(path)
    assert list(found.tensors) == list(expected)
    assert all(torch.equal(found.tensors[key], expected[key]) for key in expected)
    assert found.note == ("" if entry is None else f"Took {entry} of {path}.")
    if entry is None:
        save_file(content, tmp_path / "x.safetensors")
        assert list(read_weights(tmp_path / "x.safetensors").tensors) == list(expected)


class Bomb:
    def __reduce__(self) -> Any:
        return (open, ("bombed", "w"))


@pytest.mark.parametrize(
    "content",
    [
        None,
        3,
        "text",
        [PLAIN],
        (),
        {},
        torch.zeros(2),
        {"state_dict": None},
        {"state_dict": {}},
        {"state_dict": [torch.zeros(2)]},
        {"model": 3, "epoch": 1},
        {"state_dict": {"model": PLAIN}},
        {"state_dict_ema": 0.999, "state_dict": PLAIN},
        {"state_dict_ema": {}, "state_dict": PLAIN},
        {"a.weight": torch.zeros(2), "b": {"c": torch.zeros(2)}},
        {"a.weight": torch.zeros(2), "epoch": 3},
        {0: torch.zeros(2)},
        {None: torch.zeros(2)},
        {("a", "b"): torch.zeros(2)},
        nn.Linear(2, 2),
        {"model": nn.Linear(2, 2)},
        pytest.param(Bomb(), id="bomb"),
    ],
    ids=str,
)
def test_any_other_file_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(ModelError, match=r"x\.pth") as caught:
        read_weights(tmp_path / "x.pth")
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert not (tmp_path / "bombed").exists()


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"text", pickle.dumps(3), b"\x80\x05", bytes(64)], ids=str
)
def test_files_of_bytes_are_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=r"^Cannot read .*x\.\w+: it is cut short, not a checkp"):
        read_weights(tmp_path / name)


def test_weights_of_another_network_are_one_sentence(tmp_path: Path) -> None:
    """timm's filters look up modules by the names in the file."""
    path = tmp_path / "x.safetensors"
    for state in (
        {"layers.9.blocks.0.attn.relative_position_bias_table": torch.zeros(169, 3)},
        {"layers.0.blocks.0.attn.relative_position_bias_table": torch.zeros(5)},
        {"norm.weight": torch.zeros(3)},
    ):
        save_file(state, path)
        with pytest.raises(
            ModelError, match=r"x\.safetensors do not fit the architecture"
        ) as caught:
            load_model("swin_tiny_patch4_window7_224", checkpoint=path)
        assert "\n" not in str(caught.value)


def test_a_run_of_timms_is_read_and_its_average_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file as timm's own training saves it, of a parallel network with an average."""
    monkeypatch.setenv("SPARSEVIT_DEVICE", "cpu")
    torch.manual_seed(0)
    network = timm.create_model(SMALL)
    average = ModelEmaV3(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    content = {
        "arch": SMALL,
        "args": ARGUMENTS,
        "state_dict": {f"module.{key}": value for key, value in network.state_dict().items()},
        "state_dict_ema": average.module.state_dict(),
    }
    path = tmp_path / "last.pth.tar"
    torch.save(content, path)
    host = timm.create_model(SMALL, checkpoint_path=str(path))
    loaded = load_model(SMALL, checkpoint=path)
    assert loaded.note == f"Took state_dict_ema of {path}."
    for key, value in loaded.module.state_dict().items():
        assert torch.equal(value, host.state_dict()[key])
        assert torch.equal(value, average.module.state_dict()[key])
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "a.png")
    arguments = ["--model", SMALL, "--checkpoint", str(path), "--size", "64", "--repeats", "0"]
    arguments += ["--out", str(tmp_path / "out"), "--json", str(tmp_path / "a.png")]
    result = CliRunner().invoke(cli, ["run", *arguments])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert (said["photo"], said["checkpoint"]) == ("a.png", "last.pth.tar")
    assert f"Took state_dict_ema of {path}." in result.stderr


@pytest.mark.parametrize("name", [SMALL, "swinv2_cr_tiny_ns_224", "maxvit_rmlp_pico_rw_256"])
def test_a_tuned_network_has_the_classes_of_its_head(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=7).eval()
    path = tmp_path / "tuned.pth"
    torch.save(network.state_dict(), path)
    loaded = load_model(name, checkpoint=path)
    assert loaded.task.class_names == tuple(f"class {index}" for index in range(7))
    assert (loaded.checkpoint, loaded.random_seed) == ("tuned.pth", None)
    side = network.pretrained_cfg["input_size"][-1]
    images = torch.randn(1, 3, side, side)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.module(images), network(images), atol=1e-5, rtol=1e-5)
    features = load_model(f"{name}:features", checkpoint=path)
    assert features.task.name == "features"
    random = load_model(name, random_weights=True, seed=3)
    assert (random.checkpoint, random.random_seed) == (None, 3)
    assert len(random.task.class_names) == network.pretrained_cfg["num_classes"]


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._orig_mod."])
def test_a_wrapped_segmenter_is_read_as_a_plain_one(tmp_path: Path, prefix: str) -> None:
    """torch.compile puts a prefix before the names, and a compiled network saves as any other."""
    torch.manual_seed(0)
    path = tmp_path / "a.safetensors"
    save_segmenter(Segmenter(MODEL), path)
    expected = load_segmenter(path).state_dict()
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file({f"{prefix}{key}": value for key, value in load_file(path).items()}, path, metadata)
    found = load_segmenter(path).state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[key], expected[key]) for key in found)


def test_weights_of_transformers_under_a_prefix_are_one_sentence(tmp_path: Path) -> None:
    """transformers does not take prefixes off, so its networks would be random: refused."""
    write_folder(tmp_path / "network", make_classifier())
    path = tmp_path / "network" / "model.safetensors"
    state = load_file(path)
    for content in (
        {f"module.{key}": value for key, value in state.items()},
        {},
        {"x": torch.ones(1)},
    ):
        save_file(content, path, metadata={"format": "pt"})
        with pytest.raises(ModelError, match=r"do not fit its config: .* is missing") as caught:
            load_model(str(tmp_path / "network"))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", {"architectures": 3}, "no config.json as transformers writes it"),
        ("config.json", {"architectures": {"a": 1}}, "no config.json as transformers writes it"),
        ("config.json", {"backbone_config": "swin"}, "no config.json as transformers writes it"),
        ("config.json", {"architectures": [["a"]]}, r"is of \['a'\]; of transformers work"),
        ("preprocessor_config.json", {"image_mean": 3}, "no mean and std for three colours"),
        ("preprocessor_config.json", {"image_std": {"a": 1}}, "no mean and std for three colours"),
    ],
)
def test_odd_folders_of_transformers_are_one_sentence(
    tmp_path: Path, file: str, content: Any, message: str
) -> None:
    write_folder(tmp_path, make_classifier())
    path = tmp_path / file
    path.write_text(json.dumps(json.loads(path.read_text() if path.exists() else "{}") | content))
    with pytest.raises(ModelError, match=message):
        load_model(str(tmp_path))


@pytest.mark.parametrize(
    "parts", [{"a": 3}, {"a": None}, {"a": ["b"]}, [3], {}, {"a": "b"}], ids=str
)
def test_odd_lists_of_parts_are_no_weights(tmp_path: Path, parts: Any) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    assert not has_weights(tmp_path)
