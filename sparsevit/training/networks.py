"""Which network a run trains, and the weights it starts from."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from sparsevit.data.classes import STREET_CLASSES, ClassList
from sparsevit.data.things import KindList
from sparsevit.networks import find_own_checkpoints
from sparsevit.networks.segmenter import (
    CheckpointError,
    Segmenter,
    SegmenterConfig,
    load_segmenter,
    read_config,
)

#: Networks that can be built from nothing: 7 million parameters, and as many as Swin-T (28).
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "nano": {"embed_dim": 48, "num_heads": (2, 4, 8, 16), "head_dim": 80, "drop_path_rate": 0.1},
    "tiny": {"embed_dim": 96, "num_heads": (3, 6, 12, 24), "head_dim": 128, "drop_path_rate": 0.2},
}

_CLASSIFIER = "classifier."


def nano_config(classes: ClassList = STREET_CLASSES) -> SegmenterConfig:
    """The 7-million-parameter network this project ships."""
    return _build_config("nano", classes)


def choose_network(
    name: str, classes: ClassList, kinds: KindList | None = None
) -> tuple[SegmenterConfig, Path | None]:
    """Read what a person calls a network to train.

    Args:
        name: "nano", "tiny", the name of a checkpoint this project ships, or a .safetensors file.
        classes: what it will predict.
        kinds: of the things that it will tell apart; None for those it knows already.

    Returns:
        The network, and the checkpoint it starts from: None for random weights.

    Raises:
        CheckpointError: no such network, or a file that is not a segmenter's.
    """
    if name in ARCHITECTURES:
        return _set_kinds(_build_config(name, classes), kinds), None
    shipped = find_own_checkpoints()
    path = shipped.get(name, Path(name))
    if path.suffix != ".safetensors":
        known = ", ".join([*ARCHITECTURES, *sorted(shipped)])
        raise CheckpointError(
            f"There is no network {name!r} to train; there are {known}, and any .safetensors file "
            f"that training wrote."
        )
    config = read_config(path)
    config = replace(config, class_names=classes.names, palette=classes.palette)
    return _set_kinds(config, kinds), path


def load_start(model: Segmenter, path: Path) -> bool:
    """Copy a checkpoint's weights into a network of the same architecture.

    Args:
        model: changed in place; its classifier stays as it is where the classes differ.
        path: the checkpoint.

    Returns:
        True if the classifier was copied too.

    Raises:
        CheckpointError: a file that cannot be used, or another architecture.
    """
    start = load_segmenter(path)
    ours, theirs = asdict(model.config), asdict(start.config)
    free = (
        "class_names",
        "palette",
        "drop_path_rate",
        "kinds",
        "kind_classes",
        "kind_sizes",
        "score",
    )
    wrong = [name for name in ours if name not in free and ours[name] != theirs[name]]
    if wrong:
        raise CheckpointError(
            f"{path} holds another architecture: its {wrong[0]} is {theirs[wrong[0]]}, "
            f"and the network's is {ours[wrong[0]]}."
        )
    same_classes = model.config.class_names == start.config.class_names
    weights: dict[str, Tensor] = start.state_dict()
    if not same_classes:
        kept = {n: v for n, v in model.state_dict().items() if n.startswith(_CLASSIFIER)}
        weights = {**weights, **kept}
    same_kinds = model.config.kinds == start.config.kinds
    ours_now = model.state_dict()
    heads = ("centres.", "boxes.")
    weights = {
        n: weights[n] if n in weights and (same_kinds or not n.startswith(heads)) else v
        for n, v in ours_now.items()
    }
    model.load_state_dict(weights)
    return same_classes


def _set_kinds(config: SegmenterConfig, kinds: KindList | None) -> SegmenterConfig:
    if kinds is None:
        return config
    return replace(config, kinds=kinds.names, kind_classes=kinds.classes, kind_sizes=kinds.sizes)


def _build_config(name: str, classes: ClassList) -> SegmenterConfig:
    return SegmenterConfig(classes.names, classes.palette, **ARCHITECTURES[name])
