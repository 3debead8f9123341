"""How close a restored photo comes to its original, which is known for every photo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from sparsevit.tasks.restoration import RestorationTask, measure_psnr
from sparsevit.tasks.restored import measure_ssim

if TYPE_CHECKING:
    from sparsevit.inspect.photo import Analysis, PreparedImage


@dataclass(frozen=True, eq=False)
class Restored:
    """The pictures of one photo: what needs no network, what both networks make, and the truth.

    Attributes:
        task: that was done.
        base: (h, w, 3) uint8, by bicubic interpolation; as the network was given it where nothing
            is enlarged.
        dense, sparse: (h, w, 3) uint8.
        truth: (h, w, 3) uint8 original; None where nobody knows it.
    """

    task: RestorationTask
    base: np.ndarray
    dense: np.ndarray
    sparse: np.ndarray
    truth: np.ndarray | None

    @property
    def sides(self) -> dict[str, np.ndarray]:
        """The pictures but for the truth, by name."""
        return {"base": self.base, "dense": self.dense, "sparse": self.sparse}

    @cached_property
    def psnr(self) -> dict[str, float] | None:
        """Of each side against the original, dB; None without one."""
        return self._hold_to_truth(measure_psnr)

    @cached_property
    def ssim(self) -> dict[str, float] | None:
        """Of each side against the original, at most 1; None without one."""
        return self._hold_to_truth(measure_ssim)

    @property
    def gain(self) -> dict[str, float] | None:
        """dB that dense and sparse are closer to the original than ``base``; None without one."""
        if self.psnr is None:
            return None
        return {name: self.psnr[name] - self.psnr["base"] for name in ("dense", "sparse")}

    def _hold_to_truth(
        self, measure: Callable[[np.ndarray, np.ndarray, int], float]
    ) -> dict[str, float] | None:
        if self.truth is None:
            return None
        truth, border = self.truth, self.task.scale
        return {name: measure(side, truth, border) for name, side in self.sides.items()}


_bases: WeakKeyDictionary[PreparedImage, np.ndarray] = WeakKeyDictionary()


def gather_restored(analysis: Analysis) -> Restored | None:
    """The pictures of an analysis; None for other tasks."""
    task, prepared = analysis.task, analysis.prepared
    if not isinstance(task, RestorationTask):
        return None
    is_original = task.name == "restoration"
    if prepared not in _bases:
        low = task.degrade(prepared.image) if is_original else prepared.image
        _bases[prepared] = task.interpolate(low)
    truth = prepared.image if is_original else None
    return Restored(task, _bases[prepared], prepared.dense, analysis.sparse, truth)
