"""The tab Search without a browser: a search that is stopped, goes on, fails, and is used."""

import json
import threading
from dataclasses import replace

import gradio as gr
import pytest
import torch
from app_support import make_frontier, schedule, search_slowly, wait_until, write_photo
from page_support import Page, list_marks

from app.api import Api
from app.engine.frontiers import find_shipped
from app.engine.records import Settings
from app.engine.search import begin_search, make_storage, read_search
from app.engine.turns import TurnLock
from app.page.panel import make_panel, read_panel
from app.page.session import Session
from app.tabs.search import handlers as tabs_module
from app.tabs.search.handlers import SearchHandlers
from sparsevit.search import SearchError, read_frontier


class Tab(Page):
    """One user of the tab."""

    def __init__(self, engine):
        super().__init__(engine)
        self.search = SearchHandlers(self.handlers)

    def begin(self, share=0.6, is_free=False, trials=8, seed=0):
        return self.search.begin(self.session, share, is_free, trials, seed)

    def go_on(self):
        return self.search.go_on(self.session)


@pytest.fixture(autouse=True)
def _draw_every_step(monkeypatch, tmp_path):
    monkeypatch.setattr(tabs_module, "_QUIET_S", -1.0)
    monkeypatch.setattr(tabs_module, "get_upload_folder", lambda: str(tmp_path))


@pytest.fixture
def tab(fake_engine):
    return Tab(fake_engine)


def test_the_lock_goes_to_whoever_has_waited_longest():
    lock, order = TurnLock(), []

    def ask(name):
        with lock:
            order.append(name)

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abc"]
    with lock:
        for number, thread in enumerate(threads, start=1):
            thread.start()
            wait_until(lambda number=number: len(lock._waiting) == number)
    with lock:  # asked again at once
        order.append("again")
    for thread in threads:
        thread.join()
    assert order == ["a", "b", "c", "again"]
    with lock:  # and it is free in the end
        pass


def test_a_search_grows_and_ends_with_a_file(tab):
    begun = tab.begin()
    assert "Waiting" in begun["search"]
    assert (begun["search_start"]["visible"], begun["search_stop"]["visible"]) == (False, True)
    steps = list(tab.go_on())
    shown = [changes["search"] for changes in steps]
    assert any("Timing the layers, 2 of 2" in html for html in shown)
    assert any("Trial 5 of 8, best " in html for html in shown)
    counts = [len(list_marks(html, "tried", "found")) for html in shown]
    assert counts == sorted(counts)
    assert counts[-1] == 7  # of 8 schedules one is dense
    last = steps[-1]
    assert "Done: 8 schedules tried" in last["search"]
    assert last["search_start"]["value"] == "Search again"
    assert last["search_apply"]["interactive"] is True
    frontier = read_frontier(last["search_file"]["value"], "small")
    assert frontier == tab.session.search.found
    assert frontier.budget_ms == 60
    assert tab.messages == []
    photo, settings, asked = tab.engine.searches[0]
    assert photo is tab.engine.first.photo
    assert (settings.model, settings.short_side, asked.budget) == ("small", 256, "0.6x")


def test_without_a_budget_the_whole_trade_off_is_asked_for(tab):
    tab.begin(is_free=True)
    list(tab.go_on())
    assert tab.engine.searches[0][2].budget is None
    assert tab.session.search.found.budget_ms is None


def test_a_stopped_search_keeps_everything_and_goes_on(tab):
    tab.begin()
    steps = tab.go_on()
    while len(tab.session.search.tried) < 3:
        next(steps)
    stopped = tab.search.stop(tab.session)
    assert "Stopped: trial 3 of 8" in stopped["search"]
    assert stopped["search_start"]["value"] == "Resume"
    assert stopped["search_apply"]["interactive"] is True
    list(steps)
    first = tab.session.search.tried
    assert len(first) < 8
    assert "Goes on with the" in tab.begin()["search"]
    steps = list(tab.go_on())
    assert list_marks(steps[0]["search"], "found")  # nothing is gone while layers are timed again
    tried = tab.session.search.tried
    assert tried[: len(first)] == first
    assert len({point.schedule for point in tried}) == 8
    tab.begin(trials=10)  # more trials: the same study
    list(tab.go_on())
    assert tab.session.search.tried[:8] == tried
    tab.begin(trials=10)  # the same again: anew
    assert tab.session.search.tried == ()


