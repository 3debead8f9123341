"""What the accuracies of a study depend on, so that no two searches mix in one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from sparsevit.networks import LoadedModel
from sparsevit.search.frontier import name_network

if TYPE_CHECKING:
    from sparsevit.search.judge import Judge


def describe_search(loaded: LoadedModel, judge: Judge) -> dict[str, Any]:
    """Network, weights, pictures and metric, by the words that a sentence names them with."""
    height, width = judge.images.shape[-2:]
    return {
        "model": name_network(loaded.name),
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


def digest_arrays(arrays: Sequence[np.ndarray]) -> str:
    """16 hexadecimal digits that differ where shapes or values do."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]
