"""timm's ``SwinTransformer``: stages and blocks that prune, sharing the host's modules and weights.

A module is adapted by giving it one of the classes below, so weights, module names and
state_dict keys stay what they were and ``isinstance`` still holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import Mlp, PatchEmbed
from timm.models.swin_transformer import (
    PatchMerging,
    SwinTransformerBlock,
    SwinTransformerStage,
    WindowAttention,
)
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sparsevit.pruning import CHUNK_TOKENS, BlockPlan, can_look, run_block
from sparsevit.stage import PruningStage, announce_images, is_hooked, runs_as_host
from sparsevit.windows import Size, WindowGrid, get_window_grid


class SparseSwinBlock(SwinTransformerBlock):
    """A Swin block that can run on some of its windows; without a plan it is the host's own."""

    def forward(self, x: Tensor, plan: BlockPlan | None = None) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C); with a plan only the kept windows are computed."""
        if torch.is_grad_enabled():
            self.__dict__.pop("_bias_cache", None)  # an optimizer may be about to change the table
        return super().forward(x) if plan is None else run_block(self, x, plan)

    def get_grid(self, height: int, width: int, device: torch.device) -> WindowGrid:
        """The block's windows over an H x W token grid."""
        return get_window_grid(height, width, self.window_size, self.shift_size, device)

    def attention_branch(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """See :class:`sparsevit.pruning.WindowBlock`."""
        attn = self.attn
        return attn.proj_drop(attn.proj(self._attend(tokens, real, bias)))

    def mlp_branch(self, tokens: Tensor) -> Tensor:
        """See :class:`sparsevit.pruning.WindowBlock`."""
        return self.mlp(self.norm2(tokens))

    def add_attention(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """See :class:`sparsevit.pruning.WindowBlock`."""
        attn = self.attn
        mixed = self._attend(tokens, real, bias)
        plain = _is_plain(attn.proj, nn.Linear) and not _drops(attn.proj_drop)
        if plain and not is_hooked(self.norm1):
            return _add_linear(tokens, mixed, attn.proj)
        return tokens + attn.proj_drop(attn.proj(mixed))

    def add_mlp(self, tokens: Tensor) -> Tensor:
        """See :class:`sparsevit.pruning.WindowBlock`; GELU overwrites the hidden activation."""
        mlp = self.mlp
        if not _is_plain_mlp(mlp) or is_hooked(self.norm2):
            return tokens + self.mlp_branch(tokens)
        return _add_linear(tokens, torch.ops.aten.gelu_(mlp.fc1(self.norm2(tokens))), mlp.fc2)

    def _attend(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """The attention branch but for its projection: (n, N, C) -> (n, N, C)."""
        attn = self.attn
        x = self.norm1(tokens)
        if real is not None:
            x = x.masked_fill(~real.unsqueeze(-1), 0.0)  # the host pads after its norm
        n, num_tokens, _ = x.shape
        qkv = attn.qkv(x).view(n, num_tokens, 3, attn.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (n, nH, N, head_dim) each
        dropout = attn.attn_drop.p if self.training else 0.0
        x = F.scaled_dot_product_attention(
            q, k, v, attn_mask=bias.to(q.dtype), dropout_p=dropout, scale=attn.scale
        )
        return x.transpose(1, 2).reshape(n, num_tokens, -1)

    def drop_paths(self, branch: Tensor, mlp: bool) -> Tensor:
        """See :class:`sparsevit.pruning.WindowBlock`."""
        return (self.drop_path2 if mlp else self.drop_path1)(branch)

    def attention_bias(self, grid: WindowGrid) -> Tensor:
        """See :class:`sparsevit.pruning.WindowBlock`; cached while the table stays the same."""
        table = self.attn.relative_position_bias_table
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or table.is_inference():
            return self._build_bias(grid)
        key = (table._version, table.data_ptr(), table.dtype, table.device, grid.window, grid.shift)
        cached = self.__dict__.get("_bias_cache")
        if cached is None or cached[0] != key or _changed_silently(table, cached[1]):
            with torch.inference_mode(False), torch.no_grad():
                held = table.detach()  # holding the storage keeps its address from being reused
                held = held.clone() if can_look(table) else held
                cached = (key, held, self._build_bias(grid))
            self.__dict__["_bias_cache"] = cached
        return cached[2]

    def count_macs(self, grid: WindowGrid, kept: int) -> int:
        """Most multiply-accumulates of ``kept`` windows; attention runs on padded slots as well."""
        slots = kept * grid.num_tokens
        attention_dim = self.attn.qkv.out_features // 3
        attention = slots * (_token_macs(self.attn) + 2 * grid.num_tokens * attention_dim)
        return attention + min(slots, grid.grid[0] * grid.grid[1]) * _token_macs(self.mlp)

    def _build_bias(self, grid: WindowGrid) -> Tensor:
        bias = self.attn._get_rel_pos_bias()  # (1, nH, N, N)
        if grid.mask_class is None:
            return bias
        return bias + grid.class_masks.unsqueeze(1).to(bias.dtype)

    def __getstate__(self) -> dict:
        state = self.__dict__.copy()
        state.pop("_bias_cache", None)
        return state


def _add_linear(tokens: Tensor, x: Tensor, linear: Any) -> Tensor:
    """``tokens + linear(x)`` written over tokens: the product is added as it is made."""
    if torch.is_autocast_enabled(tokens.device.type) or linear.bias is None:
        return tokens + linear(x)
    flat = tokens.add_(linear.bias).flatten(0, -2)
    torch.addmm(flat, x.flatten(0, -2), linear.weight.t(), out=flat)
    return tokens


def _is_plain_mlp(mlp: Mlp) -> bool:
    """True for linear, exact GELU, linear, unhooked and unchanged, so that nobody sees between."""
    parts = (
        (mlp, Mlp),
        (mlp.fc1, nn.Linear),
        (mlp.act, nn.GELU),
        (mlp.norm, nn.Identity),
        (mlp.fc2, nn.Linear),
    )
    return (
        all(_is_plain(module, kind) for module, kind in parts)
        and mlp.act.approximate == "none"
        and not _drops(mlp.drop1)
        and not _drops(mlp.drop2)
    )


def _drops(module: nn.Module) -> bool:
    """True unless it is a dropout at rest."""
    return not _is_plain(module, nn.Dropout) or module.training


def _is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """True when a call of ``module`` does just what its class says and nobody listens."""
    return type(module) is kind and not is_hooked(module) and "forward" not in module.__dict__


def _token_macs(module: nn.Module) -> int:
    """Multiply-accumulates of the linear layers of ``module`` for one token."""
    linears = [m for m in module.modules() if isinstance(m, nn.Linear)]
    return sum(linear.in_features * linear.out_features for linear in linears)


def _changed_silently(table: Tensor, copy: Tensor) -> bool:
    """Fused optimizers and writes to ``.data`` leave no mark on a tensor, so compare the values.

    Only on CPU, where it takes microseconds; elsewhere it would wait for the device.
    """
    return can_look(table) and not torch.equal(table, copy)


class SparseSwinStage(PruningStage, SwinTransformerStage):
    """A Swin stage that ranks its windows once and hands every block its share."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) of the stage before -> (B, H', W', C')."""
        if runs_as_host():
            return super().forward(x)
        merges = _is_plain(self.downsample, SparsePatchMerging)
        return self.run_blocks(self.downsample(x), owns_input=merges)

    def call_block(self, block: nn.Module, x: Tensor, plan: BlockPlan | None) -> Tensor:
        """Run one block through its hooks, and through a checkpoint where the host asks for one."""
        if self.grad_checkpointing and torch.is_grad_enabled():
            return checkpoint(block, x, plan=plan, use_reentrant=False)
        return block(x, plan=plan)


class SparsePatchMerging(PatchMerging):
    """The host's patch merging, a strip at a time, so that what it gathers stays in the cache."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), 2 C)."""
        if runs_as_host() or torch.is_grad_enabled() or not can_look(x):
            return super().forward(x)
        batch, height, width, channels = x.shape
        if height % 2 or width % 2:
            x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
        rows, cols = -(-height // 2), -(-width // 2)
        fours = x.reshape(batch * rows, 2, cols, 2, channels).transpose(1, 2).transpose(2, 3)
        merged = [
            self.reduction(self.norm(strip.flatten(2)))
            for strip in fours.tensor_split(-(-fours.shape[0] * cols // CHUNK_TOKENS))
        ]
        return torch.cat(merged).view(batch, rows, cols, -1)


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


#: Host class -> the class that takes its place.
SPARSE_CLASSES: dict[type[nn.Module], type[nn.Module]] = {
    SwinTransformerBlock: SparseSwinBlock,
    SwinTransformerStage: SparseSwinStage,
    PatchMerging: SparsePatchMerging,
    PatchEmbed: SparsePatchEmbed,
}


def find_swappable(model: nn.Module) -> list[nn.Module]:
    """The modules of ``model`` to adapt, in network order; empty when it holds no Swin of timm's.

    Finds the stages wherever they are: in a ``SwinTransformer``, in timm's feature extractors, or
    inside a larger network, and the patch embedding nearest to them.
    """
    embeds: list[Any] = [
        module.patch_embed
        for module in model.modules()
        if isinstance(getattr(module, "patch_embed", None), PatchEmbed)
        and any(isinstance(child, SwinTransformerStage) for child in module.modules())
    ]
    swin = (SwinTransformerBlock, SwinTransformerStage, PatchMerging)
    return [*embeds[-1:], *(module for module in model.modules() if isinstance(module, swin))]


def find_unknown(modules: list[nn.Module]) -> list[nn.Module]:
    """Those of :func:`find_swappable` that somebody changed, so that swapping would undo it."""
    known = (*SPARSE_CLASSES, *SPARSE_CLASSES.values())
    return [m for m in modules if type(m) not in known and not isinstance(m, PatchEmbed)]


def set_image_score(modules: list[nn.Module], needed: bool) -> None:
    """Let the patch embedding hand the pictures to the stages, or not."""
    for module in modules:
        if isinstance(module, SparsePatchEmbed):
            module.announces_images = needed


def starts_backbone(module: nn.Module) -> bool:
    """True for the first stage of a network: the one that merges no patches."""
    return isinstance(module, SwinTransformerStage) and isinstance(module.downsample, nn.Identity)


def find_token_grids(model: nn.Module, image_size: Size) -> list[Size]:
    """(H, W) of every stage's token grid for an input of ``image_size`` (img_h, img_w) pixels."""
    embed = next(m for m in find_swappable(model) if isinstance(m, PatchEmbed))
    height, width = embed.dynamic_feat_size(image_size)
    grids = []
    for stage in (m for m in model.modules() if isinstance(m, SparseSwinStage)):
        if not starts_backbone(stage):
            height, width = (height + 1) // 2, (width + 1) // 2
        grids.append((height, width))
    return grids


@contextmanager
def use_fused_attention(model: nn.Module, fused: bool) -> Iterator[None]:
    """Make the host's own attention fused, or not, inside the ``with`` block."""
    modules: list[Any] = [m for m in model.modules() if isinstance(m, WindowAttention)]
    before = [module.fused_attn for module in modules]
    try:
        for module in modules:
            module.fused_attn = fused
        yield
    finally:
        for module, value in zip(modules, before, strict=True):
            module.fused_attn = value
