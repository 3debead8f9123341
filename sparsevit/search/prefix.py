"""Results of a network's first stages, kept for the next schedule that begins alike."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sparsevit.core.stage import runs_as_host
from sparsevit.patch import find_stages

#: What a cache holds unless told otherwise, bytes.
LIMIT_BYTES = 1_000_000_000


class PrefixCache:
    """Outputs of stages, bounded in bytes.

    An early stage serves more schedules than a late one, so the latest stage's outputs go first,
    and of them the one that was not asked for longest.

    Attributes:
        hits, misses: how often an output was there, and how often not.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        """Start empty."""
        self.hits = 0
        self.misses = 0
        self._left = limit_bytes
        self._levels: dict[int, OrderedDict[Hashable, Any]] = {}

    def get(self, level: int, key: Hashable, make: Callable[[], Any]) -> Any:
        """The output of ``key`` after ``level`` stages, made by ``make()`` unless it is kept."""
        kept = self._levels.setdefault(level, OrderedDict())
        output = kept.get(key)
        if output is not None:
            self.hits += 1
            kept.move_to_end(key)
            return output
        self.misses += 1
        output = make()
        kept[key] = output
        self._left -= _count_bytes(output)
        while self._left < 0:
            latest = self._levels[max(level for level, held in self._levels.items() if held)]
            self._left += _count_bytes(latest.popitem(last=False)[1])
        return output


def _count_bytes(output: Any) -> int:
    """Of a tensor, or of the tensors among what a stage gives."""
    tensors = output if isinstance(output, tuple) else (output,)
    return sum(tensor.nbytes for tensor in tensors if isinstance(tensor, Tensor))


@contextmanager
def reuse_stages(model: nn.Module, cache: PrefixCache, picture: Hashable) -> Iterator[None]:
    """Inside the ``with`` block, stages that ran before on this picture are not run again.

    An output depends on the picture and on the settings of its stage and of those before. The last
    stage's is not kept: it serves no other schedule. Where gradients are recorded, or the host's
    own code runs, nothing is kept or reused.

    Args:
        model: a sparsified model, whose weights stay the same as long as the cache is used.
        cache: outputs so far.
        picture: what tells the picture from others.
    """
    stages = find_stages(model)
    embeds = [getattr(module, "patch_embed", None) for module in model.modules()]
    levels = [(embed, 0) for embed in embeds if isinstance(embed, nn.Module)]
    levels += [(stage, level) for level, stage in enumerate(stages[:-1], start=1)]

    def memoise(module: nn.Module, level: int) -> None:
        run = module.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            # Each time, to the stages: the patch embedding, where a score needs the pictures.
            tells_pixels = level == 0 and getattr(module, "forwards", None) is not None
            if torch.is_grad_enabled() or runs_as_host() or tells_pixels:
                return run(*args, **kwargs)
            key = (picture, *(stage.pruning for stage in stages[:level]))
            return cache.get(level, key, lambda: run(*args, **kwargs))

        module.__dict__["forward"] = forward

    for module, level in levels:
        memoise(module, level)
    try:
        yield
    finally:
        for module, _ in levels:
            del module.__dict__["forward"]
