"""Detectors' checkpoints into timm's Swin: against a plain network of mmdetection's layout."""

from __future__ import annotations

import json
import os
import pickle
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from oracle import relative_error
from safetensors import safe_open
from torch import Tensor, nn
from typer.testing import CliRunner

import sparsevit
from sparsevit.cli import cli
from sparsevit.networks.convert import (
    ConvertError,
    Inert,
    SwinShape,
    convert_checkpoint,
    read_inert,
)

WINDOW, DEPTHS, HEADS, DIM = 4, (2, 2, 2), (1, 2, 4), 8


class Attention(nn.Module):
    """Window attention as mmdetection has it, with its own way of counting positions."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.w_msa = nn.Module()
        self.w_msa.heads = heads
        self.w_msa.qkv, self.w_msa.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        table = torch.randn((2 * WINDOW - 1) ** 2, heads)
        self.w_msa.relative_position_bias_table = nn.Parameter(table)
        steps = torch.arange(WINDOW)
        line = ((2 * WINDOW - 1) * steps.view(-1, 1) + steps).view(1, -1)
        self.w_msa.register_buffer("relative_position_index", (line + line.T).flip(1).contiguous())

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(n, N, C) windows, (n, N, N) -> (n, N, C)."""
        msa = self.w_msa
        n, num_tokens, dim = x.shape
        qkv = msa.qkv(x).view(n, num_tokens, 3, msa.heads, -1).permute(2, 0, 3, 1, 4)
        logits = qkv[0] @ qkv[1].transpose(-2, -1) * (dim // msa.heads) ** -0.5
        bias = msa.relative_position_bias_table[msa.relative_position_index].permute(2, 0, 1)
        attention = (logits + bias + mask.unsqueeze(1)).softmax(-1)
        return msa.proj((attention @ qkv[2]).transpose(1, 2).reshape(n, num_tokens, dim))


class Block(nn.Module):
    """One block; the grid is a whole number of windows."""

    def __init__(self, dim: int, heads: int, shift: int) -> None:
        super().__init__()
        self.shift = shift
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = Attention(dim, heads)
        self.ffn = nn.Module()
        self.ffn.layers = nn.ModuleList(
            [nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU()), nn.Linear(4 * dim, dim)]
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> the same."""
        shift = self.shift
        windows = split(self.norm1(x).roll((-shift, -shift), (1, 2)))
        marks = split(mark_regions(x, shift))
        mask = (marks != marks.transpose(1, 2)) * -100.0
        y = join(self.attn(windows, mask), x.shape).roll((shift, shift), (1, 2))
        x = x + y
        first, second = self.ffn.layers
        return x + second(first(self.norm2(x)))


def mark_regions(x: Tensor, shift: int) -> Tensor:
    """(B, H, W, 1): rows and columns that came round from the other side have their own number."""
    regions = torch.zeros(*x.shape[:3], 1)
    if shift:
        regions[:, -shift:] += 1
        regions[:, :, -shift:] += 2
    return regions


def split(x: Tensor) -> Tensor:
    """(B, H, W, C) -> (windows, N, C)."""
    batch, height, width, dim = x.shape
    x = x.view(batch, height // WINDOW, WINDOW, width // WINDOW, WINDOW, dim)
    return x.transpose(2, 3).reshape(-1, WINDOW * WINDOW, dim)


def join(x: Tensor, shape: torch.Size) -> Tensor:
    """(windows, N, C) -> (B, H, W, C)."""
    batch, height, width, dim = shape
    x = x.view(batch, height // WINDOW, width // WINDOW, WINDOW, WINDOW, dim)
    return x.transpose(2, 3).reshape(shape)


class Merging(nn.Module):
    """Patch merging by ``nn.Unfold``, as in mmdetection, or by strides, as in Microsoft's code."""

    def __init__(self, dim: int, by_unfold: bool) -> None:
        super().__init__()
        self.by_unfold = by_unfold
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H / 2, W / 2, 2 C)."""
        batch, height, width, _ = x.shape
        if self.by_unfold:
            fours = F.unfold(x.permute(0, 3, 1, 2), kernel_size=2, stride=2).transpose(1, 2)
        else:
            corners = ((0, 0), (1, 0), (0, 1), (1, 1))
            fours = torch.cat([x[:, r::2, c::2] for r, c in corners], -1).flatten(1, 2)
        merged = self.reduction(self.norm(fours))
        return merged.view(batch, height // 2, width // 2, -1)


class Detector(nn.Module):
    """A Swin under ``backbone``, and a bit of a neck."""

    def __init__(self, by_unfold: bool = True) -> None:
        super().__init__()
        body = self.backbone = nn.Module()
        body.patch_embed = nn.Module()
        body.patch_embed.projection = nn.Conv2d(3, DIM, 4, 4)
        body.patch_embed.norm = nn.LayerNorm(DIM)
        body.stages = nn.ModuleList()
        for number, (depth, heads) in enumerate(zip(DEPTHS, HEADS, strict=True)):
            dim = DIM << number
            stage = nn.Module()
            shifts = [WINDOW // 2 * (block % 2) for block in range(depth)]
            stage.blocks = nn.ModuleList([Block(dim, heads, shift) for shift in shifts])
            if number < len(DEPTHS) - 1:
                stage.downsample = Merging(dim, by_unfold)
            body.stages.append(stage)
            setattr(body, f"norm{number}", nn.LayerNorm(dim))
        self.neck = nn.Conv2d(DIM, DIM, 1)
        for name, parameter in self.named_parameters():
            if "norm" in name:
                parameter.data.normal_(mean=float(name.endswith("weight")), std=0.3)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, img_h, img_w) -> (B, H, W, C) after the last norm."""
        body: Any = self.backbone
        x = body.patch_embed.norm(body.patch_embed.projection(images).permute(0, 2, 3, 1))
        for stage in body.stages:
            for block in stage.blocks:
                x = block(x)
            x = stage.downsample(x) if hasattr(stage, "downsample") else x
        return getattr(body, f"norm{len(DEPTHS) - 1}")(x)

    def name_as_microsoft(self) -> dict[str, Tensor]:
        """The weights by the names of Microsoft's detection code."""
        renames = (
            ("backbone.stages.", "backbone.layers."),
            (".projection.", ".proj."),
            (".w_msa.", "."),
            (".ffn.layers.0.0.", ".mlp.fc1."),
            (".ffn.layers.1.", ".mlp.fc2."),
        )
        state = {}
        for name, value in self.state_dict().items():
            for old, new in renames:
                name = name.replace(old, new)
            state[name] = value
        return state


