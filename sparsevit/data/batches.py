"""Training batches, drawn in the background; a batch is a function of (seed, step, phase) alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sparsevit.data.augment import random_crop
from sparsevit.data.labelled import LabelledData

_LOOK_AHEAD = 3  # batches prepared in the background
_COUNTED_PICTURES = 32  # of each data set, for the class weights


@dataclass(frozen=True)
class Phase:
    """A stretch of a training run.

    Attributes:
        until: the progress, 0..1, at which it ends.
        batch_size: pictures a step.
        size: (height, width) of a crop, multiples of 32.
        scales: smallest and largest factor by which a source picture is resized.
    """

    until: float
    batch_size: int
    size: tuple[int, int]
    scales: tuple[float, float]


class BatchMaker:
    """Draws the crops of any step, a few steps ahead of the one asked for."""

    def __init__(
        self,
        data: Sequence[LabelledData],
        shares: Sequence[float],
        phases: Sequence[Phase],
        seed: int,
    ) -> None:
        """Start the background thread; nothing is read yet.

        Args:
            data: data sets of the same classes.
            shares: how often each is drawn from, relative to the others.
            phases: sizes of the batches.
            seed: of every random number.
        """
        self._data = list(data)
        self._shares = np.array(shares, dtype=np.float64) / sum(shares)
        self._phases = list(phases)
        self._seed = seed
        self._num_classes = len(data[0].class_names) - 1
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._ahead: deque[tuple[int, int, Future[tuple[Tensor, Tensor]]]] = deque()

    @property
    def names(self) -> list[str]:
        """Names of all pictures that may be drawn."""
        return [name for data in self._data for name in data.names]

    def get(self, step: int, phase: int) -> tuple[Tensor, Tensor]:
        """Give the batch of a step, and have the next ones prepared.

        Args:
            step: 0-based.
            phase: index of the phase the step belongs to.

        Returns:
            images (B, 3, h, w) uint8 RGB and labels (B, h, w) uint8, ``num_classes`` being void.

        Raises:
            DataError: a file that cannot be read.
        """
        while self._ahead and self._ahead[0][:2] != (step, phase):
            self._ahead.popleft()[2].cancel()
        for number in range(step + len(self._ahead), step + _LOOK_AHEAD + 1):
            self._ahead.append((number, phase, self._pool.submit(self._make, number, phase)))
        return self._ahead.popleft()[2].result()

    def class_weights(self) -> Tensor:
        """(num_classes,) float32: rarer classes weigh more, as in ENet but milder; mean 1."""
        frequency = np.zeros(self._num_classes)
        for data, share in zip(self._data, self._shares, strict=True):
            counts = np.zeros(self._num_classes)
            for index in range(0, len(data), max(1, len(data) // _COUNTED_PICTURES)):
                labels = data[index].labels.ravel()
                counts += np.bincount(labels, minlength=256)[: self._num_classes]
            frequency += share * counts / max(1.0, counts.sum())
        weights = 1 / np.log(1.1 + frequency)
        return torch.from_numpy(weights / weights.mean()).float()

    def close(self) -> None:
        """Stop the background thread."""
        self._pool.shutdown(cancel_futures=True)

    def _make(self, step: int, phase: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([self._seed, step])
        plan = self._phases[phase]
        crops = []
        for source in rng.choice(len(self._data), size=plan.batch_size, p=self._shares):
            data = self._data[source]
            sample = data[int(rng.integers(len(data)))]
            crops.append(random_crop(sample, plan.size, plan.scales, self._num_classes, rng))
        images = np.stack([image for image, _ in crops])
        labels = np.stack([label for _, label in crops])
        return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)
