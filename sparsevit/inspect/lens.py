"""A look through a network, dense and sparse, block by block: where does a mistake come in?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, starmap
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from sparsevit.core.trace import BlockTrace, capture
from sparsevit.data.transforms import Size
from sparsevit.inspect.block import hear_tokens
from sparsevit.inspect.painted import Painted, keep_painted
from sparsevit.inspect.photo import PreparedImage, check_prepared
from sparsevit.inspect.probe import read_off
from sparsevit.inspect.regions import Region, describe_regions, find_far, find_low, label_regions
from sparsevit.networks import LoadedModel
from sparsevit.patch import get_sparsity, list_blocks, set_sparsity
from sparsevit.tasks.features import map_cosine
from sparsevit.tasks.restoration import RestorationTask
from sparsevit.tasks.semantic import SemanticTask

_MOST_TOKENS = 32_768  # looked at behind one block; of more, evenly spaced ones


@dataclass(frozen=True, eq=False)
class BlockDrift:
    """How far pruning has moved the features behind a block.

    Attributes:
        trace: the windows that the sparse network kept there.
        cosine: (h, w) float32 in [-1, 1], of sparse and dense tokens as they leave the block: of
            all tokens, or of evenly spaced ones where there are very many.
    """

    trace: BlockTrace
    cosine: np.ndarray

    @property
    def mean_cosine(self) -> float:
        """Over the picture."""
        return float(self.cosine.mean())

    @property
    def skipped(self) -> float:
        """The share of its windows that the block skipped."""
        return 1 - self.trace.kept / self.trace.total


@dataclass(frozen=True, eq=False)
class StageReading:
    """The classes that a linear probe reads off behind the last block of a stage.

    The probe is fitted on this very photo, to tell from the dense features what the dense network
    says in the end. So it shows what can be read off them in a straight line here, and no more.

    Attributes:
        stage: 0-based.
        target: (h, w) uint8, what the dense network says in the end at these tokens.
        dense, sparse: (h, w) uint8, read off the features of each.
    """

    stage: int
    target: np.ndarray
    dense: np.ndarray
    sparse: np.ndarray

    @property
    def agreement(self) -> dict[str, float]:
        """Shares of the tokens read as ``target``, "dense" and "sparse"."""
        return {
            "dense": float((self.dense == self.target).mean()),
            "sparse": float((self.sparse == self.target).mean()),
        }


@dataclass(frozen=True, eq=False)
class Lens:
    """What one photo looks like all through a network, dense and sparse.

    Attributes:
        blocks: in the network's order.
        readings: of every stage; empty where the task is not classes of pixels.
        regions: the largest connected parts of the picture where the final classes differ, or where
            restored pictures do; of other tasks those where the cosine behind the last block is
            low. The largest first.
        region_map: (img_h, img_w) uint8, the number of the region at every pixel, 0 for none.
    """

    blocks: tuple[BlockDrift, ...]
    readings: tuple[StageReading, ...]
    regions: tuple[Region, ...]
    region_map: np.ndarray

    @property
    def prunes(self) -> bool:
        """Whether any block skipped a window."""
        return any(block.trace.kept < block.trace.total for block in self.blocks)

    def to_dict(self, class_names: Sequence[str] = ()) -> dict[str, Any]:
        """The numbers without the maps, as plain data; stages and blocks count from 1.

        Args:
            class_names: of the task.
        """
        names = [{"stage": b.trace.stage + 1, "block": b.trace.block + 1} for b in self.blocks]
        return {
            "blocks": [
                name | {"skipped": block.skipped, "mean_cosine": block.mean_cosine}
                for name, block in zip(names, self.blocks, strict=True)
            ],
            "stages": [
                {"stage": reading.stage + 1, "probe_agreement": reading.agreement}
                for reading in self.readings
            ],
            "regions": [_describe(region, names, class_names) for region in self.regions],
        }


def _describe(
    region: Region, blocks: list[dict[str, int]], class_names: Sequence[str]
) -> dict[str, Any]:
    dense, sparse = region.classes or (None, None)
    truth, start = region.truth, region.drifts_from
    return {
        "area": region.area,
        "box": list(region.box),
        "dense": None if dense is None else class_names[dense],
        "sparse": None if sparse is None else class_names[sparse],
        "share": region.share,
        "truth": truth
        and {"class": class_names[truth.label], "dense": truth.dense, "sparse": truth.sparse},
        "readings": [
            {"stage": stage, "dense": class_names[dense], "sparse": class_names[sparse]}
            for stage, (dense, sparse) in enumerate(region.readings, start=1)
        ],
        "drifts_from": None if start is None else blocks[start],
        "blocks": [
            name | {"skipped": skipped, "mean_cosine": cosine}
            for name, skipped, cosine in zip(blocks, region.skipped, region.cosine, strict=True)
        ],
    }


def look_through(
    loaded: LoadedModel,
    prepared: PreparedImage,
    schedule: Any,
    truth: np.ndarray | None = None,
    painted: Sequence[Painted] = (),
) -> Lens:
    """Run a network dense and at a schedule, and compare what leaves each of its blocks.

    Args:
        loaded: the network the photo was prepared for; its schedule is left as it was.
        prepared: from :func:`sparsevit.inspect.photo.prepare_image`.
        schedule: any form ``model.sparsity`` accepts.
        truth: (h, w) uint8 classes at any size, the number of classes and above where nothing is
            known; None without labels. It matters to classes of pixels alone.
        painted: windows that sparse keeps and skips all the same.

    Raises:
        ScheduleError: an impossible schedule.
        ValueError: the photo was prepared for another network or task.
    """
    check_prepared(loaded, prepared)
    compared = _compare_blocks(loaded, prepared, schedule, painted)
    blocks, task, size = compared.blocks, loaded.task, prepared.input_size
    skipped = [~block.trace.token_mask().numpy() for block in blocks]
    cosine = [block.cosine for block in blocks]
    if isinstance(task, RestorationTask):
        far = find_far(prepared.dense, task.interpret(compared.output, size))
        numbers = label_regions(_scale(far.astype(np.uint8), size) > 0)
        return Lens(blocks, (), describe_regions(numbers, skipped, cosine), numbers)
    if not isinstance(task, SemanticTask):
        numbers = _scale(label_regions(find_low(cosine[-1])), size)
        return Lens(blocks, (), describe_regions(numbers, skipped, cosine), numbers)
    classes = prepared.dense, task.interpret(compared.output, size)
    numbers = label_regions(classes[0] != classes[1])
    truth = None if truth is None else _scale(truth, size)
    readings = tuple(
        _read_stage(stage, *ends, prepared.dense) for stage, ends in enumerate(compared.ends)
    )
    regions = describe_regions(
        *(numbers, skipped, cosine, classes, truth, len(task.class_names)),
        readings=[(reading.dense, reading.sparse) for reading in readings],
    )
    return Lens(blocks, readings, regions, numbers)


@dataclass(frozen=True)
class _Compared:
    """Two forwards side by side.

    Attributes:
        blocks: what differs behind every block.
        ends: dense and sparse tokens behind the last block of every stage, (h, w, C) float32 each.
        output: the sparse network's.
    """

    blocks: tuple[BlockDrift, ...]
    ends: tuple[tuple[Tensor, Tensor], ...]
    output: Any


@torch.inference_mode()
def _compare_blocks(
    loaded: LoadedModel, prepared: PreparedImage, schedule: Any, painted: Sequence[Painted]
) -> _Compared:
    model = loaded.module
    blocks = [block for stage in list_blocks(model) for block in stage]
    last = [number - 1 for number in accumulate(loaded.depths)]
    dense: dict[int, Tensor] = {}  # by block, until the sparse network gets there
    ends: list[tuple[Tensor, Tensor]] = []
    cosines: list[np.ndarray] = []

    def keep(number: int, _: Tensor, out: Tensor) -> None:
        dense[number] = _take_evenly(out[0])

    def compare(number: int, _: Tensor, out: Tensor) -> None:
        pair = dense.pop(number), _take_evenly(out[0])
        first, second = (tokens.permute(2, 0, 1).numpy() for tokens in pair)
        cosines.append(map_cosine(first, second))
        if number in last:
            ends.append(pair)

    before = get_sparsity(model)
    try:
        set_sparsity(model, 0.0)
        with hear_tokens(blocks, keep):
            model(prepared.images)
        set_sparsity(model, schedule)
        chosen = keep_painted(model, prepared.input_size, painted)
        with capture(model) as trace, hear_tokens(blocks, compare), chosen:
            output = model(prepared.images)
    finally:
        set_sparsity(model, before)
    drifts = starmap(BlockDrift, zip(trace.blocks, cosines, strict=True))
    return _Compared(tuple(drifts), tuple(ends), output)


def _take_evenly(tokens: Tensor) -> Tensor:
    """(H, W, C) -> a copy (h, w, C) float32 on the CPU, of evenly spaced tokens if there are many.

    A whole network's would not fit beside it. What is not finite is 0.
    """
    step = math.ceil(math.sqrt(tokens.shape[0] * tokens.shape[1] / _MOST_TOKENS))
    start = step // 2
    taken = tokens[start::step, start::step].to("cpu", torch.float32, copy=True)
    return taken.nan_to_num_(0.0, 0.0, 0.0)


def _read_stage(stage: int, dense: Tensor, sparse: Tensor, classes: np.ndarray) -> StageReading:
    target = _scale(classes, (dense.shape[0], dense.shape[1]))
    return StageReading(stage, target, *read_off(dense, sparse, target))


def _scale(classes: np.ndarray, size: Size) -> np.ndarray:
    """(h, w) uint8 -> another size, each pixel the nearest one's."""
    return cv2.resize(classes, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
