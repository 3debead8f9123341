"""What the page answers: with a fake engine, every bad input is one sentence and loses nothing."""

import json
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import gradio as gr
import pytest
import torch
from app_support import DEPTHS, INFOS, make_engine, schedule, write_home, write_photo

from app import handlers as handlers_module
from app.api import Api
from app.handlers import Handlers
from app.newest import Superseded
from app.panel import list_presets, make_panel, read_panel
from app.records import Settings
from app.screen import OUTPUTS
from app.session import TABS, Session
from app.views.takeaway import make_address
from sparsevit import zoo
from sparsevit.schedule import ScheduleError
from sparsevit.segmenter import CheckpointError
from sparsevit.tradeoff import SizeComparison, SizePoint
from sparsevit.transforms import load_image
from sparsevit.zoo import ModelError


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """An engine that really ran once; the fake one answers with its results."""
    home = write_home(tmp_path_factory.mktemp("home"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "CHECKPOINT_FOLDER", home)
        return make_engine(home, first_runs=1)


class FakeEngine:
    """Answers at once; set ``error`` to make the next call fail."""

    device = "fake CPU"

    def __init__(self, real):
        self.real = real
        self.config = real.config
        self.examples = real.examples
        self.first = real.first
        self.error = None
        self.calls = []

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
            latency = self.first.analysis.latency
            yield replace(result, analysis=replace(result.analysis, latency=latency))

    def measure_memory(self, result):
        return replace(result, peak_mb=(80.0, 20.0))

    def compare_sizes(self, result, rounds, is_current=lambda: True):
        sparse = SizePoint((256, 512), None, 0.9, 50.0)
        dense = (replace(sparse, agreement=1.0, latency_ms=90.0),)
        for done in range(1, 3):
            if is_current():
                yield SizeComparison(sparse, dense, done, 2)

    def trace_block(self, result, index):
        return self.real.trace_block(result, index)


class Page:
    """One user: holds what the controls say and calls the handlers as the page does."""

    def __init__(self, engine):
        self.engine = engine
        self.messages = []
        self.handlers = Handlers(engine, warn=self.messages.append)
        self.session = Session()
        self.controls = {
            "photo_path": None,
            "model": "small",
            "short_side": 256,
            "panel": make_panel(engine.first),
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


@pytest.fixture
def engine(real):
    return FakeEngine(real)


@pytest.fixture
def page(engine):
    return Page(engine)


def test_a_moved_slider_shows_masks_and_agreement_before_the_latency(page):
    changes = page.set_sparsities([[0.2], [0.2], [0.3, 0.4], [0.0]])
    assert set(changes) == {"headline", "fed", "place", "windows"}
    assert "measuring…" in changes["headline"]
    assert "agreement" in changes["headline"]
    assert "accuracy" not in changes["headline"]
    assert page.engine.calls[-1].schedule == schedule([[0.2], [0.2], [0.3, 0.4], [0.0]])
    (*_, last) = page.handlers.measure(page.session)
    assert "measuring…" not in last["headline"]
    assert "×" in last["headline"]
    assert page.messages == []


def test_every_change_names_a_component(page):
    changes = page.run()
    for tab in TABS:
        changes |= page.handlers.open_tab(page.session, tab)
    assert set(changes) <= set(OUTPUTS)


def test_only_the_open_tab_is_drawn(page):
    for tab, drawn in {
        "windows": {"windows"},
        "outputs": {"outputs"},
        "latency": {"latency"},
        "tradeoff": {"history", "sizes"},
        "learn": {"learn"},
        "video": set(),
        "takeaway": {"json", "snippet", "address", "zip"},
    }.items():
        assert set(page.handlers.open_tab(page.session, tab)) == drawn
        assert set(page.run()) == drawn | {"headline", "fed", "place"}


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


def test_measuring_ends_when_the_result_is_replaced(page):
    page.run()
    measuring = page.handlers.measure(page.session)
    next(measuring)
    page.run()
    newest = page.session.result
    assert list(measuring) == []
    assert page.session.result is newest
    assert newest.analysis.latency is None


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


def test_sessions_do_not_see_each_other(engine, tmp_path):
    alice, bob = Page(engine), Page(engine)
    alice.run(photo_path=str(write_photo(tmp_path / "a.png", 1)))
    alice.set_sparsities([[0.1], [0.1], [0.1, 0.1], [0.1]])
    assert bob.session == Session()
    assert not bob.session.history
    bob.handlers.open_tab(bob.session, "takeaway")
    assert "a.png" not in bob.run()["snippet"]


def test_a_path_is_a_model_only_for_the_user_of_this_machine(engine):
    engine.config = replace(engine.config, host="0.0.0.0")
    page = Page(engine)
    page.run(model="/etc/secret.safetensors")
    assert "choose one of the list" in page.messages[0]
    assert engine.calls == []
    assert page.handlers.upload_model(page.session, "mine.safetensors")
    page.run(model="mine.safetensors")
    assert engine.calls[-1].model == "mine.safetensors"


def test_another_network_brings_its_own_sliders(page, real):
    other = replace(
        real.first,
        depths=(2, 2),
        settings=Settings("other", schedule([[0.1], [0.2]], (2, 2))),
        analysis=replace(real.first.analysis, blocks=real.first.analysis.blocks[:4]),
    )
    page.engine.analyze = lambda *a: other
    asked = json.dumps(json.loads(page.controls["panel"]) | {"moves": 3})
    panel = json.loads(page.run(model="other", panel=asked)["panel"])
    assert len(panel["stages"]) == 2
    assert panel["moves"] == 3  # sliders moved since then keep their place
    page.session.note_try(page.engine.first)
    panel = json.loads(page.handlers.return_to(page.session, 0)["panel"])
    assert panel["moves"] is None


def test_a_smaller_size_than_asked_is_shown_in_the_menu(page, real):
    smaller = replace(real.first, note="Too large, so 128 was used.")
    smaller = replace(smaller, settings=replace(smaller.settings, short_side=128))
    page.engine.analyze = lambda *a: smaller
    changes = page.run(short_side=1024)
    assert changes["short_side"]["value"] == 128
    assert "Too large, so 128 was used." in changes["fed"]
    assert page.messages == []


def test_every_measured_setting_is_remembered_once_and_can_be_returned_to(page, tmp_path):
    mine = str(write_photo(tmp_path / "mine.png", 2))
    page.run(photo_path=mine)
    list(page.handlers.measure(page.session))
    page.set_sparsities([[0.2], [0.2], [0.3, 0.4], [0.0]])
    list(page.handlers.measure(page.session))
    list(page.handlers.measure_again(page.session))
    assert len(page.session.history) == 2
    example = str(next(iter(page.engine.examples.values())).path)
    page.run(photo_path=example)
    changes = page.handlers.return_to(page.session, 0)
    assert page.engine.calls[-1].schedule == schedule(0.6)
    assert read_panel(changes["panel"])[0] == schedule(0.6)
    assert changes["photo"] == mine
    assert "picture" in changes
    assert page.handlers.return_to(page.session, 9) == {}


def test_the_history_forgets_old_photos(page, tmp_path):
    for seed in range(6):
        page.run(photo_path=str(write_photo(tmp_path / f"{seed}.png", seed % 3)))
        list(page.handlers.measure(page.session))
    names = [entry.photo.path.stem for entry in page.session.history]
    assert names == ["2", "3", "4", "5"]


def test_memory_is_measured_when_latency_is_looked_at(page):
    page.handlers.open_tab(page.session, "latency")
    page.run()
    (*_, last) = page.handlers.measure(page.session)
    assert "sparse <b>20 MB</b>" in last["latency"]


def test_memory_is_measured_when_latency_is_looked_at_after_the_timing(page):
    page.run()
    list(page.handlers.measure(page.session))
    assert "Memory is measured" in page.handlers.open_tab(page.session, "latency")["latency"]
    (changes,) = page.handlers.measure_memory(page.session)
    assert "sparse <b>20 MB</b>" in changes["latency"]
    assert list(page.handlers.measure_memory(page.session)) == []  # once


def test_sizes_are_compared_on_demand_and_forgotten_with_the_result(page):
    steps = list(page.handlers.compare_sizes(page.session))
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


def test_a_link_opens_no_file_of_the_server(engine):
    engine.config = replace(engine.config, host="0.0.0.0")
    page = Page(engine)
    assert page.handlers.open_link(page.session, {"model": "/etc/secret.safetensors"}) == {}
    assert "choose one of the list" in page.messages[0]
    assert engine.calls == []


def test_a_closed_page_is_forgotten_unless_it_comes_back(engine, tmp_path):
    engine.config = replace(engine.config, patience_s=0.2)
    page, back = Page(engine), Page(engine)
    for visitor, key in ((page, "a"), (back, "b")):
        visitor.handlers.enter(visitor.session, "", key, {})
        visitor.run()
        visitor.handlers.leave(key)
    back.run()  # it had only lost its connection
    deadline = time.monotonic() + 30
    while page.session.result is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert page.session == Session()
    time.sleep(0.3)
    assert back.session.result is not None
    page.handlers.leave("unknown")


def test_a_page_that_is_loaded_again_goes_on_with_its_own_photo(engine, tmp_path):
    engine.config = replace(engine.config, patience_s=0.05)
    page = Page(engine)
    mine = write_photo(tmp_path / "mine.png", 2)
    page.handlers.enter(page.session, "secret", "a", {})
    page.run(photo_path=str(mine))
    list(page.handlers.measure(page.session))
    again, stranger = Session(), Session()
    query = {"sparsity": json.dumps(schedule(0.3).to_list())}  # moved while there was no connection
    changes = page.handlers.enter(again, "secret", "b", query)
    page.handlers.leave("a")
    page.handlers.enter(stranger, "guess", "c", query)
    assert again.result.photo.path == mine
    assert stranger.result.photo is engine.first.photo
    assert again.result.settings.schedule == schedule(0.3)
    assert changes["photo"] == str(mine)
    assert "picture" in changes  # the page had opened with another
    assert len(again.history) == 1
    deadline = time.monotonic() + 30
    while page.session.result is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert page.session == Session()
    assert mine.exists()  # it belongs to the page that goes on
    again.close()
    assert not mine.exists()


def test_a_closed_page_leaves_nothing(page, tmp_path, monkeypatch):
    monkeypatch.setattr(handlers_module, "get_upload_folder", lambda: str(tmp_path))
    mine = write_photo(tmp_path / "mine.png", 2)
    page.run(photo_path=str(mine))
    changes = page.handlers.make_zip(page.session)
    folder = Path(changes["zip"]["value"]).parent
    assert folder.exists()
    page.session.close()
    assert not folder.exists()
    assert not mine.exists()
    assert page.session == Session()
    assert all(photo.path.exists() for photo in page.engine.examples.values())


def test_the_panel_says_grids_windows_and_schedule(real):
    panel = json.loads(make_panel(real.first))
    assert [stage["windows"] for stage in panel["stages"]] == [128, 32, 8, 2]
    assert panel["stages"][0]["grid"] == [64, 128]
    assert [len(stage["sparsities"]) for stage in panel["stages"]] == [1, 1, 2, 1]
    assert panel["linked"] is True
    settings = real.first.settings
    assert read_panel(json.dumps(panel)) == (settings.schedule, True, 0)


def test_presets_fit_the_network():
    labels = [preset["label"] for preset in list_presets((2, 2, 18, 2))]
    assert labels == ["Dense", "30 %", "60 %", "paper 42", "paper 35", "paper 33"]
    assert all(len(preset["stages"][2]) == 9 for preset in list_presets((2, 2, 18, 2)))
    assert len(list_presets((2, 2))) == 3  # the paper's are for four stages


@pytest.mark.parametrize(
    ("photo", "model", "sparsity", "says"),
    [
        ("", "small", "0.5", "photo is needed"),
        ("good", "small", "1.0", "below 1"),
        ("good", "small", "[0.1, 0.2]", "takes 1"),
        ("good", "small", "plan.json", "Send the schedule itself"),
        ("bad", "small", "0.5", "not an image"),
    ],
)
def test_the_endpoint_for_programs_explains_itself(page, tmp_path, photo, model, sparsity, says):
    (tmp_path / "bad").write_bytes(b"text")
    write_photo(tmp_path / "good.png", 0).rename(tmp_path / "good")
    with pytest.raises(gr.Error, match=says):
        Api(page.engine).analyze(photo and str(tmp_path / photo), model, 256, sparsity)


def test_the_endpoints_for_programs_answer(page, tmp_path):
    photo = str(write_photo(tmp_path / "good.png", 0))
    api = Api(page.engine)
    data = api.analyze(photo, "small", 0, "paper-35ms")
    assert data["schedule"] == schedule("paper-35ms").to_list()
    assert data["speedup"] > 0
    assert api.models()[0]["name"] == "small"
    sizes = api.compare_sizes(photo, "small", 0, "0.5")
    assert sizes["dense"] == [{"size": [256, 512], "latency_ms": 90.0, "agreement": 1.0}]
    for view in ("pruned", "scores", "compute"):
        assert api.draw_windows(photo, "small", 0, "0.5", 3, view).shape == (256, 512, 3)
    assert api.draw_outputs(photo, "small", 0, "0.5").shape == (256, 512, 3)
    with pytest.raises(gr.Error, match="view must be"):
        api.draw_windows(photo, "small", 0, "0.5", 3, "x")
    with pytest.raises(gr.Error, match="block must be 0 to 9"):
        api.draw_windows(photo, "small", 0, "0.5", 10, "pruned")
