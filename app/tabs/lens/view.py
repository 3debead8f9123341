"""Where the sparse network goes wrong, stage by stage; ``view.js`` draws it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from app.engine.records import Result
from app.page.common import describe_classes, encode_png, photo_key, round_number
from app.tabs.lens.words import COSINE, PROBE, name_block, share, tell_region, tell_summary
from sparsevit.inspect.lens import BlockDrift, Lens
from sparsevit.inspect.regions import Region
from sparsevit.tasks.semantic import SemanticTask

_LOWEST = 0.005  # quantile of all cosines at the dark end of their colours
_STEPS = 10  # that end is one of so many round numbers between 0 and 1
_LEVEL = 5  # of 255: cosines are sent in steps of so many, which pack well
_REGION_SIDE = 1024  # pixels of the longer side of the map of regions, at most


def make_lens(result: Result, lens: Lens) -> str:
    """JSON for ``view.js``; sentences are made here, pictures there.

    - key: the photo's; summary, note, cosine_note: sentences;
    - classes: {"name", "colour"} of every class; empty where pixels have none;
    - low: the cosine at the dark end of the colours, whose bright end is 1;
    - blocks: {"name", "stage", "cosine", "skipped", "map"} each: mean over the picture, share of
      the windows skipped, cosines as a grey PNG, 0 for ``low`` and 255 for 1;
    - stages: {"name", "grid": [H, W], "reads", "dense", "sparse"} each: phrases on how much the
      probe reads, and class maps as grey PNGs of class indices; none where pixels have no classes;
    - regions: see :func:`_describe_region`; region_map: a grey PNG of their numbers, 0 for none.

    Args:
        result: the outcome on the page.
        lens: of it.
    """
    low = _find_low(lens.blocks)
    task, size = result.task, result.analysis.prepared.input_size
    data = {
        "key": photo_key(result.photo, size),
        "summary": tell_summary(result, lens),
        "note": PROBE if lens.readings else "",
        "cosine_note": COSINE,
        "classes": describe_classes(task) if isinstance(task, SemanticTask) else [],
        "low": low,
        "blocks": [
            {
                "name": name_block(lens, index),
                "stage": block.trace.stage,
                "cosine": round_number(block.mean_cosine),
                "skipped": round_number(block.skipped),
                "map": _encode_cosine(block.cosine, low),
            }
            for index, block in enumerate(lens.blocks)
        ],
        "stages": _describe_stages(lens, len(result.depths)),
        "regions": [_describe_region(result, lens, region) for region in lens.regions],
        "region_map": _encode_regions(lens.region_map),
    }
    return json.dumps(data, separators=(",", ":"))


def _describe_stages(lens: Lens, count: int) -> list[dict[str, Any]]:
    stages: list[dict[str, Any]] = [
        {
            "name": f"Stage {stage + 1}",
            "grid": next(b.trace.grid.grid for b in lens.blocks if b.trace.stage == stage),
            "reads": [],
            "dense": None,
            "sparse": None,
        }
        for stage in range(count)
    ]
    for reading in lens.readings:
        stages[reading.stage] |= {
            "reads": [f"{side} reads {share(value)}" for side, value in reading.agreement.items()],
            "dense": encode_png(reading.dense),
            "sparse": encode_png(reading.sparse),
        }
    return stages


def _describe_region(result: Result, lens: Lens, region: Region) -> dict[str, Any]:
    """A region as plain data.

    Returns:
        ``{"area", "place": [x, y], "classes": [dense, sparse], "words", "skipped", "cosine",
        "start", "readings"}``: the share of the picture, fractions of it, class indices or None, a
        sentence, for each block the share skipped and the mean cosine, the block from which on it
        drifts or None, for each stage the classes read off.
    """
    height, width = result.analysis.prepared.input_size
    x, y = region.place
    return {
        "area": share(region.area),
        "place": [round_number((x + 0.5) / width), round_number((y + 0.5) / height)],
        "classes": region.classes,
        "words": tell_region(result, lens, region),
        "skipped": list(map(round_number, region.skipped)),
        "cosine": list(map(round_number, region.cosine)),
        "start": region.drifts_from,
        "readings": region.readings,
    }


def _find_low(blocks: Sequence[BlockDrift]) -> float:
    """A round number that nearly all cosines lie above."""
    lowest = min(float(np.quantile(block.cosine, _LOWEST)) for block in blocks)
    return min(max(0, math.floor(lowest * _STEPS)), _STEPS - 1) / _STEPS


def _encode_cosine(cosine: np.ndarray, low: float) -> str:
    level = np.clip((cosine - low) / (1 - low), 0, 1)
    return encode_png((_LEVEL * np.rint(level * 255 / _LEVEL)).astype(np.uint8))


def _encode_regions(numbers: np.ndarray) -> str:
    height, width = numbers.shape
    scale = min(1.0, _REGION_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return encode_png(cv2.resize(numbers, size, interpolation=cv2.INTER_NEAREST_EXACT))
