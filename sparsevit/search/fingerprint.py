"""What the accuracies of a study depend on, so that no two searches mix in one."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from sparsevit.networks import LoadedModel
from sparsevit.search.frontier import name_network

if TYPE_CHECKING:
    from sparsevit.search.judge import Judge


def describe_search(loaded: LoadedModel, judge: Judge) -> dict[str, Any]:
    """Network, task, weights, pictures and metric, by the words that a sentence has for them."""
    height, width = judge.images.shape[-2:]
    return {
        "model": name_network(loaded.name),
        "task": loaded.task.name,
        "weights": digest_weights(loaded.module),
        "size": f"{height}x{width}",
        "metric": judge.metric,
        "data": judge.data,
        "number of pictures": judge.pictures,
        "set of pictures": judge.key,
    }


def digest_weights(model: nn.Module) -> str:
    """16 hexadecimal digits that differ where names or values do."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def digest_values(values: Any) -> str:
    """16 hexadecimal digits that differ where values do.

    Args:
        values: arrays, dataclasses, lists and what prints as it is, in one another.
    """
    digest = hashlib.sha256()
    waiting = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode())
            digest.update(value.tobytes())
        elif isinstance(value, (list, tuple)):
            digest.update(f"{len(value)} of".encode())
            waiting += value
        elif is_dataclass(value):
            waiting.append([getattr(value, field.name) for field in fields(value)])
        else:
            digest.update(repr(value).encode())
    return digest.hexdigest()[:16]
