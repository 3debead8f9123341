"""The engine of the page: networks loaded once and run in this process, one at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from app.config import Config
from app.engine.examples import read_examples, read_photo
from app.engine.first import FirstResult
from app.engine.frames import time_frame
from app.engine.measuring import Measuring
from app.engine.memory import keep_one_arena
from app.engine.models import Networks
from app.engine.newest import Superseded, always
from app.engine.protocol import Engine
from app.engine.records import FrameResult, Opening, Photo, Result, Settings, fit_schedule
from app.engine.roads import measure_sureness
from app.engine.runs import Runs
from app.engine.search import search_photo
from app.engine.turns import Turns
from sparsevit.data.transforms import Size
from sparsevit.inspect.block import BlockSteps, trace_block
from sparsevit.inspect.lens import Lens, look_through
from sparsevit.inspect.sizes import SizeComparison
from sparsevit.inspect.worth import LeftOut, WindowWorth, leave_one_out, measure_worth
from sparsevit.measure.latency import describe_device
from sparsevit.measure.load import LoadMeter
from sparsevit.networks import ModelInfo, Tell
from sparsevit.schedule import SparsitySchedule
from sparsevit.search import SearchProgress, SearchSettings


class LocalEngine(Engine):
    """Takes every request to the part whose job it is; :class:`Engine` says what each is for.

    Args:
        config: limits and defaults.

    Attributes:
        networks: by name.
        turns: who may run a network now.
        measuring: latency, memory, sizes.
        runs: photos through networks; the pictures that are kept.
    """

    def __init__(self, config: Config) -> None:
        # Every sparsity has sizes of its own; oneDNN would remember the last 1024 of them.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
        keep_one_arena()
        self.config = config
        self.examples = read_examples(config.assets)
        self.networks = Networks(config)
        self.turns = Turns()
        self.measuring = Measuring(config.device, self.networks, self.turns)
        self.runs = Runs(config, self.networks, self.turns, self.measuring)
        self._first = FirstResult()

    @property
    def device(self) -> str:
        return describe_device(self.config.device)

    @property
    def opening(self) -> Opening:
        config, photo = self.config, next(iter(self.examples.values()))
        loaded = self.networks.get(config.model)
        schedule = fit_schedule(SparsitySchedule.parse(config.sparsity), loaded.depths)
        settings = Settings(config.model, schedule, short_side=config.short_side)
        size = loaded.choose_size(photo.pixels, config.short_side)
        dtype = str(loaded.dtype).removeprefix("torch.")
        known = (loaded.task, loaded.depths, self.device, dtype, loaded.tasks)
        return Opening(photo, settings, size, *known)

    @property
    def has_first(self) -> bool:
        return self._first.is_there

    @property
    def first(self) -> Result:
        return self._first.get()

    def start(self) -> None:
        """Compute the result the page opens with, latency included.

        Raises:
            ModelError: the first network cannot be had.
        """
        self.analyze_first()
        self.time_first()

    def analyze_first(self) -> None:
        try:
            opening = self.opening
            self._first.put(self.runs.analyze(opening.photo, opening.settings))
        except BaseException as error:
            self._first.fail(error)
            raise

    def time_first(self) -> None:
        result = self.first
        for measured in self.measuring.measure(result, self.config.start_runs, warmup=1):
            result = measured
        self._first.put(result)

    def follow_downloads(self, follow: Callable[[str], Tell | None]) -> None:
        self.networks.follow_download = follow

    def list_models(self) -> list[ModelInfo]:
        return self.networks.list_infos()

    def get_depths(self, name: str) -> tuple[int, ...]:
        return self.networks.get(name).depths

    def get_tasks(self, name: str) -> tuple[str, ...]:
        return self.networks.get(name).tasks

    def choose_size(self, name: str, pixels: np.ndarray, short_side: int | None) -> Size:
        return self.networks.get(name).choose_size(pixels, short_side)

    def read_photo(self, path: str | Path) -> Photo:
        photo = read_photo(Path(path))
        for example in self.examples.values():
            if example.key == photo.key:
                return example
        return photo

    def analyze(
        self, photo: Photo, settings: Settings, is_current: Callable[[], bool] = always
    ) -> Result:
        return self.runs.analyze(photo, settings, is_current)

    def measure(
        self, result: Result, runs: int, is_current: Callable[[], bool] = always, warmup: int = 0
    ) -> Iterator[Result]:
        return self.measuring.measure(result, runs, is_current, warmup)

    def is_quiet(self) -> bool:
        return self.measuring.is_quiet()

    def measure_memory(self, result: Result) -> Result:
        return self.measuring.measure_memory(result)

    def compare_sizes(
        self, result: Result, rounds: int, is_current: Callable[[], bool] = always
    ) -> Iterator[SizeComparison]:
        return self.measuring.compare_sizes(result, rounds, is_current)

    def run_frame(
        self,
        pixels: np.ndarray,
        settings: Settings,
        order: Sequence[str],
        warmup: int = 0,
        is_current: Callable[[], bool] = always,
        meter: LoadMeter | None = None,
    ) -> FrameResult:
        loaded = self.networks.get(settings.model, settings.task)
        settings = replace(settings, schedule=fit_schedule(settings.schedule, loaded.depths))
        if settings.linked:
            settings.schedule.check_linked()
        images = loaded.prepare(pixels, settings.short_side)
        with self.turns.hold(loaded, settings.linked):
            if not is_current():
                raise Superseded
            form = self.measuring.find_dense_form(loaded, images)
            meter = meter or LoadMeter(loaded.device)
            return time_frame(loaded, pixels, settings, images, form, order, warmup, meter)

    def search(
        self,
        photo: Photo,
        settings: Settings,
        search: SearchSettings,
        storage: Any,
        folder: Path,
        is_current: Callable[[], bool] = always,
    ) -> Iterator[SearchProgress]:
        loaded = self.networks.get(settings.model, settings.task)
        steps = search_photo(loaded, photo, settings, search, storage, folder)
        for progress in self.turns.take(loaded, True, steps):
            yield progress
            if not is_current():
                return

    def measure_worth(self, result: Result) -> list[WindowWorth]:
        loaded = self.networks.get(result.settings.model, result.settings.task)
        with self.turns.hold(loaded, result.settings.linked):
            images = result.analysis.prepared.images
            self.measuring.check_worth(loaded, images)
            return measure_worth(loaded, images)

    def leave_out(
        self, result: Result, stage: int, blocks: Collection[int], window: tuple[int, int]
    ) -> LeftOut:
        loaded = self.networks.get(result.settings.model, result.settings.task)
        with self.turns.hold(loaded, result.settings.linked):
            return leave_one_out(loaded, result.analysis.prepared.images, stage, blocks, window)

    def trace_block(self, result: Result, index: int) -> BlockSteps:
        loaded = self.networks.get(result.settings.model, result.settings.task)
        block = result.analysis.blocks[index]
        with self.turns.hold(loaded, result.settings.linked):
            prepared, settings = result.analysis.prepared, result.settings
            place = block.stage, block.block
            return trace_block(loaded, prepared, settings.schedule, *place, settings.painted)

    def measure_sureness(self, result: Result) -> float:
        loaded = self.networks.get(result.settings.model)
        with self.turns.hold(loaded, result.settings.linked):
            return measure_sureness(loaded, result.photo.pixels)

    def look_through(self, result: Result) -> Lens:
        loaded = self.networks.get(result.settings.model, result.settings.task)
        truth = result.photo.truth
        is_told = truth is not None and truth.class_names == result.task.class_names
        labels = truth.labels if truth is not None and is_told else None
        with self.turns.hold(loaded, result.settings.linked):
            prepared, settings = result.analysis.prepared, result.settings
            return look_through(loaded, prepared, settings.schedule, labels, settings.painted)
