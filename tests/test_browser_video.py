"""The tab Video in a real browser, with chromium's own test pattern as the webcam."""

import re

import cv2
import gradio as gr
import numpy as np
import pytest
from app_support import schedule
from browser_support import expect_no_clipping
from playwright.sync_api import expect
from view_support import add_tab, serve_demo

from app.engine.records import Settings
from app.page.session import Session
from app.tabs.video.clip import FrameRunner, make_example
from app.tabs.video.tab import VideoTab

DENSE = "Set dense"  # stands for a move of the page's sliders

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def url(engine):
    """A page with this tab alone."""
    dense = engine.analyze(engine.first.photo, Settings("small", schedule(0.0), short_side=256))
    with gr.Blocks(analytics_enabled=False) as demo:
        session = gr.State(Session())
        add_tab(VideoTab(), engine, session)

        def set_dense(page: Session) -> None:
            page.result = dense

        gr.Button(DENSE).click(set_dense, session, None, queue=False)
    with serve_demo(demo) as address:
        yield address


@pytest.fixture
def open_page(new_page, url):
    def open_it(width=1000, height=900, query=""):
        page = new_page(url + query, width, height, permissions=["camera"])
        expect(windows(page)).to_have_attribute("aria-label", re.compile("The example"))
        return page

    return open_it


def test_a_busy_machine_is_named_in_place_of_a_speed_up(open_page, monkeypatch):
    busy = "this machine is busy: other programs used 38 % of its CPUs"
    monkeypatch.setattr("app.tabs.video.clip.explain_doubt", lambda *_: busy)
    page = open_page()
    page.get_by_role("button", name="Start").click()
    speedup = page.locator(".sv-vid-numbers div", has_text="Speed-up")
    expect(speedup).to_have_text("Speed-up–this machine is busy")
    expect(page.locator(".sv-video > .sv-note")).to_contain_text("other programs used 38 %")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status").first).to_contain_text("(this machine is busy)")


def windows(page):
    return page.locator(".sv-vid-pictures canvas").first


def output(page):
    return page.locator(".sv-vid-pictures canvas").last


def counter(page):
    return page.locator(".sv-vid-state .sv-vid-counter")


def number(page, name):
    name = page.get_by_text(name, exact=True)
    return page.locator(".sv-vid-numbers > div", has=name).locator("strong")


def start(page):
    page.get_by_role("button", name="Start").click()


def stop(page):
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status").first).to_contain_text("Stopped: ")


def read_brightness(page, places):
    """Mean of R, G and B of the windows' canvas at places (y, x), fractions of the picture."""
    script = """(canvas, places) => places.map(([y, x]) => {
        const at = [Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1];
        const [r, g, b] = canvas.getContext("2d").getImageData(...at).data;
        return (r + g + b) / 3;
    })"""
    return windows(page).evaluate(script, places)


