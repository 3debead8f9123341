"""timm's ``TinyVit``: between attention and MLP a block has a small convolution, which stays dense.

Wu et al. 2022, "TinyViT: Fast Pretraining Distillation for Small Vision Transformers". The
convolution is no residual branch, so nothing may skip it: a pruned window leaves out attention and
MLP, as in a Swin, and its tokens go through the convolution with their neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.tiny_vit import Attention, NormMlp, TinyVitBlock, TinyVitStage
from torch import Tensor, nn

from sparsevit.core.modes import is_hooked
from sparsevit.core.stage import PruningStage, runs_as_host
from sparsevit.core.stream import BlockPlan
from sparsevit.core.windows import Size, WindowGrid, get_window_grid
from sparsevit.hosts.timm_base import TimmBlock, TimmHost, TimmModule, find_unchained

_STRIDE = 8  # pixels a side of the tokens of the first stage that attends


class SparseTinyVitBlock(TimmBlock, TinyVitBlock):
    """A TinyViT block: attention, residual, convolution, MLP, residual."""

    chains: Mapping[type[nn.Module], Sequence[str]] = {
        NormMlp: ("norm", "fc1", "act", "drop1", "fc2", "drop2")
    }

    def forward(self, x: Tensor, plan: BlockPlan | None = None) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C); with a plan only the kept windows attend."""
        if plan is None:
            return super().forward(x)
        x = self.run(x, plan, part="attention")
        x = self.local_conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        if not any(map(is_hooked, self.local_conv.modules())):
            plan.stream.donate(x)
        return self.run(x, plan, part="mlp")

    def get_grid(self, height: int, width: int, device: torch.device) -> WindowGrid:
        """The block's windows over an H x W token grid; they are never shifted."""
        return get_window_grid(height, width, (self.window_size,) * 2, (0, 0), device)

    def mix_tokens(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        attn = self.attn  # the host pads before its norm
        x = tokens if real is None else tokens.masked_fill(~real.unsqueeze(-1), 0.0)
        qkv = attn.qkv(attn.norm(x)).unflatten(-1, (attn.num_heads, -1)).transpose(1, 2)
        q, k, v = qkv.split((attn.key_dim, attn.key_dim, attn.val_dim), dim=-1)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        return x.transpose(1, 2).flatten(2)

    def list_attention_end(self) -> list[nn.Module]:
        return [self.attn.proj]

    def list_mlp(self) -> list[nn.Module]:
        return [self.mlp]

    def list_position_weights(self) -> list[Tensor]:
        return [self.attn.attention_biases]

    def build_position_bias(self) -> Tensor:
        bias: Tensor = self.attn.attention_biases[:, self.attn.attention_bias_idxs]
        return bias.unsqueeze(0)


class SparseTinyVitStage(TimmModule, PruningStage, TinyVitStage):
    """A TinyViT stage that ranks its windows once."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) of the stage before -> (B, C', H', W')."""
        if runs_as_host():
            return self.run_host(x)
        tokens = self.downsample(x).permute(0, 2, 3, 1)
        return self.run_blocks(tokens, entered=x).permute(0, 3, 1, 2)


class TinyVitHost(TimmHost):
    """TinyViT: the stages behind the first."""

    sees_images = False

    def find_starts(self, stages: Sequence[Any]) -> list[Any]:
        """The stages that do not take what the one before gives."""
        taken = [stage.downsample.conv1.conv.in_channels for stage in stages]
        return find_unchained(stages, taken, [stage.out_dim for stage in stages])

    def find_token_grids(self, model: nn.Module, image_size: Size) -> list[Size]:
        """(H, W) of every stage's token grid for (img_h, img_w) pixels."""
        height, width = (math.ceil(side / _STRIDE) for side in image_size)
        return self.halve_grids(model, (height, width))


HOST = TinyVitHost(
    name="timm TinyVit (every tiny_vit_* model)",
    stage_class=TinyVitStage,
    attention_class=Attention,
    sparse_classes={TinyVitBlock: SparseTinyVitBlock, TinyVitStage: SparseTinyVitStage},
)
