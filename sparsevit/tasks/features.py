"""Features: the maps a backbone without a head gives after each stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from sparsevit.draw.looks import colour_levels
from sparsevit.draw.masks import blend_heat


@dataclass(frozen=True, eq=False)
class Features:
    """What a backbone makes of one picture.

    Attributes:
        maps: for each stage (channels, h, w) float32.
        size: (img_h, img_w) pixels of the picture.
    """

    maps: tuple[np.ndarray, ...]
    size: tuple[int, int]


@dataclass(frozen=True)
class FeaturesTask:
    """A backbone without a head.

    Attributes:
        read: gives for each stage (B, channels, h, w) from the network's output.
        class_names: none.
        name: "features".
    """

    read: Callable[[Any], Sequence[Tensor]]
    class_names: tuple[str, ...] = ()
    name: str = "features"

    def interpret(self, output: Any, size: tuple[int, int]) -> Features:
        """The network's output -> the maps of image 0, as it is given."""
        return Features(tuple(x[0].float().cpu().numpy() for x in self.read(output)), size)

    def compare(self, dense: Features, sparse: Features) -> dict[str, float]:
        """How alike the directions of the feature vectors are.

        Returns:
            agreement: mean cosine over the places of each stage, averaged over the stages, and 0
            where that is negative; stage1, stage2, ...: mean cosine of a stage, in [-1, 1].
        """
        cosines = [float(cosine.mean()) for cosine in self.map_cosines(dense, sparse)]
        stages = {f"stage{number}": cosine for number, cosine in enumerate(cosines, start=1)}
        return {"agreement": float(np.clip(np.mean(cosines), 0.0, 1.0)), **stages}

    def map_cosines(self, dense: Features, sparse: Features) -> list[np.ndarray]:
        """:func:`map_cosine` of each stage, (h, w)."""
        return [map_cosine(a, b) for a, b in zip(dense.maps, sparse.maps, strict=True)]

    def resize(self, prediction: Features, size: tuple[int, int]) -> Features:
        """The maps as for a picture of (img_h, img_w), by linear interpolation."""
        scales = [size[axis] / prediction.size[axis] for axis in range(2)]
        maps = []
        for values in prediction.maps:
            height, width = (max(1, round(values.shape[1 + a] * scales[a])) for a in range(2))
            places = (_resize(channel, (height, width)) for channel in values)
            maps.append(np.stack(list(places)))
        return Features(tuple(maps), size)

    def draw(self, image: np.ndarray, prediction: Features) -> np.ndarray:
        """How strong the features are (root mean square), from dark blue to yellow.

        Every stage is brought to the range 0 to 1, and the stages are averaged.
        """
        levels = [_spread(np.sqrt(np.square(x).mean(axis=0))) for x in prediction.maps]
        return _draw_levels(image, levels)

    def draw_pair(
        self, image: np.ndarray, dense: Features, sparse: Features
    ) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`draw` of the dense features, and :meth:`draw_cosines` beside it."""
        return self.draw(image, dense), self.draw_cosines(image, dense, sparse)

    def draw_cosines(
        self, image: np.ndarray, dense: Features, sparse: Features, stage: int | None = None
    ) -> np.ndarray:
        """Cosine of sparse and dense features: dark blue for 0 and below, yellow for 1.

        Args:
            image: (h, w, 3) uint8 RGB, the photo at any size.
            dense, sparse: the features.
            stage: 0-based; the mean of all stages if None.
        """
        cosines = self.map_cosines(dense, sparse)
        chosen = cosines if stage is None else [cosines[stage]]
        return _draw_levels(image, chosen)


def map_cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of the two feature vectors at each place.

    A vector of zeros agrees with another of zeros and with nothing else.

    Args:
        a, b: (channels, h, w) float32.

    Returns:
        (h, w) float32 in [-1, 1].
    """
    norms = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    are_both_zero = ~(a.any(axis=0) | b.any(axis=0))
    cosine = (a * b).sum(axis=0) / np.where(norms > 0, norms, 1.0)
    return np.clip(np.where(are_both_zero, 1.0, cosine), -1.0, 1.0).astype(np.float32)


def _spread(values: np.ndarray) -> np.ndarray:
    low, high = np.percentile(values, (2, 98))
    levels: np.ndarray = (values - low) / max(float(high - low), 1e-12)
    return levels.clip(0.0, 1.0).astype(np.float32)


def _draw_levels(image: np.ndarray, levels: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of maps of levels 0 to 1, as colours over the grey photo."""
    size = (image.shape[0], image.shape[1])
    mean = np.mean([_resize(level, size) for level in levels], axis=0)
    return blend_heat(image, colour_levels(mean))


def _resize(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w) float32 -> another size."""
    return cv2.resize(values, size[::-1], interpolation=cv2.INTER_LINEAR)
