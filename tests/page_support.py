"""A page without a browser: a fake engine that answers at once, and one user's controls."""

import inspect
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from app_support import DEPTHS, INFOS, search_slowly

from app.engine.newest import Superseded, always
from app.engine.protocol import Engine
from app.engine.records import FrameResult, Opening, Photo, Result, Settings
from app.page.events import Changes
from app.page.handlers import Handlers
from app.page.panel import make_panel
from app.page.session import Session
from app.page.tab import Tab
from app.page.task import make_task_switch
from app.tabs.latency.handlers import LatencyHandlers
from app.tabs.learn.handlers import LearnHandlers
from app.tabs.registry import TABS
from app.tabs.takeaway.handlers import TakeawayHandlers
from app.tabs.tradeoff.handlers import TradeoffHandlers
from app.tabs.windows.handlers import WindowsHandlers
from sparsevit.data.reader import load_image
from sparsevit.data.transforms import Size
from sparsevit.inspect.block import BlockSteps
from sparsevit.inspect.lens import Lens
from sparsevit.inspect.sizes import SizeComparison, SizePoint
from sparsevit.inspect.worth import LeftOut, WindowWorth
from sparsevit.measure.load import LoadMeter
from sparsevit.networks import ModelInfo, Tell
from sparsevit.search import SearchProgress, SearchSettings


