"""Semantic segmentation: one class for every pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch.nn.functional as F
from torch import Tensor

from sparsevit.draw.masks import draw_labels
from sparsevit.tasks import get_logits

#: So that every class and the value of void fit into eight bits.
MAX_CLASSES = 255


def read_classes(output: Any, size: tuple[int, int]) -> Tensor:
    """Class of every pixel of a picture, at any resolution.

    Args:
        output: (B, classes, h, w) logits, or an output that holds them; image 0 is read.
        size: (img_h, img_w) pixels.

    Returns:
        (img_h, img_w) uint8 on the logits' device.
    """
    logits = get_logits(output)
    scores = F.interpolate(logits[:1].float(), size, mode="bilinear", align_corners=False)
    return scores.argmax(1)[0].byte()


@dataclass(frozen=True)
class SemanticTask:
    """Classes of a segmentation network.

    Attributes:
        class_names: the names, in the order of the network's output.
        palette: (classes, 3) uint8 RGB.
        name: "semantic".
        read: gives (img_h, img_w) uint8 classes of image 0 from the network's output and a size.
    """

    class_names: tuple[str, ...]
    palette: np.ndarray
    name: str = "semantic"
    read: Callable[[Any, tuple[int, int]], Tensor] = read_classes

    def interpret(self, output: Any, size: tuple[int, int]) -> np.ndarray:
        """The network's output -> (img_h, img_w) uint8 class of every pixel of image 0."""
        return self.read(output, size).cpu().numpy()

    def compare(self, dense: np.ndarray, sparse: np.ndarray) -> dict[str, float]:
        """Pixel agreement, and the mean IoU of the sparse classes against the dense ones.

        Returns:
            agreement: fraction of pixels with the same class; mean_iou: over the classes that
            either prediction holds. Both in [0, 1].
        """
        ious = self.compare_classes(dense, sparse)
        return {
            "agreement": float((dense == sparse).mean()),
            "mean_iou": float(np.mean(list(ious.values()))),
        }

    def compare_classes(self, dense: np.ndarray, sparse: np.ndarray) -> dict[str, float]:
        """IoU in [0, 1] of every class that either prediction holds, by name."""
        count = len(self.class_names)
        pairs = dense.ravel().astype(np.int64) * count + sparse.ravel()
        pixels = np.bincount(pairs, minlength=count**2).reshape(count, count)  # by dense, by sparse
        both = pixels.diagonal()
        either = pixels.sum(0) + pixels.sum(1) - both
        return {
            name: float(both[index] / either[index])
            for index, name in enumerate(self.class_names)
            if either[index]
        }

    def resize(self, prediction: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """(h, w) classes -> (img_h, img_w) by nearest neighbour."""
        return cv2.resize(prediction, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)

    def draw(self, image: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """Classes as colours over the picture."""
        if prediction.shape != image.shape[:2]:
            prediction = self.resize(prediction, image.shape[:2])
        return draw_labels(image, prediction, self.palette)

    def draw_pair(
        self, image: np.ndarray, dense: np.ndarray, sparse: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`draw` of each."""
        return self.draw(image, dense), self.draw(image, sparse)
