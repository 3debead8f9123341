"""Restoration: a photo that was degraded, made good again; its original is the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from sparsevit.data.degradation import DEGRADATIONS, enlarge
from sparsevit.data.transforms import resize_image, to_tensor
from sparsevit.draw.looks import colour_levels
from sparsevit.package.units import DECIBEL

#: dB that two equal pictures have, whose true PSNR has no end.
MAX_PSNR = DECIBEL.perfect

#: Levels of luma, of 255, by which a pixel is wrong that an error map shows in its last colour.
MAX_ERROR = 32

# Of 8-bit R, G and B, ITU-R BT.601; black has a luma of 16, white of 235.
_LUMA = np.array([65.481, 128.553, 24.966], dtype=np.float32) / 255
_BLACK = 16.0


def read_luma(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 RGB -> (h, w) float32 luma, 16 to 235, as rgb2ycbcr of MATLAB gives it."""
    luma: np.ndarray = image.astype(np.float32) @ _LUMA + np.float32(_BLACK)
    return luma


def measure_psnr(image: np.ndarray, truth: np.ndarray, border: int = 0) -> float:
    """Peak signal-to-noise ratio of luma, as super-resolution is compared.

    Args:
        image, truth: (h, w, 3) uint8 RGB of one size.
        border: pixels left out along every edge.

    Returns:
        dB, at most :data:`MAX_PSNR`, which equal pictures have.
    """
    cut = np.s_[border : image.shape[0] - border, border : image.shape[1] - border]
    error = float(np.square(read_luma(image)[cut] - read_luma(truth)[cut], dtype=np.float64).mean())
    return MAX_PSNR if error == 0 else min(MAX_PSNR, 10 * math.log10(255**2 / error))


@dataclass(frozen=True)
class RestorationTask:
    """What a restorer makes of a photo. A prediction is a picture, (h, w, 3) uint8 RGB.

    Attributes:
        degradation: what it undoes, one of :data:`sparsevit.data.degradation.DEGRADATIONS`.
        scale: how many times larger than a degraded picture its original is, along a side.
        name: "restoration" of originals, or "enhancement" of pictures as they are.
        class_names: none.
    """

    degradation: str = "shrink"
    scale: int = 2
    name: str = "restoration"
    class_names: tuple[str, ...] = ()

    @property
    def base_name(self) -> str:
        """What is had without a network, in a word."""
        return "bicubic" if self.scale > 1 else "JPEG"

    def interpret(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(B, 3, h, w) in [0, 1] -> picture 0, (h, w, 3) uint8 RGB, which keeps its own size."""
        levels = (output[0].detach().float().clamp(0, 1) * 255).round()
        picture: np.ndarray = levels.byte().permute(1, 2, 0).cpu().numpy()
        return picture

    def compare(self, dense: np.ndarray, sparse: np.ndarray) -> dict[str, float]:
        """Agreement in dB: PSNR of the sparse picture against the dense one."""
        return {"agreement": measure_psnr(sparse, dense, self.scale)}

    def degrade(self, image: np.ndarray) -> np.ndarray:
        """What the network is given of an original (h, w, 3) uint8: (h / scale, w / scale, 3)."""
        low = DEGRADATIONS[self.degradation](_to_unit(image))
        return self.interpret(low, image.shape[:2])

    def interpolate(self, image: np.ndarray) -> np.ndarray:
        """What is had without a network: (h, w, 3) uint8 degraded -> (scale h, scale w, 3)."""
        if self.scale == 1:
            return image
        return self.interpret(enlarge(_to_unit(image), self.scale), image.shape[:2])

    def list_pictures(
        self, image: np.ndarray, dense: np.ndarray, sparse: np.ndarray
    ) -> dict[str, np.ndarray]:
        """All that a person may want to compare, by name.

        Args:
            image: (img_h, img_w, 3) uint8 RGB that the network was given.
            dense, sparse: what it made of it.

        Returns:
            "degraded", "dense", "sparse" and, where it is not the degraded picture itself,
            :attr:`base_name`; of an original "original", "dense_error" and "sparse_error", else
            "sparse_error", of sparse against dense.
        """
        is_original = self.name == "restoration"
        degraded = self.degrade(image) if is_original else image
        pictures = {"degraded": degraded, "dense": dense, "sparse": sparse}
        if self.scale > 1:
            pictures[self.base_name] = self.interpolate(degraded)
        if not is_original:
            return pictures | {"sparse_error": draw_error(sparse, dense)}
        errors = {
            "dense_error": draw_error(dense, image),
            "sparse_error": draw_error(sparse, image),
        }
        return pictures | {"original": image} | errors

    def resize(self, prediction: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The picture at another size (img_h, img_w)."""
        return resize_image(prediction, size)

    def draw(self, image: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """The prediction, at the size of a picture."""
        return resize_image(prediction, (image.shape[0], image.shape[1]))

    def draw_pair(
        self, image: np.ndarray, dense: np.ndarray, sparse: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`draw` of each."""
        return self.draw(image, dense), self.draw(image, sparse)


def draw_error(picture: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How wrong the luma of every pixel is: from dark blue for 0 to yellow for MAX_ERROR and more.

    Args:
        picture, truth: (h, w, 3) uint8 RGB of one size.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    return colour_levels(np.abs(read_luma(picture) - read_luma(truth)) / MAX_ERROR)


def _to_unit(image: np.ndarray) -> Tensor:
    """(h, w, 3) uint8 -> (1, 3, h, w) float32 in [0, 1]."""
    return to_tensor(image, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
