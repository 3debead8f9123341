"""What a run learns, and from which pictures: a course for each kind of network of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from sparsevit.data.batches import Batch, BatchMaker, PhotoBatches, SceneBatches
from sparsevit.data.labelled import DataError, LabelledData, open_data
from sparsevit.data.photos import PhotoFolder
from sparsevit.networks.restorer_config import RestorerConfig
from sparsevit.networks.segmenter_config import SegmenterConfig
from sparsevit.training.config import TrainConfig
from sparsevit.training.losses import Loss, compute_losses, distillation_loss, restoration_loss
from sparsevit.training.ranks import count_workers

Say = Callable[[str], None]


class Course(Protocol):
    """Batches, and what a step makes smaller.

    Attributes:
        output: name of what a network gives that gives but one thing.
    """

    output: str

    @property
    def batches(self) -> BatchMaker: ...

    def compute_losses(self, outputs: dict[str, Tensor], batch: Batch) -> dict[str, Loss]:
        """Every loss that outputs and truth allow, by name."""

    def distil(self, sparse: dict[str, Tensor], dense: dict[str, Tensor]) -> Tensor:
        """How far sparse outputs are from dense ones, which are taken as they are."""


def begin_course(config: TrainConfig, device: torch.device, rank: int, say: Say) -> Course:
    """The course for a run's network.

    Args:
        config: the run.
        device: that is trained on.
        rank: which of the processes that train together.
        say: told what is read.

    Raises:
        DataError: data that cannot be read, or whose classes are not the network's.
    """
    if isinstance(config.model, RestorerConfig):
        return PhotoCourse(config, device, rank, say)
    return SceneCourse(config, config.model, device, rank, say)


class SceneCourse:
    """Classes of pixels, things and boxes, from labelled pictures."""

    output = "logits"

    def __init__(
        self,
        config: TrainConfig,
        network: SegmenterConfig,
        device: torch.device,
        rank: int,
        say: Say,
    ) -> None:
        """Open the data and read some of it; see :func:`begin_course`."""
        data = _open_scenes(config, network)
        shares = [share for _, share in config.data]
        self.batches = SceneBatches(
            *(data, shares, config.phases, config.seed, rank, count_workers(device)),
            network.kind_list,
        )
        for (spec, _), pictures in zip(config.data, data, strict=True):
            say(f"{len(pictures)} pictures of {spec}; reading some of them first.")
        try:
            self._weights = self.batches.class_weights().to(device)
        except Exception:
            self.batches.close()
            raise

    def compute_losses(self, outputs: dict[str, Tensor], batch: Batch) -> dict[str, Loss]:
        """Of classes, and of things where they are told."""
        assert batch.labels is not None
        return compute_losses(outputs, batch.labels, batch.targets, self._weights)

    def distil(self, sparse: dict[str, Tensor], dense: dict[str, Tensor]) -> Tensor:
        """Of classes, centres and boxes."""
        return distillation_loss(sparse, dense)


class PhotoCourse:
    """The pixels of photos, from what a degradation leaves of them."""

    output = "pixels"

    def __init__(self, config: TrainConfig, device: torch.device, rank: int, say: Say) -> None:
        """Open the folders; see :func:`begin_course`."""
        data = [PhotoFolder(spec, "train") for spec, _ in config.data]
        shares = [share for _, share in config.data]
        workers = count_workers(device)
        self.batches = PhotoBatches(data, shares, config.phases, config.seed, rank, workers)
        for (spec, _), photos in zip(config.data, data, strict=True):
            say(f"{len(photos)} photos of {spec}.")

    def compute_losses(self, outputs: dict[str, Tensor], batch: Batch) -> dict[str, Loss]:
        """Of pixels."""
        return {"pixels": restoration_loss(outputs["pixels"], batch.images)}

    def distil(self, sparse: dict[str, Tensor], dense: dict[str, Tensor]) -> Tensor:
        """Mean absolute difference of pixels."""
        return (sparse["pixels"] - dense["pixels"].detach()).abs().mean()


def _open_scenes(config: TrainConfig, network: SegmenterConfig) -> list[LabelledData]:
    opened: list[LabelledData] = []
    for spec, _ in config.data:
        data = open_data(spec, "train", config.holdout, network.class_names)
        if network.kinds and data.kinds is not None:
            data = open_data(spec, "train", config.holdout, network.class_names, True)
        if data.class_names[:-1] != network.class_names:
            raise DataError(f"The classes of {spec} are not the classes of the network.")
        opened.append(data)
    return opened
