"""The tab "Where it errs" in a real browser, by maps small enough to know every pixel."""

import json
import re

import numpy as np
import pytest
from browser_support import expect_no_clipping, wait_two_frames
from playwright.sync_api import expect
from view_support import serve_view

from app.page.common import encode_png, photo_key
from app.page.photo import make_photo

pytestmark = pytest.mark.ui

CLASSES = [
    {"name": "road", "colour": "#000080"},
    {"name": "sky", "colour": "#00ff00"},
]
# The colour at a place of the picture, fractions of it.
COLOUR = """([u, v]) => {
  const canvas = document.querySelector(".sv-lens-frame canvas");
  const { data } = canvas.getContext("2d").getImageData(
    Math.floor(u * canvas.width), Math.floor(v * canvas.height), 1, 1);
  return [...data.slice(0, 3)];
}"""


def make_value(key, is_sparse=True):
    """Two stages of one block; regions 1 and 2 at the left and the right end of the picture."""
    regions = np.zeros((64, 128), np.uint8)
    halves = np.zeros((8, 16), np.uint8)
    halves[:, 8:] = 1
    if is_sparse:
        regions[20:44, 10:34], regions[30:34, 110:114] = 1, 2
    told = [
        {
            "area": f"{area} %",
            "place": place,
            "classes": [0, 1],
            "words": words,
            "skipped": [0.25, 1.0],
            "cosine": [1.0, 0.5],
            "start": 1,
            "readings": [[0, 0], [0, 1]],
        }
        for area, place, words in (
            (7, [22 / 128, 0.5], "The larger one."),
            (0.2, [112 / 128, 0.5], "The smaller one."),
        )
    ]
    stage = {"grid": [8, 16], "reads": ["dense reads 90 %"], "dense": encode_png(halves)}
    return json.dumps(
        {
            "key": key,
            "summary": "Sparse errs." if is_sparse else "There is nothing to see.",
            "note": "A linear probe.",
            "cosine_note": "A cosine.",
            "classes": CLASSES,
            "low": 0.5,
            "blocks": [
                {
                    "name": f"{stage + 1}.1",
                    "stage": stage,
                    "cosine": 0.75,
                    "skipped": 0.5,
                    "map": encode_png(np.full((8, 16), 255 * stage, np.uint8)),
                }
                for stage in (0, 1)
            ],
            "stages": [
                stage | {"name": f"Stage {number}", "sparse": encode_png(1 - halves)}
                for number in (1, 2)
            ],
            "regions": told if is_sparse else [],
            "region_map": encode_png(regions),
        }
    )


@pytest.fixture(scope="module")
def url(engine):
    result = engine.first
    key = photo_key(result.photo, result.analysis.prepared.input_size)
    values = [make_value(key), make_value(key, is_sparse=False)]
    with serve_view("lens", values, make_photo(result)) as address:
        yield address


@pytest.fixture
def page(new_page, url):
    page = new_page(url, 1280, 800)
    expect(page.get_by_text("The larger one.")).to_be_visible()
    return page


def test_a_region_is_chosen_by_list_picture_and_key(page):
    region, frame = page.locator(".sv-lens-region"), page.locator(".sv-lens-frame")
    first, second = (page.get_by_role("button", name=f"{number} road → sky") for number in (1, 2))
    expect(first).to_have_attribute("aria-pressed", "true")
    expect(region.get_by_role("heading")).to_have_text("Region 1: 7 % of the picture")
    expect(region.locator("svg title")).to_have_text(
        [
            "Block 1.1: skipped 25 % of the region, cosine 1.000",
            "Block 2.1: skipped 100 % of the region, cosine 0.500",
        ]
    )
    expect(region.locator(".sv-lens-readings")).to_contain_text("Stage 2 road → sky")
    box = frame.bounding_box()
    near = {"x": box["width"] * 108 / 128, "y": box["height"] / 2}  # beside the small one
    frame.click(position=near)
    expect(region).to_contain_text("The smaller one.")
    expect(second).to_have_attribute("aria-pressed", "true")
    frame.click(position={"x": box["width"] / 2, "y": box["height"] / 2})  # nowhere
    expect(region).to_contain_text("The smaller one.")
    region.get_by_text("Numbers of every block").click()
    expect(region.get_by_role("row", name="2.1 100 % 0.500")).to_be_visible()
    first.focus()
    page.keyboard.press("Enter")
    expect(region).to_contain_text("The larger one.")
    expect(region.get_by_role("row", name="2.1 100 % 0.500")).to_be_visible()


def test_a_small_map_is_shown_large_and_the_photo_comes_back(page):
    wait_two_frames(page)
    before = page.evaluate(COLOUR, [0.4, 0.2])
    maps = page.locator(".sv-lens-maps button")
    expect(maps).to_have_count(6)
    expect(maps.nth(2)).to_have_text("100.0 % differ")
    maps.nth(0).click()
    expect(maps.nth(0)).to_have_attribute("aria-pressed", "true")
    red, green, blue = page.evaluate(COLOUR, [0.4, 0.2])
    assert blue > max(red, green)
    assert page.evaluate(COLOUR, [0.6, 0.2])[1] > 200  # the other class is green
    page.get_by_role("button", name="Photo", exact=True).click()
    assert page.evaluate(COLOUR, [0.4, 0.2]) == before
    page.get_by_role("radio", name="Cosine").check()
    expect(maps).to_have_count(2)
    expect(page.locator(".sv-note", has_text="A cosine.")).to_be_visible()
    maps.nth(1).click()
    red, green, blue = page.evaluate(COLOUR, [0.4, 0.2])
    assert min(red, green) > blue + 80  # yellow
    caption = page.locator(".sv-lens-caption")
    expect(caption).to_contain_text("after block 2.1: mean 0.750; it skipped 50 %")


def test_where_nothing_is_skipped_there_are_maps_and_no_regions(page):
    page.get_by_role("button", name="next", exact=True).click()
    expect(page.get_by_text("There is nothing to see.")).to_be_visible()
    expect(page.locator(".sv-lens-list")).to_be_hidden()
    expect(page.locator(".sv-lens-region")).to_be_hidden()
    expect(page.locator(".sv-lens-maps button")).to_have_count(6)
    expect(page.get_by_role("img", name=re.compile("with 0 numbered regions"))).to_be_visible()


def test_a_phone_clips_nothing(new_page, url):
    page = new_page(url + "?__theme=dark", 390, 844)
    expect(page.get_by_text("The larger one.")).to_be_visible()
    expect_no_clipping(page)
    page.get_by_role("radio", name="Cosine").check()
    expect_no_clipping(page)
