"""Which network a run trains, and the weights it starts from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from sparsevit.data.classes import STREET_CLASSES, ClassList
from sparsevit.data.kinds import KindList
from sparsevit.data.labelled import DataError, open_data
from sparsevit.networks import find_own_checkpoints
from sparsevit.networks.checkpoint import CheckpointError, OwnConfig, read_config
from sparsevit.networks.own import OwnNetwork, load_own
from sparsevit.networks.restorer_config import Degradation, RestorerConfig
from sparsevit.networks.segmenter import Segmenter
from sparsevit.networks.segmenter_config import SegmenterConfig

#: Networks that can be built from nothing: 7 million parameters, and as many as Swin-T (28).
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "nano": {"embed_dim": 48, "num_heads": (2, 4, 8, 16), "head_dim": 80, "drop_path_rate": 0.1},
    "tiny": {"embed_dim": 96, "num_heads": (3, 6, 12, 24), "head_dim": 128, "drop_path_rate": 0.2},
}

#: Heads of a segmenter, and what must be the same for one to have the weights of another.
_HEADS = {
    "classifier": ("class_names",),
    "centres": ("kinds",),
    "boxes": ("kinds", "kind_sizes"),
}
#: What may differ between a network and the checkpoint that it starts from.
_FREE = (
    *("class_names", "palette", "drop_path_rate", "score"),
    *("kinds", "kind_classes", "kind_sizes"),
)


#: Restorers that can be built from nothing, of 0.2, 0.4 and 1.0 million parameters.
RESTORERS: dict[str, dict[str, Any]] = {
    "narrow": {"dim": 40, "num_heads": 4},
    "light": {"dim": 64, "num_heads": 4},
    "wide": {"dim": 96, "num_heads": 6},
}


def nano_config(classes: ClassList = STREET_CLASSES) -> SegmenterConfig:
    """The 7-million-parameter network this project ships."""
    return _build_config("nano", classes)


def find_targets(
    specs: Iterable[str], class_names: Sequence[str] | None = None
) -> tuple[ClassList | None, KindList | None]:
    """What there is to learn from data sets.

    Args:
        specs: of :func:`sparsevit.data.labelled.open_data`.
        class_names: for a folder that does not say its classes; by default those of the data sets
            before it.

    Returns:
        The classes of pixels, None where no data set tells any; and the kinds of things that one or
        more of them tell, None where none does.

    Raises:
        DataError: data that cannot be read, or two data sets of different classes or kinds.
    """
    classes: ClassList | None = None
    kinds: KindList | None = None
    teller, is_numbered = "", False
    for spec in specs:
        data = open_data(spec, "all", class_names=class_names)
        found = data.kinds
        if data.classes is not None:
            if classes is not None and data.classes.names != classes.names:
                raise DataError(f"The classes of {spec} are not the classes of the network.")
            classes, class_names = classes or data.classes, data.classes.names
        if found is None:
            continue
        if kinds is not None and (found.names, found.sizes) != (kinds.names, kinds.sizes):
            raise DataError(
                f"{teller} and {spec} tell different kinds of things, so one network cannot learn "
                f"both: {', '.join(kinds.names)}, and {', '.join(found.names)}."
            )
        if kinds is None or data.classes is not None:
            kinds, teller, is_numbered = found, spec, data.classes is not None
    if kinds is not None and classes is not None and not is_numbered:
        kinds = _renumber(kinds, STREET_CLASSES.names, classes.names)
    return classes, kinds


def choose_network(
    name: str, classes: ClassList | None, kinds: KindList | None = None
) -> tuple[SegmenterConfig, Path | None]:
    """Read what a person calls a network to train.

    Args:
        name: "nano", "tiny", the name of a checkpoint this project ships, or a .safetensors file.
        classes: what it will predict of every pixel; None for its own.
        kinds: things that it will tell one by one; without classes, as drawn streets count theirs.

    Returns:
        The network, and the checkpoint it starts from: None for random weights.

    Raises:
        CheckpointError: no such network, or a file that is not a segmenter's.
        DataError: the kinds' classes are none of its own.
    """
    if name in ARCHITECTURES:
        return _add_kinds(_build_config(name, classes or STREET_CLASSES), kinds), None
    path, found = _read_network(name, ARCHITECTURES)
    if not isinstance(found, SegmenterConfig):
        raise CheckpointError(f"{name} restores photos; train it with --task sr or jpeg.")
    config = _add_kinds(found, None)  # its own things are of its own classes
    if classes is not None:
        config = replace(config, class_names=classes.names, palette=classes.palette)
    elif kinds is not None:
        kinds = _renumber(kinds, STREET_CLASSES.names, config.class_names)
    return _add_kinds(config, kinds), path


def choose_restorer(name: str, degradation: Degradation) -> tuple[RestorerConfig, Path | None]:
    """Read what a person calls a restorer to train; see :func:`choose_network`.

    Args:
        name: "narrow", "light", "wide", the name of a checkpoint this project ships, or a
            .safetensors file.
        degradation: what it is to undo.

    Raises:
        CheckpointError: no such network, or a file of another one.
    """
    if name in RESTORERS:
        return RestorerConfig(degradation, **RESTORERS[name]), None
    path, config = _read_network(name, RESTORERS)
    if not isinstance(config, RestorerConfig) or config.degradation != degradation:
        raise CheckpointError(f"{name} is trained for another task.")
    return config, path


def _read_network(name: str, architectures: Iterable[str]) -> tuple[Path, OwnConfig]:
    """A checkpoint to start from: its path, and what it holds."""
    shipped = find_own_checkpoints()
    path = shipped.get(name, Path(name))
    if path.suffix != ".safetensors":
        known = ", ".join([*architectures, *sorted(shipped)])
        raise CheckpointError(
            f"There is no network {name!r} to train; there are {known}, and any .safetensors file "
            f"that training wrote."
        )
    return path, read_config(path)


def load_start(model: OwnNetwork, path: Path) -> list[str]:
    """Copy a checkpoint's weights into a network of the same architecture.

    Args:
        model: changed in place; its classifier stays as it is where the classes differ, and the
            heads for things where their kinds do, or where the checkpoint has none.
        path: the checkpoint.

    Returns:
        What a person may want to know: a sentence for the classifier and one for the heads of
        things, if they start anew or are left out.

    Raises:
        CheckpointError: a file that cannot be used, or another architecture.
    """
    start = load_own(path)
    ours, theirs = asdict(model.config), asdict(start.config)
    if ours.keys() != theirs.keys():
        raise CheckpointError(f"{path} holds another kind of network.")
    wrong = [name for name in ours if name not in _FREE and ours[name] != theirs[name]]
    if wrong:
        raise CheckpointError(
            f"{path} holds another architecture: its {wrong[0]} is {theirs[wrong[0]]}, "
            f"and the network's is {ours[wrong[0]]}."
        )
    if not isinstance(model, Segmenter) or not isinstance(start, Segmenter):
        model.load_state_dict(start.state_dict())
        return []
    weights: dict[str, Tensor] = model.state_dict()
    found = start.state_dict()
    fitting = {head for head, names in _HEADS.items() if all(ours[n] == theirs[n] for n in names)}
    anew = {name.split(".")[0] for name in weights} & (_HEADS.keys() - fitting)
    model.load_state_dict(
        {name: v if name.split(".")[0] in anew else found[name] for name, v in weights.items()}
    )
    notes = []
    if "classifier" in anew:
        notes.append("The classes are not the checkpoint's, so the classifier starts anew.")
    if "centres" in anew:
        notes.append("The checkpoint has no heads for these things, so they start anew.")
    elif "boxes" in anew:
        notes.append("The checkpoint has no head for 3D boxes of these things; it starts anew.")
    if start.config.kinds and not model.config.kinds:
        notes.append(
            "The data tells no things one by one, so the checkpoint's heads for them are left out."
        )
    return notes


def _add_kinds(config: SegmenterConfig, kinds: KindList | None) -> SegmenterConfig:
    """The network with heads for these things, or without any."""
    kinds = kinds or KindList((), ())
    return replace(config, kinds=kinds.names, kind_classes=kinds.classes, kind_sizes=kinds.sizes)


def _build_config(name: str, classes: ClassList) -> SegmenterConfig:
    return SegmenterConfig(classes.names, classes.palette, **ARCHITECTURES[name])


def _renumber(kinds: KindList, old: Sequence[str], new: Sequence[str]) -> KindList:
    """The same kinds, their classes counted in another list of classes.

    Args:
        kinds: as they are.
        old: names of the classes as they are counted now.
        new: names of the classes as they shall be counted.

    Raises:
        DataError: a class of theirs is missing there.
    """
    names = [old[label] for label in kinds.classes]
    missing = [name for name in names if name not in new]
    if missing:
        raise DataError(
            f"The pixels of a {kinds.names[names.index(missing[0])]} have the class "
            f"{missing[0]}, which is none of {', '.join(new)}."
        )
    return replace(kinds, classes=tuple(new.index(name) for name in names))
