"""How well photos are restored: against the originals, and next to what needs no network."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean
from typing import Any

import numpy as np

from sparsevit.data.photos import Photo
from sparsevit.data.transforms import fit_photo
from sparsevit.evaluation.scorer import round_number
from sparsevit.tasks.restoration import RestorationTask, measure_psnr
from sparsevit.tasks.restored import score_restored


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


class PsnrScorer:
    """PSNR alone, for those who measure one photo hundreds of times."""

    def __init__(self, task: RestorationTask) -> None:
        """Start without a picture."""
        self._task = task
        self._values: list[float] = []

    def add(self, sample: Photo, dense: np.ndarray, sparse: np.ndarray) -> None:
        """Count a photo; the dense prediction is not looked at."""
        truth = fit_photo(sample.image, (sparse.shape[0], sparse.shape[1]))
        self._values.append(measure_psnr(sparse, truth, self._task.scale))

    def summarise(self) -> dict[str, Any]:
        """psnr, the mean."""
        return {"psnr": round_number(fmean(self._values))}
