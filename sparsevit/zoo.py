"""Names of networks: our checkpoints, then timm's pretrained Swin and Swin V2; any file of ours."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import timm
import torch
from huggingface_hub import (
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from safetensors.torch import load_file
from timm.data import ImageNetInfo
from timm.models import (
    PretrainedCfg,
    get_pretrained_cfg,
    swin_transformer,
    swin_transformer_v2,
)
from torch import nn

from sparsevit.cost import count_fixed_macs
from sparsevit.patch import get_depths, sparsify
from sparsevit.segmenter import CheckpointError, load_segmenter, read_config, read_info
from sparsevit.tasks import Task
from sparsevit.tasks.classification import ClassificationTask
from sparsevit.tasks.semantic import SemanticTask

DEFAULT_MODEL = "streets-nano"
CHECKPOINT_FOLDER = Path(__file__).resolve().parent.parent / "checkpoints"

_TIMM_PREFIX = "timm/"
_WEIGHTS_FILE = "model.safetensors"
_BUILD_SIZE = 1024  # pixels; timm fits windows and shifts to it, so no stage is smaller than one
_log = logging.getLogger(__name__)

#: Parameters without the classifier, and channels that enter it: building each network to count
#: them would take seconds.
_TIMM_PARAMS = {
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


class ModelError(ValueError):
    """A network that cannot be had; the message names it and says what is allowed."""


@dataclass(frozen=True)
class ModelInfo:
    """One entry of the list of networks.

    Attributes:
        name: what ``--model`` takes.
        task: "semantic" or "classification".
        classes: number of classes.
        params_m: parameters in millions.
        size_mb: file size in units of 1e6 bytes.
        licence: terms of the weights.
        source: "offline" (ships with the project), "cached", or "download".
    """

    name: str
    task: str
    classes: int
    params_m: float
    size_mb: float
    licence: str
    source: str


@dataclass(frozen=True)
class LoadedModel:
    """A network ready to run.

    Attributes:
        name: as asked for.
        module: the sparsified network in evaluation mode.
        task: what its output means.
        mean, std: per RGB channel, for pixels in [0, 1].
    """

    name: str
    module: nn.Module
    task: Task
    mean: tuple[float, ...]
    std: tuple[float, ...]
    _fixed_macs: dict[tuple[int, int], int] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return next(self.module.parameters()).dtype

    @property
    def depths(self) -> tuple[int, ...]:
        """Blocks per stage."""
        return get_depths(self.module)

    def count_fixed_macs(self, image_size: tuple[int, int]) -> int:
        """Multiply-accumulates of one image outside the blocks, counted once for every size.

        Args:
            image_size: (img_h, img_w) pixels.
        """
        if image_size not in self._fixed_macs:
            self._fixed_macs[image_size] = count_fixed_macs(self.module, image_size)
        return self._fixed_macs[image_size]


def list_models() -> list[ModelInfo]:
    """Every network that has a name, those that work offline first."""
    own = [info for path in _own_checkpoints() if (info := _describe_own(path)) is not None]
    return own + sorted(
        (
            _describe_timm(name)
            for name in timm.list_pretrained(["swin_*", "swinv2_*"])
            if name.partition(".")[0] in _TIMM_PARAMS
        ),
        key=lambda info: (info.source != "cached", info.params_m, info.name),
    )


def load_model(
    name: str = DEFAULT_MODEL,
    device: str | torch.device = "cpu",
    checkpoint: str | Path | None = None,
    random_weights: bool = False,
    seed: int = 0,
) -> LoadedModel:
    """Load a network by name or file and sparsify it (at sparsity 0).

    Args:
        name: one of :func:`list_models`, "timm/NAME" or NAME of a timm Swin or Swin V2, or the
            path of a .safetensors file that :func:`sparsevit.segmenter.save_segmenter` wrote.
        device: where to put it.
        checkpoint: weights for a timm architecture, as .safetensors or a plain .pth state dict;
            they replace the download.
        random_weights: build a timm architecture without weights, for timing.
        seed: of the random weights.

    Raises:
        ModelError: unknown name, no network for a download, or weights that do not fit.
    """
    own = {path.stem: path for path in _own_checkpoints()}
    if name in own or name.endswith(".safetensors"):
        if checkpoint is not None:
            raise ModelError(f"{name} is a checkpoint itself; give --checkpoint with a timm name.")
        loaded = _load_own(name, own.get(name, Path(name)))
    elif name.endswith((".pth", ".pt", ".bin", ".ckpt", ".pkl")):
        raise ModelError(
            f"{name} may hold code; only .safetensors files can be a model. "
            f"For a plain state dict name the architecture and give it as the checkpoint."
        )
    else:
        loaded = _load_timm(name, checkpoint, random_weights, seed)
    try:
        loaded.module.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"Cannot use the device {device}: {str(error).splitlines()[0]}") from error
    sparsify(loaded.module)
    return loaded


def needs_download(name: str) -> bool:
    """Whether a name needs weights from the hub that are not here yet.

    Raises:
        ModelError: an architecture of timm's without such weights.
    """
    architecture = name.removeprefix(_TIMM_PREFIX)
    own = {path.stem for path in _own_checkpoints()}
    if name in own or architecture.partition(".")[0] not in _TIMM_PARAMS:
        return False
    return _describe_timm(architecture).source == "download"


def download_model(name: str) -> None:
    """Fetch the weights a name needs from the hub, unless they are here or it needs none.

    Raises:
        ModelError: they cannot be had.
    """
    if needs_download(name):
        _download_weights(name, name.removeprefix(_TIMM_PREFIX))


def _own_checkpoints() -> list[Path]:
    paths = sorted(CHECKPOINT_FOLDER.glob("*.safetensors"))
    return sorted(paths, key=lambda path: path.stem != DEFAULT_MODEL)


def _describe_own(path: Path) -> ModelInfo | None:
    """One of our checkpoints; None for a file that could not be loaded anyway."""
    try:
        config, info = read_config(path), read_info(path)
    except CheckpointError as error:
        _log.warning("%s", error)
        return None
    size = path.stat().st_size
    return ModelInfo(
        name=path.stem,
        task="semantic",
        classes=config.num_classes,
        params_m=round(size / 2e6, 1),  # stored in half precision
        size_mb=round(size / 1e6, 1),
        licence=info.get("licence", "not stated"),
        source="offline",
    )


def _load_own(name: str, path: Path) -> LoadedModel:
    try:
        model = load_segmenter(path)
    except CheckpointError as error:
        raise ModelError(str(error)) from error
    config = model.config
    task = SemanticTask(config.class_names, np.array(config.palette, dtype=np.uint8))
    return LoadedModel(name, model, task, config.mean, config.std)


def _describe_timm(name: str) -> ModelInfo:
    config = _timm_config(name)
    backbone, channels = _TIMM_PARAMS[str(config.architecture)]
    params_m = round((backbone + (channels + 1) * config.num_classes) / 1e6, 1)
    cached = isinstance(try_to_load_from_cache(str(config.hf_hub_id), _WEIGHTS_FILE), str)
    return ModelInfo(
        name=_TIMM_PREFIX + name,
        task="classification",
        classes=config.num_classes,
        params_m=params_m,
        size_mb=round(params_m * 4, 1),
        licence=config.license or "not stated",
        source="cached" if cached else "download",
    )


def _load_timm(
    name: str, checkpoint: str | Path | None, random_weights: bool, seed: int
) -> LoadedModel:
    architecture = name.removeprefix(_TIMM_PREFIX)
    if architecture.partition(".")[0] not in _TIMM_PARAMS:
        raise ModelError(
            f"There is no model named {name!r}; 'sparsevit models' lists them, and a "
            f".safetensors file of ours works too."
        )
    config = _timm_config(architecture)
    weights = None
    if checkpoint is not None:
        weights = _read_weights(Path(checkpoint))
    elif not random_weights:
        weights = _read_weights(_download_weights(name, architecture))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = timm.create_model(architecture, img_size=_BUILD_SIZE, strict_img_size=False)
    if weights is not None:
        _load_weights(model, weights, checkpoint or name)
    task = ClassificationTask(_imagenet_names(config.num_classes))
    return LoadedModel(name, model.eval(), task, tuple(config.mean), tuple(config.std))


def _timm_config(name: str) -> PretrainedCfg:
    try:
        config = get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError as error:
        raise ModelError(f"timm has no pretrained weights named {name!r}.") from error
    assert config is not None
    return config


def _download_weights(name: str, architecture: str) -> Path:
    info = _describe_timm(architecture)
    repository = str(_timm_config(architecture).hf_hub_id)
    path = try_to_load_from_cache(repository, _WEIGHTS_FILE)
    trouble = "which cannot be reached"
    try:
        if not isinstance(path, str):
            get_hf_file_metadata(hf_hub_url(repository, _WEIGHTS_FILE))  # gives up at once
            trouble = "but the download broke off (try again)"
            path = hf_hub_download(repository, _WEIGHTS_FILE)
    except Exception as error:  # the hub passes on what its HTTP library raises
        offline = ", ".join(file.stem for file in _own_checkpoints()) or "none"
        raise ModelError(
            f"{name} needs {info.size_mb:.0f} MB from the Hugging Face hub, {trouble}; "
            f"these work offline: {offline}."
        ) from error
    return Path(path)


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


def default_device() -> str:
    """ "cuda" where there is a GPU, else "cpu"; the variable SPARSEVIT_DEVICE overrides it."""
    return os.environ.get("SPARSEVIT_DEVICE", "cuda" if torch.cuda.is_available() else "cpu")
