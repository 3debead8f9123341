"""Which host a network belongs to: the adapters of libraries, and those that a user registers."""

from __future__ import annotations

import sys
from importlib import import_module

from torch import nn

from sparsevit.core.overrides import HOST_CLASS
from sparsevit.hosts.base import Host

#: A module of networks -> the adapter of those networks, imported once that module is.
_ADAPTERS = {
    "timm.models.swin_transformer": "sparsevit.hosts.timm_swin",
    "timm.models.swin_transformer_v2": "sparsevit.hosts.timm_swinv2",
    "timm.models.swin_transformer_v2_cr": "sparsevit.hosts.timm_swinv2_cr",
    "timm.models.tiny_vit": "sparsevit.hosts.timm_tiny_vit",
    "timm.models.vision_transformer_sam": "sparsevit.hosts.timm_sam",
    "timm.models.maxxvit": "sparsevit.hosts.timm_maxvit",
    "transformers.models.swin.modeling_swin": "sparsevit.hosts.hf_swin",
    "transformers.models.swinv2.modeling_swinv2": "sparsevit.hosts.hf_swinv2",
    "transformers.models.maskformer.modeling_maskformer_swin": (
        "sparsevit.hosts.hf_maskformer_swin"
    ),
    "sparsevit.networks.restorer": "sparsevit.networks.restorer_host",
}

_registered: list[Host] = []


class UnsupportedModelError(TypeError):
    """The network has no blocks that a host adapter knows."""


def register_host(host: Host) -> None:
    """Teach :func:`sparsevit.sparsify` another family of networks; see ``docs/custom_host.md``.

    Args:
        host: where the family's stages, blocks and branches are.
    """
    if host not in _registered:
        _registered.append(host)


def find_host(model: nn.Module) -> Host:
    """The host of the one backbone inside a network, sparsified or not.

    Raises:
        UnsupportedModelError: no supported blocks inside, or more than one backbone.
    """
    modules = list(model.modules())
    found = [
        host
        for host in _list_hosts()
        for _ in host.find_starts([module for module in modules if host.is_stage(module)])
    ]
    if len(found) > 1:
        raise refuse_model(model, f"it has {len(found)} backbones; sparsify one of them")
    if not found:
        raise refuse_model(model, "it has no supported blocks")
    return found[0]


def find_host_class(cls: type) -> type:
    """The host's class that one of ours took the place of; any other class is its own."""
    cls = vars(cls).get(HOST_CLASS, cls)
    for host in _list_hosts():
        for old, new in host.sparse_classes.items():
            if cls is new:
                return old
    return cls


def refuse_model(model: nn.Module, reason: str) -> UnsupportedModelError:
    """The error that says why a network cannot be sparsified, and which can."""
    name = find_host_class(type(model)).__name__
    supported = ", ".join(host.name for host in _list_hosts())
    return UnsupportedModelError(f"Cannot sparsify {name}: {reason}. Supported: {supported}.")


def _list_hosts() -> list[Host]:
    """The hosts whose networks can exist: those of modules that are imported."""
    adapters = [import_module(name) for module, name in _ADAPTERS.items() if module in sys.modules]
    return [*(adapter.HOST for adapter in adapters), *_registered]