def test_on_another_photo_a_search_starts_anew_and_says_so(tab, tmp_path):
    tab.begin()
    steps = tab.go_on()
    while not tab.session.search.tried:
        next(steps)
    tab.search.stop(tab.session)
    tab.run(photo_path=str(write_photo(tmp_path / "mine.png", 2)))
    assert "another photo" in tab.handlers.open_tab(tab.session, "search")["search"]
    assert "Starts anew" in tab.begin()["search"]
    assert tab.session.search.tried == ()
    list(steps)
    list(tab.go_on())
    assert tab.engine.searches[-1][0].path.name == "mine.png"


def test_a_second_search_replaces_the_first(tab):
    tab.begin()
    first, steps = tab.session.search, tab.go_on()
    while len(first.tried) < 2:
        next(steps)
    tab.begin(trials=5)
    list(steps)
    assert not first.is_running
    assert first.found is None
    list(tab.go_on())
    assert tab.session.search.found.trials == 5
    assert list(tab.go_on()) == []  # it has run


def test_visitors_do_not_see_each_other_s_search(fake_engine):
    alice, bob = Tab(fake_engine), Tab(fake_engine)
    alice.begin(trials=6)
    bob.begin(trials=4)
    for _ in zip(alice.go_on(), bob.go_on(), strict=False):
        pass  # their steps in turn
    list(alice.go_on())
    assert len(bob.session.search.tried) == 4
    assert alice.session.search.tried is not bob.session.search.tried
    assert Tab(fake_engine).session == Session()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (SearchError("No schedule is as fast as 30 ms."), "as fast as 30 ms"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "smaller short side"),
        (KeyError("secret detail"), "was logged"),
    ],
)
def test_a_search_that_fails_is_one_sentence_and_loses_nothing(tab, error, says):
    before = tab.run()
    result = tab.session.result
    tab.engine.error = error
    tab.begin()
    steps = list(tab.go_on())
    (message,) = tab.messages
    assert says in message
    assert "secret" not in message
    assert 'class="sv-warning"' in steps[-1]["search"]
    assert steps[-1]["search_start"]["visible"] is True
    assert tab.session.result is result
    assert "headline" in before
    tab.engine.error = None
    tab.begin()
    list(tab.go_on())
    assert tab.session.search.problem == ""


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"trials": 0}, "Trials must be a whole number from 1 to 300."),
        ({"trials": 301}, "Trials must be a whole number"),
        ({"trials": None}, "Trials must be a whole number"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"share": 0.1}, "budget must be 0.3 to 0.95"),
    ],
)
def test_bad_input_is_one_sentence(tab, asked, says):
    assert tab.begin(**asked) == {}
    (message,) = tab.messages
    assert says in message
    assert tab.session.search is None


def test_the_best_and_any_point_can_be_put_on_the_sliders(tab):
    assert tab.search.use_best(tab.session) == {}
    assert tab.search.use_point(tab.session, 0) == {}
    tab.begin()
    list(tab.go_on())
    changes = tab.search.use_best(tab.session)
    best = tab.session.search.best.schedule
    assert read_panel(changes["panel"])[:2] == (best, True)
    assert tab.engine.calls[-1].schedule == best
    assert "measuring…" in changes["headline"]
    tried = tab.session.search.tried
    tab.search.use_point(tab.session, 3)
    assert tab.engine.calls[-1].schedule == tried[3].schedule
    calls = len(tab.engine.calls)
    assert tab.search.use_point(tab.session, len(tried)) == {}
    assert tab.search.use_point(tab.session, -1) == {}
    assert len(tab.engine.calls) == calls


