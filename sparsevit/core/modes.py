"""What surrounds a forward: who records or transforms it, and who listens to its modules."""

from __future__ import annotations

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
