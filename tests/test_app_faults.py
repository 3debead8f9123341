"""What goes wrong around the page: downloads break, runs fail, browsers go away. Others go on."""

import json
import socket
import struct
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import app_support
import gradio as gr
import httpx
import numpy as np
import pytest
import timm
import torch
from app_support import make_config, serve, write_photo
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from huggingface_hub import constants, file_download
from safetensors.torch import save

from app import engine as engine_module
from app.api import Api
from app.handlers import Handlers
from app.panel import make_panel
from app.session import Session
from sparsevit import zoo
from sparsevit.stage import PruningStage

SWIN = "timm/swin_tiny_patch4_window7_224.ms_in1k"
OTHER_SWIN = "timm/swin_small_patch4_window7_224.ms_in1k"


class Tab:
    """One page as its server sees it: what its controls say, and the sentences it was told."""

    def __init__(self, engine):
        self.told = []
        self.handlers = Handlers(engine, warn=self.told.append)
        self.session = Session()
        self.engine = engine

    def run(self, photo=None, model="small", sparsity=None):
        panel = json.loads(make_panel(self.engine.first))
        for stage in panel["stages"] if sparsity is not None else []:
            stage["sparsities"] = [sparsity] * len(stage["sparsities"])
        path = None if photo is None else str(photo)
        return self.handlers.run(self.session, path, model, 256, json.dumps(panel))


@pytest.fixture
def tab(engine):
    return Tab(engine)


def _ask(engine, photo, model="small"):
    """The endpoint for programs."""
    return Api(engine).analyze(str(photo), model, 256, "0.5")


def _make_tiny_swin(architecture, **options):
    return timm.models.SwinTransformer(embed_dim=12, num_heads=(1, 2, 4, 8), **options)


class _Hub(BaseHTTPRequestHandler):
    """The one file of a hub; the server's ``mood`` says what happens to whoever wants it."""

    def do_HEAD(self):
        self._answer(b"")

    def do_GET(self):
        self._answer(self.server.weights)

    def _answer(self, body):
        mood, size = self.server.mood, len(self.server.weights)
        self.server.asked.append(self.command)
        if mood in (404, 503) or "Range" in self.headers:
            self.send_error(mood if mood in (404, 503) else 503)
            return
        self.send_response(200)
        for name, value in (("ETag", '"1"'), ("X-Repo-Commit", "a" * 40), ("Content-Length", size)):
            self.send_header(name, str(value))
        self.end_headers()
        if body and mood == "slow":
            self.server.goes_on.wait(120)
        elif body and mood != "works":
            body = body[: size // 2]
            if mood == "reset":  # the connection ends with an error, not with a goodbye
                at_once = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(engine, tmp_path, monkeypatch):
    """A stand-in for the Hugging Face hub, and a network small enough to come from it."""
    monkeypatch.setattr(timm, "create_model", _make_tiny_swin)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.weights = save(_make_tiny_swin("", img_size=1024, strict_img_size=False).state_dict())
    server.mood, server.asked, server.goes_on = "works", [], threading.Event()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(file_download, "time", SimpleNamespace(sleep=lambda seconds: None))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    engine._models.pop(SWIN, None)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("mood", "says"),
    [
        (404, "cannot be reached"),
        (503, "cannot be reached"),
        ("ends early", "the download broke off (try again)"),
        ("reset", "the download broke off (try again)"),
    ],
)
def test_a_download_that_fails_is_one_sentence_and_loses_nothing(
    engine, tab, hub, tmp_path, mood, says
):
    photo = write_photo(tmp_path / "mine.png", 2)
    tab.run(photo)
    before = tab.session.result
    hub.mood = mood
    changes = tab.run(photo, SWIN)
    (sentence,) = tab.told
    assert sentence == (
        f"{SWIN} needs 113 MB from the Hugging Face hub, "
        f"{'but ' if 'broke' in says else 'which '}{says}; these work offline: other, small."
    )
    assert tab.session.result is before
    assert changes["model"]["value"] == "small"
    with pytest.raises(gr.Error, match="from the Hugging Face hub"):
        _ask(engine, photo, SWIN)
    assert hub.asked.count("HEAD") <= 4  # no long row of retries while others wait

    tab.run(photo, "other")
    assert tab.session.result.settings.model == "other"
    hub.mood = "works"
    tab.run(photo, SWIN)
    assert tab.session.result.task.name == "classification"
    assert len(tab.told) == 1
    hub.mood = 503  # kept on the disk from now on
    assert zoo.load_model(SWIN).name == SWIN


@pytest.fixture
def break_network(engine):
    """Makes the network "small" fail in the middle of its ``at``-th forward from now on."""
    module = engine._get_model("small").module
    *_, last_stage = (part for part in module.modules() if isinstance(part, PruningStage))
    hooks = []

    def arm(error, at=1):
        countdown = iter(range(at - 1, -1, -1))

        def fail(*_):
            if next(countdown, None) == 0:
                raise error

        hooks.append(last_stage.register_forward_pre_hook(fail))

    yield arm
    for hook in hooks:
        hook.remove()


