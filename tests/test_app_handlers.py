"""What the page answers: with a fake engine, every bad input is one sentence and loses nothing."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from urllib.parse import parse_qsl

import pytest
import torch
from app_support import INFOS, schedule, write_photo
from page_support import Page

from app.engine.records import Settings
from app.page.address import make_address
from app.page.headline import offer_side, show_fed
from app.page.panel import read_panel
from app.page.session import MOST_RETRIES
from app.tabs.registry import TABS
from sparsevit.networks import ModelError
from sparsevit.networks.segmenter import CheckpointError
from sparsevit.schedule import ScheduleError


def test_a_moved_slider_shows_masks_and_agreement_before_the_latency(page):
    changes = page.set_sparsities([[0.2], [0.2], [0.3, 0.4], [0.0]])
    assert set(changes) == {"headline", "pin", "fed", "place", "windows"}
    assert "measuring…" in changes["headline"]
    assert "agreement" in changes["headline"]
    assert "accuracy" not in changes["headline"]
    assert page.engine.calls[-1].schedule == schedule([[0.2], [0.2], [0.3, 0.4], [0.0]])
    (*_, last) = page.handlers.measure(page.session)
    assert "measuring…" not in last["headline"]
    assert "×" in last["headline"]
    assert page.messages == []


def measure_all(page, handler):
    """The changes of a handler that goes on, together."""
    changes = {}
    for more in handler(page.session):
        changes |= more
    return changes


def test_a_busy_machine_is_named_in_place_of_a_number_until_it_is_quiet(page, doubt_load):
    sound, engine, handlers = page.engine.latency, page.engine, page.handlers
    engine.latency = replace(sound, other_load=0.38)
    page.run()
    changes = measure_all(page, handlers.measure)
    assert "machine busy" in changes["headline"]
    assert "other programs used 38\u00a0% of its CPUs" in changes["headline"]
    assert "×" not in changes["headline"].partition("sv-agreement")[0]
    assert changes["retry"]["active"] is True
    assert page.session.history[-1].doubt is not None
    engine.quiet = False
    assert measure_all(page, handlers.retry) == {}
    engine.quiet = True
    assert measure_all(page, handlers.retry) == {}  # timed, and busy again
    engine.latency = replace(sound, other_load=0.01)
    changes = measure_all(page, handlers.retry)
    assert "machine busy" not in changes["headline"]
    assert "×" in changes["headline"].partition("sv-agreement")[0]
    assert changes["retry"]["active"] is False
    (known,) = page.session.history
    assert known.doubt is None
    assert measure_all(page, handlers.retry) == {"retry": changes["retry"]}


def test_a_busy_machine_is_looked_at_again_only_so_often(page, doubt_load):
    page.engine.latency = replace(page.engine.latency, other_load=0.38)
    page.engine.config = replace(page.engine.config, more_runs=1)
    page.run()
    list(page.handlers.measure(page.session))
    page.engine.quiet = False
    looks = [measure_all(page, page.handlers.retry) for _ in range(MOST_RETRIES)]
    assert not any(looks[:-1])
    assert "“Measure again” later" in looks[-1]["headline"]
    assert looks[-1]["retry"]["active"] is False
    changes = measure_all(page, page.handlers.measure_again)
    assert "timed again when quiet" in changes["headline"]
    assert changes["retry"]["active"] is True


def test_a_second_look_at_an_older_result_changes_nothing(page, doubt_load):
    sound = replace(page.engine.latency, other_load=0.01)
    page.engine.latency = replace(sound, other_load=0.38)
    page.run()
    list(page.handlers.measure(page.session))

    def measure(result, runs, is_current):
        page.set_sparsities([[0.2], [0.2], [0.3, 0.4], [0.0]])
        yield replace(result, analysis=replace(result.analysis, latency=sound))

    page.engine.measure = measure
    assert measure_all(page, page.handlers.retry) == {}
    assert page.session.result.settings.schedule == schedule([[0.2], [0.2], [0.3, 0.4], [0.0]])
    assert page.session.result.analysis.latency is None


def test_every_change_names_a_component(page):
    changes = page.run()
    for tab in TABS:
        changes |= page.handlers.open_tab(page.session, tab.id)
    assert set(changes) <= set(page.handlers.screen.outputs)


def test_only_the_open_tab_is_drawn(page):
    for tab, drawn in {
        "windows": {"windows"},
        "outputs": {"outputs"},
        "latency": {"latency"},
        "tradeoff": {"history", "compare", "sizes"},
        "learn": {"learn", "exercises"},
        "video": set(),
        "takeaway": {"json", "snippet", "address", "stage", "file"},
    }.items():
        assert set(page.handlers.open_tab(page.session, tab)) == drawn
        assert set(page.run()) == drawn | {"headline", "pin", "fed", "place"}


def test_a_tab_is_drawn_again_if_a_result_came_since_it_was_opened(page):
    opened = page.handlers.open_tab(page.session, "takeaway")
    assert page.handlers.redraw_tab(page.session) == {}
    page.set_sparsities([[0.3], [0.3], [0.3, 0.3], [0.3]])  # may reach the page before ``opened``
    again = page.handlers.redraw_tab(page.session)
    assert set(again) == set(opened)
    assert "[0.3], [0.3, 0.3]" in again["snippet"]
    assert "[0.3], [0.3, 0.3]" not in opened["snippet"]


def test_a_request_overtaken_by_a_later_one_changes_nothing(page, tmp_path):
    photo = str(write_photo(tmp_path / "mine.png", 2))
    page.run(photo_path=photo, sent=20)
    result, requests = page.session.result, page.session.requests
    assert page.run(photo_path=None, sent=10) == {}
    assert page.run(model="other", sent=19.9) == {}
    assert (page.session.result, page.session.requests) == (result, requests)
    assert page.session.photo_path == photo
    assert "headline" in page.run(model="small", photo_path=photo, sent=20)
    page.handlers.enter(page.session, "tab", "key", {})  # the clock of another page starts anew
    assert "headline" in page.run(sent=5)


def test_the_photo_is_sent_once_for_each_picture(page, tmp_path):
    assert "picture" not in page.set_sparsities([[0.2], [0.2], [0.3, 0.4], [0.0]])
    photo = str(write_photo(tmp_path / "mine.png", 2))
    assert json.loads(page.run(photo_path=photo)["picture"])["key"].startswith(photo)
    assert "picture" not in page.run(short_side=512)  # a control: the fake keeps its size


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.png", b"", "is empty"),
        ("notes.png", b"just text", "not an image"),
        ("cut.jpg", b"\xff\xd8\xff\xe0 cut", "damaged"),
        ("phone.heic", b"\0\0\0\x18ftypheic" + b"\0" * 99, "HEIC"),
    ],
)
def test_a_bad_picture_is_one_sentence_and_loses_nothing(page, tmp_path, name, content, says):
    good = str(write_photo(tmp_path / "good.png", 0))
    page.run(photo_path=good)
    before = page.session.result
    bad = tmp_path / name
    bad.write_bytes(content)
    changes = page.run(photo_path=str(bad))
    (message,) = page.messages
    assert says in message
    assert message.endswith(".")
    assert "\n" not in message
    assert changes["photo"] == good
    assert page.session.result is before
    assert page.session.photo_path == good


def test_a_picture_of_one_pixel_is_refused(page, tmp_path):
    page.run(photo_path=str(write_photo(tmp_path / "dot.png", 0, size=(1, 1))))
    assert "too small" in page.messages[0]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ModelError("There is no model named 'x'."), "no model named"),
        (CheckpointError("Cannot read x: it is cut short."), "cut short"),
        (ScheduleError("A sparsity must be at least 0."), "at least 0"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "choose a smaller short"),
        (MemoryError(), "choose a smaller short side"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), "smaller short side"),
    ],
)
def test_an_expected_error_is_one_sentence(page, error, says):
    page.engine.error = error
    changes = page.run(model="other", short_side=1024)
    assert len(page.messages) == 1
    assert says in page.messages[0]
    assert changes["model"]["value"] == "small"
    assert changes["short_side"]["value"] == 256
    assert read_panel(changes["panel"])[0] == page.engine.first.settings.schedule
    assert "headline" not in changes


def test_an_unexpected_error_is_logged_and_not_shown(page, caplog):
    page.engine.error = KeyError("secret detail")
    page.run()
    assert "secret" not in page.messages[0]
    assert "logged" in page.messages[0]
    assert "secret detail" in caplog.text


@pytest.mark.parametrize(
    "panel", ["", "[]", "{}", "null", '{"stages": 3, "linked": true}', "9" * 30_000]
)
def test_controls_that_send_nonsense_are_refused(page, panel):
    page.run(panel=panel)
    assert "reload the page" in page.messages[0]


@pytest.mark.parametrize("value", [1.0, -0.1, float("nan"), "0.5", None])
def test_sparsities_outside_the_range_are_refused(page, value):
    page.set_sparsities([[value], [0.0], [0.0, 0.0], [0.0]])
    assert "sparsity" in page.messages[0].lower()


def test_removing_the_picture_keeps_the_result(page, tmp_path):
    page.run(photo_path=str(write_photo(tmp_path / "good.png", 0)))
    before = page.session.result
    assert page.run(photo_path=None) == {}
    assert page.session.result is before
    assert page.messages == []


def test_the_newest_request_wins(page, monkeypatch):
    analyze = page.engine.analyze

    def overtaken(photo, settings, is_current):
        page.session.requests += 1  # a newer request arrives while this one waits
        return analyze(photo, settings, is_current)

    monkeypatch.setattr(page.engine, "analyze", overtaken)
    assert page.run() == {}
    assert page.messages == []


def test_a_request_that_came_first_does_not_win_by_reading_its_photo_slowly(
    page, tmp_path, monkeypatch
):
    """A slider is moved within the round trip of a press on an example: the example wins."""
    slow, quick = (str(write_photo(tmp_path / f"{name}.png", 1)) for name in ("slow", "quick"))
    is_read, goes_on = Event(), Event()
    read_photo = page.engine.read_photo

    def read_slowly(path):
        if path == slow:
            is_read.set()
            assert goes_on.wait(60)
        return read_photo(path)

    monkeypatch.setattr(page.engine, "read_photo", read_slowly)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(page.handlers.run, page.session, **page.controls | {"photo_path": slow})
        assert is_read.wait(60)
        page.run(photo_path=quick)
        goes_on.set()
        assert first.result(60) == {}
    assert page.session.result.photo.key == page.session.photo_path == quick
    assert page.messages == []


def test_what_another_run_drew_meanwhile_is_replaced(page, monkeypatch):
    """The network is chosen back while the other one's result is under way."""
    waits, goes_on = Event(), Event()
    analyze, list_models = page.engine.analyze, page.engine.list_models
    page.run()

    def analyze_late(photo, settings, is_current):
        if settings.model == "other":
            waits.set()
            assert goes_on.wait(60)
        return analyze(photo, settings, is_current)

    monkeypatch.setattr(page.engine, "analyze", analyze_late)
    with ThreadPoolExecutor() as pool:
        other = pool.submit(page.handlers.run, page.session, **page.controls | {"model": "other"})
        assert waits.wait(60)

        def finish_other():
            monkeypatch.setattr(page.engine, "list_models", list_models)
            goes_on.set()
            assert other.result(60)["model"]["value"] == "other"
            return list_models()

        monkeypatch.setattr(page.engine, "list_models", finish_other)
        changes = page.run(model="small")
    assert page.session.result.settings.model == "small"
    assert changes["model"]["value"] == "small"