def test_the_sliders_stay_usable_while_a_search_runs(tab):
    tab.begin()
    steps = tab.go_on()
    while not tab.session.search.tried:
        next(steps)
    tab.set_sparsities([[0.2], [0.2], [0.3, 0.4], [0.0]])
    tab.session.tab = "search"
    *_, last = tab.handlers.measure(tab.session)
    assert [mark["is_current"] for mark in list_marks(last["search"], "sparse")] == [True]
    list(steps)
    assert tab.session.search.found is not None
    assert tab.session.result.settings.schedule == schedule([[0.2], [0.2], [0.3, 0.4], [0.0]])


def test_what_is_remembered_of_a_search_is_bounded_and_forgotten(tab, tmp_path):
    mine = str(write_photo(tmp_path / "mine.png", 2))
    tab.run(photo_path=mine)
    tab.begin()
    list(tab.go_on())
    file = tab.session.search.file
    tab.run(photo_path=str(write_photo(tmp_path / "other.png", 1)))
    total, photo = tab.session.num_bytes, tab.session.search.photo
    tab.session.search.photo = tab.session.result.photo
    assert total - tab.session.num_bytes == photo.pixels.nbytes  # of the search alone
    tab.session.close()
    assert tab.session == Session()
    assert not file.exists()


def test_a_page_that_is_loaded_again_can_resume_its_search(tab):
    tab.begin()
    steps = tab.go_on()
    while len(tab.session.search.tried) < 2:
        next(steps)
    again = Tab(tab.engine)
    again.session.take_over(tab.session)
    list(steps)  # nobody sees them any more: it ends
    assert not again.session.search.is_running
    assert again.handlers.open_tab(again.session, "search")["search_start"]["value"] == "Resume"
    again.begin()
    list(again.go_on())
    assert again.session.search.found.trials == 8


@pytest.fixture
def shipped(monkeypatch, tmp_path):
    """A frontier that ships with the network "small"."""
    monkeypatch.setattr("sparsevit.networks.CHECKPOINT_FOLDER", tmp_path)
    frontier = make_frontier(metric="mIoU", data="street scenes", size=(512, 1024))
    frontier.save(tmp_path / "small.frontier.json")
    return frontier


def test_a_shipped_frontier_gives_presets(engine, shipped, tmp_path, caplog):
    panel = json.loads(make_panel(engine.first))
    ours = {p["label"]: p["stages"] for p in panel["presets"] if p["label"].startswith("ours")}
    # Measured 29, 56 and 83 of dense 100: the most accurate that is fast enough.
    half, eighty = schedule(0.5).to_list(), schedule(0.8).to_list()
    assert ours == {"ours 0.8×": half, "ours 0.7×": half, "ours 0.6×": half, "ours 0.5×": eighty}
    assert find_shipped(Settings("other", schedule(0))) is None
    assert find_shipped(Settings(str(tmp_path / "small"), schedule(0))) is None
    assert find_shipped(Settings("small", schedule(0), task="instance")) is None
    replace(shipped, metric="3D AP", task="boxes3d").save(tmp_path / "small.boxes3d.frontier.json")
    assert find_shipped(Settings("small", schedule(0), task="boxes3d")).metric == "3D AP"
    assert find_shipped(Settings("small", schedule(0))).metric == "mIoU"
    (tmp_path / "broken.frontier.json").write_text("{}")
    assert find_shipped(Settings("broken", schedule(0))) is None
    assert "not a frontier file" in caplog.text


def test_a_shipped_frontier_is_tried_on_the_photo_and_drawn_behind(page, shipped):
    page.run()
    list(page.handlers.measure(page.session))
    assert list(page.tradeoff.place_frontier(page.session)) == []  # the tab is not open
    page.handlers.open_tab(page.session, "tradeoff")
    *_, last = page.tradeoff.place_frontier(page.session)
    page.session.placed = []
    *_, last = page.handlers.measure_again(page.session)  # and after every change while it is open
    assert len(page.session.placed) == 3
    assert len(list_marks(last["history"], "shipped")) == 3
    assert "found them for mIoU on street scenes at 512 × 1024" in last["history"]
    assert list(page.tradeoff.place_frontier(page.session)) == []  # known now
    fastest = {point.schedule for point in shipped.points}
    page.tradeoff.return_to(page.session, -1)
    assert page.engine.calls[-1].schedule in fastest
    assert page.tradeoff.return_to(page.session, -4) == {}
    assert len(page.session.history) == 1  # not a setting of the user's


