"""Names of networks: our checkpoints, timm's pretrained Swins, Hugging Face's networks on Swin.

Importing this, and listing the networks, takes neither torch nor timm.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsevit.networks import hf_list, timm_list
from sparsevit.networks.checkpoint import CheckpointError, read_config, read_info
from sparsevit.networks.entries import ModelError, ModelInfo, UnreachableError
from sparsevit.networks.hub import CONFIG_FILE, Tell
from sparsevit.package.bundle import find_bundled

if TYPE_CHECKING:
    import torch

    from sparsevit.networks.loaded import LoadedModel

__all__ = [
    "CHECKPOINT_FOLDER",
    "DEFAULT_MODEL",
    "LoadedModel",
    "ModelError",
    "ModelInfo",
    "Tell",
    "default_device",
    "download_model",
    "find_own_checkpoints",
    "list_models",
    "load_model",
    "name_model",
    "needs_download",
]

DEFAULT_MODEL = "streets"
CHECKPOINT_FOLDER = find_bundled("checkpoints")

_TASKS = ("semantic", "restoration", "instance", "panoptic", "classification", "features")
_log = logging.getLogger(__name__)


def __getattr__(name: str) -> Any:
    if name == "LoadedModel":  # needs torch
        from sparsevit.networks.loaded import LoadedModel

        return LoadedModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def list_models() -> list[ModelInfo]:
    """Every network that has a name: first what works offline, then by task and size."""
    paths = find_own_checkpoints().values()
    own = [info for path in paths if (info := _describe_own(path)) is not None]
    return own + sorted(
        hf_list.list_infos() + timm_list.list_infos(),
        key=lambda info: (
            info.source != "cached",
            _TASKS.index(info.task),
            info.params_m,
            info.name,
        ),
    )


def load_model(
    name: str = DEFAULT_MODEL,
    device: str | torch.device = "cpu",
    checkpoint: str | Path | None = None,
    random_weights: bool = False,
    seed: int = 0,
    task: str | None = None,
) -> LoadedModel:
    """Load a network by name or file and sparsify it (at sparsity 0).

    Args:
        name: one of :func:`list_models`; the path of a .safetensors file that training wrote;
            "timm/NAME" or NAME of one of timm's networks, with ":features" behind it for the maps
            of its stages in place of classes; "hf/ORG/NAME" or "hf/ORG/NAME@REVISION" of a network
            of transformers on the Hugging Face hub; or a folder that its ``save_pretrained`` wrote.
        device: where to put it.
        checkpoint: weights for a timm architecture, as .safetensors or a .pth of plain tensors;
            they replace the download. What is taken from it follows timm: an average of the
            weights, where there is one, before the weights.
        random_weights: build a network of timm or transformers without weights, for timing.
        seed: of the random weights.
        task: what for, of a network that does several things: "semantic", "instance" or "boxes3d";
            its first if None.

    Raises:
        ModelError: unknown name, no network for a download, weights that do not fit, a network
            that cannot be sparsified, or a task that it cannot do.
    """
    from sparsevit.hosts.registry import UnsupportedModelError
    from sparsevit.networks import hf_networks, timm_networks
    from sparsevit.patch import sparsify

    own = find_own_checkpoints()
    is_own = name in own or name.endswith(".safetensors")
    is_hf = not is_own and (name.startswith(hf_list.PREFIX) or _is_network_folder(name))
    if (is_own or is_hf) and checkpoint is not None:
        raise ModelError(f"{name} is a checkpoint itself; give --checkpoint with a timm name.")
    if is_own:
        loaded = _load_own(name, own.get(name, Path(name)))
    elif name.endswith((".pth", ".pt", ".bin", ".ckpt", ".pkl")):
        raise ModelError(
            f"{name} may hold code; only .safetensors files can be a model. "
            f"For a plain state dict name the architecture and give it as the checkpoint."
        )
    elif name.startswith(hf_list.PREFIX):
        with _naming_what_works_offline():
            loaded = hf_networks.load(name, random_weights, seed)
    elif is_hf:
        loaded = hf_networks.load_folder(name, random_weights, seed)
    elif timm_list.is_known(name):
        with _naming_what_works_offline():
            loaded = timm_networks.load(name, checkpoint, random_weights, seed)
    else:
        raise ModelError(
            f"There is no model named {name!r}; 'sparsevit models' lists them, and hf/ORG/NAME, a "
            f"folder of transformers' save_pretrained or a .safetensors file of ours works too."
        )
    loaded = replace(
        loaded,
        checkpoint=None if checkpoint is None else Path(checkpoint).name,
        random_seed=seed if random_weights and checkpoint is None and not is_own else None,
    )
    try:
        loaded.module.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"Cannot use the device {device}: {str(error).splitlines()[0]}") from error
    try:
        sparsify(loaded.module, score=loaded.score)
    except UnsupportedModelError as error:
        raise ModelError(str(error)) from error
    return loaded.for_task(task)


def needs_download(name: str) -> bool:
    """Whether a name needs weights from the hub that are not here yet.

    Raises:
        ModelError: an architecture of timm's without such weights, or no possible hub id.
    """
    if name in find_own_checkpoints() or _is_network_folder(name):
        return False
    if name.startswith(hf_list.PREFIX):
        return not hf_list.is_cached(name)
    if not timm_list.is_known(name):
        return False
    from sparsevit.networks import timm_networks

    return not timm_networks.is_cached(name)


def download_model(name: str, tell: Tell | None = None) -> None:
    """Fetch the weights a name needs from the hub, unless they are here or it needs none.

    Args:
        name: see :func:`load_model`.
        tell: called with (bytes that are here, bytes in all) several times a second, perhaps from
            other threads but never twice at once; where there is none, a terminal shows a bar.

    Raises:
        ModelError: they cannot be had.
    """
    if needs_download(name):
        from sparsevit.networks import hf_networks, timm_networks

        with _naming_what_works_offline():
            if name.startswith(hf_list.PREFIX):
                hf_networks.fetch(name, tell)
            else:
                timm_networks.fetch_weights(name, tell)


def default_device() -> str:
    """ "cuda" where there is a GPU, else "cpu"; the variable SPARSEVIT_DEVICE overrides it."""
    device = os.environ.get("SPARSEVIT_DEVICE")
    if device is None:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
    return device


def find_own_checkpoints() -> dict[str, Path]:
    """Our checkpoints by name, the default one first."""
    paths = sorted(CHECKPOINT_FOLDER.glob("*.safetensors"))
    paths.sort(key=lambda path: path.stem != DEFAULT_MODEL)
    return {path.stem: path for path in paths}


def name_model(name: str) -> str:
    """What to call a network elsewhere: a file or folder by its own name, without those above it.

    Args:
        name: see :func:`load_model`.
    """
    is_file = name.endswith(".safetensors")
    if is_file or (not name.startswith(hf_list.PREFIX) and _is_network_folder(name)):
        return os.path.basename(os.path.abspath(name))
    return name


@contextmanager
def _naming_what_works_offline() -> Iterator[None]:
    """Add to a failed download what can be had without one."""
    try:
        yield
    except UnreachableError as error:
        offline = ", ".join(find_own_checkpoints()) or "none"
        raise ModelError(f"{error}; these work offline: {offline}.") from error


def _is_network_folder(name: str) -> bool:
    return (Path(name) / CONFIG_FILE).is_file()


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
        task=config.tasks[0],
        classes=getattr(config, "num_classes", 0),
        params_m=round(size / 2e6, 1),  # stored in half precision
        size_mb=round(size / 1e6, 1),
        licence=info.get("licence", "not stated"),
        source="offline",
        tasks=config.tasks,
    )


def _load_own(name: str, path: Path) -> LoadedModel:
    from sparsevit.networks.loaded import LoadedModel
    from sparsevit.networks.own import load_own

    try:
        return LoadedModel.wrap(load_own(path), name)
    except CheckpointError as error:
        raise ModelError(str(error)) from error
