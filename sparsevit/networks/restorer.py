"""A small network that restores photos: windows of attention between two convolutions."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from copy import copy
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.swin_transformer import SwinTransformerBlock
from torch import Tensor, nn

from sparsevit.data.degradation import DEGRADATIONS, enlarge
from sparsevit.networks.restorer_config import TOKEN, RestorerConfig

_NEAR = 5  # pixels around one whose mean is taken off
_CONTRAST = 0.05  # the unit of pixels less those around them, coming in and going out


class RestorerStem(nn.Module):
    """Tokens of TOKEN x TOKEN pixels, of what sets a pixel apart from those around it.

    A smooth place gives tokens near zero, whatever its colour: there is nothing to restore.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.patch_size = (TOKEN, TOKEN)
        self.proj = nn.Conv2d(3 * TOKEN**2, dim, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w), multiples of TOKEN -> (B, h / TOKEN, w / TOKEN, C)."""
        around = F.avg_pool2d(x, _NEAR, 1, _NEAR // 2, count_include_pad=False)
        apart = F.pixel_unshuffle((x - around) / _CONTRAST, TOKEN)
        tokens: Tensor = self.proj(apart.to(self.proj.weight.dtype)).permute(0, 2, 3, 1)
        return tokens


class RestorerStage(nn.Module):
    """Blocks that rank their windows together.

    Attributes:
        is_first: of its network.
    """

    def __init__(self, config: RestorerConfig, depth: int, is_first: bool) -> None:
        super().__init__()
        window = config.window_size
        self.is_first = is_first
        self.blocks = nn.Sequential(
            *(
                SwinTransformerBlock(
                    config.dim,
                    (64 * window, 64 * window),  # so timm keeps the full window and its shift
                    config.num_heads,
                    window_size=window,
                    shift_size=window // 2 * (index % 2),
                    dynamic_mask=True,
                    mlp_ratio=config.mlp_ratio,
                )
                for index in range(depth)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> the same."""
        out: Tensor = self.blocks(x)
        return out


class Restorer(nn.Module):
    """What bicubic interpolation gives, and what a body of window attention adds to it.

    Tokens keep one resolution, as in SwinIR (Liang et al. 2021), but are of TOKEN x TOKEN pixels,
    which makes them a quarter as many; pixel shuffle (Shi et al. 2016) turns them into the picture.
    A window that is skipped everywhere keeps the tokens of the stem.

    Attributes:
        config: what it is built of.
        tasks: what a forward is for, one of ``config.tasks``.
    """

    def __init__(self, config: RestorerConfig) -> None:
        """Build the network with random weights, for its first task."""
        super().__init__()
        self.config = config
        self.tasks: tuple[str, ...] = config.tasks[:1]
        self.stem = RestorerStem(config.dim)
        self.stages = nn.Sequential(
            *(RestorerStage(config, depth, not index) for index, depth in enumerate(config.depths))
        )
        self.head = nn.Conv2d(config.dim, 3 * (TOKEN * config.scale) ** 2, 3, padding=1)
        for parameter in self.head.parameters():  # so that it begins as bicubic interpolation
            nn.init.zeros_(parameter)

    def for_tasks(self, *tasks: str) -> Restorer:
        """The same network and weights for another task.

        Raises:
            ValueError: not one of ``config.tasks``.
        """
        if len(tasks) != 1 or tasks[0] not in self.config.tasks:
            raise ValueError(
                f"This network does {' or '.join(self.config.tasks)}, not "
                f"{' and '.join(tasks) or 'nothing'}."
            )
        view = copy(self)
        view.tasks = tasks
        return view

    def forward(self, images: Tensor) -> Tensor:
        """Restore pictures.

        Args:
            images: (B, 3, img_h, img_w) RGB in [0, 1]. For "restoration" originals, whose sides
                are multiples of ``config.scale``: they are degraded first. Else degraded ones.

        Returns:
            (B, 3, h, w), not clipped: as large as the original.
        """
        if self.tasks == ("restoration",):
            images = self.degrade(images)
        return self.restore(images)

    def degrade(self, images: Tensor) -> Tensor:
        """What the network is given of originals: (B, 3, h, w) -> (B, 3, h / scale, w / scale)."""
        with _use_full_precision(images):
            return DEGRADATIONS[self.config.degradation](images.float())

    def restore(self, low: Tensor) -> Tensor:
        """Degraded pictures (B, 3, h, w) in [0, 1] -> (B, 3, h * scale, w * scale) float32."""
        height, width = low.shape[-2:]
        # To whole windows: in others, timm's blocks would mix what they roll in from the far edge.
        window = TOKEN * self.config.window_size
        padded = F.pad(low, (0, -width % window, 0, -height % window), mode="replicate")
        tokens: Any = self.stages(self.stem(padded))
        found = self.head(tokens.permute(0, 3, 1, 2))
        scale = self.config.scale
        change = F.pixel_shuffle(found, TOKEN * scale)[..., : scale * height, : scale * width]
        with _use_full_precision(low):
            base = enlarge(low.float(), scale) if scale > 1 else low.float()
        return base + _CONTRAST * change.float()


def _use_full_precision(images: Tensor) -> AbstractContextManager[None]:
    """Arithmetic as it is written: pictures have 8 bits, more than half a float keeps."""
    kind = images.device.type
    return nullcontext() if kind == "meta" else torch.autocast(kind, enabled=False)
