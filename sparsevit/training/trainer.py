"""One run in one process: its network, its data, what a step does, what is saved and resumed.

Everything random in a step is a function of (seed, step, rank), so a resumed run goes on as if it
had never stopped.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparsevit.core.stage import run_as_host
from sparsevit.data.batches import Batch
from sparsevit.networks.own import OwnNetwork, build_own
from sparsevit.networks.segmenter import Segmenter
from sparsevit.patch import sparsify
from sparsevit.schedule import SparsitySchedule
from sparsevit.training.config import TrainConfig, TrainingError
from sparsevit.training.courses import begin_course
from sparsevit.training.folder import RunFolder
from sparsevit.training.networks import load_start
from sparsevit.training.optimisation import (
    MovingAverage,
    build_optimizers,
)
from sparsevit.training.ranks import join_ranks, supports_bf16

_NORM_BATCHES = 200  # after so many a batch norm has statistics


@dataclass(frozen=True)
class Progress:
    """What one step reports.

    Attributes:
        step: steps done so far.
        fraction: of the run, 0..1.
        elapsed_s: seconds of training, earlier sittings included.
        loss: of this step, over the batches of all processes.
        losses: what it is the sum of, weighted, by name.
        images_per_s: of this step, by all processes.
        schedule: the one this step was trained under.
        accuracy: of the averaged weights, if it was measured after this step: mIoU, 0..1, or PSNR,
            dB, as :attr:`TrainConfig.metric` says.
    """

    step: int
    fraction: float
    elapsed_s: float
    loss: float
    losses: dict[str, float]
    images_per_s: float
    schedule: SparsitySchedule
    accuracy: float | None = None


class Trainer:
    """The state of a run; :func:`train` drives it."""

    def __init__(
        self,
        config: TrainConfig,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Build the network, or take up the state found in ``config.output``.

        Args:
            config: the run.
            clock: seconds.
            say: told what a person may want to know.

        Raises:
            DataError: data that cannot be read, or whose classes are not the network's.
            CheckpointError: a checkpoint to start from that does not fit.
            TrainingError: the state found there belongs to a different run or cannot be read.
        """
        self.config = config
        self._clock = clock
        self.device, self.ranks = join_ranks(config.device)
        from accelerate.utils import broadcast_object_list  # of an extra; join_ranks has checked

        self.folder = RunFolder(config.output, config.describe_run(), config.metric)
        if self.is_main:
            self.folder.create()
        torch.manual_seed(config.seed)
        model = build_own(config.model)
        if isinstance(model, Segmenter):
            model = model.for_tasks(*config.model.tasks)
        model.train()
        found = [self.folder.read_state() if self.is_main else None]
        state: dict[str, Any] | None = broadcast_object_list(found)[0]
        if state is None and self.is_main:
            self.folder.clear()
        if state is not None:
            model.load_state_dict(state["model"])
        elif config.start is not None:
            for note in load_start(model, config.start):
                say(note)
        self.model = model.to(self.device)
        # What a step runs: the model itself, or what averages its gradients over the processes.
        self.network: nn.Module = self.ranks.prepare_model(self.model, device_placement=False)
        self._parameters = list(self.model.parameters())
        self.optimizers = build_optimizers(self.model, config)
        self.average = MovingAverage(self.model, config.ema_decay)
        self.step = 0
        self._earlier_s = 0.0
        if state is not None:
            self._resume(state)
        self._finetune_schedule = SparsitySchedule.parse(
            config.finetune_schedule or 0.0, config.model.depths
        ).check_linked()
        self.course = begin_course(config, self.device, self.ranks.process_index, say)
        wants_bf16 = config.precision == "bf16"
        self._bf16 = supports_bf16(self.device) if config.precision is None else wants_bf16
        self._mean, self._std = (
            torch.tensor(values, device=self.device).view(1, 3, 1, 1) * 255
            for values in (config.model.mean, config.model.std)
        )
        self._start = clock()
        self._saved_s = self.elapsed_s

    @property
    def is_main(self) -> bool:
        """True in the one process that saves, measures and talks."""
        return bool(self.ranks.is_main_process)

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, earlier sittings included."""
        return self._earlier_s + self._clock() - self._start

    @property
    def fraction(self) -> float:
        """How much of the run is done by this process's clock, 0..1."""
        if self.config.steps is not None:
            return min(1.0, self.step / self.config.steps)
        return min(1.0, self.elapsed_s / (60 * self.config.minutes))

    def sync_progress(self, wants_to_stop: bool = False) -> tuple[float, bool]:
        """Settle with all processes how far the run is, and whether to stop.

        Args:
            wants_to_stop: this process was asked to stop.

        Returns:
            The main process's progress, 0..1, and whether any process wants to stop.
        """
        mine = (self.fraction if self.is_main else 0.0, float(wants_to_stop))
        fraction, wishes = self._sum_over_ranks(torch.tensor(mine, dtype=torch.float64)).tolist()
        return fraction, wishes > 0

    def run_step(self, fraction: float) -> Progress:
        """Train one step.

        Args:
            fraction: progress that all processes agreed on, 0..1.

        Raises:
            DataError: a picture that cannot be used.
            TrainingError: the loss or the gradient is not a number; no weight was changed.
        """
        config, began = self.config, self._clock()
        if config.find_part(0.0) == "dense" != config.find_part(fraction):
            self._save_dense()
        phase = config.find_phase(fraction)
        batch = self.course.batches.get(self.step, phase)
        self._set_mode(freeze_norms=config.start is not None and config.phases[phase].is_single)
        schedule = self._set_schedule(fraction)
        seeds = np.random.SeedSequence([config.seed, self.step, self.ranks.process_index])
        torch.manual_seed(int(seeds.generate_state(1)[0]))  # drop path
        losses = self.compute_gradients(
            batch,
            distils=self._draws_distillation(fraction),
        )
        loss = sum(losses.values())
        norm = nn.utils.clip_grad_norm_(self._parameters, config.clip_norm)
        if not math.isfinite(loss + norm.item()):
            raise TrainingError(
                f"The loss or its gradient is not a number at step {self.step}; the last good "
                f"state is what was last saved in {config.output}. Start anew from its checkpoint, "
                f"or from none, with a smaller learning rate."
            )
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = config.find_rate(fraction)
            optimizer.step()
        self.step += 1
        self.average.update(self.step)
        images = len(batch.images) * self.ranks.num_processes
        rate = images / max(1e-9, self._clock() - began)
        return Progress(self.step, self.fraction, self.elapsed_s, loss, losses, rate, schedule)

    def compute_gradients(self, batch: Batch, *, distils: bool = False) -> dict[str, float]:
        """Leave in every parameter the gradient of the loss over all processes' batches.

        Args:
            batch: of this process.
            distils: run dense as well, and let the sparse output learn from its.

        Returns:
            The losses over all processes' batches by name, weighted.
        """
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        batch = batch.to(self.device)
        images = (batch.images - self._mean) / self._std
        dense = None
        if distils:
            with run_as_host():
                dense = self._run(images)
            self._backward(self._weigh_losses(dense, batch))
        sparse = self._run(images)
        losses = self._weigh_losses(sparse, batch)
        if dense is not None:
            losses["distillation"] = self.course.distil(sparse, dense) / self.ranks.num_processes
        self._backward(losses)
        return {name: self._sum_over_ranks(loss).item() for name, loss in losses.items()}

    def _run(self, images: Tensor) -> dict[str, Tensor]:
        """What the network outputs by name, float32."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            found = self.network(images)
        outputs = found if isinstance(found, dict) else {self.course.output: found}
        return {name: output.float() for name, output in outputs.items()}

    def _weigh_losses(self, outputs: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """This process's part of each loss: over all processes it is a mean over what counts."""
        losses = self.course.compute_losses(outputs, batch)
        weights = dict(self.config.loss_weights)
        return {
            name: weights.get(name, 1.0) * total / self._sum_over_ranks(count).clamp(min=1.0)
            for name, (total, count) in losses.items()
        }

    def _backward(self, losses: dict[str, Tensor]) -> None:
        loss = torch.stack(list(losses.values())).sum()
        self.ranks.backward(loss * self.ranks.num_processes)  # gradients are averaged, not summed

    def is_save_due(self) -> bool:
        """True when the last save, or the start, is long ago."""
        return self.elapsed_s - self._saved_s > 60 * self.config.save_minutes

    def save(self) -> None:
        """Write the state to resume from and the averaged weights, if this is the main process.

        Raises:
            TrainingError: they cannot be written; what was saved before is intact.
        """
        if not self.is_main:
            return
        elapsed_s = self._saved_s = self.elapsed_s
        state = {
            "model": self.model.state_dict(),
            "average": self.average.weights,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "elapsed_s": elapsed_s,
        }
        self.folder.save(state, *self._average_network())

    def close(self) -> None:
        """Stop the background threads."""
        self.course.batches.close()

    def _save_dense(self) -> None:
        """Keep the averaged weights as the dense part leaves them, to compare with."""
        if self.is_main and not self.folder.dense_path.exists():
            self.folder.save_dense(*self._average_network())

    def _average_network(self) -> tuple[OwnNetwork, dict[str, str]]:
        averaged = build_own(self.config.model)
        averaged.load_state_dict(self.average.weights)
        info = {
            "data": self.config.describe_data(),
            "holdout": json.dumps(self.config.holdout),
            "steps": str(self.step),
            "minutes": f"{self.elapsed_s / 60:.1f}",
        }
        return averaged, info

    def _resume(self, state: dict[str, Any]) -> None:
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.average.load(state["average"])
        self.step, self._earlier_s = state["step"], state["elapsed_s"]
        if self.is_main:
            self.folder.cut_log(self.step)

    def _set_mode(self, freeze_norms: bool) -> None:
        """Train; batch norms that have statistics keep them where a step has but one picture."""
        self.model.train()
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                # Asked only where it matters: a GPU has to finish its work to answer.
                is_frozen = freeze_norms and int(module.num_batches_tracked or 0) >= _NORM_BATCHES
                module.train(not is_frozen)

    def _draws_distillation(self, fraction: float) -> bool:
        """Whether this step also runs dense; the same in every process."""
        share = self.config.distillation
        chance = random.Random(f"distillation {self.config.seed} {self.step}").random()
        return chance < share and self.config.find_part(fraction) == "adaptation"

    def _set_schedule(self, fraction: float) -> SparsitySchedule:
        depths, part = self.config.model.depths, self.config.find_part(fraction)
        if part == "dense":  # the host's own forward trains faster
            return SparsitySchedule.parse(0.0, depths)
        schedule = self._finetune_schedule
        if part == "adaptation":
            rng = random.Random(f"{self.config.seed} {self.step}")
            schedule = SparsitySchedule.random(depths, rng)
        sparsify(self.model, schedule, score=self.config.model.score)
        return schedule

    def _sum_over_ranks(self, value: Tensor) -> Tensor:
        total: Tensor = self.ranks.reduce(value.detach().to(self.device), "sum")
        return total
