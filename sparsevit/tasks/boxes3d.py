"""Monocular 3D detection: boxes of things in metres."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsevit.data.boxes import Boxes3D


@dataclass(frozen=True)
class Boxes3DTask:
    """Kinds of things that a network finds boxes of.

    Attributes:
        class_names: the kinds, in the order of the network's output.
        palette: (kinds, 3) uint8 RGB.
        read: gives the boxes of image 0 from the network's output and (img_h, img_w).
        name: "boxes3d".
    """

    class_names: tuple[str, ...]
    palette: np.ndarray
    read: Callable[[Any, tuple[int, int]], Boxes3D]
    name: str = "boxes3d"

    def interpret(self, output: Any, size: tuple[int, int]) -> Boxes3D:
        """The network's output -> the boxes of image 0 for a picture of (img_h, img_w)."""
        return self.read(output, size)

    def compare(self, dense: Boxes3D, sparse: Boxes3D) -> dict[str, float]:
        raise NotImplementedError

    def resize(self, prediction: Boxes3D, size: tuple[int, int]) -> Boxes3D:
        """The same boxes for the same picture at another size (img_h, img_w)."""
        return prediction.resize(size)

    def draw(self, image: np.ndarray, prediction: Boxes3D) -> np.ndarray:
        raise NotImplementedError

    def draw_pair(
        self, image: np.ndarray, dense: Boxes3D, sparse: Boxes3D
    ) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`draw` of each."""
        return self.draw(image, dense), self.draw(image, sparse)
