"""What timm's Swin networks share: patch embedding, patch merging, stages, and how to find them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from timm.layers import PatchEmbed
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sparsevit.hosts.base import SparseBlock, is_plain, merge_in_strips
from sparsevit.pruning import BlockPlan, can_look, run_block
from sparsevit.stage import PruningStage, announce_images, runs_as_host
from sparsevit.windows import Size, WindowGrid, get_window_grid


class SparsePatchEmbed(PatchEmbed):
    """The host's patch embedding in channels-last order, so that tokens come out in place."""

    announces_images = False

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, img_h, img_w) -> (B, H, W, C)."""
        if runs_as_host():
            return super().forward(x)
        if self.announces_images:
            announce_images(x, self.patch_size)
        return super().forward(x.contiguous(memory_format=torch.channels_last))


class StripMerging:
    """Mixin of a patch merging: a strip at a time, so that what it gathers stays in the cache."""

    def merge(self, fours: Tensor) -> Tensor:
        """(n, m, 4 C) four neighbours each -> (n, m, 2 C)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), 2 C)."""
        if runs_as_host() or torch.is_grad_enabled() or not can_look(x):
            return super().forward(x)  # type: ignore[misc]
        return merge_in_strips(x, self.merge)


class TimmBlock(SparseBlock):
    """Mixin of a block: it can run on some of its windows; without a plan it is the host's own."""

    window_size: Size
    shift_size: Size
    attn: Any
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
        """See :class:`sparsevit.pruning.WindowBlock`."""
        return (self.drop_path2 if mlp else self.drop_path1)(branch)

    def get_grid(self, height: int, width: int, device: torch.device) -> WindowGrid:
        """The block's windows over an H x W token grid."""
        return get_window_grid(height, width, self.window_size, self.shift_size, device)

    def list_attention_linears(self) -> list[nn.Module]:
        """The projections of the attention, the one out of it last."""
        return [self.attn.qkv, self.attn.proj]


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
        return self.run_blocks(merging(x), owns_input=owns)

    def call_block(self, block: nn.Module, x: Tensor, plan: BlockPlan | None) -> Tensor:
        """Run one block through its hooks, and through a checkpoint where the host asks for one."""
        if self.grad_checkpointing and torch.is_grad_enabled():
            return checkpoint(block, x, plan=plan, use_reentrant=False)
        return block(x, plan=plan)


@dataclass(frozen=True)
class TimmHost:
    """A Swin of timm's; see :class:`sparsevit.hosts.base.Host`.

    Attributes:
        name: what is supported, in words.
        block, stage, merging, attention: the host's classes.
        sparse_block, sparse_stage, sparse_merging: the classes that take their places.
    """

    name: str
    block: type[nn.Module]
    stage: type[nn.Module]
    merging: type[nn.Module]
    attention: type[nn.Module]
    sparse_block: type[nn.Module]
    sparse_stage: type[nn.Module]
    sparse_merging: type[nn.Module]

    @property
    def sparse_classes(self) -> dict[type[nn.Module], type[nn.Module]]:
        """Host class -> the class that takes its place."""
        return {
            self.block: self.sparse_block,
            self.stage: self.sparse_stage,
            self.merging: self.sparse_merging,
            PatchEmbed: SparsePatchEmbed,
        }

    def find_swappable(self, model: nn.Module) -> list[nn.Module]:
        """The modules to adapt: stages wherever they are, and the embedding nearest to them."""
        embeds: list[Any] = [
            module.patch_embed
            for module in model.modules()
            if isinstance(getattr(module, "patch_embed", None), PatchEmbed)
            and any(self.is_stage(child) for child in module.modules())
        ]
        swin = (self.block, self.stage, self.merging)
        return [*embeds[-1:], *(module for module in model.modules() if isinstance(module, swin))]

    def find_unknown(self, modules: Sequence[nn.Module]) -> list[nn.Module]:
        """Those that somebody changed, so that swapping would undo it."""
        known = (*self.sparse_classes, *self.sparse_classes.values())
        return [m for m in modules if type(m) not in known and not isinstance(m, PatchEmbed)]

    def is_stage(self, module: nn.Module) -> bool:
        """True for a stage, adapted or not."""
        return isinstance(module, self.stage)

    def starts_backbone(self, module: nn.Module) -> bool:
        """True for the stage that merges no patches."""
        return self.is_stage(module) and isinstance(module.downsample, nn.Identity)

    def set_image_score(self, modules: Sequence[nn.Module], needed: bool) -> None:
        """Let the patch embedding hand the pictures to the stages, or not."""
        for module in modules:
            if isinstance(module, SparsePatchEmbed):
                module.announces_images = needed

    def find_token_grids(self, model: nn.Module, image_size: Size) -> list[Size]:
        """(H, W) of every stage's token grid for (img_h, img_w) pixels."""
        embed = next(m for m in self.find_swappable(model) if isinstance(m, PatchEmbed))
        height, width = embed.dynamic_feat_size(image_size)
        grids = []
        for stage in filter(self.is_stage, model.modules()):
            if not self.starts_backbone(stage):
                height, width = (height + 1) // 2, (width + 1) // 2
            grids.append((height, width))
        return grids

    @contextmanager
    def use_fused_attention(self, model: nn.Module, fused: bool) -> Iterator[None]:
        """Make the host's own attention fused, or not, inside the ``with`` block."""
        modules: list[Any] = [
            m for m in model.modules() if isinstance(m, self.attention) and hasattr(m, "fused_attn")
        ]
        before = [module.fused_attn for module in modules]
        try:
            for module in modules:
                module.fused_attn = fused
            yield
        finally:
            for module, value in zip(modules, before, strict=True):
                module.fused_attn = value
