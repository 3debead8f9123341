"""What the computation of every window is worth to a network's output, without labels."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from sparsevit.core.steering import Choice, Partition, Situation, steer
from sparsevit.core.windows import WindowGrid, get_window_grid
from sparsevit.inspect.objective import build_objective
from sparsevit.measure.memory import peak_extra_mb
from sparsevit.networks import LoadedModel
from sparsevit.package.extras import require

_CORNER_SIDE = 256  # pixels
_FEWEST_WINDOWS = 3  # that can be ranked alike or not


@dataclass(frozen=True, eq=False)
class WindowWorth:
    """The windows of one block (CPU copies).

    Attributes:
        stage, block: 0-based stage, and block inside it.
        grid: the block's windows.
        worth: (rows, cols) float32 >= 0; by how much the objective would change, to first order,
            if the block skipped that window alone.
        scores: (rows, cols) float32, what the stage ranks them by when its first pair is pruned.
    """

    stage: int
    block: int
    grid: WindowGrid
    worth: Tensor
    scores: Tensor

    @property
    def shifted(self) -> bool:
        """Whether the windows are shifted."""
        return any(self.grid.shift)


@dataclass(frozen=True, eq=False)
class PartitionWorth:
    """The windows that a stage ranks together.

    Attributes:
        grid: the windows.
        worth: (nW,) float32, summed over the blocks that have them.
        scores: (nW,) float32 of the dense network.
    """

    grid: WindowGrid
    worth: Tensor
    scores: Tensor

    @property
    def correlation(self) -> float | None:
        """See :func:`correlate`."""
        return correlate(self.scores, self.worth)


@dataclass(frozen=True)
class LeftOut:
    """What a network loses with a window.

    Attributes:
        rise: of the objective of :func:`build_objective`; what ``WindowWorth`` estimates.
        comparison: of the task's prediction with the dense one; "agreement" leads.
        prediction: the task's own, at the input's size.
    """

    rise: float
    comparison: dict[str, float]
    prediction: Any


class WorthMeter:
    """Steering that runs every block dense, and gates each of its windows by a factor of 1."""

    def __init__(self) -> None:
        """Start a forward."""
        self.grids: dict[tuple[int, int], WindowGrid] = {}
        self.scores: dict[tuple[int, int], Tensor] = {}
        self.gates: dict[tuple[int, int], Tensor] = {}

    def choose(self, situation: Situation) -> Choice:
        """Keep all windows."""
        key = situation.stage, situation.block
        self.grids[key], self.scores[key] = situation.grid, situation.score()
        self.gates[key] = torch.ones_like(self.scores[key]).requires_grad_()
        return Choice(None, self.gates[key])

    def find_partition(self, key: tuple[int, int]) -> Partition:
        """Where the windows of a (stage, block) are ranked."""
        return key[0], any(self.grids[key].shift)

    def measure(self, objective: Tensor) -> dict[tuple[int, int], Tensor]:
        """Worth of the windows of every (stage, block), (B, nW) float32 >= 0.

        With the branches of a window times a gate g, the objective changes by its derivative to g
        where g goes from 1 to 0, to first order: the sum over its tokens of gradient x change.

        Args:
            objective: scalar, of a forward steered by this meter with gradients recorded.
        """
        gates = list(self.gates.values())
        slopes = torch.autograd.grad(objective, gates)
        return {key: slope.abs() for key, slope in zip(self.gates, slopes, strict=True)}


def measure_worth(loaded: LoadedModel, images: Tensor) -> list[WindowWorth]:
    """Estimate the worth of every window of every block from one dense forward and one backward.

    Args:
        loaded: the network; neither its schedule nor any gradient of it is touched.
        images: (1, 3, img_h, img_w), as ``loaded.prepare`` gives them.

    Returns:
        One record a block, in the network's order.

    Raises:
        ValueError: more than one image, or an output that no objective is known for.
        RuntimeError: the network runs in its host's form.
    """
    if len(images) != 1:
        raise ValueError(f"The worth of windows is that of one image, not of {len(images)}.")
    meter = WorthMeter()
    with torch.inference_mode(False), torch.enable_grad():
        images = images.clone() if images.is_inference() else images
        output = run_metered(loaded.module, images, meter)
        worth = meter.measure(build_objective(loaded.task, output)(output))
    return [_make_record(key, meter, worth[key]) for key in worth]


def estimate_worth_mb(loaded: LoadedModel, images: Tensor) -> float:
    """Most memory that :func:`measure_worth` takes at once, in units of 1e6 bytes, weights apart.

    It is measured on a corner of the images: blocks and heads take as much for every pixel.

    Args:
        loaded, images: as of :func:`measure_worth`.
    """
    side = math.ceil(_CORNER_SIDE / loaded.multiple) * loaded.multiple
    corner = images[..., :side, :side]
    peak_mb = peak_extra_mb(lambda: measure_worth(loaded, corner), loaded.device)
    return peak_mb * images.numel() / corner.numel()


def join_worth(blocks: Iterable[WindowWorth]) -> dict[Partition, PartitionWorth]:
    """Sum the worth of the blocks whose windows are ranked together."""
    joined: dict[Partition, PartitionWorth] = {}
    for block in blocks:
        key, worth = (block.stage, block.shifted), block.worth.flatten()
        known = joined.get(key)
        if known is None:
            joined[key] = PartitionWorth(block.grid, worth, block.scores.flatten())
        else:
            joined[key] = replace(known, worth=known.worth + worth)
    return joined


def correlate(scores: Tensor, worth: Tensor) -> float | None:
    """Spearman's rank correlation of two (nW,) float tensors; None for too few to rank.

    Raises:
        MissingPackageError: torchmetrics is not installed.
    """
    require("torchmetrics", "Correlating ranks", "train")
    from torchmetrics.functional.regression import spearman_corrcoef  # a second to import

    if len(worth) < _FEWEST_WINDOWS:
        return None
    return float(spearman_corrcoef(scores.double(), worth.double()))


def run_metered(model: nn.Module, images: Tensor, meter: WorthMeter) -> Any:
    """The output of a dense forward that a meter steers.

    Raises:
        RuntimeError: the network runs in its host's form.
    """
    with steer(model, meter):
        output = model(images)
    if not meter.gates:
        raise RuntimeError("The worth of windows is not known of a network in its host's form.")
    return output


def _make_record(key: tuple[int, int], meter: WorthMeter, worth: Tensor) -> WindowWorth:
    grid = meter.grids[key]
    shape = grid.rows, grid.cols
    return WindowWorth(
        *key,
        grid=get_window_grid(*grid.grid, grid.window, grid.shift, pad_first=grid.pad_first),
        worth=worth.cpu().view(shape),
        scores=meter.scores[key].detach().cpu().view(shape),
    )


@torch.inference_mode()
def leave_one_out(
    loaded: LoadedModel,
    images: Tensor,
    stage: int,
    blocks: Collection[int],
    window: tuple[int, int],
) -> LeftOut:
    """Run a network with one window skipped, and all others computed.

    Args:
        loaded: the network; its schedule is not touched.
        images: (1, 3, img_h, img_w), as ``loaded.prepare`` gives them.
        stage: 0-based.
        blocks: of the stage, 0-based, that skip the window; all of them plain or all shifted.
        window: its (row, column) among the windows of those blocks.

    Raises:
        ValueError: more than one image, no such block or window, or an output that no objective is
            known for.
    """
    if len(images) != 1:
        raise ValueError(f"A window is left out of one image, not of {len(images)}.")
    depths = loaded.depths
    if not blocks or not (0 <= stage < len(depths) and set(blocks) <= set(range(depths[stage]))):
        raise ValueError(f"No blocks {sorted(blocks)} in stage {stage} of depths {depths}.")
    model, task = loaded.module, loaded.task
    with steer(model, _Leaving()):
        dense = model(images)
    with steer(model, _Leaving(stage, blocks, window)):
        output = model(images)
    objective = build_objective(task, dense)
    size = (images.shape[-2], images.shape[-1])
    prediction = task.interpret(output, size)
    return LeftOut(
        rise=float(objective(output) - objective(dense)),
        comparison=task.compare(task.interpret(dense, size), prediction),
        prediction=prediction,
    )


@dataclass(frozen=True)
class _Leaving:
    """Steering that skips one window of some blocks of a stage, or none."""

    stage: int = -1
    blocks: Collection[int] = ()
    window: tuple[int, int] = (0, 0)

    def choose(self, situation: Situation) -> Choice:
        grid = situation.grid
        if situation.stage != self.stage or situation.block not in self.blocks:
            return Choice(None)
        row, column = self.window
        if not (0 <= row < grid.rows and 0 <= column < grid.cols):
            raise ValueError(f"No window {self.window} among {grid.rows} x {grid.cols}.")
        every = torch.arange(grid.num_windows, device=grid.token_index.device)
        return Choice(every[every != row * grid.cols + column].unsqueeze(0))
