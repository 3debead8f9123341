"""What a result costs, measured: latency, memory, and the same time spent on a smaller photo."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from app.engine.models import Networks
from app.engine.newest import Superseded, always
from app.engine.records import Result
from app.engine.turns import Turns
from sparsevit.data.reader import ImageError
from sparsevit.inspect.photo import Analysis, list_maps
from sparsevit.inspect.sizes import SizeComparison, compare_sizes
from sparsevit.inspect.worth import estimate_worth_mb
from sparsevit.measure.dense import make_runs
from sparsevit.measure.latency import (
    MAX_OTHER_LOAD,
    LatencyStats,
    describe_device,
    explain_doubt,
    find_dense_form,
    refine_latency,
)
from sparsevit.measure.load import LoadMeter
from sparsevit.measure.memory import find_free_mb, peak_extra_mb
from sparsevit.networks import LoadedModel

_SURELY_FITS = 512 * 512  # pixels, whose backward needs no look at the memory
_LOOK_S = 0.25  # long enough to see whether the machine is quiet


class Measuring:
    """Times results against dense; remembers which dense form is fastest and how long it took.

    The methods named as those of :class:`app.engine.protocol.Engine` do what is said there.

    Args:
        device: of the networks.
        networks: by name.
        turns: among all who run networks.
    """

    def __init__(self, device: str, networks: Networks, turns: Turns) -> None:
        self._device = device
        self._networks = networks
        self._turns = turns
        self._dense_forms: dict[tuple[str, str, torch.Size], str] = {}
        self._dense_ms: dict[tuple[str, str, torch.Size], float] = {}
        self._worth_mb: dict[tuple[str, str], float] = {}  # a pixel

    def measure(
        self, result: Result, runs: int, is_current: Callable[[], bool] = always, warmup: int = 0
    ) -> Iterator[Result]:
        loaded = self._find_network(result)
        images, schedule = result.analysis.prepared.images, result.settings.schedule
        try:
            form = self._choose_dense_form(loaded, result, is_current)
        except Superseded:
            return
        maps = list_maps(loaded, result.analysis)
        rounds = refine_latency(loaded.module, images, schedule, runs, form, warmup, maps)
        linked = result.settings.linked
        for report in self._turns.take(loaded, linked, rounds, is_current):
            measured = replace(result, analysis=replace(result.analysis, latency=report))
            if measured.doubt is None:
                self._dense_ms[_name_run(loaded, images)] = report.dense.median_ms
            yield measured

    def is_quiet(self) -> bool:
        meter = LoadMeter(self._device)
        with meter:
            time.sleep(_LOOK_S)
        return meter.other_load is None or meter.other_load <= MAX_OTHER_LOAD

    def measure_memory(self, result: Result) -> Result:
        loaded = self._find_network(result)
        form = self._choose_dense_form(loaded, result)
        schedules = {"sparse": result.settings.schedule}
        images, maps = result.analysis.prepared.images, list_maps(loaded, result.analysis)
        with self._turns.hold(loaded, result.settings.linked), torch.inference_mode():
            runs = make_runs(loaded.module, images, schedules, maps=maps)
            dense, sparse = (peak_extra_mb(runs[key], loaded.device) for key in (form, "sparse"))
        return replace(result, peak_mb=(dense, sparse))

    def compare_sizes(
        self, result: Result, rounds: int, is_current: Callable[[], bool] = always
    ) -> Iterator[SizeComparison]:
        loaded = self._find_network(result)
        try:
            form = self._choose_dense_form(loaded, result, is_current)
        except Superseded:
            return
        steps = compare_sizes(loaded, result.photo.pixels, result.analysis, form, rounds)
        yield from self._turns.take(loaded, result.settings.linked, steps, is_current)

    def guess_ms(
        self, loaded: LoadedModel, analysis: Analysis, other_load: float | None
    ) -> tuple[float, float] | None:
        """The latency that is known before anything is measured.

        Args:
            loaded: the network.
            analysis: of a run just made.
            other_load: share of the CPUs that other programs used meanwhile.

        Returns:
            ``guess_ms`` of :class:`app.engine.records.Result`.
        """
        dense_ms = self._dense_ms.get(_name_run(loaded, analysis.prepared.images))
        if dense_ms is None:
            return None
        dense, sparse = (LatencyStats((ms,)) for ms in (dense_ms, analysis.forward_ms))
        if explain_doubt(dense, sparse, other_load, analysis.cost.least_ratio) is not None:
            return None
        return dense_ms, analysis.forward_ms

    def find_dense_form(self, loaded: LoadedModel, images: Tensor) -> str:
        """The fastest dense form of a network at a size, found out once.

        Args:
            loaded: the network; this thread's turn must be held.
            images: (1, 3, img_h, img_w).
        """
        key = _name_run(loaded, images)
        if key not in self._dense_forms:
            self._dense_forms[key] = find_dense_form(loaded.module, images)
        return self._dense_forms[key]

    def check_worth(self, loaded: LoadedModel, images: Tensor) -> None:
        """Refuse to measure what windows are worth where memory is too small for the backward.

        A CPU's would not fail, but end the whole page.

        Args:
            loaded: the network; this thread's turn must be held.
            images: (1, 3, img_h, img_w).

        Raises:
            ImageError: it is too small.
        """
        (height, width), key = images.shape[-2:], (loaded.name, loaded.task.name)
        if height * width <= _SURELY_FITS:
            return
        if key not in self._worth_mb:
            self._worth_mb[key] = estimate_worth_mb(loaded, images) / (height * width)
        needed_mb, free_mb = self._worth_mb[key] * height * width, find_free_mb(loaded.device)
        if free_mb is not None and needed_mb > free_mb:
            raise ImageError(
                f"To tell what windows are worth at {height} x {width} pixels takes about "
                f"{needed_mb / 1e3:.1f} GB of memory, and {describe_device(loaded.device)} has "
                f"{free_mb / 1e3:.1f} GB left; choose a smaller short side."
            )

    def _find_network(self, result: Result) -> LoadedModel:
        return self._networks.get(result.settings.model, result.settings.task)

    def _choose_dense_form(
        self, loaded: LoadedModel, result: Result, is_current: Callable[[], bool] = always
    ) -> str:
        """The same for a result; takes a turn.

        Raises:
            Superseded: the result is not current any more.
        """
        with self._turns.hold(loaded, result.settings.linked, is_current):
            return self.find_dense_form(loaded, result.analysis.prepared.images)


def _name_run(loaded: LoadedModel, images: Tensor) -> tuple[str, str, torch.Size]:
    """What the time of a dense forward depends on: network, task and size."""
    return loaded.name, loaded.task.name, images.shape
