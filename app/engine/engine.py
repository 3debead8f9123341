"""The networks behind the page: loaded once, run one at a time. Knows nothing of the page."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from app.config import Config
from app.engine.examples import read_examples, read_photo
from app.engine.frames import time_frame
from app.engine.models import Networks
from app.engine.newest import Superseded, always, stop_when_stale
from app.engine.records import FrameResult, Opening, Photo, Result, Settings, fit_schedule
from app.engine.search import search_photo
from app.engine.turns import TurnLock
from sparsevit.data.reader import ImageError
from sparsevit.inspect.block import BlockSteps, trace_block
from sparsevit.inspect.photo import Analysis, PreparedImage, analyze, prepare_image
from sparsevit.inspect.sizes import SizeComparison, compare_sizes
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
from sparsevit.measure.memory import is_out_of_memory, peak_extra_mb
from sparsevit.networks import LoadedModel, ModelInfo
from sparsevit.patch import set_sparsity, sparsify
from sparsevit.schedule import SparsitySchedule
from sparsevit.search import SearchProgress, SearchSettings

_LOOK_S = 0.25  # long enough to see whether the machine is quiet
_SMALLEST_SIDE = 256  # pixels; below it no smaller size is tried when memory runs out

Outcome = TypeVar("Outcome")


class Engine:
    """One lock around every run of a network, and dense results kept for reuse.

    Attributes:
        config: limits and defaults.
        examples: name -> the example pictures, never empty.
        opening: what is known of the first result without running the network.
        first: the result the page opens with; who asks before it is there waits for it.
        networks: by name.
    """

    def __init__(self, config: Config) -> None:
        # Every sparsity has sizes of its own; oneDNN would remember the last 1024 of them.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
        self.config = config
        self.examples = read_examples(config.assets)
        self.networks = Networks(config)
        self._run_lock = TurnLock()
        self._prepared: OrderedDict[tuple[str, str, int | None], PreparedImage] = OrderedDict()
        self._dense_forms: dict[tuple[str, torch.Size], str] = {}
        self._dense_ms: dict[tuple[str, torch.Size], float] = {}
        self._first: Future[Result] = Future()

    @property
    def opening(self) -> Opening:
        """What is known of the first result without running the network, which is loaded.

        Raises:
            ModelError: the network cannot be had.
        """
        config, photo = self.config, next(iter(self.examples.values()))
        loaded = self.networks.get(config.model)
        schedule = fit_schedule(SparsitySchedule.parse(config.sparsity), loaded.depths)
        settings = Settings(config.model, schedule, short_side=config.short_side)
        size = loaded.choose_size(photo.pixels, config.short_side)
        dtype = str(loaded.dtype).removeprefix("torch.")
        return Opening(photo, settings, size, loaded.task, loaded.depths, self.device, dtype)

    @property
    def has_first(self) -> bool:
        """Whether the result the page opens with is there."""
        return self._first.done()

    @property
    def first(self) -> Result:
        """The result the page opens with; waits for :meth:`analyze_first` in another thread.

        Raises:
            Exception: that which :meth:`analyze_first` raised.
        """
        return self._first.result()

    @property
    def device(self) -> str:
        """The device in words."""
        return describe_device(self.config.device)

    def start(self) -> None:
        """Compute the result the page opens with, latency included.

        Raises:
            ModelError: the first network cannot be had.
        """
        self.analyze_first()
        self.time_first()

    def analyze_first(self) -> None:
        """Compute the result the page opens with, all but its latency; whoever waits gets it.

        Raises:
            ModelError: the first network cannot be had.
            ImageError: memory runs out even at a small size.
        """
        try:
            opening = self.opening
            self._set_first(self.analyze(opening.photo, opening.settings))
        except BaseException as error:
            self._first.set_exception(error)
            raise

    def time_first(self) -> None:
        """Time the result the page opens with."""
        result = self.first
        for measured in self.measure(result, self.config.start_runs, warmup=1):
            result = measured
        self._set_first(result)

    def list_models(self) -> list[ModelInfo]:
        """Every network that has a name, those that work offline first."""
        return self.networks.list_infos()

    def get_depths(self, name: str) -> tuple[int, ...]:
        """Blocks per stage of a network.

        Raises:
            ModelError: the network cannot be had.
        """
        return self.networks.get(name).depths

    def read_photo(self, path: str | Path) -> Photo:
        """Read a picture; an example is known by its pixels, wherever the file lies.

        Raises:
            ImageError: it cannot be used.
        """
        photo = read_photo(Path(path))
        for example in self.examples.values():
            if example.key == photo.key:
                return example
        return photo

    def analyze(
        self, photo: Photo, settings: Settings, is_current: Callable[[], bool] = always
    ) -> Result:
        """Run a network on a photo; its dense result is computed once and kept.

        When memory runs out, smaller sizes are tried and the result says so in its note.

        Args:
            photo: the picture.
            settings: network, schedule, resolution.
            is_current: asked once it is this request's turn; False abandons it.

        Raises:
            Superseded: the request is not current any more.
            ModelError: the network cannot be had.
            ScheduleError: linked, and a sparsity falls inside a stage.
            ImageError: memory runs out even at a small size.
        """
        loaded = self.networks.get(settings.model)
        schedule = fit_schedule(settings.schedule, loaded.depths)
        if settings.linked:
            schedule.check_linked()
        settings = replace(settings, schedule=schedule)
        asked = settings.short_side or min(photo.pixels.shape[:2])
        note = ""
        while True:
            try:
                with self._hold(loaded, settings.linked, is_current):
                    prepared = self._prepare(loaded, photo, settings.short_side)
                    meter = LoadMeter(loaded.device)
                    with meter:
                        analysis = analyze(loaded, prepared, schedule)
                guess_ms = self._guess_ms(analysis, meter.other_load)
                return Result(
                    *(photo, settings, analysis, loaded.task, loaded.depths),
                    note=note,
                    guess_ms=guess_ms,
                )
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
            self._free_memory()
            smaller = (settings.short_side or asked) // 2 // 32 * 32
            if smaller < _SMALLEST_SIDE:
                raise ImageError(
                    f"The memory of {self.device} is too small for this picture; "
                    f"close other programs or choose a smaller network."
                )
            settings = replace(settings, short_side=smaller)
            note = (
                f"A short side of {asked} pixels is too large for the memory of {self.device}, "
                f"so {smaller} was used."
            )

    def measure(
        self, result: Result, runs: int, is_current: Callable[[], bool] = always, warmup: int = 0
    ) -> Iterator[Result]:
        """Time dense against sparse, round after round; others may run between two rounds.

        Args:
            result: what to time.
            runs: timed runs of dense and sparse each.
            is_current: asked before every round; False ends the measuring.
            warmup: untimed rounds before the first; the network has just run on this photo.
        """
        loaded = self.networks.get(result.settings.model)
        images, schedule = result.analysis.prepared.images, result.settings.schedule
        form = self._choose_dense_form(loaded, result)
        rounds = refine_latency(loaded.module, images, schedule, runs, form, warmup)
        linked = result.settings.linked
        for report in self._take_turns(loaded, linked, rounds, is_current):
            measured = replace(result, analysis=replace(result.analysis, latency=report))
            if measured.doubt is None:
                self._dense_ms[loaded.name, images.shape] = report.dense.median_ms
            yield measured

    def is_quiet(self) -> bool:
        """Whether other programs leave the machine alone at this moment, so that timing pays."""
        meter = LoadMeter(self.config.device)
        with meter:
            time.sleep(_LOOK_S)
        return meter.other_load is None or meter.other_load <= MAX_OTHER_LOAD

    def run_frame(
        self,
        pixels: np.ndarray,
        settings: Settings,
        order: Sequence[str],
        warmup: int = 0,
        is_current: Callable[[], bool] = always,
        meter: LoadMeter | None = None,
    ) -> FrameResult:
        """Run one frame of a video and time it; nothing of it is kept.

        Args:
            pixels: (h, w, 3) uint8 RGB.
            settings: network, schedule, resolution.
            order: "sparse" and perhaps "dense", in the order they run.
            warmup: untimed runs of each before.
            is_current: asked once it is this frame's turn; False abandons it.
            meter: of the frames before, to go on with.

        Raises:
            Superseded: the frame is not wanted any more.
            ModelError: the network cannot be had.
            ScheduleError: linked, and a sparsity falls inside a stage.
        """
        loaded = self.networks.get(settings.model)
        settings = replace(settings, schedule=fit_schedule(settings.schedule, loaded.depths))
        if settings.linked:
            settings.schedule.check_linked()
        images = loaded.prepare(pixels, settings.short_side)
        with self._hold(loaded, settings.linked):
            if not is_current():
                raise Superseded
            form = self._find_dense_form(loaded, images)
            meter = meter or LoadMeter(loaded.device)
            return time_frame(loaded, pixels, settings, images, form, order, warmup, meter)

    def measure_memory(self, result: Result) -> Result:
        """The result with the memory a dense and a sparse forward need at their worst moment."""
        loaded = self.networks.get(result.settings.model)
        form = self._choose_dense_form(loaded, result)
        schedules = {"sparse": result.settings.schedule}
        with self._hold(loaded, result.settings.linked), torch.inference_mode():
            runs = make_runs(loaded.module, result.analysis.prepared.images, schedules)
            dense, sparse = (peak_extra_mb(runs[key], loaded.device) for key in (form, "sparse"))
        return replace(result, peak_mb=(dense, sparse))

    def compare_sizes(
        self, result: Result, rounds: int, is_current: Callable[[], bool] = always
    ) -> Iterator[SizeComparison]:
        """Hold the result against the dense network at lower resolutions of the same photo."""
        loaded = self.networks.get(result.settings.model)
        steps = compare_sizes(
            loaded,
            result.photo.pixels,
            result.analysis.prepared,
            result.analysis.sparse,
            result.settings.schedule,
            self._choose_dense_form(loaded, result),
            rounds,
        )
        yield from self._take_turns(loaded, result.settings.linked, steps, is_current)

    def search(
        self,
        photo: Photo,
        settings: Settings,
        search: SearchSettings,
        storage: Any,
        folder: Path,
        is_current: Callable[[], bool] = always,
    ) -> Iterator[SearchProgress]:
        """Search for sparsities on a photo, step after step; others may run between two steps.

        Args:
            photo: the picture.
            settings: network and resolution.
            search: what to search.
            storage: optuna's; what it knows of an earlier search is used.
            folder: where the latency predictor is kept.
            is_current: asked after every step; False ends the search.

        Raises:
            ModelError: the network cannot be had.
            SearchError: a budget that cannot be met.
        """
        loaded = self.networks.get(settings.model)
        steps = search_photo(loaded, photo, settings, search, storage, folder)
        for progress in self._take_turns(loaded, True, steps):
            yield progress
            if not is_current():
                return

    def trace_block(self, result: Result, index: int) -> BlockSteps:
        """The real tensors of block ``index`` of a result, for the tab that explains."""
        loaded = self.networks.get(result.settings.model)
        block = result.analysis.blocks[index]
        with self._hold(loaded, result.settings.linked):
            prepared, schedule = result.analysis.prepared, result.settings.schedule
            return trace_block(loaded, prepared, schedule, block.stage, block.block)

    def _set_first(self, result: Result) -> None:
        if self._first.done():
            self._first = Future()  # nobody waits for the one before
        self._first.set_result(result)

    def _take_turns(
        self,
        loaded: LoadedModel,
        linked: bool,
        steps: Iterator[Outcome],
        is_current: Callable[[], bool] = always,
    ) -> Iterator[Outcome]:
        """Go through steps that run a network, with the lock held for one step at a time."""
        while True:
            try:
                with self._hold(loaded, linked, is_current):
                    outcome = next(steps, None)
            except Superseded:
                return
            if outcome is None:
                return
            yield outcome

    @contextmanager
    def _hold(
        self, loaded: LoadedModel, linked: bool, is_current: Callable[[], bool] = always
    ) -> Iterator[None]:
        """Nobody else runs a network inside the ``with`` block, which finds and leaves it dense.

        Args:
            loaded: the network.
            linked: see :class:`app.engine.records.Settings`.
            is_current: asked before and between the stages; False raises Superseded.
        """
        with self._run_lock:
            if not is_current():
                raise Superseded
            sparsify(loaded.module, 0.0, rescore=not linked)
            try:
                with stop_when_stale(loaded.module, is_current):
                    yield
            finally:
                set_sparsity(loaded.module, 0.0)

    def _guess_ms(self, analysis: Analysis, other_load: float | None) -> tuple[float, float] | None:
        """See :class:`app.engine.records.Result`."""
        dense_ms = self._dense_ms.get((analysis.model, analysis.prepared.images.shape))
        if dense_ms is None:
            return None
        dense, sparse = (LatencyStats((ms,)) for ms in (dense_ms, analysis.forward_ms))
        if explain_doubt(dense, sparse, other_load, analysis.cost.least_ratio) is not None:
            return None
        return dense_ms, analysis.forward_ms

    def _choose_dense_form(self, loaded: LoadedModel, result: Result) -> str:
        """The fastest dense form of this network at this size, found out once."""
        with self._run_lock:
            return self._find_dense_form(loaded, result.analysis.prepared.images)

    def _find_dense_form(self, loaded: LoadedModel, images: Tensor) -> str:
        """The same for (1, 3, img_h, img_w); the lock is held."""
        key = (loaded.name, images.shape)
        if key not in self._dense_forms:
            self._dense_forms[key] = find_dense_form(loaded.module, images)
        return self._dense_forms[key]

    def _prepare(self, loaded: LoadedModel, photo: Photo, short_side: int | None) -> PreparedImage:
        key = (photo.key, loaded.name, short_side)
        if key not in self._prepared:
            self._prepared[key] = prepare_image(loaded, photo.pixels, short_side)
            while len(self._prepared) > self.config.kept_images:
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(key)
        return self._prepared[key]

    def _free_memory(self) -> None:
        with self._run_lock:
            self._prepared.clear()
            if torch.device(self.config.device).type == "cuda":
                torch.cuda.empty_cache()
