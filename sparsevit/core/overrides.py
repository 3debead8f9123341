"""A module under another class, which is how it is sparsified, and what somebody put on it before.

What lies on the module itself (accelerate's hooks, a patch, a stray attribute) comes before its
class, so it is moved to the new class where it only calls the old one, and named where it is
anything else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from types import FrameType, MethodType
from typing import Any

from torch import nn

#: Where a class of :func:`derive_class` keeps the one it was derived from.
HOST_CLASS = "_sparsevit_host_class"

_CALL = nn.Module._call_impl.__code__


class SparseModule(nn.Module):
    """What takes the place of a host's module, by giving it another class, as long as it prunes."""

    def release(self) -> None:
        """Take away what this class put on the module, which is about to be the host's again."""


def change_class(module: nn.Module, new: type[nn.Module]) -> None:
    """Give a module another class, and what is bound to a method of the old one that of the new."""
    old = type(module)
    for name, value in list(vars(module).items()):
        if not _is_bound(value, module):
            continue
        of_old, of_new = (getattr(cls, value.__name__, None) for cls in (old, new))
        if of_new is not None and of_old is _of(value):
            vars(module)[name] = MethodType(of_new, module)
    module.__class__ = new


def derive_class(prefix: str, mixin: type[nn.Module], host_class: type[nn.Module]) -> Any:
    """The class that is a mixin and a host's; one and the same for as long as anybody uses it."""
    for cls in host_class.__subclasses__():
        if cls.__bases__ == (mixin, host_class):
            return cls
    name = prefix + host_class.__name__
    return type(name, (mixin, host_class), {HOST_CLASS: host_class})


def is_overridden(module: nn.Module, new: type[nn.Module] | None = None) -> bool:
    """True for a module with methods of its own that a change of class would leave without effect.

    Args:
        module: any.
        new: the class it will get; without one its ``forward`` will not be called any more.
    """
    old = type(module)
    return any(
        callable(value)
        and (name == "forward" if new is None else getattr(new, name, None) is not of_old)
        and not (_is_bound(value, module) and _of(value) is of_old)
        and not _is_accelerates(module, name)
        for name, value in vars(module).items()
        if (of_old := getattr(old, name, None)) is not None
    )


def _is_bound(value: Any, module: nn.Module) -> bool:
    return isinstance(value, MethodType) and value.__self__ is module


def _of(method: Any) -> Any:
    return method.__func__


def _is_accelerates(module: nn.Module, name: str) -> bool:
    """True for the ``forward`` with which accelerate's hooks wrap the class's own."""
    wrapper, wrapped = vars(module)[name], vars(module).get("_old_forward")
    return (
        name == "forward"
        and isinstance(wrapper, partial)
        and wrapper.func.__module__ == "accelerate.hooks"
        and _is_bound(wrapped, module)
        and _of(wrapped) is type(module).forward
    )


def refuse_stray_sparsity(modules: Iterable[nn.Module]) -> None:
    """Refuse modules with a plain attribute ``sparsity``, which nothing reads.

    Raises:
        RuntimeError: there is one.
    """
    for module in modules:
        if "sparsity" in vars(module) and not hasattr(type(module), "sparsity"):
            name = type(module).__name__
            raise RuntimeError(
                f"{name}.sparsity is an attribute that nothing reads: set it on the network that "
                f"was given to sparsify, or del it and give this {name} to sparsify as well."
            )


def list_callers() -> list[nn.Module]:
    """The modules whose calls led here, the innermost first: wrappers, networks, stages."""
    callers: list[nn.Module] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _CALL:
            callers.append(frame.f_locals["self"])
        frame = frame.f_back
    return callers
