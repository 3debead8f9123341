"""The tab "Learn" in a real browser: stepping, pointing, choosing a block."""

import re

import pytest
from app_support import schedule
from browser_support import expect_no_clipping, wait_two_frames
from playwright.sync_api import expect
from view_support import serve_view

from app.page.photo import make_photo
from app.tabs.learn.view import make_learn
from sparsevit import networks
from sparsevit.inspect.block import trace_block
from sparsevit.inspect.worth import join_worth

TITLES = (
    "1. Cut the photo into windows",
    "2. Score every window",
    "3. Rank them, keep the best",
    "4. Gather them into one batch",
    "5. Run the block on those alone",
    "6. Scatter them back",
    "7. Is magnitude the right question?",
)
# Brightness 0 to 765 of the main canvas at places [x, y] in CSS pixels.
BRIGHTNESS = """places => {
  const canvas = document.querySelector(".sv-learn-stage canvas");
  const ratio = canvas.width / canvas.clientWidth;
  const context = canvas.getContext("2d");
  return places.map(([x, y]) => {
    const [r, g, b] = context.getImageData(Math.floor(x * ratio), Math.floor(y * ratio), 1, 1).data;
    return r + g + b;
  });
}"""
DARK = 150  # of 765: here a darkened pixel cannot be told from one that is not

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def traced(engine):
    """The result, and the steps of its second and eighth block: a shifted one, and a late one."""
    result, loaded = engine.first, networks.load_model("small")
    return result, [
        trace_block(loaded, result.analysis.prepared, schedule(0.6), stage, block)
        for stage, block in ((0, 1), (2, 3))
    ]


@pytest.fixture(scope="module")
def parts(engine):
    return join_worth(engine.measure_worth(engine.first))


@pytest.fixture(scope="module")
def url(traced, parts):
    """The first block, then the second, then the first with what its windows are worth."""
    result, blocks = traced
    values = [make_learn(result, steps) for steps in blocks]
    values.append(make_learn(result, blocks[0], parts[0, True]))
    with serve_view("learn", values, make_photo(result)) as address:
        yield address


@pytest.fixture
def open_page(new_page, url):
    """Opens the view, without animations unless they are asked for."""

    def open_it(width=1280, height=800, query="", motion="reduce"):
        page = new_page(url + query, width, height, reduced_motion=motion)
        expect(heading(page)).to_have_text(TITLES[0])
        return page

    return open_it


def heading(page):
    return page.locator(".sv-learn-text h4")


def picture(page):
    return page.locator(".sv-learn-stage canvas")


def caption(page):
    return page.locator(".sv-learn figcaption")


def step_button(page, number):
    return page.get_by_role("button", name=re.compile(f"^{number} "))


