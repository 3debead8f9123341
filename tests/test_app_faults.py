"""What goes wrong around the page: downloads break, runs fail, browsers go away. Others go on."""

import json
import threading
from functools import partial
from pathlib import Path

import app_support
import gradio as gr
import httpx
import numpy as np
import pytest
import torch
from app_support import make_config, serve, wait_until, write_photo
from gradio_client import Client, handle_file
from page_support import Visitor, list_switches

from app.api import Api
from app.engine import runs as runs_module
from sparsevit.core.stage import PruningStage


@pytest.fixture
def visitor(engine):
    return Visitor(engine)


def _ask(engine, photo, model="small"):
    """The endpoint for programs."""
    return Api(engine).analyze(str(photo), model, 256, "0.5")


@pytest.fixture
def break_network(engine):
    """Makes the network "small" fail in the middle of its ``at``-th forward from now on."""
    module = engine.networks.get("small").module
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
    engine, visitor, tmp_path, break_network, at, error, says
):
    visitor.look(sparsity=0.5)
    before = visitor.session.result
    engine.runs.prepared.clear()
    break_network(error, at)
    visitor.look(sparsity=0.6)
    (sentence,) = visitor.messages
    assert says in sentence
    assert "secret" not in sentence
    assert visitor.session.result is before

    other = Visitor(engine)
    other.look(sparsity=0.5)
    assert other.messages == []
    after = other.session.result.analysis
    assert np.array_equal(after.sparse, before.analysis.sparse)
    masks = zip(after.blocks, before.analysis.blocks, strict=True)
    assert all(torch.equal(new.keep_mask, old.keep_mask) for new, old in masks)


def test_a_tab_that_cannot_be_drawn_keeps_no_result_back(engine, visitor, break_network):
    visitor.handlers.open_tab(visitor.session, "learn")
    visitor.look(sparsity=0.5)
    break_network(RuntimeError("secret detail"), at=2)  # the tab runs one block step by step
    changes = visitor.look(sparsity=0.6)
    (sentence,) = visitor.messages
    assert "inside and was logged" in sentence
    assert "headline" in changes
    assert "learn" not in changes
    assert "learn" in visitor.look(sparsity=0.5)


@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_measuring_that_dies_leaves_the_stopwatch_to_the_next(engine, visitor, break_network, at):
    visitor.look(sparsity=0.5)
    visitor.handlers.open_tab(visitor.session, "latency")
    break_network(RuntimeError("secret detail"), at)
    *_, last = visitor.handlers.measure(visitor.session)
    assert ["inside and was logged" in sentence for sentence in visitor.messages] == [True]
    assert visitor.session.result.analysis.blocks
    assert "measuring" not in last["headline"]
    assert "Timing dense" not in last["latency"]

    other = Visitor(engine)
    other.handlers.open_tab(other.session, "latency")
    other.look(sparsity=0.3)
    list(other.handlers.measure(other.session))
    latency = other.session.result.analysis.latency
    assert len(latency.sparse.samples_ms) == engine.config.first_runs
    assert other.session.result.peak_mb is not None
    assert other.messages == []


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
    one, two = Visitor(engine), Visitor(engine)
    for visitor, sparsity in ((one, 0.2), (two, 0.7)):
        visitor.look(photo, sparsity=sparsity)
        list(visitor.handlers.measure(visitor.session))
    one.session.close()
    assert not photo.exists()
    assert two.session.result.settings.schedule.stages[0] == (0.7,)
    two.look(photo, sparsity=0.4)
    assert two.session.result.settings.schedule.stages[0] == (0.4,)
    assert two.session.result.photo.path == photo
    assert "headline" in two.tradeoff.return_to(two.session, 0)
    assert two.session.result.settings.schedule.stages[0] == (0.7,)
    assert two.messages == []


