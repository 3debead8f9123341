"""How a step changes the weights: the optimisers, and the average of the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from sparsevit.training.config import TrainConfig


def build_optimizers(model: nn.Module, config: TrainConfig) -> list[Optimizer]:
    """AdamW, with no weight decay on norms, biases and relative position tables."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_plain = parameter.ndim < 2 or name.endswith("relative_position_bias_table")
        (plain if is_plain else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return [AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), fused=True)]


class MovingAverage:
    """Exponential moving average of a network's weights and buffers: better than the last ones."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Start at the weights as they are.

        Args:
            model: on its device for good; its tensors are followed in place.
            decay: weight of the past in each update; smaller over the first steps.
        """
        self._decay = decay
        self._current = model.state_dict()
        self.weights = {name: value.clone() for name, value in self._current.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after ``step`` steps."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, average in self.weights.items():
            if average.is_floating_point():
                average.lerp_(self._current[name], 1 - decay)
            else:  # counts
                average.copy_(self._current[name])

    def load(self, weights: dict[str, Tensor]) -> None:
        """Take up the average of an earlier sitting."""
        for name, value in self.weights.items():
            value.copy_(weights[name])
