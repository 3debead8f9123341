"""The mIoU or the PSNR during training, on a few pictures that are never trained on."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsevit.data.labelled import EmptySplitError, LabelledData, StreetScenes, open_data
from sparsevit.data.occurrence import LabelCounts, warn_of_missing
from sparsevit.data.photos import PhotoFolder
from sparsevit.data.pictures import DataWarning
from sparsevit.evaluation import evaluate_sizes
from sparsevit.networks import LoadedModel
from sparsevit.networks.own import build_own
from sparsevit.networks.segmenter_config import SegmenterConfig
from sparsevit.patch import sparsify
from sparsevit.training.config import TrainConfig

_PICTURES = 24
_SHORT_SIDE = 512  # pixels; larger pictures are shrunk to it
_MOST_TIME = 0.03  # of the run


@dataclass(frozen=True)
class ValidationSet:
    """Pictures to measure on.

    Attributes:
        data: the pictures.
        spec: where they are from.
        count: how many of them are measured, spread over the data.
    """

    data: LabelledData | PhotoFolder
    spec: str
    count: int


def find_validation(config: TrainConfig) -> ValidationSet | None:
    """The "val" split of the first folder that has one; else street scenes of the next seeds.

    It warns of classes that never occur in it, and passes over one in which nothing is labelled.

    Returns:
        None when only folders are trained on and none of them has pictures to spare.

    Raises:
        DataError: pictures that cannot be used.
    """
    if not isinstance(config.model, SegmenterConfig):
        return _find_photos(config)
    scenes = None
    for spec, _ in config.data:
        try:
            data = open_data(spec, "val", config.holdout, config.model.class_names)
        except EmptySplitError:
            continue
        if data.classes is None:
            continue
        if not isinstance(data, StreetScenes):
            count = min(_PICTURES, len(data))
            counts = LabelCounts(data)
            for number in range(count):  # so that a bad one is found before the run
                counts.add(data[number * len(data) // count])
            if counts.pixels.any():
                warn_of_missing([counts])
                return ValidationSet(data, spec, count)
            warnings.warn(
                f"Nothing is labelled in what {spec} has for validation ({counts.describe()}), so "
                f"no mIoU is measured on it.",
                DataWarning,
                stacklevel=2,
            )
            continue
        if scenes is None:
            after = StreetScenes(int(data.names[-1]) + 1, _PICTURES, data.size)
            scenes = ValidationSet(after, f"streets:{after.names[0]}:{_PICTURES}", _PICTURES)
    return scenes


def _find_photos(config: TrainConfig) -> ValidationSet | None:
    for spec, _ in config.data:
        try:
            photos = PhotoFolder(spec, "val")
        except EmptySplitError:
            continue
        return ValidationSet(photos, spec, min(_PICTURES, len(photos)))
    return None


class Validator:
    """Measures averaged weights now and then, and never for more than a small part of the time."""

    def __init__(
        self,
        config: TrainConfig,
        pictures: ValidationSet,
        device: torch.device,
        fraction: float = 0.0,
    ) -> None:
        """Build a second network to hold the averaged weights.

        Args:
            config: the run.
            pictures: what to measure on.
            device: where to.
            fraction: how much of the run is done, 0..1.
        """
        self._pictures = pictures
        self._every = config.validate
        self._last = fraction
        self._spent_s = 0.0
        model = build_own(config.model).to(device)
        self._metric = config.metric
        self._loaded = LoadedModel.wrap(sparsify(model, score=config.model.score).eval())

    def is_due(self, fraction: float, elapsed_s: float) -> bool:
        """True a share of the run after the last one, unless it costs too much, and at the end.

        Args:
            fraction: of the run, 0..1.
            elapsed_s: seconds of training so far.
        """
        is_cheap = self._spent_s <= _MOST_TIME * elapsed_s
        return fraction >= 1 or (is_cheap and fraction - self._last >= self._every - 1e-9)

    def measure(self, weights: dict[str, Tensor], fraction: float) -> float | None:
        """The mIoU of the dense network, 0..1, or PSNR, dB; None where nothing was found.

        Args:
            weights: of the network.
            fraction: of the run, 0..1.

        Raises:
            DataError: a picture cannot be read.
        """
        began = time.monotonic()
        self._last = fraction
        self._loaded.module.load_state_dict(weights)
        data, count = self._pictures.data, self._pictures.count
        size = _SHORT_SIDE if min(data[0].image.shape[:2]) > _SHORT_SIDE else None
        result = evaluate_sizes(self._loaded, data, [0.0], [size], limit=count)[0]
        self._spent_s += time.monotonic() - began
        accuracy: float | None = result["results"][0][self._metric]
        return accuracy
