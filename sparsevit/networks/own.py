"""Our own networks: one that sees streets, and one that restores photos."""

from __future__ import annotations

from pathlib import Path

from sparsevit.networks.checkpoint import OwnConfig, load_weights, read_checkpoint
from sparsevit.networks.restorer import Restorer
from sparsevit.networks.restorer_config import RestorerConfig
from sparsevit.networks.scene_outputs import make_task as make_scene_task
from sparsevit.networks.segmenter import Segmenter
from sparsevit.tasks import Task
from sparsevit.tasks.restoration import RestorationTask

OwnNetwork = Segmenter | Restorer


def build_own(config: OwnConfig) -> OwnNetwork:
    """A network with random weights, for its first task."""
    return Restorer(config) if isinstance(config, RestorerConfig) else Segmenter(config)


def load_own(path: str | Path) -> OwnNetwork:
    """Read a checkpoint of one of our networks. Nothing in the file is ever executed.

    Args:
        path: a .safetensors file that training wrote.

    Returns:
        The network in float32 and evaluation mode, on the CPU.

    Raises:
        CheckpointError: no such file, not safetensors, cut short, not one of our networks, or
            weights that do not fit the configuration.
    """
    config, tensors = read_checkpoint(path)
    model = build_own(config)
    load_weights(model, path, tensors)
    return model.eval()


def make_own_task(config: OwnConfig, name: str) -> Task:
    """What a network's output means.

    Args:
        config: of the network.
        name: one of ``config.tasks``.
    """
    if isinstance(config, RestorerConfig):
        return RestorationTask(config.degradation, config.scale, name)
    return make_scene_task(config, name)
