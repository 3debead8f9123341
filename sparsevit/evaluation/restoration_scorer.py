"""How well photos are restored: against the originals, and next to what needs no network."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean
from typing import Any

import numpy as np
import torch

from sparsevit.data.photos import Photo
from sparsevit.data.transforms import fit_photo
from sparsevit.evaluation.scorer import round_number
from sparsevit.package.extras import require
from sparsevit.tasks.restoration import RestorationTask, measure_psnr, read_luma


class RestorationScorer:
    """PSNR and SSIM of luma against the originals, a border of ``scale`` pixels left out.

    So super-resolution is compared since Timofte et al. 2013: what is without a network, "bicubic",
    stands beside it.
    """

    def __init__(self, task: RestorationTask) -> None:
        """Start without a picture."""
        self._task = task
        self._values: dict[str, list[float]] = defaultdict(list)

    def add(self, sample: Photo, dense: np.ndarray, sparse: np.ndarray) -> None:
        """Count a photo; both predictions (h, w, 3) uint8."""
        for name, value in score_restored(self._task, sample.image, dense, sparse).items():
            self._values[name].append(value)

    def summarise(self) -> dict[str, Any]:
        """psnr and ssim, base_psnr and base_ssim of no network, and agreement, each a mean."""
        return {name: round_number(fmean(values)) for name, values in self._values.items()}


def score_restored(
    task: RestorationTask, photo: np.ndarray, dense: np.ndarray, sparse: np.ndarray
) -> dict[str, float]:
    """What a :class:`RestorationScorer` counts of one photo.

    Args:
        task: that was done.
        photo: (img_h, img_w, 3) uint8 RGB, of the size that the network was given or another.
        dense, sparse: (h, w, 3) uint8 predictions.

    Returns:
        In dB psnr, base_psnr and agreement, which is the PSNR of sparse against dense; ssim and
        base_ssim, at most 1.
    """
    truth = fit_photo(photo, (dense.shape[0], dense.shape[1]))
    base = task.interpolate(task.degrade(truth))
    return {
        "psnr": measure_psnr(sparse, truth, task.scale),
        "ssim": measure_ssim(sparse, truth, task.scale),
        "base_psnr": measure_psnr(base, truth, task.scale),
        "base_ssim": measure_ssim(base, truth, task.scale),
        **task.compare(dense, sparse),
    }


def measure_ssim(image: np.ndarray, truth: np.ndarray, border: int = 0) -> float:
    """Structural similarity of luma (Wang et al. 2004), windows of 11 x 11 pixels.

    Args:
        image, truth: (h, w, 3) uint8 RGB of one size.
        border: pixels left out along every edge.

    Returns:
        At most 1, which equal pictures have.

    Raises:
        MissingPackageError: torchmetrics is not installed.
    """
    require("torchmetrics", "Measuring SSIM", "train")
    from torchmetrics.functional.image import structural_similarity_index_measure

    cut = np.s_[border : image.shape[0] - border, border : image.shape[1] - border]
    # Single precision would find bright pictures unlike themselves.
    ours, theirs = (
        torch.from_numpy(read_luma(x)[cut])[None, None].double() for x in (image, truth)
    )
    similarity: Any = structural_similarity_index_measure(ours, theirs, data_range=255.0)
    return float(similarity)
