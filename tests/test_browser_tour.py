"""The guided tour, the presentation and the exercises in a real browser."""

import re

import pytest
from app_support import serve
from browser_support import expect_no_clipping, wait_two_frames
from playwright.sync_api import expect

from sparsevit.schedule import num_keep

STOPS = (
    ("The photo", "#sv-upload"),
    ("What the network is fed", "#sv-fed"),
    ("How much to skip", "#sv-panel .sv-panel"),
    ("What is skipped", "#sv-windows .sv-win-stage"),
    ("What it changes", "#sv-outputs .sv-out-frame"),
    ("What it gains", "#sv-headline"),
)
# Of each panel of a presentation what is there once it has its data.
PANELS = {
    "Photo and sliders": "#sv-panel input[type=range]",
    "Pruned windows": "#sv-windows canvas[role=img][aria-label]",
    "Outputs": "#sv-outputs canvas[role=img][aria-label]",
    "Where it errs": "#sv-lens canvas[role=img]",
    "A against B": "#sv-tabs button:has-text('Pin the present')",
    "Latency": "#sv-latency table",
    "Trade-off": "#sv-history svg",
    "Search": "#sv-search svg",
    "Learn": "#sv-learn canvas[role=img][aria-label]",
}
# What is wider than the place it has, and does not scroll.
CLIPPED = """() => [...document.querySelectorAll(".sv-presenting *")].filter((node) => {
  const { left, right, width } = node.getBoundingClientRect();
  return width && (left < -1 || right > innerWidth + 1);
}).map((node) => node.id || node.className)"""

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def server(home):
    with serve(home) as served:
        yield served


@pytest.fixture
def open_page(new_page, server):
    def open_it(width=1280, height=800, query="", **options):
        page = new_page(server[0] + query, width, height, **options)
        expect(page.locator("#sv-panel input[type=range]").first).to_be_visible()
        expect(page.locator("#sv-windows canvas[role=img][aria-label]")).to_be_attached()
        return page

    return open_it


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def expect_measured(page):
    expect(page.locator("#sv-headline")).to_contain_text("medians of")


def open_again(page):
    """Another visit of the same person."""
    again = page.context.new_page()
    again.goto(page.url)
    expect(again.get_by_role("button", name="Tour", exact=True)).to_be_visible()
    expect(again.get_by_text("New here?")).to_be_hidden()
    return again


def card(page):
    return page.get_by_role("dialog")


def list_boxes(page):
    parts = (".sv-header > p", "#sv-upload", "#sv-headline", "#sv-tabs")
    return [page.locator(part).bounding_box() for part in parts]


def lie_apart(one, other):
    """Whether two boxes share no pixel."""
    beside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
    above = one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
    return beside or above


@pytest.mark.parametrize(
    ("width", "height", "query"), [(1280, 800, ""), (390, 844, "?__theme=dark")]
)
def test_six_stops_beside_what_they_are_about(open_page, width, height, query):
    page = open_page(width, height, query, reduced_motion="reduce")
    expect(page.get_by_text("New here?")).to_be_visible()
    before = list_boxes(page)
    press(page, "Tour")
    assert list_boxes(page) == before  # nothing jumps
    for number, (title, anchor) in enumerate(STOPS, start=1):
        expect(card(page)).to_have_accessible_name(title)
        expect(card(page)).to_contain_text(f"{number} of 6")
        expect(page.locator(anchor)).to_be_in_viewport(ratio=0.9)
        wait_two_frames(page)
        shown, about = card(page).bounding_box(), page.locator(anchor).bounding_box()
        assert lie_apart(shown, about), title
        assert shown["x"] >= 0
        assert shown["x"] + shown["width"] <= width
        assert shown["y"] >= 0
        assert shown["y"] + shown["height"] <= height
        expect_no_clipping(page)
        page.keyboard.press("Enter")
    expect(card(page)).to_have_count(0)
    expect(page.get_by_role("button", name="Tour", exact=True)).to_be_focused()


def test_the_tour_says_what_the_page_shows_and_is_offered_once(open_page):
    page = open_page()
    press(page, "Tour")
    page.keyboard.press("ArrowRight")
    expect(card(page)).to_contain_text("128 windows of 8 × 8")
    page.keyboard.press("ArrowRight")
    press(page, "30 %")  # the page stays in use
    expect(card(page)).to_contain_text("now 30 % in every layer")
    press(page, "Next")
    kept = 2 * sum(num_keep(total, 0.3) for total in (128, 32, 8, 8, 2))
    expect(card(page)).to_contain_text(f"{kept} of {2 * (128 + 32 + 8 + 8 + 2)} windows")
    page.keyboard.press("Escape")
    expect(card(page)).to_have_count(0)
    again = open_again(page)
    press(again, "Tour")
    expect(card(again)).to_have_accessible_name("The photo")


def test_no_is_an_answer_too(open_page):
    page = open_page()
    expect_measured(page)
    before = list_boxes(page)
    press(page, "Not now")
    expect(page.get_by_text("New here?")).to_be_hidden()
    assert list_boxes(page) == before
    open_again(page)


