"""timm's ``SwinTransformerV2``: cosine attention, and norms on the branches instead of before them.

Liu et al. 2022, "Swin Transformer V2: Scaling Up Capacity and Resolution".
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.models.swin_transformer_v2 import (
    PatchMerging,
    SwinTransformerV2Block,
    SwinTransformerV2Stage,
    WindowAttention,
)
from torch import Tensor, nn

from sparsevit.core.block import call_each
from sparsevit.core.modes import is_plain
from sparsevit.hosts.cosine import attend_by_cosine
from sparsevit.hosts.timm_base import TimmBlock, TimmHost, TimmMerging, TimmStage
from sparsevit.hosts.timm_fitted import FittedSwinV2Block, SparseFittedBlock


class PostNormBlock(TimmBlock):
    """Mixin of a block with its norms at the end of its branches."""

    def list_attention_end(self) -> list[nn.Module]:
        return [*super().list_attention_end(), self.norm1]

    def list_mlp(self) -> list[nn.Module]:
        return [self.mlp, self.norm2]


class SparseSwinV2Block(PostNormBlock, SwinTransformerV2Block):
    """A Swin V2 block: attention, norm, residual, MLP, norm, residual."""

    def mix_tokens(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        attn = self.attn
        x = tokens if real is None else tokens.masked_fill(~real.unsqueeze(-1), 0.0)
        dropout = attn.attn_drop.p if self.training else 0.0
        qkv = self._project(x).view(*x.shape[:2], 3, attn.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (n, nH, N, head_dim) each
        return attend_by_cosine(q, k, v, attn.logit_scale, bias, dropout)

    def list_position_weights(self) -> list[Tensor]:
        return [*self.attn.cpb_mlp.parameters(), self.attn.relative_coords_table]

    def build_position_bias(self) -> Tensor:
        """(1, nH, N, N): 16 sigmoid(MLP(log-spaced coordinates)), section 3.4."""
        attn = self.attn
        table = attn.cpb_mlp(attn.relative_coords_table).view(-1, attn.num_heads)
        num_tokens = self.window_size[0] * self.window_size[1]
        bias = table[attn.relative_position_index.view(-1)].view(num_tokens, num_tokens, -1)
        return 16 * torch.sigmoid(bias.permute(2, 0, 1)).unsqueeze(0)

    def _project(self, x: Tensor) -> Tensor:
        """(n, N, C) -> (n, N, 3 C); keys have no bias, or a buffer of zeros for one."""
        attn = self.attn
        if attn.q_bias is None:
            return call_each(x, attn.qkv)
        bias = torch.cat((attn.q_bias, attn.k_bias, attn.v_bias))
        if attn.qkv_bias_separate or not is_plain(attn.qkv, nn.Linear):
            return call_each(x, attn.qkv) + bias
        return F.linear(x, attn.qkv.weight, bias)


class SparseFittedSwinV2Block(SparseFittedBlock, SparseSwinV2Block, FittedSwinV2Block):
    """A Swin V2 block with the windows that timm gives each grid."""


class SparseSwinV2Stage(TimmStage, SwinTransformerV2Stage):
    """A Swin V2 stage that ranks its windows once."""


class SparseV2PatchMerging(TimmMerging, PatchMerging):
    """Four neighbours, linear, norm."""

    def merge(self, patches: Tensor) -> Tensor:
        return call_each(patches, self.reduction, self.norm)


HOST = TimmHost(
    name="timm SwinTransformerV2 (every swinv2_* model)",
    stage_class=SwinTransformerV2Stage,
    attention_class=WindowAttention,
    sparse_classes={
        SwinTransformerV2Block: SparseSwinV2Block,
        FittedSwinV2Block: SparseFittedSwinV2Block,
        SwinTransformerV2Stage: SparseSwinV2Stage,
        PatchMerging: SparseV2PatchMerging,
    },
)
