"""timm's Swins at every size as timm builds them for that size.

timm fixes a block's windows when it builds a network for ``img_size``: where a stage's grid is no
larger than a window, the shift goes, and where it is smaller, the window shrinks and the position
bias with it. The blocks here fix that anew for every grid they are given, so a network built
large once is timm's own at any size. Their weights stay as they are: the host's code runs on a
short-lived twin of the block, which shares all but its windows.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import torch
from timm.layers.pos_embed_rel import resize_rel_pos_bias_table
from timm.models import swin_transformer, swin_transformer_v2, swin_transformer_v2_cr
from torch import Tensor, nn

from sparsevit.core.block import SparseBlock
from sparsevit.core.windows import Size, WindowGrid, get_window_grid


class FittedBlock(nn.Module):
    """Mixin of a host's block, built with the windows of a grid larger than these."""

    window_size: Size
    shift_size: Size
    attn: Any

    @abstractmethod
    def fit_attention(self, window: Size) -> Any:
        """A twin of the attention for windows of (Wh, Ww) tokens."""

    def fit_windows(self, height: int, width: int) -> tuple[Size, Size]:
        """(Wh, Ww), and rows and columns of the shift, that timm gives a grid of H x W tokens."""
        (wh, ww), (down, right) = self.window_size, self.shift_size
        shift = (down if height > wh else 0, right if width > ww else 0)
        return (min(height, wh), min(width, ww)), shift

    def fit(self, height: int, width: int) -> Any:
        """The block, or where its windows do not fit an H x W token grid a twin whose do."""
        window, shift = self.fit_windows(height, width)
        if (window, shift) == (tuple(self.window_size), tuple(self.shift_size)):
            return self
        attn = self.attn if window == tuple(self.window_size) else self.fit_attention(window)
        area = window[0] * window[1]
        return _make_twin(self, window_size=window, shift_size=shift, window_area=area, attn=attn)

    def fix_windows(self, height: int, width: int) -> None:
        """Take the windows of an H x W token grid for good."""
        twin = self.fit(height, width)
        for name in ("window_size", "shift_size", "window_area"):
            setattr(self, name, getattr(twin, name))
        self.attn.__dict__.update(twin.attn.__dict__)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C), by the host's own code."""
        twin = self.fit(x.shape[1], x.shape[2])
        out: Tensor = super(FittedBlock, twin).forward(x)
        return out


class SparseFittedBlock(SparseBlock):
    """Mixin of a block that can be pruned and is a :class:`FittedBlock`; it comes first."""

    fit: Callable[[int, int], Any]
    fit_windows: Callable[[int, int], tuple[Size, Size]]

    def get_grid(self, height: int, width: int, device: torch.device) -> WindowGrid:
        window, shift = self.fit_windows(height, width)
        return get_window_grid(height, width, window, shift, device)

    def _build_bias(self, grid: WindowGrid) -> Tensor:
        return super(SparseFittedBlock, self.fit(*grid.grid))._build_bias(grid)


class FittedSwinBlock(FittedBlock, swin_transformer.SwinTransformerBlock):
    """A Swin block whose table of position biases is resampled for smaller windows."""

    def fit_attention(self, window: Size) -> Any:
        attn, table = self.attn, self.attn.relative_position_bias_table
        index, source, share = _resample(tuple(attn.window_size), window, str(table.device))
        resampled = (table[source] * share.unsqueeze(-1)).sum(dim=1).to(table.dtype)
        return _make_twin(
            attn,
            window_size=window,
            window_area=window[0] * window[1],
            relative_position_index=index,
            relative_position_bias_table=resampled,
        )


class FittedSwinV2Block(FittedBlock, swin_transformer_v2.SwinTransformerV2Block):
    """A Swin V2 block; its position biases are made of coordinates, which smaller windows have."""

    def fit_attention(self, window: Size) -> Any:
        attn, coords = self.attn, self.attn.relative_coords_table
        pretrained = tuple(attn.pretrained_window_size)
        table, index = _place_v2(window, pretrained, coords.dtype, str(coords.device))
        return _make_twin(
            attn, window_size=window, relative_coords_table=table, relative_position_index=index
        )


