"""The page in a real browser, Debian's chromium: what a person sees, moves and reads."""

import re
import zipfile

import pytest
from app_support import schedule, serve, write_photo
from axe_playwright_python.sync_playwright import Axe
from browser_support import expect_no_clipping, wait_in
from latency_support import set_load
from playwright.sync_api import Route, expect

# Of each tab what is there once it has its data.
DRAWN = {
    "Pruned windows": "#sv-windows canvas[role=img][aria-label]",
    "Outputs": "#sv-outputs canvas[role=img][aria-label]",
    "Where it errs": "#sv-lens canvas[role=img][aria-label]",
    "A against B": "#sv-ab-costs button",
    "Latency": "#sv-latency table",
    "Trade-off": "#sv-history svg",
    "Search": "#sv-search svg",
    "Learn": "#sv-learn canvas[role=img][aria-label]",
    "Video": ".sv-vid-pictures canvas[role=img][aria-label]",
    "Take away": ".sv-code textarea",
}

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def server(home):
    with serve(home) as served:
        yield served


@pytest.fixture
def open_page(new_page, server):
    def open_it(width=1280, height=800, query=""):
        page = new_page(server[0] + query, width, height)
        expect(page.locator("#sv-panel input[type=range]").first).to_be_visible()
        return page

    return open_it


@pytest.fixture
def page(open_page):
    return open_page()


def masks(page):
    """The picture of the masks; its label says in words and numbers what it shows."""
    return page.locator("#sv-windows canvas[role=img]")


def caption(page):
    return page.locator("#sv-windows .sv-win-caption")


def expect_kept(page, kept, total=128):
    expect(page.locator(".sv-windows")).to_have_attribute("aria-busy", "false")  # no preview
    expect(caption(page)).to_contain_text(f"computed {kept} of {total} windows")


def slider(page, name):
    return page.get_by_role("slider", name=name, exact=True)


def number(page, name):
    return page.get_by_role("spinbutton", name=f"{name}, in percent", exact=True)


def set_number(page, name, percent):
    number(page, name).fill(str(percent))
    number(page, name).press("Enter")


def expect_measured(page):
    expect(page.locator("#sv-speedup strong")).to_have_text(re.compile(r"^\d+\.\d\d×$"))


def open_tab(page, name):
    tab = page.get_by_role("tab", name=name)
    tab.click()
    expect(tab).to_have_attribute("aria-selected", "true")
    expect(page.locator(DRAWN[name]).first).to_be_visible()


def test_shows_a_result_without_a_click_and_without_scrolling(page):
    expect(masks(page)).to_be_in_viewport(ratio=1)
    expect(masks(page)).to_have_attribute("aria-label", re.compile("Stage 1 · block 1"))
    expect_kept(page, 51)
    expect_measured(page)
    expect(page.locator("#sv-agreement strong")).to_have_text(re.compile(r"^\d+\.\d %$"))
    for name in ("#sv-speedup", "#sv-agreement", "#sv-upload", "#sv-panel"):
        expect(page.locator(name)).to_be_in_viewport(ratio=1)
    expect(page.locator("#sv-fed")).to_contain_text("256 × 512")


@pytest.fixture
def many_presets(monkeypatch):
    """As many presets as a network has that ships with a frontier."""
    ours = [(share, schedule(0.5, (2, 2, 6, 2))) for share in (0.8, 0.7, 0.6, 0.5)]
    monkeypatch.setattr("app.page.panel.list_ours", lambda settings: ours)


@pytest.fixture
def open_other(open_page, many_presets):
    """The page with as many sliders and presets as it has of our network."""

    def open_it(width, height):
        page = open_page(width, height, "?model=other")
        expect(page.get_by_role("button", name="ours 0.5×")).to_be_visible()
        expect(slider(page, "Sparsity of stage 3, pair 3")).to_be_visible()
        return page

    return open_it


def test_a_projector_shows_every_slider_without_scrolling(open_other):
    page = open_other(1024, 768)
    expect(page.locator("#sv-panel")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (390, 844)])
