"""What a training run is asked to do."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from sparsevit.data.batches import Phase
from sparsevit.data.labelled import name_data
from sparsevit.networks.checkpoint import OwnConfig
from sparsevit.networks.restorer_config import RestorerConfig
from sparsevit.networks.segmenter_config import SegmenterConfig
from sparsevit.package.choices import Precision
from sparsevit.schedule import SparsitySchedule
from sparsevit.training.networks import nano_config

#: Settings that may change between two sittings of one run.
_FREE = ("output", "save_minutes", "device", "precision", "validate")

#: What a step can make smaller.
LOSSES = ("classes", "centres", "offsets", "boxes", "pixels")

_LAST_RATE = 0.01  # learning rate at both ends of a part, of its height
_ROUNDING = 1e-9  # of sums of shares


class TrainingError(RuntimeError):
    """Training cannot start or go on; the message says why and what was kept."""


def make_phases(
    crop: int | tuple[int, int] = 256,
    batch_size: int = 8,
    scales: tuple[float, float] = (0.5, 2.5),
) -> tuple[Phase, ...]:
    """Small crops first: they teach colours and textures cheaply; large ones then teach context.

    Args:
        crop: side of the first crops, pixels, a multiple of 32; the later ones are half as large
            again. Or (height, width) of every crop of the run, to train on whole pictures.
        batch_size: number of the first crops in a step; half as many of the later.
        scales: smallest and largest factor by which a picture is resized before it is cut.
    """
    if isinstance(crop, tuple):
        return (Phase(1.0, batch_size, crop, scales),)
    large = (3 * crop + 63) // 64 * 32
    return (
        Phase(0.5, batch_size, (crop, crop), scales),
        Phase(1.0, max(1, batch_size // 2), (large, large), scales),
    )


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        output: folder for the checkpoint, the log and the state to resume from.
        data: specs of :func:`sparsevit.data.labelled.open_data`, each with its share of the crops.
        holdout: sequences that are never trained on; None for the data set's own choice.
        minutes: length of the run, the time before a resume included.
        steps: if given, length in steps instead of minutes.
        model: the network.
        start: checkpoint whose weights the run starts from; None for random weights.
        phases: crop sizes over the run.
        learning_rate: at the end of the warm-up; see :meth:`find_rate`.
        weight_decay: of weights; none on norms, biases and relative position tables.
        clip_norm: largest gradient norm.
        ema_decay: of the averaged weights, which are what is saved.
        warmup: share of the run with a rising learning rate, in each part anew.
        adaptation: share of the run that is trained under random schedules, after the dense part.
        distillation: share of the steps under random schedules that also run dense, from whose
            output the sparse one learns.
        loss_weights: of the losses "classes", "centres", "offsets" and "boxes"; 1 for those that
            are not named.
        finetune: share at the end of the run that is trained under ``finetune_schedule``.
        finetune_schedule: the schedule of that last part; None for no such part.
        seed: of everything random.
        precision: of the arithmetic; None for bf16 on a GPU that has it, else fp32.
        device: cpu, cuda or cuda:N; None for a GPU if there is any.
        validate: share of the run between two measurements of the mIoU; 0 for none.
        save_minutes: time between two saved states.
    """

    output: Path
    data: tuple[tuple[str, float], ...]
    holdout: tuple[str, ...] | None = None
    minutes: float = 50.0
    steps: int | None = None
    model: OwnConfig = field(default_factory=nano_config)
    start: Path | None = None
    phases: tuple[Phase, ...] = make_phases()
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    ema_decay: float = 0.998
    warmup: float = 0.03
    adaptation: float = 0.3
    distillation: float = 0.0
    loss_weights: tuple[tuple[str, float], ...] = ()
    finetune: float = 0.1
    finetune_schedule: SparsitySchedule | None = None
    seed: int = 0
    precision: Precision | None = None
    device: str | None = None
    validate: float = 0.05
    save_minutes: float = 3.0

    def __post_init__(self) -> None:
        if not self.data or not all(0 < share < float("inf") for _, share in self.data):
            raise TrainingError("Training needs data, each with a share above 0.")
        if isinstance(self.model, SegmenterConfig) and self.model.num_classes < 2:
            raise TrainingError(
                f"{self.model.class_names[0]} is the only class, so there is nothing to tell it "
                f"from; name what is not {self.model.class_names[0]} as a class, too."
            )
        if not self.minutes > 0 or (self.steps is not None and self.steps < 1):
            raise TrainingError("A training run needs minutes above 0 or at least one step.")
        if not self.phases or not all(map(_can_run, self.phases)):
            raise TrainingError(
                "Crop sizes are multiples of 32, and a batch has a picture, or two if a crop has "
                "only 32 x 32 pixels; pictures are resized by factors above 0, the smaller first."
            )
        if not 0 < self.learning_rate < float("inf"):
            raise TrainingError(f"The learning rate is above 0, not {self.learning_rate}.")
        if not 0 <= self.validate <= 1:
            raise TrainingError("Validation comes after a share of the run from 0 to 1.")
        if not 0 <= self.distillation <= 1:
            raise TrainingError(
                f"Distillation is a share of steps from 0 to 1, not {self.distillation}."
            )
        for name, weight in self.loss_weights:
            if name not in LOSSES or not 0 <= weight < float("inf"):
                raise TrainingError(
                    f"Losses are {', '.join(LOSSES)}, each with a weight of 0 or more, not "
                    f"{name}={weight:g}."
                )
        if not any({**dict.fromkeys(LOSSES, 1.0), **dict(self.loss_weights)}.values()):
            raise TrainingError("Every loss has a weight of 0, so nothing would be learned.")
        shares = (self.adaptation, self.finetune_share)
        if min(shares) < 0 or sum(shares) > 1 + _ROUNDING:
            raise TrainingError(
                f"Adaptation ({shares[0]:g}) and fine-tune ({shares[1]:g}) are shares of the run "
                f"from 0 to 1, and together at most 1."
            )

    @property
    def metric(self) -> Literal["miou", "psnr"]:
        """What is measured now and then: the number's name in results."""
        return "psnr" if isinstance(self.model, RestorerConfig) else "miou"

    @property
    def finetune_share(self) -> float:
        """Share of the run trained under one schedule: 0 when none is given."""
        return 0.0 if self.finetune_schedule is None else self.finetune

    def find_part(self, fraction: float) -> Literal["dense", "adaptation", "finetune"]:
        """What is trained at a progress of 0..1."""
        left = 1 - fraction - _ROUNDING
        if left <= self.finetune_share and self.finetune_schedule is not None:
            return "finetune"
        return "adaptation" if left <= self.finetune_share + self.adaptation else "dense"

    def find_rate(self, fraction: float) -> float:
        """Learning rate at a progress of 0..1.

        Each part rises on a line and then falls to 1 % of its height on a cosine, so the dense part
        ends as a network of its own. The later parts start lower: they only adapt it.
        """
        dense = 1 - self.adaptation - self.finetune_share
        height, begin, length = {
            "dense": (1.0, 0.0, dense),
            "adaptation": (0.3, dense, self.adaptation),
            "finetune": (0.1, 1 - self.finetune_share, self.finetune_share),
        }[self.find_part(fraction)]
        done = max(0.0, fraction - begin)
        rise = min(1.0, done / self.warmup) if self.warmup else 1.0
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done / length)))
        return self.learning_rate * height * max(_LAST_RATE, rise * cosine)

    def find_phase(self, fraction: float) -> int:
        """Index of the phase at a progress of 0..1."""
        later = (i for i, phase in enumerate(self.phases) if fraction < phase.until)
        return next(later, len(self.phases) - 1)

    def describe_run(self) -> str:
        """What must not change between two sittings of one run, as JSON."""
        settings = {name: value for name, value in asdict(self).items() if name not in _FREE}
        return json.dumps(settings, sort_keys=True, default=str)

    def describe_data(self) -> str:
        """The data and its shares for a checkpoint's notes, without anybody's folders."""
        return ", ".join(f"{name_data(spec)}={share:g}" for spec, share in self.data)


def _can_run(phase: Phase) -> bool:
    height, width = phase.size
    # Batch norm needs two values of the coarsest level, whose stride is 32.
    has_values = phase.batch_size >= 1 and phase.batch_size * height * width >= 2 * 32**2
    has_scales = 0 < phase.scales[0] <= phase.scales[1] < float("inf")
    is_whole = min(height, width) >= 32 and height % 32 == width % 32 == 0
    return has_values and has_scales and is_whole
