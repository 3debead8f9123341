"""timm's pretrained Swin and Swin V2, as classifiers or without their head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from timm.data import ImageNetInfo
from timm.models import (
    PretrainedCfg,
    get_pretrained_cfg,
    swin_transformer,
    swin_transformer_v2,
)
from torch import Tensor, nn

from sparsevit.tasks import Task
from sparsevit.tasks.classification import ClassificationTask
from sparsevit.tasks.features import FeaturesTask
from sparsevit.zoo.entries import LoadedModel, ModelError, ModelInfo
from sparsevit.zoo.hub import WEIGHTS_FILE, fetch_file, find_file

PREFIX = "timm/"
FEATURES_SUFFIX = ":features"  # of a name: the network without its classifier

_BUILD_SIZE = 1024  # pixels; timm fits windows and shifts to it, so no stage is smaller than one

#: Parameters without the classifier, and channels that enter it: building each network to count
#: them would take seconds.
PARAMS = {
    "swin_tiny_patch4_window7_224": (27_519_354, 768),
    "swin_small_patch4_window7_224": (48_837_258, 768),
    "swin_base_patch4_window7_224": (86_743_224, 1024),
    "swin_base_patch4_window12_384": (86_878_584, 1024),
    "swin_large_patch4_window7_224": (194_995_476, 1536),
    "swin_large_patch4_window12_384": (195_198_516, 1536),
    "swin_s3_tiny_224": (27_559_674, 768),
    "swin_s3_small_224": (48_968_298, 768),
    "swin_s3_base_224": (70_356_762, 768),
    "swinv2_tiny_window8_256": (27_578_154, 768),
    "swinv2_tiny_window16_256": (27_578_154, 768),
    "swinv2_small_window8_256": (48_959_418, 768),
    "swinv2_small_window16_256": (48_959_418, 768),
    "swinv2_base_window8_256": (86_893_816, 1024),
    "swinv2_base_window16_256": (86_893_816, 1024),
    "swinv2_base_window12_192": (86_893_816, 1024),
    "swinv2_base_window12to16_192to256": (86_893_816, 1024),
    "swinv2_base_window12to24_192to384": (86_893_816, 1024),
    "swinv2_large_window12_192": (195_202_932, 1536),
    "swinv2_large_window12to16_192to256": (195_202_932, 1536),
    "swinv2_large_window12to24_192to384": (195_202_932, 1536),
}
_IMAGENET = {1000: "imagenet-1k", 21841: "imagenet-22k"}


class TimmFeatures(nn.Module):
    """A network of timm's that gives the map of every stage instead of classes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, img_h, img_w) -> for each stage (B, C, H, W)."""
        network: Any = self.network
        return network.forward_intermediates(images, intermediates_only=True)


def list_infos() -> list[ModelInfo]:
    """timm's pretrained classifiers that can be sparsified."""
    names = timm.list_pretrained(["swin_*", "swinv2_*"])
    return [_describe(name) for name in names if is_known(name)]


def is_known(name: str) -> bool:
    """Whether a name, with or without "timm/", is of an architecture that can be sparsified."""
    return _strip(name).partition(".")[0] in PARAMS


def is_cached(name: str) -> bool:
    """Whether the weights of a known name are here.

    Raises:
        ModelError: there are no such weights.
    """
    return _find_weights(_get_config(_strip(name))) is not None


def fetch_weights(name: str) -> Path:
    """The weights of a known name, from the cache or over the network.

    Raises:
        ModelError: they cannot be had.
    """
    info = _describe(_strip(name))
    repository = str(_get_config(_strip(name)).hf_hub_id)
    return fetch_file(name, repository, WEIGHTS_FILE, info.size_mb)


def load(name: str, checkpoint: str | Path | None, random_weights: bool, seed: int) -> LoadedModel:
    """Build a known name, with its weights; not sparsified yet.

    Args:
        name: "timm/NAME" or NAME, with ":features" behind it for the maps of every stage.
        checkpoint: a file of weights in place of the download.
        random_weights: build it without weights.
        seed: of the random weights.

    Raises:
        ModelError: no such weights, no network for a download, or weights that do not fit.
    """
    variant = _strip(name)
    config = _get_config(variant)
    weights = None
    if checkpoint is not None:
        weights = _read_weights(Path(checkpoint))
    elif not random_weights:
        weights = _read_weights(fetch_weights(name))
    has_head = not name.endswith(FEATURES_SUFFIX)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        options: dict[str, Any] = {} if has_head else {"num_classes": 0}
        model = timm.create_model(variant, img_size=_BUILD_SIZE, strict_img_size=False, **options)
    if weights is not None:
        if not has_head:
            weights = {key: w for key, w in weights.items() if not key.startswith("head.")}
        _load_weights(model, weights, checkpoint or name)
    task: Task = ClassificationTask(_imagenet_names(config.num_classes))
    if not has_head:
        model, task = TimmFeatures(model), FeaturesTask(tuple)
    return LoadedModel(name, model.eval(), task, tuple(config.mean), tuple(config.std))


def _describe(variant: str) -> ModelInfo:
    config = _get_config(variant)
    backbone, channels = PARAMS[str(config.architecture)]
    params_m = round((backbone + (channels + 1) * config.num_classes) / 1e6, 1)
    return ModelInfo(
        name=PREFIX + variant,
        task="classification",
        classes=config.num_classes,
        params_m=params_m,
        size_mb=round(params_m * 4, 1),
        licence=config.license or "not stated",
        source="download" if _find_weights(config) is None else "cached",
    )


def _strip(name: str) -> str:
    """timm's own name of a network."""
    return name.removeprefix(PREFIX).removesuffix(FEATURES_SUFFIX)


def _find_weights(config: PretrainedCfg) -> Path | None:
    return find_file(str(config.hf_hub_id), WEIGHTS_FILE)


def _get_config(variant: str) -> PretrainedCfg:
    try:
        config = get_pretrained_cfg(variant, allow_unregistered=False)
    except RuntimeError as error:
        raise ModelError(f"timm has no pretrained weights named {variant!r}.") from error
    assert config is not None
    return config


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a file; a pickle is read without running anything it may hold."""
    if not path.is_file():
        raise ModelError(f"There is no checkpoint file at {path}.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise many kinds for a bad file
        raise ModelError(
            f"Cannot read {path}: it is cut short, not a checkpoint, or holds code instead of "
            f"plain tensors."
        ) from error
    weights = weights.get("state_dict", weights.get("model", weights))
    if not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise ModelError(f"{path} holds something other than a plain state dict of tensors.")
    return weights


def _load_weights(model: nn.Module, weights: dict[str, torch.Tensor], source: str | Path) -> None:
    is_v2 = isinstance(model, swin_transformer_v2.SwinTransformerV2)
    weights = (swin_transformer_v2 if is_v2 else swin_transformer).checkpoint_filter_fn(
        weights, model
    )
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        wrong = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise ModelError(
            f"The weights of {source} do not fit the architecture: {wrong[:200]}"
        ) from error


def _imagenet_names(num_classes: int) -> tuple[str, ...]:
    if num_classes not in _IMAGENET:
        return tuple(f"class {index}" for index in range(num_classes))
    info = ImageNetInfo(_IMAGENET[num_classes])
    return tuple(info.index_to_description(index) for index in range(num_classes))
