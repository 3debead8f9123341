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

import spaces  # before torch, which it patches

from app.config import Config, parse_args
from app.engine.engine import Engine
from app.engine.newest import Superseded
from app.engine.records import Photo, Result, Settings
from app.page.launch import serve
from sparsevit.data.reader import ImageError
from sparsevit.inspect.sizes import SizeComparison
from sparsevit.measure.latency import LatencyReport
from sparsevit.networks import ModelError
from sparsevit.schedule import ScheduleError

_BORROW = spaces.GPU(duration=20)  # seconds at most; whoever asks for less waits less


def _always() -> bool:
    return True


class ZeroEngine(Engine):
    """An engine that borrows a GPU for what is analysed and timed; the rest runs on the CPU.

    Args:
        config: its device is that of the borrowed GPU.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(replace(config, device="cpu"))
        self._gpu_config = config

    def analyze_first(self) -> None:
        """Compute the first result on the CPU: a GPU is lent to visitors only."""
        self._on_cpu = Engine(self.config)
        self._on_cpu.examples = self.examples  # the page compares photos by identity
        self._on_cpu._first = self._first  # for which pages wait
        self._on_cpu.analyze_first()

    def time_first(self) -> None:
        """Time it there."""
        self._on_cpu.time_first()
        self._set_first(self._on_cpu.first)
        del self._on_cpu  # and its network

    def analyze(
        self, photo: Photo, settings: Settings, is_current: Callable[[], bool] = _always
    ) -> Result:
        """See :meth:`app.engine.engine.Engine.analyze`."""
        if not is_current():
            raise Superseded
        outcome = _analyze(self._gpu_config, photo, settings)
        if isinstance(outcome, Exception):
            raise outcome
        return replace(outcome, photo=photo)  # the page compares photos by identity

    def measure(
        self, result: Result, runs: int, is_current: Callable[[], bool] = _always, warmup: int = 1
    ) -> Iterator[Result]:
        """As the engine it wraps; a process may be new, so it is warmed up."""
        for latency in _measure(self._gpu_config, result, runs, warmup):
            yield replace(result, analysis=replace(result.analysis, latency=latency))
            if not is_current():
                return

    def measure_memory(self, result: Result) -> Result:
        """See :meth:`app.engine.engine.Engine.measure_memory`."""
        return replace(result, peak_mb=_measure_memory(self._gpu_config, result))

    def compare_sizes(
        self, result: Result, rounds: int, is_current: Callable[[], bool] = _always
    ) -> Iterator[SizeComparison]:
        """See :meth:`app.engine.engine.Engine.compare_sizes`."""
        for comparison in _compare_sizes(self._gpu_config, result, rounds):
            yield comparison
            if not is_current():
                return


@cache
def _get_engine(config: Config) -> Engine:
    """The engine of the borrowed process, which may serve several calls."""
    return Engine(config)


@_BORROW
def _analyze(config: Config, photo: Photo, settings: Settings) -> Result | Exception:
    try:
        return _move(_get_engine(config).analyze(photo, settings), "cpu")
    except (ImageError, ModelError, ScheduleError) as error:
        return error  # raised, it would reach the page without its sentence


@_BORROW
def _measure(config: Config, result: Result, runs: int, warmup: int) -> Iterator[LatencyReport]:
    moved = _move(result, config.device)
    for measured in _get_engine(config).measure(moved, runs, warmup=warmup):
        yield measured.analysis.latency


@_BORROW
def _measure_memory(config: Config, result: Result) -> tuple[float, float] | None:
    return _get_engine(config).measure_memory(_move(result, config.device)).peak_mb


@_BORROW
def _compare_sizes(config: Config, result: Result, rounds: int) -> Iterator[SizeComparison]:
    yield from _get_engine(config).compare_sizes(_move(result, config.device), rounds)


def _move(result: Result, device: str) -> Result:
    """The result with its one tensor of the network's device on another."""
    prepared = result.analysis.prepared
    prepared = replace(prepared, images=prepared.images.to(device))
    return replace(result, analysis=replace(result.analysis, prepared=prepared))


if __name__ == "__main__":
    sys.exit(serve(ZeroEngine(parse_args()), time.monotonic()))
