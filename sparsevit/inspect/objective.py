"""One number for a network's output that needs no labels: how sure it is of what it says itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sparsevit.tasks import Task
from sparsevit.tasks.features import FeaturesTask
from sparsevit.tasks.restoration import RestorationTask

_NEAR = 5  # pixels around one


def list_parts(task: Task, output: Any) -> dict[str, Tensor]:
    """The tensors that an output says what it means by, by name; other tensors are left out.

    Raises:
        ValueError: there is none.
    """
    if isinstance(task, FeaturesTask):
        return {f"stage{n}": features for n, features in enumerate(task.read(output), start=1)}
    if isinstance(task, RestorationTask):
        around = F.avg_pool2d(output, _NEAR, 1, _NEAR // 2, count_include_pad=False)
        return {"detail": output - around}
    if isinstance(output, Tensor):
        return {"logits": output}
    named = output if isinstance(output, Mapping) else vars(output)
    parts = {name: named[name] for name in _MEASURES if isinstance(named.get(name), Tensor)}
    if not parts:
        raise ValueError(f"Nothing is known of the worth of what a {type(output).__name__} holds.")
    return parts


def build_objective(task: Task, dense: Any) -> Callable[[Any], Tensor]:
    """A number that rises as an output means less and less what the dense one means.

    Classes count by their cross entropy with the classes that the dense output chooses, heat maps
    and masks likewise, offsets, boxes and features by half their mean square, and of restored
    pictures what sets a pixel apart from those around it.

    Args:
        task: what the network's outputs mean.
        dense: the output whose classes are the right ones.

    Returns:
        A function of an output of the same shapes, which gives a float32 scalar.
    """
    targets = {name: part.detach() for name, part in list_parts(task, dense).items()}

    def measure(output: Any) -> Tensor:
        parts = list_parts(task, output)
        terms = [
            _MEASURES.get(name, _measure_size)(part.float(), targets[name].float())
            for name, part in parts.items()
        ]
        return torch.stack(terms).sum()

    return measure


def _measure_size(values: Tensor, _: Tensor) -> Tensor:
    return values.square().mean() / 2


def _measure_classes(logits: Tensor, dense: Tensor) -> Tensor:
    """(B, classes, ...)."""
    return F.cross_entropy(logits, dense.argmax(1))


def _measure_queries(logits: Tensor, dense: Tensor) -> Tensor:
    """(B, queries, classes)."""
    return F.cross_entropy(logits.transpose(1, 2), dense.argmax(2))


def _measure_masks(logits: Tensor, dense: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, (dense > 0).float())


def _measure_centres(found: Tensor, dense: Tensor) -> Tensor:
    """(B, kinds + 2, h, w): heat maps, then offsets; see the segmenter's ``forward``."""
    return _measure_masks(found[:, :-2], dense[:, :-2]) + _measure_size(found[:, -2:], dense)


#: Parts of outputs, of our segmenter and of Hugging Face's networks -> what measures them.
_MEASURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "logits": _measure_classes,
    "centres": _measure_centres,
    "boxes": _measure_size,
    "class_queries_logits": _measure_queries,
    "masks_queries_logits": _measure_masks,
}
