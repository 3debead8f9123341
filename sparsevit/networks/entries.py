"""Entries of the list of networks, and what can be wrong with one."""

from __future__ import annotations

from dataclasses import dataclass


class ModelError(ValueError):
    """A network that cannot be had; the message names it and says what is allowed."""


class UnreachableError(ModelError):
    """The hub or a part of what it was asked for did not come; the message has no full stop."""


@dataclass(frozen=True)
class ModelInfo:
    """One entry of the list of networks.

    Attributes:
        name: what ``--model`` takes.
        task: "semantic", "instance", "panoptic", "classification" or "features"; the first of
            ``tasks``.
        classes: number of classes; 0 where there are none.
        params_m: parameters in millions.
        size_mb: file size in units of 1e6 bytes.
        licence: terms of the weights.
        source: "offline" (ships with the project), "cached", or "download".
        tasks: all that it can do.
    """

    name: str
    task: str
    classes: int
    params_m: float
    size_mb: float
    licence: str
    source: str
    tasks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", self.tasks or (self.task,))
