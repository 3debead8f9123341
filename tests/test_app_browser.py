"""The page in a real browser, Debian's chromium: what a person sees, moves and reads."""

import os
import re
import shutil

import pytest

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from app_support import serve, write_home, write_photo
from playwright.sync_api import expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
PATIENCE_MS = 60_000

pytestmark = pytest.mark.ui

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if CHROMIUM is None:
        message = "chromium is missing; on Debian: apt-get install chromium"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with serve(write_home(tmp_path_factory.mktemp("home"))) as served:
        yield served


@pytest.fixture(scope="module")
def browser(server):
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(server, browser):
    """Opens the page; at the end no console error and no request to another machine is left."""
    contexts, problems = [], []

    def watch(page):
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: message.type == "error" and problems.append(message.text),
        )
        page.on(
            "request",
            lambda request: (
                request.url.startswith((server[0], "data:", "blob:"))
                or problems.append(f"request to {request.url}")
            ),
        )

    def open_it(width=1280, height=800, query=""):
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        watch(page)
        page.goto(server[0] + query)
        expect(page.locator("#sv-panel input[type=range]").first).to_be_visible()
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(open_page):
    return open_page()


def overlay(page):
    return page.locator("#sv-windows figure img")


def slider(page, name):
    return page.get_by_role("slider", name=name, exact=True)


def number(page, name):
    return page.get_by_role("spinbutton", name=f"{name}, in percent", exact=True)


def set_number(page, name, percent):
    number(page, name).fill(str(percent))
    number(page, name).press("Enter")


def expect_measured(page):
    expect(page.locator("#sv-speedup strong")).to_have_text(re.compile(r"^\d+\.\d\d×$"))


def test_shows_a_result_without_a_click_and_without_scrolling(page):
    expect(overlay(page)).to_be_in_viewport(ratio=1)
    expect(overlay(page)).to_have_attribute("alt", re.compile("pruned windows of Stage 1"))
    expect_measured(page)
    expect(page.locator("#sv-agreement strong")).to_have_text(re.compile(r"^\d+\.\d %$"))
    for name in ("#sv-speedup", "#sv-agreement", "#sv-photo", "#sv-panel"):
        expect(page.locator(name)).to_be_in_viewport(ratio=1)
    expect(page.locator("#sv-fed")).to_contain_text("256 × 512")


def test_a_slider_moves_by_keyboard_and_changes_masks_and_numbers(page):
    before = overlay(page).get_attribute("src")
    kept = page.locator("#sv-panel .sv-stage", has_text="Stage 1").locator(".sv-count")
    expect(kept).to_have_text("51/128")
    slider(page, "Sparsity of stage 1").focus()
    page.keyboard.press("PageDown")
    page.keyboard.press("ArrowLeft")
    expect(kept).not_to_have_text("51/128")
    words = kept.text_content().split("/")[0]
    expect(page.locator("#sv-windows figcaption b")).to_have_text(words)
    expect(overlay(page)).not_to_have_attribute("src", before)
    expect_measured(page)
    expect(slider(page, "Sparsity of stage 1")).to_be_focused()


def test_linked_sliders_never_fall_inside_a_stage_and_free_ones_may(page):
    first, second = "Sparsity of stage 3, pair 1", "Sparsity of stage 3, pair 2"
    set_number(page, first, 80)
    expect(slider(page, second)).to_have_value("80")
    set_number(page, second, 30)
    expect(slider(page, first)).to_have_value("30")
    page.get_by_label("link inside a stage").uncheck()
    set_number(page, first, 50)
    expect(slider(page, second)).to_have_value("30")
    captions = page.locator("#sv-filmstrip button em")
    expect(captions.nth(4)).to_have_text("50%")
    expect(captions.nth(6)).to_have_text("62%")
    page.get_by_label("link inside a stage").check()
    expect(slider(page, second)).to_have_value("50")
    expect(captions.nth(6)).to_have_text("50%")
    expect(page.locator("#sv-panel .sv-row", has=slider(page, second))).to_contain_text("4/8")


def test_the_newest_of_many_moves_wins(page):
    handle = slider(page, "Sparsity of all layers")
    handle.focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    expect(handle).to_have_value("48")
    expect(page.locator("#sv-windows figcaption b")).to_have_text("66")
    expect_measured(page)
    expect(handle).to_have_value("48")


