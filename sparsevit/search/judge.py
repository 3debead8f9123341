"""How accurate a network is at a schedule, on a fixed set of pictures."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from sparsevit.data.reader import ImageError, ImageSource, load_image
from sparsevit.evaluation import read_samples
from sparsevit.evaluation.headline import name_metric, read_accuracy, refuse_photos
from sparsevit.evaluation.scorers import choose_scorer
from sparsevit.evaluation.sources import Pictures
from sparsevit.networks import LoadedModel
from sparsevit.package.units import find_agreement_unit, find_unit
from sparsevit.patch import get_sparsity, set_sparsity
from sparsevit.schedule import SparsitySchedule
from sparsevit.search.fingerprint import digest_values
from sparsevit.search.prefix import LIMIT_BYTES, PrefixCache, reuse_stages

T = TypeVar("T")

_BYTES_A_PICTURE = 250_000_000  # kept for the next schedule: a page has several searches at once


class Judge(Protocol):
    """Scores schedules of one network, on the same pictures every time."""

    @property
    def metric(self) -> str:
        """What accuracy is: "agreement", or of labels "mIoU", "mask AP", "PSNR" and the like."""

    @property
    def data(self) -> str:
        """Which pictures, in words."""

    @property
    def pictures(self) -> int:
        """How many."""

    @property
    def key(self) -> str:
        """A digest that differs where the pictures, their truth or their size differ."""

    @property
    def images(self) -> Tensor:
        """(1, 3, img_h, img_w): the input that latency is measured on."""

    @property
    def dense_accuracy(self) -> float:
        """Of the dense network."""

    def score(self, schedule: SparsitySchedule) -> float:
        """Accuracy at a schedule; the network's own schedule is left as it was."""

    def enlarge(self, times: int) -> Judge:
        """The same on up to ``times`` as many pictures, these among them."""