ERRORS = [
    (RuntimeError("secret detail"), "inside and was logged"),
    (MemoryError(), "memory"),
    (OSError(28, "No space left"), "inside and was logged"),
]


@pytest.mark.parametrize(("error", "says"), ERRORS)
@pytest.mark.parametrize("at", [1, 2], ids=["dense", "sparse"])
def test_a_run_that_dies_is_one_sentence_and_the_next_is_right(
    engine, tab, tmp_path, break_network, at, error, says
):
    tab.run(sparsity=0.5)
    before = tab.session.result
    engine._prepared.clear()
    break_network(error, at)
    tab.run(sparsity=0.6)
    (sentence,) = tab.told
    assert says in sentence
    assert "secret" not in sentence
    assert tab.session.result is before

    other = Tab(engine)
    other.run(sparsity=0.5)
    assert other.told == []
    after = other.session.result.analysis
    assert np.array_equal(after.sparse, before.analysis.sparse)
    masks = zip(after.blocks, before.analysis.blocks, strict=True)
    assert all(torch.equal(new.keep_mask, old.keep_mask) for new, old in masks)


def test_a_tab_that_cannot_be_drawn_keeps_no_result_back(engine, tab, break_network):
    tab.handlers.open_tab(tab.session, "learn")
    tab.run(sparsity=0.5)
    break_network(RuntimeError("secret detail"), at=2)  # the tab runs one block step by step
    changes = tab.run(sparsity=0.6)
    (sentence,) = tab.told
    assert "inside and was logged" in sentence
    assert "headline" in changes
    assert "learn" not in changes
    assert "learn" in tab.run(sparsity=0.5)


@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_measuring_that_dies_leaves_the_stopwatch_to_the_next(engine, tab, break_network, at):
    tab.run(sparsity=0.5)
    tab.handlers.open_tab(tab.session, "latency")
    break_network(RuntimeError("secret detail"), at)
    *_, last = tab.handlers.measure(tab.session)
    assert ["inside and was logged" in sentence for sentence in tab.told] == [True]
    assert tab.session.result.analysis.blocks
    assert "measuring" not in last["headline"]
    assert "Timing dense" not in last["latency"]

    other = Tab(engine)
    other.handlers.open_tab(other.session, "latency")
    other.run(sparsity=0.3)
    list(other.handlers.measure(other.session))
    latency = other.session.result.analysis.latency
    assert len(latency.sparse.samples_ms) == engine.config.first_runs
    assert other.session.result.peak_mb is not None
    assert other.told == []


@pytest.mark.parametrize(("error", "says"), ERRORS)
def test_a_program_whose_run_dies_is_told_and_the_next_is_served(
    engine, tmp_path, break_network, error, says
):
    photo = write_photo(tmp_path / "mine.png", 3)
    break_network(error)
    with pytest.raises(gr.Error, match=says):
        _ask(engine, photo)
    assert _ask(engine, photo)["schedule"] == [[0.5], [0.5], [0.5, 0.5], [0.5]]


def test_two_tabs_with_the_same_file_do_not_hang_on_each_other(engine, tmp_path):
    """Gradio keeps one copy of a file that was uploaded twice; the first tab closed deletes it."""
    photo = write_photo(tmp_path / "mine.png", 2)
    one, two = Tab(engine), Tab(engine)
    for tab, sparsity in ((one, 0.2), (two, 0.7)):
        tab.run(photo, sparsity=sparsity)
        list(tab.handlers.measure(tab.session))
    one.session.close()
    assert not photo.exists()
    assert two.session.result.settings.schedule.stages[0] == (0.7,)
    two.run(photo, sparsity=0.4)
    assert two.session.result.settings.schedule.stages[0] == (0.4,)
    assert two.session.result.photo.path == photo
    assert "headline" in two.handlers.return_to(two.session, 0)
    assert two.session.result.settings.schedule.stages[0] == (0.7,)
    assert two.told == []


def _wait_until(is_so):
    deadline = time.monotonic() + 60
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_so()


def test_a_duplicated_tab_goes_its_own_way(engine, tmp_path):
    """Browsers copy to it what names the tab, so it starts as the first one looks."""
    photo = write_photo(tmp_path / "mine.png", 2)
    one, two = Tab(engine), Tab(engine)
    one.handlers.enter(one.session, "same", "key of one", {})
    one.run(photo, sparsity=0.2)
    list(one.handlers.measure(one.session))
    one.handlers.enter(
        two.session, "same", "key of two", {"sparsity": "[[0.7], [0.7], [0.7, 0.7], [0.7]]"}
    )
    list(one.handlers.measure(two.session))
    assert two.session.result.photo is one.session.result.photo
    shown = [tab.session.result.settings.schedule.stages[0] for tab in (one, two)]
    assert shown == [(0.2,), (0.7,)]
    assert [len(tab.session.history) for tab in (one, two)] == [1, 2]
    two.session.close()
    one.run(photo, sparsity=0.4)
    assert one.session.result.photo.path == photo
    assert one.told == []