def build_timm(file: Path) -> Any:
    """timm's network with the converted weights."""
    return timm.create_model(
        "swin_tiny_patch4_window7_224",
        img_size=128,
        strict_img_size=False,
        embed_dim=DIM,
        depths=DEPTHS,
        num_heads=HEADS,
        window_size=WINDOW,
        num_classes=0,
        checkpoint_path=str(file),
    ).eval()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A checkpoint as a training run leaves it, with an object of mmcv's in its notes."""
    mmcv: Any = types.ModuleType("mmcv_of_the_test")
    mmcv.ConfigDict = type("ConfigDict", (dict,), {"__module__": mmcv.__name__})
    mmcv.History = type("History", (), {"__module__": mmcv.__name__})
    sys.modules[mmcv.__name__] = mmcv
    history = mmcv.History()
    history.values = [mmcv.ConfigDict(lr=1e-4)]
    content = {"meta": {"config": mmcv.ConfigDict(a=1), "log": history, "epoch": 36}}
    path = tmp_path / "official.pth"
    try:
        torch.save({**content, "state_dict": Detector().eval().state_dict()}, path)
    finally:
        del sys.modules[mmcv.__name__]
    return path


@pytest.mark.parametrize("size", [(64, 64), (128, 192)], ids=str)
@pytest.mark.parametrize("layout", ["mmdetection", "microsoft", "bare"])
def test_the_converted_network_computes_the_same(
    tmp_path: Path, layout: str, size: tuple[int, int]
) -> None:
    detector = Detector(by_unfold=layout != "microsoft").eval()
    state = detector.state_dict()
    if layout == "microsoft":
        state = detector.name_as_microsoft()
    elif layout == "bare":
        state = {name.removeprefix("backbone."): value for name, value in state.items()}
    torch.save({"state_dict": state}, tmp_path / "a.pth")
    convert_checkpoint(tmp_path / "a.pth").save(tmp_path / "a.safetensors")
    model = build_timm(tmp_path / "a.safetensors")
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected = detector(images)
        assert relative_error(model.forward_features(images), expected) <= 1e-5
        sparse = sparsevit.sparsify(model)
        assert relative_error(sparse.forward_features(images), expected) <= 1e-5


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("entry", [None, "state_dict", "model", "state_dict_ema"])
def test_prefixes_come_off_and_an_average_comes_first(
    tmp_path: Path, prefix: str, entry: str | None
) -> None:
    state = Detector().state_dict()
    content: Any = {f"{prefix}{name}": value for name, value in state.items()}
    if entry is not None:
        content = {"state_dict": {}, "model": {}, entry: content}
        content = {key: value for key, value in content.items() if value}
    if entry == "state_dict_ema":
        content["state_dict"] = Detector().state_dict()
    path = tmp_path / "a.pth"
    torch.save(state, tmp_path / "plain.pth")
    torch.save(content, path)
    expected, found = convert_checkpoint(tmp_path / "plain.pth"), convert_checkpoint(path)
    assert list(found.weights) == list(expected.weights)
    assert all(torch.equal(found.weights[key], expected.weights[key]) for key in found.weights)
    assert [key.source for key in found.keys if key.source] == [f"{prefix}{key}" for key in state]
    assert found.note == ("" if entry is None else f"Took {entry} of {path}.")
    assert found.to_dict()["note"] == found.note


