"""The method once more, slow and plain, and the tiny networks it runs on. Shared by the tests.

Nothing here imports sparsevit: windows are listed with loops, scores follow METHOD.md word by word,
and a pruned block is the host's dense block whose pruned windows are overwritten by their input.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn


def load_example(name: str) -> Any:
    """Import a file of docs/."""
    path = Path(__file__).resolve().parents[1] / "docs" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


#: A pruned block of timm's Swin, a window at a time: (block, (B, H, W, C), (B, K)) -> (B, H, W, C).
run_pruned_block = load_example("reference_block").run_pruned_block

Size = tuple[int, int]
Window = list[tuple[int, int] | None]  # the (row, column) of each slot, None where padded
Kept = dict[tuple[int, int], list[list[int]]]  # (stage, block) -> kept windows of each image

SWIN_T = "swin_tiny_patch4_window7_224"
SCHEDULE = ((0.5,), (0.3,), (0.4, 0.7), (0.0,))


def make_swin(name: str = SWIN_T, seed: int = 0, **kwargs: Any) -> Any:
    """A narrow Swin of timm's in evaluation mode, any input size, with weights that matter.

    timm's own start (std 0.02) leaves attention, masks and position biases near zero, where no test
    would see them go wrong; here every branch is as large as the residual stream.
    """
    defaults = {
        "embed_dim": 24,
        "depths": (2, 2, 2, 2),
        "num_heads": (1, 2, 4, 8),
        "num_classes": 5,
        "img_size": 64,
        "strict_img_size": False,
    }
    model = timm.create_model(name, **{**defaults, **kwargs}).eval()
    generator = torch.Generator().manual_seed(seed)
    for key, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "relative_position" in key:
            parameter.data.copy_(noise)
        elif parameter.ndim > 1:
            parameter.data.copy_(noise / math.sqrt(parameter[0].numel()))
        else:
            parameter.data.copy_(0.3 * noise + (1.0 if key.endswith("weight") else 0.0))
    return model


def make_dense(**kwargs: Any) -> Any:
    """The network that ``SCHEDULE`` is for: its third stage has two pairs."""
    return make_swin(**{"depths": (2, 2, 4, 2), **kwargs})


def make_images(batch: int = 2) -> Tensor:
    """Images (B, 3, 64, 92), a size that pads."""
    return torch.randn(batch, 3, 64, 92)


@torch.no_grad()
def infer(model: Any, images: Tensor) -> Tensor:
    """The output without gradients; several maps as one flat tensor."""
    out = model(images)
    return torch.cat([o.flatten() for o in out]) if isinstance(out, list) else out


def describe(model: nn.Module) -> list[tuple[str, type, list[str]]]:
    """Name, class and attribute names of every module: what patching may not leave changed."""
    return [(name, type(m), sorted(m.__dict__)) for name, m in model.named_modules()]


class Wrapper(nn.Module):
    """Somebody's network with a Swin inside."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 3, 1)
        nn.init.constant_(self.stem.bias, 0.1)
        with torch.no_grad():
            self.stem.weight.copy_(torch.linspace(-1, 1, 9).view(3, 3, 1, 1))
        self.body = nn.ModuleDict({"net": inner})

    def forward(self, images: Tensor) -> Tensor:
        return self.body["net"].forward_features(self.stem(images)).mean(dim=(1, 2))


