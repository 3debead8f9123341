"""Branches of modules called one after the other, and how inference adds them to the tokens.

A branch's last product is added to the tokens as it is made, and GELU overwrites its input: less
memory to write and to read. Where somebody listens to a module, it is called as its host would.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from timm.layers import Mlp
from timm.layers.activations import GELU, GELUTanh
from torch import Tensor, nn

from sparsevit.core.stage import is_hooked
from sparsevit.hosts.base import SparseBlock


class ChainedBlock(SparseBlock):
    """Mixin of a block whose MLP, and whose attention from its last projection on, are chains.

    Attributes:
        chains: host class -> names of the modules that it calls one after the other, and no more.
        gelus: host class of a GELU -> "none" or "tanh", as PyTorch calls its approximation.
    """

    chains: Mapping[type[nn.Module], Sequence[str]] = {
        Mlp: ("fc1", "act", "drop1", "norm", "fc2", "drop2")
    }
    gelus: Mapping[type[nn.Module], str] = {GELU: "none", GELUTanh: "tanh"}

    @abstractmethod
    def list_readers(self) -> list[nn.Module]:
        """The modules that attention calls with the tokens themselves."""

    @abstractmethod
    def mix_tokens(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """The attention branch without its last modules: (n, N, C) -> (n, N, D)."""

    @abstractmethod
    def list_attention_end(self) -> list[nn.Module]:
        """The last modules of the attention branch."""

    @abstractmethod
    def list_mlp(self) -> list[nn.Module]:
        """The modules of the MLP branch."""

    def attention_branch(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """See :class:`sparsevit.core.pruning.WindowBlock`."""
        return _call_each(self.list_attention_end(), self.mix_tokens(tokens, real, bias))

    def mlp_branch(self, tokens: Tensor) -> Tensor:
        """See :class:`sparsevit.core.pruning.WindowBlock`."""
        return _call_each(self.list_mlp(), tokens)

    def add_attention(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """See :class:`sparsevit.core.pruning.WindowBlock`."""
        if any(map(is_hooked, self.list_readers())):
            return super().add_attention(tokens, real, bias)
        end = self._unfold(self.list_attention_end())
        return self._add(tokens, self.mix_tokens(tokens, real, bias), end)

    def add_mlp(self, tokens: Tensor) -> Tensor:
        """See :class:`sparsevit.core.pruning.WindowBlock`."""
        chain = list(self._unfold(self.list_mlp()))
        if is_hooked(chain[0]):
            return super().add_mlp(tokens)
        return self._add(tokens, tokens, chain)

    def _add(self, tokens: Tensor, x: Tensor, modules: Iterable[nn.Module]) -> Tensor:
        """Write ``tokens + modules(x)`` over tokens."""
        chain = [module for module in modules if not _rests(module)]
        is_own = False  # x was made here, and nobody else holds it
        for module in chain[:-1]:
            approximation = self._find_gelu(module) if is_own else None
            if approximation is None:
                x = module(x)
                is_own = is_plain(module, nn.Linear)
            else:
                x = torch.ops.aten.gelu_(x, approximate=approximation)
        if chain and is_plain(chain[-1], nn.Linear):
            return _add_linear(tokens, x, chain[-1])
        return tokens.add_(chain[-1](x) if chain else x)

    def _unfold(self, modules: Iterable[nn.Module]) -> Iterator[nn.Module]:
        """The modules, with those that others only call in place of these."""
        for module in modules:
            names = self.chains.get(type(module), ())
            if names and is_plain(module, type(module)):
                yield from (getattr(module, name) for name in names)
            else:
                yield module

    def _find_gelu(self, module: nn.Module) -> str | None:
        """The approximation of a GELU nobody listens to; None for all else, functions too."""
        if is_plain(module, nn.GELU):
            return str(module.approximate)
        approximation = self.gelus.get(type(module))
        return approximation if approximation and is_plain(module, type(module)) else None


def is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """True when a call of ``module`` does just what its class says and nobody listens."""
    return type(module) is kind and not is_hooked(module) and "forward" not in module.__dict__


def _call_each(modules: Iterable[nn.Module], x: Tensor) -> Tensor:
    for module in modules:
        x = module(x)
    return x


def _rests(module: nn.Module) -> bool:
    """True for an identity, or a dropout outside of training."""
    return is_plain(module, nn.Identity) or (is_plain(module, nn.Dropout) and not module.training)


def _add_linear(tokens: Tensor, x: Tensor, linear: Any) -> Tensor:
    """``tokens + linear(x)`` written over tokens: the product is added as it is made."""
    if torch.is_autocast_enabled(tokens.device.type) or linear.bias is None:
        return tokens + linear(x)
    flat = tokens.add_(linear.bias).flatten(0, -2)
    torch.addmm(flat, x.flatten(0, -2), linear.weight.t(), out=flat)
    return tokens