def test_the_example_runs_to_its_end_and_can_be_looked_through(engine, open_page):
    page = open_page()
    start(page)
    expect(page.get_by_role("status").first).to_have_text(re.compile("^Done: 36 frames"))
    expect(counter(page)).to_have_text("Frame 36 of 36")
    for name in ("Dense", "Sparse"):
        expect(number(page, name)).to_have_text(re.compile(r"^\d+(\.\d+)?$"))
    expect(number(page, "Speed-up")).to_have_text(re.compile(r"^\d+\.\d\d×$"))
    expect(page.locator(".sv-video .sv-note")).to_contain_text("256 × 512 px · float32")
    expect(page.locator(".sv-vid-times .sv-mark")).to_have_count(9)  # every fourth frame

    # The first frame's masks are those of the network, wherever one looks.
    page.get_by_role("slider", name="Frame").press("Home")
    page.get_by_label("Show").select_option(label="Stage 1 · block 2 · shifted")
    pixels = next(make_example(engine.first.photo.pixels).frames)
    settings = Settings("small", engine.first.settings.schedule, short_side=256)
    block = FrameRunner(engine).run(pixels, settings).blocks[1]
    expect(windows(page)).to_have_attribute(
        "aria-label", re.compile(f"^Frame 1. Stage 1 · block 2 · shifted: {block.kept} of ")
    )
    mask = block.token_mask().numpy()  # (H, W)
    places = [(y, x) for y in range(3, 60, 8) for x in range(3, 120, 8)]
    shares = [((y + 0.5) / mask.shape[0], (x + 0.5) / mask.shape[1]) for y, x in places]
    grey = cv2.resize(pixels, mask.shape[::-1], interpolation=cv2.INTER_AREA).mean(axis=2)
    seen = read_brightness(page, shares)
    checked = 0
    for (y, x), value in zip(places, seen, strict=True):
        if (
            grey[y, x] > 60 and np.ptp(mask[y - 1 : y + 2, x - 1 : x + 2].astype(int)) == 0
        ):  # away from lines
            assert (value > 45) == mask[y, x], (y, x)
            checked += 1
    assert checked > 20

    # Played from the start it ends at the last frame.
    page.get_by_role("button", name="Play the processed frames").click()
    expect(windows(page)).to_have_attribute("aria-label", re.compile("^Frame 36. "))
    expect(page.get_by_role("button", name="Play the processed frames")).to_be_visible()
    page.get_by_label("Output", exact=True).check()
    expect(windows(page)).to_be_hidden()
    expect(output(page)).to_have_attribute("aria-label", re.compile("^Frame 36. Output of"))


def test_a_run_follows_the_sliders_and_stops(open_page):
    page = open_page()
    start(page)
    expect(number(page, "Windows kept")).to_have_text("39 %")
    page.get_by_role("button", name=DENSE).click()
    expect(number(page, "Windows kept")).to_have_text("100 %")
    expect(number(page, "Agreement")).to_have_text("100.0 %")
    stop(page)
    count = int(counter(page).text_content().split()[1])
    assert count < 36
    page.get_by_role("slider", name="Frame").press("Home")
    expect(windows(page)).to_have_attribute("aria-label", re.compile("39 % of all windows"))
    start(page)  # and runs again from the first frame
    expect(number(page, "Windows kept")).to_have_text("100 %")
    stop(page)
    page.get_by_role("slider", name="Frame").press("Home")
    expect(windows(page)).to_have_attribute("aria-label", re.compile("^Frame 1. .*100 % of all"))


def test_a_clip_of_ones_own_and_a_bad_file(open_page, tmp_path):
    path = tmp_path / "street.avi"
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 5, (192, 128)
    )
    rng = np.random.default_rng(0)
    for _ in range(4):
        writer.write(rng.integers(0, 255, (128, 192, 3), dtype=np.uint8))
    writer.release()
    page = open_page()
    page.get_by_label("Your clip").check()
    expect(page.get_by_role("button", name="Start")).to_be_disabled()
    chooser = page.locator(".sv-vid-file input")
    chooser.set_input_files(path)
    start(page)
    expect(page.get_by_role("status").first).to_have_text(re.compile("^Done: 4 frames"))
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"this is text")
    chooser.set_input_files(bad)
    start(page)
    expect(page.get_by_role("status").first).to_contain_text('"bad.mp4" is not a video')
    expect(page.get_by_role("button", name="Start")).to_be_enabled()


@pytest.mark.parametrize("query", ["", "?__theme=dark"])
def test_the_webcam_on_a_phone(open_page, query):
    page = open_page(390, 844, query)
    page.get_by_label("Webcam").check()
    start(page)
    expect(counter(page)).to_have_text(re.compile("^Frame [3-9]"))
    expect(windows(page)).to_have_attribute("aria-label", re.compile(r"^Frame \d+\. Blocks that"))
    expect(number(page, "This page")).to_have_text(re.compile(r"^\d+(\.\d+)?$"))
    expect_no_clipping(page)
    stop(page)
    expect(page.get_by_role("slider", name="Frame")).to_be_enabled()
