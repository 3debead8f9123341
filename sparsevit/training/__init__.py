"""Train segmenters: dense, then under random schedules, then under one of your choice."""

from sparsevit.training.config import TrainConfig, TrainingError, make_phases
from sparsevit.training.interrupts import Interrupted
from sparsevit.training.loop import train
from sparsevit.training.networks import choose_network, nano_config
from sparsevit.training.ranks import leave_ranks
from sparsevit.training.trainer import Progress, Trainer

__all__ = [
    "Interrupted",
    "Progress",
    "TrainConfig",
    "Trainer",
    "TrainingError",
    "choose_network",
    "leave_ranks",
    "make_phases",
    "nano_config",
    "train",
]
