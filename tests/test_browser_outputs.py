"""The tab "Outputs" in a real browser, by maps small enough to know every pixel of the picture."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from browser_support import expect_no_clipping
from playwright.sync_api import expect
from view_support import serve_view

from app.engine.records import Photo, Result, Settings, Truth
from app.page.common import encode_jpeg
from app.tabs.outputs.drawings import UNKNOWN
from app.tabs.outputs.view import make_outputs
from sparsevit.data.segment_map import Segment, SegmentMap
from sparsevit.inspect.photo import PreparedImage
from sparsevit.schedule import SparsitySchedule
from sparsevit.tasks.classification import ClassificationTask
from sparsevit.tasks.features import Features, FeaturesTask
from sparsevit.tasks.segments import SegmentsTask
from sparsevit.tasks.semantic import SemanticTask

SKY, ROAD, CAR = range(3)
NAMES = ("Sky", "Road", "Car")
COLOURS = np.array([[0, 100, 200], [100, 100, 100], [200, 0, 0]], np.uint8)
PHOTO_GREY, FADED_GREY, OPACITY = 200, 0.4 * 200 + 0.6 * 22, 0.6
SEMANTIC = SemanticTask(NAMES, COLOURS)

DENSE = np.full((4, 8), SKY, np.uint8)
DENSE[:, 4:] = ROAD
SPARSE = DENSE.copy()
SPARSE[:, 7] = CAR
SPARSE[3, 0] = CAR  # 5 of 32 pixels differ
LABELS = DENSE.copy()
LABELS[0, :4] = UNKNOWN
LABELS[1, 4:] = CAR  # of 28 known pixels: dense alone wrong 1, sparse alone 4, both 3
LABELS = LABELS.repeat(2, 0).repeat(2, 1)

SEGMENTS = SegmentsTask(NAMES, COLOURS, "panoptic", lambda output, size: output)
DENSE_IDS = np.array([[1, 1, 1, 2, 2, 3, 3, 0]] * 4, np.int32)  # sky, road, car
SPARSE_IDS = np.array([[1, 1, 1, 2, 2, 4, 4, 5]] * 4, np.int32)  # sky, road, road, car
SPARSE_IDS[0, 0] = 6  # a pixel of a second sky


def make_segments(ids, labels):
    return SegmentMap(ids, tuple(Segment(i, label, 0.9) for i, label in enumerate(labels, 1)))


def make_features(turn):
    """Two stages; at the second the right half is turned by so much."""
    places = np.array([0.0, 0.0, turn, turn])
    second = np.stack([np.cos(places), np.sin(places)])[:, None]
    return Features((np.ones((2, 2, 8), np.float32), second.astype(np.float32)), (4, 8))


pytestmark = pytest.mark.ui


def make_value(task, dense, sparse, labels=None):
    truth = None if labels is None else Truth(labels, NAMES)
    photo = Photo(np.zeros((4, 8, 3), np.uint8), "key", Path("x.png"), truth=truth)
    prepared = PreparedImage(photo.pixels, torch.empty(0), dense, 0, "net")
    analysis = SimpleNamespace(
        task=task,
        prepared=prepared,
        sparse=sparse,
        agreement=task.compare(dense, sparse),
    )
    settings = Settings("net", SparsitySchedule.parse(0.5, (2,)))
    return make_outputs(Result(photo, settings, analysis, (2,)))


@pytest.fixture(scope="module")
def url():
    pixels = np.full((400, 800, 3), PHOTO_GREY, np.uint8)
    photo = {"key": "key-4x8", "width": 800, "height": 400, "uri": encode_jpeg(pixels)}
    likely = np.array([0.7, 0.2, 0.1], np.float32)
    values = [
        make_value(SEMANTIC, DENSE, SPARSE, LABELS),
        make_value(SEMANTIC, DENSE, SPARSE),
        make_value(SEMANTIC, DENSE, DENSE, LABELS),
        make_value(ClassificationTask(NAMES), likely, likely[[1, 0, 2]]),
    ]
    with serve_view("outputs", values, json.dumps(photo)) as address:
        yield address


@pytest.fixture(scope="module")
def drawn_url():
    pixels = np.zeros((400, 800, 3), np.uint8)
    photo = {"key": "key-4x8", "width": 800, "height": 400, "uri": encode_jpeg(pixels)}
    dense = make_segments(DENSE_IDS, [SKY, ROAD, CAR])
    sparse = make_segments(SPARSE_IDS, [SKY, ROAD, CAR, ROAD, CAR, SKY]).drop_hidden()
    features = [make_features(turn) for turn in (0.0, np.pi / 2)]
    values = [
        make_value(SEGMENTS, dense, sparse),
        make_value(FeaturesTask(lambda output: output), *features),
        make_value(SEMANTIC, DENSE, SPARSE, LABELS),
    ]
    with serve_view("outputs", values, json.dumps(photo)) as address:
        yield address


@pytest.fixture
def open_page(new_page, url):
    def open_it(width=1280, **options):
        page = new_page(url, width, **options)
        expect(page.locator(".sv-out-table tbody tr")).to_have_count(3)
        return page

    return open_it


@pytest.fixture
def page(open_page):
    return open_page()


def frame(page):
    return page.locator(".sv-out-frame")


def caption(page):
    return page.locator(".sv-out-caption")


def readout(page):
    return page.locator(".sv-out-readout")


def see(page, mode):
    page.get_by_role("radio", name=mode, exact=True).check()


def read_pixel(page, row, col):
    """RGB on the canvas in the middle of a pixel of the 4 x 8 map."""
    return page.locator(".sv-out-frame canvas").evaluate(
        """(canvas, [u, v]) => Array.from(canvas.getContext("2d")
            .getImageData(u * canvas.width, v * canvas.height, 1, 1).data).slice(0, 3)""",
        [(col + 0.5) / 8, (row + 0.5) / 4],
    )


def tint(index, opacity=OPACITY):
    return pytest.approx(opacity * COLOURS[index] + (1 - opacity) * PHOTO_GREY, abs=3)


def place(page, row, col):
    """Where a pixel of the 4 x 8 map lies in the frame, CSS pixels."""
    box = frame(page).bounding_box()
    return {"x": (col + 0.5) / 8 * box["width"], "y": (row + 0.5) / 4 * box["height"]}


def test_handle_moves_by_mouse_and_keys_between_dense_and_sparse(page):
    handle = page.get_by_role("slider", name=re.compile("shows dense, beside sparse"))
    expect(handle).to_have_value("50")
    assert read_pixel(page, 0, 0) == tint(SKY)
    assert read_pixel(page, 3, 0) == tint(SKY)
    assert read_pixel(page, 0, 7) == tint(CAR)
    handle.press("End")
    expect(handle).to_have_value("100")
    assert read_pixel(page, 0, 7) == tint(ROAD)
    frame(page).hover(position=place(page, 2, 6))
    page.mouse.down()
    frame(page).hover(position=place(page, 2, 1))
    page.mouse.up()
    expect(handle).to_have_value("19")
    assert read_pixel(page, 0, 7) == tint(CAR)
    assert read_pixel(page, 3, 0) == tint(SKY)
    handle.press("Home")
    assert read_pixel(page, 3, 0) == tint(CAR)
    page.get_by_role("slider", name="Class colours").press("End")
    assert read_pixel(page, 3, 0) == tint(CAR, 1)


def test_difference_and_errors_are_marked_and_counted(page):
    see(page, "Difference")
    expect(caption(page)).to_have_text("the class differs: 15.6 % of the pixels.")
    assert read_pixel(page, 3, 0) == [255, 96, 0]
    assert read_pixel(page, 2, 0) == pytest.approx([FADED_GREY] * 3, abs=3)
    see(page, "Errors")
    expect(caption(page)).to_contain_text("only dense wrong: 3.6 %")
    expect(caption(page)).to_contain_text("only sparse wrong: 14.3 %")
    expect(caption(page)).to_contain_text("both wrong: 10.7 % of the labelled pixels.")
    swatches = (
        caption(page)
        .locator("i")
        .evaluate_all(
            "nodes => nodes.map((n) => n.style.backgroundColor.match(/[0-9]+/g).map(Number))"
        )
    )
    assert read_pixel(page, 1, 7) == swatches[0]
    assert read_pixel(page, 2, 7) == swatches[1]
    assert read_pixel(page, 1, 5) == swatches[2]
    facts = page.locator(".sv-out-facts")
    expect(facts).to_contain_text("Agreement with dense: 84.4 % of the pixels")
    expect(facts).to_contain_text("pixels right: dense 85.7 %, sparse 75.0 %")
    expect(page.get_by_role("img", name=re.compile("both wrong: 10.7 %"))).to_be_visible()
    see(page, "Truth")
    assert read_pixel(page, 0, 1) == pytest.approx([PHOTO_GREY] * 3, abs=3)  # unknown
    assert read_pixel(page, 1, 1) == tint(SKY)


def test_classes_of_a_pixel_by_mouse_and_keys(page):
    expect(readout(page)).to_contain_text("Point at the picture")
    frame(page).hover(position=place(page, 1, 7))
    expect(readout(page)).to_have_text(re.compile(r"dense Road\s*sparse Car\s*truth Car"))
    page.get_by_role("button", name="next").hover()
    expect(readout(page)).to_contain_text("Point at the picture")
    canvas = page.locator(".sv-out-frame canvas")
    canvas.press("Shift+ArrowLeft")  # from the middle to row 2, column 3
    canvas.press("Shift+ArrowUp")
    canvas.press("Shift+ArrowUp")
    expect(readout(page)).to_have_text(re.compile(r"dense Sky\s*sparse Sky\s*truth unknown"))
    canvas.press("Escape")
    expect(readout(page)).to_contain_text("Point at the picture")


def test_a_class_alone_by_its_row(page):
    car = page.get_by_role("row", name=re.compile("^Car"))
    expect(car.get_by_role("cell")).to_have_text(["0.0 %", "15.6 %", "0.00", "0.00", "0.13"])
    car.get_by_role("cell").first.click()
    expect(caption(page)).to_contain_text("Only Car")
    expect(car.get_by_role("button")).to_have_attribute("aria-pressed", "true")
    assert read_pixel(page, 0, 7) == tint(CAR)
    assert read_pixel(page, 0, 5) == pytest.approx([FADED_GREY] * 3, abs=3)
    see(page, "Errors")  # Car instead of Road, or Road instead of Car
    expect(caption(page)).to_contain_text("only sparse wrong: 14.3 %")
    page.get_by_role("row", name=re.compile("^Sky")).get_by_role("button").press("Enter")
    expect(caption(page)).to_contain_text("only sparse wrong: 3.6 % both wrong: 0.0 %")
    page.get_by_role("group", name=re.compile("^Classes")).get_by_text("Sky").click()
    expect(caption(page)).to_contain_text("only sparse wrong: 14.3 %")


def test_choices_survive_new_values(page):
    handle = page.get_by_role("slider", name=re.compile("shows"))
    handle.press("End")
    page.get_by_role("row", name=re.compile("^Road")).click()
    see(page, "Errors")
    expect(caption(page)).to_contain_text("Road alone")
    top = frame(page).bounding_box()["y"]
    page.get_by_role("button", name="next").click()  # the same without labels
    expect(page.get_by_role("radio")).to_have_count(2)
    expect(caption(page)).to_contain_text("Only Road: dense left of the handle, sparse right")
    expect(handle).to_have_value("100")
    expect(page.get_by_text("Truth: ")).to_be_hidden()
    page.get_by_role("button", name="next").click()  # sparse as dense, with labels
    expect(page.get_by_role("radio", name="Errors")).to_be_checked()
    expect(caption(page)).to_contain_text("only dense wrong: 0.0 %")
    expect(caption(page)).to_contain_text("both wrong: 14.3 %")
    assert frame(page).bounding_box()["y"] == top
    page.get_by_role("button", name="next").click()
    top = page.locator(".sv-out-top")
    expect(top).to_contain_text("Dense says Sky, sparse says Road: the likeliest class changed.")
    expect(top.get_by_role("listitem").first).to_have_text("Skydense70.0 %sparse20.0 %")
    expect(frame(page)).to_be_hidden()


def test_a_phone_clips_nothing_and_a_tap_reads_the_classes(open_page):
    page = open_page(390, has_touch=True)
    frame(page).tap(position=place(page, 3, 0))
    expect(readout(page)).to_have_text(re.compile(r"dense Sky\s*sparse Car\s*truth Sky"))
    expect(page.get_by_role("slider", name=re.compile("shows"))).to_have_value("50")
    for mode in ("Difference", "Truth", "Errors", "Compare"):
        see(page, mode)
        expect_no_clipping(page)


def test_full_screen(page):
    page.get_by_role("button", name="Full screen").click()
    expect(page.get_by_role("button", name="Leave full screen")).to_be_visible()
    page.get_by_role("button", name="Leave full screen").click()
    expect(page.get_by_role("button", name="Full screen", exact=True)).to_be_visible()


def test_segments_are_drawn_matched_and_counted(new_page, drawn_url):
    page = new_page(drawn_url)
    rows = page.locator(".sv-out-table tbody tr")
    expect(rows).to_have_count(3)
    cells = {
        name: page.get_by_role("row", name=re.compile(f"^{name}")).get_by_role("cell")
        for name in NAMES
    }
    expect(cells["Sky"]).to_have_text(["1", "2", "1", "0.61"])  # IoU 11/12 over 1.5
    expect(cells["Road"]).to_have_text(["1", "2", "1", "0.67"])
    expect(cells["Car"]).to_have_text(["1", "1", "0", "0.00"])
    facts = page.locator(".sv-out-facts")
    expect(facts).to_contain_text("panoptic quality (PQ) 42.6 %")  # (11/18 + 2/3 + 0) / 3
    expect(facts).to_contain_text("2 of 3 dense segments matched, mean IoU 0.96; sparse has 5.")
    expect(page.get_by_role("slider", name="Class colours")).to_be_hidden()

    handle = page.get_by_role("slider", name=re.compile("shows dense, beside sparse"))
    handle.press("End")
    dense = [read_pixel(page, 3, col) for col in range(8)]
    handle.press("Home")
    sparse = [read_pixel(page, 3, col) for col in range(8)]
    assert dense[1] == pytest.approx(sparse[1], abs=12)  # matched: one colour
    assert max(dense[6]) - min(dense[6]) > 60  # a car, red
    assert max(sparse[6]) - min(sparse[6]) < 60  # another road, grey
    assert dense[7] == pytest.approx([0, 0, 0], abs=12)  # nothing there: the photo


@pytest.mark.parametrize(("width", "scale"), [(1280, 1), (390, 2)])
def test_names_of_segments_are_as_large_on_a_phone(new_page, drawn_url, width, scale):
    page = new_page(drawn_url, width, device_scale_factor=scale)
    page.get_by_role("slider", name=re.compile("shows dense, beside sparse")).press("End")
    find_white = """(canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const white = [...Array(canvas.width * canvas.height).keys()]
        .filter((i) => Math.min(...data.subarray(4 * i, 4 * i + 3)) > 220);
      const [xs, ys] = [white.map((i) => i % canvas.width), white.map((i) => i / canvas.width | 0)];
      return [xs, ys].map((all) => all.length ? [Math.min(...all), Math.max(...all) + 1] : null);
    }"""
    canvas = page.locator(".sv-out-frame canvas")
    size = canvas.evaluate("(canvas) => [canvas.width, canvas.height]")
    (left, right), _ = canvas.evaluate(find_white)
    assert left / size[0] < 0.3  # the sky's is the first
    assert right / size[0] > 0.7  # the car's the last
    page.locator(".sv-out button", has_text="Sky").locator("visible=true").first.click()
    (left, right), (top, bottom) = canvas.evaluate(find_white)
    assert right / size[0] < 0.375  # of the sky alone, inside of it
    assert 8 <= (bottom - top) / scale <= 18


def test_the_difference_of_segments(new_page, drawn_url):
    page = new_page(drawn_url)
    see(page, "Difference")
    expect(caption(page)).to_contain_text("the class differs: 37.5 %")  # car or road, car or none
    expect(caption(page)).to_contain_text("only the segment differs: 3.1 % of the pixels.")
    assert read_pixel(page, 1, 6) == [255, 96, 0]
    assert read_pixel(page, 0, 0) == [86, 180, 233]
    assert read_pixel(page, 2, 1) == pytest.approx([13] * 3, abs=6)
    frame(page).hover(position=place(page, 0, 0))
    expect(readout(page)).to_have_text(
        re.compile(r"dense Sky, matched, IoU 0.92\s*sparse Sky, no match")
    )
    frame(page).hover(position=place(page, 1, 7))
    expect(readout(page)).to_have_text(re.compile(r"dense no segment\s*sparse Car, no match"))
    page.get_by_role("row", name=re.compile("^Road")).get_by_role("cell").first.click()
    expect(caption(page)).to_contain_text("the class differs: 25.0 %")
    expect(caption(page)).to_contain_text("only the segment differs: 0.0 %")
    see(page, "Compare")
    expect(caption(page)).to_contain_text("Only Road: dense left")
    assert read_pixel(page, 1, 1) == pytest.approx([13] * 3, abs=6)  # the sky fades


def test_features_by_stage(new_page, drawn_url):
    page = new_page(drawn_url)
    page.get_by_role("button", name="next").click()
    rows = page.locator(".sv-out-table tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0).get_by_role("cell")).to_have_text(["2 × 8", "2", "1.000"])
    expect(rows.nth(1).get_by_role("cell")).to_have_text(["1 × 4", "2", "0.500"])
    expect(page.locator(".sv-out-facts")).to_contain_text("75.0 %, the cosine of the features")
    expect(page.get_by_role("radio")).to_have_count(0)
    expect(readout(page)).to_be_hidden()
    page.get_by_role("slider", name=re.compile("dense: strength")).press("Home")
    page.locator(".sv-out-frame canvas").press("ArrowLeft")  # nothing to read, no error
    yellow, both = read_pixel(page, 1, 0), read_pixel(page, 1, 7)
    rows.nth(1).click()
    expect(caption(page)).to_contain_text("Stage 2 alone")
    assert read_pixel(page, 1, 0) == pytest.approx(yellow, abs=8)
    blue = read_pixel(page, 1, 7)
    assert blue[2] > blue[1]  # a cosine of 0
    assert both != pytest.approx(blue, abs=8)
    rows.nth(0).click()
    expect(caption(page)).to_contain_text("Stage 1 alone")
    assert read_pixel(page, 1, 7) == pytest.approx(yellow, abs=8)
    page.get_by_role("button", name="next").click()  # a network of classes again
    expect(page.get_by_role("radio")).to_have_count(4)
    expect(caption(page)).to_contain_text("Class colours: dense left")
    expect(readout(page)).to_be_visible()


def test_a_phone_clips_no_segments_and_no_features(new_page, drawn_url):
    page = new_page(drawn_url, 390, has_touch=True)
    frame(page).tap(position=place(page, 1, 7))
    expect(readout(page)).to_contain_text("sparse Car, no match")
    see(page, "Difference")
    expect_no_clipping(page)
    page.get_by_role("button", name="next").click()
    expect(caption(page)).to_contain_text("All stages")
    expect_no_clipping(page)
