"""The tab of pruned windows in a real browser: what is drawn, and what mouse and keys do."""

import base64
import io
import json
import re

import numpy as np
import pytest
from app_support import schedule
from browser_support import expect_no_clipping, wait_two_frames
from PIL import Image
from playwright.sync_api import expect
from view_support import find_yellow, read_windows, serve_view

from app.engine.records import Settings
from app.page.photo import make_photo
from app.tabs.windows.view import make_windows
from sparsevit.core.windows import map_tokens_to_windows
from sparsevit.draw.masks import compute_map

# Blue less red at the centre of every token of a grid over the picture of 512 x 256.
BLUENESS = """([rows, columns]) => {
  const canvas = document.querySelector(".sv-win-stage canvas");
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const scale = Math.min(width / 512, height / 256);
  const at = (room, length, part) => Math.floor(room / 2 + (part - 0.5) * length * scale);
  return Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => {
    const y = at(height, 256, (i + 0.5) / rows);
    const pixel = 4 * (y * width + at(width, 512, (j + 0.5) / columns));
    return data[pixel + 2] - data[pixel];
  }));
}"""

# The picture on the stage as PNG, in base64, and the colours at the two ends of the legend.
PIXELS = """() => {
  const canvas = document.querySelector(".sv-win-stage canvas");
  const { width, height } = canvas;
  const ramp = getComputedStyle(document.querySelector(".sv-win-ramp")).backgroundImage;
  const ends = ramp.match(/rgb[(][^)]*[)]/g).map((colour) => colour.match(/\\d+/g).map(Number));
  const scale = Math.min(width / 512, height / 256);
  const [w, h] = [512 * scale, 256 * scale].map(Math.floor);
  const copy = Object.assign(document.createElement("canvas"), { width: w, height: h });
  copy.getContext("2d").drawImage(canvas, (width - w) / 2, (height - h) / 2, w, h, 0, 0, w, h);
  return { png: copy.toDataURL().split(",")[1], low: ends[0], high: ends[ends.length - 1] };
}"""

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def results(engine):
    """Of one photo: sparse, then dense."""
    dense = engine.analyze(engine.first.photo, Settings("small", schedule(0), short_side=256))
    return engine.first, dense


@pytest.fixture(scope="module")
def url(results):
    """The values that follow each other: sparse, dense, fewer blocks, those of another photo."""
    sparse, dense = (json.loads(make_windows(result)) for result in results)
    fewer = {**sparse, "blocks": sparse["blocks"][:4]}
    values = [json.dumps(value) for value in (sparse, dense, fewer, {**dense, "key": "another"})]
    with serve_view("windows", values, make_photo(results[0])) as address:
        yield address


@pytest.fixture
def open_page(new_page, url):
    def open_it(width=1280, height=800, query=""):
        page = new_page(url + query, width, height)
        expect(thumbs(page)).to_have_count(10)
        return page

    return open_it


@pytest.fixture
def page(open_page):
    return open_page()


# What the sliders ask for: the sparsities of every stage, 3 in the third.
WISH = """async (stages) => {
  const loaded = performance.getEntriesByType("resource");
  const { modules } = await import(loaded.find(({ name }) => /modules/.test(name)).name);
  modules["page/wish.js"].setWish({ linked: true, painted: [], stages });
}"""


def thumbs(page):
    return page.locator(".sv-win-strip button")


def stage(page):
    return page.locator(".sv-win-stage")


def picture(page):
    return page.locator(".sv-win-stage [role=img]")


def tip(page):
    return page.locator(".sv-win-tip")


def test_masks_follow_a_slider_before_the_network_has_run(page, results):
    pages_masks = [thumb.get_attribute("aria-label") for thumb in thumbs(page).all()]
    page.evaluate(WISH, [[0.6], [0], [0.6, 0.6], [0.6]])
    expect(page.locator(".sv-windows")).to_have_attribute("aria-busy", "true")
    expect(thumbs(page).nth(2)).to_have_attribute("aria-label", re.compile("100 % of its windows"))
    previews = page.locator(".sv-win-preview")
    expect(previews).to_have_count(6)  # stages 3 and 4; the second itself is certain
    page.evaluate(WISH, [[0.6], [0.6], [0.6, 0.6], [0.6]])  # back to what ran
    expect(previews).to_have_count(0)
    assert [thumb.get_attribute("aria-label") for thumb in thumbs(page).all()] == pages_masks
    page.evaluate(WISH, [[0], [0], [0, 0], [0]])
    expect(page.locator(".sv-windows")).to_have_attribute("aria-busy", "true")
    send_next(page)  # the network has run dense
    expect(page.locator(".sv-windows")).to_have_attribute("aria-busy", "false")
    expect(previews).to_have_count(0)


