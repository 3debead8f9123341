"""The page on Hugging Face's ZeroGPU. See ../deploy.md; copy this file beside app.py to use it.

ZeroGPU lends a GPU to one call of a decorated function. The call runs in a process forked for it;
arguments and answers are pickled on their way and may hold no tensor of the GPU. So the page keeps
an engine on the CPU, each such process has an engine of its own on the GPU, and plain data travels.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar, cast

import spaces  # before torch, which it patches

from app.config import Config, parse_args
from app.engine.local import LocalEngine
from app.engine.newest import Superseded, always
from app.engine.records import Photo, Result, Settings
from app.page.launch import serve
from app.tabs.registry import TABS
from sparsevit.data.focal import CameraError
from sparsevit.data.reader import ImageError
from sparsevit.inspect.sizes import SizeComparison
from sparsevit.measure.latency import LatencyReport
from sparsevit.networks import ModelError
from sparsevit.schedule import ScheduleError

_DURATION_S = 20  # at most; whoever asks for less waits less

Function = TypeVar("Function", bound=Callable[..., Any])


class ZeroEngine(LocalEngine):
    """An engine that borrows a GPU for what is analysed and timed; the rest runs on the CPU.

    So does the result the page opens with: a GPU is lent to visitors only.

    Args:
        config: its device is that of the borrowed GPU.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(replace(config, device="cpu"))
        self._gpu_config = config

    def analyze(
        self, photo: Photo, settings: Settings, is_current: Callable[[], bool] = always
    ) -> Result:
        if not is_current():
            raise Superseded
        outcome = _analyze(self._gpu_config, photo, settings)
        if isinstance(outcome, Exception):
            raise outcome
        return replace(outcome, photo=photo)  # the page compares photos by identity

    def measure(
        self, result: Result, runs: int, is_current: Callable[[], bool] = always, warmup: int = 1
    ) -> Iterator[Result]:
        """Time it with a warm-up: the process may be new."""
        for latency in _measure(self._gpu_config, result, runs, warmup):
            yield replace(result, analysis=replace(result.analysis, latency=latency))
            if not is_current():
                return

    def measure_memory(self, result: Result) -> Result:
        return replace(result, peak_mb=_measure_memory(self._gpu_config, result))

    def compare_sizes(
        self, result: Result, rounds: int, is_current: Callable[[], bool] = always
    ) -> Iterator[SizeComparison]:
        for comparison in _compare_sizes(self._gpu_config, result, rounds):
            yield comparison
            if not is_current():
                return


def _borrow(function: Function) -> Function:
    """The function with a GPU for as long as a call takes."""
    return cast(Function, spaces.GPU(duration=_DURATION_S)(function))


@cache
def _get_engine(config: Config) -> LocalEngine:
    """The engine of the borrowed process, which may serve several calls."""
    return LocalEngine(config)


@_borrow
def _analyze(config: Config, photo: Photo, settings: Settings) -> Result | Exception:
    try:
        return _move(_get_engine(config).analyze(photo, settings), "cpu")
    except (CameraError, ImageError, ModelError, ScheduleError) as error:
        return error  # raised, it would reach the page without its sentence


@_borrow
def _measure(
    config: Config, result: Result, runs: int, warmup: int
) -> Iterator[LatencyReport | None]:
    moved = _move(result, config.device)
    for measured in _get_engine(config).measure(moved, runs, warmup=warmup):
        yield measured.analysis.latency


@_borrow
def _measure_memory(config: Config, result: Result) -> tuple[float, float] | None:
    return _get_engine(config).measure_memory(_move(result, config.device)).peak_mb


@_borrow
def _compare_sizes(config: Config, result: Result, rounds: int) -> Iterator[SizeComparison]:
    yield from _get_engine(config).compare_sizes(_move(result, config.device), rounds)


def _move(result: Result, device: str) -> Result:
    """The result with its one tensor of the network's device on another."""
    prepared = result.analysis.prepared
    prepared = replace(prepared, images=prepared.images.to(device))
    return replace(result, analysis=replace(result.analysis, prepared=prepared))


if __name__ == "__main__":
    sys.exit(serve(ZeroEngine(parse_args()), TABS, time.monotonic()))
