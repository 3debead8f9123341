"""What the sliders and programs send, and what they get back."""

import json
from dataclasses import replace
from zipfile import ZipFile

import gradio as gr
import pytest
from app_support import schedule, write_photo
from test_video import write_clip
from typer.testing import CliRunner
from view_support import check_windows, find_yellow

from app.api import Api
from app.engine.records import Settings
from app.page.panel import list_presets, make_panel, read_panel
from app.tabs.takeaway.endpoints import TakeawayApi
from app.tabs.takeaway.interactive import make_interactive
from app.tabs.takeaway.view import make_json, write_zip
from app.tabs.video.handlers import VideoHandlers
from sparsevit.cli import cli
from sparsevit.draw.masks import compute_map


def test_the_panel_says_grids_windows_and_schedule(engine):
    panel = json.loads(make_panel(engine.first))
    assert [stage["windows"] for stage in panel["stages"]] == [128, 32, 8, 2]
    assert panel["stages"][0]["grid"] == [64, 128]
    assert [len(stage["sparsities"]) for stage in panel["stages"]] == [1, 1, 2, 1]
    assert panel["linked"] is True
    settings = engine.first.settings
    assert read_panel(json.dumps(panel)) == (settings.schedule, True, ())


def test_command_page_zip_and_endpoint_say_the_same(engine, home, tmp_path, monkeypatch):
    loaded = replace(engine.networks.get("small"), revision="c0ffee")
    monkeypatch.setattr(engine.networks, "get", lambda name, task=None: loaded)
    monkeypatch.setattr("sparsevit.cli.inspect.load", lambda *_, **__: loaded)
    photo = home / "assets" / "street_a.jpg"
    options = ("--model", "small", "--size", "256", "--sparsity", "0.5", "--repeats", "0")
    wanted = ("--html", "--out", str(tmp_path), "--json")
    done = CliRunner().invoke(cli, ["run", str(photo), *options, *wanted])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said == json.loads((tmp_path / "result.json").read_text())
    facts = {"photo": "street_a.jpg", "model": "small", "revision": "c0ffee", "dtype": "float32"}
    assert facts.items() <= said.items()
    assert (said["input_size"], said["schedule"]) == ([256, 512], schedule(0.5).to_list())
    result = engine.analyze(
        engine.read_photo(photo), Settings("small", schedule(0.5), short_side=256)
    )
    assert json.loads(make_json(result)) == said
    with ZipFile(write_zip(result, tmp_path)) as archive:
        assert json.loads(archive.read("result.json")) == said
    unlabelled = replace(result, photo=replace(result.photo, truth=None))  # as to the command
    assert (tmp_path / "index.html").read_text() == make_interactive(unlabelled)
    answer = Api(engine).analyze(str(photo), "small", 256, "0.5")
    assert list(answer) == list(said)
    timed = {"latency_ms", "speedup", "dense_form", "other_load", "doubt"}
    assert {key for key in said if answer[key] != said[key]} <= timed


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


@pytest.fixture
def refuse_side(engine, tmp_path):
    """Asks every endpoint for a short side, which none may give; gives what they say."""
    photo = str(write_photo(tmp_path / "good.png", 0))
    api, files, video = Api(engine), TakeawayApi(engine), VideoHandlers(engine)
    clip = tmp_path / "a.avi"
    write_clip(clip, count=2, size=(256, 512))

    def ask(side):
        setting = photo, "small", side
        calls = [
            lambda: api.analyze(*setting, "0.5"),
            lambda: api.draw_windows(*setting, "0.5", 0, "pruned"),
            lambda: api.draw_outputs(*setting, "0.5"),
            lambda: api.compare_sizes(*setting, "0.5"),
            lambda: api.lens(*setting, "0.5"),
            lambda: api.worth(*setting),
            lambda: api.exercises(*setting),
            lambda: api.search(*setting, "", 1, 0),
            lambda: api.compare(*setting, "0.5", "{}"),
            lambda: api.compare(photo, "small", 64, "0.5", json.dumps({"short_side": side})),
            lambda: files.export_html(*setting, "0.5"),
            lambda: files.draw_filmstrip(*setting, "0.5", 1, "svg"),
            lambda: video.run_clip(str(clip), "small", side, "0.5", 0, 1),
        ]
        said = []
        for call in calls:
            with pytest.raises(gr.Error) as raised:
                call()
            said.append(raised.value.message)
        return set(said)

    return ask


@pytest.mark.parametrize("side", [1, 63, -5, 1537, 100_000])
def test_every_endpoint_refuses_a_short_side_that_would_not_be_fed(refuse_side, side, monkeypatch):
    monkeypatch.setattr("app.tabs.video.handlers._check_upload", str)
    (sentence,) = refuse_side(side)
    assert "64 to 1536 pixels" in sentence  # twice as wide as high: 1536 x 3072 at most
    assert f"got {side}." in sentence


def test_programs_are_fed_what_they_ask_for_and_told_where_the_photo_is_too_large(
    engine, tmp_path, monkeypatch
):
    monkeypatch.setattr(Api, "_measure", lambda self, result: result)  # half a minute
    api, photo = Api(engine), str(write_photo(tmp_path / "good.png", 0))
    answer = api.analyze(photo, "small", 64, "0.5")
    assert (answer["input_size"], answer["note"]) == ([64, 128], None)
    large = str(write_photo(tmp_path / "large.png", 0, size=(1600, 3200)))
    answer = api.analyze(large, "small", 0, "0.5")
    assert answer["input_size"] == [1536, 3072]
    assert "smaller than asked" in answer["note"]


