"""A page without a browser: a fake engine that answers at once, and one user's controls."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from app_support import DEPTHS, INFOS, search_slowly

from app.engine.newest import Superseded
from app.page.handlers import Handlers
from app.page.panel import make_panel
from app.page.session import Session
from sparsevit.data.reader import load_image
from sparsevit.inspect.sizes import SizeComparison, SizePoint


class _ChartReader(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.charts = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.charts += [json.loads(value) for name, value in attributes if name == "data-chart"]


def read_charts(html):
    """The data of every chart in HTML that Python makes, in its order."""
    return _ChartReader(html).charts


def read_points(html):
    """The data of the only chart of points."""
    (chart,) = (chart for chart in read_charts(html) if chart["kind"] == "points")
    return chart


def list_marks(html, *kinds):
    """The marks of some kinds in the only chart of points."""
    return [mark for mark in read_points(html)["marks"] if mark["kind"] in kinds]


class FakeEngine:
    """Answers with the first result of a real one; set ``error`` to make the next call fail."""

    device = "fake CPU"

    def __init__(self, real):
        self.real = real
        self.config = replace(real.config, first_runs=1)
        self.examples = real.examples
        self.first = real.first
        self.latency = real.first.analysis.latency
        self.quiet = True
        self.error = None
        self.calls = []
        self.searches = []
        self.search_photo = search_slowly()

    def list_models(self):
        return INFOS

    def get_depths(self, name):
        return DEPTHS

    def read_photo(self, path):
        return replace(
            self.first.photo, pixels=load_image(path), path=Path(path), key=str(path), example=None
        )

    def analyze(self, photo, settings, is_current=lambda: True):
        self.calls.append(settings)
        if self.error is not None:
            raise self.error
        if not is_current():
            raise Superseded
        analysis = replace(self.first.analysis, latency=None, schedule=settings.schedule)
        return replace(self.first, photo=photo, settings=settings, analysis=analysis)

    def measure(self, result, runs, is_current=lambda: True):
        for _ in range(runs):
            if not is_current():
                return
            yield replace(result, analysis=replace(result.analysis, latency=self.latency))

    def is_quiet(self):
        return self.quiet

    def measure_memory(self, result):
        return replace(result, peak_mb=(80.0, 20.0))

    def compare_sizes(self, result, rounds, is_current=lambda: True):
        sparse = SizePoint((256, 512), None, 0.9, 50.0)
        dense = (replace(sparse, agreement=1.0, latency_ms=90.0),)
        for done in range(1, 3):
            if is_current():
                yield SizeComparison(sparse, dense, done, 2)

    def search(self, photo, settings, asked, storage, folder, is_current=lambda: True):
        self.searches.append((photo, settings, asked))
        for progress in self.search_photo(None, photo, settings, asked, storage, folder):
            if self.error is not None:
                raise self.error
            yield progress
            if not is_current():
                return

    def trace_block(self, result, index):
        return self.real.trace_block(result, index)


class Page:
    """One user: holds what the controls say and calls the handlers as the page does."""

    def __init__(self, engine, panel=None):
        self.engine = engine
        self.messages = []
        self.handlers = Handlers(engine, warn=self.messages.append)
        self.session = Session()
        self.controls = {
            "photo_path": None,
            "model": "small",
            "short_side": 256,
            "panel": panel or make_panel(engine.first),
        }

    def run(self, **changes):
        self.controls |= changes
        return self.handlers.run(self.session, **self.controls)

    def set_sparsities(self, stages, linked=True):
        panel = json.loads(self.controls["panel"])
        panel["linked"] = linked
        for stage, values in zip(panel["stages"], stages, strict=True):
            stage["sparsities"] = values
        return self.run(panel=json.dumps(panel))


class Tab(Page):
    """The same over a real engine, with one sparsity for all layers."""

    def run(self, photo=None, model="small", sparsity=None):
        panel = json.loads(make_panel(self.engine.first))
        for stage in panel["stages"] if sparsity is not None else []:
            stage["sparsities"] = [sparsity] * len(stage["sparsities"])
        path = None if photo is None else str(photo)
        return super().run(photo_path=path, model=model, panel=json.dumps(panel))
