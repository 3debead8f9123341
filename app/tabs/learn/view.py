"""How window pruning works, in six steps on the photo, and whether it asks the right question."""

from __future__ import annotations

import json
import random
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from app.engine.records import Result
from app.page.common import encode_png, name_block, photo_key, round_significant
from app.tabs.learn.words import GLOSSARY, percent, tell_steps, times
from sparsevit.core.windows import WindowGrid, find_runs
from sparsevit.inspect.block import BlockSteps
from sparsevit.inspect.worth import PartitionWorth
from sparsevit.schedule import SparsitySchedule

_FINE_TOKENS = 40_000  # a map of more is sent in 16 levels instead of 256
_MOST_TOKENS = 160_000  # a map of more is sent at half its resolution
_BRIGHTEST = 0.995  # quantile of a map's values at the end of its colours
_DRAWS = 14  # schedules in the picture of sparsity-aware adaptation


def choose_block(result: Result) -> int:
    """Index of the block to explain first: the first with pruned windows, or the first of all."""
    blocks = result.analysis.blocks
    return next((i for i, block in enumerate(blocks) if block.kept < block.total), 0)


def make_learn(result: Result, steps: BlockSteps, part: PartitionWorth | None = None) -> str:
    """JSON for ``view.js``; words and numbers are made here, pictures there.

    - key, index, blocks: the photo's key, the block explained, the names of all;
    - tokens [H, W], window [Wh, Ww]; rows, cols: for each window row and column the tokens it
      holds, as ``find_runs`` gives them; patch: [height, width] of a token in pixels; channels: C;
    - scores, ranking, changes: by window, row-major; changes are means of |out - in|; kept: K;
    - scored, change: maps over the tokens, see :func:`_encode_map`;
    - macs: {"dense", "sparse"} of the block, in units of 1e9;
    - worth: by window, row-major, what its computation is worth; null until somebody asks;
    - steps: seven of {"name", "title", "words", "shapes"}; shift, layers, adaptation: the sections
      below them; glossary: [term, meaning] each.

    Args:
        result: the outcome on the page.
        steps: of one of its blocks, at the same schedule.
        part: what the block's windows are worth, where it is known.
    """
    grid, analysis = steps.trace.grid, result.analysis
    index = _find_index(result, steps)
    cost = analysis.cost.blocks[index]
    rows, cols = find_runs(grid)
    size = analysis.prepared.input_size
    data = {
        "key": photo_key(result.photo, size),
        "index": index,
        "blocks": [
            f"{name_block(result, i)}: {block.kept} of {block.total} windows"
            for i, block in enumerate(analysis.blocks)
        ],
        "tokens": grid.grid,
        "window": grid.window,
        "rows": rows,
        "cols": cols,
        "patch": [size[0] / grid.grid[0], size[1] / grid.grid[1]],
        "channels": steps.num_channels,
        "scores": _round(steps.scores),
        "ranking": steps.ranking.tolist(),
        "kept": steps.trace.kept,
        "changes": _round(_average_windows(steps.change, grid)),
        "scored": _encode_map(steps.scored),
        "change": _encode_map(steps.change),
        "macs": {"dense": cost.dense_macs / 1e9, "sparse": cost.sparse_macs / 1e9},
        "worth": None if part is None else [round_significant(v) for v in part.worth.tolist()],
        "steps": tell_steps(result, steps, cost, part),
        "shift": _show_shift(result),
        "layers": _show_layers(result),
        "adaptation": _show_adaptation(result.depths),
        "glossary": GLOSSARY,
    }
    return json.dumps(data, separators=(",", ":"))


def _find_index(result: Result, steps: BlockSteps) -> int:
    """Where the block explained stands among the result's blocks."""
    wanted = (steps.trace.stage, steps.trace.block)
    return [(block.stage, block.block) for block in result.analysis.blocks].index(wanted)


def _average_windows(values: Tensor, grid: WindowGrid) -> Tensor:
    """Mean of (H, W) token values over the real tokens of each window: (nW,)."""
    tokens = values.flatten()[grid.token_index]
    if grid.real is not None:
        tokens = tokens * grid.real
    return tokens.sum(dim=1) / grid.num_real


