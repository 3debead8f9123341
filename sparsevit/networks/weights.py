"""Files of weights: what is taken from one follows timm's own rules, and nothing in it is run."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from timm.models import clean_state_dict
from torch import Tensor

from sparsevit.networks.entries import ModelError

T = TypeVar("T")

#: Where a file keeps its weights, the first that is there: averages before what they are of.
_AVERAGES = ("state_dict_ema", "model_ema")
_ENTRIES = ("state_dict", "model")


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights of a file.

    Attributes:
        tensors: by name, without what DataParallel and torch.compile put before the names.
        note: one sentence on which of several things in the file they are; empty if it has one.
    """

    tensors: dict[str, Tensor]
    note: str


def read_weights(path: Path) -> Weights:
    """Read a file as ``timm.models.load_state_dict`` does: an average is taken before the rest.

    Args:
        path: a .safetensors file, or one of ``torch.save`` that holds plain tensors; timm's own
            training writes its arguments beside them.

    Raises:
        ModelError: no such file, cut short, code instead of tensors, or no weights.
    """
    if not path.is_file():
        raise ModelError(f"There is no checkpoint file at {path}.")
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            with torch.serialization.safe_globals([argparse.Namespace]):
                content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise many kinds for a bad file
        raise ModelError(
            f"Cannot read {path}: it is cut short, not a checkpoint, or holds code instead of "
            f"plain tensors."
        ) from error
    entry, state = choose_entry(content)
    where = f"{path} holds" if entry is None else f"{entry} in {path} is"
    if not isinstance(state, dict) or not state:
        raise ModelError(f"{where} something other than weights by name, or nothing.")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ModelError(
                f"{where} something other than a plain state dict of tensors: {str(name)[:60]} is "
                f"{type(value).__name__}."
            )
    return Weights(strip_prefixes(state), describe_entry(path, entry))


def choose_entry(content: Any) -> tuple[str | None, Any]:
    """Find the weights in what a file holds, by timm's rules.

    Returns:
        The name of the entry they are in, None for the whole file, and the weights.
    """
    if isinstance(content, dict):
        for name in _AVERAGES:
            if content.get(name) is not None:
                return name, content[name]
        for name in _ENTRIES:
            if name in content:
                return name, content[name]
    return None, content


def strip_prefixes(state: dict[str, T]) -> dict[str, T]:
    """The same by the names alone, without what DataParallel and torch.compile put before them."""
    return clean_state_dict(state)


def describe_entry(path: Path, entry: str | None) -> str:
    """One sentence on what was taken of a file; empty for all of it."""
    return "" if entry is None else f"Took {entry} of {path}."
