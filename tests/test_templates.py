"""Whatever a name or a note holds stands on the page as text, in every template."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest
from app_support import schedule

import app
from app.engine.frontiers import Curve
from app.engine.records import make_try
from app.engine.search import PhotoSearch
from app.page.headline import announce_fed, announce_headline, show_fed, show_headline
from app.page.photo import show_examples
from app.page.suggesting import show_suggestion
from app.page.templates import render
from app.tabs.compare.view import show_costs, show_facts
from app.tabs.latency.view import show_latency
from app.tabs.search.view import show_search
from app.tabs.takeaway.interactive import make_interactive
from app.tabs.tradeoff.view import show_history, show_sizes
from sparsevit.inspect.sizes import SizeComparison, SizePoint
from sparsevit.measure.latency import LatencyReport, LatencyStats
from sparsevit.search import SearchSettings

HOSTILE = """<evil a="1" b='2'>&lt;&amp;{{ 7 * 7 }}"""
DOUBT = f"this machine is busy: {HOSTILE}"
FOLDER = Path(app.__file__).parent


def list_texts(data):
    """All text in what JSON has told."""
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, list):
        return [text for item in data for text in list_texts(item)]
    return [data] if isinstance(data, str) else []


class Reader(HTMLParser):
    """Collects tags, and all that is text or the value of an attribute."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts = set(), []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            self.texts += list_texts(json.loads(value)) if name == "data-chart" else [value or ""]

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def result(engine):
    """A result with a latency, whose every text is hostile."""
    stats = LatencyStats((100.0, 100.0), ((10.0, 40.0, 20.0, 15.0, 5.0, 10.0),) * 2)
    latency = LatencyReport(stats, stats, "host", HOSTILE, HOSTILE, (256, 512), 1)
    first = engine.first
    analysis = replace(first.analysis, device=HOSTILE, dtype=HOSTILE, latency=latency)
    photo = replace(first.photo, path=Path(f"{HOSTILE}.png"), key=HOSTILE)
    settings = replace(first.settings, model=HOSTILE)
    return replace(first, photo=photo, settings=settings, analysis=analysis, note=HOSTILE)


def show_all_sizes(result):
    dense = (SizePoint((512, 1024), None, 1.0, 100.0),)
    sparse = SizePoint((512, 1024), None, 0.9, 50.0)
    return show_sizes(result, SizeComparison(sparse, dense, 5, 5, doubt=DOUBT))


def show_all_tried(result):
    entry = replace(make_try(result), doubt=DOUBT)
    other = replace(entry, settings=replace(entry.settings, schedule=schedule(0.8)))
    return show_history(result, [entry, other], [Curve("found", HOSTILE, (entry,))])


def show_problem(result):
    size = result.analysis.prepared.input_size
    search = PhotoSearch(result.photo, result.settings, size, SearchSettings())
    search.problem = search.note = HOSTILE
    return show_search(search, result)


#: By template: what fills it in, and how often the text must be there at least.
SHOWN = {
    "page/examples.html": (lambda r: show_examples([(HOSTILE, r.photo.pixels)]), 2),
    "page/fed.html": (show_fed, 1),
    "page/headline.html": (lambda r: show_headline(r, 2), 2),
    "page/message.html": (lambda r: render("page/message.html", message=HOSTILE), 1),
    "page/suggestion.html": (lambda r: show_suggestion(True), 0),  # names of ours alone
    "page/parts.html": (show_all_sizes, 1),
    "tabs/compare/costs.html": (lambda r: show_costs(r, r, in_turn=False), 2),
    "tabs/compare/facts.html": (lambda r: show_facts(r, r), 0),  # names of ours alone
    "tabs/latency/latency.html": (lambda r: show_latency(r, 2), 2),
    "tabs/search/search.html": (show_problem, 4),
    "tabs/takeaway/interactive.html": (make_interactive, 5),
    "tabs/tradeoff/history.html": (show_all_tried, 7),
    "tabs/tradeoff/sizes.html": (show_all_sizes, 3),
}


@pytest.mark.parametrize("name", SHOWN)
def test_hostile_text_is_text(result, name):
    show, times = SHOWN[name]
    read = Reader(show(result))
    assert "evil" not in read.tags
    # Of a long file name only the underscores are broken.
    assert "".join(read.texts).count(HOSTILE) >= times


def test_every_template_is_tried():
    assert sorted(SHOWN) == sorted(
        path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.html")
    )


def test_before_the_first_result_too(engine):
    opening = replace(engine.opening, device=HOSTILE, dtype=HOSTILE)
    assert Reader(announce_headline(opening)).texts.count(f"{HOSTILE} · {HOSTILE} · 256 × 512") == 1
    assert "follow with the first result" in announce_fed(opening)


def test_what_a_template_was_not_given_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="message"):
        render("page/message.html")
