"""Clips: read frame by frame, run through a network, and every number that is said of them."""

import json
import re
import struct
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import gradio as gr
import numpy as np
import pytest
from app_support import schedule
from gradio_client import Client, handle_file
from timm.models.swin_transformer import SwinTransformerBlock
from view_support import add_tab

from app.engine.newest import Superseded
from app.engine.records import FrameResult, Settings
from app.page.common import encode_jpeg
from app.page.session import Session
from app.tabs.video import handlers as tabs_video
from app.tabs.video.clip import DENSE_EVERY, FrameRunner, Tally, make_example, run_clip
from app.tabs.video.handlers import VideoHandlers, VideoSession
from app.tabs.video.tab import VideoTab
from app.tabs.video.view import make_done
from sparsevit.data import video as video_module
from sparsevit.data.video import VideoError, describe_clip, read_frames
from sparsevit.inspect.photo import analyze, prepare_image
from sparsevit.networks import load_model

SIZE = (64, 96)  # (h, w) of the test clips


def write_clip(
    path: Path, count: int = 10, fps: float = 25, size: tuple[int, int] = SIZE, codec: str = "MJPG"
) -> list[np.ndarray]:
    """Write a clip whose frame i is red on the left, and blue, 20 i bright, on the right."""
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*codec), fps, size[::-1]
    )
    frames = []
    for number in range(count):
        frame = np.zeros((*size, 3), np.uint8)
        frame[:, : size[1] // 2, 0] = 200
        frame[:, size[1] // 2 :, 2] = 20 * (number % 13)
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        frames.append(frame)
    writer.release()
    return frames


def read_numbers(frames) -> list[int]:
    """Which frames of :func:`write_clip` these are, by the blue of their right half."""
    return [round(float(f[:, f.shape[1] * 3 // 4 :, 2].mean()) / 20) for f in frames]


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "MJPG"), ("a.mp4", "mp4v")])
def test_frames_are_those_that_were_written(tmp_path, name, codec):
    written = write_clip(tmp_path / name, codec=codec)
    frames = list(read_frames(tmp_path / name))
    assert len(frames) == 10
    for frame, truth in zip(frames, written, strict=True):
        assert frame.dtype == np.uint8
        assert frame.shape == (*SIZE, 3)
        assert np.abs(frame.astype(int) - truth).mean() < 6  # lossy codecs
    info = describe_clip(tmp_path / name)
    assert (info.size, info.rate, info.count, info.note) == (SIZE, 25, 10, "")


def test_a_rate_picks_frames_by_time(tmp_path):
    write_clip(tmp_path / "a.mp4", codec="mp4v")  # frames at 0, 40, ..., 360 ms
    assert read_numbers(read_frames(tmp_path / "a.mp4", rate=10)) == [0, 3, 5, 8]
    assert describe_clip(tmp_path / "a.mp4", rate=10).count == 4
    assert read_numbers(read_frames(tmp_path / "a.mp4", rate=100)) == list(range(10))
    assert describe_clip(tmp_path / "a.mp4", rate=100).rate == 25


def test_a_long_clip_is_cut_with_a_note(tmp_path, monkeypatch):
    write_clip(tmp_path / "a.avi", count=50)
    assert len(list(read_frames(tmp_path / "a.avi", max_frames=25))) == 25
    info = describe_clip(tmp_path / "a.avi", max_frames=25)
    assert info.count == 25
    assert info.note == "The clip is 2 s long; its first 1 s are used."
    monkeypatch.setattr(video_module, "MAX_CLIP_SECONDS", 1)
    assert len(list(read_frames(tmp_path / "a.avi"))) == 25
    assert describe_clip(tmp_path / "a.avi").count == 25


def test_large_frames_are_scaled_down(tmp_path):
    write_clip(tmp_path / "a.avi", count=2)
    assert [f.shape for f in read_frames(tmp_path / "a.avi", max_side=48)] == [(32, 48, 3)] * 2
    assert describe_clip(tmp_path / "a.avi", max_side=48).size == (32, 48)


def test_frames_of_a_turned_phone_stand_upright(tmp_path):
    path = tmp_path / "a.mp4"
    write_clip(path, codec="mp4v")
    data = bytearray(path.read_bytes())
    matrix = data.find(b"tkhd") + 44  # of the track header: (x, y) -> (-y, x), a quarter clockwise
    data[matrix : matrix + 36] = struct.pack(
        ">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, SIZE[0] << 16, 0, 1 << 30
    )
    path.write_bytes(data)
    frame = next(read_frames(path))
    assert frame.shape == (SIZE[1], SIZE[0], 3)
    assert describe_clip(path).size == (SIZE[1], SIZE[0])
    assert frame[:40, :, 0].min() > 150  # what was left is on top
    assert frame[-40:, :, 0].max() < 50


def test_what_is_no_clip_is_refused_in_one_sentence(tmp_path, monkeypatch):
    def refuse(name: str, data: bytes | None = None) -> str:
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(VideoError) as refused:
            list(read_frames(tmp_path / name))
        message = str(refused.value)
        assert name in message
        assert message.endswith(".")
        assert "\n" not in message
        return message

    assert "does not exist" in refuse("none.mp4")
    assert "not a video" in refuse("text.mp4", b"this is text, whatever its name")
    assert "not a video" in refuse("list.mp4", b"#EXTM3U\n#EXTINF:1,\nhttp://example.com/a.ts\n")
    write_clip(tmp_path / "a.mp4", codec="mp4v")
    whole = (tmp_path / "a.mp4").read_bytes()
    assert "damaged" in refuse("cut.mp4", whole[:500])
    write_clip(tmp_path / "a.avi")
    frames_at = (tmp_path / "a.avi").read_bytes().find(b"movi")
    assert "no frames" in refuse("empty.avi", (tmp_path / "a.avi").read_bytes()[: frames_at + 4])
    monkeypatch.setattr(video_module, "MAX_STORED_PIXELS", 1000)
    assert "96 x 64" in refuse("a.mp4")
    monkeypatch.setattr(video_module, "MAX_CLIP_BYTES", 1000)
    assert "too big" in refuse("a.mp4")


def test_the_example_pans_and_closes_in():
    ramp = np.linspace(0, 255, 400, dtype=np.uint8)
    picture = np.repeat(np.tile(ramp, (200, 1))[:, :, None], 3, axis=2)
    clip = make_example(picture, count=5)
    frames = list(clip.frames)
    assert clip.count == len(frames) == 5
    assert {f.shape for f in frames} == {(480, 960, 3)}
    edges = [(float(f[:, 0].mean()), float(f[:, -1].mean())) for f in frames]
    assert edges[0][0] < 3  # starts at the left edge, with 80 % of the width in sight
    assert edges[0][1] == pytest.approx(0.8 * 255, abs=3)
    assert edges[-1][0] == pytest.approx(0.45 * 255, abs=3)  # ends at the right edge with 55 %
    assert edges[-1][1] > 252
    assert [left for left, _ in edges] == sorted(left for left, _ in edges)


@pytest.fixture
def settings():
    return Settings("small", schedule([[0.6], [0], [0.2, 0.5], [0]]), short_side=128)


def test_a_clip_runs_as_single_pictures_would(engine, settings, tmp_path):
    path = tmp_path / "a.avi"
    rng = np.random.default_rng(0)
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 25, (192, 128)
    )
    for _ in range(6):
        writer.write(rng.integers(0, 255, (128, 192, 3), dtype=np.uint8))
    writer.release()
    results = list(run_clip(engine, path, settings))
    assert len(results) == 6
    loaded = load_model("small")
    for number, (result, pixels) in enumerate(zip(results, read_frames(path), strict=True)):
        truth = analyze(loaded, prepare_image(loaded, pixels, 128), settings.schedule)
        assert result.size == (128, 192)
        assert result.windows == truth.windows
        for block, other in zip(result.blocks, truth.blocks, strict=True):
            assert (block.keep_mask == other.keep_mask).all()
        assert (result.prediction == truth.sparse).all()
        assert result.sparse_ms > 0
        compared = number % DENSE_EVERY == 0
        assert (result.dense_ms is not None) == compared
        if compared:
            assert result.agreement == pytest.approx(truth.agreement["agreement"], abs=1e-3)


def test_dense_and_sparse_take_turns_in_going_first(engine, settings, monkeypatch):
    orders = []
    run_frame = engine.run_frame

    def note(pixels, settings, order, warmup, *rest):
        orders.append((*order, warmup))
        return run_frame(pixels, settings, order, warmup, *rest)

    monkeypatch.setattr(engine, "run_frame", note)
    runner = FrameRunner(engine)
    pixels = np.zeros((128, 192, 3), np.uint8)
    for _ in range(DENSE_EVERY + 1):
        runner.run(pixels, settings)
    other = Settings("small", schedule(0.3), short_side=128)
    runner.run(pixels, other)  # other sparsities compare at once, without a new warm-up
    alone = ("sparse", 0)
    middle = [alone] * (DENSE_EVERY - 1)
    assert orders == [
        *(("dense", "sparse", 1), *middle),
        *(("sparse", "dense", 0), ("dense", "sparse", 0)),
    ]


def test_frames_are_warmed_up_at_each_size_the_network_is_fed(engine, settings, monkeypatch):
    wide = replace(engine.networks.get("small"), multiple=64)
    monkeypatch.setattr(engine.networks, "get", lambda *_: wide)
    warmups, sizes = [], []
    run_frame = engine.run_frame

    def note(pixels, settings, order, warmup, *rest):
        warmups.append(warmup)
        return run_frame(pixels, settings, order, warmup, *rest)

    monkeypatch.setattr(engine, "run_frame", note)
    runner = FrameRunner(engine)
    for width in (150, 170, 180):  # multiples of 32 would be 160, 160 and 192
        sizes.append(runner.run(np.zeros((128, width, 3), np.uint8), settings).size)
    assert sizes == [(128, 128), (128, 192), (128, 192)]
    assert warmups == [1, 1, 0]


@pytest.mark.parametrize(
    ("form", "calls"),
    [("host", [True] * 10), ("host default", [False] * 10), ("sparsevit", [])],
)
def test_dense_frames_run_in_the_form_that_was_found(engine, settings, monkeypatch, form, calls):
    pixels = np.zeros((128, 192, 3), np.uint8)
    engine.run_frame(pixels, settings, ("sparse",))  # counts the arithmetic, once for all
    forward, fused = SwinTransformerBlock.forward, []

    def note(self, x):
        fused.append(self.attn.fused_attn)
        return forward(self, x)

    monkeypatch.setattr(SwinTransformerBlock, "forward", note)  # the host's own
    monkeypatch.setattr(engine.measuring, "find_dense_form", lambda *_: form)
    engine.run_frame(pixels, settings, ("dense", "sparse"))
    assert fused == calls


def test_a_frame_nobody_wants_is_not_run(engine, settings, tmp_path):
    pixels = np.zeros((128, 192, 3), np.uint8)
    with pytest.raises(Superseded):
        FrameRunner(engine).run(pixels, settings, lambda: False)
    write_clip(tmp_path / "a.avi")
    wanted = iter([True, True, False])
    results = run_clip(engine, tmp_path / "a.avi", settings, is_current=lambda: next(wanted))
    assert len(list(results)) == 2


def make_result(sparse_ms, dense_ms=None, agreement=None, kept=4, side=128, other_load=None):
    return FrameResult(
        pixels=np.zeros((8, 8, 3), np.uint8),
        settings=Settings("small", schedule(0.5), short_side=side),
        size=(side, side),
        blocks=(),
        windows=(kept, 10),
        prediction=None,
        task=SimpleNamespace(name="semantic"),
        sparse_ms=sparse_ms,
        dense_ms=dense_ms,
        agreement=agreement,
        other_load=other_load,
        least_ratio=0.5,
        device="a machine",
        dtype="float32",
    )


def test_the_tally_says_when_its_numbers_are_not_worth_quoting(home, monkeypatch):
    monkeypatch.setattr("sparsevit.measure.latency.MAX_OTHER_LOAD", 0.05)
    monkeypatch.setattr("sparsevit.measure.latency.MAX_BEYOND_IDEAL", 1.15)
    for frame, reason in (
        (make_result(60, 100, 0.9, other_load=0.01), None),
        (make_result(60, 100, 0.9, other_load=0.38), "other programs used 38 % of its CPUs"),
        (make_result(25, 100, 0.9), r"4.00x beats what the arithmetic allows \(2.00x\)"),
    ):
        tally = Tally()
        tally.add(frame)
        doubt = tally.summarize()["doubt"]
        assert (doubt and re.search(reason, doubt)) if reason else doubt is None
        assert json.loads(make_done(1, tally))["stats"]["doubt"] == doubt


def test_every_frame_of_a_run_adds_to_the_load_of_others(engine, settings, monkeypatch):
    class Meter(nullcontext):
        other_load = 0.0

        def __exit__(self, *_):
            self.other_load += 0.1

    monkeypatch.setattr("app.tabs.video.clip.LoadMeter", lambda device: Meter())
    runner, pixels = FrameRunner(engine), np.zeros((128, 192, 3), np.uint8)
    loads = [runner.run(pixels, settings).other_load for _ in range(2)]
    other = Settings("small", schedule(0.3), short_side=128)
    loads.append(runner.run(pixels, other).other_load)  # of other sparsities: anew
    assert loads == pytest.approx([0.1, 0.2, 0.1])


def test_the_tally_compares_only_frames_that_ran_both_ways():
    tally = Tally()
    assert tally.summarize() == {"frames": 0}
    tally.add(make_result(999, 100, 0.5, side=256))  # other settings: forgotten below
    for result in (
        make_result(50, 100, 0.9, kept=4),
        make_result(1, kept=5),
        make_result(40, 200, 0.8, kept=6),
        make_result(20, 90, 0.7, kept=6),
    ):
        tally.add(result)
    summary = tally.summarize()
    assert summary["frames"] == 4
    assert summary["compared"] == 3
    assert summary["median_ms"] == {"dense": 100, "sparse": 40}
    assert summary["fps"] == {"dense": 10, "sparse": 25}
    assert summary["speedup"] == 2.5
    assert summary["windows"] == {"kept": 5, "total": 10}
    assert summary["agreement"] == [0.9, None, 0.8, 0.7]
    assert summary["mean_agreement"] == pytest.approx(0.8)
    assert summary["sparse_ms"] == [50, 1, 40, 20]
    assert summary["input_size"] == [128, 128]


@pytest.fixture
def uploads(tmp_path, monkeypatch):
    """Stands for gradio's folder of uploaded files."""
    monkeypatch.setattr(tabs_video, "get_upload_folder", lambda: str(tmp_path))
    return tmp_path


class Tab:
    """One user's tab without a browser: the handlers with this user's state."""

    def __init__(self, engine):
        self.handlers, self.page, self.video = VideoHandlers(engine), Session(), VideoSession()

    def begin(self, run, source, path=None):
        sent = SimpleNamespace(run=run, source=source, path=path)
        return json.loads(self.handlers.begin(self.page, self.video, sent))

    def frame(self, run, side=256, pixels=None):
        sent = SimpleNamespace(run=run, side=side, pixels=pixels)
        return self.read(self.handlers.run_frame(self.page, self.video, sent))

    def finish(self, run):
        return self.read(self.handlers.finish(self.video, SimpleNamespace(run=run)))

    @staticmethod
    def read(answer):
        return json.loads(answer) if isinstance(answer, str) else None


def test_a_clip_is_given_out_frame_by_frame_until_its_end(engine, uploads):
    write_clip(uploads / "a.avi", count=5, fps=10)
    tab = Tab(engine)
    begun = tab.begin(1, "clip", str(uploads / "a.avi"))
    assert (begun["kind"], begun["count"], begun["rate"]) == ("begun", 5, 10)
    assert tab.page.uploads == {str(uploads / "a.avi")}  # deleted with the session
    answers = [tab.frame(1) for _ in range(6)]
    assert [a["kind"] for a in answers] == ["frame"] * 5 + ["done"]
    assert [a["number"] for a in answers[:5]] == [1, 2, 3, 4, 5]
    assert answers[-1]["stats"]["frames"] == 5
    assert tab.frame(1) is None  # it is over


def test_the_newest_run_wins_and_any_can_be_stopped(engine):
    tab = Tab(engine)
    tab.begin(1, "example")
    tab.begin(2, "example")
    assert tab.frame(1) is None
    assert tab.frame(2)["run"] == 2
    assert tab.finish(1) is None
    assert tab.finish(2)["stats"]["frames"] == 1
    assert tab.frame(2) is None


def test_frames_follow_the_sliders_of_the_page(engine):
    tab = Tab(engine)
    tab.begin(1, "example")
    before = tab.frame(1)
    assert before["kept"] == sum(b.kept for b in engine.first.analysis.blocks)  # same size as first
    dense = Settings("small", schedule(0.0), short_side=256)
    tab.page.result = engine.analyze(engine.first.photo, dense)
    after = tab.frame(1)
    assert after["kept"] == after["total"] == before["total"]
    assert after["stats"]["frames"] == 1
    assert tab.frame(1, side=384)["total"] > after["total"]


def test_webcam_frames_come_from_the_page_and_touch_no_disk(engine):
    tab = Tab(engine)
    assert tab.begin(1, "webcam")["count"] is None
    pixels = next(make_example(engine.first.photo.pixels).frames)
    answer = tab.frame(1, pixels=encode_jpeg(pixels))
    assert answer["kind"] == "frame"
    assert answer["picture"] is None  # the page has it
    assert "no picture" in tab.frame(1, pixels="data:image/jpeg;base64,!!")["message"]
    assert tab.frame(1, pixels=encode_jpeg(pixels)) is None  # the run ended with the problem


def test_only_uploaded_files_are_opened(engine, uploads, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "a.avi"
    write_clip(outside)
    tab = Tab(engine)
    answer = tab.begin(1, "clip", str(outside))
    assert answer == {"kind": "problem", "run": 1, "message": "The clip must be uploaded first."}
    (uploads / "b.mp4").write_bytes(b"text")
    assert "not a video" in tab.begin(2, "clip", str(uploads / "b.mp4"))["message"]
    assert "Choose" in tab.begin(3, "clip", None)["message"]


def test_programs_get_a_summary(engine, tmp_path):
    write_clip(tmp_path / "a.mp4", codec="mp4v", count=20)
    with gr.Blocks(analytics_enabled=False) as demo:
        add_tab(VideoTab(), engine, gr.State(Session()))
    _, url, _ = demo.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, ssr_mode=False
    )
    try:
        client = Client(url, verbose=False)
        names = client.view_api(return_format="dict")["named_endpoints"]
        assert list(names) == ["/run_clip"]
        inputs = {"short_side": 128, "sparsity": "0.5", "frame_rate": 12.5, "max_frames": 6}
        clip = handle_file(tmp_path / "a.mp4")
        summary = client.predict(clip=clip, model="small", **inputs, api_name="/run_clip")
        assert summary["frames"] == len(summary["sparse_ms"]) == 6
        assert [a is not None for a in summary["agreement"]] == [
            n % DENSE_EVERY == 0 for n in range(6)
        ]
        assert summary["fps"]["sparse"] == pytest.approx(1e3 / summary["median_ms"]["sparse"])
        assert summary["input_size"] == [128, 192]
        with pytest.raises(Exception, match="There is no model named"):
            client.predict(clip=clip, model="nonsense", **inputs, api_name="/run_clip")
        inputs["max_frames"] = 0
        with pytest.raises(Exception, match="max_frames must be 1 to 300"):
            client.predict(clip=clip, model="small", **inputs, api_name="/run_clip")
    finally:
        demo.close()
