"""A tiny network with three heads, and pictures whose truth is near to what it finds on them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from search_support import DEPTHS
from training_support import CLASSES, MODEL

from sparsevit import sparsify
from sparsevit.data.boxes import Boxes3D
from sparsevit.data.classes import ClassList, name_classes
from sparsevit.data.kinds import KindList
from sparsevit.data.labelled import Sample
from sparsevit.data.segment_map import SegmentMap
from sparsevit.data.things import Thing, Things
from sparsevit.networks import LoadedModel
from sparsevit.networks.segmenter import Segmenter
from sparsevit.patch import set_sparsity

TASKS = ("semantic", "instance", "boxes3d")
KINDS = KindList(("Wall", "Road"), (1, 2), ((4.3, 1.5, 2.1), (1.7, 1.8, 0.5)))

_SIZE = (64, 96)
_LABELS = np.zeros(_SIZE, np.uint8)  # where they are not the truth
_BOXES = 4  # of a picture, in truth


@cache
def load_three_tasks(name: str = "three") -> LoadedModel:
    """Random weights that find some things at a distance of some metres; for "semantic"."""
    torch.manual_seed(1)
    config = replace(
        MODEL,
        depths=DEPTHS,
        kinds=KINDS.names,
        kind_classes=KINDS.classes,
        kind_sizes=KINDS.sizes,
    )
    model = Segmenter(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
        model.get_parameter("centres.4.bias")[:-2] += 3.0
        model.get_parameter("boxes.4.bias")[0] += 5.0
        model.classifier.bias -= model(torch.randn(1, 3, *_SIZE)).mean((0, 2, 3))
    return LoadedModel.wrap(sparsify(model), name)


class FoundPictures:
    """Noise, with what the network finds on it for a task at sparsity 0.3 as truth."""

    class_names = (*CLASSES, "Void")
    classes: ClassList | None = name_classes(CLASSES)
    kinds: KindList | None = KINDS
    has_things = True

    def __init__(self, task: str, count: int = 4) -> None:
        self.names = [str(number) for number in range(count)]
        self.samples = [_make_sample(number, task) for number in range(count)]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


def _make_sample(seed: int, task: str) -> Sample:
    image = np.random.default_rng(seed).integers(0, 255, (*_SIZE, 3), dtype=np.uint8)
    view = load_three_tasks().for_task(task)
    set_sparsity(view.module, 0.3)
    with torch.inference_mode():
        found = view.task.interpret(view.module(view.prepare(image)), _SIZE)
    set_sparsity(view.module, 0.0)
    nowhere = (0, 0, 0, 0)
    if isinstance(found, SegmentMap):
        things = [
            Thing(KINDS.classes.index(s.label), s.id, nowhere, int((found.ids == s.id).sum()))
            for s in found.segments
        ]
        return Sample(image, _LABELS, str(seed), Things(KINDS.names, tuple(things), found.ids))
    if isinstance(found, Boxes3D):
        things = [Thing(box.label, 0, nowhere, 1000, box) for box in found.boxes[:_BOXES]]
        told = Things(KINDS.names, tuple(things), camera=found.camera)
        return Sample(image, _LABELS, str(seed), told)
    return Sample(image, found, str(seed))
