"""timm's pretrained window transformers, as classifiers or without their head."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data.imagenet_info import ImageNetInfo
from timm.models import (
    PretrainedCfg,
    get_pretrained_cfg,
    maxxvit,
    swin_transformer,
    swin_transformer_v2,
    swin_transformer_v2_cr,
    tiny_vit,
    vision_transformer_sam,
)
from torch import Tensor, nn

from sparsevit.data.transforms import SIZE_MULTIPLE
from sparsevit.hosts.timm_fitted import fit_every_size
from sparsevit.networks.entries import ModelError
from sparsevit.networks.hub import WEIGHTS_FILE, Tell, fetch_file, find_file
from sparsevit.networks.loaded import LoadedModel
from sparsevit.networks.timm_list import FEATURES_SUFFIX, count_params_m, strip_name
from sparsevit.networks.weights import read_weights
from sparsevit.tasks import Task
from sparsevit.tasks.classification import ClassificationTask
from sparsevit.tasks.features import FeaturesTask

#: timm builds a Swin for a size, pixels. At this one no window shrinks and no shift goes, so that
#: the blocks can be fitted to what they are fed.
_SWIN: dict[str, Any] = {"img_size": 1024, "strict_img_size": False}

#: How an architecture's name begins -> the module that knows its checkpoints, and how to build.
_FAMILIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "swin": (swin_transformer, _SWIN),
    "swinv2_cr": (swin_transformer_v2_cr, _SWIN),
    "swinv2": (swin_transformer_v2, _SWIN),
    "tiny_vit": (tiny_vit, {}),
    "samvit": (vision_transformer_sam, {}),
    "maxvit": (maxxvit, {}),
}

_HEADS = ("head.fc.weight", "head.weight")  # what a classifier's weight may be named
_CLASSIFIER = {*_HEADS, "head.fc.bias", "head.bias"}
_IMAGENET = {1000: "imagenet-1k", 21841: "imagenet-22k"}


class TimmFeatures(nn.Module):
    """A network of timm's that gives the map of every stage instead of classes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, img_h, img_w) -> for each stage (B, C, H, W); SAM gives the one it is made for."""
        network: Any = self.network
        if isinstance(self.network, vision_transformer_sam.VisionTransformerSAM):
            return [network.forward_features(images)]
        maps: list[Tensor] = network.forward_intermediates(images, intermediates_only=True)
        return maps


def is_cached(name: str) -> bool:
    """Whether the weights of a known name are here.

    Raises:
        ModelError: there are no such weights.
    """
    return _find_weights(_get_config(strip_name(name))) is not None


def fetch_weights(name: str, tell: Tell | None = None) -> Path:
    """The weights of a known name, from the cache or over the network.

    Args:
        name: see :func:`load`.
        tell: see :func:`sparsevit.networks.hub.fetch_file`.

    Raises:
        ModelError: they cannot be had.
    """
    config = _get_config(strip_name(name))
    size_mb = 4 * count_params_m(str(config.architecture), config.num_classes)
    return fetch_file(name, str(config.hf_hub_id), WEIGHTS_FILE, size_mb, tell=tell)


def load(name: str, checkpoint: str | Path | None, random_weights: bool, seed: int) -> LoadedModel:
    """Build a known name, with its weights; not sparsified yet.

    Args:
        name: "timm/NAME" or NAME, with ":features" behind it for the maps of every stage.
        checkpoint: a file of weights in place of the download; its head says how many classes.
        random_weights: build it without weights.
        seed: of the random weights.

    Raises:
        ModelError: no such weights, no network for a download, or weights that do not fit.
    """
    variant = strip_name(name)
    config = _get_config(variant)
    weights, note = None, ""
    if checkpoint is not None:
        read = read_weights(Path(checkpoint))
        weights, note = read.tensors, read.note
    elif not random_weights:
        weights = read_weights(fetch_weights(name)).tensors
    has_head = config.num_classes > 0 and not name.endswith(FEATURES_SUFFIX)
    classes = _count_classes(weights, config.num_classes) if has_head else 0
    _, options = _FAMILIES[_find_family(variant)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = timm.create_model(variant, **options, num_classes=classes)
    if weights is not None:
        if not has_head:
            weights = {key: w for key, w in weights.items() if key not in _CLASSIFIER}
        _load_weights(model, _find_family(variant), weights, checkpoint or name)
    fit_every_size(model)
    task: Task = ClassificationTask(_imagenet_names(classes))
    if not has_head:
        model, task = TimmFeatures(model), FeaturesTask(tuple)
    # MaxViT's grids must be whole windows, which are a 32nd of the size it is made for.
    multiple = config.input_size[-1] if _find_family(variant) == "maxvit" else SIZE_MULTIPLE
    mean, std = tuple(config.mean), tuple(config.std)
    return LoadedModel(name, model.eval(), task, mean, std, multiple=multiple, note=note)


def _find_weights(config: PretrainedCfg) -> Path | None:
    return find_file(str(config.hf_hub_id), WEIGHTS_FILE)


def _get_config(variant: str) -> PretrainedCfg:
    try:
        config = get_pretrained_cfg(variant, allow_unregistered=False)
    except RuntimeError as error:
        raise ModelError(f"timm has no pretrained weights named {variant!r}.") from error
    assert config is not None
    return config


def _find_family(variant: str) -> str:
    return next(family for family in _FAMILIES if variant.startswith(f"{family}_"))


def _count_classes(weights: Mapping[str, Tensor] | None, pretrained: int) -> int:
    """Classes of the head in a file of weights, as tuning a network gives it another."""
    heads = [] if weights is None else [weights[name] for name in _HEADS if name in weights]
    return len(heads[0]) if heads and heads[0].ndim else pretrained


def _load_weights(
    model: nn.Module, family: str, weights: dict[str, torch.Tensor], source: str | Path
) -> None:
    try:
        weights = _FAMILIES[family][0].checkpoint_filter_fn(weights, model)
        model.load_state_dict(weights, strict=True)
    except Exception as error:  # timm's filters raise many kinds for tensors they do not expect
        wrong = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise ModelError(
            f"The weights of {source} do not fit the architecture: {wrong[:200]}"
        ) from error


def _imagenet_names(num_classes: int) -> tuple[str, ...]:
    if num_classes not in _IMAGENET:
        return tuple(f"class {index}" for index in range(num_classes))
    info = ImageNetInfo(_IMAGENET[num_classes])
    return tuple(info.index_to_description(index) for index in range(num_classes))