def test_placing_ends_when_the_user_moves_on(page, shipped, tmp_path):
    page.run()
    list(page.handlers.measure(page.session))
    page.handlers.open_tab(page.session, "tradeoff")
    steps = page.tradeoff.place_frontier(page.session)
    next(steps)
    page.run(photo_path=str(write_photo(tmp_path / "mine.png", 2)))
    assert list(steps) == []
    assert page.session.placed == []


def test_no_frontier_ships_with_most_networks(page):
    page.run()
    list(page.handlers.measure(page.session))
    page.handlers.open_tab(page.session, "tradeoff")
    assert list(page.tradeoff.place_frontier(page.session)) == []


def test_the_endpoint_for_programs_answers_with_the_frontier(fake_engine, tmp_path):
    photo = str(write_photo(tmp_path / "good.png", 0))
    found = Api(fake_engine).search(photo, "small", 256, "0.6x", 5, 3)
    assert found["trials"] == 5
    assert found["budget_ms"] == 60
    assert schedule(found["schedule"])
    assert fake_engine.searches[-1][2].seed == 3
    assert Api(fake_engine).search(photo, "small", 0, "", 2, 0)["budget_ms"] is None
    for arguments, says in (
        ((photo, "small", 256, "fast", 5, 0), "as 0.6x or 120ms"),
        ((photo, "small", 256, "0.6x", 301, 0), "1 to 300"),
        ((photo, "nonsense!", 256, "0.6x", 5, 0), "nonsense!"),
        (("", "small", 256, "0.6x", 5, 0), "photo is needed"),
    ):
        if "nonsense!" in arguments:
            fake_engine.config = replace(fake_engine.config, host="0.0.0.0")
        with pytest.raises(gr.Error, match=says):
            Api(fake_engine).search(*arguments)


def test_a_real_search_leaves_the_network_to_others_between_its_steps(engine, tmp_path):
    photo, settings = engine.first.photo, Settings("small", schedule(0.5), short_side=128)
    truth = engine.analyze(photo, settings).analysis.agreement
    storage, asked = make_storage(), read_search(None, 6, 0)
    phases = []
    for progress in engine.search(photo, settings, asked, storage, tmp_path):
        phases.append(progress.phase)
        if len(phases) % 20 == 0:
            assert engine.analyze(photo, settings).analysis.agreement == truth
    found = progress.result
    assert set(phases) == {"timing", "searching", "measuring"}
    assert (found.metric, found.size, found.trials) == ("agreement", (128, 256), 6)
    assert all(point.latency_ms for point in found.points)
    for point in found.points:
        outcome = engine.analyze(photo, replace(settings, schedule=point.schedule))
        assert point.accuracy == pytest.approx(outcome.analysis.agreement["agreement"], abs=1e-5)
    tried = {point.schedule for point in progress.tried}
    # The study goes on, without timing the layers again, until it is stopped.
    more = read_search(None, 8, 0)
    steps = list(engine.search(photo, settings, more, storage, tmp_path))
    assert "timing" not in {step.phase for step in steps}
    assert tried < {point.schedule for point in steps[-1].tried}
    wanted = iter([True, False])
    assert (
        len(list(engine.search(photo, settings, more, storage, tmp_path, lambda: next(wanted))))
        == 2
    )


def test_a_search_goes_on_only_where_it_is_of_the_same(engine):
    result = engine.first
    earlier = begin_search(result, read_search(0.6, 5, 0), None)
    for progress in search_slowly()(None, None, None, earlier.asked, make_storage(), None):
        if progress.result is None:
            earlier.note_step(progress)
        if len(progress.tried) == 3:
            break
    assert begin_search(result, earlier.asked, earlier).tried == earlier.tried
    other = replace(result, settings=replace(result.settings, model="other"))
    assert begin_search(other, earlier.asked, earlier).tried == ()
