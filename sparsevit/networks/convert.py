"""Checkpoints of detectors on a Swin, as mmdetection and SparseViT write them, into timm's Swin.

Two layouts are known: mmdetection's own (``backbone.stages.0...``), and that of Microsoft's
detection code (``backbone.layers.0...``), which SparseViT's backbone shares. Both merge patches at
the end of a stage, timm at the start of the next. mmdetection gathers the four neighbours by
``nn.Unfold``, so the columns of its merging stand in another order.
"""

from __future__ import annotations

import math
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from sparsevit.networks.weights import choose_entry, describe_entry, strip_prefixes

_PREFIX = "backbone."
_BLUEPRINT = "swin_tiny_patch4_window7_224"  # its other settings are those of every Swin

#: (channels, blocks of stage 3, window) -> timm's name; other stages have 2 blocks.
_ARCHITECTURES = {
    (96, 6, 7): _BLUEPRINT,
    (96, 18, 7): "swin_small_patch4_window7_224",
    (128, 18, 7): "swin_base_patch4_window7_224",
    (128, 18, 12): "swin_base_patch4_window12_384",
    (192, 18, 7): "swin_large_patch4_window7_224",
    (192, 18, 12): "swin_large_patch4_window12_384",
}


class ConvertError(ValueError):
    """A checkpoint that cannot be converted; the message is one sentence that says why."""


@dataclass(frozen=True)
class KeyReport:
    """What became of one weight.

    Attributes:
        source: its name in the file read; None for what that file lacks.
        target: its name in timm's network; None for what is left out.
        note: what was changed, or why it is left out or missing; empty for a plain copy.
    """

    source: str | None
    target: str | None
    note: str


@dataclass(frozen=True)
class SwinShape:
    """What a Swin's weights say about it.

    Attributes:
        embed_dim: channels of the first stage.
        depths: blocks of every stage.
        num_heads: attention heads of every stage.
        window: tokens along a window's side.
    """

    embed_dim: int
    depths: tuple[int, ...]
    num_heads: tuple[int, ...]
    window: int

    @property
    def architecture(self) -> str | None:
        """timm's name of such a network, None where it has none."""
        usual = all(h * 32 == self.embed_dim << n for n, h in enumerate(self.num_heads))
        if not usual or len(self.depths) != 4 or self.depths[:2] + self.depths[3:] != (2, 2, 2):
            return None
        return _ARCHITECTURES.get((self.embed_dim, self.depths[2], self.window))

    def write_loader(self, path: Path) -> str:
        """The Python call that builds timm's network, without a classifier, from a saved file."""
        sizes = (
            f"embed_dim={self.embed_dim}, depths={self.depths}, num_heads={self.num_heads}, "
            f"window_size={self.window}, "
        )
        name, sizes = (self.architecture, "") if self.architecture else (_BLUEPRINT, sizes)
        return f"timm.create_model({name!r}, {sizes}num_classes=0, checkpoint_path={str(path)!r})"


