"""A against B in a real browser: pin, change, compare, swap, open the link, let go."""

import re

import pytest
from app_support import serve
from axe_playwright_python.sync_playwright import Axe
from browser_support import expect_no_clipping
from playwright.sync_api import expect

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def server(home):
    with serve(home) as served:
        yield served


def press(page, name):
    """Press a button by keyboard."""
    page.get_by_role("button", name=name, exact=True).press("Enter")


def test_a_setting_is_pinned_compared_swapped_linked_and_let_go(new_page, server):
    page = new_page(server[0])
    expect(page.locator("#sv-windows canvas[role=img]")).to_be_visible()
    strip = page.locator("#sv-pin")
    place = strip.bounding_box()
    tabs = page.locator("#sv-tabs").bounding_box()
    assert place["y"] + place["height"] <= tabs["y"] + 1
    press(page, "Pin as A")
    expect(strip).to_contain_text("B is as A")
    expect(page.get_by_role("button", name="Compare", exact=True)).to_be_focused()
    page.get_by_role("button", name="Dense", exact=True).click()
    expect(strip).to_contain_text(re.compile(r"A\s*60 % pruned.*B\s*0 % pruned"))
    press(page, "Compare")
    expect(page.get_by_role("tab", name="A against B")).to_have_attribute("aria-selected", "true")

    masks = page.get_by_role("region", name="Windows that A and B keep")
    # 128 windows: A keeps 51, B all; after them stage 4 with 2, of which A keeps 1.
    expect(masks).to_contain_text("51 kept by both")
    expect(masks).to_contain_text("77 only by B")
    page.get_by_role("button", name="Stage 4 · block 2 · shifted: 50 % differ").press("Home")
    page.get_by_role("button", name=re.compile("Stage 1 · block 1")).press("End")
    expect(masks).to_contain_text("1 only by B")
    expect(page.locator("#sv-ab-facts")).to_contain_text(re.compile(r"own dense\d+\.\d %100\.0 %"))
    handle = page.get_by_role("slider", name="Share of the picture that shows A, beside B")
    handle.press("Home")
    expect(page.locator("#sv-compare .sv-out-left")).to_be_hidden()
    page.get_by_role("button", name=re.compile("Time A and B in turn")).click()
    expect(page.locator("#sv-ab-costs")).to_contain_text("in turn, in 3 rounds")
    options = {"runOnly": ["wcag2a", "wcag2aa"]}
    for context in ("#sv-pin", "#sv-compare", "#sv-ab-costs", "#sv-ab-facts"):
        assert Axe().run(page, context=context, options=options).response["violations"] == []
    page.set_viewport_size({"width": 390, "height": 844})
    expect_no_clipping(page)

    press(page, "Swap")
    expect(strip).to_contain_text(re.compile(r"A\s*0 % pruned.*B\s*60 % pruned"))
    expect(page).to_have_url(re.compile(r"sparsity=%5B%5B0\.6%5D.*&a=.*sparsity"))
    other = new_page(page.url)
    expect(other.locator("#sv-pin")).to_contain_text(re.compile(r"A\s*0 % pruned.*B\s*60 % pruned"))
    press(page, "Unpin")
    expect(page.get_by_role("button", name="Pin as A", exact=True)).to_be_focused()
    expect(page).not_to_have_url(re.compile("&a="))
    expect(page.get_by_role("button", name="Pin the present setting")).to_be_visible()
    expect(other.locator("#sv-pin")).to_contain_text("0 % pruned")