def test_columns_left_in_unfold_s_order_would_be_wrong(tmp_path: Path) -> None:
    """What makes the reordering worth a test: without it the network answers otherwise."""
    detector = Detector().eval()
    torch.save(detector.name_as_microsoft(), tmp_path / "a.pth")  # taken for merging by strides
    convert_checkpoint(tmp_path / "a.pth").save(tmp_path / "a.safetensors")
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        got = build_timm(tmp_path / "a.safetensors").forward_features(images)
        assert relative_error(got, detector(images)) > 1e-2


def test_every_key_is_accounted_for(file: Path) -> None:
    conversion = convert_checkpoint(file)
    assert [key.source for key in conversion.keys if key.source] == list(Detector().state_dict())
    left_out = {key.source: key.note for key in conversion.left_out}
    assert left_out["neck.weight"] == "not the backbone"
    assert left_out["backbone.norm0.weight"] == "a norm before the detector's neck"
    index = "backbone.stages.0.blocks.0.attn.w_msa.relative_position_index"
    assert left_out.pop(index) == "follows from the window's size"
    assert {key.target for key in conversion.mapped} == set(conversion.weights)
    assert {key.target for key in conversion.missing} == {"head.fc.weight", "head.fc.bias"}
    assert "norm.weight" in conversion.weights
    merging = next(key for key in conversion.mapped if "0.downsample.norm.w" in str(key.source))
    assert merging.target == "layers.1.downsample.norm.weight"
    assert "order" in merging.note


@pytest.mark.parametrize(
    ("width", "depths", "heads", "name"),
    [
        (96, (2, 2, 6, 2), (3, 6, 12, 24), "swin_tiny_patch4_window7_224"),
        (96, (2, 2, 6, 2), (3, 6, 12, 12), None),
        (64, (2, 2, 6, 2), (2, 4, 8, 16), None),
    ],
)
def test_the_architecture_is_told(
    width: int, depths: tuple[int, ...], heads: tuple[int, ...], name: str | None
) -> None:
    assert SwinShape(width, depths, heads, 7).architecture == name


class Bomb:
    """Runs something when a plain unpickler reads it."""

    def __init__(self, call: Any, *args: Any) -> None:
        self.call = (call, args)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_nothing_in_the_file_is_run(tmp_path: Path, legacy: bool) -> None:
    trace = tmp_path / "trace"
    bombs = [
        Bomb(os.system, f"touch {trace}"),
        Bomb(os.mkdir, str(trace)),
        Bomb(eval, f"open({str(trace)!r}, 'w')"),
    ]
    path = tmp_path / "bomb.pth"
    content = {"meta": bombs, "state_dict": Detector().state_dict()}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    read = read_inert(path)
    assert all(isinstance(bomb, Inert) for bomb in read["meta"])
    assert list(read["state_dict"]) == list(Detector().state_dict())
    assert not trace.exists()
    assert convert_checkpoint(path).mapped


def test_a_bomb_is_a_bomb(tmp_path: Path) -> None:
    """The test above would mean nothing if these pickles were harmless."""
    pickle.loads(pickle.dumps(Bomb(os.mkdir, str(tmp_path / "trace"))))
    assert (tmp_path / "trace").exists()