def test_presets_set_all_sliders(page):
    page.get_by_role("button", name="Dense", exact=True).click()
    expect(page.locator("#sv-agreement strong")).to_have_text("100.0 %")
    expect(page.get_by_role("button", name="Dense", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    page.get_by_role("button", name="paper 35").click()
    expect(slider(page, "Sparsity of stage 1")).to_have_value("60")
    expect(slider(page, "Sparsity of stage 2")).to_have_value("0")
    expect(page.locator("#sv-filmstrip button em").nth(2)).to_have_text("100%")


def test_looking_elsewhere_does_not_run_the_network(page):
    headline = page.locator("#sv-speedup strong").text_content()
    page.get_by_role("button", name=re.compile("^Stage 3 · block 2 · shifted:")).click()
    expect(overlay(page)).to_have_attribute("alt", re.compile("Stage 3 · block 2"))
    expect(page.get_by_label("Block", exact=True)).to_have_value("Stage 3 · block 2 · shifted")
    page.get_by_label("Scores").check()
    expect(overlay(page)).to_have_attribute("alt", re.compile("scores of Stage 3"))
    page.get_by_label("Compute map").check()
    expect(overlay(page)).to_have_attribute("alt", re.compile("share of the blocks|Photo coloured"))
    expect(page.locator("#sv-speedup strong")).to_have_text(headline)


def test_tabs_show_outputs_latency_and_take_away(page):
    page.get_by_role("tab", name="Outputs").click()
    expect(page.get_by_alt_text("Output of the dense network")).to_be_visible()
    page.get_by_label("Share of the picture that shows the dense output").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("columnheader", name="IoU")).to_be_visible()
    page.get_by_role("button", name="Dense", exact=True).click()
    expect(page.locator("#sv-outputs")).to_contain_text("0.0% of the pixels")
    page.get_by_role("tab", name="Latency").click()
    expect(page.get_by_role("columnheader", name="windows kept / all")).to_be_visible()
    page.get_by_role("button", name=re.compile("Measure again")).click()
    expect(page.locator("#sv-latency")).to_contain_text("Medians of 3 interleaved")
    page.get_by_role("tab", name="Take away").click()
    expect(page.locator(".cm-content").first).to_contain_text("load_model('small')")
    expect(page.locator(".cm-content").first).to_contain_text("[[0.0], [0.0], [0.0, 0.0], [0.0]]")


def test_a_photo_of_ones_own_and_a_bad_one(page, tmp_path):
    chooser = page.locator("#sv-photo input[type=file]")
    page.get_by_role("button", name="Example: street b").click()
    expect(page.locator("#sv-fed")).to_contain_text("Photo 224 × 512")
    chooser.set_input_files(write_photo(tmp_path / "mine.png", 3, size=(320, 480)))
    expect(page.locator("#sv-fed")).to_contain_text("Photo 320 × 480")
    expect_measured(page)
    before = overlay(page).get_attribute("src")
    page.locator("#sv-photo").get_by_label("Remove Image").click()
    bad = tmp_path / "bad<b>.png"
    bad.write_bytes(b"this is text")
    chooser.set_input_files(bad)
    expect(page.get_by_test_id("toast-body")).to_contain_text("is not an image that can be read")
    expect(overlay(page)).to_have_attribute("src", before)
    expect(page.locator("#sv-photo img")).to_be_visible()
    slider(page, "Sparsity of stage 1").press("ArrowLeft")
    expect(overlay(page)).not_to_have_attribute("src", before)
    expect(page.locator("#sv-fed")).to_contain_text("Photo 320 × 480")


def test_another_network_brings_its_sliders(page):
    expect(page.locator("#sv-panel .sv-row")).to_have_count(6)
    page.get_by_label("Network").click()
    expect(page.get_by_role("option", name=re.compile("downloads 113 MB"))).to_be_visible()
    page.get_by_role("option", name="other").click()
    expect(page.locator("#sv-panel .sv-row")).to_have_count(7)
    expect(page.locator("#sv-filmstrip button")).to_have_count(12)
    page.get_by_label("Network").fill("nonsense")
    page.get_by_label("Network").press("Enter")
    expect(page.get_by_test_id("toast-body")).to_contain_text("no model named")
    expect(page.get_by_label("Network")).to_have_value("other")


@pytest.mark.parametrize("query", ["", "?__theme=dark"])
def test_a_phone_clips_nothing(open_page, query):
    page = open_page(390, 844, query)
    expect(overlay(page)).to_be_visible()
    widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    for tab in ("Outputs", "Latency", "Take away", "Pruned windows"):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
        inner, outer = page.evaluate(widths)
        assert inner <= outer
    assert page.evaluate("document.body.classList.contains('dark')") == bool(query)
