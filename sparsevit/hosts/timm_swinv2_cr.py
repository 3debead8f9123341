"""timm's ``SwinTransformerV2Cr``: Swin V2 as its authors' paper reads, written anew.

In some blocks (the last of the network, in the ``ns`` networks the last of every stage) the stream
itself is normalised, token by token. That is no residual branch, so it stays dense: a pruned window
goes without attention and MLP, but through this norm.
"""

from __future__ import annotations

from typing import Any

from timm.models.swin_transformer_v2_cr import (
    PatchEmbed,
    PatchMerging,
    SwinTransformerV2CrBlock,
    SwinTransformerV2CrStage,
    WindowMultiHeadAttention,
)
from torch import Tensor, nn

from sparsevit.core.block import call_each
from sparsevit.core.modes import is_hooked
from sparsevit.core.stage import runs_as_host
from sparsevit.core.stream import BlockPlan
from sparsevit.core.windows import Size
from sparsevit.hosts.cosine import attend_by_cosine
from sparsevit.hosts.timm_base import TimmHost, TimmMerging, TimmStage
from sparsevit.hosts.timm_fitted import FittedV2CrBlock, SparseFittedBlock
from sparsevit.hosts.timm_swinv2 import PostNormBlock


class SparseV2CrBlock(PostNormBlock, SwinTransformerV2CrBlock):
    """A block: attention, norm, residual, MLP, norm, residual, and in some a norm of it all."""

    def forward(self, x: Tensor, plan: BlockPlan | None = None) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C); with a plan only the kept windows are computed."""
        x = super().forward(x, plan)
        if plan is None:
            return x
        # Who listens may keep an identity's output, which the next block writes over.
        return call_each(x.clone() if is_hooked(self.norm3) else x, self.norm3)

    def mix_tokens(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        attn = self.attn
        x = tokens if real is None else tokens.masked_fill(~real.unsqueeze(-1), 0.0)
        dropout = attn.attn_drop.p if self.training else 0.0
        qkv = attn.qkv(x).unflatten(-1, (3, attn.num_heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (n, nH, N, head_dim) each
        return attend_by_cosine(q, k, v, attn.logit_scale.view(-1, 1, 1), bias, dropout)

    def list_position_weights(self) -> list[Tensor]:
        return [*self.attn.meta_mlp.parameters(), self.attn.relative_coordinates_log]

    def build_position_bias(self) -> Tensor:
        bias: Tensor = self.attn._relative_positional_encodings()
        return bias


class SparseFittedV2CrBlock(SparseFittedBlock, SparseV2CrBlock, FittedV2CrBlock):
    """A block with the windows that timm gives each grid."""


class SparseV2CrStage(TimmStage, SwinTransformerV2CrStage):
    """A stage that ranks its windows once; between stages the channels come first."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) of the stage before -> (B, C', H', W')."""
        if runs_as_host():
            return SwinTransformerV2CrStage.forward(self, x)
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SparseV2CrPatchMerging(TimmMerging, PatchMerging):
    """Four neighbours, norm, linear."""


class V2CrHost(TimmHost):
    """Swin V2-CR, with a patch embedding of its own."""

    sees_images = False

    def find_token_grids(self, model: nn.Module, image_size: Size) -> list[Size]:
        """(H, W) of every stage's token grid for (img_h, img_w) pixels."""
        embed: Any = next(m for m in model.modules() if isinstance(m, PatchEmbed))
        height, width = (image_size[axis] // embed.patch_size[axis] for axis in (0, 1))
        return self.halve_grids(model, (height, width))


HOST = V2CrHost(
    name="timm SwinTransformerV2Cr (every swinv2_cr_* model)",
    stage_class=SwinTransformerV2CrStage,
    attention_class=WindowMultiHeadAttention,
    sparse_classes={
        SwinTransformerV2CrBlock: SparseV2CrBlock,
        FittedV2CrBlock: SparseFittedV2CrBlock,
        SwinTransformerV2CrStage: SparseV2CrStage,
        PatchMerging: SparseV2CrPatchMerging,
    },
)
