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
from timm.layers import PatchEmbed, resample_abs_pos_embed_nhwc
from timm.models._features import feature_take_indices
from timm.models.vision_transformer_sam import Attention, Block, VisionTransformerSAM
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sparsevit.core.pruning import BlockPlan
from sparsevit.core.stage import PruningStage, StageRun, runs_as_host
from sparsevit.core.windows import Size, WindowGrid, get_window_grid
from sparsevit.hosts.timm_base import TimmBlock, TimmHost


class SparseSamBlock(TimmBlock, Block):
    """A block with windows: norm, attention, residual, norm, MLP, residual."""

    def get_grid(self, height: int, width: int, device: torch.device) -> WindowGrid:
        """The block's windows over an H x W token grid; they are never shifted."""
        return get_window_grid(height, width, (self.window_size,) * 2, (0, 0), device)

    def attention_bias(self, grid: WindowGrid) -> Tensor:
        """(1, nH, 1, 1) zeros, which nobody adds: the host makes its bias of queries."""
        return torch.zeros(1, self.attn.num_heads, 1, 1, device=grid.token_index.device)

    def list_bypassed(self) -> list[nn.Module]:
        """See :class:`sparsevit.core.pruning.WindowBlock`; the attention is called."""
        return []

    def mix_tokens(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """See :class:`sparsevit.hosts.chains.ChainedBlock`; the host's own, to its end."""
        x = self.norm1(tokens)
        if real is not None:
            x = x.masked_fill(~real.unsqueeze(-1), 0.0)  # the host pads after its norm
        windows = x.unflatten(1, (self.window_size, self.window_size))
        return self.attn(windows).flatten(1, 2)

    def list_attention_end(self) -> list[nn.Module]:
        """See :class:`sparsevit.hosts.chains.ChainedBlock`."""
        return [self.ls1]

    def list_mlp(self) -> list[nn.Module]:
        """See :class:`sparsevit.hosts.chains.ChainedBlock`."""
        return [*super().list_mlp(), self.ls2]

    def count_macs(self, grid: WindowGrid, kept: int) -> int:
        """As any block's; its position bias is a query times a vector a row and a column."""
        macs = super().count_macs(grid, kept)
        if self.attn.use_rel_pos:
            macs += kept * grid.num_tokens * sum(grid.window) * self.attn.proj.in_features
        return macs


class SparseSamBlocks(PruningStage, nn.Sequential):
    """All blocks of a network, those with windows pruned."""

    saves_memory = False

    def call_block(self, block: Any, x: Tensor, plan: BlockPlan | None = None) -> Tensor:
        """Run one block, through a checkpoint where the network asks for one."""
        options: dict[str, Any] = {} if plan is None else {"plan": plan}
        if self.saves_memory and torch.is_grad_enabled():
            return checkpoint(block, x, use_reentrant=False, **options)
        return block(x, **options)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C)."""
        if runs_as_host():
            return super().forward(x)
        for out in self.run_each(x):
            x = out
        return x

    def run_each(self, x: Tensor, keeps_between: bool = False) -> Iterator[Tensor]:
        """What leaves every block, one after the other.

        Args:
            x: (B, H, W, C).
            keeps_between: somebody holds on to them.
        """
        run = StageRun(self, filter(_has_windows, self), x, keeps_between=keeps_between)
        for block in self:
            if _has_windows(block):
                x = run.step(block, x)
            else:
                run.rank_anew()
                x = self.call_block(block, x)
            yield x


class SparseVisionTransformerSAM(VisionTransformerSAM):
    """SAM's network; the host's own runs its blocks one by one where it wants what is between."""

    def forward_features(self, x: Tensor) -> Tensor:
        """(B, 3, img_h, img_w) -> (B, C', H, W)."""
        if runs_as_host():
            return super().forward_features(x)
        blocks: Any = self.blocks
        blocks.saves_memory = self.grad_checkpointing
        return self.neck(blocks(self._embed(x)).permute(0, 3, 1, 2))

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
        for number, out in enumerate(blocks.run_each(x, keeps_between=True)):
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
        return self.norm_pre(self.patch_drop(self.pos_drop(x)))


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
