"""What surrounds a forward: who records it, who listens to modules, whose weights are elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules import module as nn_module


def may_sync(x: Tensor) -> bool:
    """True where Python may read a tensor's values without waiting for a device: on a CPU.

    A GPU would have to be waited for, and while a CUDA graph, ``torch.export``, ``torch.compile``
    or ``torch.jit.trace`` records, or ``torch.func`` transforms, there are no values. There every
    shape follows from the picture's size and the schedule alone.
    """
    return x.device.type == "cpu" and not is_recorded()


def is_recorded() -> bool:
    """True while what happens is recorded or transformed, to run with other values."""
    return torch.compiler.is_compiling() or torch._C._is_tracing() or is_transformed()


def is_transformed() -> bool:
    """True inside a transform of ``torch.func``, such as ``vmap``, and in forward-mode AD."""
    return torch._C._functorch.maybe_current_level() is not None or forward_ad._current_level >= 0


def is_hooked(module: nn.Module) -> bool:
    """True when somebody listens to a module and may hold on to the tensors that pass."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or nn_module._global_forward_hooks
        or nn_module._global_forward_pre_hooks
    )


def is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """True when a call of ``module`` does just what this class says, and nobody listens."""
    return type(module) is kind and not is_changed(module)


def is_changed(module: nn.Module) -> bool:
    """True when calling a module may do more than the ``forward`` of its class."""
    return is_hooked(module) or "forward" in module.__dict__


def is_changed_inside(module: nn.Module) -> bool:
    """True when that holds of any module inside."""
    return any(
        is_changed(part) or (part._modules and is_changed_inside(part))
        for part in module._modules.values()
        if part is not None
    )


def list_offloaded(modules: Sequence[nn.Module]) -> list[nn.Module]:
    """Those whose weights accelerate keeps elsewhere until they are called."""
    return [module for module in modules if "_hf_hook" in vars(module) and _list_hooks(module)]


@contextmanager
def load_offloaded(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Inside the ``with`` block, the weights of :func:`list_offloaded` are here, nothing called."""
    with ExitStack() as stack:
        for module in modules:
            for hook in _list_hooks(module):
                hook.pre_forward(module)
                stack.callback(hook.post_forward, module, None)
        yield


def _list_hooks(module: Any) -> list[Any]:
    """The hooks of accelerate's that bring a module's weights and take them away."""
    hooks = getattr(module._hf_hook, "hooks", (module._hf_hook,))
    return [hook for hook in hooks if getattr(hook, "offload", False)]
