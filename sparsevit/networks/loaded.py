"""A network with its weights, and how a photo becomes its input."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from sparsevit.data.transforms import (
    MAX_NETWORK_PIXELS,
    SIZE_MULTIPLE,
    Size,
    choose_size,
    fit_photo,
    resize_image,
    to_tensor,
)
from sparsevit.measure.cost import count_fixed_macs, count_macs
from sparsevit.networks.entries import ModelError
from sparsevit.networks.own import OwnNetwork, make_own_task
from sparsevit.package.choices import Score
from sparsevit.patch import get_depths
from sparsevit.schedule import SparsitySchedule
from sparsevit.tasks import Task
from sparsevit.tasks.restoration import RestorationTask

_MOST_SIZES = 64  # whose multiply-accumulates are kept


@dataclass(frozen=True)
class LoadedModel:
    """A network ready to run.

    Attributes:
        name: as asked for.
        module: the sparsified network in evaluation mode.
        task: what its output means.
        mean, std: per RGB channel, for pixels in [0, 1].
        revision: commit of the hub that the weights are of; None where there is none.
        multiple: pixels; both sides of the input must be a multiple of it.
        note: one sentence on what was taken of a checkpoint that holds several things, or "".
        checkpoint: name of the file that the weights are of, without its folder; None where they
            are those that ``name`` stands for.
        random_seed: of random weights; None where they are none.
    """

    name: str
    module: nn.Module
    task: Task
    mean: tuple[float, ...]
    std: tuple[float, ...]
    revision: str | None = None
    multiple: int = SIZE_MULTIPLE
    note: str = ""
    checkpoint: str | None = None
    random_seed: int | None = None
    _fixed_macs: dict[tuple[int, int], int] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def wrap(cls, model: OwnNetwork, name: str = "") -> LoadedModel:
        """A network of ours, which says itself what its input and output are.

        Args:
            model: the network, not copied, for the first of its ``tasks``.
            name: as asked for.
        """
        config = model.config
        task = make_own_task(config, model.tasks[0])
        return cls(name, model, task, config.mean, config.std)

    @property
    def score(self) -> Score:
        """What its windows are ranked by unless told: what it was trained with, where known."""
        return self.module.config.score if isinstance(self.module, OwnNetwork) else "rms"

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that the network can do."""
        module = self.module
        return module.config.tasks if isinstance(module, OwnNetwork) else (self.task.name,)

    def for_task(self, name: str | None) -> LoadedModel:
        """The same network and weights, whose forward computes no more than a task needs.

        Both have one schedule: what sets that of one sets that of the other.

        Args:
            name: one of ``tasks``; None for what it does already.

        Raises:
            ModelError: a task that the network cannot do.
        """
        if name in (None, self.task.name):
            return self
        module = self.module
        if name not in self.tasks or not isinstance(module, OwnNetwork):
            raise ModelError(f"{self.name} does {', '.join(self.tasks)}, not {name!r}.")
        return replace(self, module=module.for_tasks(name), task=make_own_task(module.config, name))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return next(self.module.parameters()).dtype

    @property
    def depths(self) -> tuple[int, ...]:
        """Blocks per stage."""
        return get_depths(self.module)

    def choose_size(
        self,
        image: np.ndarray,
        short_side: int | None = None,
        max_pixels: int | None = MAX_NETWORK_PIXELS,
    ) -> Size:
        """The size (img_h, img_w) that a photo is fed to this network at.

        Args:
            image: (img_h, img_w, 3) uint8 RGB.
            short_side: wanted length of the shorter side, pixels; None keeps the photo's own.
            max_pixels: the photo is scaled down to have no more; None for no limit.

        Raises:
            ImageError: a short side below 1.
        """
        height, width = image.shape[:2]
        # A photo to restore that keeps its size loses pixels at its edges, but is not resampled.
        is_cut = short_side is None and isinstance(self.task, RestorationTask)
        return choose_size(height, width, short_side, self.multiple, max_pixels, is_cut)

    def explain_limit(self, image: np.ndarray, short_side: int | None = None) -> str:
        """One sentence if a photo is fed smaller than asked, as too many pixels were; else "".

        Args:
            image, short_side: as of :meth:`choose_size`.
        """
        if self.choose_size(image, short_side) == self.choose_size(image, short_side, None):
            return ""
        return (
            f"At most {MAX_NETWORK_PIXELS / 1e6:.1f} megapixels are fed to a network, so the photo "
            f"was made smaller than asked."
        )

    def resize(self, image: np.ndarray, size: Size) -> np.ndarray:
        """A photo at the size of :meth:`choose_size`: (h, w, 3) uint8."""
        fit = fit_photo if isinstance(self.task, RestorationTask) else resize_image
        return fit(image, size)

    def to_tensor(self, image: np.ndarray) -> Tensor:
        """Normalise a photo that has the input's size.

        Args:
            image: (img_h, img_w, 3) uint8 RGB.

        Returns:
            (1, 3, img_h, img_w) on the network's device, in its dtype.
        """
        return to_tensor(image, self.mean, self.std).to(self.device, self.dtype)

    def prepare(
        self,
        image: np.ndarray,
        short_side: int | None = None,
        max_pixels: int | None = MAX_NETWORK_PIXELS,
    ) -> Tensor:
        """Turn a photo into the network's input: sized, resized, normalised.

        Args:
            image, short_side, max_pixels: as of :meth:`choose_size`.

        Returns:
            (1, 3, img_h, img_w) on the network's device, in its dtype.

        Raises:
            ImageError: a short side below 1.
        """
        size = self.choose_size(image, short_side, max_pixels)
        return self.to_tensor(self.resize(image, size))

    def count_fixed_macs(self, image_size: tuple[int, int]) -> int:
        """Multiply-accumulates of one image outside the blocks, counted once for the latest sizes.

        Args:
            image_size: (img_h, img_w) pixels.
        """
        macs = self._fixed_macs.get(image_size)
        if macs is None:
            macs = self._fixed_macs[image_size] = count_fixed_macs(self.module, image_size)
            if len(self._fixed_macs) > _MOST_SIZES:
                del self._fixed_macs[next(iter(self._fixed_macs))]
        return macs

    def find_least_ratio(self, image_size: tuple[int, int], schedule: SparsitySchedule) -> float:
        """The least that the latency of one image at a schedule can be of that without pruning.

        Args:
            image_size: (img_h, img_w) pixels.
            schedule: layerwise sparsities.
        """
        fixed_macs = self.count_fixed_macs(image_size)
        return count_macs(self.module, image_size, schedule, fixed_macs).least_ratio