@dataclass(frozen=True)
class Conversion:
    """A backbone in timm's naming.

    Attributes:
        shape: the network's shape.
        weights: float32 tensors by timm's names; there is no classifier among them.
        keys: what became of every weight, those of the file in its order, then what is missing.
        note: which of several things in the file was converted; empty if there is one.
    """

    shape: SwinShape
    weights: dict[str, Tensor]
    keys: tuple[KeyReport, ...]
    note: str

    @property
    def mapped(self) -> list[KeyReport]:
        """The weights that were carried over."""
        return [key for key in self.keys if key.source is not None and key.target is not None]

    @property
    def left_out(self) -> list[KeyReport]:
        """The weights of the file that timm's network has no place for."""
        return [key for key in self.keys if key.target is None]

    @property
    def missing(self) -> list[KeyReport]:
        """What timm's network has and the file lacks."""
        return [key for key in self.keys if key.source is None]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the architecture, its shape, what was converted and the keys."""
        shape = {**vars(self.shape), "architecture": self.shape.architecture}
        return {**shape, "note": self.note, "keys": [vars(key) for key in self.keys]}

    def save(self, out: Path) -> None:
        """Write the weights, and the network's shape beside them, as safetensors.

        Raises:
            ConvertError: another ending, or no such folder.
        """
        if out.suffix != ".safetensors":
            raise ConvertError(f"The result is a .safetensors file, not {out.name}.")
        if not out.parent.is_dir():
            raise ConvertError(f"There is no folder {out.parent} to write to.")
        notes = {name: str(value) for name, value in vars(self.shape).items()}
        notes["architecture"] = self.shape.architecture or "none of timm's names"
        save_file(self.weights, out, metadata={"format": "pt", **notes})


def convert_checkpoint(path: Path) -> Conversion:
    """Read a detector's checkpoint and give its Swin backbone in timm's naming.

    At sizes that need no padding the result computes what the original does. On padded grids
    mmdetection pads before it rolls and timm after, so windows at the lower and right edge differ.

    Args:
        path: a file of ``torch.save``; nothing it holds is run.

    Raises:
        ConvertError: not such a file, no Swin inside, or one that timm's cannot equal.
    """
    entry, content = choose_entry(read_inert(path))
    state = _find_state(content, path)
    names = strip_prefixes({key: key for key in state})  # to the names in the file
    is_detector = any(name.startswith(_PREFIX) for name in names)
    prefix = _PREFIX if is_detector else ""
    backbone = {
        name.removeprefix(prefix): state[key]
        for name, key in names.items()
        if name.startswith(prefix)
    }
    shape = _read_shape(backbone, path)
    expected, index = _describe_timm(shape, path)
    weights: dict[str, Tensor] = {}
    keys = []
    for full_name, key in names.items():
        if not full_name.startswith(prefix):
            keys.append(KeyReport(key, None, "not the backbone"))
            continue
        name = full_name.removeprefix(prefix)
        value, target = state[key], _rename(name, len(shape.depths) - 1)
        if target not in expected:
            _check_left_out(name, value, index, path)
            keys.append(KeyReport(key, None, _explain_left_out(name)))
            continue
        if value.shape != expected[target]:
            raise ConvertError(
                f"Cannot convert {path}: {key} is {tuple(value.shape)} where timm's Swin of this "
                f"shape has {tuple(expected[target])}."
            )
        note = ""
        if name.startswith("stages.") and ".downsample." in name:
            value, note = _reorder_merging(value), "columns from unfold's order into timm's"
        weights[target] = value.detach().float().contiguous().clone()
        keys.append(KeyReport(key, target, note))
    lacking = [name for name in expected if name not in weights]
    if lacking:
        raise ConvertError(
            f"Cannot convert {path}: it lacks {len(lacking)} of {len(expected)} weights of a Swin, "
            f"such as {lacking[0]}."
        )
    why = "a detector's backbone has no classifier; build the network with num_classes=0"
    keys += [KeyReport(None, f"head.fc.{name}", why) for name in ("weight", "bias")]
    return Conversion(shape, weights, tuple(keys), describe_entry(path, entry))


def read_inert(path: Path) -> Any:
    """What ``torch.save`` wrote, with inert stand-ins for all but tensors and plain containers.

    A pickle names functions and classes to call. Here every name but those that rebuild a tensor
    gives :class:`Inert`: nothing is imported, nothing else called.

    Raises:
        ConvertError: no such file, cut short, or not of ``torch.save``.
    """
    if not path.is_file():
        raise ConvertError(f"There is no checkpoint file at {path}.")
    try:
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_InertPickle)
    except Exception as error:  # torch and pickle raise many kinds for a bad file
        raise ConvertError(f"Cannot read {path}: it is cut short or not a checkpoint.") from error


class Inert:
    """Stands for an object of a class that is not looked up: takes everything, does nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        """Any arguments; none are kept."""
        return object.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Inert:
        """For what is called in its turn."""
        return Inert()

    def __setstate__(self, state: Any) -> None:
        """Forget it."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """For what was a dict."""

    def append(self, value: Any) -> None:
        """For what was a list."""

    def extend(self, values: Any) -> None:
        """For what was a list."""


class _Rebuild:
    """One of the functions that make a tensor of its storage; a pickle may call it, no more."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a pickle may not change what rebuilds its tensors")


_KNOWN: dict[tuple[str, str], Any] = {("collections", "OrderedDict"): OrderedDict} | {
    ("torch._utils", name): _Rebuild(getattr(torch._utils, name))
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
}


class _InertUnpickler(pickle.Unpickler):
    """Finds what rebuilds tensors; every other name is :class:`Inert`."""

    def find_class(self, module: str, name: str) -> Any:
        return _KNOWN.get((module, name), Inert)


class _InertPickle:
    """What ``torch.load`` asks of a pickle module."""

    Unpickler = _InertUnpickler

    @staticmethod
    def load(file: Any, **kwargs: Any) -> Any:
        return _InertUnpickler(file, **kwargs).load()


