"""The newest request of a user wins: what is under way for an older one ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from sparsevit.core.stage import PruningStage


class Superseded(Exception):
    """A newer request of the same user has made this one pointless."""


def always() -> bool:
    """For requests that nothing supersedes."""
    return True


@contextmanager
def stop_when_stale(module: nn.Module, is_current: Callable[[], bool]) -> Iterator[None]:
    """Between two stages of a forward, raise Superseded if nobody waits for it any more."""

    def check(*_: Any) -> None:
        if not is_current():
            raise Superseded

    stages = (part for part in module.modules() if isinstance(part, PruningStage))
    hooks = [stage.register_forward_pre_hook(check) for stage in stages]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