def test_measuring_ends_when_the_result_is_replaced(page):
    page.run()
    measuring = page.handlers.measure(page.session)
    next(measuring)
    page.run()
    newest = page.session.result
    assert list(measuring) == []
    assert page.session.result is newest
    assert newest.analysis.latency is None


def test_measuring_of_what_is_shown_ends_when_a_run_under_way_is_done(page):
    page.engine.config = replace(page.engine.config, first_runs=3)
    page.run()
    page.session.requests += 1  # a newer run has begun
    measuring = page.handlers.measure(page.session)
    next(measuring)
    newest = replace(page.session.result)
    page.session.set_result(newest)  # and is done
    assert list(measuring) == []
    assert page.session.result is newest


def test_an_interrupted_measuring_is_taken_up_again(page, tmp_path):
    page.engine.config = replace(page.engine.config, first_runs=3)
    page.run(photo_path=str(write_photo(tmp_path / "good.png", 0)))
    measuring = page.handlers.measure(page.session)
    next(measuring)
    page.run(photo_path=None)  # removed: the result stays, its measuring stops
    assert list(measuring) == []
    assert len(list(page.handlers.measure(page.session))) == 3


def test_measuring_again_starts_over_with_more_runs(page, monkeypatch):
    asked = []
    measure = page.engine.measure
    monkeypatch.setattr(
        page.engine, "measure", lambda result, runs, *a: (asked.append(runs), measure(result, 1))[1]
    )
    first, *_ = list(page.handlers.measure_again(page.session))
    assert "measuring…" in first["headline"]
    assert asked == [page.engine.config.more_runs]
    assert list(page.handlers.measure(page.session)) == []  # nothing left to measure


