"""What timm's Swin networks share: patch embedding, patch merging, stages, and how to find them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from timm.layers.activations import GELU, GELUTanh
from timm.layers.mlp import Mlp
from timm.layers.patch_embed import PatchEmbed
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sparsevit.core.block import SparseBlock, call_each
from sparsevit.core.modes import is_plain
from sparsevit.core.overrides import SparseModule
from sparsevit.core.stage import PruningStage, runs_as_host
from sparsevit.core.stream import BlockPlan
from sparsevit.core.windows import Size, WindowGrid, get_window_grid
from sparsevit.hosts.base import Host, ImageScoringEmbed, StripMerging
from sparsevit.hosts.timm_fitted import FittedBlock


class TimmModule(SparseModule):
    """Mixin of a module of timm's, which takes a tensor and gives one."""

    def run_host(self, x: Tensor) -> Tensor:
        """The host's own ``forward``."""
        out: Tensor = super().forward(x)
        return out


class SparsePatchEmbed(TimmModule, ImageScoringEmbed, PatchEmbed):
    """The host's patch embedding."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, img_h, img_w) -> (B, H, W, C)."""
        return self.run_host(x if runs_as_host() else self.prepare_images(x))


class TimmMerging(TimmModule, StripMerging):
    """Mixin of a patch merging."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), 2 C)."""
        return self.run_in_strips(x) if self.may_run_in_strips(x) else self.run_host(x)


class TimmBlock(TimmModule, SparseBlock):
    """Mixin of a block with timm's names."""

    chains: Mapping[type[nn.Module], Sequence[str]] = {
        Mlp: ("fc1", "act", "drop1", "norm", "fc2", "drop2")
    }
    gelus: Mapping[type[nn.Module], str] = {GELU: "none", GELUTanh: "tanh"}

    window_size: Any  # (Wh, Ww), or one number where a host's block says how to read it
    shift_size: Size
    attn: Any
    norm1: Any
    norm2: Any
    mlp: Any
    drop_path1: Any
    drop_path2: Any

    def forward(self, x: Tensor, plan: BlockPlan | None = None) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C); with a plan only the kept windows are computed."""
        if torch.is_grad_enabled():
            self.drop_bias_cache()
        return self.run_host(x) if plan is None else self.run(x, plan)

    def drop_paths(self, branch: Tensor, mlp: bool) -> Tensor:
        return call_each(branch, self.drop_path2 if mlp else self.drop_path1)

    def get_grid(self, height: int, width: int, device: torch.device) -> WindowGrid:
        return get_window_grid(height, width, self.window_size, self.shift_size, device)

    def list_attention_linears(self) -> list[nn.Linear]:
        return [self.attn.qkv, self.attn.proj]

    def list_bypassed(self) -> list[nn.Module]:
        return [self.attn]

    def list_attention_end(self) -> list[nn.Module]:
        return [self.attn.proj, self.attn.proj_drop]

    def list_mlp(self) -> list[nn.Module]:
        return [self.norm2, self.mlp]


class TimmStage(TimmModule, PruningStage):
    """Mixin of a stage: it ranks its windows once and hands every block its share."""

    downsample: Any
    grad_checkpointing: bool

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) of the stage before -> (B, H', W', C')."""
        if runs_as_host():
            return self.run_host(x)
        merging = self.downsample
        owns = isinstance(merging, StripMerging) and is_plain(merging, type(merging))
        return self.run_blocks(merging(x), entered=x, owns_input=owns)

    def call_block(self, block: nn.Module, x: Tensor, plan: BlockPlan | None) -> Tensor:
        """Run one block through its hooks, and through a checkpoint where the host asks for one."""
        return call_module(block, x, self.grad_checkpointing, plan=plan)


def call_module(module: nn.Module, x: Tensor, saves_memory: bool, **options: Any) -> Tensor:
    """Call a module, through a checkpoint where memory is to be saved in the backward."""
    out: Tensor
    if saves_memory and torch.is_grad_enabled():
        out = checkpoint(module, x, use_reentrant=False, **options)
    else:
        out = module(x, **options)
    return out


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

    def fix_input_size(self, model: nn.Module, image_size: Size) -> None:
        """Fix the windows of blocks that are fitted to every grid, for pictures of one size."""
        stages = filter(self.is_stage, model.modules())
        for stage, grid in zip(stages, self.find_token_grids(model, image_size), strict=True):
            for block in self.list_blocks(stage):
                if isinstance(block, FittedBlock):
                    block.fix_windows(*grid)

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