def relative_error(got: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest expected magnitude; 0 where nothing differs."""
    assert got.shape == expected.shape
    got, expected = got.detach().double(), expected.detach().double()
    difference = (got - expected).abs().max()
    return float(difference / expected.abs().max()) if difference else 0.0


@contextmanager
def record_blocks(model: Any) -> Iterator[dict[tuple[int, int], tuple[Tensor, Tensor]]]:
    """Collect what entered and left every block, the very tensors, by (stage, block)."""
    seen: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
    handles = []
    for s, stage in enumerate(model.layers):
        for b, block in enumerate(stage.blocks):
            handles.append(
                block.register_forward_hook(
                    lambda _, args, out, key=(s, b): seen.__setitem__(key, (args[0], out))
                )
            )
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def list_windows(grid: Size, window: Size, shift: Size) -> list[Window]:
    """Every window's tokens, row-major; timm rolls the grid up and left, then pads its end."""
    (height, width), (win_h, win_w) = grid, window
    windows = []
    for top in range(0, height, win_h):
        for left in range(0, width, win_w):
            slots: Window = []
            for row in range(top, top + win_h):
                for col in range(left, left + win_w):
                    inside = row < height and col < width
                    token = ((row + shift[0]) % height, (col + shift[1]) % width)
                    slots.append(token if inside else None)
            windows.append(slots)
    return windows


def count_kept(num_windows: int, sparsity: float) -> int:
    """floor(nW * (1 - s)) in exact arithmetic, at least 1."""
    return max(1, math.floor(num_windows * (1 - Fraction(str(sparsity)))))


def score_windows(magnitudes: Tensor, windows: list[Window], score: str = "rms") -> list[float]:
    """Scores of one image's windows from the magnitudes (H, W) of its tokens."""
    scores = []
    for window in windows:
        values = [float(magnitudes[token]) for token in window if token is not None]
        squares = math.fsum(value * value for value in values)
        scores.append(
            {
                "rms": math.sqrt(squares / len(values)),
                "gradient": math.sqrt(squares / len(values)),
                "centred": math.sqrt(squares / len(values)),
                "l2": math.sqrt(squares),
                "l1": math.fsum(values) / len(values),
                "linf": max(values),
            }[score]
        )
    return scores


def rank(scores: Sequence[float]) -> list[int]:
    """Highest score first, the lower window first among equals."""
    return sorted(range(len(scores)), key=lambda window: (-scores[window], window))


def gradient_energy(image: Tensor, grid: Size) -> Tensor:
    """(H, W) mean of |dx| + |dy| over the pixels under each token; grid must divide the image."""
    grey = image.float().mean(dim=0)
    height, width = grey.shape
    energy = torch.zeros(height, width)
    energy[:-1] += (grey[1:] - grey[:-1]).abs()
    energy[:, :-1] += (grey[:, 1:] - grey[:, :-1]).abs()
    step_y, step_x = height // grid[0], width // grid[1]
    tokens = torch.zeros(grid)
    for row in range(grid[0]):
        for col in range(grid[1]):
            patch = energy[row * step_y : (row + 1) * step_y, col * step_x : (col + 1) * step_x]
            tokens[row, col] = patch.mean()
    return tokens


@dataclass
class OracleResult:
    """Features (B, H, W, C) after the last norm, and the kept windows."""

    features: Tensor
    kept: Kept


def run_oracle(
    model: Any,
    images: Tensor,
    schedule: Sequence[Sequence[float]],
    score: str = "rms",
    rescore: bool = False,
    kept: Kept | None = None,
) -> OracleResult:
    """The pruned network's ``forward_features`` on a dense ``model``.

    Args:
        schedule: one sparsity per pair, per stage.
        kept: windows to keep instead of those the scores choose.
    """
    chosen: Kept = {}
    x = model.patch_embed(images)
    for s, stage in enumerate(model.layers):
        x = stage.downsample(x)
        grid = (x.shape[1], x.shape[2])
        scored: Tensor | None = None
        for b, block in enumerate(stage.blocks):
            windows = list_windows(grid, block.window_size, block.shift_size)
            count = count_kept(len(windows), schedule[s][b // 2])
            if kept is not None:
                chosen[s, b] = kept[s, b]
            elif count == len(windows):
                chosen[s, b] = [list(range(count))] * len(x)
            else:
                if scored is None or rescore:
                    scored = x.detach()
                chosen[s, b] = [
                    rank(score_windows(_magnitudes(image, pixels, score), windows, score))[:count]
                    for image, pixels in zip(scored, images, strict=True)
                ]
            x = torch.where(mask_tokens(grid, windows, chosen[s, b]), block(x), x)
    return OracleResult(model.norm(x), chosen)


def kept_of(trace: Any) -> Kept:
    """The kept windows of a ``sparsevit.Trace``, sorted, in the oracle's form."""
    return {
        (record.stage, record.block): [
            image.flatten().nonzero().flatten().tolist() for image in record.keep_mask
        ]
        for record in trace.blocks
    }


def sort_kept(kept: Kept) -> Kept:
    """The same windows in ascending order, to compare sets."""
    return {key: [sorted(image) for image in images] for key, images in kept.items()}


def _magnitudes(x: Tensor, pixels: Tensor, score: str) -> Tensor:
    if score == "gradient":
        return gradient_energy(pixels, (x.shape[0], x.shape[1]))
    if score == "centred":
        x = x.float() - x.float().flatten(0, 1).mean(0)
    return x.float().abs().mean(dim=-1)


def mask_tokens(grid: Size, windows: list[Window], kept: list[list[int]]) -> Tensor:
    """(B, H, W, 1) bool: the tokens of the kept windows of every image."""
    mask = torch.zeros(len(kept), *grid, 1, dtype=torch.bool)
    for image, indices in enumerate(kept):
        for index in indices:
            for token in windows[index]:
                if token is not None:
                    mask[(image, *token)] = True
    return mask
