"""The switch between a network's tasks, in a real browser."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from app_support import make_engine, offer_few_networks, serve_engine, write_many
from axe_playwright_python.sync_playwright import Axe
from browser_support import expect_no_clipping, wait_in
from playwright.sync_api import Route, expect

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def server(home):
    write_many(home)
    with offer_few_networks(home):
        engine = make_engine(home, model="many")
        with serve_engine(engine) as (url, _):
            yield url, engine


@pytest.fixture
def asked(server, monkeypatch):
    """(task, focal length) of every photo that the engine is asked to look at."""
    _, engine = server
    calls, real = [], engine.analyze

    def analyze(photo, settings, *rest):
        calls.append((settings.task, settings.focal_mm))
        return real(photo, settings, *rest)

    monkeypatch.setattr(engine, "analyze", analyze)
    return calls


@pytest.fixture
def open_page(new_page, server):
    def open_it(width=1280, height=800, query=""):
        page = new_page(server[0] + query, width, height)
        expect(page.locator("#sv-windows canvas[role=img]")).to_be_visible()
        return page

    return open_it


#: Notes every task that the switch stands at from now on, frame by frame.
_WATCH = """() => {
  window.chosen = [];
  (function look() {
    const { value } = document.querySelector("#sv-task input:checked");
    if (window.chosen.at(-1) !== value) window.chosen.push(value);
    requestAnimationFrame(look);
  })();
}"""


def radio(page, name):
    return page.get_by_role("radiogroup", name="What the network finds").get_by_label(
        name, exact=True
    )


def read_link(page):
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_the_switch_changes_what_is_asked_and_the_link(open_page, asked):
    page = open_page()
    agreement, focal = page.locator("#sv-agreement"), page.get_by_label("Focal length")
    expect(radio(page, "Classes")).to_be_checked()
    expect(focal).to_be_hidden()
    assert "task" not in read_link(page)
    radio(page, "Classes").focus()
    page.keyboard.press("ArrowRight")
    expect(agreement).to_contain_text("panoptic quality")
    expect(page).to_have_url(re.compile("task=instance"))
    assert asked[-1] == ("instance", None)
    radio(page, "3D boxes").check()
    expect(agreement).to_contain_text("3D boxes")
    expect(page.locator("#sv-camera")).to_contain_text("assumed")
    focal.fill("28")
    focal.press("Enter")
    expect(page.locator("#sv-camera")).to_have_text(
        "Camera as given: 28 mm in terms of 35 mm film."
    )
    assert asked[-1] == ("boxes3d", 28)
    link = read_link(page)
    assert (link["task"], link["focal"]) == ("boxes3d", "28")
    focal.fill("wide")
    focal.press("Enter")
    expect(page.locator(".toast-body")).to_contain_text("5 to 2000 mm")
    expect(focal).to_have_value("28")
    again = open_page(query=f"?{urlsplit(page.url).query}")
    expect(radio(again, "3D boxes")).to_be_checked()
    expect(again.get_by_label("Focal length")).to_have_value("28")
    radio(page, "Classes").check()
    expect(agreement).to_contain_text("pixels with the class")
    expect(focal).to_be_hidden()
    expect(page).not_to_have_url(re.compile("task="))
    assert asked[-1] == (None, 28)


def test_a_second_press_is_not_undone_by_the_answer_to_the_first(open_page, asked):
    page = open_page()
    sent, agreement = [], page.locator("#sv-agreement")
    # The second request stays on its way until the first is answered.
    is_second = re.compile(r'\\"task\\":\\"boxes3d\\"')

    def hold(route):
        (sent.append if is_second.search(route.request.post_data) else Route.continue_)(route)

    page.route(re.compile("/queue/join"), hold)
    radio(page, "Instances").click()
    radio(page, "3D boxes").click()
    page.evaluate(_WATCH)
    expect(agreement).to_contain_text("panoptic quality")
    wait_in(page, lambda: bool(sent))
    sent[0].continue_()
    expect(page).to_have_url(re.compile("task=boxes3d"))
    expect(radio(page, "3D boxes")).to_be_checked()
    expect(agreement).to_contain_text("3D boxes")
    assert asked == [("instance", None), ("boxes3d", None)]
    assert page.evaluate("window.chosen") == ["boxes3d"]


def test_a_network_of_one_task_has_no_switch_and_says_what_it_does_instead(open_page):
    page = open_page(query="?task=instance")
    expect(radio(page, "Instances")).to_be_checked()
    box = page.get_by_label("Network", exact=True)
    box.fill("small")
    box.press("Enter")
    expect(page.locator("#sv-fed")).to_contain_text("This network gives no instances")
    expect(page.locator("#sv-task")).to_be_hidden()
    expect(page).not_to_have_url(re.compile("task="))


@pytest.mark.parametrize(("width", "theme"), [(1280, "dark"), (390, "light")])
def test_the_switch_is_clear_and_whole_on_any_screen(open_page, width, theme):
    page = open_page(width, query=f"?__theme={theme}&task=boxes3d")
    expect(radio(page, "3D boxes")).to_be_checked()
    expect(page.locator("#sv-camera")).to_be_visible()
    expect_no_clipping(page)
    options = {"runOnly": ["wcag2a", "wcag2aa"]}
    response = Axe().run(page, context="#sv-task", options=options).response
    assert response["violations"] == []


def test_a_list_of_choices_closes_when_tab_leaves_it(open_page):
    page = open_page()
    field, options = page.get_by_label("Short side"), page.get_by_role("listbox")
    field.click()
    expect(options).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Dense", exact=True)).to_be_visible()
    expect(field).not_to_be_focused()
    expect(options).to_have_count(0)
    expect(field).to_have_value("256")
