"""The processes that train together, and the device of each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from sparsevit.networks import default_device
from sparsevit.package.extras import require
from sparsevit.training.config import TrainingError

if TYPE_CHECKING:
    from accelerate import Accelerator

_MOST_WORKERS = 8


def is_main_rank() -> bool:
    """True in the one process of several that talks; known before they have joined."""
    return int(os.environ.get("RANK", "0")) == 0


def join_ranks(name: str | None) -> tuple[torch.device, Accelerator]:
    """Join the processes that ``accelerate launch`` or ``torchrun`` started, if any.

    Args:
        name: cpu, cuda or cuda:N; None for a GPU if there is any. Of several processes each takes
            the GPU of its own number.

    Raises:
        TrainingError: there is no such device.
        MissingPackageError: accelerate is not installed.
    """
    require("accelerate", "Training", "train")
    from accelerate import Accelerator

    try:
        device = torch.device(name or default_device())
        # Its mixed precision would replace the network's forward, so that stays off: a step casts.
        ranks = Accelerator(cpu=device.type == "cpu", mixed_precision="no")
        if ranks.num_processes > 1:
            return ranks.device, ranks
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"Cannot train on the device {name}: {reason}") from error
    return device, ranks


def leave_ranks() -> None:
    """Part from the other processes, at the end of a program."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def count_workers(device: torch.device) -> int:
    """Background threads that make batches: one where training itself needs the processor."""
    if device.type == "cpu":
        return 1
    cores = os.cpu_count() or 1
    return max(1, min(_MOST_WORKERS, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


def supports_bf16(device: torch.device) -> bool:
    """True for a GPU that computes in bfloat16."""
    return device.type == "cuda" and torch.cuda.is_bf16_supported()
