"""Teach ``sparsify`` a network of your own: a complete example. Run it: python docs/custom_host.py

The network comes first, as somebody might have written it, and knows nothing of sparsevit. Then
three classes say where its parts are. See custom_host.md.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import sparsevit
from sparsevit.core.block import SparseBlock
from sparsevit.core.stage import PruningStage, runs_as_host
from sparsevit.core.stream import BlockPlan
from sparsevit.core.windows import Size, WindowGrid, get_window_grid
from sparsevit.hosts.base import Host

# ---------------------------------------------------------------- the network


class WindowBlock(nn.Module):
    """Attention in windows of 4 x 4, then an MLP; every other block shifts its windows."""

    window = 4

    def __init__(self, dim: int, heads: int, shift: int) -> None:
        super().__init__()
        self.heads, self.shift = heads, shift
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.to_qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.ReLU(), nn.Linear(4 * dim, dim))

    def attend(self, windows: Tensor) -> Tensor:
        """(n, 16, C) -> (n, 16, C)."""
        n, num_tokens, dim = windows.shape
        qkv = self.to_qkv(windows).view(n, num_tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*qkv)
        return self.out(mixed.transpose(1, 2).reshape(n, num_tokens, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C); H and W are multiples of 4."""
        batch, height, width, dim = x.shape
        side, shift = self.window, self.shift
        y = self.norm1(x).roll((-shift, -shift), (1, 2))
        y = y.view(batch, height // side, side, width // side, side, dim).transpose(2, 3)
        y = self.attend(y.reshape(-1, side * side, dim))
        y = y.view(batch, height // side, width // side, side, side, dim).transpose(2, 3)
        x = x + y.reshape(x.shape).roll((shift, shift), (1, 2))
        return x + self.mlp(self.norm2(x))


class WindowStage(nn.Module):
    """A patchify convolution and some blocks."""

    def __init__(self, dim_in: int, dim: int, patch: int, depth: int, heads: int) -> None:
        super().__init__()
        self.patchify = nn.Conv2d(dim_in, dim, patch, patch)
        self.blocks = nn.ModuleList(WindowBlock(dim, heads, 2 * (i % 2)) for i in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, C, h / patch, w / patch)."""
        x = self.patchify(x).permute(0, 2, 3, 1)
        for block in self.blocks:
            x = block(x)
        return x.permute(0, 3, 1, 2)


class WindowNet(nn.Module):
    """Two stages, and one number for each picture."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.Sequential(WindowStage(3, 24, 4, 2, 2), WindowStage(24, 48, 2, 4, 4))
        self.head = nn.Linear(48, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, img_h, img_w), multiples of 32 -> (B, 1)."""
        return self.head(self.stages(images).mean((2, 3)))


# ------------------------------------------------------------ the adapter


class SparseWindowBlock(SparseBlock, WindowBlock):
    """What sparsevit must know of a block: its windows, its two branches, its weights."""

    def forward(self, x: Tensor, plan: BlockPlan | None = None) -> Tensor:
        return super().forward(x) if plan is None else self.run(x, plan)

    def get_grid(self, height: int, width: int, device: torch.device) -> WindowGrid:
        window, shift = (self.window, self.window), (self.shift, self.shift)
        return get_window_grid(height, width, window, shift, device)

    def mix_tokens(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        return self.attend(self.norm1(tokens))  # nothing is padded or biased here

    def list_mlp(self) -> list[nn.Module]:
        return [self.norm2, self.mlp]

    def list_attention_linears(self) -> list[nn.Linear]:
        return [self.to_qkv, self.out]

    def drop_paths(self, branch: Tensor, mlp: bool) -> Tensor:
        return branch


class SparseWindowStage(PruningStage, WindowStage):
    """A stage hands its tokens to ``run_blocks``, which ranks the windows and calls the blocks."""

    def forward(self, x: Tensor) -> Tensor:
        if runs_as_host():
            return super().forward(x)
        tokens = self.patchify(x).permute(0, 2, 3, 1).contiguous()
        return self.run_blocks(tokens, entered=x).permute(0, 3, 1, 2)


class WindowNetHost(Host):
    """Which class takes whose place, and how large the grids are."""

    name = "WindowNet"
    stage_class = WindowStage
    sparse_classes = {WindowBlock: SparseWindowBlock, WindowStage: SparseWindowStage}  # noqa: RUF012

    def find_starts(self, stages: Sequence[Any]) -> list[Any]:
        return [stage for stage in stages if stage.patchify.in_channels == 3]

    def find_token_grids(self, model: nn.Module, image_size: Size) -> list[Size]:
        return [(image_size[0] // cell, image_size[1] // cell) for cell in (4, 8)]


sparsevit.register_host(WindowNetHost())


if __name__ == "__main__":
    torch.manual_seed(0)
    images = torch.randn(1, 3, 256, 256)
    model = WindowNet().eval()
    with torch.inference_mode():
        before = model(images)
        sparsevit.sparsify(model)
        print("sparsity 0, difference to before:", float((model(images) - before).abs()))
        model.sparsity = [[0.5], [0.2, 0.6]]
        with sparsevit.capture(model) as trace:
            model(images)
    for block in trace.blocks:
        print(f"stage {block.stage}, block {block.block}: {block.kept} of {block.total} windows")
