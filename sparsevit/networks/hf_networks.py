"""Networks of Hugging Face's transformers, by hub id or from a folder; needs ``sparsevit[hf]``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from sparsevit.networks.entries import ModelError
from sparsevit.networks.hf_list import LISTED, PREFIX, parse_name
from sparsevit.networks.hf_outputs import (
    find_stuff,
    read_feature_maps,
    read_hidden_maps,
    read_instances,
    read_panoptic,
    read_semantic,
)
from sparsevit.networks.hf_sizes import allow_any_order
from sparsevit.networks.hub import (
    CONFIG_FILE,
    Tell,
    fetch_file,
    fetch_network,
    has_weights,
)
from sparsevit.networks.loaded import LoadedModel
from sparsevit.tasks import Task
from sparsevit.tasks.classification import ClassificationTask
from sparsevit.tasks.features import FeaturesTask
from sparsevit.tasks.palette import choose_palette
from sparsevit.tasks.segments import SegmentsTask
from sparsevit.tasks.semantic import MAX_CLASSES, SemanticTask

_INSTALL = 'needs transformers: pip install "sparsevit[hf]"'
_NORMALISATION_FILE = "preprocessor_config.json"

_MASK_CLASSES = {
    "Mask2FormerForUniversalSegmentation": "Mask2FormerImageProcessor",
    "MaskFormerForInstanceSegmentation": "MaskFormerImageProcessor",
}
_CLASSIFIERS = ("SwinForImageClassification", "Swinv2ForImageClassification")
_BACKBONES = ("SwinBackbone", "Swinv2Backbone", "MaskFormerSwinBackbone")
_BARE = ("SwinModel", "Swinv2Model")
_CLASSES = (
    *_MASK_CLASSES,
    "UperNetForSemanticSegmentation",
    *_CLASSIFIERS,
    *_BARE,
    *_BACKBONES,
)
_KEEPS_SIZES = ("SwinForImageClassification", "SwinModel")
_SWINS = ("swin", "swinv2", "maskformer-swin")


def fetch(name: str, tell: Tell | None = None) -> Path:
    """The folder of a network, from the cache or over the network, weights last.

    Args:
        name: "hf/ORG/NAME" or "hf/ORG/NAME@REVISION".
        tell: see :func:`sparsevit.networks.hub.fetch_file`.

    Raises:
        ModelError: the name is no such name, the network is of a kind that cannot be sparsified,
            or it cannot be had.
    """
    repository, revision = parse_name(name)
    listed = LISTED.get(repository)
    size_mb = None if listed is None else listed.params * 4 / 1e6
    config = fetch_file(name, repository, CONFIG_FILE, size_mb, revision)
    _choose_class(name, _read_json(config))
    return fetch_network(name, repository, size_mb, revision, tell)


def load(name: str, random_weights: bool, seed: int) -> LoadedModel:
    """Build "hf/ORG/NAME" or "hf/ORG/NAME@REVISION", with its weights; not sparsified yet.

    Args:
        name: as above.
        random_weights: build it from its config alone, which is fetched still.
        seed: of the random weights.

    Raises:
        ModelError: transformers is missing, or see :func:`fetch`.
    """
    repository, revision = parse_name(name)
    _import_transformers(name)
    if random_weights:
        folder = fetch_file(name, repository, CONFIG_FILE, None, revision).parent
    else:
        folder = fetch(name)
    return _build(name, folder, folder.name, random_weights, seed)


def load_folder(name: str, random_weights: bool, seed: int) -> LoadedModel:
    """Build a network from a folder that ``save_pretrained`` wrote; not sparsified yet.

    Args:
        name: the folder.
        random_weights, seed: see :func:`load`.

    Raises:
        ModelError: transformers is missing, or the folder holds no such network.
    """
    folder = Path(name)
    if not random_weights and not has_weights(folder):
        raise ModelError(f"{name} holds no model.safetensors; no other weights are loaded.")
    return _build(name, folder, None, random_weights, seed)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"Cannot read {path}: it is missing or no JSON.") from error
    if not isinstance(content, dict):
        raise ModelError(f"Cannot read {path}: it holds no JSON object.")
    return content


def _choose_class(name: str, config: dict[str, Any]) -> str:
    """Name of the class that a config is of.

    Raises:
        ModelError: one that cannot be sparsified, or no config of transformers'.
    """
    classes = config.get("architectures") or ["unknown class"]
    backbone_config = config.get("backbone_config") or {}
    if not isinstance(classes, list) or not isinstance(backbone_config, dict):
        raise ModelError(f"{name} has no {CONFIG_FILE} as transformers writes it.")
    cls = str(classes[0])
    if cls not in _CLASSES:
        raise ModelError(f"{name} is of {cls}; of transformers work {', '.join(_CLASSES)}.")
    backbone = backbone_config.get("model_type", "swin")
    if backbone not in _SWINS:
        raise ModelError(f"{name} has a backbone of the kind {backbone}; only Swin's are pruned.")
    return cls


def _import_transformers(name: str) -> Any:
    try:
        import scipy  # noqa: F401  # Mask2Former asks for it when it is built
        import transformers
    except ImportError as error:
        raise ModelError(f"{name} {_INSTALL}.") from error
    return transformers


def _build(
    name: str, folder: Path, revision: str | None, random_weights: bool, seed: int
) -> LoadedModel:
    raw = _read_json(folder / CONFIG_FILE)
    class_name = _choose_class(name, raw)
    library = _import_transformers(name)
    cls = getattr(library, class_name)
    try:
        with _quiet(library), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            config = cls.config_class.from_pretrained(folder, local_files_only=True)
            config.output_hidden_states = class_name in _BARE
            if random_weights:
                model, missing = cls(config), []
            else:
                model, notes = cls.from_pretrained(
                    folder,
                    config=config,
                    dtype=torch.float32,
                    use_safetensors=True,
                    local_files_only=True,
                    output_loading_info=True,
                )
                missing = sorted(notes["missing_keys"])
    except Exception as error:  # transformers and safetensors raise many kinds for a bad file
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"Cannot load {name}: {reason[0][:200]}") from error
    if missing:
        raise ModelError(f"The weights of {name} do not fit its config: {missing[0]} is missing.")
    if class_name in _KEEPS_SIZES:
        allow_any_order(model)
    task = _make_task(name, class_name, config, library)
    mean, std = _read_normalisation(folder)
    return LoadedModel(name, model.eval(), task, mean, std, revision)


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Keep transformers' progress bar and table of keys off the terminal: we check them."""
    logs = library.utils.logging
    level, bars = logs.get_verbosity(), logs.is_progress_bar_enabled()
    logs.set_verbosity_error()
    logs.disable_progress_bar()
    try:
        yield
    finally:
        logs.set_verbosity(level)
        if bars:
            logs.enable_progress_bar()


