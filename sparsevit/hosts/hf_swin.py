"""Hugging Face's ``SwinModel``, alone or inside a larger network, such as Mask2Former or UPerNet.

Needs transformers, and is imported only when a network of theirs is sparsified. Its layers take
(B, H * W, C) tokens and their grid, pad before they roll, and merge patches at a stage's end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.swin.modeling_swin import (
    SwinAttention,
    SwinLayer,
    SwinPatchEmbeddings,
    SwinPatchMerging,
    SwinStage,
)

from sparsevit.hosts.base import Host, SparseBlock, merge_in_strips
from sparsevit.pruning import BlockPlan, can_look, run_block
from sparsevit.stage import PruningStage, announce_images, runs_as_host
from sparsevit.windows import Size, WindowGrid, get_window_grid


class SparseHfSwinLayer(SparseBlock, SwinLayer):
    """A layer of Hugging Face's Swin: norm, attention, residual, norm, MLP, residual."""

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
            return SwinLayer.forward(
                self, hidden_states, input_dimensions, always_partition, **kwargs
            )
        x = hidden_states.view(len(hidden_states), *input_dimensions, -1)
        return run_block(self, x, plan).view(hidden_states.shape), None

    def get_grid(self, height: int, width: int, device: torch.device) -> WindowGrid:
        """The block's windows over an H x W token grid."""
        window, shift = (int(self.window_size),) * 2, (int(self.shift_size),) * 2
        return get_window_grid(height, width, window, shift, device, pad_first=True)

    def attention_branch(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """See :class:`sparsevit.pruning.WindowBlock`."""
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
        return self.dropout(attention.o_proj(x.transpose(1, 2).reshape(n, num_tokens, -1)))

    def mlp_branch(self, tokens: Tensor) -> Tensor:
        """See :class:`sparsevit.pruning.WindowBlock`."""
        return self.dropout(self.mlp(self.layernorm_after(tokens)))

    def drop_paths(self, branch: Tensor, mlp: bool) -> Tensor:
        """See :class:`sparsevit.pruning.WindowBlock`; the host drops no MLP."""
        return branch if mlp else self.drop_path(branch)

    def list_attention_linears(self) -> list[nn.Module]:
        """The projections of the attention, the one out of it last."""
        attention = self.attention
        return [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj]

    def list_position_weights(self) -> list[Tensor]:
        """The table of the relative position bias."""
        return [self.attention.relative_position_bias.relative_position_bias_table]

    def build_position_bias(self) -> Tensor:
        """(1, nH, N, N)."""
        return self.attention.relative_position_bias()


class SparseHfSwinStage(PruningStage, SwinStage):
    """A stage of Hugging Face's Swin that ranks its windows once."""

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
            return SwinStage.forward(
                self,
                hidden_states,
                input_dimensions,
                always_partition,
                output_hidden_states_before_downsampling,
                **kwargs,
            )
        height, width = input_dimensions
        if not always_partition:
            for block in self.blocks:
                block.set_shift_and_window_size(input_dimensions)
        x = hidden_states.view(len(hidden_states), height, width, -1)
        before = self.run_blocks(x).view(hidden_states.shape)
        after = before if self.downsample is None else self.downsample(before, input_dimensions)
        reshaped = self.get_reshaped_hidden_states(
            after, before, height, width, output_hidden_states_before_downsampling
        )
        return after, reshaped, None

    def call_block(self, block: nn.Module, x: Tensor, plan: BlockPlan | None) -> Tensor:
        """Run one layer with the shapes of the host; its window is settled already."""
        tokens = x.view(len(x), -1, x.shape[-1])
        out, _ = block(tokens, (x.shape[1], x.shape[2]), always_partition=True, plan=plan)
        return out.view(x.shape)


class SparseHfPatchMerging(SwinPatchMerging):
    """The host's patch merging, a strip at a time."""

    def forward(self, input_feature: Tensor, input_dimensions: Size) -> Tensor:
        """(B, H * W, C) -> (B, ceil(H / 2) * ceil(W / 2), 2 C)."""
        if runs_as_host() or torch.is_grad_enabled() or not can_look(input_feature):
            return super().forward(input_feature, input_dimensions)
        x = input_feature.view(len(input_feature), *input_dimensions, -1)
        return merge_in_strips(x, lambda fours: self.reduction(self.norm(fours))).flatten(1, 2)


class SparseHfPatchEmbeddings(SwinPatchEmbeddings):
    """The host's patch embedding in channels-last order, so that tokens come out in place."""

    announces_images = False

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Size]:
        """(B, channels, img_h, img_w) -> (B, H * W, C) and (H, W)."""
        if runs_as_host():
            return super().forward(pixel_values)
        if self.announces_images:
            announce_images(pixel_values, self.patch_size)
        return super().forward(pixel_values.contiguous(memory_format=torch.channels_last))


class HfSwinHost(Host):
    """Hugging Face's Swin."""

    name = "Hugging Face Swin, and networks on it"
    stage_class = SwinStage
    sees_images = True
    sparse_classes = MappingProxyType(
        {
            SwinLayer: SparseHfSwinLayer,
            SwinStage: SparseHfSwinStage,
            SwinPatchMerging: SparseHfPatchMerging,
            SwinPatchEmbeddings: SparseHfPatchEmbeddings,
        }
    )

    def starts_backbone(self, stage: Any) -> bool:
        """True for the stage with the channels of the patch embedding."""
        return stage.blocks[0].layernorm_before.normalized_shape[0] == stage.config.embed_dim

    def find_token_grids(self, model: nn.Module, image_size: Size) -> list[Size]:
        """(H, W) of every stage's token grid for (img_h, img_w) pixels."""
        embed = next(m for m in model.modules() if isinstance(m, SwinPatchEmbeddings))
        height, width = (image_size[axis] / embed.patch_size[axis] for axis in (0, 1))
        height, width = math.ceil(height), math.ceil(width)
        grids = []
        for stage in filter(self.is_stage, model.modules()):
            if not self.starts_backbone(stage):
                height, width = (height + 1) // 2, (width + 1) // 2
            grids.append((height, width))
        return grids

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


HOST = HfSwinHost()
