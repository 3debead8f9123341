"""What each of two processes does for test_training_ranks.py; started by ``accelerate launch``.

Writes rank0.pt and rank1.pt into the folder named on the command line.
"""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from training_support import KINDS_MODEL, Recorder, make_batch, make_config

from sparsevit.training import Interrupted, Trainer, leave_ranks, train


def main(folder: Path) -> None:
    """Compute one gradient, then train 4 steps, stop, and go on to the end."""
    torch.set_num_threads(1)
    config = make_config(folder, model=KINDS_MODEL, validate=0.5)
    found: dict[str, object] = {}

    trainer = Trainer(replace(config, output=folder / "gradient"))
    rank = trainer.ranks.process_index
    found["count"] = trainer.ranks.num_processes
    given = torch.load(folder / "given.pt", weights_only=True)
    trainer.model.eval()  # statistics of a batch would differ between one process and two
    half = slice(4 * rank, 4 * rank + 4)
    found["loss"] = sum(trainer.compute_gradients(make_batch(given, half)).values())
    found["gradients"] = [parameter.grad for parameter in trainer.model.parameters()]
    found["batch"] = trainer.course.batches.get(0, 0).images
    trainer.close()

    def stop() -> None:
        if rank == 1:  # the one that neither saves nor tells the time
            signal.raise_signal(signal.SIGTERM)

    trainers: list[Trainer] = []
    run_step = Trainer.run_step

    def follow(self: Trainer, fraction: float) -> object:
        progress = run_step(self, fraction)
        trainers[:] = [self]
        if progress.step == 4:
            stop()
        return progress

    Trainer.run_step = follow  # type: ignore[method-assign, assignment]
    try:
        train(config, show_bar=False)
    except Interrupted as stopped:
        found["stopped"] = (trainers[0].step, int(stopped.number))
    report = Recorder()
    train(config, report, show_bar=False)
    found["reported"] = [progress.step for progress in report.seen]
    found["measured"] = [progress.accuracy is not None for progress in report.seen]
    found["weights"] = [parameter.detach() for parameter in trainers[0].model.parameters()]

    with torch.no_grad():
        trainer = Trainer(replace(config, output=folder / "nan"))
        if rank == 1:
            trainer.model.classifier.bias.fill_(float("nan"))
    try:
        run_step(trainer, 0.0)
    except RuntimeError as error:
        found["error"] = str(error)
    trainer.close()
    torch.save(found, folder / f"rank{rank}.pt")
    leave_ranks()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
