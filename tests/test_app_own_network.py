"""A checkpoint that a user uploaded: what leaves the page names the file, and no folder."""

import json
import shutil
from dataclasses import replace
from urllib.parse import parse_qsl
from zipfile import ZipFile

import gradio as gr
import pytest
from app_support import schedule
from page_support import Page

from app.page.pin import make_pin
from app.page.session import Session
from app.tabs.takeaway.endpoints import TakeawayApi
from app.tabs.takeaway.interactive import describe_run, make_interactive
from app.tabs.takeaway.view import make_json, make_snippet, write_zip
from app.tabs.video.clip import FrameRunner, Tally
from sparsevit.networks import name_model


@pytest.fixture
def upload(home, tmp_path):
    """Where gradio put the user's mine.safetensors."""
    path = tmp_path / "h4sh_of_upload" / "mine.safetensors"
    path.parent.mkdir()
    shutil.copy(home / "other.safetensors", path)
    return path


@pytest.fixture
def page(engine):
    """A user of a page that anybody can reach, with the real engine."""
    before, engine.config = engine.config, replace(engine.config, host="0.0.0.0")
    yield Page(engine)
    engine.config = before


def use(page, path):
    """Upload a checkpoint, which then runs."""
    name = page.handlers.upload_model(page.session, str(path))
    return page.run(model=name)


def read_place(changes):
    """The query and the note of an address."""
    address = json.loads(changes["place"])
    return dict(parse_qsl(address["query"].removeprefix("?"))), address["note"]


def test_networks_are_named_without_folders(tmp_path, monkeypatch):
    for name in ("small", "timm/swin_tiny.ms_in1k", "hf/org/name", "swin_tiny:features"):
        assert name_model(name) == name
    assert name_model("runs/a/mine.safetensors") == "mine.safetensors"
    folder = tmp_path / "tuned"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert name_model(str(folder)) == name_model(f"{folder}/") == "tuned"
    monkeypatch.chdir(folder)
    assert name_model(".") == "tuned"


def test_all_that_is_taken_away_names_the_file_alone(page, upload, tmp_path):
    changes = use(page, upload)
    assert page.messages == []
    result = page.session.result
    assert result.settings.model == str(upload)
    with ZipFile(write_zip(result, tmp_path / "own")) as archive:
        texts = [archive.read(name).decode() for name in ("again.py", "result.json")]
    texts += [make_snippet(result), make_json(result), make_interactive(result)]
    texts += [changes["place"], make_pin(result, result)]
    for text in texts:
        assert "mine" in text
        assert "h4sh_of_upload" not in text
    assert json.loads(make_json(result))["model"] == "mine.safetensors"


def test_the_snippet_runs_where_its_files_lie(page, upload, monkeypatch):
    use(page, upload)
    result = page.session.result
    shutil.copy(result.photo.path, upload.parent)
    monkeypatch.chdir(upload.parent)
    namespace = {}
    exec(make_snippet(result), namespace)
    assert namespace["analysis"].agreement == result.analysis.agreement
    first = make_snippet(result).splitlines()[0]
    assert "'mine.safetensors'" in first
    assert repr(result.photo.path.name) in first


def test_a_name_in_the_snippet_cannot_leave_its_comment(page, upload):
    use(page, upload)
    result = page.session.result
    hostile = replace(result.analysis, model="a\nraise SystemExit.safetensors")
    assert "\nraise" not in make_snippet(replace(result, analysis=hostile))


def test_the_command_s_page_names_the_file_alone(engine, upload):
    analysis = replace(engine.first.analysis, model=str(upload))
    html = make_interactive(describe_run(engine.first.photo.path, analysis, 256, None))
    assert "load_model(&#39;mine.safetensors&#39;)" in html
    assert "h4sh_of_upload" not in html


def test_programs_are_told_of_no_folder(engine, upload):
    photo = str(engine.first.photo.path)
    _, data = TakeawayApi(engine).export_html(photo, str(upload), 256, "0.5")
    assert b"h4sh_of_upload" not in data
    tally = Tally()
    settings = replace(engine.first.settings, model=str(upload), schedule=schedule(0.5))
    tally.add(FrameRunner(engine).run(engine.first.photo.pixels, settings))
    assert tally.summarize()["model"] == "mine.safetensors"


def test_a_reload_comes_back_to_an_uploaded_checkpoint(page, upload):
    query, note = read_place(use(page, upload))
    assert query["model"] == "mine.safetensors"
    assert "mine.safetensors is not part of the link" in note
    again = Session()
    page.handlers.enter(page.session, "visit", "first", {})
    menu = page.handlers.enter(again, "visit", "second", query)["model"]
    assert page.messages == []
    assert again.result.settings == page.session.result.settings
    assert ("mine", menu["value"]) in menu["choices"]  # in words, not by its path


def test_a_link_to_a_checkpoint_that_is_not_here_says_so(page, upload):
    query, _ = read_place(use(page, upload))
    stranger = Page(page.engine)
    assert stranger.handlers.open_link(stranger.session, query) == {}
    (message,) = stranger.messages
    assert "upload it" in message
    stranger.handlers.upload_model(stranger.session, str(upload))
    stranger.handlers.open_link(stranger.session, query)
    assert stranger.session.result.settings == page.session.result.settings


def test_two_checkpoints_of_one_name_are_told_apart_after_a_reload(page, home, upload, tmp_path):
    other = tmp_path / "hash-of-another" / "mine.safetensors"
    other.parent.mkdir()
    shutil.copy(home / "small.safetensors", other)
    use(page, upload)
    page.session.pinned = page.session.result
    query, note = read_place(use(page, other))
    assert note.count("mine.safetensors") == 2
    again = Session()
    page.handlers.enter(page.session, "visit", "first", {})
    page.handlers.enter(again, "visit", "second", query)
    models = again.result.settings.model, again.pinned.settings.model
    assert models == (str(other), str(upload))
    page.session = again
    page.run(model=str(upload), photo_path=again.photo_path)  # back to what came first
    assert page.messages == []
    assert again.result.settings.model == str(upload)


def test_the_page_s_own_file_is_in_its_links(page, upload):
    page.engine.config = replace(page.engine.config, model=str(upload))
    query, note = read_place(page.run(model=str(upload)))
    assert (query["model"], note) == ("mine.safetensors", "")
    visitor = Page(page.engine)
    visitor.handlers.open_link(visitor.session, query)
    assert visitor.messages == []
    assert visitor.session.result.settings.model == str(upload)


def test_a_link_does_not_tell_which_files_the_server_has(page, upload):
    for name in (str(upload), f"{upload.parent}/none.safetensors"):
        page.messages.clear()
        assert page.handlers.open_link(page.session, {"model": name}) == {}
        assert "choose one of the list" in page.messages[0]


def test_programs_cannot_name_a_file_of_the_server(page, upload):
    with pytest.raises(gr.Error, match="There is no model named"):
        TakeawayApi(page.engine).export_html(
            str(page.engine.first.photo.path), str(upload), 256, "0.5"
        )
