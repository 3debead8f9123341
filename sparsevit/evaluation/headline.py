"""The one number that says how accurate a network is at its task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparsevit.data.photos import PhotoFolder
from sparsevit.data.pictures import DataError
from sparsevit.evaluation.sources import Pictures
from sparsevit.package.units import HEADLINES, METRICS
from sparsevit.tasks import Task


def name_metric(task: Task) -> str:
    """What the number is called, such as "mIoU" or "mask AP".

    Raises:
        DataError: there is no truth of such a task.
    """
    if task.name not in METRICS:
        raise DataError(f"There is no truth for {task.name}; give photos as --images.")
    return METRICS[task.name]


def refuse_photos(task: Task, data: Pictures) -> None:
    """Raise DataError for pictures without any truth, which evaluation takes as well."""
    if isinstance(data, PhotoFolder) and task.name != "restoration":
        raise DataError(f"The data is pictures without truth, so it tells no {name_metric(task)}.")


def read_accuracy(task: Task, summary: Mapping[str, Any]) -> float:
    """The number, in the unit of ``find_unit``.

    Args:
        task: of the network.
        summary: of a scorer, over all pictures that it has seen.

    Raises:
        DataError: there was nothing in these pictures to count.
    """
    value: float | None = summary[HEADLINES[task.name]]
    if value is None:
        raise DataError(
            f"The pictures show nothing that is to be found, so there is no {name_metric(task)}."
        )
    return value