def test_a_path_is_a_model_only_for_the_user_of_this_machine(fake_engine):
    fake_engine.config = replace(fake_engine.config, host="0.0.0.0")
    page = Page(fake_engine)
    page.run(model="/etc/secret.safetensors")
    assert "choose one of the list" in page.messages[0]
    assert fake_engine.calls == []
    assert page.handlers.upload_model(page.session, "mine.safetensors")
    page.run(model="mine.safetensors")
    assert fake_engine.calls[-1].model == "mine.safetensors"


def test_another_network_brings_its_own_sliders(page, engine):
    other = replace(
        engine.first,
        depths=(2, 2),
        settings=Settings("other", schedule([[0.1], [0.2]], (2, 2))),
        analysis=replace(engine.first.analysis, blocks=engine.first.analysis.blocks[:4]),
    )
    page.engine.analyze = lambda *a: other
    changes = page.run(model="other", sent=3)
    panel = json.loads(changes["panel"])
    assert len(panel["stages"]) == 2
    assert panel["asked"] == 3  # sliders moved since then keep their place
    page.engine.analyze = lambda *a: engine.first  # and back to one with more stages
    assert len(json.loads(page.run(model="small")["panel"])["stages"]) == 4
    page.engine.analyze = lambda *a: other
    page.session.note_try(page.engine.first)
    panel = json.loads(page.tradeoff.return_to(page.session, 0)["panel"])
    assert panel["asked"] is None