def test_a_chosen_preset_explains_itself_and_moves_no_slider(open_other, width, height):
    page = open_other(width, height)
    note = page.locator(".sv-preset-note")
    expect(note).to_contain_text("60 %")
    presets = page.get_by_role("group", name="Presets").get_by_role("button")
    before = slider(page, "Sparsity of stage 4").bounding_box()
    told = set()
    for button in presets.all():
        button.press("Enter")
        expect(button).to_have_attribute("aria-pressed", "true")
        told.add(note.text_content())
        assert slider(page, "Sparsity of stage 4").bounding_box() == before
    assert len(told) == 7  # the four of ours are one schedule here
    set_number(page, "Sparsity of stage 1", 11)
    expect(note).to_contain_text("by hand")
    assert slider(page, "Sparsity of stage 4").bounding_box() == before


def test_a_slider_moves_by_keyboard_and_changes_masks_and_numbers(page):
    kept = page.locator("#sv-panel .sv-stage", has_text="Stage 1").locator(".sv-count")
    expect(kept).to_have_text("51/128")
    slider(page, "Sparsity of stage 1").focus()
    page.keyboard.press("PageDown")
    page.keyboard.press("ArrowLeft")
    expect(kept).not_to_have_text("51/128")
    expect_kept(page, kept.text_content().split("/")[0])
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
    captions = page.locator("#sv-windows .sv-win-strip em")
    expect(captions.nth(4)).to_have_text("50 %")
    expect(captions.nth(6)).to_have_text("63 %")
    page.get_by_label("link inside a stage").check()
    expect(slider(page, second)).to_have_value("50")
    expect(captions.nth(6)).to_have_text("50 %")
    expect(page.locator("#sv-panel .sv-row", has=slider(page, second))).to_contain_text("4/8")


def test_the_newest_of_many_moves_wins(page):
    handle = slider(page, "Sparsity of all layers")
    handle.focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    expect(handle).to_have_value("48")
    expect_kept(page, 66)
    expect_measured(page)
    expect(handle).to_have_value("48")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_busy_machine_is_named_until_it_is_quiet(open_page, monkeypatch, doubt_load, width):
    set_load(monkeypatch, 0.0)
    page = open_page(width, query="?__theme=dark")
    expect_measured(page)
    expect(page.locator("#sv-headline")).to_contain_text("medians of 2")
    parts = [page.locator(name) for name in ("#sv-headline", ".sv-win-stage")]
    before = [part.bounding_box() for part in parts]
    set_load(monkeypatch, 0.38)
    slider(page, "Sparsity of stage 1").focus()
    page.keyboard.press("ArrowLeft")
    headline = page.locator("#sv-headline")
    expect(headline).to_contain_text("timed again when quiet")
    expect(page.locator("#sv-speedup strong")).to_have_text("machine busy")
    assert [part.bounding_box() for part in parts] == before
    open_tab(page, "Latency")
    expect(page.locator("#sv-latency")).to_contain_text(
        "This machine is busy: other programs used 38 %"
    )
    expect_no_clipping(page)
    set_load(monkeypatch, 0.0)
    expect_measured(page)
    expect(page.locator("#sv-latency")).to_contain_text("Speed-up")


