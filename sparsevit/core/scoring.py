"""How much a window matters: scores of windows and their ranking (paper section 3.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sparsevit.core.windows import WindowGrid
from sparsevit.package.choices import SCORES, Score


def token_magnitudes(x: Tensor, score: Score = "rms") -> Tensor:
    """Mean over channels of |x|, in fp32 (half-precision scores would change which windows stay).

    Args:
        x: (B, H, W, C) activation.
        score: that the magnitudes are for. For "centred" the mean token of each picture is taken
            off first, so that what all its tokens share counts for none of them.

    Returns:
        (B, H, W) float32.
    """
    if score == "centred":
        x = x - x.mean(dim=(1, 2), keepdim=True, dtype=torch.float32)
    return x.abs().mean(dim=-1, dtype=torch.float32)


def image_gradient_energy(images: Tensor, patch_size: tuple[int, int]) -> Tensor:
    """Mean gradient magnitude of the pixels of every patch: a score that needs no network.

    Args:
        images: (B, channels, img_h, img_w), any float dtype.
        patch_size: (height, width) in pixels.

    Returns:
        (B, img_h // patch height, img_w // patch width) float32, >= 0.
    """
    grey = images.detach().float().mean(dim=1, keepdim=True)
    down = F.pad(grey.diff(dim=2).abs(), (0, 0, 0, 1))
    right = F.pad(grey.diff(dim=3).abs(), (0, 1))
    return F.avg_pool2d(down + right, patch_size).squeeze(1)


def window_scores(
    magnitudes: Tensor, grid: WindowGrid, score: Score = "rms", seed: int = 0
) -> Tensor:
    """Score of every window from the magnitudes of its tokens.

    ``rms`` divides the paper's L2 norm by the root of the number of real tokens, which ranks alike
    on a grid without padding and does not starve border windows on one with padding; ``l2`` is the
    paper's literal sum; ``gradient`` is ``rms`` over :func:`image_gradient_energy`, ``centred``
    over the magnitudes of the centred activation.

    Args:
        magnitudes: (B, H, W) float32, >= 0.
        grid: the windows of that token grid.
        score: one of ``SCORES``.
        seed: of the ``random`` score.

    Returns:
        (B, nW) float32.

    Raises:
        ValueError: an unknown score.
    """
    batch = magnitudes.shape[0]
    if score == "random":
        generator = torch.Generator().manual_seed(seed)
        values = torch.rand(batch, grid.num_windows, generator=generator)
        return values.to(magnitudes.device)
    tokens = magnitudes.flatten(1)[:, grid.token_index]  # (B, nW, N)
    if grid.real is not None:
        tokens = tokens * grid.real
    # Sums of equal terms must tie exactly whatever their number, so they are taken in double
    # (where the device has it: Apple's GPUs do not).
    wide = torch.float32 if tokens.device.type == "mps" else torch.float64
    if score in ("rms", "centred", "gradient"):
        return (tokens.to(wide).square().sum(dim=-1) / grid.num_real).sqrt().float()
    if score == "l2":
        return tokens.square().sum(dim=-1).sqrt()
    if score == "l1":
        return (tokens.to(wide).sum(dim=-1) / grid.num_real).float()
    if score == "linf":
        return tokens.amax(dim=-1)
    raise ValueError(f"Unknown score {score!r}; scores are {', '.join(SCORES)}.")


def rank_windows(scores: Tensor) -> Tensor:
    """Windows from highest to lowest score; equal scores keep the lower window first.

    Args:
        scores: (B, nW).

    Returns:
        (B, nW) int64 window indices.
    """
    return scores.argsort(dim=-1, descending=True, stable=True)
