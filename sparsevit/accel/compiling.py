"""``torch.compile`` for what a schedule cannot prune, such as a large head."""

from __future__ import annotations

import copy
from typing import Any, TypeVar, cast

import torch
from torch import nn

from sparsevit.patch import find_stages, list_dense

Model = TypeVar("Model", bound=nn.Module)


def compile_rest(model: Model, **options: Any) -> Model:
    """A compiled twin of a sparsified network: all that is never pruned goes to the compiler.

    That is what surrounds the stages, and what is dense inside them, such as SAM's global blocks.
    On a CPU blocks run faster as they are, in pieces that fit the cache, and a schedule may change
    without anything being compiled anew. The twin shares the weights; its ``sparsity`` is its own.

    Args:
        model: a sparsified network; it stays as it is.
        options: of ``torch.compile``.

    Returns:
        What ``torch.compile`` gives: call it like the network. The first call compiles.
    """
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    twin = copy.deepcopy(model, shared)
    disable: Any = torch.compiler.disable
    for stage in find_stages(twin):
        stage.forward = disable(stage.forward)
    for module in list_dense(twin):
        module.compile(**options)
    return cast(Model, torch.compile(twin, **options))