def test_windows_are_chosen_by_hand_and_let_go(page):
    expect_kept(page, 51)
    page.get_by_role("button", name="Brush").click()
    page.get_by_role("radio", name="Skip", exact=True).check()
    box = page.locator(".sv-win-stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + box["width"] / 6, y, steps=3)
    page.mouse.up()
    words = page.locator(".sv-win-brush-words")
    expect(words).to_have_text(
        re.compile(r"0 kept and \d+ skipped by hand: agreement .* your choice")
    )
    expect(page.locator(".sv-by-hand")).to_contain_text("chosen by hand")
    expect(caption(page)).to_contain_text("or you chose so")
    expect(page.locator(".sv-win-tip")).to_contain_text("skipped by you")
    page.keyboard.press("Control+z")
    expect(words).to_contain_text("Paint windows")
    expect_kept(page, 51)
    expect(page.locator(".sv-by-hand")).to_be_hidden()


def test_worth_is_asked_for_and_one_window_left_out(page):
    expect_kept(page, 51)
    page.get_by_role("radio", name="Worth", exact=True).check()
    expect(caption(page)).to_contain_text("Rank correlation of the two")
    page.locator(".sv-win-stage").click()
    expect(page.locator(".sv-win-left")).to_have_text(re.compile("^Measured: .* stage 1"))


def test_presets_set_all_sliders(page):
    page.get_by_role("button", name="Dense", exact=True).click()
    expect(page.locator("#sv-agreement strong")).to_have_text("100.0 %")
    expect(page.get_by_role("button", name="Dense", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    page.get_by_role("button", name="paper 35").click()
    expect(slider(page, "Sparsity of stage 1")).to_have_value("60")
    expect(slider(page, "Sparsity of stage 2")).to_have_value("0")
    expect(page.locator("#sv-windows .sv-win-strip em").nth(2)).to_have_text("100 %")


def test_looking_elsewhere_asks_the_server_for_nothing(page):
    expect(page.locator("#sv-headline")).to_contain_text("medians of 2")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("button", name=re.compile("^Stage 3 · block 2 · shifted:")).click()
    expect(masks(page)).to_have_attribute("aria-label", re.compile("Stage 3 · block 2"))
    page.get_by_label("Scores").check()
    expect(masks(page)).to_have_attribute("aria-label", re.compile("^Scores"))
    page.get_by_label("Compute map").check()
    expect(masks(page)).to_have_attribute("aria-label", re.compile("^Compute map"))
    assert [url for url in asked if "heartbeat" not in url] == []


def test_the_last_of_two_tabs_chosen_at_once_is_drawn(page):
    expect_measured(page)
    held = []
    page.route(re.compile("/run/"), lambda route: route.continue_() if held else held.append(route))
    with page.expect_request(re.compile("/run/")):
        page.get_by_role("tab", name="Learn").click()
    page.get_by_role("tab", name="Take away").click()
    page.wait_for_timeout(500)  # the second choice is made while the first waits for its answer
    held[0].continue_()
    expect(page.locator(DRAWN["Take away"]).first).to_be_visible()


def test_tabs_show_outputs_latency_and_take_away(page):
    open_tab(page, "Outputs")
    expect(page.get_by_role("columnheader", name=re.compile("IoU")).first).to_be_visible()
    open_tab(page, "Latency")
    expect(page.get_by_role("columnheader", name="windows kept / all")).to_be_visible()
    page.get_by_role("button", name=re.compile("Measure again")).click()
    expect(page.locator("#sv-latency")).to_contain_text("Medians of 3 interleaved")
    expect(page.locator("#sv-latency")).to_contain_text("Memory of one forward")
    open_tab(page, "Learn")
    expect(page.locator("#sv-learn")).to_contain_text("Gather")
    page.get_by_role("button", name="Dense", exact=True).click()
    open_tab(page, "Take away")
    snippet = page.locator(".sv-code textarea").first
    expect(snippet).to_have_value(re.compile(r"load_model\('small'\)"))
    expect(snippet).to_have_value(re.compile(re.escape("[[0.0], [0.0], [0.0, 0.0], [0.0]]")))


def test_the_history_leads_back_to_every_setting(page):
    measured = page.locator("#sv-headline")
    expect(measured).to_contain_text("medians of 2")
    for name, kept in (("30 %", "89 of 128"), ("Dense", "all 128")):
        page.get_by_role("button", name=name, exact=True).click()
        expect(caption(page)).to_contain_text(f"computed {kept} windows")
        expect(page.locator(".sv-windows")).to_have_attribute("aria-busy", "false")
        expect(measured).to_contain_text("medians of 2")
    open_tab(page, "Trade-off")
    rows = page.locator("#sv-history tbody tr")
    expect(rows).to_have_count(3)  # and what the page opened with
    page.locator("#sv-history g[role=button][aria-label^='30 %']").focus()
    page.keyboard.press("Enter")
    expect(slider(page, "Sparsity of all layers")).to_have_value("30")
    expect(rows.nth(1).get_by_role("button")).to_have_text("shown")
    page.get_by_role("button", name=re.compile("Compare with dense")).click()
    expect(page.locator("#sv-sizes")).to_contain_text("this setting")
    expect(page.locator("#sv-sizes svg")).to_be_visible()


def test_a_link_reopens_this_very_state(page, open_page):
    page.get_by_role("button", name="Example: street b").click()
    expect(page.locator("#sv-fed")).to_contain_text("Photo 224 × 512")
    set_number(page, "Sparsity of stage 3, pair 2", 80)
    expect_measured(page)
    open_tab(page, "Take away")
    expect(page.locator(".sv-address input")).to_have_value(re.compile("0.8.*photo=street"))
    link = page.locator(".sv-address input").input_value()
    other = open_page(query=link.partition("?")[1] + link.partition("?")[2])
    expect(other.locator("#sv-fed")).to_contain_text("Photo 224 × 512")
    expect(slider(other, "Sparsity of stage 3, pair 2")).to_have_value("80")
    expect(slider(other, "Sparsity of stage 3, pair 1")).to_have_value("60")


def test_the_zip_can_be_downloaded(page):
    open_tab(page, "Take away")
    page.get_by_role("button", name=re.compile("Make a zip")).click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download sparsevit-").click()
    assert zipfile.is_zipfile(waiting.value.path())


def test_a_photo_of_ones_own_and_a_bad_one(page, tmp_path):
    chooser = page.locator("#sv-upload input[type=file]")
    page.get_by_role("button", name="Example: street b").click()
    expect(page.locator("#sv-fed")).to_contain_text("Photo 224 × 512")
    chooser.set_input_files(write_photo(tmp_path / "mine.png", 3, size=(320, 480)))
    expect(page.locator("#sv-fed")).to_contain_text("Photo 320 × 480")
    expect_measured(page)
    page.locator("#sv-upload").get_by_label("Remove Image").click()
    bad = tmp_path / "bad<b>.png"
    bad.write_bytes(b"this is text")
    chooser.set_input_files(bad)
    expect(page.get_by_test_id("toast-body")).to_contain_text("is not an image that can be read")
    expect(page.locator("#sv-upload img")).to_have_attribute("src", re.compile("mine.png"))
    set_number(page, "Sparsity of stage 1", 50)
    expect(caption(page)).to_contain_text("computed 48 of 96 windows")
    expect(page.locator("#sv-fed")).to_contain_text("Photo 320 × 480")


def test_a_lost_connection_loses_neither_photo_nor_move(page, tmp_path):
    chooser = page.locator("#sv-upload input[type=file]")
    chooser.set_input_files(write_photo(tmp_path / "mine.png", 3, size=(320, 480)))
    expect(page.locator("#sv-fed")).to_contain_text("Photo 320 × 480")
    page.context.set_offline(True)
    set_number(page, "Sparsity of stage 1", 50)
    expect(page.get_by_test_id("toast-body")).to_contain_text("onnection")
    page.context.set_offline(False)
    expect(caption(page)).to_contain_text("computed 48 of 96 windows")
    expect(page.locator("#sv-fed")).to_contain_text("Photo 320 × 480")
    expect(slider(page, "Sparsity of stage 1")).to_have_value("50")


@pytest.fixture
def asked(server, monkeypatch):
    """Names of the example photos that the engine is asked to look at."""
    names, real = [], server[1].analyze

    def analyze(photo, *rest):
        names.append(photo.example)
        return real(photo, *rest)

    monkeypatch.setattr(server[1], "analyze", analyze)
    return names


def test_a_slider_moved_while_another_photo_loads_keeps_its_place(page, server, asked):
    expect_measured(page)
    with server[1].turns.lock:  # the photo has to wait
        page.get_by_role("button", name="Example: street b").click()
        wait_in(page, lambda: bool(asked))
        set_number(page, "Sparsity of stage 1", 50)
    expect(page.locator("#sv-fed")).to_contain_text("Photo 224 × 512")
    expect_kept(page, 72, 144)
    expect(slider(page, "Sparsity of stage 1")).to_have_value("50")


def test_a_request_that_another_overtakes_on_its_way_undoes_nothing(page, asked):
    expect_measured(page)
    held = []

    def hold(route):
        is_first_run = "sparsities" in route.request.post_data and not held
        (held.append if is_first_run else Route.continue_)(route)

    page.route(re.compile("/queue/join"), hold)
    set_number(page, "Sparsity of stage 1", 50)
    wait_in(page, lambda: bool(held))
    page.get_by_role("button", name="Example: street b").click()
    expect(page.locator("#sv-fed")).to_contain_text("Photo 224 × 512")
    held[0].continue_()
    page.wait_for_timeout(1000)  # far more than it takes to be asked
    assert asked == ["street b"]
    expect(page.locator("#sv-fed")).to_contain_text("Photo 224 × 512")
    expect_kept(page, 72, 144)


def test_another_network_brings_its_sliders(page):
    expect(page.locator("#sv-panel .sv-row")).to_have_count(6)
    page.get_by_role("combobox", name="Network").click()
    expect(page.get_by_role("option", name=re.compile("downloads 113 MB"))).to_be_visible()
    page.get_by_role("option", name="other").click()
    expect(page.locator("#sv-panel .sv-row")).to_have_count(7)
    expect(page.locator("#sv-windows .sv-win-strip button")).to_have_count(12)
    page.get_by_role("combobox", name="Network").fill("nonsense")
    page.get_by_role("combobox", name="Network").press("Enter")
    expect(page.get_by_test_id("toast-body")).to_contain_text("no model named")
    expect(page.get_by_role("combobox", name="Network")).to_have_value("other")


@pytest.mark.parametrize("query", ["", "?__theme=dark"])
def test_a_phone_clips_nothing(open_page, query):
    page = open_page(390, 844, query)
    expect_measured(page)
    for name in DRAWN:
        open_tab(page, name)
        expect_no_clipping(page)
    assert page.evaluate("document.body.classList.contains('dark')") == bool(query)
    expect(page.locator("footer")).to_have_text("Settings", use_inner_text=True)  # no stray sign


@pytest.mark.parametrize(
    ("query", "options"),
    [("", None), ("?__theme=dark", {"runOnly": ["color-contrast"]})],
    ids=["light", "dark"],
)
def test_nothing_serious_stands_in_the_way_of_anybody(open_page, query, options):
    page = open_page(query=query)
    expect_measured(page)
    found = []
    for name in DRAWN:
        open_tab(page, name)
        for violation in Axe().run(page, options=options).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                nodes = [node["html"][:160] for node in violation["nodes"]]
                found.append((name, violation["id"], nodes))
    assert found == []


def test_the_main_loop_by_keyboard_alone(page):
    expect_measured(page)
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(document.activeElement.getAttribute('aria-label')"
                " || document.activeElement.textContent).trim()"
            )
        )
        if reached[-1] == "Sparsity of stage 1":
            break
    assert "Dense" in reached
    page.keyboard.press("Home")
    expect(caption(page)).to_contain_text("computed all 128 windows")


def test_two_tabs_of_one_person_are_two_pages(open_page, tmp_path):
    first, second = open_page(), open_page()
    set_number(first, "Sparsity of stage 1", 25)
    expect_kept(first, 96)
    expect_kept(second, 51)
    set_number(second, "Sparsity of stage 1", 75)
    expect_kept(second, 32)
    expect_kept(first, 96)