def _encode_map(values: Tensor) -> dict[str, Any]:
    """(H, W) >= 0 -> {"uri", "low", "high"}: a grey PNG, 0 is ``low`` and 255 is ``high``."""
    pixels = torch.nan_to_num(values).numpy()
    low, high = float(pixels.min()), float(np.quantile(pixels, _BRIGHTEST))
    if pixels.size > _MOST_TOKENS:
        half = (pixels.shape[1] // 2, pixels.shape[0] // 2)
        pixels = cv2.resize(pixels, half, interpolation=cv2.INTER_AREA)
    levels = 255 if pixels.size <= _FINE_TOKENS else 15
    share = np.clip((pixels - low) / max(high - low, 1e-12), 0, 1)
    grey = (np.rint(share * levels) * (255 // levels)).astype(np.uint8)
    return {"uri": encode_png(grey), "low": low, "high": high}


def _round(values: Tensor) -> list[float]:
    """4 significant digits each."""
    return [float(f"{value:.4g}") for value in torch.nan_to_num(values).flatten().tolist()]


def _show_shift(result: Result) -> dict[str, Any] | None:
    """A shifted grid with windows large enough to see; None if no block is shifted."""
    blocks = [block for block in reversed(result.analysis.blocks) if block.shifted]
    if not blocks:
        return None
    fitting = (block for block in blocks if min(block.grid.rows, block.grid.cols) >= 3)
    block = next(fitting, blocks[0])
    rows, cols = find_runs(block.grid)
    return {
        "tokens": block.grid.grid,
        "window": block.grid.window,
        "shift": block.grid.shift,
        "rows": rows,
        "cols": cols,
        "about": f"The windows of stage {block.stage + 1}, {times(block.grid.window)} tokens each. "
        "Blue: one window. Orange: one that wraps around.",
        "words": [
            "Plain windows never talk to their neighbours. So every second block moves the grid by "
            f"{times(block.grid.shift)} tokens, and windows reach across the old borders.",
            "What leaves the photo on one side comes back on the other. Such a window is computed "
            "in one piece, but a mask keeps its parts apart.",
        ],
    }


def _show_layers(result: Result) -> dict[str, Any]:
    """What every stage costs and every block keeps, and why they differ in words.

    Costs are in units of 1e9 multiply-accumulates.
    """
    analysis, cost = result.analysis, result.analysis.cost
    stages, dense = [], []
    for stage in range(len(result.depths)):
        blocks = [block for block in cost.blocks if block.stage == stage]
        grid = next(block.grid for block in analysis.blocks if block.stage == stage)
        dense.append(sum(block.dense_macs for block in blocks) / 1e9)
        stages.append(
            {
                "name": f"Stage {stage + 1}",
                "about": f"{times(grid.grid)} tokens, {grid.num_windows:,} windows",
                "dense": dense[-1],
                "sparse": sum(block.sparse_macs for block in blocks) / 1e9,
                "kept": [[block.kept, block.total] for block in blocks],
            }
        )
    most, least = max(dense), min(dense)
    redundancy = (
        "Layers differ in redundancy: early ones have many windows, and much of a large photo "
        "is sky, road or wall. Late ones have few windows, and each sees a lot."
    )
    differ = (
        f"Stages differ in cost: stage {dense.index(most) + 1} takes "
        f"{percent(most / cost.dense_gmacs)} of the dense arithmetic on this photo, stage "
        f"{dense.index(least) + 1} only {percent(least / cost.dense_gmacs)}."
    )
    if len({stage["about"] for stage in stages}) == 1 and len(stages) > 1:
        differ = "All stages have the same tokens here, so each costs as much as the next."
        redundancy = (
            "Each stage ranks its windows anew: what one skips, another may compute. Much of a "
            "photo is smooth, and the later a stage, the less is left to do there."
        )
    return {
        "stages": stages,
        "fixed": cost.fixed_macs / 1e9,
        "dense": cost.dense_gmacs,
        "sparse": cost.sparse_gmacs,
        "words": [
            *([differ] if len(dense) > 1 else []),
            redundancy,
            "The two blocks of a pair share one sparsity, and later pairs of a stage keep a subset "
            "of what earlier ones kept."
            if result.settings.linked
            else "The two blocks of a pair share one sparsity. The pairs are not linked now, so "
            "every block scores its windows anew.",
        ],
    }


def _show_adaptation(depths: tuple[int, ...]) -> dict[str, Any]:
    """Schedules as the adaptation draws them: one column a training step, one row a pair."""
    rng = random.Random(0)
    draws = [SparsitySchedule.random(depths, rng).to_list() for _ in range(_DRAWS)]
    return {
        "rows": [
            f"stage {stage + 1}" + (f" · pair {pair + 1}" if len(pairs) > 1 else "")
            for stage, pairs in enumerate(draws[0])
            for pair in range(len(pairs))
        ],
        "draws": [[sparsity for stage in draw for sparsity in stage] for draw in draws],
        "words": [
            "A network that has only seen whole pictures stumbles when windows go missing. So the "
            "last part of its training skips windows too, with a new random schedule at every "
            "step: sparsity-aware adaptation.",
            "Afterwards one and the same network serves every setting of the sliders.",
        ],
    }