def test_a_presentation_goes_through_all_panels_by_keys(open_page):
    page = open_page(1024, 768)
    press(page, "Present")
    bar = page.get_by_role("navigation", name="Presentation")
    for number, (name, drawn) in enumerate(PANELS.items(), start=1):
        expect(bar).to_contain_text(f"{name} {number} of")
        expect(page.locator(drawn).first).to_be_visible()
        expect(page.locator("#sv-agreement strong")).to_be_in_viewport()
        wait_two_frames(page)
        expect_no_clipping(page)
        assert page.evaluate(CLIPPED) == [], name
        page.keyboard.press("ArrowRight" if number % 2 else "PageDown")
    page.keyboard.press("PageUp")
    expect(bar).to_contain_text("Learn 9 of")
    assert "present=1" in page.url
    page = open_page(1024, 768, "?present=1")
    bar = page.get_by_role("navigation", name="Presentation")
    expect(bar).to_contain_text("Photo and sliders 1 of 11")
    handle = page.get_by_role("slider", name="Sparsity of all layers", exact=True)
    handle.focus()
    page.keyboard.press("ArrowRight")  # the slider's own
    expect(handle).to_have_value("61")
    expect(bar).to_contain_text("1 of")
    page.keyboard.press("PageDown")  # a clicker's, on the slider that was just moved
    expect(bar).to_contain_text("Pruned windows 2 of 11")
    expect(handle).to_be_in_viewport()  # above the bar
    expect(handle).to_have_value("61")
    handle.evaluate("slider => slider.blur()")
    page.keyboard.press("Escape")
    expect(bar).to_have_count(0)
    expect(page.get_by_role("tablist").first).to_be_visible()
    assert "present" not in page.url


def test_a_presentation_comes_back_to_its_panel_after_a_reload(open_page):
    page = open_page(1024, 768, "?present=1")
    bar = page.get_by_role("navigation", name="Presentation")
    expect(bar).to_contain_text("1 of 11")
    handle = page.get_by_role("slider", name="Sparsity of all layers", exact=True)
    handle.press("ArrowRight")
    for _ in range(2):
        page.keyboard.press("PageDown")
    expect(bar).to_contain_text("Outputs 3 of 11")
    page.reload()  # while what was moved is being timed
    expect(bar).to_contain_text("Outputs 3 of 11")
    expect(handle).to_have_value("61")
    expect(page.locator(PANELS["Outputs"]).first).to_be_visible()
    page.keyboard.press("Escape")  # a presentation that is left begins anew
    press(page, "Present")
    expect(bar).to_contain_text("1 of 11")


def test_numbers_and_sliders_stay_beside_what_is_read(open_page):
    page = open_page(1024, 768)
    facts = page.locator(".sv-facts > div")
    expect(facts).to_have_count(4)
    tall = page.locator(".sv-headline").bounding_box()["height"]
    assert tall < 140  # beside a column of narrow facts it was 240
    page.get_by_role("tab", name="Learn").click()
    page.get_by_role("button", name="Show the answer").last.scroll_into_view_if_needed()
    for name in ("#sv-agreement strong", ".sv-master [type=range]", ".sv-stage [type=range]"):
        expect(page.locator(name).last).to_be_in_viewport()


@pytest.mark.parametrize(("width", "rows"), [(1280, 1), (1024, 2)])
def test_tabs_lie_in_tidy_rows(open_page, width, rows):
    page = open_page(width, 768)
    tops = page.get_by_role("tab").evaluate_all(
        "tabs => tabs.map((tab) => tab.getBoundingClientRect().top)"
    )
    assert len(set(tops)) == rows


def test_an_exercise_is_judged_and_answered(open_page):
    page = open_page()
    page.get_by_role("tab", name="Learn").click()
    task = page.locator(".sv-exercises section", has_text="Exercise 2")
    task.get_by_role("button", name="Check").click()
    expect(task).to_contain_text("Put one stage at 60 % and all others at 0 %.")
    task.get_by_role("button", name="Show the answer").click()
    expect(task.locator("tbody tr")).to_have_count(4)
    expect(task).to_contain_text(re.compile(r"The output changes least with stage \d"))
    task.get_by_role("button", name="Hide the answer").click()
    expect(task.locator("tbody")).to_be_hidden()


@pytest.mark.parametrize("query", ["", "?__theme=dark"])
def test_a_phone_leads_from_an_exercise_to_the_sliders_and_back(open_page, query):
    page = open_page(390, 844, query, reduced_motion="reduce")
    page.get_by_role("tab", name="Learn").click()
    task = page.locator(".sv-exercises section", has_text="Exercise 1")
    task.get_by_role("button", name="To the sliders").click()
    handle = page.get_by_role("slider", name="Sparsity of all layers", exact=True)
    expect(handle).to_be_focused()
    expect(handle).to_be_in_viewport()
    page.keyboard.press("ArrowRight")
    expect(handle).to_have_value("61")
    back = page.get_by_role("button", name="Back to exercise 1")
    expect(back).to_be_in_viewport(ratio=1)
    expect_no_clipping(page)
    back.click()
    expect(task.get_by_role("button", name="Check")).to_be_focused()
    expect(task).to_be_in_viewport()
    expect(back).to_be_hidden()
    task.get_by_role("button", name="To the sliders").click()
    expect(back).to_be_visible()
    task.scroll_into_view_if_needed()  # without the button
    expect(back).to_be_hidden()


def test_beside_the_sliders_no_way_leads_to_them(open_page):
    page = open_page()
    page.get_by_role("tab", name="Learn").click()
    expect(page.get_by_role("button", name="Show the answer")).to_have_count(3)
    expect(page.get_by_role("button", name="To the sliders")).to_have_count(0)


def test_the_block_explained_is_the_one_chosen(open_page):
    page = open_page()
    page.get_by_role("tab", name="Learn").click()
    figure = page.locator(".sv-learn figure")
    expect(figure).to_have_attribute("aria-busy", "false")
    page.get_by_label("Block explained").select_option(index=7)
    expect(figure).to_have_attribute("aria-busy", "false")
    expect(page.locator(".sv-learn-words").first).to_contain_text("of 8 × 8: here 2 × 4")
