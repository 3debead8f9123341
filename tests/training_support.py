"""A tiny network and a tiny folder to train it on."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from sparsevit.data.batches import Batch, Phase
from sparsevit.data.kinds import KindList
from sparsevit.networks.segmenter import SegmenterConfig
from sparsevit.training import Progress, TrainConfig

CLASSES = ("sky", "wall", "road")
PALETTE = ((0, 0, 255), (120, 120, 120), (60, 0, 60))

MODEL = SegmenterConfig(
    CLASSES,
    PALETTE,
    embed_dim=16,
    depths=(2, 1, 2, 1),
    num_heads=(1, 2, 4, 8),
    window_size=4,
    head_dim=16,
)

#: Two kinds of things that are told apart, and the network with heads for them.
KINDS = KindList(("post", "lorry"), (1, 1), ((0.2, 3.0, 0.2), (8.0, 3.0, 2.5)))
KINDS_MODEL = replace(MODEL, kinds=KINDS.names, kind_classes=KINDS.classes, kind_sizes=KINDS.sizes)

PHASES = (Phase(0.5, 4, (32, 32), (0.5, 1.0)), Phase(1.0, 2, (64, 64), (0.5, 1.0)))


def write_folder(root: Path, stems: tuple[str, ...] = ("a_1", "a_2", "b_1", "b_2")) -> None:
    """Pictures of sky above road, with a strip of void, each class in a colour of its own."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    labels = np.zeros((96, 128), dtype=np.uint8)
    labels[48:] = 2
    labels[-8:] = 255
    image = cv2.applyColorMap(labels * 60, cv2.COLORMAP_JET)
    for stem in stems:
        cv2.imwrite(str(root / "images" / f"{stem}.png"), image)
        cv2.imwrite(str(root / "labels" / f"{stem}.png"), labels)
    (root / "classes.json").write_text(json.dumps({"classes": CLASSES, "palette": PALETTE}))


def make_config(folder: Path, **changes: object) -> TrainConfig:
    """8 steps, the last 3 with random schedules, on pictures written below ``folder``."""
    if not (folder / "data").exists():
        write_folder(folder / "data")
    settings = {
        "output": folder / "run",
        "data": ((str(folder / "data"), 1.0),),
        "holdout": ("b",),
        "steps": 8,
        "model": MODEL,
        "phases": PHASES,
        "warmup": 0.1,
        "adaptation": 0.4,
        "learning_rate": 3e-3,
        "validate": 0.0,
        "device": "cpu",
    }
    return TrainConfig(**{**settings, **changes})


class Recorder:
    """Remembers what is reported, and does something after a step."""

    def __init__(self, step: int | None = None, act: Callable[[], object] = lambda: None) -> None:
        self.step = step
        self.act = act
        self.seen: list[Progress] = []

    def __call__(self, progress: Progress) -> None:
        self.seen.append(progress)
        if progress.step == self.step:
            self.act()


def make_batch(given: dict[str, Tensor], part: slice = slice(None)) -> Batch:
    """Some pictures of a dict with pixels, labels and targets by name."""
    names = set(given) - {"pixels", "labels"}
    targets = {name: given[name][part] for name in names}
    return Batch(given["pixels"][part], given["labels"][part], targets)


def read_log(config: TrainConfig) -> list[dict[str, str]]:
    """The lines of a run's log."""
    with (config.output / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))
