"""A network that the zoo loaded."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from sparsevit.data.transforms import SIZE_MULTIPLE
from sparsevit.measure.cost import count_fixed_macs, count_macs
from sparsevit.patch import get_depths
from sparsevit.schedule import SparsitySchedule
from sparsevit.tasks import Task


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
    """

    name: str
    module: nn.Module
    task: Task
    mean: tuple[float, ...]
    std: tuple[float, ...]
    revision: str | None = None
    multiple: int = SIZE_MULTIPLE
    note: str = ""
    _fixed_macs: dict[tuple[int, int], int] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

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

    def count_fixed_macs(self, image_size: tuple[int, int]) -> int:
        """Multiply-accumulates of one image outside the blocks, counted once for every size.

        Args:
            image_size: (img_h, img_w) pixels.
        """
        if image_size not in self._fixed_macs:
            self._fixed_macs[image_size] = count_fixed_macs(self.module, image_size)
        return self._fixed_macs[image_size]

    def find_least_ratio(self, image_size: tuple[int, int], schedule: SparsitySchedule) -> float:
        """The least that the latency of one image at a schedule can be of that without pruning.

        Args:
            image_size: (img_h, img_w) pixels.
            schedule: layerwise sparsities.
        """
        fixed_macs = self.count_fixed_macs(image_size)
        return count_macs(self.module, image_size, schedule, fixed_macs).least_ratio
