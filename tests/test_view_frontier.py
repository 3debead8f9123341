"""What the tab Search draws and says, and the frontiers behind the tab Trade-off."""

import re
from dataclasses import replace

import pytest
from app_support import make_frontier, schedule
from page_support import list_marks, read_charts, read_points

from app.engine.frontiers import list_curves
from app.engine.records import make_try
from app.engine.search import PhotoSearch
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


def list_places(html, kind):
    """(x, y) of every mark of a kind."""
    return [(mark["x"], mark["y"]) for mark in list_marks(html, kind)]


def list_indices(marks):
    return [mark["index"] for mark in marks if mark["index"] is not None]


def test_points_are_placed_by_their_share_of_dense_latency(search, result):
    html = show_search(search, result)
    chart = read_points(html)
    assert list_places(html, "found") == [(0.25, 60), (0.7, 80), (0.9, 98)]
    assert list_places(html, "tried") == [(0.8, 70)]
    agreement = pytest.approx(100 * result.analysis.agreement["agreement"], abs=1e-4)
    assert list_places(html, "sparse") == [(0.5, agreement)]  # 100 of 200 ms, measured elsewhere
    assert list_indices(chart["marks"]) == [3, 2, 1]  # numbers among the tried
    assert chart["limit"] == {"x": 0.6, "label": "budget"}
    assert chart["lines"] == [
        {"kind": "found", "points": [[0.25, 60], [0.7, 80], [0.9, 98], [1.0, 100]]}
    ]
    titles = [chart[axis]["title"] for axis in "xy"]
    assert titles == ["latency of one forward, share of dense (100 ms)", "agreement with dense, %"]


def test_the_sliders_setting_is_ringed_where_it_is_on_the_frontier(search, result):
    now = replace(result, settings=replace(result.settings, schedule=MIDDLE.schedule))
    html = show_search(search, now)
    ringed = [mark for mark in read_points(html)["marks"] if mark["is_current"]]
    assert list_indices(ringed) == [2]
    assert list_marks(html, "sparse") == []


def test_the_best_is_said_in_words_with_its_schedule(search, result):
    html = show_search(search, result)
    assert "Best within 0.60× of dense (60 ms)" in html
    assert "<strong>60.0\u00a0%</strong> agreement in <strong>25 ms</strong>" in html
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
    assert list_places(html, "found")[0] == pytest.approx((29 / 110, 84), abs=1e-4)
    assert (0.8, 70) in list_places(html, "tried")
    assert "(measured)" in html
    assert "<progress" not in html


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"phase": "timing", "done": 12, "total": 40}, "Timing the layers, 12 of 40."),
        ({}, "Trial 4 of 60, best 60.0\u00a0% agreement at 0.25× of dense."),
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
    assert list_marks(html, "sparse") == []
    assert not any(mark["is_current"] for mark in read_points(html)["marks"])


def test_before_anything_is_timed_there_is_room_for_the_plot(search, result):
    search.progress = SearchProgress("timing", 1, 10)
    untimed = replace(result, analysis=replace(result.analysis, latency=None))
    html = show_search(search, untimed)
    assert "sv-plot-wait" in html
    assert read_charts(html) == []
    assert len(read_charts(show_search(search, result))) == 1


def test_what_a_search_found_is_drawn_behind_the_settings_tried(search, result):
    assert list_curves(search, [], result) == []  # not complete
    search.progress = replace(search.progress, result=make_frontier(60))
    (curve,) = list_curves(search, [], result)
    html = show_history(result, [make_try(result)], [curve])
    # 29, 56 and 83 of 100 ms, where dense takes 200 ms.
    assert list_places(html, "found") == [(58, 84), (112, 90), (166, 96)]
    assert list_indices(list_marks(html, "found")) == [-1, -2, -3]
    assert "found after 60 trials" in html
    assert read_points(html)["lines"] == [
        {"kind": "found", "points": [[58, 84], [112, 90], [166, 96]]}
    ]
    other = replace(result, settings=replace(result.settings, model="other"))
    assert list_curves(search, [], other) == []
