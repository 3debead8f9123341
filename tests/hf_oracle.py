"""The method on Hugging Face's Swin networks, slow and plain, and weights that matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from oracle import Kept, Window, count_kept, mask_tokens, rank, score_windows
from torch import Tensor

SCHEDULE = ((0.5,), (0.3,), (0.4, 0.7), (0.0,))
STEEP = ((0.9,), (0.0,), (0.2, 0.8), (0.7,))
SIZES = ((112, 112), (92, 64), (60, 132), (36, 44))

#: A narrow network with the depths of ``SCHEDULE``, for any of their configurations.
NARROW: dict[str, Any] = {
    "image_size": 224,
    "embed_dim": 24,
    "depths": [2, 2, 4, 2],
    "num_heads": [1, 2, 4, 8],
    "window_size": 7,
    "hidden_size": 192,
    "num_labels": 5,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}


def stir(model: Any) -> Any:
    """Weights that matter: see ``oracle.make_swin``."""
    generator = torch.Generator().manual_seed(0)
    for key, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "relative_position" in key:
            parameter.data.copy_(noise)
        elif parameter.ndim > 1:
            parameter.data.copy_(noise / math.sqrt(parameter[0].numel()))
        else:
            parameter.data.copy_(0.3 * noise + (1.0 if key.endswith("weight") else 0.0))
    return model.eval()


def join_maps(model: Any, images: Tensor) -> Tensor:
    """Every stage's output of a backbone as one flat tensor."""
    return torch.cat([stage.flatten() for stage in model(images).feature_maps])


def list_windows(grid: tuple[int, int], window: int, shift: int) -> list[Window]:
    """Every window's tokens; Hugging Face pads the grid's end, then rolls it up and left."""
    height, width = (math.ceil(side / window) * window for side in grid)
    windows = []
    for top in range(0, height, window):
        for left in range(0, width, window):
            slots: Window = []
            for row in range(top, top + window):
                for col in range(left, left + window):
                    token = ((row + shift) % height, (col + shift) % width)
                    slots.append(token if token[0] < grid[0] and token[1] < grid[1] else None)
            windows.append(slots)
    return windows


def run_oracle(
    net: Any,
    embedded: tuple[Tensor, tuple[int, int]],
    schedule: Sequence[Sequence[float]],
    **options: Any,
) -> tuple[Tensor, Kept]:
    """The pruned network on a dense one.

    Args:
        net: a network of theirs, with ``encoder.layers`` and ``layernorm``.
        embedded: what its patch embedding gives: (B, H * W, C) and (H, W).
        schedule: one sparsity per pair, per stage.
        options: of the host's layers.

    Returns:
        The last stage's tokens (B, H * W, C) after the last norm, and the kept windows.
    """
    chosen: Kept = {}
    x, grid = embedded
    for s, stage in enumerate(net.encoder.layers):
        scored = None
        for b, block in enumerate(stage.blocks):
            windows = list_windows(grid, block.window_size, block.shift_size)
            count = count_kept(len(windows), schedule[s][b // 2])
            if count == len(windows):
                chosen[s, b] = [list(range(count))] * len(x)
            else:
                scored = x.detach().view(len(x), *grid, -1) if scored is None else scored
                magnitudes = scored.abs().mean(dim=-1)
                chosen[s, b] = [rank(score_windows(m, windows))[:count] for m in magnitudes]
            out = block(x, grid, **options)[0]
            x = torch.where(mask_tokens(grid, windows, chosen[s, b]).flatten(1, 2), out, x)
        if stage.downsample is not None:
            x = stage.downsample(x, grid)
            grid = ((grid[0] + 1) // 2, (grid[1] + 1) // 2)
    return net.layernorm(x), chosen