def _find_state(content: Any, path: Path) -> dict[str, Tensor]:
    """The tensors by name."""
    if not isinstance(content, dict):
        raise ConvertError(f"Cannot convert {path}: it holds no state dict.")
    state = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    return {key: value for key, value in state.items() if isinstance(key, str)}


def _read_shape(backbone: dict[str, Tensor], path: Path) -> SwinShape:
    """Sizes of the network its weights are of."""
    tables: dict[int, dict[int, Tensor]] = {}
    for name, value in backbone.items():
        found = re.fullmatch(
            r"(?:stages|layers)\.(\d+)\.blocks\.(\d+)\.attn\.(?:w_msa\.)?"
            r"relative_position_bias_table",
            name,
        )
        if found and value.ndim == 2:
            tables.setdefault(int(found[1]), {})[int(found[2])] = value
    embeds = [
        value
        for name, value in backbone.items()
        if re.fullmatch(r"patch_embed\.proj(ection)?\.weight", name) and value.ndim == 4
    ]
    if not tables or not embeds or sorted(tables) != list(range(len(tables))):
        some = ", ".join(list(backbone)[:3]) or "nothing"
        raise ConvertError(f"Cannot convert {path}: no Swin backbone in it, but {some}.")
    firsts = [tables[number][min(tables[number])] for number in range(len(tables))]
    return SwinShape(
        embed_dim=len(embeds[0]),
        depths=tuple(len(tables[number]) for number in range(len(tables))),
        num_heads=tuple(table.shape[-1] for table in firsts),
        window=(math.isqrt(len(firsts[0])) + 1) // 2,
    )


def _describe_timm(shape: SwinShape, path: Path) -> tuple[dict[str, torch.Size], Tensor]:
    """Shapes of the weights of timm's network without a classifier, and its position index."""
    try:
        with torch.random.fork_rng(devices=[]):
            model: Any = timm.create_model(
                _BLUEPRINT,
                img_size=shape.window << (len(shape.depths) + 1),  # no stage shrinks its window
                embed_dim=shape.embed_dim,
                depths=shape.depths,
                num_heads=shape.num_heads,
                window_size=shape.window,
                num_classes=0,
            )
    except Exception as error:  # timm raises many kinds for sizes that do not go together
        raise ConvertError(f"Cannot convert {path}: there is no Swin of {shape}.") from error
    index = model.layers[0].blocks[0].attn.relative_position_index
    return {name: value.shape for name, value in model.state_dict().items()}, index


def _rename(name: str, last: int) -> str:
    """timm's name of a backbone's weight, for either layout."""
    name = re.sub(r"^stages\.", "layers.", name)
    name = re.sub(
        r"^layers\.(\d+)\.downsample\.",
        lambda found: f"layers.{int(found[1]) + 1}.downsample.",
        name,
    )
    name = re.sub(rf"^norm{last}\.", "norm.", name)
    for old, new in (
        ("patch_embed.projection.", "patch_embed.proj."),
        (".attn.w_msa.", ".attn."),
        (".ffn.layers.0.0.", ".mlp.fc1."),
        (".ffn.layers.1.", ".mlp.fc2."),
    ):
        name = name.replace(old, new)
    return name


def _reorder_merging(value: Tensor) -> Tensor:
    """(..., 4 C) in the order of ``nn.Unfold``, channel first -> timm's, neighbour first.

    Unfold puts channel c of the neighbour in row r and column s of the four at 4 c + 2 r + s; timm
    puts it at (2 s + r) C + c.
    """
    return value.reshape(*value.shape[:-1], -1, 2, 2).movedim(-3, -1).transpose(-3, -2).flatten(-3)


def _check_left_out(name: str, value: Tensor, index: Tensor, path: Path) -> None:
    """Refuse a network that has what timm's has not, and that its answers depend on."""
    if name == "absolute_pos_embed":
        raise ConvertError(f"Cannot convert {path}: it has absolute positions, timm's Swin none.")
    if name.endswith("relative_position_index") and not torch.equal(value, index):
        raise ConvertError(f"Cannot convert {path}: {name} orders positions in another way.")


def _explain_left_out(name: str) -> str:
    if name.endswith(("relative_position_index", "attn_mask")):
        return "follows from the window's size"
    if re.match(r"norm\d+\.", name):
        return "a norm before the detector's neck"
    return "not of the backbone as timm builds it"
