"""Hugging Face's ``SwinModel``, alone or inside a larger network, such as Mask2Former or UPerNet.

Needs transformers, and is imported only when a network of theirs is sparsified.
"""

# mypy: allow-subclassing-any
# (transformers is an extra, which the check of types does without)

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.swin.modeling_swin import (
    SwinAttention,
    SwinLayer,
    SwinMLP,
    SwinPatchEmbeddings,
    SwinPatchMerging,
    SwinStage,
)

from sparsevit.core.block import call_each
from sparsevit.core.stage import runs_as_host
from sparsevit.core.stream import BlockPlan
from sparsevit.core.windows import Size
from sparsevit.hosts.hf_base import (
    HfHost,
    HfLayer,
    HfPatchEmbeddings,
    HfPatchMerging,
    HfStage,
)


class SparseHfSwinLayer(HfLayer, SwinLayer):
    """A layer of Hugging Face's Swin: norm, attention, residual, norm, MLP, residual."""

    dropout: Any
    chains: Mapping[type[nn.Module], Sequence[str]] = {SwinMLP: ("fc1", "activation_fn", "fc2")}

    def forward(
        self,
        hidden_states: Tensor,
        input_dimensions: Size,
        always_partition: bool = False,
        plan: BlockPlan | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """(B, H * W, C) -> the same, and attention maps where the host's own code ran."""
        if torch.is_grad_enabled():
            self.drop_bias_cache()
        if plan is None:
            out: tuple[Tensor, Tensor | None] = super().forward(
                hidden_states, input_dimensions, always_partition, **kwargs
            )
            return out
        return self.run_windows(hidden_states, input_dimensions, plan), None

    def mix_tokens(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        attention = self.attention
        x = self.layernorm_before(tokens)
        if real is not None:
            x = x.masked_fill(~real.unsqueeze(-1), 0.0)  # the host pads after its norm
        n, num_tokens, _ = x.shape
        q, k, v = (
            project(x).view(n, num_tokens, -1, attention.head_dim).transpose(1, 2)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        x = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=bias.to(q.dtype),
            dropout_p=attention.attention_dropout if self.training else 0.0,
            scale=attention.scaling,
        )
        return x.transpose(1, 2).reshape(n, num_tokens, -1)

    def list_attention_end(self) -> list[nn.Module]:
        return [self.attention.o_proj, self.dropout]

    def list_mlp(self) -> list[nn.Module]:
        return [self.layernorm_after, self.mlp, self.dropout]

    def drop_paths(self, branch: Tensor, mlp: bool) -> Tensor:
        return branch if mlp else call_each(branch, self.drop_path)  # as the host does

    def list_bypassed(self) -> list[nn.Module]:
        return [self.attention, self.attention.relative_position_bias]

    def list_attention_linears(self) -> list[nn.Linear]:
        attention = self.attention
        return [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj]

    def list_position_weights(self) -> list[Tensor]:
        return [self.attention.relative_position_bias.relative_position_bias_table]

    def build_position_bias(self) -> Tensor:
        bias: Tensor = self.attention.relative_position_bias()
        return bias


class SparseHfSwinStage(HfStage, SwinStage):
    """A stage of Hugging Face's Swin that ranks its windows once."""

    get_reshaped_hidden_states: Any

    def forward(
        self,
        hidden_states: Tensor,
        input_dimensions: Size,
        always_partition: bool = False,
        output_hidden_states_before_downsampling: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """As the host's; there are no attention maps."""
        if runs_as_host():
            out: tuple[Tensor, Tensor, Tensor | None] = super().forward(
                hidden_states,
                input_dimensions,
                always_partition,
                output_hidden_states_before_downsampling,
                **kwargs,
            )
            return out
        if not always_partition:
            for block in self.blocks:
                block.set_shift_and_window_size(input_dimensions)
        before = self.run_tokens(hidden_states, input_dimensions)
        after, _ = self.merge_patches(before, input_dimensions)
        reshaped = self.get_reshaped_hidden_states(
            after, before, *input_dimensions, output_hidden_states_before_downsampling
        )
        return after, reshaped, None

    def call_block(
        self, block: nn.Module, x: Tensor, plan: BlockPlan | None, **options: Any
    ) -> Tensor:
        """Run one layer; its window is set already."""
        return super().call_block(block, x, plan, always_partition=True, **options)


class SparseHfPatchMerging(HfPatchMerging, SwinPatchMerging):
    """Four neighbours, norm, linear."""


class SparseHfPatchEmbeddings(HfPatchEmbeddings, SwinPatchEmbeddings):
    """The host's patch embedding."""


class HfSwinHost(HfHost):
    """Hugging Face's Swin, whose attention has a fused form."""

    @contextmanager
    def use_fused_attention(self, model: nn.Module, fused: bool) -> Iterator[None]:
        """Make the host's own attention fused, or not, inside the ``with`` block."""
        configs: list[Any] = [m.config for m in model.modules() if isinstance(m, SwinAttention)]
        before = [config._attn_implementation for config in configs]
        try:
            for config in configs:
                config._attn_implementation = "sdpa" if fused else "eager"
            yield
        finally:
            for config, value in zip(configs, before, strict=True):
                config._attn_implementation = value


HOST = HfSwinHost(
    name="Hugging Face Swin, and networks on it",
    stage_class=SwinStage,
    embedding_class=SwinPatchEmbeddings,
    sparse_classes={
        SwinLayer: SparseHfSwinLayer,
        SwinStage: SparseHfSwinStage,
        SwinPatchMerging: SparseHfPatchMerging,
        SwinPatchEmbeddings: SparseHfPatchEmbeddings,
    },
)
