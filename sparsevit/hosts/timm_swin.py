"""timm's ``SwinTransformer``: stages and blocks that prune, sharing the host's modules and weights.

A module is adapted by giving it one of the classes below, so weights, module names and
state_dict keys stay what they were and ``isinstance`` still holds.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.models.swin_transformer import (
    PatchMerging,
    SwinTransformerBlock,
    SwinTransformerStage,
    WindowAttention,
)
from torch import Tensor, nn

from sparsevit.hosts.base import add_linear, drops, is_plain, is_plain_mlp
from sparsevit.hosts.timm_base import StripMerging, TimmBlock, TimmHost, TimmStage
from sparsevit.stage import is_hooked


class SparseSwinBlock(TimmBlock, SwinTransformerBlock):
    """A Swin block: norm, attention, residual, norm, MLP, residual."""

    def attention_branch(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """See :class:`sparsevit.pruning.WindowBlock`."""
        attn = self.attn
        return attn.proj_drop(attn.proj(self._attend(tokens, real, bias)))

    def mlp_branch(self, tokens: Tensor) -> Tensor:
        """See :class:`sparsevit.pruning.WindowBlock`."""
        return self.mlp(self.norm2(tokens))

    def add_attention(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """See :class:`sparsevit.pruning.WindowBlock`."""
        attn = self.attn
        mixed = self._attend(tokens, real, bias)
        plain = is_plain(attn.proj, nn.Linear) and not drops(attn.proj_drop)
        if plain and not is_hooked(self.norm1):
            return add_linear(tokens, mixed, attn.proj)
        return tokens + attn.proj_drop(attn.proj(mixed))

    def add_mlp(self, tokens: Tensor) -> Tensor:
        """See :class:`sparsevit.pruning.WindowBlock`; GELU overwrites the hidden activation."""
        mlp = self.mlp
        if not is_plain_mlp(mlp) or is_hooked(self.norm2):
            return tokens + self.mlp_branch(tokens)
        return add_linear(tokens, torch.ops.aten.gelu_(mlp.fc1(self.norm2(tokens))), mlp.fc2)

    def list_position_weights(self) -> list[Tensor]:
        """The table of the relative position bias."""
        return [self.attn.relative_position_bias_table]

    def build_position_bias(self) -> Tensor:
        """(1, nH, N, N)."""
        return self.attn._get_rel_pos_bias()

    def _attend(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """The attention branch but for its projection: (n, N, C) -> (n, N, C)."""
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


class SparseSwinStage(TimmStage, SwinTransformerStage):
    """A Swin stage that ranks its windows once."""


class SparsePatchMerging(StripMerging, PatchMerging):
    """Four neighbours, norm, linear."""

    def merge(self, fours: Tensor) -> Tensor:
        """(n, m, 4 C) -> (n, m, 2 C)."""
        return self.reduction(self.norm(fours))


HOST = TimmHost(
    name="timm SwinTransformer (every swin_* model)",
    stage_class=SwinTransformerStage,
    attention_class=WindowAttention,
    sparse_classes={
        SwinTransformerBlock: SparseSwinBlock,
        SwinTransformerStage: SparseSwinStage,
        PatchMerging: SparsePatchMerging,
    },
)
