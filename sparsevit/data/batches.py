"""Training batches, made in the background; a batch is a function of (seed, step, rank, phase)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from torch import Tensor

from sparsevit.data.augment import random_crop, random_photo_crop
from sparsevit.data.kinds import KindList
from sparsevit.data.labelled import LabelledData, StreetScenes
from sparsevit.data.occurrence import LabelCounts, refuse_unlabelled, warn_of_missing
from sparsevit.data.photos import Photo, PhotoFolder
from sparsevit.data.samples import SampleCache
from sparsevit.data.targets import make_targets

_PREFETCHED = 2  # batches prepared in the background, beside one for each worker
_COUNTED_PICTURES = 64  # of each folder, for the class weights and to find bad files early
_COUNTED_SCENES = 16  # drawing takes longer than reading


@dataclass(frozen=True)
class Phase:
    """A stretch of a training run.

    Attributes:
        until: the progress, 0..1, at which it ends.
        batch_size: pictures a step, of each process.
        size: (height, width) of a crop, multiples of 32. A batch of one picture is no larger than
            that picture.
        scales: smallest and largest factor by which a picture is resized before the crop is cut.
    """

    until: float
    batch_size: int
    size: tuple[int, int]
    scales: tuple[float, float]

    @property
    def is_single(self) -> bool:
        """One picture a step, too few for the statistics of a batch."""
        return self.batch_size == 1


@dataclass(frozen=True)
class Batch:
    """What a step is trained on.

    Attributes:
        images: (B, 3, h, w) uint8 RGB.
        labels: (B, h, w) uint8, the number of classes being void; None of photos.
        targets: of :func:`sparsevit.data.targets.make_targets`, each stacked to (B, ...); empty
            where no kinds of things are learned.
    """

    images: Tensor
    labels: Tensor | None = None
    targets: dict[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        labels = None if self.labels is None else self.labels.to(device)
        targets = {name: target.to(device) for name, target in self.targets.items()}
        return Batch(self.images.to(device), labels, targets)


class BatchMaker(ABC):
    """Draws the crops of any step, a few steps ahead of the one asked for."""

    def __init__(
        self,
        data: Sequence[Sized],
        shares: Sequence[float],
        phases: Sequence[Phase],
        seed: int,
        rank: int = 0,
        workers: int = 1,
    ) -> None:
        """Start the background threads; nothing is read yet.

        Args:
            data: data sets.
            shares: how often each is drawn from, relative to the others.
            phases: sizes of the batches.
            seed: of every random number.
            rank: which of the processes that train together; each draws its own crops.
            workers: background threads.
        """
        self._counts = [len(pictures) for pictures in data]
        self._shares = np.array(shares, dtype=np.float64) / sum(shares)
        self._phases = list(phases)
        self._seed = seed
        self._rank = rank
        self._depth = _PREFETCHED + workers
        # OpenCV's own threads would get in each other's way and in that of the training.
        self._pool = ThreadPoolExecutor(workers, "batches", cv2.setNumThreads, (1,))
        self._ahead: deque[tuple[int, int, Future[Batch]]] = deque()

    @abstractmethod
    def make(self, plan: Phase, rng: np.random.Generator) -> Batch:
        """Read and cut one batch."""

    def get(self, step: int, phase: int) -> Batch:
        """Give the batch of a step, and have the next ones prepared.

        Args:
            step: 0-based.
            phase: index of the phase the step belongs to.

        Raises:
            DataError: a file that cannot be read.
        """
        while self._ahead and self._ahead[0][:2] != (step, phase):
            self._ahead.popleft()[2].cancel()
        for number in range(step + len(self._ahead), step + self._depth):
            self._ahead.append((number, phase, self._pool.submit(self._make, number, phase)))
        return self._ahead.popleft()[2].result()

    def draw(self, plan: Phase, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        """Which data set and which picture of it each crop of a batch is of, drawn one by one."""
        for source in rng.choice(len(self._counts), size=plan.batch_size, p=self._shares):
            yield int(source), int(rng.integers(self._counts[source]))

    def close(self) -> None:
        """Stop the background threads."""
        self._pool.shutdown(cancel_futures=True)

    def _make(self, step: int, phase: int) -> Batch:
        rng = np.random.default_rng([self._seed, step, self._rank])
        return self.make(self._phases[phase], rng)


class SceneBatches(BatchMaker):
    """Crops of labelled pictures."""

    def __init__(
        self,
        data: Sequence[LabelledData],
        shares: Sequence[float],
        phases: Sequence[Phase],
        seed: int,
        rank: int = 0,
        workers: int = 1,
        kinds: KindList | None = None,
    ) -> None:
        """Start the background threads; nothing is read yet.

        Args:
            data: data sets of the same classes.
            shares, phases, seed, rank, workers: as of :class:`BatchMaker`.
            kinds: of the things that are learned; None for pixels alone.
        """
        super().__init__(data, shares, phases, seed, rank, workers)
        self._data = list(data)
        self._num_classes = len(data[0].class_names) - 1
        self._kinds = kinds

    @property
    def names(self) -> list[str]:
        """Names of all pictures that may be drawn."""
        return [name for data in self._data for name in data.names]

    def class_weights(self) -> Tensor:
        """Read pictures spread over the data and weigh the classes by how rare they are.

        The first process warns of classes that never occur in them.

        Returns:
            (num_classes,) float32, mean 1: as in ENet but milder.

        Raises:
            DataError: one of these pictures cannot be used, or nothing is labelled in a data set.
        """
        frequency = np.zeros(self._num_classes)
        seen = [LabelCounts(data) for data in self._data]
        for data, share, counts in zip(self._data, self._shares, seen, strict=True):
            wanted = _COUNTED_SCENES if isinstance(data, StreetScenes) else _COUNTED_PICTURES
            for index in range(0, len(data), max(1, len(data) // wanted)):
                counts.add(data[index])
            if data.classes is not None and not counts.pixels.any():
                refuse_unlabelled(data, range(len(data)))
            frequency += share * counts.pixels / max(1, counts.pixels.sum())
        if self._rank == 0:
            warn_of_missing(seen)
        weights = 1 / np.log(1.1 + frequency)
        return torch.from_numpy(weights / weights.mean()).float()

    def make(self, plan: Phase, rng: np.random.Generator) -> Batch:
        """Crops of pictures drawn by their data set's share."""
        crops = []
        for source, index in self.draw(plan, rng):
            crops.append(
                random_crop(
                    self._data[source][index],
                    plan.size,
                    plan.scales,
                    self._num_classes,
                    rng,
                    may_shrink=plan.is_single,
                )
            )
        images = np.stack([crop.image for crop in crops])
        labels = np.stack([crop.labels for crop in crops])
        targets = {}
        if self._kinds is not None:
            made = [make_targets(crop.things, self._kinds, crop.labels.shape) for crop in crops]
            targets = {
                name: torch.from_numpy(np.stack([each[name] for each in made])) for name in made[0]
            }
        return Batch(
            torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels), targets
        )


class PhotoBatches(BatchMaker):
    """Crops of photos, whose pixels are all that is learned."""

    def __init__(
        self,
        data: Sequence[PhotoFolder],
        shares: Sequence[float],
        phases: Sequence[Phase],
        seed: int,
        rank: int = 0,
        workers: int = 1,
    ) -> None:
        """Start the background threads; nothing is read yet.

        Args:
            data: folders of photos.
            shares, phases, seed, rank, workers: as of :class:`BatchMaker`.
        """
        super().__init__(data, shares, phases, seed, rank, workers)
        self._data = list(data)
        self._caches: list[SampleCache[Photo]] = [SampleCache() for _ in data]

    def make(self, plan: Phase, rng: np.random.Generator) -> Batch:
        """Crops of photos drawn by their folder's share."""
        crops = []
        for source, index in self.draw(plan, rng):
            photo = self._caches[source].get(index, self._data[source].__getitem__)
            crops.append(random_photo_crop(photo.image, plan.size, plan.scales, rng))
        return Batch(torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2))
