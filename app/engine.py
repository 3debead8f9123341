"""The networks behind the page: loaded once, run one at a time. Knows nothing of the page."""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from app.config import Config
from sparsevit.analysis import Analysis, PreparedImage, analyze, prepare_image
from sparsevit.data.streets import draw_scene
from sparsevit.latency import (
    LatencyReport,
    LatencyStats,
    describe_device,
    make_runs,
    time_interleaved,
)
from sparsevit.patch import sparsify
from sparsevit.schedule import SparsitySchedule, num_pairs
from sparsevit.tasks import Task
from sparsevit.transforms import load_image
from sparsevit.zoo import LoadedModel, ModelInfo, list_models, load_model

_DRAWN_SEED, _DRAWN_SIZE = 7, (512, 1024)


class Superseded(Exception):
    """A newer request of the same user has made this one pointless."""


@dataclass(frozen=True)
class Photo:
    """A picture as it was handed over.

    Attributes:
        pixels: (img_h, img_w, 3) uint8 RGB.
        key: stands for the content.
        path: the file it came from.
    """

    pixels: np.ndarray
    key: str
    path: Path


@dataclass(frozen=True)
class Settings:
    """What a user chose.

    Attributes:
        model: name of the network.
        schedule: layerwise sparsities; stretched where the network has other depths.
        linked: sparsities never fall inside a stage and share its scores (the paper's way).
            Otherwise every block is scored anew.
        short_side: pixels of the shorter side fed to the network; None is the photo's own.
    """

    model: str
    schedule: SparsitySchedule
    linked: bool = True
    short_side: int | None = 512


@dataclass(frozen=True)
class Result:
    """What came out of a photo and settings.

    Attributes:
        photo: the picture.
        settings: with the schedule that really ran.
        analysis: the outcome; its latency is None until measured.
        task: what the network's output means.
        depths: blocks per stage.
    """

    photo: Photo
    settings: Settings
    analysis: Analysis
    task: Task
    depths: tuple[int, ...]


