"""What Hugging Face's Swin networks share: patch embedding and merging, layers, stages, the host.

Their layers take (B, H * W, C) tokens and a grid (H, W), pad before they roll, and merge patches at
a stage's end. The classes here are mixins that stand before the host's own class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import GELUActivation

from sparsevit.core.block import SparseBlock
from sparsevit.core.modes import is_plain
from sparsevit.core.stage import PruningStage, runs_as_host
from sparsevit.core.stream import BlockPlan
from sparsevit.core.windows import Size, WindowGrid, get_window_grid
from sparsevit.hosts.base import Host, ImageScoringEmbed, StripMerging


class HfPatchEmbeddings(ImageScoringEmbed):
    """Mixin of a patch embedding."""

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Size]:
        """(B, channels, img_h, img_w) -> (B, H * W, C) and (H, W)."""
        images = pixel_values if runs_as_host() else self.prepare_images(pixel_values)
        tokens, size = super().forward(images)
        return tokens, size


class HfPatchMerging(StripMerging):
    """Mixin of a patch merging."""

    def forward(self, input_feature: Tensor, input_dimensions: Size) -> Tensor:
        """(B, H * W, C) -> (B, ceil(H / 2) * ceil(W / 2), 2 C)."""
        if self.may_run_in_strips(input_feature):
            x = input_feature.view(len(input_feature), *input_dimensions, -1)
            return self.run_in_strips(x).flatten(1, 2)
        merged: Tensor = super().forward(input_feature, input_dimensions)
        return merged


class HfLayer(SparseBlock):
    """Mixin of a layer: its windows, and how it runs on some of them."""

    window_size: Any
    shift_size: Any
    attention: Any
    layernorm_before: nn.Module
    layernorm_after: nn.Module
    drop_path: Any
    gelus: Mapping[type[nn.Module], str] = {GELUActivation: "none"}

    def get_grid(self, height: int, width: int, device: torch.device) -> WindowGrid:
        window, shift = (int(self.window_size),) * 2, (int(self.shift_size),) * 2
        return get_window_grid(height, width, window, shift, device, pad_first=True)

    def run_windows(self, tokens: Tensor, size: Size, plan: BlockPlan) -> Tensor:
        """Run on the kept windows: (B, H * W, C) of a grid of (H, W) -> the same."""
        x = tokens.view(len(tokens), *size, -1)
        return self.run(x, plan).view(tokens.shape)


class HfSplitLayer(HfLayer):
    """Mixin of a layer named as in BERT: ``attention.self``, ``intermediate``, ``output``."""

    intermediate: Any
    output: Any

    def forward(
        self,
        hidden_states: Tensor,
        input_dimensions: Size,
        output_attentions: bool | None = False,
        plan: BlockPlan | None = None,
    ) -> tuple[Tensor, ...]:
        """(B, H * W, C) -> the same, and attention maps where asked for and the host's own ran."""
        if torch.is_grad_enabled():
            self.drop_bias_cache()
        if plan is not None:
            return (self.run_windows(hidden_states, input_dimensions, plan),)
        out: tuple[Tensor, ...] = super().forward(
            hidden_states, input_dimensions, output_attentions
        )
        return out

    def list_bypassed(self) -> list[nn.Module]:
        return [self.attention, self.attention.self]

    def list_attention_linears(self) -> list[nn.Linear]:
        attend = self.attention.self
        return [attend.query, attend.key, attend.value, self.attention.output.dense]

    def project_heads(self, x: Tensor) -> list[Tensor]:
        """Queries, keys and values of windows: (n, N, C) -> (n, nH, N, head_dim) each."""
        attend = self.attention.self
        shape = (*x.shape[:2], attend.num_attention_heads, attend.attention_head_size)
        return [p(x).view(shape).transpose(1, 2) for p in (attend.query, attend.key, attend.value)]

    def list_attention_end(self) -> list[Any]:
        output = self.attention.output
        if type(output) in self.chains and is_plain(output, type(output)):
            return [output.dense, output.dropout]
        return [partial(output, input_tensor=None)]  # it has a second argument


class HfStage(PruningStage):
    """Mixin of a stage: it ranks its windows once and hands every layer its share."""

    downsample: nn.Module | None

    def run_tokens(self, tokens: Tensor, size: Size) -> Tensor:
        """Run the stage's layers: (B, H * W, C) of a grid of (H, W) -> the same."""
        return self.run_blocks(tokens.view(len(tokens), *size, -1)).view(tokens.shape)

    def merge_patches(self, tokens: Tensor, size: Size) -> tuple[Tensor, Size]:
        """What the next stage gets, and its grid; the last stage merges nothing."""
        if self.downsample is None:
            return tokens, size
        merged: Tensor = self.downsample(tokens, size)
        return merged, ((size[0] + 1) // 2, (size[1] + 1) // 2)

    def call_block(
        self, block: nn.Module, x: Tensor, plan: BlockPlan | None, **options: Any
    ) -> Tensor:
        """Run one layer with the shapes of the host, and options of its own."""
        tokens = x.view(len(x), -1, x.shape[-1])
        out: Tensor = block(tokens, (x.shape[1], x.shape[2]), plan=plan, **options)[0]
        return out.view(x.shape)


class HfHost(Host):
    """A Swin of Hugging Face's."""

    sees_images = True

    def __init__(
        self,
        name: str,
        stage_class: type[nn.Module],
        embedding_class: type[nn.Module],
        sparse_classes: Mapping[type[nn.Module], type[nn.Module]],
    ) -> None:
        """Describe one."""
        self.name = name
        self.stage_class = stage_class
        self.sparse_classes = sparse_classes
        self._embedding_class = embedding_class

    def find_starts(self, stages: Sequence[Any]) -> list[Any]:
        """The stages with the channels of the patch embedding."""
        return [
            stage
            for stage in stages
            if stage.blocks[0].layernorm_before.normalized_shape[0] == stage.config.embed_dim
        ]

    def find_token_grids(self, model: nn.Module, image_size: Size) -> list[Size]:
        """(H, W) of every stage's token grid for (img_h, img_w) pixels."""
        embed: Any = next(m for m in model.modules() if isinstance(m, self._embedding_class))
        height, width = (math.ceil(image_size[axis] / embed.patch_size[axis]) for axis in (0, 1))
        return self.halve_grids(model, (height, width))