def test_a_smaller_size_than_asked_is_shown_in_the_menu(page, engine):
    smaller = replace(engine.first, note="Too large, so 128 was used.")
    smaller = replace(smaller, settings=replace(smaller.settings, short_side=128))
    page.engine.analyze = lambda *a: smaller
    changes = page.run(short_side=1024)
    assert changes["short_side"]["value"] == 128
    assert "Too large, so 128 was used." in changes["fed"]
    assert page.messages == []


def test_memory_is_measured_when_latency_is_looked_at(page):
    page.handlers.open_tab(page.session, "latency")
    page.run()
    (*_, last) = page.handlers.measure(page.session)
    assert "sparse <b>20 MB</b>" in last["latency"]


def test_memory_is_measured_when_latency_is_looked_at_after_the_timing(page):
    page.run()
    list(page.handlers.measure(page.session))
    assert "Memory is measured" in page.handlers.open_tab(page.session, "latency")["latency"]
    (changes,) = page.latency.measure_memory(page.session)
    assert "sparse <b>20 MB</b>" in changes["latency"]
    assert list(page.latency.measure_memory(page.session)) == []  # once


def test_sizes_are_compared_on_demand_and_forgotten_with_the_result(page):
    steps = list(page.tradeoff.compare_sizes(page.session))
    assert "1 more rounds" in steps[0]["sizes"]
    assert page.session.comparison is not None
    page.run()
    assert page.session.comparison is None


def test_a_link_opens_the_state_it_names(page):
    named = replace(page.engine.first.settings, schedule=schedule(0.3), short_side=512)
    example = list(page.engine.examples.values())[1]
    address = make_address(replace(page.engine.first, settings=named, photo=example))
    query = dict(parse_qsl(json.loads(address)["query"].removeprefix("?")))
    changes = page.handlers.open_link(page.session, query)
    assert page.engine.calls == [named]
    assert page.session.result.photo.example == example.example
    assert changes["short_side"]["value"] == 512
    assert changes["photo"] == str(example.path)
    assert page.handlers.open_link(page.session, {"__theme": "dark"}) == {}
    assert page.handlers.open_link(page.session, {"sparsity": "[[2]]"}) == {}
    assert "below 1" in page.messages[0]


def test_a_menu_says_what_a_run_has_downloaded(page, engine):
    infos = [replace(info, source="cached") for info in INFOS]
    page.engine.list_models = lambda: infos
    menu = page.run(model="timm/swin_tiny")["model"]
    assert ("swin_tiny (downloaded)", "timm/swin_tiny") in menu["choices"]
    assert menu["value"] == "timm/swin_tiny"
    assert "model" not in page.run(model="timm/swin_tiny")


def test_a_link_opens_no_file_of_the_server(fake_engine):
    fake_engine.config = replace(fake_engine.config, host="0.0.0.0")
    page = Page(fake_engine)
    assert page.handlers.open_link(page.session, {"model": "/etc/secret.safetensors"}) == {}
    assert "choose one of the list" in page.messages[0]
    assert fake_engine.calls == []


def test_a_small_picture_comes_with_an_offer_of_more(page):
    assert "Look closer: 256 px" in page.run(short_side=128)["fed"]  # the photo has no more
    changes = page.handlers.look_closer(page.session)
    assert page.engine.calls[-1].short_side == 256
    assert changes["short_side"]["value"] == 256
    assert offer_side(page.session.result) is None
    assert "Look closer" not in show_fed(page.session.result)
    assert page.handlers.look_closer(page.session) == {}
