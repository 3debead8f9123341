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

from sparsevit.core.pruning import BlockPlan, can_look, run_block
from sparsevit.core.stage import PruningStage, runs_as_host
from sparsevit.core.windows import Size, WindowGrid, get_window_grid
from sparsevit.hosts.base import Host, PictureTeller, merge_in_strips, order_channels_last
from sparsevit.hosts.chains import ChainedBlock, is_plain


class HfPatchEmbeddings(PictureTeller):
    """Mixin of a patch embedding: in channels-last order, so that tokens come out in place."""

    patch_size: Size

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Size]:
        """(B, channels, img_h, img_w) -> (B, H * W, C) and (H, W)."""
        if runs_as_host():
            return super().forward(pixel_values)  # type: ignore[misc]
        self.announce_images(pixel_values, self.patch_size)
        return super().forward(order_channels_last(pixel_values))  # type: ignore[misc]


class HfPatchMerging:
    """Mixin of a patch merging: four neighbours, norm, linear; a strip at a time."""

    norm: Any
    reduction: Any

    def merge(self, fours: Tensor) -> Tensor:
        """(n, m, 4 C) four neighbours each -> (n, m, 2 C)."""
        return self.reduction(self.norm(fours))

    def forward(self, input_feature: Tensor, input_dimensions: Size) -> Tensor:
        """(B, H * W, C) -> (B, ceil(H / 2) * ceil(W / 2), 2 C)."""
        if runs_as_host() or torch.is_grad_enabled() or not can_look(input_feature):
            return super().forward(input_feature, input_dimensions)  # type: ignore[misc]
        x = input_feature.view(len(input_feature), *input_dimensions, -1)
        return merge_in_strips(x, self.merge).flatten(1, 2)


class HfLayer(ChainedBlock):
    """Mixin of a layer: its windows, and how it runs on some of them."""

    window_size: Any
    shift_size: Any
    layernorm_before: Any
    layernorm_after: Any
    gelus: Mapping[type[nn.Module], str] = {GELUActivation: "none"}

    def get_grid(self, height: int, width: int, device: torch.device) -> WindowGrid:
        """The block's windows over an H x W token grid."""
        window, shift = (int(self.window_size),) * 2, (int(self.shift_size),) * 2
        return get_window_grid(height, width, window, shift, device, pad_first=True)

    def list_readers(self) -> list[nn.Module]:
        """See :class:`sparsevit.hosts.chains.ChainedBlock`."""
        return [self.layernorm_before]

    def run_windows(self, tokens: Tensor, size: Size, plan: BlockPlan) -> Tensor:
        """Run on the kept windows: (B, H * W, C) of a grid of (H, W) -> the same."""
        x = tokens.view(len(tokens), *size, -1)
        return run_block(self, x, plan).view(tokens.shape)  # type: ignore[arg-type]


class HfSplitLayer(HfLayer):
    """Mixin of a layer named as in BERT: ``attention.self``, ``intermediate``, ``output``."""

    attention: Any
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
        return super().forward(  # type: ignore[misc]
            hidden_states, input_dimensions, output_attentions
        )

    @property
    def mlp(self) -> nn.Sequential:  # type: ignore[override]
        """The MLP's two halves as one."""
        return nn.Sequential(self.intermediate, self.output)

    def list_bypassed(self) -> list[nn.Module]:
        """See :class:`sparsevit.core.pruning.WindowBlock`."""
        return [self.attention, self.attention.self]

    def list_attention_linears(self) -> list[nn.Module]:
        """The projections of the attention, the one out of it last."""
        attend = self.attention.self
        return [attend.query, attend.key, attend.value, self.attention.output.dense]

    def project_heads(self, x: Tensor) -> list[Tensor]:
        """Queries, keys and values of windows: (n, N, C) -> (n, nH, N, head_dim) each."""
        attend = self.attention.self
        shape = (*x.shape[:2], attend.num_attention_heads, attend.attention_head_size)
        return [p(x).view(shape).transpose(1, 2) for p in (attend.query, attend.key, attend.value)]

    def list_attention_end(self) -> list[Any]:
        """See :class:`sparsevit.hosts.chains.ChainedBlock`; the host's output has two arguments."""
        output = self.attention.output
        if type(output) in self.chains and is_plain(output, type(output)):
            return [output.dense, output.dropout]
        return [partial(output, input_tensor=None)]


class HfStage(PruningStage):
    """Mixin of a stage: it ranks its windows once and hands every layer its share."""

    downsample: Any

    def run_tokens(self, tokens: Tensor, size: Size) -> Tensor:
        """Run the stage's layers: (B, H * W, C) of a grid of (H, W) -> the same."""
        return self.run_blocks(tokens.view(len(tokens), *size, -1)).view(tokens.shape)

    def merge_patches(self, tokens: Tensor, size: Size) -> tuple[Tensor, Size]:
        """What the next stage gets, and its grid; the last stage merges nothing."""
        if self.downsample is None:
            return tokens, size
        return self.downsample(tokens, size), ((size[0] + 1) // 2, (size[1] + 1) // 2)

    def call_block(
        self, block: nn.Module, x: Tensor, plan: BlockPlan | None, **options: Any
    ) -> Tensor:
        """Run one layer with the shapes of the host, and options of its own."""
        tokens = x.view(len(x), -1, x.shape[-1])
        return block(tokens, (x.shape[1], x.shape[2]), plan=plan, **options)[0].view(x.shape)


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