def fit_schedule(schedule: SparsitySchedule, depths: tuple[int, ...]) -> SparsitySchedule:
    """The schedule for a network with other depths: pairs stretched, missing stages as the last."""
    stages = []
    for index, depth in enumerate(depths):
        source = schedule.stages[min(index, len(schedule.stages) - 1)]
        pairs = num_pairs(depth)
        stages.append(tuple(source[pair * len(source) // pairs] for pair in range(pairs)))
    return SparsitySchedule(tuple(stages))


def _draw_example() -> Path:
    """A picture for a page without its assets folder."""
    path = Path(tempfile.mkdtemp(prefix="sparsevit-")) / "street.png"
    Image.fromarray(draw_scene(_DRAWN_SEED, *_DRAWN_SIZE).image).save(path)
    return path


class Engine:
    """Networks by name, one lock around every run, and dense results kept for reuse.

    Attributes:
        config: limits and defaults.
        examples: name -> path of the example pictures, never empty.
        first: the result the page opens with, after :meth:`start`.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.examples = {
            path.stem.replace("_", " "): path for path in sorted(config.assets.glob("*.jpg"))
        } or {"street": _draw_example()}
        self._run_lock = threading.Lock()
        self._load_lock = threading.Lock()
        self._models: OrderedDict[str, LoadedModel] = OrderedDict()
        self._prepared: OrderedDict[tuple[str, str, int | None], PreparedImage] = OrderedDict()
        self._dense_forms: dict[tuple[str, tuple[int, int]], str] = {}
        self._first: Result | None = None
        self._infos: list[ModelInfo] | None = None

    @property
    def first(self) -> Result:
        """The result the page opens with.

        Raises:
            RuntimeError: :meth:`start` has not run.
        """
        if self._first is None:
            raise RuntimeError("Call Engine.start() first.")
        return self._first

    @property
    def device(self) -> str:
        """The device in words."""
        return describe_device(self.config.device)

    def start(self) -> None:
        """Compute the result the page opens with, latency included.

        Raises:
            ModelError: the first network cannot be had.
        """
        config = self.config
        photo = self.read_photo(next(iter(self.examples.values())))
        schedule = SparsitySchedule.parse(config.sparsity)
        settings = Settings(config.model, schedule, short_side=config.short_side)
        result = self.analyze(photo, settings)
        for measured in self.measure(result, config.start_runs):
            result = measured
        self._first = result

    def list_models(self) -> list[ModelInfo]:
        """Every network that has a name, those that work offline first."""
        with self._load_lock:
            if self._infos is None:
                self._infos = list_models()
            return self._infos

    def get_depths(self, name: str) -> tuple[int, ...]:
        """Blocks per stage of a network.

        Raises:
            ModelError: the network cannot be had.
        """
        return self._get_model(name).depths

    def read_photo(self, path: str | Path) -> Photo:
        """Read a picture.

        Raises:
            ImageError: it cannot be used.
        """
        pixels = load_image(path)
        digest = blake2b(pixels.tobytes(), digest_size=16)
        digest.update(str(pixels.shape).encode())
        return Photo(pixels, digest.hexdigest(), Path(path))

    def analyze(
        self,
        photo: Photo,
        settings: Settings,
        is_current: Callable[[], bool] = lambda: True,
    ) -> Result:
        """Run a network on a photo; its dense result is computed once and kept.

        Args:
            photo: the picture.
            settings: network, schedule, resolution.
            is_current: asked once it is this request's turn; False abandons it.

        Raises:
            Superseded: the request is not current any more.
            ModelError: the network cannot be had.
            ScheduleError: linked, and a sparsity falls inside a stage.
        """
        loaded = self._get_model(settings.model)
        schedule = fit_schedule(settings.schedule, loaded.depths)
        if settings.linked:
            schedule.check_linked()
        with self._run_lock:
            if not is_current():
                raise Superseded
            sparsify(loaded.module, 0.0, rescore=not settings.linked)
            prepared = self._prepare(loaded, photo, settings.short_side)
            analysis = analyze(loaded, prepared, schedule)
        settings = replace(settings, schedule=schedule)
        return Result(photo, settings, analysis, loaded.task, loaded.depths)

    def measure(
        self,
        result: Result,
        runs: int,
        is_current: Callable[[], bool] = lambda: True,
    ) -> Iterator[Result]:
        """Time dense against sparse, round after round; others may run between two rounds.

        Args:
            result: what to time.
            runs: timed runs of dense and sparse each.
            is_current: asked before every round; False ends the measuring.

        Yields:
            The result with the latency of all rounds so far.
        """
        loaded = self._get_model(result.settings.model)
        prepared = result.analysis.prepared
        timings = make_runs(loaded.module, prepared.images, {"sparse": result.analysis.schedule})
        dense: list[float] = []
        sparse: list[float] = []
        for number in range(runs):
            with self._run_lock, torch.inference_mode():
                if not is_current():
                    return
                sparsify(loaded.module, 0.0, rescore=not result.settings.linked)
                form = self._find_dense_form(loaded, prepared.input_size, timings)
                pair = {"dense": timings[form], "sparse": timings["sparse"]}
                stats = time_interleaved(pair, 1, loaded.device, warmup=int(number == 0))
                sparsify(loaded.module, 0.0)
            dense += stats["dense"].samples_ms
            sparse += stats["sparse"].samples_ms
            report = LatencyReport(
                dense=LatencyStats(tuple(dense)),
                sparse=LatencyStats(tuple(sparse)),
                dense_form=form,
                device=result.analysis.device,
                dtype=result.analysis.dtype,
                image_size=prepared.input_size,
                batch=1,
            )
            yield replace(result, analysis=replace(result.analysis, latency=report))

    def _find_dense_form(
        self,
        loaded: LoadedModel,
        size: tuple[int, int],
        timings: dict[str, Callable[[], object]],
    ) -> str:
        """Which dense form is faster here: the host's own code or our blocks with every window."""
        key = (loaded.name, size)
        if key not in self._dense_forms:
            rivals = {form: timings[form] for form in ("host", "sparsevit")}
            trial = time_interleaved(rivals, 2, loaded.device, warmup=1)
            self._dense_forms[key] = min(trial, key=lambda form: trial[form].median_ms)
        return self._dense_forms[key]

    def _get_model(self, name: str) -> LoadedModel:
        with self._load_lock:
            if name not in self._models:
                own = self.config.checkpoint if name == self.config.model else None
                self._models[name] = load_model(name, self.config.device, own)
                while len(self._models) > self.config.kept_models:
                    self._models.popitem(last=False)
            self._models.move_to_end(name)
            return self._models[name]

    def _prepare(self, loaded: LoadedModel, photo: Photo, short_side: int | None) -> PreparedImage:
        key = (photo.key, loaded.name, short_side)
        if key not in self._prepared:
            self._prepared[key] = prepare_image(loaded, photo.pixels, short_side)
            while len(self._prepared) > self.config.kept_images:
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(key)
        return self._prepared[key]
