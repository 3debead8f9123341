"""Tasks: what a network's output means, and how a sparse output is compared with the dense one."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from torch import Tensor


class Task(Protocol):
    """One kind of output. A prediction is the task's own type, made by ``interpret``."""

    @property
    def name(self) -> str:
        """ "semantic", "instance", "boxes3d", "panoptic", "classification", "features",
        "restoration" or "enhancement".
        """

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the network's output."""

    def interpret(self, output: Any, size: tuple[int, int]) -> Any:
        """The network's output for the first image as a prediction for a picture of ``size``."""

    def compare(self, dense: Any, sparse: Any) -> dict[str, float]:
        """Agreement of the sparse prediction with the dense one; ``agreement`` leads.

        It is in [0, 1], or in dB: see :func:`sparsevit.package.units.find_agreement_unit`.
        """

    def resize(self, prediction: Any, size: tuple[int, int]) -> Any:
        """The prediction for the same picture at another size (img_h, img_w)."""

    def draw(self, image: np.ndarray, prediction: Any) -> np.ndarray:
        """The prediction over a picture (img_h, img_w, 3) uint8 RGB of any size."""

    def draw_pair(
        self, image: np.ndarray, dense: Any, sparse: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Both predictions over a picture, drawn so that they can be told apart at a glance."""


def get_logits(output: Any) -> Tensor:
    """The logits of an output: itself, or "logits" in it, as of Hugging Face's networks."""
    return output if isinstance(output, Tensor) else output["logits"]