class FittedV2CrBlock(FittedBlock, swin_transformer_v2_cr.SwinTransformerV2CrBlock):
    """A Swin V2-CR block, likewise; its windows grow with the grid.

    Attributes:
        windows: down and across, that a stage's grid has at every size.
    """

    windows: Size

    def fit_windows(self, height: int, width: int) -> tuple[Size, Size]:
        (down, across), is_shifted = self.windows, any(self.target_shift_size)
        window = max(1, height // down), max(1, width // across)
        shift = (window[0] // 2 if down > 1 else 0, window[1] // 2 if across > 1 else 0)
        return window, shift if is_shifted else (0, 0)

    def fit_attention(self, window: Size) -> Any:
        coords = self.attn.relative_coordinates_log
        places = _place_v2_cr(window, coords.dtype, str(coords.device))
        return _make_twin(self.attn, window_size=window, relative_coordinates_log=places)


_FITTED: dict[type[nn.Module], type[nn.Module]] = {
    swin_transformer.SwinTransformerBlock: FittedSwinBlock,
    swin_transformer_v2.SwinTransformerV2Block: FittedSwinV2Block,
    swin_transformer_v2_cr.SwinTransformerV2CrBlock: FittedV2CrBlock,
}


def fit_every_size(model: nn.Module) -> None:
    """Let a Swin of timm's give at every size what timm's own built for that size gives.

    Args:
        model: built with ``strict_img_size=False`` for a size at which no window shrinks and no
            shift goes; changed in place. Networks of other kinds stay what they are.
    """
    for module in model.modules():
        module.__class__ = _FITTED.get(type(module), type(module))
        if isinstance(module, FittedV2CrBlock):
            grid, window = module.feat_size, module.window_size
            module.windows = (grid[0] // window[0], grid[1] // window[1])


def _make_twin(module: Any, **attributes: Any) -> Any:
    """A module of the same parts, weights and hooks, but for some attributes."""
    twin = object.__new__(type(module))
    twin.__dict__.update(module.__dict__)
    twin.__dict__.update(attributes)  # looked up before parts and weights
    return twin


@lru_cache(maxsize=128)
def _resample(old: Size, new: Size, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """What timm's resampling of a table of position biases takes from where; it is linear.

    Args:
        old, new: (Wh, Ww) of the windows before and after.
        device: where the tensors are wanted.

    Returns:
        (N, N) int64 entry of a pair of tokens in the new table; (entries, n) int64 entries of the
        old table that each is made of; their shares.
    """
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        # timm's interpolation indexes in ways that torch has warnings for.
        warnings.filterwarnings("ignore", module=r"timm\.layers\.interpolate")
        index = swin_transformer.get_relative_position_index(*new)
        size, wanted = ((2 * w[0] - 1) * (2 * w[1] - 1) for w in (old, new))
        matrix = resize_rel_pos_bias_table(torch.eye(size), new, (wanted, size), old)
        most = int(matrix.count_nonzero(dim=1).max())
        source = matrix.abs().topk(most, dim=1).indices
        return index.to(device), source.to(device), matrix.gather(1, source).to(device)


@lru_cache(maxsize=128)
def _place_v2(
    window: Size, pretrained: Size, dtype: torch.dtype, device: str
) -> tuple[Tensor, Tensor]:
    """The coordinates of all pairs of tokens of a window, and each pair's place among them."""
    attn = SimpleNamespace(window_size=window, pretrained_window_size=pretrained)
    make: Any = swin_transformer_v2.WindowAttention._make_pair_wise_relative_positions
    with torch.inference_mode(False), torch.no_grad():
        places: tuple[Tensor, Tensor] = make(attn, device=device, dtype=dtype)
        return places


@lru_cache(maxsize=128)
def _place_v2_cr(window: Size, dtype: torch.dtype, device: str) -> Tensor:
    """The coordinates of all pairs of tokens of a window."""
    with torch.inference_mode(False), torch.no_grad():
        empty = torch.empty((window[0] * window[1]) ** 2, 2, dtype=dtype, device=device)
        attn = SimpleNamespace(
            window_size=window, logit_scale=empty, relative_coordinates_log=empty
        )
        make: Any = swin_transformer_v2_cr.WindowMultiHeadAttention
        make._make_pair_wise_relative_positions(attn)
        return empty
