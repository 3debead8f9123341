"""Semantic segmentation: one class for every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch.nn.functional as F
from torch import Tensor

from sparsevit.vis import draw_labels


def count_confusion(truth: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Count pixels by true and predicted class.

    Args:
        truth: integers of any shape; values of ``num_classes`` or more are void and left out.
        predicted: the same shape, values in [0, num_classes).
        num_classes: number of classes.

    Returns:
        (num_classes, num_classes) int64, row = truth, column = prediction.
    """
    known = truth < num_classes
    cells = truth[known].astype(np.int64) * num_classes + predicted[known]
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


@dataclass(frozen=True)
class SemanticTask:
    """Classes of a segmentation network.

    Attributes:
        class_names: the names, in the order of the network's output.
        palette: (classes, 3) uint8 RGB.
        name: "semantic".
    """

    class_names: tuple[str, ...]
    palette: np.ndarray
    name: str = "semantic"

    def interpret(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(B, classes, h, w) logits -> (img_h, img_w) uint8 class of every pixel of image 0."""
        logits = F.interpolate(output[:1].float(), size, mode="bilinear", align_corners=False)
        return logits.argmax(dim=1)[0].to("cpu").numpy().astype(np.uint8)

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
        confusion = count_confusion(dense, sparse, len(self.class_names))
        union = confusion.sum(0) + confusion.sum(1) - confusion.diagonal()
        return {
            name: float(confusion[index, index] / union[index])
            for index, name in enumerate(self.class_names)
            if union[index]
        }

    def draw(self, image: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """Classes as colours over the picture."""
        if prediction.shape != image.shape[:2]:
            size = (image.shape[1], image.shape[0])
            prediction = cv2.resize(prediction, size, interpolation=cv2.INTER_NEAREST)
        return draw_labels(image, prediction, self.palette)
