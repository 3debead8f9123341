"""What a restorer undoes: a photo shrunk to half its size, or compressed as JPEG."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

_LEVELS = 255


def shrink(images: Tensor) -> Tensor:
    """Half the size by antialiased bicubic interpolation, as MATLAB's imresize does it.

    The kernel (Keys 1981, a = -0.5) is stretched by 2, edges are mirrored, and the result is
    rounded to 8 bits, as pictures of super-resolution benchmarks are.

    Args:
        images: (B, 3, h, w) in [0, 1], even sides of 8 pixels and more.

    Returns:
        (B, 3, h / 2, w / 2), multiples of 1/255 in [0, 1].
    """
    channels = images.shape[1]
    taps = torch.tensor(_list_taps(), device=images.device, dtype=images.dtype)
    x = _mirror(images, len(taps) // 2 - 1)
    x = F.conv2d(
        x, taps.view(1, 1, -1, 1).expand(channels, -1, -1, -1), None, (2, 1), groups=channels
    )
    x = F.conv2d(
        x, taps.view(1, 1, 1, -1).expand(channels, -1, -1, -1), None, (1, 2), groups=channels
    )
    return _quantise(x)


def enlarge(images: Tensor, scale: int) -> Tensor:
    """Bicubic interpolation (a = -0.5) with mirrored edges, as MATLAB's imresize does it.

    Args:
        images: (B, 3, h, w).
        scale: a whole number above 1.

    Returns:
        (B, 3, scale h, scale w), which may leave the range of its input.
    """
    margin = 2
    # Without antialias PyTorch has another kernel, a = -0.75; enlarging, there is none.
    out = F.interpolate(_mirror(images, margin), scale_factor=scale, mode="bicubic", antialias=True)
    cut = margin * scale
    return out[..., cut:-cut, cut:-cut]


def compress(images: Tensor) -> Tensor:
    """What JPEG of quality 30 leaves: baseline, its tables those of ITU-T T.81, all colours whole.

    Args:
        images: (B, 3, h, w) RGB in [0, 1].

    Returns:
        The same shape, multiples of 1/255 in [0, 1].
    """
    height, width = images.shape[-2:]
    x = F.pad(images * _LEVELS, (0, -width % 8, 0, -height % 8), mode="replicate")
    to_ycc = torch.tensor(_YCC, device=x.device, dtype=x.dtype)
    x = torch.einsum("dc,bchw->bdhw", to_ycc, x.round()).round()
    x[:, 0] -= 128
    blocks = x.reshape(*x.shape[:2], x.shape[2] // 8, 8, x.shape[3] // 8, 8)
    basis = torch.tensor(_list_waves(), device=x.device, dtype=x.dtype)  # (8 waves, 8 pixels)
    tables = torch.tensor(_scale_tables(), device=x.device, dtype=x.dtype)  # (3, 8, 8)
    tables = tables[:, None, :, None, :]
    waves = torch.einsum("ui,bcriwj,vj->bcruwv", basis, blocks, basis)
    waves = (waves / tables).round() * tables
    blocks = torch.einsum("ui,bcruwv,vj->bcriwj", basis, waves, basis)
    x = blocks.flatten(4, 5).flatten(2, 3).round()
    x[:, 0] += 128
    x = torch.einsum("cd,bdhw->bchw", torch.linalg.inv(to_ycc), x)
    return _quantise(x[..., :height, :width] / _LEVELS)


#: Each of the degradations of a restorer's configuration.
DEGRADATIONS: dict[str, Callable[[Tensor], Tensor]] = {"shrink": shrink, "jpeg": compress}

_QUALITY = 30
_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
# Steps of the waves of a block of luma, and of chroma: ITU-T T.81, tables K.1 and K.2.
_LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99),
    *(99,) * 32,
)


def _scale_tables() -> list[list[list[int]]]:
    """Steps for Y, Cb and Cr at the quality, as the IJG's library scales them."""
    scale = 5000 // _QUALITY if _QUALITY < 50 else 200 - 2 * _QUALITY
    return [
        [
            [min(255, max(1, (step * scale + 50) // 100)) for step in table[8 * r : 8 * r + 8]]
            for r in range(8)
        ]
        for table in (_LUMA, _CHROMA, _CHROMA)
    ]


def _list_waves() -> list[list[float]]:
    """The orthonormal DCT of 8 values."""
    return [
        [
            math.sqrt((1 if u else 0.5) / 4) * math.cos((2 * i + 1) * u * math.pi / 16)
            for i in range(8)
        ]
        for u in range(8)
    ]


@cache
def _list_taps() -> list[float]:
    """Weights of the 8 pixels around the middle between two."""
    weights = [_cubic((index + 0.5) / 2) / 2 for index in range(-4, 4)]
    return [weight / sum(weights) for weight in weights]


def _cubic(x: float) -> float:
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def _mirror(images: Tensor, margin: int) -> Tensor:
    """Pad by the pixels at the edge, the outermost first: ... b a | a b ..."""
    for dim in (-2, -1):
        length = images.shape[dim]
        first = images.narrow(dim, 0, margin).flip(dim)
        last = images.narrow(dim, length - margin, margin).flip(dim)
        images = torch.cat([first, images, last], dim)
    return images


def _quantise(images: Tensor) -> Tensor:
    return (images * _LEVELS).round().clamp(0, _LEVELS) / _LEVELS
