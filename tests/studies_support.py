"""What the tests of the studies share: a network of milliseconds, and pictures in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from sparsevit import sparsify
from sparsevit.data.classes import name_classes
from sparsevit.data.labelled import Sample
from sparsevit.networks import LoadedModel
from sparsevit.networks.segmenter import Segmenter, SegmenterConfig
from sparsevit.studies.subject import Subject, make_subject

CONFIG = SegmenterConfig(
    class_names=("sky", "road", "car"),
    palette=((0, 0, 255), (90, 90, 90), (255, 0, 0)),
    embed_dim=16,
    depths=(2, 2, 4, 2),
    num_heads=(1, 2, 4, 8),
    window_size=4,
    head_dim=16,
)


def load_toy(seed: int = 1, **changes: Any) -> LoadedModel:
    """Random weights, large enough for every block and its position bias to matter."""
    torch.manual_seed(seed)
    config = replace(CONFIG, **changes)
    model = Segmenter(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return LoadedModel.wrap(sparsify(model), "toy")


class Pictures:
    """Noise of different brightness, with labels of every class and some void."""

    classes = name_classes(CONFIG.class_names)
    class_names = (*CONFIG.class_names, "Void")

    def __init__(self, count: int = 3, size: tuple[int, int] = (128, 256)) -> None:
        self.names = [str(number) for number in range(count)]
        self._size = size

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        blocks = rng.integers(0, 4, (4, 8), dtype=np.uint8)
        labels = blocks.repeat(self._size[0] // 4, axis=0).repeat(self._size[1] // 8, axis=1)
        image = rng.integers(0, 64, (*self._size, 3), dtype=np.uint8) + 60 * labels[:, :, None]
        return Sample(image.astype(np.uint8), labels, self.names[index])


def make_toy_subject(loaded: LoadedModel | None = None, **options: Any) -> Subject:
    """The toy and three of its pictures; one timed round, one seed."""
    fields: dict[str, Any] = {"pictures": 3, "rounds": 1, "seeds": (0,)}
    return make_subject(loaded or load_toy(), Pictures(), **fields | options)
