"""timm's MaxViT: the half of a block that attends in windows is pruned, the rest stays dense.

Tu et al. 2022, "MaxViT: Multi-Axis Vision Transformer". A block is a convolution, then a
transformer block in windows, then one over a grid of tokens that spans the whole picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.maxxvit import AttentionCl, MaxxVitBlock, MaxxVitStage, PartitionAttentionCl
from torch import Tensor, nn

from sparsevit.core.stage import StageRun, runs_as_host
from sparsevit.core.windows import Size, WindowGrid, get_window_grid
from sparsevit.hosts.timm_base import (
    TimmBlock,
    TimmHost,
    TimmModule,
    TimmStage,
    call_module,
    find_unchained,
)

_STRIDE = 4  # pixels a side of the first stage's tokens


class SparseWindowHalf(TimmBlock, PartitionAttentionCl):
    """A transformer block in windows: norm, attention, residual, norm, MLP, residual."""

    def get_grid(self, height: int, width: int, device: torch.device) -> WindowGrid:
        """The windows over an H x W token grid, which the host wants whole."""
        return get_window_grid(height, width, tuple(self.partition_size), (0, 0), device)

    def mix_tokens(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        attn = self.attn
        qkv = attn.qkv(self.norm1(tokens))
        if attn.head_first:
            q, k, v = qkv.unflatten(-1, (attn.num_heads, -1)).transpose(1, 2).chunk(3, dim=-1)
        else:
            q, k, v = qkv.unflatten(-1, (3, attn.num_heads, -1)).transpose(1, 3).unbind(2)
        dropout = attn.attn_drop.p if self.training else 0.0
        x = F.scaled_dot_product_attention(
            q, k, v, attn_mask=bias.to(q.dtype), dropout_p=dropout
        )  # (n, nH, N, head_dim)
        return x.transpose(1, 2).flatten(2)

    def list_bypassed(self) -> list[nn.Module]:
        rel_pos = self.attn.rel_pos
        return [self.attn] if rel_pos is None else [self.attn, rel_pos]

    def list_attention_end(self) -> list[nn.Module]:
        return [*super().list_attention_end(), self.ls1]

    def list_mlp(self) -> list[nn.Module]:
        return [*super().list_mlp(), self.ls2]

    def list_position_weights(self) -> list[Tensor]:
        rel_pos = self.attn.rel_pos
        return [] if rel_pos is None else list(rel_pos.parameters())

    def build_position_bias(self) -> Tensor:
        bias: Tensor = self.attn.rel_pos.get_bias()
        return bias if bias.ndim == 4 else bias.unsqueeze(0)


class SparseMaxxVitBlock(TimmModule, MaxxVitBlock):
    """A MaxViT block whose window half takes part in a stage's run."""

    attn_block: Any

    def forward(self, x: Tensor, run: StageRun | None = None, saves_memory: bool = False) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W'); without a run it is the host's own."""
        if run is None:
            return self.run_host(x)
        x = call_module(self.conv, x, saves_memory).permute(0, 2, 3, 1)
        x = run.step(self.attn_block, x)
        return call_module(self.attn_grid, x, saves_memory).permute(0, 3, 1, 2)


class SparseMaxxVitStage(TimmStage, MaxxVitStage):
    """A MaxViT stage that ranks its windows once, where the first of them are made."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) of the stage before -> (B, C', H', W')."""
        if runs_as_host():
            return self.run_host(x)
        run = StageRun(self, (block.attn_block for block in self.blocks), x)
        for block in self.blocks:
            x = block(x, run, self.grad_checkpointing)
        return x


class MaxVitHost(TimmHost):
    """MaxViT in all its sizes; CoAtNet and the like have no windows."""

    sees_images = False

    def is_stage(self, module: nn.Module) -> bool:
        """True for a stage of blocks with a window half, adapted or not."""
        return isinstance(module, MaxxVitStage) and all(
            isinstance(getattr(block, "attn_block", None), PartitionAttentionCl)
            for block in module.blocks
        )

    def list_blocks(self, stage: Any) -> list[Any]:
        """The window halves."""
        return [block.attn_block for block in stage.blocks]

    def list_dense(self, stage: Any) -> list[nn.Module]:
        """The convolutions, and the halves that attend over a grid."""
        return [part for block in stage.blocks for part in (block.conv, block.attn_grid)]

    def find_swappable(self, model: nn.Module) -> list[nn.Module]:
        """Stages, their blocks, and of each the window half; the other is of the same class."""
        stages: Iterable[Any] = filter(self.is_stage, model.modules())
        return [
            module
            for stage in stages
            for module in (stage, *stage.blocks, *self.list_blocks(stage))
        ]

    def find_starts(self, stages: Sequence[Any]) -> list[Any]:
        """The stages that do not take what the one before gives."""
        convs = [next(m for m in s.modules() if isinstance(m, nn.Conv2d)) for s in stages]
        given = [stage.blocks[-1].attn_grid.norm1.weight.numel() for stage in stages]
        return find_unchained(stages, [conv.in_channels for conv in convs], given)

    def find_token_grids(self, model: nn.Module, image_size: Size) -> list[Size]:
        """(H, W) of every stage's token grid for (img_h, img_w) pixels."""
        height, width = (math.ceil(side / _STRIDE) for side in image_size)
        return self.halve_grids(model, (height, width))


HOST = MaxVitHost(
    name="timm MaxxVit with windows (every maxvit_* but maxvit_tiny_pm_256)",
    stage_class=MaxxVitStage,
    attention_class=AttentionCl,
    sparse_classes={
        PartitionAttentionCl: SparseWindowHalf,
        MaxxVitBlock: SparseMaxxVitBlock,
        MaxxVitStage: SparseMaxxVitStage,
    },
)