def _make_task(name: str, class_name: str, config: Any, library: Any) -> Task:
    if class_name in _BARE:
        return FeaturesTask(read_hidden_maps)
    if class_name in _BACKBONES:
        return FeaturesTask(read_feature_maps)
    names = tuple(str(config.id2label[index]) for index in range(config.num_labels))
    if class_name in _CLASSIFIERS:
        return ClassificationTask(names)
    if len(names) > MAX_CLASSES:
        raise ModelError(f"{name} has {len(names)} classes; at most {MAX_CLASSES} can be drawn.")
    palette = choose_palette(names)
    if class_name not in _MASK_CLASSES:
        return SemanticTask(names, palette)
    processor = getattr(library, _MASK_CLASSES[class_name])()
    kind = _find_kind(name)
    if kind == "semantic":
        return SemanticTask(names, palette, read=partial(read_semantic, processor))
    if kind == "instance":
        return SegmentsTask(names, palette, kind, partial(read_instances, processor))
    read = partial(read_panoptic, processor, find_stuff(names))
    return SegmentsTask(names, palette, "panoptic", read)


def _find_kind(name: str) -> str:
    """What a network of masks was trained for: only its name says so; if it does not, panoptic."""
    listed = LISTED.get(name.removeprefix(PREFIX).partition("@")[0])
    if listed is not None:
        return listed.task
    words = Path(name.partition("@")[0]).name.lower()
    return next((kind for kind in ("semantic", "instance") if kind in words), "panoptic")


def _read_normalisation(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std for pixels in [0, 1]; ImageNet's where the folder says nothing."""
    path = folder / _NORMALISATION_FILE
    if not path.is_file():
        return IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
    content = _read_json(path)
    if not content.get("do_normalize", True):
        return (0.0,) * 3, (1.0,) * 3
    mean = content.get("image_mean") or IMAGENET_DEFAULT_MEAN
    std = content.get("image_std") or IMAGENET_DEFAULT_STD
    for values in (mean, std):
        is_list = isinstance(values, (list, tuple)) and len(values) == 3
        if not is_list or not all(isinstance(value, (int, float)) for value in values):
            raise ModelError(f"{path} gives no mean and std for three colours.")
    return tuple(mean), tuple(std)
