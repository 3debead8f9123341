"""Train a segmenter from nothing: dense first, then with a fresh random schedule each step.

The run is measured in wall-clock minutes, so it ends on time on a busy machine. Everything random
in a step is a function of (seed, step), so a resumed run goes on as if it had never stopped.
"""

from __future__ import annotations

import csv
import json
import math
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from sparsevit.data import streets
from sparsevit.data.batches import BatchMaker, Phase
from sparsevit.data.labelled import DataError, LabelledData, open_data
from sparsevit.patch import sparsify
from sparsevit.schedule import SparsitySchedule
from sparsevit.segmenter import Segmenter, SegmenterConfig, save_segmenter

STATE_FILE = "state.pt"
MODEL_FILE = "model.safetensors"
LOG_FILE = "log.csv"

_LOG_EVERY = 20  # steps


class TrainingError(RuntimeError):
    """Training cannot start or go on; the message says why and what was kept."""


#: Small crops first: they teach the colours and textures cheaply; large crops then teach context.
PHASES = (
    Phase(0.6, 16, (128, 128), (0.3, 1.2)),
    Phase(1.0, 8, (256, 256), (0.5, 2.0)),
)


def nano_config() -> SegmenterConfig:
    """The 7-million-parameter network this project ships, for the street classes."""
    return SegmenterConfig(
        class_names=streets.CLASS_NAMES[:-1],
        palette=tuple(tuple(map(int, colour)) for colour in streets.PALETTE[:-1]),  # type: ignore[misc]
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
        phases: crop sizes over the run.
        learning_rate: at the end of the warm-up; it then falls to 1 % of that on a cosine.
        weight_decay: of weights; none on norms, biases and relative position tables.
        clip_norm: largest gradient norm.
        ema_decay: of the averaged weights, which are what is saved.
        warmup: share of the run with a rising learning rate.
        adaptation: share at the end of the run that is trained under random schedules.
        seed: of everything random.
        save_minutes: time between two saved states.
    """

    output: Path
    data: tuple[tuple[str, float], ...]
    holdout: tuple[str, ...] | None = None
    minutes: float = 50.0
    steps: int | None = None
    model: SegmenterConfig = field(default_factory=nano_config)
    phases: tuple[Phase, ...] = PHASES
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    ema_decay: float = 0.998
    warmup: float = 0.03
    adaptation: float = 0.3
    seed: int = 0
    save_minutes: float = 3.0

    def __post_init__(self) -> None:
        if not self.data or any(share <= 0 for _, share in self.data):
            raise TrainingError("Training needs data, each with a share above 0.")
        if self.minutes <= 0 or (self.steps is not None and self.steps < 1):
            raise TrainingError("A training run needs minutes above 0 or at least one step.")
        if not self.phases or any(
            p.batch_size < 1 or p.size[0] % 32 or p.size[1] % 32 for p in self.phases
        ):
            raise TrainingError("Crop sizes are multiples of 32, and a batch has a picture.")


@dataclass(frozen=True)
class Progress:
    """What one step reports.

    Attributes:
        step: steps done so far.
        fraction: of the run, 0..1.
        elapsed_s: seconds of training, earlier sittings included.
        loss: of this step.
        images_per_s: of this step.
        schedule: the one this step was trained under.
    """

    step: int
    fraction: float
    elapsed_s: float
    loss: float
    images_per_s: float
    schedule: SparsitySchedule


class Trainer:
    """The state of a run; :func:`train` drives it."""

    def __init__(self, config: TrainConfig, clock: Callable[[], float] = time.monotonic) -> None:
        """Build the network, or take up the state found in ``config.output``.

        Raises:
            DataError: data that cannot be read, or whose classes are not the network's.
            TrainingError: the state found there belongs to a different run or cannot be read.
        """
        self.config = config
        self._clock = clock
        torch.manual_seed(config.seed)
        self.model = Segmenter(config.model).train()
        self.optimizer = torch.optim.AdamW(
            _group_parameters(self.model, config.weight_decay), lr=config.learning_rate, fused=True
        )
        self.ema = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.step = 0
        self._earlier_s = 0.0
        shares = [share for _, share in config.data]
        self.batches = BatchMaker(_open_all(config), shares, config.phases, config.seed)
        if (config.output / STATE_FILE).exists():
            self._load_state()
        self._mean = torch.tensor(config.model.mean).view(1, 3, 1, 1) * 255
        self._std = torch.tensor(config.model.std).view(1, 3, 1, 1) * 255
        self._weights = self.batches.class_weights()
        self._start = clock()

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, earlier sittings included."""
        return self._earlier_s + self._clock() - self._start

    @property
    def fraction(self) -> float:
        """How much of the run is done, 0..1."""
        if self.config.steps is not None:
            return min(1.0, self.step / self.config.steps)
        return min(1.0, self.elapsed_s / (60 * self.config.minutes))

    def run_step(self) -> Progress:
        """Train one step.

        Raises:
            TrainingError: the loss or the gradient is not a number; nothing was changed.
        """
        config, fraction, began = self.config, self.fraction, self._clock()
        phase = next(
            (i for i, p in enumerate(config.phases) if fraction < p.until), len(config.phases) - 1
        )
        pixels, labels = self.batches.get(self.step, phase)
        torch.manual_seed(config.seed * 1_000_003 + self.step)  # drop path
        schedule = self._set_schedule(fraction)
        logits = self.model((pixels - self._mean) / self._std)
        loss = segmentation_loss(logits, labels, self._weights)
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
        if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
            raise TrainingError(
                f"The loss or its gradient is not a number at step {self.step}; the last good "
                f"state is in {config.output}. Try a smaller learning rate."
            )
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * _lr_factor(fraction, config.warmup)
        self.optimizer.step()
        self.step += 1
        self._average()
        rate = len(labels) / max(1e-9, self._clock() - began)
        return Progress(self.step, self.fraction, self.elapsed_s, loss.item(), rate, schedule)

    def save(self) -> None:
        """Write the state to resume from and the averaged weights, each as a whole."""
        folder = self.config.output
        folder.mkdir(parents=True, exist_ok=True)
        elapsed_s = self.elapsed_s
        state = {
            "run": _describe_run(self.config),
            "model": self.model.state_dict(),
            "ema": self.ema,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "elapsed_s": elapsed_s,
        }
        partial = folder / f"{STATE_FILE}.partial"
        torch.save(state, partial)
        partial.replace(folder / STATE_FILE)
        averaged = Segmenter(self.config.model)
        averaged.load_state_dict(self.ema)
        info = {
            "data": json.dumps(self.config.data),
            "holdout": json.dumps(self.config.holdout),
            "steps": str(self.step),
            "minutes": f"{elapsed_s / 60:.1f}",
        }
        save_segmenter(averaged, folder / MODEL_FILE, info)

    def _load_state(self) -> None:
        path = self.config.output / STATE_FILE
        try:
            state = torch.load(path, weights_only=True)
        except Exception as error:  # torch.load raises many kinds
            raise TrainingError(f"Cannot read {path}; delete it to start again.") from error
        if state["run"] != _describe_run(self.config):
            raise TrainingError(
                f"{path} belongs to a run with other settings; delete it or use another folder."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.ema = state["ema"]
        self.step, self._earlier_s = state["step"], state["elapsed_s"]

    def _set_schedule(self, fraction: float) -> SparsitySchedule:
        depths = self.config.model.depths
        if fraction < 1 - self.config.adaptation:  # the host's own forward trains faster
            return SparsitySchedule.parse(0.0, depths)
        rng = random.Random(f"{self.config.seed} {self.step}")
        schedule = SparsitySchedule.random(depths, rng)
        sparsify(self.model, schedule)
        return schedule

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.ema[name].lerp_(value, 1 - decay)
            else:
                self.ema[name].copy_(value)


def train(
    config: TrainConfig,
    report: Callable[[Progress], None] | None = None,
    show_bar: bool = True,
) -> Path:
    """Train, or go on training if ``config.output`` holds the state of the same run.

    Interrupting it (Ctrl-C) saves the state and returns normally.

    Args:
        config: the run.
        report: called after every step.
        show_bar: draw a progress bar on standard error.

    Returns:
        The checkpoint's path, which :func:`sparsevit.segmenter.load_segmenter` reads.

    Raises:
        DataError: data that cannot be read.
        TrainingError: a loss that is not a number, or a state that cannot be resumed.
    """
    trainer = Trainer(config)
    saved_s = trainer.elapsed_s
    bar = tqdm(
        total=100.0,
        initial=100 * trainer.fraction,
        disable=not show_bar,
        mininterval=5.0,
        bar_format="{percentage:5.1f}%|{bar:20}| {elapsed}<{remaining}{postfix}",
    )
    try:
        while trainer.fraction < 1:
            progress = trainer.run_step()
            bar.set_postfix_str(
                f"step {progress.step}, loss {progress.loss:.3f}, "
                f"{progress.images_per_s:.1f} images/s",
                refresh=False,
            )
            bar.update(100 * progress.fraction - bar.n)
            if progress.step % _LOG_EVERY == 0:
                _log(config.output / LOG_FILE, progress)
            if report is not None:
                report(progress)
            if trainer.elapsed_s - saved_s > 60 * config.save_minutes:
                trainer.save()
                saved_s = trainer.elapsed_s
    except KeyboardInterrupt:
        pass
    finally:
        bar.close()
        trainer.batches.close()
    trainer.save()
    return config.output / MODEL_FILE


def segmentation_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Class-weighted cross entropy at half of the picture's resolution.

    Args:
        logits: (B, classes, h / 4, w / 4).
        labels: (B, h, w) integer; ``classes`` is void and ignored.
        weights: (classes,).

    Returns:
        A scalar; 0 when every label is void.
    """
    scores = F.interpolate(logits, scale_factor=2, mode="bilinear")
    target = labels[:, 1::2, 1::2].long()
    total = F.cross_entropy(scores, target, weights, ignore_index=logits.shape[1], reduction="sum")
    known = target[target < logits.shape[1]]
    return total / weights[known].sum().clamp(min=1.0)


def _open_all(config: TrainConfig) -> list[LabelledData]:
    opened: list[LabelledData] = []
    for spec, _ in config.data:
        data = open_data(spec, "train", config.holdout)
        if data.class_names[:-1] != config.model.class_names:
            raise DataError(f"The classes of {spec} are not the classes of the network.")
        opened.append(data)
    return opened


def _lr_factor(fraction: float, warmup: float) -> float:
    if fraction < warmup:
        return max(0.01, fraction / warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * (fraction - warmup) / max(1e-9, 1 - warmup)))
    return 0.01 + 0.99 * cosine


def _group_parameters(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_plain = parameter.ndim < 2 or name.endswith("relative_position_bias_table")
        (plain if is_plain else decayed).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]


def _describe_run(config: TrainConfig) -> str:
    """Say what must not change between two sittings of one run."""
    settings = asdict(config)
    for name in ("output", "save_minutes"):
        del settings[name]
    return json.dumps(settings, sort_keys=True)


def _log(path: Path, progress: Progress) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["step", "fraction", "elapsed_s", "loss", "images_per_s", "schedule"])
        rounded = (f"{progress.fraction:.4f}", f"{progress.elapsed_s:.1f}")
        speed = (f"{progress.loss:.4f}", f"{progress.images_per_s:.2f}")
        writer.writerow([progress.step, *rounded, *speed, progress.schedule])
