"""The segmenter and its checkpoint files."""

from __future__ import annotations

import json
import pickle
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sparsevit import densify, sparsify
from sparsevit.networks.segmenter import (
    CheckpointError,
    Segmenter,
    SegmenterConfig,
    load_segmenter,
    read_info,
    save_segmenter,
)

CONFIG = SegmenterConfig(
    class_names=("sky", "road", "tree"),
    palette=((0, 0, 255), (80, 80, 80), (0, 128, 0)),
    embed_dim=16,
    depths=(2, 2, 2, 2),
    num_heads=(1, 2, 4, 8),
    window_size=4,
    head_dim=16,
)


@pytest.fixture(scope="module")
def model() -> Segmenter:
    torch.manual_seed(0)
    return Segmenter(CONFIG).eval()


@pytest.fixture
def checkpoint(model: Segmenter, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_segmenter(model, path, {"licence": "none"})
    return path


def rewrite(path: Path, **changes: str) -> None:
    """Store the same weights under changed metadata."""
    metadata = {"format": "sparsevit-segmenter-2", "config": json.dumps(asdict(CONFIG))}
    save_file(load_file(path), path, metadata | {"info": "{}"} | changes)


@pytest.mark.parametrize("size", [(64, 96), (36, 52), (128, 160), (100, 32)])
def test_logits_have_a_quarter_of_the_resolution(model: Segmenter, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        logits = model(torch.randn(2, 3, *size))
    assert logits.shape == (2, 3, size[0] // 4, size[1] // 4)
    assert logits.isfinite().all()


def test_every_stage_keeps_its_window_and_shift() -> None:
    blocks = [block for stage in Segmenter(CONFIG).backbone.layers for block in stage.blocks]
    assert {block.window_size for block in blocks} == {(4, 4)}
    assert [block.shift_size for block in blocks] == [(0, 0), (2, 2)] * 4


@pytest.mark.parametrize("size", [(64, 96), (36, 52)])
def test_sparsity_zero_changes_nothing(model: Segmenter, size: tuple[int, int]) -> None:
    images = torch.randn(2, 3, *size)
    with torch.inference_mode():
        torch.testing.assert_close(
            sparsify(deepcopy(model))(images), model(images), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("sparse", [False, True])
def test_checkpoint_gives_the_network_back(model: Segmenter, tmp_path: Path, sparse: bool) -> None:
    saved = deepcopy(model)
    if sparse:
        sparsify(saved, 0.5)
    save_segmenter(saved, tmp_path / "folder" / "model.safetensors")
    loaded = load_segmenter(tmp_path / "folder" / "model.safetensors")
    assert loaded.config == CONFIG
    assert not loaded.training
    assert {value.dtype for value in loaded.parameters()} == {torch.float32}
    rounded = densify(deepcopy(saved))
    for parameter in rounded.state_dict().values():
        if parameter.is_floating_point():
            parameter.copy_(parameter.half().float())
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(images), rounded(images))
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["model.safetensors"]


def test_checkpoint_carries_notes(checkpoint: Path) -> None:
    assert read_info(checkpoint) == {"licence": "none"}


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint file at .*nowhere"):
        load_segmenter(tmp_path / "nowhere.safetensors")


class Bomb:
    """Writes a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("name", ["model.pth", "model.safetensors"])
def test_pickles_are_refused_and_never_executed(tmp_path: Path, name: str) -> None:
    path, target = tmp_path / name, tmp_path / "executed"
    path.write_bytes(pickle.dumps(Bomb(target)))
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_segmenter(path)
    assert not target.exists()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_truncated_file(checkpoint: Path, share: float) -> None:
    data = checkpoint.read_bytes()
    checkpoint.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CheckpointError, match="cut short"):
        load_segmenter(checkpoint)


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint file"):
        load_segmenter(tmp_path)


def test_foreign_safetensors(checkpoint: Path) -> None:
    save_file({"weight": torch.zeros(2)}, checkpoint)
    with pytest.raises(CheckpointError, match="none of SparseViT's own networks"):
        load_segmenter(checkpoint)


@pytest.mark.parametrize(
    "config",
    [
        "not json",
        "[1]",
        "{}",
        json.dumps(asdict(CONFIG) | {"surprise": 1}),
        json.dumps(asdict(CONFIG) | {"embed_dim": "16"}),
        json.dumps(asdict(CONFIG) | {"embed_dim": 1024, "depths": [9, 9, 999, 9]}),
        json.dumps(asdict(CONFIG) | {"num_heads": [3, 2, 4, 8]}),
        json.dumps(asdict(CONFIG) | {"depths": [2, 2]}),
        json.dumps(asdict(CONFIG) | {"depths": 2}),
        json.dumps(asdict(CONFIG) | {"depths": None}),
        json.dumps(asdict(CONFIG) | {"palette": []}),
        json.dumps(asdict(CONFIG) | {"palette": [[0, 0, 300]] * 3}),
        json.dumps(asdict(CONFIG) | {"palette": [0, 0, 0]}),
        json.dumps(asdict(CONFIG) | {"class_names": [1, 2, 3]}),
        json.dumps(asdict(CONFIG) | {"std": [0, 1, 1]}),
        json.dumps(asdict(CONFIG) | {"mean": ["a", "b", "c"]}),
        json.dumps(asdict(CONFIG) | {"drop_path_rate": 1}),
    ],
)
def test_wrong_config(checkpoint: Path, config: str) -> None:
    rewrite(checkpoint, config=config)
    with pytest.raises(CheckpointError, match="config stored in") as error:
        load_segmenter(checkpoint)
    assert "\n" not in str(error.value)


def test_missing_weight(checkpoint: Path) -> None:
    tensors = load_file(checkpoint)
    del tensors["classifier.bias"]
    metadata = {"format": "sparsevit-segmenter-2", "config": json.dumps(asdict(CONFIG))}
    save_file(tensors, checkpoint, metadata)
    with pytest.raises(CheckpointError, match=r"do not match .*classifier\.bias"):
        load_segmenter(checkpoint)


def test_weight_of_another_shape(checkpoint: Path) -> None:
    rewrite(checkpoint, config=json.dumps(asdict(replace(CONFIG, head_dim=24))))
    with pytest.raises(CheckpointError, match=r"do not match .* should be "):
        load_segmenter(checkpoint)


def test_unreadable_notes(checkpoint: Path) -> None:
    rewrite(checkpoint, info="no json")
    assert load_segmenter(checkpoint).config == CONFIG
    with pytest.raises(CheckpointError, match="info stored in"):
        read_info(checkpoint)
