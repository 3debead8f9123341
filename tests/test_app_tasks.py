"""One network, several tasks: what is asked of the engine, and what belongs to one task alone."""

import json
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch
from app_support import INFOS, make_engine, make_frontier, schedule, write_many, write_photo
from page_support import Page, list_marks
from PIL import Image
from PIL.ExifTags import IFD, Base
from test_video import write_clip
from typer.testing import CliRunner

from app.api import Api
from app.engine.camera import choose_camera
from app.engine.frontiers import find_shipped
from app.engine.records import Settings
from app.engine.search import read_search
from app.page.address import make_address, read_query
from app.page.panel import make_panel
from app.page.pin import make_pin
from app.page.task import make_task_switch, read_task_switch
from app.tabs.takeaway.interactive import make_interactive
from app.tabs.takeaway.view import make_snippet
from app.tabs.video.clip import FrameRunner
from app.tabs.video.handlers import VideoHandlers, VideoSession
from sparsevit.cli import cli
from sparsevit.data.boxes import Boxes3D, Intrinsics
from sparsevit.data.focal import PhotoCamera
from sparsevit.data.segment_map import SegmentMap
from sparsevit.networks import ModelError, list_models
from sparsevit.search import SearchError, name_shipped
from sparsevit.tasks.semantic import SemanticTask

TASKS = ("semantic", "instance", "boxes3d")


