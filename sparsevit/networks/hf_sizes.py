"""Pictures of any size for Hugging Face's Swin outside a backbone, one after the other.

There a layer whose grid is no larger than its window shrinks the window and drops the shift, for
good: what follows would depend on the sizes that came before. And a shrunken window has no position
bias, so the host fails on it with a message about tensors.
"""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from sparsevit.data.reader import ImageError


def allow_any_order(model: nn.Module) -> None:
    """Let a network forget the sizes it saw before, and name the smallest it can take.

    Its forward then raises an ImageError for pictures that are too small. Copies of the network do
    the same.

    Args:
        model: transformers' ``SwinModel`` or ``SwinForImageClassification``.
    """
    model.register_forward_pre_hook(_start_afresh, with_kwargs=True)


def _start_afresh(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    config = model.config
    images = args[0] if args else kwargs["pixel_values"]
    height, width = images.shape[-2:]
    shrinks = 2 ** (len(config.depths) - 1)
    sides = [math.ceil(math.ceil(side / config.patch_size) / shrinks) for side in (height, width)]
    if min(sides) < config.window_size:
        least = config.window_size * config.patch_size * shrinks
        raise ImageError(
            f"This network takes pictures of {least} pixels a side or more, not {height}x{width}."
        )
    for stage in model.modules():
        blocks = getattr(stage, "blocks", None)
        if isinstance(blocks, nn.ModuleList):
            for number, block in enumerate(blocks):
                block.window_size = config.window_size
                block.shift_size = number % 2 * (config.window_size // 2)
