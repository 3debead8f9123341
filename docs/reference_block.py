"""One pruned block of a Swin in plain PyTorch: gather the kept windows, run them, scatter them.

What sparsevit computes, without what makes it fast: one window after the other, and the host's own
modules. The tests hold the fast path to it. Run it: python docs/reference_block.py
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]


def run_pruned_block(block: Any, x: Tensor, keep_idx: Tensor) -> Tensor:
    """Run a block on some of its windows; the tokens of all others stay what they are.

    Args:
        block: timm's ``SwinTransformerBlock``, or what has its ``norm1``, ``attn``, ``norm2``,
            ``mlp``, ``window_size`` and ``shift_size``.
        x: (B, H, W, C) tokens.
        keep_idx: (B, K) the kept windows of every image, numbered row by row.

    Returns:
        (B, H, W, C).
    """
    token_of, region_of = cut_windows((x.shape[1], x.shape[2]), block.window_size, block.shift_size)
    out = x.flatten(1, 2).clone()  # (B, H * W, C)
    for image, windows in enumerate(keep_idx.tolist()):
        for window in windows:
            slots, region = token_of[window], region_of[window]  # (N,) each
            real = slots >= 0
            tokens = out[image, slots]  # gather: (N, C); windows share no token
            normed = block.norm1(tokens) * real[:, None]  # padding is 0 behind the norm
            mask = (region[:, None] != region[None, :]) * -100.0  # (N, N)
            tokens = tokens + block.attn(normed[None], mask=mask[None].to(x.dtype))[0]
            tokens = tokens + block.mlp(block.norm2(tokens))
            out[image, slots[real]] = tokens[real]  # scatter
    return out.view_as(x)


def cut_windows(grid: Size, window: Size, shift: Size) -> tuple[Tensor, Tensor]:
    """The token of every slot of every window, -1 where padded, and its region: (nW, N) each.

    A shifted window may hold both ends of the picture; tokens of different regions do not meet.
    """
    (height, width), (down, right) = grid, shift
    tokens = torch.arange(height * width).view(height, width).roll((-down, -right), (0, 1))
    tokens = F.pad(tokens, (0, -width % window[1], 0, -height % window[0]), value=-1)
    rows, cols = (torch.arange(side) for side in tokens.shape)
    wrapped = 2 * (rows >= len(rows) - down)[:, None] + 1 * (cols >= len(cols) - right)

    def cut(grid: Tensor) -> Tensor:
        cells = grid.unfold(0, window[0], window[0]).unfold(1, window[1], window[1])
        return cells.reshape(-1, window[0] * window[1])

    return cut(tokens), cut(wrapped)


if __name__ == "__main__":
    import timm

    import sparsevit

    model = sparsevit.sparsify(timm.create_model("swin_tiny_patch4_window7_224").eval(), 0.5)
    block, seen = model.layers[0].blocks[1], []
    block.register_forward_hook(lambda _, given, out: seen.extend((given[0], out)))
    with torch.inference_mode(), sparsevit.capture(model) as trace:
        model(torch.randn(1, 3, 224, 224))
        keep_idx = trace.blocks[1].keep_mask.flatten(1).nonzero()[:, 1].view(1, -1)
        difference = (run_pruned_block(block, seen[0], keep_idx) - seen[1]).abs().max()
    print(f"{trace.blocks[1].kept} of {trace.blocks[1].total} windows, difference {difference:.1e}")
