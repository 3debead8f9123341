"""Image classification: one probability for every class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sparsevit.tasks import get_logits

TOP = 5
_BAR_COLOUR = (0, 114, 178)


@dataclass(frozen=True)
class ClassificationTask:
    """Classes of a classifier.

    Attributes:
        class_names: the names, in the order of the network's output.
        name: "classification".
    """

    class_names: tuple[str, ...]
    name: str = "classification"

    def interpret(self, output: Any, size: tuple[int, int]) -> np.ndarray:
        """(B, classes) logits -> (classes,) float32 probabilities of image 0; size is not used."""
        return get_logits(output)[0].float().softmax(dim=-1).cpu().numpy()

    def compare(self, dense: np.ndarray, sparse: np.ndarray) -> dict[str, float]:
        """How close two distributions are.

        Returns:
            agreement: 1 - total variation distance, in [0, 1]; top1_agreement: 0 or 1;
            top5_overlap: shared classes of both top fives, in [0, 1]; kl: KL(dense || sparse) in
            nats; dense_winner_probability: what sparse gives the class dense prefers.
        """
        tiny = np.float32(1e-12)
        winner = int(dense.argmax())
        shared = set(np.argsort(-dense)[:TOP]) & set(np.argsort(-sparse)[:TOP])
        return {
            "agreement": float(1 - 0.5 * np.abs(dense - sparse).sum()),
            "top1_agreement": float(winner == int(sparse.argmax())),
            "top5_overlap": len(shared) / min(TOP, len(dense)),
            "kl": float((dense * np.log((dense + tiny) / (sparse + tiny))).sum()),
            "dense_winner_probability": float(sparse[winner]),
        }

    def top(self, prediction: np.ndarray, count: int = TOP) -> list[tuple[str, float]]:
        """The ``count`` likeliest classes with their probabilities, likeliest first."""
        order = np.argsort(-prediction, kind="stable")[:count]
        return [(self.class_names[index], float(prediction[index])) for index in order]

    def resize(self, prediction: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The prediction itself: a class belongs to the whole picture."""
        return prediction

    def draw(self, image: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """The top classes as labelled bars beneath the picture."""
        width = image.shape[1]
        row = max(18, width // 28)
        panel = np.full((row * TOP + row // 2, width, 3), 255, np.uint8)
        for line, (name, probability) in enumerate(self.top(prediction)):
            top = row // 4 + line * row
            right = int(probability * (width // 2))
            cv2.rectangle(panel, (0, top), (right, top + row - 4), _BAR_COLOUR, -1)
            text = f"{probability:5.1%}  {name.split(',')[0]}"
            origin = (width // 2 + 8, top + row - 8)
            cv2.putText(
                panel,
                text,
                origin,
                cv2.FONT_HERSHEY_SIMPLEX,
                row / 40,
                (20, 20, 20),
                1,
                cv2.LINE_AA,
            )
        return np.concatenate([image, panel])

    def draw_pair(
        self, image: np.ndarray, dense: np.ndarray, sparse: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`draw` of each."""
        return self.draw(image, dense), self.draw(image, sparse)