def test_what_rebuilds_tensors_cannot_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"ctorch._utils\n_rebuild_tensor_v2\nN}U\x05_callNs\x86b.")  # sets _call
    with pytest.raises(ConvertError, match="Cannot read") as caught:
        read_inert(path)
    assert "may not change" in str(caught.value.__cause__)
    torch.save({"x": torch.ones(2)}, path)
    assert torch.equal(read_inert(path)["x"], torch.ones(2))


def spoil(state: dict[str, Tensor], how: str) -> Any:
    """A checkpoint with one thing wrong."""
    block = "backbone.stages.0.blocks.0"
    if how == "no backbone":
        return {"neck.weight": torch.ones(1)}
    if how == "no dict":
        return [1, 2]
    if how == "lacks":
        del state[f"{block}.norm1.weight"]
    if how == "shape":
        state[f"{block}.norm1.weight"] = torch.ones(3)
    if how == "merging":
        state["backbone.stages.0.downsample.norm.weight"] = torch.tensor(1.0)
    if how == "empty":
        return {"model": state, "state_dict_ema": {}}
    if how == "numbers":
        return dict(enumerate(state.values()))
    if how == "positions":
        state["backbone.absolute_pos_embed"] = torch.ones(1)
    if how == "index":
        state[f"{block}.attn.w_msa.relative_position_index"] = torch.zeros(16, 16).long()
    if how == "heads":
        for name in list(state):
            if "bias_table" in name:
                state[name] = torch.ones(49, 0)
    return state


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no backbone", "no Swin backbone in it, but neck.weight"),
        ("no dict", "holds no state dict"),
        ("lacks", "lacks 1 of .* such as layers.0.blocks.0.norm1.weight"),
        ("shape", r"norm1.weight is \(3,\) where .* \(8,\)"),
        ("merging", r"downsample.norm.weight is \(\) where .* \(32,\)"),
        ("empty", "no Swin backbone in it, but nothing"),
        ("numbers", "no Swin backbone in it, but nothing"),
        ("positions", "absolute positions"),
        ("index", "another way"),
        ("heads", "there is no Swin of"),
    ],
)
def test_a_file_that_will_not_do_is_refused_in_one_sentence(
    tmp_path: Path, how: str, message: str
) -> None:
    path = tmp_path / "a.pth"
    torch.save(spoil(dict(Detector().state_dict()), how), path)
    with pytest.raises(ConvertError, match=message) as caught:
        convert_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path, file: Path) -> None:
    with pytest.raises(ConvertError, match="no checkpoint file"):
        convert_checkpoint(tmp_path / "nothing.pth")
    for content in (b"", b"hello", file.read_bytes()[:2000]):
        (tmp_path / "cut.pth").write_bytes(content)
        with pytest.raises(ConvertError, match="cut short or not a checkpoint"):
            convert_checkpoint(tmp_path / "cut.pth")
    for out, message in (("a.pth", "not a.pth"), ("none/a.safetensors", "no folder")):
        with pytest.raises(ConvertError, match=message):
            convert_checkpoint(file).save(tmp_path / out)


def test_the_command(tmp_path: Path, file: Path) -> None:
    out = tmp_path / "a.safetensors"
    result = CliRunner().invoke(cli, ["convert", str(file), str(out)])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == f"Took state_dict of {file}."
    source = "backbone.stages.1.blocks.0.ffn.layers.0.0.bias"
    assert f"mapped    {source} -> layers.1.blocks.0.mlp.fc1.bias" in lines
    assert any(line.startswith("left out  neck.bias: ") for line in lines)
    assert any(line.startswith("missing   head.fc.bias: ") for line in lines)
    model = eval(lines[-1].partition(": ")[2], {"timm": timm})
    assert [len(stage.blocks) for stage in model.layers] == list(DEPTHS)
    with safe_open(str(out), "pt") as stored:
        assert stored.metadata()["depths"] == "(2, 2, 2)"
    result = CliRunner().invoke(cli, ["convert", str(file), str(out), "--json"])
    assert len(json.loads(result.output)["keys"]) == len(Detector().state_dict()) + 2
    result = CliRunner().invoke(cli, ["convert", str(file), str(tmp_path / "a.pth")])
    assert result.exit_code == 2
    assert result.output == "Error: The result is a .safetensors file, not a.pth.\n"