class _ChartReader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.charts: list[dict[str, Any]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.charts += [
            json.loads(value) for name, value in attrs if name == "data-chart" and value
        ]


def read_charts(html: str) -> list[dict[str, Any]]:
    """The data of every chart in HTML that Python makes, in its order."""
    return _ChartReader(html).charts


def read_points(html: str) -> dict[str, Any]:
    """The data of the only chart of points."""
    (chart,) = (chart for chart in read_charts(html) if chart["kind"] == "points")
    return chart


def list_marks(html: str, *kinds: str) -> list[dict[str, Any]]:
    """The marks of some kinds in the only chart of points."""
    return [mark for mark in read_points(html)["marks"] if mark["kind"] in kinds]


class FakeEngine(Engine):
    """Answers with the first result of a real one; set ``error`` to make the next call fail.

    Attributes:
        latency: what every timing gives.
        quiet: what :meth:`is_quiet` answers.
        error: raised by what runs a network, if not None.
        calls, searches: what was asked for.
        search_photo: see :func:`app_support.search_slowly`.
        sureness: what :meth:`measure_sureness` answers.
        lenses: how often :meth:`look_through` was asked.
    """

    device = "fake CPU"
    has_first = True

    def __init__(self, real: Engine) -> None:
        self._real = real
        self.config = replace(real.config, first_runs=1)
        self.examples = real.examples
        self.latency = real.first.analysis.latency
        self.quiet = True
        self.error: Exception | None = None
        self.calls: list[Settings] = []
        self.searches: list[tuple[Photo, Settings, SearchSettings]] = []
        self.search_photo = search_slowly()
        self.sureness = 1.0
        self.lenses = 0

    @property
    def opening(self) -> Opening:
        return self._real.opening

    @property
    def first(self) -> Result:
        return self._real.first

    def analyze_first(self) -> None:
        pass

    def time_first(self) -> None:
        pass

    def follow_downloads(self, follow: Callable[[str], Tell | None]) -> None:
        pass

    def list_models(self) -> list[ModelInfo]:
        return INFOS

    def get_depths(self, name: str) -> tuple[int, ...]:
        return DEPTHS

    def get_tasks(self, name: str) -> tuple[str, ...]:
        return self.first.tasks

    def choose_size(self, name: str, pixels: np.ndarray, short_side: int | None) -> Size:
        return self._real.choose_size(name, pixels, short_side)

    def read_photo(self, path: str | Path) -> Photo:
        pixels, photo = load_image(path), self.first.photo
        return replace(photo, pixels=pixels, path=Path(path), key=str(path), example=None)

    def analyze(
        self, photo: Photo, settings: Settings, is_current: Callable[[], bool] = always
    ) -> Result:
        self.calls.append(settings)
        if self.error is not None:
            raise self.error
        if not is_current():
            raise Superseded
        analysis = replace(self.first.analysis, latency=None, schedule=settings.schedule)
        return replace(self.first, photo=photo, settings=settings, analysis=analysis)

    def measure(
        self, result: Result, runs: int, is_current: Callable[[], bool] = always, warmup: int = 0
    ) -> Iterator[Result]:
        for _ in range(runs):
            if not is_current():
                return
            yield replace(result, analysis=replace(result.analysis, latency=self.latency))

    def is_quiet(self) -> bool:
        return self.quiet

    def measure_memory(self, result: Result) -> Result:
        return replace(result, peak_mb=(80.0, 20.0))

    def compare_sizes(
        self, result: Result, rounds: int, is_current: Callable[[], bool] = always
    ) -> Iterator[SizeComparison]:
        sparse = SizePoint((256, 512), None, 0.9, 50.0)
        dense = (replace(sparse, agreement=1.0, latency_ms=90.0),)
        for done in range(1, 3):
            if is_current():
                yield SizeComparison(sparse, dense, done, 2)

    def run_frame(
        self,
        pixels: np.ndarray,
        settings: Settings,
        order: Sequence[str],
        warmup: int = 0,
        is_current: Callable[[], bool] = always,
        meter: LoadMeter | None = None,
    ) -> FrameResult:
        return self._real.run_frame(pixels, settings, order, warmup, is_current, meter)

    def search(
        self,
        photo: Photo,
        settings: Settings,
        search: SearchSettings,
        storage: Any,
        folder: Path,
        is_current: Callable[[], bool] = always,
    ) -> Iterator[SearchProgress]:
        self.searches.append((photo, settings, search))
        for progress in self.search_photo(None, photo, settings, search, storage, folder):
            if self.error is not None:
                raise self.error
            yield progress
            if not is_current():
                return

    def measure_worth(self, result: Result) -> list[WindowWorth]:
        if self.error is not None:
            raise self.error
        return self._real.measure_worth(result)

    def leave_out(
        self, result: Result, stage: int, blocks: Collection[int], window: tuple[int, int]
    ) -> LeftOut:
        return self._real.leave_out(result, stage, blocks, window)

    def trace_block(self, result: Result, index: int) -> BlockSteps:
        return self._real.trace_block(result, index)

    def measure_sureness(self, result: Result) -> float:
        return self.sureness

    def look_through(self, result: Result) -> Lens:
        self.lenses += 1
        return self._real.look_through(result)


class Page:
    """One user: holds what the controls say and calls the handlers as the page does.

    Attributes:
        messages: what the user was told.
        handlers: of the whole page.
        windows, latency, tradeoff, learn, takeaway: handlers of these tabs.
        controls: what the page's controls say.
    """

    def __init__(
        self, engine: Engine, panel: str | None = None, tabs: Sequence[Tab] = TABS
    ) -> None:
        self.engine = engine
        self.messages: list[str] = []
        self.handlers = Handlers(engine, tabs, warn=self.messages.append)
        self.windows = WindowsHandlers(self.handlers)
        self.latency = LatencyHandlers(self.handlers)
        self.tradeoff = TradeoffHandlers(self.handlers)
        self.learn = LearnHandlers(self.handlers)
        self.takeaway = TakeawayHandlers(self.handlers)
        self.session = Session()
        self.controls: dict[str, Any] = {
            "photo_path": None,
            "model": "small",
            "short_side": 256,
            "panel": panel or make_panel(engine.first),
            "task": make_task_switch(engine.opening),
            "sent": 0.0,
        }

    def run(self, **changes: Any) -> Changes:
        self.controls |= changes
        return self.handlers.run(self.session, **self.controls)

    def set_sparsities(self, stages: Any, linked: bool = True) -> Changes:
        panel = json.loads(self.controls["panel"])
        panel["linked"] = linked
        for stage, values in zip(panel["stages"], stages, strict=True):
            stage["sparsities"] = values
        return self.run(panel=json.dumps(panel))


class Visitor(Page):
    """A user of a real engine, with one sparsity for all layers."""

    def look(
        self, photo: Path | None = None, model: str = "small", sparsity: float | None = None
    ) -> Changes:
        panel = json.loads(make_panel(self.engine.first))
        for stage in panel["stages"] if sparsity is not None else []:
            stage["sparsities"] = [sparsity] * len(stage["sparsities"])
        path = None if photo is None else str(photo)
        return self.run(photo_path=path, model=model, panel=json.dumps(panel))


def list_switches(engine: Engine) -> tuple[str, str, float]:
    """What the sliders and the switch of tasks send on a page that was just opened, and when."""
    return make_panel(engine.first), make_task_switch(engine.first), 0.0


def check_interface(kind: type[Engine]) -> None:
    """A kind of engine has everything of its own that the page may ask for, as it may ask."""
    for name, asked in vars(Engine).items():
        if name.startswith("_"):
            continue
        own = inspect.getattr_static(kind, name)
        assert own is not asked, f"{kind.__name__} has no {name} of its own"
        if inspect.isfunction(asked):
            given = inspect.signature(own).parameters.values()
            wanted = inspect.signature(asked).parameters.values()
            assert [p.name for p in given] == [p.name for p in wanted], name