def test_a_duplicated_tab_goes_its_own_way(engine, tmp_path):
    """Browsers copy to it what names the tab, so it starts as the first one looks."""
    photo = write_photo(tmp_path / "mine.png", 2)
    one, two = Visitor(engine), Visitor(engine)
    one.handlers.enter(one.session, "same", "key of one", {})
    one.look(photo, sparsity=0.2)
    list(one.handlers.measure(one.session))
    one.handlers.enter(
        two.session, "same", "key of two", {"sparsity": "[[0.7], [0.7], [0.7, 0.7], [0.7]]"}
    )
    list(one.handlers.measure(two.session))
    assert two.session.result.photo is one.session.result.photo
    shown = [visitor.session.result.settings.schedule.stages[0] for visitor in (one, two)]
    assert shown == [(0.2,), (0.7,)]
    assert [len(visitor.session.history) for visitor in (one, two)] == [1, 2]
    two.session.close()
    one.look(photo, sparsity=0.4)
    assert one.session.result.photo.path == photo
    assert one.messages == []


def test_a_photo_that_is_gone_is_one_sentence(visitor, tmp_path):
    """Its session was forgotten, or the page asks another replica than before."""
    before = visitor.session.result
    changes = visitor.look(tmp_path / "gone.png", sparsity=0.3)
    (sentence,) = visitor.messages
    assert "gone.png" in sentence
    assert "does not exist" in sentence
    assert str(tmp_path) not in sentence
    assert visitor.session.result is before
    assert changes["photo"] == str(visitor.engine.first.photo.path)


@pytest.fixture(scope="module")
def server(home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app_support, "make_config", partial(make_config, patience_s=0.2))
        with serve(home) as served:
            yield served


def _visit(server):
    return Client(server[0], verbose=False, download_files=False)


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
        data = [{"path": path, "meta": {"_type": "gradio.FileData"}}, "small", 128, "0.5", "", 0]
        with engine.turns.lock:  # a long run
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
        client.predict(photo, "small", 256, *list_switches(engine), api_name="/run")
        folders.append(Path(client.predict(api_name="/make_zip")["value"]["path"]).parent)
    assert len(set(folders)) == 2
    address = f"{url}gradio_api/heartbeat/{tabs[0].session_hash}"
    with httpx.stream("GET", address, timeout=60) as alive:
        next(alive.iter_lines())
    wait_until(lambda: not folders[0].exists())
    assert folders[1].exists()
    assert "photo1" in json.dumps(tabs[1].predict(api_name="/make_zip"))


def test_a_size_that_memory_allowed_can_be_asked_for_again(server, tmp_path, monkeypatch):
    _, engine = server
    real = runs_module.analyze

    def short_of_memory(loaded, prepared, *rest):
        if prepared.input_size[0] > 400:
            raise MemoryError
        return real(loaded, prepared, *rest)

    monkeypatch.setattr(runs_module, "analyze", short_of_memory)
    client, switches = _visit(server), list_switches(engine)
    photo = handle_file(str(write_photo(tmp_path / "photo.png", 2)))
    client.predict(photo, "small", 768, *switches, api_name="/run")
    answer = client.predict(photo, "small", 384, *switches, api_name="/run")
    assert "384 × 768" in json.dumps(answer, ensure_ascii=False)


def test_a_page_whose_upload_was_deleted_goes_on(server, tmp_path):
    """Gradio deletes uploads of more than an hour; the page may be open since yesterday."""
    url, engine = server
    photo = write_photo(tmp_path / "photo.png", 2)
    with httpx.Client(base_url=f"{url}gradio_api/", timeout=60) as browser:
        with photo.open("rb") as file:
            (path,) = browser.post("upload", files={"files": file}).json()
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}

        def run(side):
            data = [file, "small", side, *list_switches(engine)]
            request = {"data": data, "session_hash": "since yesterday"}
            event = browser.post("call/run", json=request).json()["event_id"]
            return json.dumps(browser.get(f"call/run/{event}").text)

        assert "256 \\\\u00d7 512" in run(256)
        copies = list(Path(path).parent.parent.rglob("photo.png"))
        assert Path(path) in copies
        for copy in copies:
            copy.unlink()
        assert "512 \\\\u00d7 1024" in run(512)
