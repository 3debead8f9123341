"""What the forwards of a network kept, for checkpoints, which run parts of one again.

They do so in the backward. By then the network may have seen other pictures, or been given another
schedule. A part that runs again must keep the windows that it kept in its own forward, or its
gradients are another network's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from sparsevit.core.modes import is_recorded


class _WeakReference(Protocol):
    """What PyTorch's own is, which has no types."""

    def expired(self) -> bool: ...


_refer: Callable[[torch.UntypedStorage], _WeakReference] = StorageWeakRef

#: Windows every block of a stage kept, (B, K) int64 each, or None for all.
Kept = list[Tensor | None]


@dataclass
class Forward:
    """One forward of one network.

    Attributes:
        energy: (B, H, W) of its pictures, for the "gradient" score; None where nobody told.
        backward: which backward ran it, a number of PyTorch's; -1 for none.
        kept: what each stage kept, by the stage's index.
    """

    energy: Tensor | None = None
    backward: int = -1
    kept: dict[int, Kept] = field(default_factory=dict)


class Forwards:
    """The forwards of one network, each known by the tensors that entered its stages."""

    def __init__(self) -> None:
        """Start with none."""
        self._lock = threading.Lock()
        self._known: dict[Any, tuple[_WeakReference, Forward]] = {}
        self._last_settings: dict[int, Any] = {}
        self._thread = threading.local()

    def begin(self, energy: Tensor) -> None:
        """Begin a forward whose pictures have this gradient energy, (B, H, W)."""
        self._thread.latest = Forward(energy, _get_backward())
        self._thread.again = None

    def enter(self, stage: int, settings: Any, x: Tensor) -> tuple[Forward, Kept | None]:
        """Take a stage's part in a forward.

        Args:
            stage: 0-based stage.
            settings: what the stage is told now.
            x: what enters the stage.

        Returns:
            The forward it is part of, where the stage is to note what it keeps; and what it kept,
            if it runs again, else None.

        Raises:
            RuntimeError: it runs again under other settings, and nobody knows which were its own.
        """
        latest: Forward = getattr(self._thread, "latest", Forward())
        if is_recorded():
            return Forward(latest.energy, kept={stage: []}), None
        backward, key = _get_backward(), _identify(x)
        found = self._known.get(key)
        forward = found[1] if found is not None and not found[0].expired() else None
        if backward >= 0:
            # A checkpoint of several stages saved only what entered the first of them.
            again = getattr(self._thread, "again", None)
            if forward is None and again is not None and again[1:] == (backward, stage):
                forward = again[0]
            if forward is not None and stage in forward.kept:
                self._thread.again = (forward, backward, stage + 1)
                return forward, forward.kept[stage]
            if self._last_settings.get(stage, settings) != settings:
                raise RuntimeError(
                    "The sparsity changed between a forward and its backward, and a checkpoint "
                    "around the network runs it again; change it after the backward."
                )
        if forward is None:
            follows = latest.backward == backward and stage > max(latest.kept, default=-1)
            forward = latest if follows else Forward(backward=backward)
        elif stage in forward.kept:  # somebody runs the stage alone, on the same once more
            forward = Forward(forward.energy, backward)
        self._thread.latest = forward
        forward.kept[stage] = []
        self._thread.again = None
        self._last_settings[stage] = settings
        if x.is_inference():  # no backward can follow
            return forward, None
        with self._lock:
            dead = [k for k, (storage, _) in self._known.items() if storage.expired()]
            for k in dead:
                del self._known[k]
            self._known[key] = (_refer(x.untyped_storage()), forward)
        return forward, None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()  # a copy of a network has no forwards yet


def _identify(x: Tensor) -> tuple[int, int, int]:
    """What a tensor has in common with its views of all of it, as long as its memory lives."""
    return x.untyped_storage()._cdata, int(x.storage_offset()), x.numel()


def _get_backward() -> int:
    """The number of the backward that runs in this thread, -1 outside of any."""
    return -1 if torch.compiler.is_compiling() else torch._C._current_graph_task_id()
