"""What a scorer is, and the one that needs no truth."""

from __future__ import annotations

from collections import defaultdict
from math import isnan
from statistics import fmean
from typing import Any, Protocol

from sparsevit.tasks import Task

#: Of a thing: one that shows less need not be found, as in Cityscapes' instances.
MIN_PIXELS = 100

_DECIMALS = 6


class Scorer(Protocol):
    """Gathers what one schedule makes of pictures. Predictions are the task's own type."""

    def add(self, sample: Any, dense: Any, sparse: Any) -> None:
        """Count a picture: what the data holds of it, and both predictions at its size."""

    def summarise(self) -> dict[str, Any]:
        """The result over all pictures so far, as JSON can hold it; None where there is none."""


class AgreementScorer:
    """Against dense alone: the means of all that the task compares, each over the pictures that
    have it.
    """

    def __init__(self, task: Task) -> None:
        """Start without a picture."""
        self._task = task
        self._values: dict[str, list[float]] = defaultdict(list)

    def add(self, sample: Any, dense: Any, sparse: Any) -> None:
        """Count a picture; what the data holds of it is not looked at."""
        for name, value in self._task.compare(dense, sparse).items():
            self._values[name] += [] if isnan(value) else [value]

    def summarise(self) -> dict[str, Any]:
        """The numbers of the task's ``compare``."""
        return {
            name: round_number(fmean(values)) if values else None
            for name, values in self._values.items()
        }


def round_number(value: float) -> float | None:
    """As JSON holds it: None for what could not be measured."""
    return None if isnan(value) else round(value, _DECIMALS)
