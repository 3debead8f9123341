"""Files of our own networks: weights in half precision, and beside them what they belong to.

Reading configurations and notes takes no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from safetensors import SafetensorError, safe_open

from sparsevit.networks.restorer_config import RestorerConfig
from sparsevit.networks.segmenter_config import SegmenterConfig

if TYPE_CHECKING:
    from torch import nn

#: What a network of ours is built of.
OwnConfig = SegmenterConfig | RestorerConfig

#: Of the file's layout, in its metadata.
FORMATS: Mapping[str, type[OwnConfig]] = {
    "sparsevit-segmenter-2": SegmenterConfig,
    "sparsevit-restorer-1": RestorerConfig,
}


class CheckpointError(ValueError):
    """A checkpoint file that cannot be used; the message is one sentence that says why."""


def read_config(path: str | Path) -> OwnConfig:
    """The configuration stored in a checkpoint, without reading its weights.

    Raises:
        CheckpointError: no such file, not safetensors, cut short, or not one of our networks.
    """
    metadata, _ = _read(path)
    return _parse_config(path, metadata)


def read_info(path: str | Path) -> dict[str, str]:
    """The notes stored in a checkpoint.

    Raises:
        CheckpointError: as :func:`read_config`.
    """
    metadata, _ = _read(path)
    info = _parse_json(path, metadata, "info")
    return {str(key): str(value) for key, value in info.items()}


def read_checkpoint(path: str | Path) -> tuple[OwnConfig, dict[str, Any]]:
    """The configuration and the weights, tensors of torch's, by name.

    Raises:
        CheckpointError: as :func:`read_config`.
    """
    metadata, tensors = _read(path, with_tensors=True)
    return _parse_config(path, metadata), tensors


def save_checkpoint(
    model: nn.Module, config: OwnConfig, path: str | Path, info: dict[str, str] | None = None
) -> None:
    """Write the weights in half precision, with the configuration beside them.

    Args:
        model: one of our networks, sparsified or not.
        config: what it is built of.
        path: the .safetensors file to write; replaced as a whole.
        info: notes for the reader of the file, such as the training data and its terms.
    """
    from safetensors.torch import save_file

    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in model.state_dict().items()
    }
    metadata = {
        "format": next(name for name, kind in FORMATS.items() if isinstance(config, kind)),
        "config": json.dumps(asdict(config)),
        "info": json.dumps(info or {}),
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    save_file(tensors, partial, metadata)
    partial.replace(path)


def load_weights(model: nn.Module, path: str | Path, tensors: dict[str, Any]) -> None:
    """Give a network the weights that :func:`read_checkpoint` gave.

    Raises:
        CheckpointError: they are not all of its weights and no others, each of its size.
    """
    from timm.models import clean_state_dict

    tensors = clean_state_dict(tensors)  # a compiled network puts a prefix before its names
    expected = model.state_dict()
    wrong = sorted(expected.keys() ^ tensors.keys())
    if wrong:
        raise CheckpointError(f"The weights in {path} do not match its configuration: {wrong[0]}.")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise CheckpointError(
                f"The weights in {path} do not match its configuration: {name} is "
                f"{tuple(tensor.shape)} and should be {tuple(expected[name].shape)}."
            )
    model.load_state_dict(tensors)


def _read(path: str | Path, with_tensors: bool = False) -> tuple[dict[str, str], dict[str, Any]]:
    """Metadata and, if asked for, tensors of torch's."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint file at {path}.")
    try:
        with safe_open(path, framework="pt" if with_tensors else "np") as file:
            metadata = file.metadata() or {}
            names = list(file.keys()) if with_tensors else []
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"Cannot read {path}: it is not a safetensors file, or it is cut short."
        ) from error
    if metadata.get("format") not in FORMATS:
        raise CheckpointError(
            f"{path} is a safetensors file but none of SparseViT's own networks; weights of one of "
            f"timm's networks need its name too: --model NAME --checkpoint FILE."
        )
    return metadata, tensors


def _parse_config(path: str | Path, metadata: dict[str, str]) -> OwnConfig:
    fields = _parse_json(path, metadata, "config")
    try:
        return FORMATS[metadata["format"]](**fields)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"The config stored in {path} is not usable: {error}") from error


def _parse_json(path: str | Path, metadata: dict[str, str], key: str) -> dict[str, Any]:
    try:
        value = json.loads(metadata[key])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"The {key} stored in {path} is missing or unreadable.") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"The {key} stored in {path} is missing or unreadable.")
    return cast("dict[str, Any]", value)
