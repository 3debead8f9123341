"""Hugging Face's ``Swinv2Model``, alone or inside a larger network, such as DPT.

Cosine attention, and norms on the branches instead of before them (Liu et al. 2022, "Swin
Transformer V2"). The host adds its shift mask twice, which counts where logits reach 100.
"""

# mypy: allow-subclassing-any
# (transformers is an extra, which the check of types does without)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.swinv2.modeling_swinv2 import (
    Swinv2Intermediate,
    Swinv2Layer,
    Swinv2Output,
    Swinv2PatchEmbeddings,
    Swinv2PatchMerging,
    Swinv2SelfOutput,
    Swinv2Stage,
)

from sparsevit.core.block import call_each
from sparsevit.core.stage import runs_as_host
from sparsevit.core.windows import Size, WindowGrid
from sparsevit.hosts.cosine import attend_by_cosine
from sparsevit.hosts.hf_base import (
    HfHost,
    HfPatchEmbeddings,
    HfPatchMerging,
    HfSplitLayer,
    HfStage,
)


class SparseSwinv2Layer(HfSplitLayer, Swinv2Layer):
    """A layer of Swin V2: attention, norm, residual, MLP, norm, residual."""

    chains: Mapping[type[nn.Module], Sequence[str]] = {
        Swinv2Intermediate: ("dense", "intermediate_act_fn"),
        Swinv2Output: ("dense", "dropout"),
        Swinv2SelfOutput: ("dense", "dropout"),
    }

    def mix_tokens(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        attend = self.attention.self
        x = tokens if real is None else tokens.masked_fill(~real.unsqueeze(-1), 0.0)
        q, k, v = self.project_heads(x)
        dropout = attend.dropout.p if self.training else 0.0
        return attend_by_cosine(q, k, v, attend.logit_scale, bias, dropout)

    def list_attention_end(self) -> list[Any]:
        return [*super().list_attention_end(), self.layernorm_before]

    def list_mlp(self) -> list[nn.Module]:
        return [self.intermediate, self.output, self.layernorm_after]

    def drop_paths(self, branch: Tensor, mlp: bool) -> Tensor:
        return call_each(branch, self.drop_path)  # one module drops both

    def list_position_weights(self) -> list[Tensor]:
        attend = self.attention.self
        return [*attend.continuous_position_bias_mlp.parameters(), attend.relative_coords_table]

    def build_position_bias(self) -> Tensor:
        """(1, nH, N, N): 16 sigmoid(MLP(log-spaced coordinates)), section 3.4."""
        attend = self.attention.self
        heads = attend.num_attention_heads
        table = attend.continuous_position_bias_mlp(attend.relative_coords_table).view(-1, heads)
        index = attend.relative_position_index  # (N, N)
        bias = table[index.view(-1)].view(*index.shape, heads)
        return 16 * torch.sigmoid(bias.permute(2, 0, 1)).unsqueeze(0)

    def _build_bias(self, grid: WindowGrid) -> Tensor:
        bias = super()._build_bias(grid)
        if grid.mask_class is None:
            return bias
        return bias + grid.class_masks.unsqueeze(1).to(bias.dtype)  # the host's second time


class SparseSwinv2Stage(HfStage, Swinv2Stage):
    """A stage of Swin V2 that ranks its windows once."""

    def forward(
        self,
        hidden_states: Tensor,
        input_dimensions: Size,
        output_attentions: bool | None = False,
    ) -> tuple[Tensor | tuple[int, ...] | None, ...]:
        """As the host's; there are no attention maps."""
        if runs_as_host():
            out: tuple[Tensor | tuple[int, ...] | None, ...] = super().forward(
                hidden_states, input_dimensions, output_attentions
            )
            return out
        before = self.run_tokens(hidden_states, input_dimensions)
        after, size = self.merge_patches(before, input_dimensions)
        found = (after, before, (*input_dimensions, *size))
        return (*found, None) if output_attentions else found


class SparseSwinv2PatchMerging(HfPatchMerging, Swinv2PatchMerging):
    """Four neighbours, linear, norm."""

    def merge(self, patches: Tensor) -> Tensor:
        return call_each(patches, self.reduction, self.norm)


class SparseSwinv2PatchEmbeddings(HfPatchEmbeddings, Swinv2PatchEmbeddings):
    """The host's patch embedding."""


HOST = HfHost(
    name="Hugging Face Swin V2, and networks on it",
    stage_class=Swinv2Stage,
    embedding_class=Swinv2PatchEmbeddings,
    sparse_classes={
        Swinv2Layer: SparseSwinv2Layer,
        Swinv2Stage: SparseSwinv2Stage,
        Swinv2PatchMerging: SparseSwinv2PatchMerging,
        Swinv2PatchEmbeddings: SparseSwinv2PatchEmbeddings,
    },
)
