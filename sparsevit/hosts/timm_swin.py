"""timm's ``SwinTransformer``: stages and blocks that prune, sharing the host's modules and weights.

A module is adapted by giving it one of the classes below, so weights, module names and
state_dict keys stay what they were and ``isinstance`` still holds.
"""

from __future__ import annotations

import torch.nn.functional as F
from timm.models.swin_transformer import (
    PatchMerging,
    SwinTransformerBlock,
    SwinTransformerStage,
    WindowAttention,
)
from torch import Tensor

from sparsevit.hosts.timm_base import TimmBlock, TimmHost, TimmMerging, TimmStage
from sparsevit.hosts.timm_fitted import FittedSwinBlock, SparseFittedBlock


class SparseSwinBlock(TimmBlock, SwinTransformerBlock):
    """A Swin block: norm, attention, residual, norm, MLP, residual."""

    def mix_tokens(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        attn = self.attn
        x = self.norm1(tokens)
        if real is not None:
            x = x.masked_fill(~real.unsqueeze(-1), 0.0)  # the host pads after its norm
        n, num_tokens, _ = x.shape
        qkv = attn.qkv(x).view(n, num_tokens, 3, attn.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (n, nH, N, head_dim) each
        dropout = attn.attn_drop.p if self.training else 0.0
        x = F.scaled_dot_product_attention(
            q, k, v, attn_mask=bias.to(q.dtype), dropout_p=dropout, scale=attn.scale
        )
        return x.transpose(1, 2).reshape(n, num_tokens, -1)

    def list_position_weights(self) -> list[Tensor]:
        return [self.attn.relative_position_bias_table]

    def build_position_bias(self) -> Tensor:
        bias: Tensor = self.attn._get_rel_pos_bias()
        return bias


class SparseFittedSwinBlock(SparseFittedBlock, SparseSwinBlock, FittedSwinBlock):
    """A Swin block with the windows that timm gives each grid."""


class SparseSwinStage(TimmStage, SwinTransformerStage):
    """A Swin stage that ranks its windows once."""


class SparsePatchMerging(TimmMerging, PatchMerging):
    """Four neighbours, norm, linear."""


HOST = TimmHost(
    name="timm SwinTransformer (every swin_* model)",
    stage_class=SwinTransformerStage,
    attention_class=WindowAttention,
    sparse_classes={
        SwinTransformerBlock: SparseSwinBlock,
        FittedSwinBlock: SparseFittedSwinBlock,
        SwinTransformerStage: SparseSwinStage,
        PatchMerging: SparsePatchMerging,
    },
)
