"""Make a trained network prune its windows, in place and undoably."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import nn

from sparsevit.core.forwards import Forwards
from sparsevit.core.overrides import (
    HOST_CLASS,
    SparseModule,
    change_class,
    derive_class,
    list_callers,
    refuse_stray_sparsity,
)
from sparsevit.core.stage import PruningStage, StageSettings, run_as_host
from sparsevit.core.windows import WindowGrid
from sparsevit.hosts.registry import find_host, find_host_class, refuse_model
from sparsevit.package.choices import SCORES, Score
from sparsevit.schedule import SparsitySchedule

Model = TypeVar("Model", bound=nn.Module)


class SparseModel(nn.Module):
    """Mixin that gives a sparsified network its ``sparsity``."""

    @property
    def sparsity(self) -> SparsitySchedule:
        """The schedule in force. Assign any form that :meth:`SparsitySchedule.parse` accepts."""
        return get_sparsity(self)

    @sparsity.setter
    def sparsity(self, value: Any) -> None:
        set_sparsity(self, value)

    def _replicate_for_data_parallel(self) -> Any:
        # Replicas run in threads of their own, which do not know of the wrapper.
        refuse_stray_sparsity(list_callers())
        host: Any = super()
        return host._replicate_for_data_parallel()

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # The class is made at run time, so a pickle names what it is made of.
        reduced = super().__reduce_ex__(protocol)
        return (_rebuild_sparse_model, (vars(type(self))[HOST_CLASS],), *reduced[2:])


def sparsify(
    model: Model,
    sparsity: Any = None,
    *,
    score: Score | None = None,
    rescore: bool | None = None,
    seed: int | None = None,
) -> Model:
    """Let ``model`` skip attention windows: afterwards set ``model.sparsity``.

    Weights, module names and state_dict keys stay what they were, and at sparsity 0 so does the
    output. Calling it again only changes the options given.

    Args:
        model: a network of those in docs/hosts.md, or any that contains one.
        sparsity: first schedule, in any form :meth:`SparsitySchedule.parse` accepts; 0 if omitted.
        score: how windows are ranked, one of ``sparsevit.SCORES``; "rms" if omitted.
        rescore: score at every block instead of once per stage; sparsities may then fall inside a
            stage. False if omitted.
        seed: of the "random" score; 0 if omitted.

    Returns:
        The same object.

    Raises:
        UnsupportedModelError: no supported blocks inside, or more than one backbone.
        ScheduleError: an impossible schedule.
        ValueError: an unknown score.
    """
    if score is not None and score not in SCORES:
        raise ValueError(f"Unknown score {score!r}; scores are {', '.join(SCORES)}.")
    host = find_host(model)
    modules = host.find_swappable(model)
    unknown = host.find_unknown(modules)
    if unknown:
        name = type(unknown[0]).__name__
        raise refuse_model(
            model,
            f"its {name} is not the host's own, or has a forward of its own, as from a patch or "
            "a compiler; sparsify first, then change it",
        )
    stages = [module for module in modules if host.is_stage(module)]
    depths = [len(host.list_blocks(stage)) for stage in stages]
    settings = _make_settings(stages, depths, sparsity, score, rescore, seed)
    if settings[0].score == "gradient" and not host.sees_images:
        raise ValueError(f"The gradient score does not work for {host.name}.")
    for module in modules:
        change_class(module, host.sparse_classes.get(type(module), type(module)))
    forwards = getattr(stages[0], "forwards", None) or Forwards()
    for stage, setting in zip(find_stages(model), settings, strict=True):
        stage.pruning, stage.forwards = setting, forwards
    host.set_image_score(modules, forwards if settings[0].score == "gradient" else None)
    if not isinstance(model, SparseModel):
        model.__class__ = derive_class("Sparse", SparseModel, type(model))
    return model


def _make_settings(
    stages: list[Any],
    depths: list[int],
    sparsity: Any,
    score: Score | None,
    rescore: bool | None,
    seed: int | None,
) -> list[StageSettings]:
    """What every stage will be told, new options over old; checked before anything changes."""
    first = getattr(stages[0], "pruning", StageSettings(0, ()))
    if sparsity is None and hasattr(stages[0], "pruning"):
        sparsity = [stage.pruning.sparsities for stage in stages]
    rescore = first.rescore if rescore is None else rescore
    schedule = SparsitySchedule.parse(0.0 if sparsity is None else sparsity, depths)
    if not rescore:
        schedule.check_linked()
    return [
        StageSettings(
            index=index,
            sparsities=sparsities,
            score=score or first.score,
            rescore=rescore,
            seed=first.seed if seed is None else seed,
        )
        for index, sparsities in enumerate(schedule.stages)
    ]


def densify(model: Model) -> Model:
    """Undo :func:`sparsify`: classes, attributes and outputs are the host's own again.

    Args:
        model: any network; one that was never sparsified is returned as it is.

    Returns:
        The same object.
    """
    for module in model.modules():
        if isinstance(module, SparseModule):
            module.release()
        change_class(module, find_host_class(type(module)))
    return model


def is_sparse(model: nn.Module) -> bool:
    """True for a model that :func:`sparsify` was called on, whatever its sparsity."""
    return isinstance(model, SparseModel)


def get_sparsity(model: nn.Module) -> SparsitySchedule:
    """The schedule in force of a sparsified model; ``model.sparsity`` is the same.

    Args:
        model: what was given to :func:`sparsify`, or a wrapper around it.

    Raises:
        ValueError: it is not sparsified.
    """
    return SparsitySchedule(tuple(stage.pruning.sparsities for stage in _find_some_stages(model)))


def get_rescore(model: nn.Module) -> bool:
    """Whether a sparsified model scores at every block instead of once per stage.

    Args:
        model: what was given to :func:`sparsify`, or a wrapper around it.

    Raises:
        ValueError: it is not sparsified.
    """
    rescore: bool = _find_some_stages(model)[0].pruning.rescore
    return rescore


def set_sparsity(model: nn.Module, value: Any) -> None:
    """Give a sparsified model a schedule; ``model.sparsity = value`` is the same.

    Args:
        model: what was given to :func:`sparsify`, or a wrapper around it.
        value: in any form :meth:`SparsitySchedule.parse` accepts.

    Raises:
        ValueError: it is not sparsified.
        ScheduleError: an impossible schedule, or one that falls inside a stage without rescoring.
    """
    stages = _find_some_stages(model)
    host = find_host(model)
    schedule = SparsitySchedule.parse(value, [len(host.list_blocks(stage)) for stage in stages])
    if not stages[0].pruning.rescore:
        schedule.check_linked()
    for stage, sparsities in zip(stages, schedule.stages, strict=True):
        stage.pruning = replace(stage.pruning, sparsities=sparsities)


def find_stages(model: nn.Module) -> list[Any]:
    """The stages of a sparsified model, in network order."""
    return [module for module in model.modules() if isinstance(module, PruningStage)]


def _find_some_stages(model: nn.Module) -> list[Any]:
    stages = find_stages(model)
    if not stages:
        raise ValueError(f"Call sparsify() on this {type(model).__name__} first.")
    return stages


def list_blocks(model: nn.Module) -> list[list[Any]]:
    """The blocks that can be pruned of every stage of a sparsified model, in network order."""
    host = find_host(model)
    return [host.list_blocks(stage) for stage in find_stages(model)]


def list_dense(model: nn.Module) -> list[nn.Module]:
    """The modules inside the stages of a sparsified model that run on every token."""
    host = find_host(model)
    return [module for stage in find_stages(model) for module in host.list_dense(stage)]


def get_depths(model: nn.Module) -> tuple[int, ...]:
    """Blocks per stage of a sparsified model, e.g. (2, 2, 6, 2)."""
    return tuple(map(len, list_blocks(model)))


def get_token_grids(model: nn.Module, image_size: tuple[int, int]) -> list[tuple[int, int]]:
    """(H, W) tokens of every stage of a sparsified model for (img_h, img_w) pixels."""
    return find_host(model).find_token_grids(model, image_size)


def list_grids(model: nn.Module, image_size: tuple[int, int]) -> list[list[WindowGrid]]:
    """The windows of every block of every stage of a sparsified model, on the CPU.

    Args:
        model: a sparsified model.
        image_size: (img_h, img_w) pixels.
    """
    sizes, device = get_token_grids(model, image_size), torch.device("cpu")
    return [
        [block.get_grid(*size, device) for block in blocks]
        for blocks, size in zip(list_blocks(model), sizes, strict=True)
    ]


def fix_input_size(model: nn.Module, image_size: tuple[int, int]) -> None:
    """Fix the windows of a sparsified model for one size, where they are fitted to every size.

    What is left has nothing to decide in a forward, as a compiler wants it.

    Args:
        model: a sparsified model, changed for good.
        image_size: (img_h, img_w) pixels.
    """
    find_host(model).fix_input_size(model, image_size)


@contextmanager
def host_form(model: nn.Module, fused: bool = True) -> Iterator[None]:
    """Run a sparsified model by its host's own code inside the ``with`` block, for comparison.

    Args:
        model: a sparsified model.
        fused: let the host use its fused attention, its fastest form short of compiling.
    """
    with run_as_host(), use_fused_attention(model, fused):
        yield


def use_fused_attention(model: nn.Module, fused: bool) -> AbstractContextManager[None]:
    """Make the host's own attention fused, or not, inside a ``with`` block, where it has both."""
    return find_host(model).use_fused_attention(model, fused)


def _rebuild_sparse_model(host_class: type[nn.Module]) -> Any:
    cls = derive_class("Sparse", SparseModel, host_class)
    return cls.__new__(cls)