@pytest.fixture(scope="module")
def engine(home):
    write_many(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.engine.models.list_models", lambda: INFOS)
        yield make_engine(home, model="many", short_side=128)


@pytest.fixture
def page(engine):
    page = Page(engine)
    page.controls |= {"model": "many", "short_side": 128}
    return page


def choose(page, task, focal=""):
    """Press a task in the switch and type a focal length."""
    switch = json.loads(page.controls["task"])
    return page.run(task=json.dumps(switch | {"task": task, "focal": focal}))


def _settings(task=None, **changes):
    return replace(Settings("many", schedule(0.5), short_side=128, task=task), **changes)


def measure(page):
    list(page.handlers.measure(page.session))


def read_link(page):
    return json.loads(make_address(page.session.result))["query"]


def test_the_list_of_networks_tells_what_each_can_do(engine):
    tasks = {info.name: info.tasks for info in list_models() if info.source == "offline"}
    assert tasks == {"many": TASKS, "other": ("semantic",), "small": ("semantic",)}
    assert engine.get_tasks("many") == TASKS
    listed = CliRunner().invoke(cli, ["models"]).stdout.splitlines()
    assert [line for line in listed if "many" in line and ", ".join(TASKS) in line]


def test_each_task_has_an_output_of_its_own_and_the_same_windows(engine):
    photo = engine.first.photo
    results = [engine.analyze(photo, _settings(task)) for task in (*TASKS, None)]
    kinds = [type(result.analysis.sparse) for result in results]
    assert kinds == [np.ndarray, SegmentMap, Boxes3D, np.ndarray]
    assert [type(result.analysis.prepared.dense) for result in results] == kinds
    assert [result.settings.task for result in results] == [None, "instance", "boxes3d", None]
    assert all(result.tasks == TASKS and not result.note for result in results)
    first = results[0].analysis.blocks
    for result in results[1:]:
        for mine, its in zip(result.analysis.blocks, first, strict=True):
            assert (mine.keep_mask == its.keep_mask).all()


def test_a_network_that_cannot_do_the_task_does_its_first_and_says_so(page):
    assert "sv-warning" not in choose(page, "instance")["fed"]
    changes = page.run(model="small")
    assert "This network gives no instances, so its classes are shown." in changes["fed"]
    assert isinstance(page.session.result.task, SemanticTask)
    assert page.session.result.settings.task is None
    assert [task["name"] for task in json.loads(changes["task"])["tasks"]] == ["semantic"]
    page.controls["task"] = changes["task"]
    assert "gives no" not in page.run(model="many")["fed"]  # nobody asked for more


def test_a_latency_of_one_task_is_no_guess_for_another(engine):
    photo = engine.first.photo
    for _ in engine.measure(engine.analyze(photo, _settings()), 1):
        pass
    assert engine.analyze(photo, _settings()).guess_ms is not None
    assert engine.analyze(photo, _settings("instance")).guess_ms is None


def test_switching_is_in_the_link_which_opens_it_again(page, engine):
    changes = choose(page, "instance")
    assert "panoptic quality" in changes["headline"]
    assert json.loads(changes["task"])["task"] == "instance"
    assert "task=instance" in read_link(page)
    known = page.session.result.settings
    again = Page(engine)
    opened = again.handlers.open_link(again.session, {"task": "instance"})
    assert again.session.result.settings.task == "instance"
    assert json.loads(opened["task"])["task"] == "instance"
    choose(page, "semantic")
    assert "task" not in read_link(page)
    assert read_query({"model": "many"}, known).task is None


@pytest.mark.parametrize(("task", "words"), [("instance", "instances"), ("boxes3d", "3D boxes")])
def test_a_task_has_one_name_wherever_a_person_reads_it(page, task, words):
    before = page.session.result or page.engine.first
    choose(page, task)
    result = page.session.result
    labels = {entry["name"]: entry["label"] for entry in json.loads(page.controls["task"])["tasks"]}
    assert labels[task].lower() == words.lower()
    assert labels[task][0] == words[0].upper()
    assert words in json.loads(make_pin(before, result))["a"]["differs"].split(", ")
    assert f"to find {words}:" in make_interactive(result)
    other = replace(result.settings, model="small", task=task)
    assert f"gives no {words}," in page.engine.analyze(result.photo, other).note


def test_one_plot_shows_one_task_and_a_press_goes_back_to_its_task(page):
    for task in ("semantic", "instance"):
        choose(page, task)
        measure(page)
    history = page.handlers.open_tab(page.session, "tradeoff")["history"]
    (mark,) = list_marks(history, "sparse")
    assert mark["index"] == 1
    assert "60 % · instances" in history
    changes = page.tradeoff.return_to(page.session, 0)
    assert json.loads(changes["task"])["task"] == "semantic"
    assert page.session.result.settings.task is None


def test_a_search_and_a_shipped_frontier_are_of_one_task(page, monkeypatch, tmp_path):
    monkeypatch.setattr("sparsevit.networks.CHECKPOINT_FOLDER", tmp_path)
    make_frontier(model="many").save(tmp_path / "many.frontier.json")
    assert find_shipped(_settings()) is not None
    assert find_shipped(_settings("instance")) is None
    own = make_frontier(model="many", task="boxes3d", metric="3D AP")
    own.save(tmp_path / name_shipped("many", "boxes3d"))
    assert find_shipped(_settings("boxes3d")) == own
    result = page.engine.first
    labels = [preset["label"] for preset in json.loads(make_panel(result))["presets"]]
    assert "ours 0.8×" in labels
    page.run()
    assert "ours" not in choose(page, "instance")["panel"]  # sent anew
    other = replace(result, settings=replace(result.settings, task="instance"))
    assert not result.is_of(other.photo, other.settings, other.analysis.prepared.input_size)
    assert result.is_of(result.photo, result.settings, result.analysis.prepared.input_size)


@pytest.mark.parametrize("task", TASKS)
def test_the_snippet_computes_the_result_of_any_task_again(engine, task):
    photo = engine.first.photo
    result = engine.analyze(photo, _settings(task, focal_mm=85.0))
    namespace = {}
    code = make_snippet(result).replace(repr(photo.path.name), repr(str(photo.path)))
    exec(code, namespace)
    again, first = namespace["analysis"], result.analysis
    assert again.to_dict("x") == first.to_dict("x")
    assert ("task=" in code, "camera" in code) == (task != "semantic", task == "boxes3d")


def test_a_video_runs_for_the_task_on_the_page(page, tmp_path):
    choose(page, "instance")
    handlers, video = VideoHandlers(page.engine), VideoSession()
    handlers.begin(page.session, video, SimpleNamespace(run=1, source="example", path=None))
    event = SimpleNamespace(run=1, side=256, pixels=None)
    assert json.loads(handlers.run_frame(page.session, video, event))["kind"] == "frame"
    (frame,) = video.run.tally._frames
    assert (frame.task.name, frame.settings.task) == ("instance", "instance")
    choose(page, "semantic")
    handlers.run_frame(page.session, video, event)
    (frame,) = video.run.tally._frames  # numbers of another task are none of these
    assert (frame.task.name, frame.dense_ms is None) == ("semantic", False)


def test_a_frame_of_another_task_is_warmed_up_and_compared(engine, monkeypatch):
    asked, real, runner = [], engine.run_frame, FrameRunner(engine)

    def run_frame(pixels, settings, order, warmup, *rest):
        asked.append((settings.task, len(order), warmup))
        return real(pixels, settings, order, warmup, *rest)

    monkeypatch.setattr(engine, "run_frame", run_frame)
    for task in (None, "instance", "instance"):
        runner.run(engine.first.photo.pixels, _settings(task))
    assert asked == [(None, 2, 1), ("instance", 2, 1), ("instance", 1, 0)]


def test_frames_see_boxes_with_the_camera_that_was_typed(engine):
    order = ("sparse",)
    frames = [
        engine.run_frame(engine.first.photo.pixels, _settings("boxes3d", focal_mm=focal), order)
        for focal in (28.0, 56.0)
    ]
    near, far = ([box.centre[2] for box in frame.prediction.boxes] for frame in frames)
    assert far == pytest.approx([2 * depth for depth in near])
    assert frames[1].camera == "as given: 56 mm in terms of 35 mm film"
    assert engine.run_frame(engine.first.photo.pixels, _settings(), order).camera is None


def test_a_search_judges_boxes_with_the_camera_that_the_page_shows(engine, monkeypatch, tmp_path):
    def judge(loaded, *_, **__):
        judged.append(loaded.task)
        raise SearchError("enough")

    monkeypatch.setattr("app.engine.search.AgreementJudge", judge)
    photo, judged = engine.first.photo, []
    settings = _settings("boxes3d", schedule=schedule(0), focal_mm=85.0)
    with pytest.raises(SearchError):
        next(engine.search(photo, settings, read_search(None, 1, 0), None, tmp_path))
    shown, loaded = engine.analyze(photo, settings), engine.networks.get("many", "boxes3d")
    with torch.inference_mode():
        output = loaded.module(shown.analysis.prepared.images)
    boxes = judged[0].interpret(output, (128, 256)).boxes
    assert boxes == shown.analysis.prepared.dense.boxes


def test_programs_name_the_task_and_are_told_of_one_that_cannot_be(engine, tmp_path, monkeypatch):
    photo, api = str(write_photo(tmp_path / "a.png", 0)), Api(engine)
    setting = (photo, "many", 128, "0.5")
    assert "mean_iou" in api.analyze(*setting)["agreement"]
    assert "matched_iou" in api.analyze(*setting, task="instance")["agreement"]
    assert "yaw_error_deg" in api.analyze(*setting, task="boxes3d", focal_mm=28)["agreement"]
    assert api.draw_outputs(*setting, task="instance").shape == (128, 256, 3)
    assert api.draw_windows(*setting, 0, "pruned", task="instance").shape == (128, 256, 3)
    assert api.read_settings("many", 128, "0.5", "semantic").task == "semantic"
    with pytest.raises(gr.Error, match="task of many must be semantic or instance or boxes3d, got"):
        api.analyze(*setting, task="depth")
    with pytest.raises(gr.Error, match="task of small must be semantic, got 'instance'"):
        api.search(photo, "small", 128, "0.6x", 1, 0, task="instance")
    with pytest.raises(gr.Error, match=r"5 to 2000 mm .* got -1"):
        api.analyze(*setting, task="boxes3d", focal_mm=-1)


@pytest.mark.parametrize(("size", "across"), [((240, 360), 36), ((360, 240), 24)])
def test_the_lens_of_a_35_mm_camera_sees_as_wide_as_its_film(size, across):
    camera, _ = choose_camera(size, _settings(focal_mm=50.0))
    assert (camera.cx, camera.cy) == (size[1] / 2, size[0] / 2)
    assert size[1] / camera.fx == pytest.approx(across / 50)


def test_the_camera_is_what_was_typed_else_the_photo_s_else_assumed():
    own, size = PhotoCamera(Intrinsics(700, 700, 300, 200), "from its EXIF"), (400, 600)
    assert choose_camera(size, _settings(), own) == own
    assert choose_camera(size, _settings(focal_mm=28.0), own).words.startswith("as given: 28 mm")
    camera, words = choose_camera(size, _settings())
    assert camera == Intrinsics.from_field_of_view(size)
    assert words.startswith("assumed")


def test_a_photo_is_seen_with_the_lens_that_its_exif_tells(engine, tmp_path):
    exif = Image.Exif()
    exif.get_ifd(IFD.Exif)[Base.FocalLengthIn35mmFilm] = 85
    path = tmp_path / "mine.jpg"
    Image.fromarray(engine.first.photo.pixels).save(path, exif=exif)
    result = engine.analyze(engine.read_photo(path), _settings("boxes3d"))
    camera = json.loads(make_task_switch(result))["camera"]
    assert camera["mm"] == "85"
    assert camera["words"].startswith("from its EXIF")
    assert result.to_dict()["camera"]["known_from"] == camera["words"]


def test_a_typed_focal_length_moves_boxes_and_goes_with_its_photo(page, tmp_path):
    changes = choose(page, "boxes3d")
    near = page.session.result.analysis.sparse.boxes
    camera = json.loads(changes["task"])["camera"]
    assert (camera["mm"], camera["words"][:7]) == ("34", "assumed")
    changes = choose(page, "boxes3d", "68 mm")
    far = page.session.result.analysis.sparse.boxes
    ratio = np.mean([b.centre[2] for b in far]) / np.mean([b.centre[2] for b in near])
    assert ratio == pytest.approx(68 / 33.5, rel=0.02)
    words = "as given: 68 mm in terms of 35 mm film"
    assert json.loads(changes["task"])["camera"] == {"mm": "68", "words": words}
    assert "focal=68" in read_link(page)
    page.controls["task"] = changes["task"]
    changes = page.run(photo_path=str(write_photo(tmp_path / "mine.png", 5)))
    assert json.loads(changes["task"])["focal"] == ""
    assert "focal" not in read_link(page)


@pytest.mark.parametrize("focal", ["0", "-5", "nan", "inf", "1e9", "wide", "4.9"])
def test_a_focal_length_that_cannot_be_is_one_sentence(page, focal):
    choose(page, "boxes3d")
    shown = page.session.result
    changes = choose(page, "boxes3d", focal)
    (message,) = page.messages
    assert "5 to 2000 mm (35 mm equivalent), got" in message
    assert json.loads(changes["task"])["focal"] == ""
    assert page.session.result is shown


def test_an_unreadable_switch_is_one_sentence(page):
    for text in ("", "[]", '{"task": "x"}', '{"tasks": [], "task": "", "focal": ""}', "x" * 2000):
        with pytest.raises(ModelError, match="task switch"):
            read_task_switch(text)
    page.run(task="nonsense")
    assert page.messages == ["The task switch sent something unreadable; reload the page."]
    assert read_task_switch(make_task_switch(page.engine.first)) == (None, None)


def test_a_network_s_first_task_is_no_wish(page):
    switch = json.loads(make_task_switch(page.engine.first))
    assert read_task_switch(json.dumps(switch | {"task": "semantic"})) == (None, None)
    assert read_task_switch(json.dumps(switch | {"task": "boxes3d"})) == ("boxes3d", None)
    assert read_task_switch(json.dumps(switch | {"focal": " 26,5 mm "})) == (None, 26.5)


def test_a_clip_of_a_program_runs_for_its_task(engine, tmp_path, monkeypatch):
    monkeypatch.setattr("app.tabs.video.handlers._check_upload", lambda path: path)
    write_clip(tmp_path / "a.avi", count=2)
    handlers = VideoHandlers(engine)
    clip = str(tmp_path / "a.avi")
    assert handlers.run_clip(clip, "many", 64, "0.5", 0, 2, task="instance")["frames"] == 2
    with pytest.raises(gr.Error, match="task of small must be"):
        handlers.run_clip(clip, "small", 64, "0.5", 0, 2, task="instance")
