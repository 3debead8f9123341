"""The tab Search in a real browser, with a search that invents its numbers."""

import json
import re

import pytest
from app_support import search_slowly, serve
from axe_playwright_python.sync_playwright import Axe
from browser_support import expect_no_clipping
from playwright.sync_api import expect

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def server(home):
    with pytest.MonkeyPatch.context() as patch, serve(home) as served:
        patch.setattr("app.engine.local.search_photo", search_slowly(0.1))
        yield served


@pytest.fixture
def open_page(new_page, server):
    def open_it(width=1280, height=800, query=""):
        page = new_page(server[0] + query, width, height)
        expect(page.locator("#sv-speedup strong")).to_have_text(re.compile(r"^\d+\.\d\d×$"))
        page.get_by_role("tab", name="Search").click()
        expect(page.locator("#sv-search svg")).to_be_visible()
        return page

    return open_it


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def slider(page, name):
    return page.get_by_role("slider", name=name, exact=True)


def words(page):
    return page.locator(".sv-search-state p").first


def test_a_search_is_watched_stopped_resumed_and_used(open_page):
    page = open_page()
    expect(button(page, "Put the best on the sliders")).to_be_disabled()
    page.get_by_role("spinbutton", name="Trials").fill("300")
    press(page, "Start")
    expect(words(page)).to_have_text(re.compile(r"^Trial \d+ of 300, best .* at 0\.\d\d× of dense"))
    expect(page.locator("#sv-search progress")).to_be_visible()
    expect(page.locator("#sv-search .sv-mark.found").nth(2)).to_be_visible()
    page.get_by_role("slider", name="Sparsity of stage 1").press("ArrowLeft")  # meanwhile
    expect(page.locator("#sv-search .sv-mark.sparse title")).to_contain_text("now: 59 /")
    press(page, "Stop")
    expect(words(page)).to_have_text(re.compile(r"^Stopped: trial \d+ of 300"))
    expect(page.locator("#sv-search progress")).to_have_count(0)
    page.get_by_role("spinbutton", name="Trials").fill("40")
    press(page, "Resume")
    expect(words(page)).to_have_text(re.compile(r"^Done: \d+ schedules tried"))
    with page.expect_download() as waiting:
        press(page, "Download frontier.json")
    best = json.loads(waiting.value.path().read_text(encoding="utf-8"))["schedule"]
    press(page, "Put the best on the sliders")
    expect(slider(page, "Sparsity of stage 1")).to_have_value(str(round(100 * best[0][0])))
    expect(page.locator("#sv-search .sv-mark.found .sv-ring")).to_have_count(1)


def test_a_point_of_the_frontier_is_used_by_keyboard(open_page):
    page = open_page()
    page.get_by_role("spinbutton", name="Trials").fill("8")
    press(page, "Start")
    expect(button(page, "Search again")).to_be_visible()
    point = page.locator("#sv-search g[role=button][aria-label^='66 %']")
    point.focus()
    page.keyboard.press("Enter")
    expect(slider(page, "Sparsity of all layers")).to_have_value("66")
    expect(point.locator(".sv-ring")).to_have_count(1)
    page.get_by_role("tab", name="Trade-off").click()
    expect(page.locator("#sv-history polyline.found")).to_be_visible()
    expect(page.locator("#sv-history")).to_contain_text("found after 8 trials")


@pytest.mark.parametrize("query", ["", "?__theme=dark"])
def test_it_fits_a_phone_and_stands_in_nobody_s_way(open_page, query):
    page = open_page(390, 844, query)
    page.get_by_role("spinbutton", name="Trials").fill("8")
    press(page, "Start")
    expect(button(page, "Search again")).to_be_visible()
    expect_no_clipping(page)
    violations = Axe().run(page).response["violations"]
    serious = [v for v in violations if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [node["html"][:160] for node in v["nodes"]]) for v in serious] == []


def test_two_people_search_apart(open_page):
    first, second = open_page(), open_page()
    first.get_by_role("spinbutton", name="Trials").fill("6")
    second.get_by_role("spinbutton", name="Trials").fill("4")
    press(first, "Start")
    press(second, "Start")
    expect(words(first)).to_have_text(re.compile("^Done: 6 schedules"))
    expect(words(second)).to_have_text(re.compile("^Done: 4 schedules"))