def send_next(page):
    page.get_by_role("button", name="next", exact=True).click()


def point_at(page, x, y):
    """The pixel of the stage over a place of the picture, fractions, while it fits the stage."""
    box = stage(page).bounding_box()
    scale = min(box["width"] / 512, box["height"] / 256)
    left, top = box["width"] - 512 * scale, box["height"] - 256 * scale
    return {"x": left / 2 + x * 512 * scale, "y": top / 2 + y * 256 * scale}


def find_window(block, x, y):
    """Number of the window at a place, by the library's own token map."""
    height, width = block.grid.grid
    return int(map_tokens_to_windows(block.grid)[int(y * height), int(x * width)])


def rank_of(block, window):
    """1 for the highest score; equal scores keep their order."""
    scores = block.scores[0].flatten().tolist()
    order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
    return order.index(window) + 1


def is_kept(block, window):
    return bool(block.keep_mask[0].flatten()[window])


def test_what_a_block_skipped_is_dark_and_bluish(page, results):
    for index in (0, 1, 7):  # plain, shifted, coarse and shifted
        block = results[0].analysis.blocks[index]
        thumbs(page).nth(index).click()
        wait_two_frames(page)
        blueness = np.array(page.evaluate(BLUENESS, list(block.grid.grid)))
        owner = map_tokens_to_windows(block.grid).numpy()
        dark = [blueness[owner == window].mean() > 12 for window in range(block.total)]
        assert dark == (~block.keep_mask[0].flatten()).tolist()


def test_views_and_blocks_switch_at_once(page, results):
    blocks = results[0].analysis.blocks
    first = blocks[0]
    expect(picture(page)).to_have_attribute(
        "aria-label", re.compile(f"Stage 1 · block 1.*computed {first.kept} of {first.total} win")
    )
    page.get_by_role("radio", name="Scores").check()
    expect(picture(page)).to_have_attribute("aria-label", re.compile("Scores.*RMS"))
    kept = first.scores[0][first.keep_mask[0]]
    expect(page.locator(".sv-win-cut")).to_have_text(f"kept from {kept.min():#.3g}")
    page.get_by_role("radio", name="Compute map").check()
    shares = [block.keep_mask[0].float().mean().item() for block in blocks]  # windows are alike
    expect(page.locator(".sv-win-caption")).to_contain_text(f"{sum(shares):.1f} on average")
    thumbs(page).nth(0).focus()
    page.keyboard.press("ArrowRight")
    expect(thumbs(page).nth(1)).to_be_focused()
    expect(thumbs(page).nth(1)).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Next block").click()
    expect(page.locator(".sv-win-name")).to_contain_text("Stage 2 · block 1")
    expect(page.get_by_role("radio", name="Compute map")).to_be_checked()


def test_the_colours_mean_what_the_legend_says(page, results):
    def read_pixels(view):
        page.get_by_role("radio", name=view).check()
        wait_two_frames(page)
        read = page.evaluate(PIXELS)
        low, high = (find_yellow(np.array(read[end], float)) for end in ("low", "high"))
        assert low < -20
        assert high > 150
        with Image.open(io.BytesIO(base64.b64decode(read["png"]))) as image:
            return np.array(image.convert("RGB"))

    blocks = results[0].analysis.blocks
    expect(page.locator(".sv-win-ends")).to_have_count(0)
    scores = blocks[0].scores[0].flatten().numpy()
    yellow = find_yellow(read_windows(read_pixels("Scores"), blocks[0]))
    expect(page.locator(".sv-win-ends")).to_have_text(re.compile("low.*high"))
    assert yellow[scores.argmax()] > 50
    assert yellow[scores.argmin()] < 0
    pixels = read_pixels("Compute map")
    expect(page.locator(".sv-win-ends")).to_have_text("0 blocksall 10")
    computed, yellow = compute_map(blocks, pixels.shape[:2]), find_yellow(pixels.astype(float))
    most, least = (yellow[computed == end].mean() for end in (computed.max(), computed.min()))
    assert most > least + 20


