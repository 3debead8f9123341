"""3D boxes and true instances of the tab "Outputs" in a real browser, by few known things."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from browser_support import expect_no_clipping
from playwright.sync_api import expect
from view_support import serve_view

from app.engine.records import Photo, Result, Settings, Truth
from app.page.common import encode_jpeg
from app.tabs.outputs.view import make_outputs
from sparsevit.data.boxes import Box3D, Boxes3D, Intrinsics
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.segment_map import Segment, SegmentMap
from sparsevit.data.things import Thing, Things
from sparsevit.schedule import SparsitySchedule
from sparsevit.tasks.boxes3d import Boxes3DTask
from sparsevit.tasks.segments import SegmentsTask

pytestmark = pytest.mark.ui

SIZE = (50, 100)
CAMERA = Intrinsics(100, 100, 50, 25)
COLOURS = np.array([[200, 0, 0], [0, 100, 200]], np.uint8)
BOXES = Boxes3DTask(("Car", "Pedestrian"), COLOURS, lambda output, size: output)
SEGMENTS = SegmentsTask(("Car", "Pedestrian"), COLOURS, "instance", lambda output, size: output)
SETTINGS = Settings("net", SparsitySchedule.parse(0.5, (2,)))

CAR = Box3D(0, 0.9, (-2, 0, 10), (4, 2, 2), -math.pi / 2)
WALKER = Box3D(1, 0.6, (4, 0, 20), (0.5, 2, 0.5), 0.0)


def move(box, z):
    return replace(box, centre=(*box.centre[:2], box.centre[2] + z))


def make_value(task, dense, sparse, things=None):
    truth = things and Truth(np.zeros(SIZE, np.uint8), (), things)
    photo = Photo(np.zeros((*SIZE, 3), np.uint8), "key", Path("x.png"), truth=truth)
    prepared = SimpleNamespace(dense=dense, input_size=SIZE)
    agreement = task.compare(dense, sparse)
    analysis = SimpleNamespace(task=task, prepared=prepared, sparse=sparse, agreement=agreement)
    return make_outputs(Result(photo, SETTINGS, analysis, (2,)))


def make_boxes(*boxes):
    return Boxes3D(boxes, CAMERA, SIZE)


def make_segments(*numbers):
    """A third of the picture each; 0 for none, odd numbers are cars."""
    ids = np.repeat(np.array([numbers], np.int32), 33, axis=1).repeat(SIZE[0], axis=0)
    ids = np.pad(ids, ((0, 0), (0, 1)))
    found = [Segment(number, 1 - number % 2, 0.9) for number in numbers if number]
    return SegmentMap(ids, tuple(found))


@pytest.fixture(scope="module")
def url():
    pixels = np.zeros((400, 800, 3), np.uint8)
    photo = {"key": "key-50x100", "width": 800, "height": 400, "uri": encode_jpeg(pixels)}
    true = (move(CAR, -0.5), replace(WALKER, centre=(-4, 0, 30)))
    things = Things(
        STREET_KINDS.names,
        tuple(
            Thing(kind, number, (0, 0, 1, 1), 1, replace(box, label=kind))
            for number, (kind, box) in enumerate(zip((0, 3), true, strict=True), start=1)
        ),
        make_segments(1, 0, 2).ids,
        CAMERA,
    )
    values = [
        make_value(BOXES, make_boxes(CAR, WALKER), make_boxes(move(CAR, 0.3)), things),
        make_value(BOXES, make_boxes(), make_boxes()),
        make_value(SEGMENTS, make_segments(1, 0, 2), make_segments(1, 2, 0), things),
    ]
    with serve_view("outputs", values, json.dumps(photo)) as address:
        yield address


def get_marks(page, side):
    return page.locator(f".sv-out-mark.sv-out-{side}")


def find_lines(page):
    """[first, last] column with a bright pixel of dense and of sparse, shares of the width."""
    found = page.locator(".sv-out-frame canvas").evaluate(
        """(canvas) => {
          const { width, height } = canvas;
          const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
          const ends = { orange: [1, 0], blue: [1, 0] };
          for (let i = 0; i < width * height; i++) {
            const [red, green, blue] = data.subarray(4 * i, 4 * i + 3);
            const name = red > 200 && blue < 110 ? "orange"
              : blue > 200 && red < 130 ? "blue" : null;
            if (!name) continue;
            const u = (i % width) / width;
            ends[name] = [Math.min(ends[name][0], u), Math.max(ends[name][1], u)];
          }
          return ends;
        }"""
    )
    return found["orange"], found["blue"]


def test_a_box_is_lit_and_read_wherever_it_is_pointed_at(new_page, url):
    page = new_page(url)
    page.add_style_tag(content=".gradio-container { width: 100%; }")  # as the whole page
    photo, readout = page.locator(".sv-out-frame"), page.locator(".sv-out-readout")
    plan = page.get_by_role("img", name="The same boxes from above: 2 dense, 1 sparse.")
    expect(plan).to_be_visible()
    expect(page.locator(".sv-out-facts")).to_contain_text("66.7 %, twice the matches")
    car = page.get_by_role("row", name=re.compile("^Car"))
    expect(car.get_by_role("cell")).to_have_text(["1", "1", "1", "0.30", "1", "1", "1"])

    box = photo.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    expect(readout).to_contain_text("dense Car 10.0 m ahead, 2.0 m to the left")
    expect(readout).to_contain_text("4.0 m long, 2.0 wide, 2.0 high")
    expect(readout).to_contain_text("sparse finds it 0.3 m farther")
    expect(readout).to_contain_text("in truth it is 0.5 m nearer")
    lit = page.locator(".sv-out-mark.sv-out-lit")
    expect(lit).to_have_count(2)
    expect(lit.locator("title")).to_have_text(
        [re.compile("^dense: Car"), re.compile("^sparse: Car")]
    )

    get_marks(page, "dense").nth(1).hover()
    expect(readout).to_contain_text("dense Pedestrian 20.0 m ahead, 4.0 m to the right")
    expect(readout).to_contain_text("sparse does not find it")
    expect(readout).to_contain_text("truth has none there")
    expect(lit).to_have_count(1)
    car.hover()
    expect(lit).to_have_count(2)
    expect(readout).to_contain_text("Point at a box")
    car.get_by_role("cell").first.click()
    expect(page.locator(".sv-out-caption")).to_contain_text("Only Car: dense left of the handle")
    expect(page.locator(".sv-out-mark")).to_have_count(2)
    car.get_by_role("button").press("Enter")

    page.get_by_role("radio", name="Together").check()
    expect(page.locator(".sv-out-mark")).to_have_count(5)
    plan = page.get_by_role("img", name=re.compile("^The same boxes from above"))
    plan.press("ArrowUp")
    expect(readout).to_contain_text("dense Car")
    plan.press("ArrowUp")
    expect(readout).to_contain_text("dense Pedestrian")
    page.locator(".sv-out-frame canvas").press("ArrowRight")
    expect(readout).to_contain_text("truth Pedestrian 30.0 m ahead")
    page.locator(".sv-out-frame canvas").press("Escape")
    expect(lit).to_have_count(0)

    page.get_by_role("radio", name="Compare").check()
    handle = page.get_by_role("slider", name=re.compile("shows dense"))
    handle.press("End")
    dense, sparse = find_lines(page)
    # Of the car's back, 8 m ahead, and the pedestrian's right side.
    assert dense == pytest.approx([0.5 - 3 / 8, 0.5 + 4.25 / 19.75], abs=0.01)
    assert sparse == [1, 0]
    handle.press("Home")
    dense, sparse = find_lines(page)
    assert sparse == pytest.approx([0.5 - 3 / 8.3, 0.5 - 1 / 12.3], abs=0.01)
    assert dense == [1, 0]


def test_no_boxes_and_true_instances(new_page, url):
    page = new_page(url)
    caption = page.locator(".sv-out-caption")
    page.get_by_role("radio", name="Truth").check()
    expect(caption).to_contain_text("truth left of the handle, sparse right.")
    page.get_by_role("button", name="next").click()
    expect(caption).to_have_text(
        "No boxes above the threshold: neither network finds one with a score of 0.3 or more."
    )
    expect(page.locator(".sv-out-facts")).to_contain_text("100.0 %, as neither finds a box.")
    expect(page.locator(".sv-out-mark")).to_have_count(0)
    expect(page.locator(".sv-out-table")).to_be_hidden()
    page.get_by_role("button", name="next").click()
    expect(page.locator(".sv-out-plan")).to_be_hidden()
    expect(caption).to_contain_text("Segments: truth left of the handle, sparse right.")
    expect(page.locator(".sv-out-facts")).to_contain_text("of 2 things dense finds 2, sparse 1")
    walker = page.get_by_role("row", name=re.compile("^Pedestrian"))
    expect(walker.get_by_role("cell")).to_have_text(["1", "1", "0", "0.00", "1", "1", "0"])
    box = page.locator(".sv-out-frame").bounding_box()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"])
    readout = page.locator(".sv-out-readout")
    expect(readout).to_contain_text("truth Pedestrian, found by dense (IoU 1.00)")


def test_a_phone_clips_no_boxes_and_a_tap_reads_one(new_page, url):
    page = new_page(url, 390, has_touch=True)
    photo, plan = page.locator(".sv-out-frame"), page.locator(".sv-out-plan")
    expect(page.locator(".sv-out-mark")).to_have_count(3)
    expect_no_clipping(page)
    box = photo.bounding_box()
    assert plan.bounding_box()["y"] > box["y"] + box["height"]
    photo.tap(position={"x": 0.3 * box["width"], "y": 0.5 * box["height"]})
    readout = page.locator(".sv-out-readout")
    expect(readout).to_contain_text("dense Car 10.0 m ahead")
    top = plan.bounding_box()["y"]
    photo.tap(position={"x": 0.3 * box["width"], "y": 0.95 * box["height"]})
    expect(readout).to_contain_text("Point at a box")
    assert plan.bounding_box()["y"] == top
    for _ in range(2):  # 40, 50, 60
        page.get_by_role("button", name="Show more metres").click()
    expect(plan.get_by_text("60", exact=True)).to_be_visible()
    expect_no_clipping(page)
