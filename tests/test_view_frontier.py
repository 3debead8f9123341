"""What the tab Search draws and says, and the frontiers behind the tab Trade-off."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
from app_support import make_frontier, schedule

from app.engine.records import make_try
from app.engine.search import PhotoSearch, list_curves
from app.page.chart import Limit, Mark, draw_chart
from app.tabs.search.view import describe_step, show_search
from app.tabs.tradeoff.view import show_history
from sparsevit.measure.latency import LatencyReport, LatencyStats
from sparsevit.search import FrontierPoint, SearchProgress, SearchSettings

SLOW = FrontierPoint(schedule(0.2), 0.98, 90.0)
MIDDLE = FrontierPoint(schedule(0.5), 0.8, 70.0)
FAST = FrontierPoint(schedule(0.8), 0.6, 25.0)
BEATEN = FrontierPoint(schedule([[0], [0.9], [0, 0], [0.9]]), 0.7, 80.0)


@pytest.fixture
def result(engine):
    """The first result with a latency set by hand: dense 200 ms, sparse 100 ms."""
    latency = LatencyReport(
        *(LatencyStats((200.0,)), LatencyStats((100.0,))),
        *("host", "a <fine> CPU", "float32", (256, 512), 1),
    )
    return replace(engine.first, analysis=replace(engine.first.analysis, latency=latency))


@pytest.fixture
def progress():
    """Four schedules tried in a network that takes 100 ms dense, with a budget of 60."""
    return SearchProgress(
        *("searching", 4, 60),
        tried=(BEATEN, SLOW, MIDDLE, FAST),
        frontier=(FAST, MIDDLE, SLOW),
        best=FAST,
        budget_ms=60.0,
        dense_ms=100.0,
        dense_accuracy=1.0,
    )


@pytest.fixture
def search(result, progress):
    size = result.analysis.prepared.input_size
    asked = SearchSettings(trials=60, budget="0.6x")
    search = PhotoSearch(result.photo, result.settings, size, asked, has_begun=True)
    search.note_step(progress)
    return search


def read_svg(html):
    return ElementTree.fromstring(re.search(r"<svg.*?</svg>", html)[0])


def find_marks(svg, kind):
    """(x, y) in data units of every mark, told from the ticks of the axes."""
    texts = [t for t in svg.findall("text") if re.fullmatch(r"[\d.]+", t.text)]
    across = {float(t.text): float(t.get("x")) for t in texts if t.get("text-anchor") == "middle"}
    up = {float(t.text): float(t.get("y")) - 4 for t in texts if t.get("text-anchor") == "end"}

    def scale(position, ticks):
        low, high = min(ticks), max(ticks)
        share = (position - ticks[low]) / (ticks[high] - ticks[low])
        return low + share * (high - low)

    shapes = [node.findall("circle")[-1] for node in svg if node.get("class") == f"sv-mark {kind}"]
    return [(scale(float(s.get("cx")), across), scale(float(s.get("cy")), up)) for s in shapes]


def test_points_are_placed_by_their_share_of_dense_latency(search, result):
    html = show_search(search, result)
    svg = read_svg(html)
    found, tried = find_marks(svg, "found"), find_marks(svg, "tried")
    wanted = [(0.25, 60), (0.7, 80), (0.9, 98)]
    assert [pytest.approx(point, abs=0.3) for point in wanted] == found
    assert tried == [pytest.approx((0.8, 70), abs=0.3)]
    agreement = 100 * result.analysis.agreement["agreement"]
    (sliders,) = find_marks(svg, "sparse")
    assert sliders == pytest.approx((0.5, agreement), abs=0.3)  # 100 of 200 ms, measured elsewhere
    pressed = [node.get("data-index") for node in svg if node.get("data-index")]
    assert pressed == ["3", "2", "1"]  # numbers among the tried
    limit = svg.find("g[@class='sv-limit']")
    assert limit.find("text").text == "budget"
    titles = [node.text for node in svg.findall("text[@class='sv-axis']")]
    assert titles == ["latency of one forward, share of dense (100 ms)", "agreement with dense, %"]


def test_the_sliders_setting_is_ringed_where_it_is_on_the_frontier(search, result):
    now = replace(result, settings=replace(result.settings, schedule=MIDDLE.schedule))
    svg = read_svg(show_search(search, now))
    ringed = [node for node in svg if node.find("circle[@class='sv-ring']") is not None]
    assert [node.get("data-index") for node in ringed] == ["2"]
    assert find_marks(svg, "sparse") == []


def test_the_best_is_said_in_words_with_its_schedule(search, result):
    html = show_search(search, result)
    assert "Best within 0.60× of dense (60 ms)" in html
    assert "<strong>60.0%</strong> agreement in <strong>25 ms</strong>" in html
    assert "0.25× of dense (predicted)" in html
    assert "stage 3 <b>80 80 %</b>" in html
    assert "accuracy" not in html
    search.progress = replace(search.progress, budget_ms=None)
    assert "loses at most 1 %" in show_search(search, result)


def test_every_picture_names_device_size_and_type(search, result):
    for html in (show_search(None, result), show_search(search, result)):
        assert f"{result.analysis.device}, 256 × 512, float32" in html
    found = make_frontier(predictor_error_percent=1.25)
    search.progress = replace(search.progress, result=found)
    html = show_search(search, result)
    assert "a &lt;fine&gt; CPU, 256 × 512, float32, batch 1" in html
    assert "Median error of the predictions 1.2 %" in html


def test_the_end_shows_what_was_measured(search, result):
    search.progress = replace(search.progress, result=make_frontier(dense_ms=110.0))
    search.is_running = False
    html = show_search(search, result)
    svg = read_svg(html)
    assert find_marks(svg, "found")[0] == pytest.approx((29 / 110, 84), abs=0.3)
    assert (0.8, 70) in [pytest.approx(mark, abs=0.3) for mark in find_marks(svg, "tried")]
    assert "(measured)" in html
    assert "<progress" not in html


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"phase": "timing", "done": 12, "total": 40}, "Timing the layers, 12 of 40."),
        ({}, "Trial 4 of 60, best 60.0% agreement at 0.25× of dense."),
        ({"best": None}, "Trial 4 of 60, nothing within the budget yet."),
        ({"phase": "checking", "done": 1, "total": 3}, "Scoring the best once more, 1 of 3."),
        ({"phase": "measuring", "done": 5, "total": 12}, "Timing the best against dense, 5 of 12."),
        ({"result": make_frontier(60)}, "Done: 60 schedules tried, 3 schedules that nothing"),
    ],
)
def test_every_phase_is_said_in_words(search, changes, words):
    search.progress = replace(search.progress, **changes)
    assert describe_step(search).startswith(words)


def test_words_before_the_first_step_and_after_the_last(search):
    search.progress, search.has_begun = None, False
    assert describe_step(search) == "Waiting for a free place…"
    search.has_begun = True
    assert describe_step(search) == "Starting…"
    search.is_running = False
    assert describe_step(search) == "Stopped."
    search.problem = "No schedule is so fast."
    assert describe_step(search) == "No schedule is so fast."


def test_the_bar_says_how_far_it_is(search, result):
    assert 'value="4" max="60"' in show_search(search, result)
    search.has_begun = False
    assert re.search(r"<progress aria-label=[^>]*search\"></progress>", show_search(search, result))


def test_a_search_of_another_photo_shows_no_mark_of_this_one(search, result):
    other = replace(result, photo=replace(result.photo, key="other"))
    html = show_search(search, other)
    assert "another photo" in html
    svg = read_svg(html)
    assert find_marks(svg, "sparse") == []
    assert not [node for node in svg if node.find("circle[@class='sv-ring']") is not None]


def test_before_anything_is_timed_there_is_room_for_the_plot(search, result):
    search.progress = SearchProgress("timing", 1, 10)
    untimed = replace(result, analysis=replace(result.analysis, latency=None))
    assert "sv-plot-wait" in show_search(search, untimed)
    assert "<svg" in show_search(search, result)


def test_what_a_search_found_is_drawn_behind_the_settings_tried(search, result):
    assert list_curves(search, [], result) == []  # not complete
    search.progress = replace(search.progress, result=make_frontier(60))
    (curve,) = list_curves(search, [], result)
    html = show_history(result, [make_try(result)], [curve])
    svg = read_svg(html)
    # 29, 56 and 83 of 100 ms, where dense takes 200 ms.
    wanted = [(58, 84), (112, 90), (166, 96)]
    assert find_marks(svg, "found") == [pytest.approx(point, abs=1) for point in wanted]
    numbers = [node.get("data-index") for node in svg if node.get("class") == "sv-mark found"]
    assert numbers == ["-1", "-2", "-3"]
    assert "found after 60 trials" in html
    assert svg.find("polyline[@class='found']") is not None
    other = replace(result, settings=replace(result.settings, model="other"))
    assert list_curves(search, [], other) == []


def test_a_limit_lies_where_the_axis_says():
    marks = [Mark(0, 50, "dense", "a"), Mark(10, 100, "sparse", "b")]
    svg = ElementTree.fromstring(
        draw_chart(marks, "ms", "%", "words", limit=Limit(20.0, "<limit>"))
    )
    line = svg.find("g[@class='sv-limit']/line")
    ticks = {t.text: t.get("x") for t in svg.findall("text") if t.get("text-anchor") == "middle"}
    assert line.get("x1") == ticks["20"]
    assert svg.find("g[@class='sv-limit']/text").text == "<limit>"