def test_a_pinned_place_is_followed_through_all_blocks_and_values(page, results):
    x, y = 0.03, 0.4
    stage(page).click(position=point_at(page, x, y))
    rows = page.locator(".sv-win-panel tbody tr")

    def expect_rows(result):
        for row, block in enumerate(result.analysis.blocks):
            window = find_window(block, x, y)
            outcome = "kept" if is_kept(block, window) else "skipped"
            rank = f"{rank_of(block, window)} / {block.total}"
            expect(rows.nth(row).locator("td").nth(1)).to_have_text(rank)
            expect(rows.nth(row)).to_contain_text(outcome)
            score = block.scores[0].flatten()[window].item()
            shown = float(rows.nth(row).locator("td").nth(0).text_content())
            assert shown == pytest.approx(score, rel=0.01)

    expect_rows(results[0])
    thumbs(page).nth(9).click()
    send_next(page)
    expect(thumbs(page).nth(0)).to_have_accessible_name(re.compile("100 % of its windows"))
    expect_rows(results[1])
    expect(thumbs(page).nth(9)).to_have_attribute("aria-pressed", "true")
    send_next(page)
    expect(thumbs(page)).to_have_count(4)
    expect(thumbs(page).nth(3)).to_have_attribute("aria-pressed", "true")
    expect(rows).to_have_count(4)
    before = picture(page).get_attribute("aria-label")
    send_next(page)  # of another photo, which has not come: nothing changes
    wait_two_frames(page)
    expect(picture(page)).to_have_attribute("aria-label", before)
    page.get_by_role("button", name="Let go").click()
    expect(rows.first).to_be_hidden()


def test_keys_move_the_cursor_pin_and_let_go(page, results):
    block = results[0].analysis.blocks[0]
    size = 0.5 / block.grid.cols, 0.5 / block.grid.rows
    stage(page).press("ArrowRight")
    window = find_window(block, 0.5 + 3 * size[0], 0.5 + size[1])
    rank = f"rank {rank_of(block, window)} of {block.total}"
    expect(tip(page)).to_contain_text(rank)
    stage(page).press("Enter")
    expect(page.locator(".sv-win-panel")).to_contain_text(f"{rank_of(block, window)} / ")
    stage(page).press("Escape")
    expect(page.locator(".sv-win-panel")).to_be_hidden()


def test_zoom_keeps_the_place_under_the_mouse_and_drags(page):
    fit = page.get_by_role("button", name="Fit the whole picture")
    expect(fit).to_be_disabled()
    place = point_at(page, 0.22, 0.3)
    stage(page).hover(position=place)
    words = tip(page).text_content()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    expect(fit).to_be_enabled()
    stage(page).hover(position={"x": place["x"] + 1, "y": place["y"]})
    expect(tip(page)).to_have_text(words)
    box = stage(page).bounding_box()
    page.mouse.down()
    page.mouse.move(box["x"] + place["x"] + 200, box["y"] + place["y"] + 20, steps=4)
    page.mouse.up()
    expect(page.locator(".sv-win-panel")).to_be_hidden()  # a drag is no click
    page.mouse.move(box["x"] + place["x"] + 201, box["y"] + place["y"] + 20)
    expect(tip(page)).to_have_text(words)
    fit.click()
    expect(fit).to_be_disabled()


def test_a_phone_clips_nothing(open_page):
    page = open_page(390, 844, "?__theme=dark")
    stage(page).click(position=point_at(page, 0.5, 0.5))
    expect(page.locator(".sv-win-panel")).to_be_visible()
    expect_no_clipping(page)
    parts = ".sv-win-bar button, .sv-switch label, .sv-win-strip button, .sv-win-panel td"
    right = page.evaluate(
        "parts => Math.max(...[...document.querySelectorAll(parts)]"
        ".map(part => part.getBoundingClientRect().right))",
        parts,
    )
    assert right <= 390