def test_a_photo_that_is_gone_is_one_sentence(tab, tmp_path):
    """Its session was forgotten, or the page asks another replica than before."""
    before = tab.session.result
    changes = tab.run(tmp_path / "gone.png", sparsity=0.3)
    (sentence,) = tab.told
    assert "gone.png" in sentence
    assert "does not exist" in sentence
    assert str(tmp_path) not in sentence
    assert tab.session.result is before
    assert changes["photo"] == str(tab.engine.first.photo.path)


@pytest.fixture(scope="module")
def server(home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app_support, "make_config", partial(make_config, patience_s=0.2))
        with serve(home) as served:
            yield served


def _visit(server):
    return Client(server[0], verbose=False, download_files=False)


def test_a_download_holds_nobody_up(server, hub, tmp_path):
    _, engine = server
    photo = handle_file(str(write_photo(tmp_path / "photo.png", 2)))
    hub.mood = "slow"
    loads, others = _visit(server), _visit(server)
    waiting = loads.submit(photo, SWIN, 256, make_panel(engine.first), api_name="/run")
    _wait_until(lambda: "GET" in hub.asked)
    assert others.predict(api_name="/models")
    answer = others.submit(photo, "small", 256, make_panel(engine.first), api_name="/run")
    assert answer.result(timeout=60)
    with pytest.raises(AppError, match="Another network is being downloaded"):
        others.predict(photo, OTHER_SWIN, 256, "0.5", api_name="/analyze")
    assert not waiting.done()
    hub.goes_on.set()
    assert waiting.result(timeout=60)
    assert engine._get_model(SWIN)


def test_a_program_that_goes_away_holds_nobody_up(server, tmp_path, monkeypatch):
    url, engine = server
    photo = write_photo(tmp_path / "photo.png", 2)
    started, runs = threading.Event(), []
    real = engine.analyze

    def watched(photo, settings, *rest):
        runs.append(settings.short_side)
        started.set()
        return real(photo, settings, *rest)

    monkeypatch.setattr(engine, "analyze", watched)
    with httpx.Client(base_url=f"{url}gradio_api/", timeout=60) as program:
        (path,) = program.post("upload", files={"files": photo.open("rb")}).json()
        data = [{"path": path, "meta": {"_type": "gradio.FileData"}}, "small", 128, "0.5"]
        with engine._run_lock:  # a long run
            for _ in range(3):  # one that runs, one at the door, one that waits
                event = program.post("call/draw_outputs", json={"data": data}).json()["event_id"]
                with program.stream("GET", f"call/draw_outputs/{event}"):
                    started.wait(60)
            client = _visit(server)
            job = client.submit(handle_file(path), "small", 256, "0.5", api_name="/draw_outputs")
    assert job.result(timeout=60)
    assert runs == [128, 128, 256]  # the one that waited was struck off


def test_a_closed_tab_frees_its_files_and_an_open_one_keeps_them(server, tmp_path):
    """Through gradio's own signs of life: the connection every page holds open."""
    url, engine = server
    folders = []
    tabs = [_visit(server), _visit(server)]
    for number, client in enumerate(tabs):
        client.predict(f"tab {number}", api_name="/enter")
        photo = handle_file(str(write_photo(tmp_path / f"photo{number}.png", number + 2)))
        client.predict(photo, "small", 256, make_panel(engine.first), api_name="/run")
        folders.append(Path(client.predict(api_name="/make_zip")["value"]["path"]).parent)
    assert len(set(folders)) == 2
    address = f"{url}gradio_api/heartbeat/{tabs[0].session_hash}"
    with httpx.stream("GET", address, timeout=60) as alive:
        next(alive.iter_lines())
    _wait_until(lambda: not folders[0].exists())
    assert folders[1].exists()
    assert "photo1" in json.dumps(tabs[1].predict(api_name="/make_zip"))


def test_a_size_that_memory_allowed_can_be_asked_for_again(server, tmp_path, monkeypatch):
    _, engine = server
    real = engine_module.analyze

    def short_of_memory(loaded, prepared, schedule):
        if prepared.input_size[0] > 400:
            raise MemoryError
        return real(loaded, prepared, schedule)

    monkeypatch.setattr(engine_module, "analyze", short_of_memory)
    client, panel = _visit(server), make_panel(engine.first)
    photo = handle_file(str(write_photo(tmp_path / "photo.png", 2)))
    client.predict(photo, "small", 768, panel, api_name="/run")
    answer = client.predict(photo, "small", 384, panel, api_name="/run")
    assert "384 × 768" in json.dumps(answer, ensure_ascii=False)
