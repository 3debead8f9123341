"""What timm's Swin networks share: patch embedding, patch merging, stages, and how to find them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from timm.layers import PatchEmbed
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sparsevit.core.pruning import BlockPlan, can_look, run_block
from sparsevit.core.stage import PruningStage, runs_as_host
from sparsevit.core.windows import Size, WindowGrid, get_window_grid
from sparsevit.hosts.base import Host, PictureTeller, merge_in_strips, order_channels_last
from sparsevit.hosts.chains import ChainedBlock, is_plain


class SparsePatchEmbed(PictureTeller, PatchEmbed):
    """The host's patch embedding in channels-last order, so that tokens come out in place."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, img_h, img_w) -> (B, H, W, C)."""
        if runs_as_host():
            return super().forward(x)
        self.announce_images(x, self.patch_size)
        return super().forward(order_channels_last(x))


class StripMerging:
    """Mixin of a patch merging: a strip at a time, so that what it gathers stays in the cache."""

    @abstractmethod
    def merge(self, fours: Tensor) -> Tensor:
        """(n, m, 4 C) four neighbours each -> (n, m, 2 C)."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), 2 C)."""
        if runs_as_host() or torch.is_grad_enabled() or not can_look(x):
            return super().forward(x)  # type: ignore[misc]
        return merge_in_strips(x, self.merge)


class TimmBlock(ChainedBlock):
    """Mixin of a block: it can run on some of its windows; without a plan it is the host's own."""

    window_size: Any  # (Wh, Ww), or one number where a host's block says how to read it
    shift_size: Size
    attn: Any
    norm1: Any
    norm2: Any
    drop_path1: Any
    drop_path2: Any

    def forward(self, x: Tensor, plan: BlockPlan | None = None) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C); with a plan only the kept windows are computed."""
        if torch.is_grad_enabled():
            self.drop_bias_cache()
        if plan is None:
            return super().forward(x)  # type: ignore[misc]
        return run_block(self, x, plan)  # type: ignore[arg-type]

    def drop_paths(self, branch: Tensor, mlp: bool) -> Tensor:
        """See :class:`sparsevit.core.pruning.WindowBlock`."""
        return (self.drop_path2 if mlp else self.drop_path1)(branch)

    def get_grid(self, height: int, width: int, device: torch.device) -> WindowGrid:
        """The block's windows over an H x W token grid."""
        return get_window_grid(height, width, self.window_size, self.shift_size, device)

    def list_attention_linears(self) -> list[nn.Module]:
        """The projections of the attention, the one out of it last."""
        return [self.attn.qkv, self.attn.proj]

    def list_bypassed(self) -> list[nn.Module]:
        """See :class:`sparsevit.core.pruning.WindowBlock`."""
        return [self.attn]

    def list_readers(self) -> list[nn.Module]:
        """See :class:`ChainedBlock`."""
        return [self.norm1]

    def list_attention_end(self) -> list[nn.Module]:
        """See :class:`ChainedBlock`."""
        return [self.attn.proj, self.attn.proj_drop]

    def list_mlp(self) -> list[nn.Module]:
        """See :class:`ChainedBlock`."""
        return [self.norm2, self.mlp]


class TimmStage(PruningStage):
    """Mixin of a stage: it ranks its windows once and hands every block its share."""

    downsample: Any
    grad_checkpointing: bool

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) of the stage before -> (B, H', W', C')."""
        if runs_as_host():
            return super().forward(x)  # type: ignore[misc]
        merging: Any = self.downsample
        is_ours = isinstance(merging, StripMerging)
        owns = is_ours and is_plain(merging, type(merging))
        return self.run_blocks(merging(x), entered=x, owns_input=owns)

    def call_block(self, block: nn.Module, x: Tensor, plan: BlockPlan | None) -> Tensor:
        """Run one block through its hooks, and through a checkpoint where the host asks for one."""
        if self.grad_checkpointing and torch.is_grad_enabled():
            return checkpoint(block, x, plan=plan, use_reentrant=False)
        return block(x, plan=plan)


def find_unchained(stages: Sequence[Any], taken: Sequence[int], given: Sequence[int]) -> list[Any]:
    """The stages that do not take as many channels as the one before gives."""
    before = [None, *given]
    return [s for s, one, other in zip(stages, before, taken, strict=False) if one != other]


class TimmHost(Host):
    """A Swin of timm's."""

    sees_images = True

    def __init__(
        self,
        name: str,
        stage_class: type[nn.Module],
        attention_class: type[nn.Module],
        sparse_classes: Mapping[type[nn.Module], type[nn.Module]],
    ) -> None:
        """Describe one; its patch embedding is timm's, as is what swaps it."""
        self.name = name
        self.stage_class = stage_class
        self.sparse_classes = {**sparse_classes, PatchEmbed: SparsePatchEmbed}
        self._attention_class = attention_class

    def find_swappable(self, model: nn.Module) -> list[nn.Module]:
        """The modules to adapt: stages wherever they are, and the embedding nearest to them."""
        embeds: list[Any] = [
            module.patch_embed
            for module in model.modules()
            if isinstance(getattr(module, "patch_embed", None), PatchEmbed)
            and any(self.is_stage(child) for child in module.modules())
        ]
        others = [m for m in super().find_swappable(model) if not isinstance(m, PatchEmbed)]
        return [*embeds[-1:], *others]

    def find_unknown(self, modules: Sequence[nn.Module]) -> list[nn.Module]:
        """As any host's; another patch embedding than timm's stays what it is."""
        found = super().find_unknown(modules)
        return [m for m in found if not isinstance(m, PatchEmbed) or type(m) is PatchEmbed]

    def find_starts(self, stages: Sequence[Any]) -> list[Any]:
        """The stages that merge no patches."""
        return [stage for stage in stages if isinstance(stage.downsample, nn.Identity)]

    def find_token_grids(self, model: nn.Module, image_size: Size) -> list[Size]:
        """(H, W) of every stage's token grid for (img_h, img_w) pixels."""
        embed = next(m for m in self.find_swappable(model) if isinstance(m, PatchEmbed))
        return self.halve_grids(model, embed.dynamic_feat_size(image_size))

    @contextmanager
    def use_fused_attention(self, model: nn.Module, fused: bool) -> Iterator[None]:
        """Make the host's own attention fused, or not, inside the ``with`` block."""
        modules: list[Any] = [
            m
            for m in model.modules()
            if isinstance(m, self._attention_class) and hasattr(m, "fused_attn")
        ]
        before = [module.fused_attn for module in modules]
        try:
            for module in modules:
                module.fused_attn = fused
            yield
        finally:
            for module, value in zip(modules, before, strict=True):
                module.fused_attn = value