def find_places(page, grid):
    """(x, y) CSS pixels, on the canvas, of the centre of some real token of every window."""
    box = picture(page).bounding_box()
    width = min(box["width"], 660)  # the photo is twice as wide as high, and 330 pixels at most
    unit = width / grid.grid[1]
    tokens = [divmod(row[len(row) // 2], grid.grid[1]) for row in grid.token_index.tolist()]
    left = (box["width"] - width) / 2
    return [(left + (col + 0.5) * unit, (row + 0.5) * unit) for row, col in tokens]


def expect_window(page, steps, index):
    rank = steps.ranking.tolist().index(index) + 1
    row, col = divmod(index, steps.trace.grid.cols)
    fate = "kept" if rank <= steps.trace.kept else "skipped"
    place, rest = f"row {row + 1}, column {col + 1}", f"rank {rank} of {steps.trace.total}, {fate}"
    expect(caption(page)).to_contain_text(re.compile(rf"{place}: score [\d.]+, {rest}"))
    score = re.search(r"score ([\d.]+)", caption(page).text_content()).group(1)
    assert float(score) == pytest.approx(float(steps.scores.flatten()[index]), rel=5e-3)


def test_all_steps_by_button_dot_and_key(open_page):
    page = open_page(motion="no-preference")
    forward, back = (page.get_by_role("button", name=name) for name in ("Next →", "← Previous"))
    expect(back).to_be_disabled()
    for title in TITLES[1:]:
        forward.click()
        expect(heading(page)).to_have_text(title)
    expect(forward).to_be_disabled()
    expect(page.locator(".sv-learn-words").first).to_contain_text("It is being measured")
    back.click()
    expect(page.locator(".sv-learn-words").first).to_contain_text("77 skipped windows")
    back.click()
    expect(heading(page)).to_have_text(TITLES[4])
    expect(page.get_by_text("Window attention", exact=True)).to_be_visible()
    step_button(page, 2).click()
    expect(step_button(page, 2)).to_have_attribute("aria-current", "step")
    expect(page.get_by_text("Window attention", exact=True)).to_be_hidden()
    page.keyboard.press("ArrowRight")
    expect(heading(page)).to_have_text(TITLES[2])
    page.keyboard.press("ArrowLeft")
    expect(heading(page)).to_have_text(TITLES[1])
    expect(picture(page)).to_have_attribute("aria-label", re.compile("^Step 2, Score every window"))


def test_the_last_step_holds_score_against_worth(open_page, parts, traced):
    page = open_page()
    for _ in range(2):
        page.get_by_role("button", name="next", exact=True).click()
    step_button(page, 7).click()
    part, trace = parts[0, True], traced[1][0].trace
    words = page.locator(".sv-learn-words").first
    expect(words).to_contain_text(f"rank correlation here is {part.correlation:.2f}")
    best = set(part.worth.argsort(descending=True)[: trace.kept].tolist())
    kept = set(trace.keep_mask[0].flatten().nonzero().flatten().tolist())
    expect(words).to_contain_text(f"{len(best & kept)} were kept here")


def test_pointing_at_a_window_a_bar_or_a_tile_shows_its_numbers(open_page, traced):
    page, steps = open_page(), traced[1][0]
    canvas, grid = picture(page), steps.trace.grid
    places = find_places(page, grid)
    for index in (0, 37, grid.num_windows - 1):  # the last one wraps around the photo's corner
        canvas.hover(position=dict(zip("xy", places[index], strict=True)))
        expect_window(page, steps, index)
    canvas.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    expect_window(page, steps, grid.num_windows - 2 - grid.cols)
    expect(heading(page)).to_have_text(TITLES[0])

    box, ranking = canvas.bounding_box(), steps.ranking.tolist()
    width = min(box["width"], 660)
    left = (box["width"] - width) / 2
    step_button(page, 3).click()
    for rank in (0, 90):
        across = left + (rank + 0.5) / len(ranking) * width
        canvas.hover(position={"x": across, "y": box["height"] - 60})
        expect_window(page, steps, ranking[rank])
    step_button(page, 4).click()
    canvas.hover(position={"x": left + 8, "y": width / 2 + 14 + 8})
    expect_window(page, steps, ranking[0])


def test_skipped_windows_are_dark_and_kept_ones_as_they_were(open_page, traced):
    page, steps = open_page(), traced[1][0]
    places = find_places(page, steps.trace.grid)
    wait_two_frames(page)
    before = page.evaluate(BRIGHTNESS, places)
    step_button(page, 3).click()
    wait_two_frames(page)
    after = page.evaluate(BRIGHTNESS, places)
    kept = steps.keep_mask.flatten().tolist()
    for was, now, stays in zip(before, after, kept, strict=True):
        if stays:
            assert now == pytest.approx(was, abs=6)
        elif was > DARK:
            assert now < 0.8 * was


def test_another_block_is_asked_for_and_the_step_stays(open_page, traced):
    page = open_page()
    step_button(page, 4).click()
    figure = page.locator(".sv-learn figure")
    expect(figure).to_have_attribute("aria-busy", "false")
    page.get_by_label("Block explained").select_option(index=7)
    expect(figure).to_have_attribute("aria-busy", "true")
    page.get_by_role("button", name="next", exact=True).click()
    expect(figure).to_have_attribute("aria-busy", "false")
    expect(page.get_by_label("Block explained")).to_have_value("7")
    expect(heading(page)).to_have_text(TITLES[3])
    kept = traced[1][1].trace.kept
    expect(page.locator(".sv-learn-words").first).to_contain_text(f"the {kept} kept windows")


def test_sections_and_glossary_explain_the_rest(open_page):
    page = open_page()
    toggle = page.get_by_role("button", name="Show plain windows")
    toggle.click()
    expect(page.get_by_role("img", name="Photo with plain windows.")).to_be_visible()
    page.get_by_role("button", name="Show shifted windows").click()
    expect(toggle).to_be_visible()
    page.get_by_text("Glossary").click()
    expect(page.locator(".sv-learn dt", has_text="sparsity")).to_be_visible()
    links = page.locator(".sv-learn-links a")
    for number, paper in enumerate(("2303.17605", "2103.14030")):
        expect(links.nth(number)).to_have_attribute("href", f"https://arxiv.org/abs/{paper}")
        expect(links.nth(number)).to_have_attribute("rel", "noopener")


def test_a_phone_clips_nothing_and_nothing_jumps(open_page):
    page = open_page(390, 844, "?__theme=dark")
    heights = set()
    for number in range(1, 7):
        step_button(page, number).click()
        expect(heading(page)).to_have_text(TITLES[number - 1])
        heights.add(page.locator(".sv-learn figure").bounding_box()["height"])
        expect_no_clipping(page)
    assert len(heights) == 1


def test_a_network_without_shifted_windows_leaves_no_hole(open_page):
    page = open_page()
    expect(heading(page)).to_have_text(TITLES[0])
    picture = page.get_by_role("img", name=re.compile("Photo with .* windows"))
    expect(picture).to_be_visible()
    picture.evaluate("canvas => { canvas.hidden = true; }")
    expect(picture).to_be_hidden()