def test_programs_are_refused_what_memory_is_too_small_for(engine, tmp_path, monkeypatch):
    real = engine.analyze

    def short_of_memory(photo, settings, *rest):
        return real(photo, replace(settings, short_side=256), *rest)

    monkeypatch.setattr(engine, "analyze", short_of_memory)
    photo = str(write_photo(tmp_path / "good.png", 0))
    with pytest.raises(gr.Error, match=r"memory of .* too small for this short_side; 256 is not"):
        Api(engine).analyze(photo, "small", 512, "0.5")


def test_the_endpoints_for_programs_answer(page, tmp_path):
    photo = str(write_photo(tmp_path / "good.png", 0))
    api = Api(page.engine)
    data = api.analyze(photo, "small", 0, "paper-35ms")
    assert data["schedule"] == schedule("paper-35ms").to_list()
    assert data["speedup"] > 0
    assert api.models()[0]["name"] == "small"
    sizes = api.compare_sizes(photo, "small", 0, "0.5")
    assert sizes["dense"] == [{"size": [256, 512], "latency_ms": 90.0, "agreement": 1.0}]
    lens = api.lens(photo, "small", 0, "0.5")
    assert [(b["stage"], b["block"]) for b in lens["blocks"][:3]] == [(1, 1), (1, 2), (2, 1)]
    assert len(lens["stages"]) == 4
    json.dumps(lens)
    for view in ("pruned", "scores", "worth", "compute"):
        assert api.draw_windows(photo, "small", 0, "0.5", 3, view).shape == (256, 512, 3)
    assert api.draw_outputs(photo, "small", 0, "0.5").shape == (256, 512, 3)
    with pytest.raises(gr.Error, match="view must be"):
        api.draw_windows(photo, "small", 0, "0.5", 3, "x")
    with pytest.raises(gr.Error, match="block must be 0 to 9"):
        api.draw_windows(photo, "small", 0, "0.5", 10, "pruned")


def test_programs_are_given_files(page, tmp_path):
    photo, api = str(write_photo(tmp_path / "good.png", 0)), TakeawayApi(page.engine)
    name, data = api.export_html(photo, "small", 0, "0.5")
    assert name == "sparsevit-good.html"
    assert b"<h1>good.png</h1>" in data
    for format, start in (("svg", b"<?xml"), ("pdf", b"%PDF")):
        name, data = api.draw_filmstrip(photo, "small", 0, "0.5", 3, format)
        assert name == f"sparsevit-good-stage3.{format}"
        assert data.startswith(start)
    with pytest.raises(gr.Error, match="stage must be 0 to 4, got 5"):
        api.draw_filmstrip(photo, "small", 0, "0.5", 5, "svg")
    with pytest.raises(gr.Error, match='format must be svg or pdf, got "png"'):
        api.draw_filmstrip(photo, "small", 0, "0.5", 1, "png")


def test_programs_are_told_that_the_machine_was_busy(page, tmp_path, doubt_load):
    photo, api = str(write_photo(tmp_path / "good.png", 0)), Api(page.engine)
    page.engine.latency = replace(page.engine.latency, other_load=0.38)
    data = api.analyze(photo, "small", 0, "0.5")
    assert data["other_load"] == 0.38
    assert "other programs used 38 %" in data["doubt"]
    page.engine.latency = replace(page.engine.latency, other_load=0.01)
    assert api.analyze(photo, "small", 0, "0.5")["doubt"] is None
    assert api.compare_sizes(photo, "small", 0, "0.5")["doubt"] is None


def test_each_view_of_the_windows_is_what_its_name_says(page, tmp_path):
    photo, api = str(write_photo(tmp_path / "good.png", 0)), Api(page.engine)
    analysis = page.engine.first.analysis
    views = ("pruned", "scores", "compute")
    pictures = {view: api.draw_windows(photo, "small", 0, "0.5", 0, view) for view in views}
    block, image = analysis.blocks[0], analysis.prepared.image
    check_windows(pictures["pruned"], pictures["scores"], block, image)
    computed = compute_map(analysis.blocks, image.shape[:2])
    yellow = find_yellow(pictures["compute"].astype(float))
    most, least = (yellow[computed == end].mean() for end in (computed.max(), computed.min()))
    assert most > least + 20


def test_programs_keep_and_skip_windows_by_hand(engine):
    api, photo = Api(engine), str(next(iter(engine.examples.values())).path)
    data = api.analyze(photo, "small", 256, "0.6", painted="1p-.8x16.100.0-1")
    assert data["painted"][0] == {
        **{"stage": 1, "block": None, "shifted": False, "grid": [8, 16]},
        **{"keep": [100], "skip": [0, 1]},
    }
    free, chosen = (
        api.draw_windows(photo, "small", 256, "0", 0, "pruned", painted=painted)
        for painted in ("", "1p1.8x16..0")
    )
    differs = (free != chosen).any(axis=2)
    assert differs[:30, :30].all()
    assert not differs[40:, 40:].any()
    for painted, words in (("1p-.9x9.1.", "no such windows"), ("x", "as in a link of the page")):
        with pytest.raises(gr.Error, match=words):
            api.analyze(photo, "small", 256, "0.6", painted=painted)
