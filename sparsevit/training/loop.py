"""The training loop, alone or as one of many processes that ``accelerate launch`` started.

Rank 0 tells the time, measures, logs and saves; all ranks hold equal weights.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from sparsevit.training.config import TrainConfig
from sparsevit.training.interrupts import Interrupted, InterruptGuard
from sparsevit.training.ranks import is_main_rank
from sparsevit.training.trainer import Progress, Trainer
from sparsevit.training.validation import Validator, find_validation

_LOG_EVERY = 20  # steps
_METRICS = {"miou": "mIoU", "psnr": "PSNR"}
_SMOOTHING = 0.9  # of the loss and the speed that the bar shows

Say = Callable[[str], None]


def train(
    config: TrainConfig,
    report: Callable[[Progress], None] | None = None,
    show_bar: bool = True,
) -> Path:
    """Train, or go on training if ``config.output`` holds the state of the same run.

    Args:
        config: the run.
        report: called after every step, in the main process.
        show_bar: draw a progress bar on standard error, and say there what happens.

    Returns:
        The checkpoint's path, which :func:`load_segmenter` reads. Beside it lie
        the log, the state to resume from, and dense.safetensors: the network before the adaptation.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the state was saved.
        DataError: data that cannot be read.
        CheckpointError: a checkpoint to start from that does not fit.
        TrainingError: a loss that is not a number, a state that cannot be resumed, a full disk.
    """
    show_bar = show_bar and is_main_rank()

    def say(text: str) -> None:
        if show_bar:
            tqdm.write(text, file=sys.stderr)

    with _flush_denormals(), InterruptGuard() as guard:
        trainer = Trainer(config, say=say)
        try:
            validator = _find_validator(trainer, say)
            with _Bar(trainer.fraction, show_bar, config.metric) as bar:
                while True:
                    fraction, is_stopped = trainer.sync_progress(guard.number is not None)
                    if is_stopped or fraction >= 1:
                        break
                    progress = trainer.run_step(fraction)
                    if trainer.is_main:
                        progress = _measure(trainer, validator, progress, say)
                        bar.show(progress)
                        _log_and_save(trainer, progress)
                        if report is not None:
                            report(progress)
        finally:
            trainer.close()
        trainer.save()
        trainer.ranks.wait_for_everyone()
    if fraction < 1:
        raise Interrupted(
            f"Stopped after step {trainer.step}, at {100 * fraction:.0f} % of the run; the state "
            f"is in {config.output}, and the same command goes on from there.",
            guard.number or signal.SIGTERM,
        )
    return trainer.folder.model_path


@contextmanager
def _flush_denormals() -> Iterator[None]:
    """exp(-100), of masked attention, is one: arithmetic with those is up to 50 times slower."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class _Bar:
    """The progress bar."""

    def __init__(self, fraction: float, is_shown: bool, metric: str) -> None:
        self._bar = tqdm(
            total=100.0,
            initial=100 * fraction,
            disable=not is_shown,
            mininterval=5.0,
            bar_format="{percentage:5.1f}%|{bar:20}| {elapsed}<{remaining}{postfix}",
        )
        self._loss: float | None = None
        self._rate = 0.0
        self._metric = metric
        self._accuracy = ""

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, progress: Progress) -> None:
        """Show how far the run is, and its recent loss and speed."""
        if self._loss is None:
            self._loss, self._rate = progress.loss, progress.images_per_s
        self._loss = _SMOOTHING * self._loss + (1 - _SMOOTHING) * progress.loss
        self._rate = _SMOOTHING * self._rate + (1 - _SMOOTHING) * progress.images_per_s
        if progress.accuracy is not None:
            self._accuracy = f"{_say_accuracy(self._metric, progress.accuracy)}, "
        words = f"step {progress.step}, loss {self._loss:.4g}, {self._accuracy}"
        self._bar.set_postfix_str(f"{words}{self._rate:.1f} images/s", refresh=False)
        self._bar.update(100 * progress.fraction - self._bar.n)


def _find_validator(trainer: Trainer, say: Say) -> Validator | None:
    if not trainer.is_main or not trainer.config.validate or trainer.fraction >= 1:
        return None
    pictures = find_validation(trainer.config)
    if pictures is None:
        say(f"No pictures are left to measure the {_METRICS[trainer.config.metric]} on.")
        return None
    metric = _METRICS[trainer.config.metric]
    say(f"The {metric} is measured on {pictures.count} pictures of {pictures.spec}.")
    return Validator(trainer.config, pictures, trainer.device, trainer.fraction)


def _measure(
    trainer: Trainer, validator: Validator | None, progress: Progress, say: Say
) -> Progress:
    if validator is None or not validator.is_due(progress.fraction, progress.elapsed_s):
        return progress
    accuracy = validator.measure(trainer.average.weights, progress.fraction)
    if accuracy is not None:
        words = _say_accuracy(trainer.config.metric, accuracy)
        say(f"{words} after step {progress.step}, {100 * progress.fraction:.0f} %")
    return replace(progress, accuracy=accuracy)


def _say_accuracy(metric: str, value: float) -> str:
    """ "mIoU 0.643" or "PSNR 33.21 dB"."""
    number = f"{value:.2f} dB" if metric == "psnr" else f"{value:.3f}"
    return f"{_METRICS[metric]} {number}"


def _log_and_save(trainer: Trainer, progress: Progress) -> None:
    """Log now and then, and save the state now and then."""
    accuracy = progress.accuracy
    if progress.step % _LOG_EVERY == 0 or accuracy is not None:
        trainer.folder.log(
            {
                "step": progress.step,
                "fraction": f"{progress.fraction:.4f}",
                "elapsed_s": f"{progress.elapsed_s:.1f}",
                "loss": f"{progress.loss:.6f}",
                **{name: f"{loss:.6f}" for name, loss in progress.losses.items()},
                "images_per_s": f"{progress.images_per_s:.2f}",
                "schedule": progress.schedule,
                trainer.config.metric: "" if accuracy is None else f"{accuracy:.4f}",
            }
        )
    if trainer.is_save_due():
        trainer.save()
