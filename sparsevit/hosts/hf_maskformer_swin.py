"""The Swin that Hugging Face's MaskFormer brings with it, inside that network or alone."""

# mypy: allow-subclassing-any
# (transformers is an extra, which the check of types does without)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.maskformer.modeling_maskformer_swin import (
    MaskFormerSwinIntermediate,
    MaskFormerSwinLayer,
    MaskFormerSwinOutput,
    MaskFormerSwinPatchEmbeddings,
    MaskFormerSwinPatchMerging,
    MaskFormerSwinSelfOutput,
    MaskFormerSwinStage,
)

from sparsevit.core.block import call_each
from sparsevit.core.stage import runs_as_host
from sparsevit.core.stream import BlockPlan
from sparsevit.core.windows import Size
from sparsevit.hosts.hf_base import (
    HfHost,
    HfPatchEmbeddings,
    HfPatchMerging,
    HfSplitLayer,
    HfStage,
)

# What entered every layer of the stage under way, (B, H * W, C) each; None when nobody asked.
_entered: ContextVar[list[Tensor] | None] = ContextVar("sparsevit_entered", default=None)


class SparseMaskFormerSwinLayer(HfSplitLayer, MaskFormerSwinLayer):
    """A layer of MaskFormer's Swin: norm, attention, residual, norm, MLP, residual."""

    chains: Mapping[type[nn.Module], Sequence[str]] = {
        MaskFormerSwinIntermediate: ("dense", "intermediate_act_fn"),
        MaskFormerSwinOutput: ("dense", "dropout"),
        MaskFormerSwinSelfOutput: ("dense", "dropout"),
    }

    def mix_tokens(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        x = self.layernorm_before(tokens)
        if real is not None:
            x = x.masked_fill(~real.unsqueeze(-1), 0.0)  # the host pads after its norm
        q, k, v = self.project_heads(x)
        dropout = self.attention.self.dropout.p if self.training else 0.0
        mixed = F.scaled_dot_product_attention(
            q, k, v, attn_mask=bias.to(q.dtype), dropout_p=dropout
        )
        return mixed.transpose(1, 2).flatten(2)

    def list_mlp(self) -> list[nn.Module]:
        return [self.layernorm_after, self.intermediate, self.output]

    def drop_paths(self, branch: Tensor, mlp: bool) -> Tensor:
        return branch if mlp else call_each(branch, self.drop_path)  # as the host does

    def list_position_weights(self) -> list[Tensor]:
        return [self.attention.self.relative_position_bias_table]

    def build_position_bias(self) -> Tensor:
        attend = self.attention.self
        index = attend.relative_position_index  # (N, N)
        bias: Tensor = attend.relative_position_bias_table[index.view(-1)].view(*index.shape, -1)
        return bias.permute(2, 0, 1).unsqueeze(0).contiguous()


class SparseMaskFormerSwinStage(HfStage, MaskFormerSwinStage):
    """A stage of MaskFormer's Swin that ranks its windows once."""

    def forward(
        self,
        hidden_states: Tensor,
        input_dimensions: Size,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> tuple[Tensor, tuple[int, ...], tuple[Tensor, ...] | None]:
        """As the host's: tokens, grids before and after merging, what entered and left layers."""
        if runs_as_host():
            out: tuple[Tensor, tuple[int, ...], tuple[Tensor, ...] | None] = super().forward(
                hidden_states, input_dimensions, output_attentions, output_hidden_states
            )
            return out
        entered: list[Tensor] = []
        reset = _entered.set(entered if output_hidden_states else None)
        try:
            before = self.run_tokens(hidden_states, input_dimensions)
        finally:
            _entered.reset(reset)
        after, size = self.merge_patches(before, input_dimensions)
        left = [*entered[1:], before]
        states = tuple(state for pair in zip(entered, left, strict=False) for state in pair)
        return after, (*input_dimensions, *size), states if output_hidden_states else None

    def call_block(
        self, block: nn.Module, x: Tensor, plan: BlockPlan | None, **options: Any
    ) -> Tensor:
        """Run one layer, and keep what entered it if asked, before it writes over it."""
        entered = _entered.get()
        if entered is not None:
            is_safe = not entered or torch.is_grad_enabled()  # the stage's own input, or autograd's
            entered.append((x if is_safe else x.clone()).flatten(1, 2))
        return super().call_block(block, x, plan, **options)


class SparseMaskFormerSwinPatchMerging(HfPatchMerging, MaskFormerSwinPatchMerging):
    """Four neighbours, norm, linear."""


class SparseMaskFormerSwinPatchEmbeddings(HfPatchEmbeddings, MaskFormerSwinPatchEmbeddings):
    """The host's patch embedding."""


HOST = HfHost(
    name="Hugging Face MaskFormer's Swin",
    stage_class=MaskFormerSwinStage,
    embedding_class=MaskFormerSwinPatchEmbeddings,
    sparse_classes={
        MaskFormerSwinLayer: SparseMaskFormerSwinLayer,
        MaskFormerSwinStage: SparseMaskFormerSwinStage,
        MaskFormerSwinPatchMerging: SparseMaskFormerSwinPatchMerging,
        MaskFormerSwinPatchEmbeddings: SparseMaskFormerSwinPatchEmbeddings,
    },
)
