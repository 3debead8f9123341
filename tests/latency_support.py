"""Timing under a clock we set by hand, in networks whose every form takes as long as we say."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from torch import nn

from sparsevit.core.stage import runs_as_host
from sparsevit.measure import latency, load
from sparsevit.patch import get_sparsity

#: The first runs of each form take so many times as long.
COLD, COLD_RUNS = 100, 2


class FakeClock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now

    def task(self, name: str, *seconds: float) -> Callable[[], None]:
        """Something to run that notes its name and takes these seconds, run by run."""
        durations = iter(seconds)

        def run() -> None:
            self.calls.append(name)
            self.now += next(durations)

        return run


def see_form(model: nn.Module) -> str:
    """How a network of timm's Swin is being run, by what its own forward sees."""
    if runs_as_host():
        fused = {module.fused_attn for module in model.modules() if hasattr(module, "fused_attn")}
        return {frozenset({True}): "host", frozenset({False}): "host default"}[frozenset(fused)]
    return "sparsevit" if get_sparsity(model).is_dense else "sparse"


def pace(
    patch: pytest.MonkeyPatch, model: nn.Module, seconds: Mapping[str, float]
) -> tuple[FakeClock, list[str]]:
    """Let time pass only in a network's forward, by the form it really runs in.

    Args:
        patch: gives the clock back.
        model: sparsified, of timm's Swin; not to be used afterwards.
        seconds: of each form that :func:`see_form` tells apart; of its first ``COLD_RUNS``, each
            takes ``COLD`` times as long. Nothing is known of the machine's load.

    Returns:
        The clock, and the forms that ran, in order.
    """
    clock, ran = FakeClock(), []  # type: ignore[var-annotated]

    def pass_time(module: nn.Module, _: object) -> None:
        if module is model:  # and no copy of it, whose arithmetic is counted
            form = see_form(model)
            clock.now += seconds[form] * (COLD if ran.count(form) < COLD_RUNS else 1)
            ran.append(form)

    time_one = latency._time
    model.register_forward_pre_hook(pass_time)
    patch.setattr(latency, "_time", lambda run, _, network: time_one(run, clock, network))
    patch.setattr(load, "_read_busy", lambda: None)
    return clock, ran


def set_load(patch: pytest.MonkeyPatch, share: float) -> None:
    """Let every meter say that other programs used so much of the CPUs."""
    patch.setattr(
        load.LoadMeter, "__exit__", lambda meter, *_: vars(meter).update(other_load=share)
    )
