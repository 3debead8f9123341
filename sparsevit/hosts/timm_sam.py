"""timm's ``VisionTransformerSAM``: its blocks with windows are pruned, its global ones stay dense.

Kirillov et al. 2023, "Segment Anything"; Li et al. 2022, "Exploring Plain Vision Transformer
Backbones for Object Detection". All blocks share one token grid, so they are one stage. A global
block changes every token, so windows are ranked anew behind each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import filterfalse
from typing import Any

import torch
from timm.layers.patch_embed import PatchEmbed
from timm.layers.pos_embed import resample_abs_pos_embed_nhwc
from timm.models._features import feature_take_indices
from timm.models.vision_transformer_sam import Attention, Block, VisionTransformerSAM
from torch import Tensor, nn

from sparsevit.core.block import call_each
from sparsevit.core.stage import PruningStage, StageRun, runs_as_host
from sparsevit.core.stream import BlockPlan
from sparsevit.core.windows import Size, WindowGrid, get_window_grid
from sparsevit.hosts.timm_base import TimmBlock, TimmHost, TimmModule, call_module


class SparseSamBlock(TimmBlock, Block):
    """A block with windows: norm, attention, residual, norm, MLP, residual."""

    def get_grid(self, height: int, width: int, device: torch.device) -> WindowGrid:
        """The block's windows over an H x W token grid; they are never shifted."""
        return get_window_grid(height, width, (self.window_size,) * 2, (0, 0), device)

    def list_bypassed(self) -> list[nn.Module]:
        return []  # the attention is called

    def mix_tokens(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """The host's own attention, which makes its bias of queries."""
        x = self.norm1(tokens)
        if real is not None:
            x = x.masked_fill(~real.unsqueeze(-1), 0.0)  # the host pads after its norm
        windows = x.unflatten(1, (self.window_size, self.window_size))
        return call_each(windows, self.attn).flatten(1, 2)

    def list_attention_end(self) -> list[nn.Module]:
        return [self.ls1]

    def list_mlp(self) -> list[nn.Module]:
        return [*super().list_mlp(), self.ls2]

    def count_macs(self, grid: WindowGrid, kept: int) -> int:
        """As any block's; its position bias is a query times a vector a row and a column."""
        macs = super().count_macs(grid, kept)
        if self.attn.use_rel_pos:
            width = self.list_attention_linears()[-1].in_features
            macs += kept * grid.num_tokens * sum(grid.window) * width
        return macs


class SparseSamBlocks(TimmModule, PruningStage, nn.Sequential):
    """All blocks of a network, those with windows pruned.

    Attributes:
        saves_memory: the network asks for checkpoints.
    """

    saves_memory = False

    def release(self) -> None:
        super().release()
        self.__dict__.pop("saves_memory", None)

    def call_block(self, block: nn.Module, x: Tensor, plan: BlockPlan | None = None) -> Tensor:
        """Run one block, through a checkpoint where the network asks for one."""
        options = {} if plan is None else {"plan": plan}
        return call_module(block, x, self.saves_memory, **options)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C)."""
        if runs_as_host():
            return self.run_host(x)
        for out in self.run_each(x):
            x = out
        return x

    def run_each(self, x: Tensor, keeps_intermediates: bool = False) -> Iterator[Tensor]:
        """What leaves every block, one after the other.

        Args:
            x: (B, H, W, C).
            keeps_intermediates: somebody holds on to them.
        """
        pruned = [block for block in self if isinstance(block, SparseSamBlock)]
        run = StageRun(self, pruned, x, keeps_intermediates=keeps_intermediates)
        for block in self:
            if isinstance(block, SparseSamBlock):
                x = run.step(block, x)
            else:
                run.rerank()
                x = self.call_block(block, x)
            yield x


class SparseVisionTransformerSAM(VisionTransformerSAM):
    """SAM's network; the host's own runs its blocks one by one where it wants what is between."""

    def forward_features(self, x: Tensor) -> Tensor:
        """(B, 3, img_h, img_w) -> (B, C', H, W)."""
        if runs_as_host():
            host: Any = super()
            features: Tensor = host.forward_features(x)
            return features
        blocks: Any = self.blocks
        blocks.saves_memory = self.grad_checkpointing
        return call_each(blocks(self._embed(x)).permute(0, 3, 1, 2), self.neck)

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> Any:
        """As the host's: what leaves the blocks asked for, (B, C, H, W) each."""
        if runs_as_host():
            return super().forward_intermediates(
                x, indices, norm, stop_early, output_fmt, intermediates_only
            )
        if output_fmt != "NCHW":
            raise ValueError(f"The format of a SAM's output is NCHW, not {output_fmt}.")
        blocks: Any = self.blocks
        blocks.saves_memory = self.grad_checkpointing
        wanted, last = feature_take_indices(len(blocks), indices)
        taken, x = [], self._embed(x)
        for number, out in enumerate(blocks.run_each(x, keeps_intermediates=True)):
            x = out.permute(0, 3, 1, 2)
            if number in wanted:
                taken.append(self.neck(x) if norm else x)
            if stop_early and number == last:
                break
        return taken if intermediates_only else (self.neck(x), taken)

    def _embed(self, x: Tensor) -> Tensor:
        """(B, 3, img_h, img_w) -> (B, H, W, C)."""
        x = self.patch_embed(x)
        if self.pos_embed is not None:
            x = x + resample_abs_pos_embed_nhwc(self.pos_embed, x.shape[1:3])
        return call_each(x, self.pos_drop, self.patch_drop, self.norm_pre)


class SamHost(TimmHost):
    """SAM's image encoder, whose stage is the sequence of its blocks."""

    def is_stage(self, module: nn.Module) -> bool:
        """True for a sequence of SAM's blocks, adapted or not, if any has windows."""
        return (
            isinstance(module, nn.Sequential)
            and all(isinstance(block, Block) for block in module)
            and any(map(_has_windows, module))
        )

    def list_blocks(self, stage: Any) -> list[Any]:
        """Those with windows."""
        return list(filter(_has_windows, stage))

    def list_dense(self, stage: Any) -> list[nn.Module]:
        """The global blocks."""
        return list(filterfalse(_has_windows, stage))

    def find_swappable(self, model: nn.Module) -> list[nn.Module]:
        """Every network, its patch embedding, its sequence of blocks, and those with windows."""
        networks = [m for m in model.modules() if isinstance(m, VisionTransformerSAM)]
        return [
            module
            for network in networks
            for module in (
                network,
                network.patch_embed,
                network.blocks,
                *self.list_blocks(network.blocks),
            )
        ]

    def find_starts(self, stages: Sequence[Any]) -> list[Any]:
        """Every stage: a network has one."""
        return list(stages)

    def find_token_grids(self, model: nn.Module, image_size: Size) -> list[Size]:
        """(H, W) of the one token grid for (img_h, img_w) pixels."""
        embed = next(m for m in model.modules() if isinstance(m, PatchEmbed))
        return [embed.dynamic_feat_size(image_size)]


def _has_windows(block: Any) -> bool:
    return bool(block.window_size)


HOST = SamHost(
    name="timm VisionTransformerSAM (every samvit_* model)",
    stage_class=nn.Sequential,
    attention_class=Attention,
    sparse_classes={
        VisionTransformerSAM: SparseVisionTransformerSAM,
        nn.Sequential: SparseSamBlocks,
        Block: SparseSamBlock,
    },
)