class LabelledJudge:
    """Accuracy of a network against the truth of its task, measured as evaluation does.

    Attributes:
        metric: "mIoU", "mask AP", "3D AP", "PQ", "top-1" or "PSNR", as the network's task is.
        unit: of accuracies.
        data: the name given.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        data: Pictures,
        size: int | None = None,
        pictures: int = 16,
        seed: int = 0,
        data_name: str = "",
    ) -> None:
        """Decode the pictures and keep them.

        Args:
            loaded: the network, for one task.
            data: pictures with the truth of that task; for restoration any photos.
            size: short side given to the network, pixels; None for a picture's own.
            pictures: how many, >= 1; all if there are fewer.
            seed: of their choice. More pictures with one seed hold the fewer ones.
            data_name: the data in words.

        Raises:
            DataError: classes other than the network's, a file that cannot be read, only void, or
                no truth of the task.
            ValueError: no pictures asked for.
        """
        self.metric = name_metric(loaded.task)
        self.unit = find_unit(self.metric)
        refuse_photos(loaded.task, data)
        self._make_scorer = choose_scorer(loaded.task, data, loaded.device, needs_all=False)
        chosen = _choose(len(data), pictures, seed)
        self.data = data_name
        self._loaded = loaded
        self._args = (data, size, len(chosen), seed)
        self._samples = list(read_samples([loaded.task], data, chosen))
        self._runner = _Runner(loaded, [sample.image for sample in self._samples], size)

    @property
    def pictures(self) -> int:
        """How many."""
        return len(self._samples)

    @cached_property
    def key(self) -> str:
        return digest_values([self._runner.images, self._samples])

    @property
    def images(self) -> Tensor:
        """(1, 3, img_h, img_w) of the first picture."""
        return self._runner.prepare(0)

    @cached_property
    def dense_accuracy(self) -> float:
        """Of the dense network."""
        return self.score(SparsitySchedule.parse(0.0, self._loaded.depths))

    def score(self, schedule: SparsitySchedule) -> float:
        """Accuracy at a schedule.

        Raises:
            DataError: the pictures show nothing to find.
            ScheduleError: a schedule of another network, or one that falls inside a stage.
        """
        task, scorer = self._loaded.task, self._make_scorer()

        def count(number: int, output: Any) -> None:
            sample = self._samples[number]
            predicted = task.interpret(output, sample.image.shape[:2])
            scorer.add(sample, predicted, predicted)  # agreement with dense is not asked for

        self._runner.run(schedule, count)
        return read_accuracy(task, scorer.summarise())

    def enlarge(self, times: int) -> LabelledJudge:
        """The judge itself where there are no more pictures."""
        data, size, pictures, seed = self._args
        if pictures == len(data):
            return self
        self._runner.forget()
        return LabelledJudge(self._loaded, data, size, times * pictures, seed, self.data)


class AgreementJudge:
    """Mean agreement with the dense network on photos without truth; any network.

    Attributes:
        metric: "agreement".
        unit: of agreement.
        data: the name given.
        dense_accuracy: that of equal predictions.
    """

    metric = "agreement"

    def __init__(
        self,
        loaded: LoadedModel,
        photos: Sequence[ImageSource],
        short_side: int | None = None,
        pictures: int | None = None,
        seed: int = 0,
        data_name: str = "",
    ) -> None:
        """Decode the photos and keep them at the network's size.

        Args:
            loaded: the network.
            photos: files, or (img_h, img_w, 3) uint8 RGB arrays.
            short_side: given to the network, pixels; None for a photo's own.
            pictures: how many photos to take; all if None.
            seed: of their choice. More photos with one seed hold the fewer ones.
            data_name: the photos in words; their number if empty.

        Raises:
            ImageError: no photos, or one that cannot be read.
            ValueError: no pictures asked for.
        """
        if not photos:
            raise ImageError("There are no photos to compare dense and sparse on.")
        chosen = _choose(len(photos), len(photos) if pictures is None else pictures, seed)
        self.data = data_name or f"{len(photos)} photos"
        self.pictures = len(chosen)
        self.unit = find_agreement_unit(loaded.task.name)
        self.dense_accuracy = self.unit.perfect
        self._loaded = loaded
        self._args = (photos, short_side, seed)
        images = [load_image(photos[index]) for index in chosen]
        self._runner = _Runner(loaded, images, short_side)

    @cached_property
    def key(self) -> str:
        return digest_values(self._runner.images)

    @property
    def images(self) -> Tensor:
        """(1, 3, img_h, img_w) of the first photo."""
        return self._runner.prepare(0)

    @cached_property
    def _dense(self) -> list[Any]:
        return self._predict(SparsitySchedule.parse(0.0, self._loaded.depths))

    def score(self, schedule: SparsitySchedule) -> float:
        """Mean agreement at a schedule.

        Raises:
            ScheduleError: a schedule of another network, or one that falls inside a stage.
        """
        pairs = zip(self._dense, self._predict(schedule), strict=True)
        compare = self._loaded.task.compare
        return float(np.mean([compare(dense, sparse)["agreement"] for dense, sparse in pairs]))

    def enlarge(self, times: int) -> AgreementJudge:
        """The judge itself where there are no more photos."""
        photos, short_side, seed = self._args
        if self.pictures == len(photos):
            return self
        self._runner.forget()
        more = times * self.pictures
        return AgreementJudge(self._loaded, photos, short_side, more, seed, self.data)

    def _predict(self, schedule: SparsitySchedule) -> list[Any]:
        def interpret(number: int, output: Any) -> Any:
            height, width = self._runner.images[number].shape[:2]
            return self._loaded.task.interpret(output, (height, width))

        return self._runner.run(schedule, interpret)


class _Runner:
    """Runs a network on the same pictures again and again.

    Attributes:
        images: (img_h, img_w, 3) uint8 RGB each, at the network's size.
    """

    def __init__(
        self, loaded: LoadedModel, images: Sequence[np.ndarray], short_side: int | None
    ) -> None:
        self.images = [
            loaded.resize(image, loaded.choose_size(image, short_side)) for image in images
        ]
        self._loaded = loaded
        self._model = loaded.module
        self.forget()

    def prepare(self, number: int) -> Tensor:
        """(1, 3, img_h, img_w), normalised, on the network's device in its dtype."""
        return self._loaded.to_tensor(self.images[number])

    def forget(self) -> None:
        """Free what is kept for the next schedule; another judge goes on."""
        self._cache = PrefixCache(min(LIMIT_BYTES, len(self.images) * _BYTES_A_PICTURE))

    def run(self, schedule: SparsitySchedule, read: Callable[[int, Any], T]) -> list[T]:
        """What ``read(number, output)`` makes of the output for every picture."""
        before = get_sparsity(self._model)
        found = []
        try:
            set_sparsity(self._model, schedule)
            with torch.inference_mode():
                for number in range(len(self.images)):
                    images = self.prepare(number)
                    with reuse_stages(self._model, self._cache, number):
                        output = self._model(images)
                    found.append(read(number, output))
        finally:
            set_sparsity(self._model, before)
        return found


def _choose(available: int, wanted: int, seed: int) -> list[int]:
    """Which of the pictures to take: a start of one shuffled order."""
    if wanted < 1:
        raise ValueError(f"At least 1 picture is needed, not {wanted}.")
    order = list(range(available))
    random.Random(seed).shuffle(order)
    return order[:wanted]
