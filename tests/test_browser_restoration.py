"""Restored photos in a real browser: the handle between two pictures, the loupe, the error map."""

import json
import re
from dataclasses import replace

import pytest
from app_support import (
    INFOS,
    make_engine,
    offer_few_networks,
    serve_engine,
    write_photo,
    write_restorer,
)
from axe_playwright_python.sync_playwright import Axe
from browser_support import expect_no_clipping
from playwright.sync_api import expect

pytestmark = pytest.mark.ui

FIRST = '#sv-outputs select[aria-label^="Left"]'


@pytest.fixture(scope="module")
def server(home):
    write_restorer(home)
    infos = [*INFOS, replace(INFOS[0], name="restorer", task="restoration", tasks=())]
    with offer_few_networks(home), pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.engine.models.list_models", lambda: infos)
        patch.setattr("app.page.suggesting.ROADS", "small")
        patch.setattr("app.page.suggesting.RESTORER", "restorer")
        engine = make_engine(home, model="restorer", short_side=128)
        with serve_engine(engine) as (url, _):
            yield url, engine


@pytest.fixture
def open_outputs(new_page, server):
    def open_it(width=1280, height=800, **options):
        page = new_page(server[0], width, height, **options)
        expect(page.locator("#sv-windows canvas[role=img]")).to_be_visible()
        page.get_by_role("tab", name="Outputs", exact=True).click()
        expect(page.locator(".sv-out-loupe canvas")).to_have_count(4)
        return page

    return open_it


def read_canvas(page, selector):
    """A digest of the pixels of a canvas."""
    return page.locator(selector).first.evaluate("(canvas) => canvas.toDataURL()")


def choose(page, mode):
    page.locator(f'#sv-outputs input[value="{mode}"]').check(force=True)


def test_any_two_pictures_are_left_and_right_of_the_handle(open_outputs):
    page = open_outputs()
    tags = page.locator(".sv-out-tag")
    expect(tags.nth(0)).to_have_text("bicubic")
    expect(tags.nth(1)).to_have_text("sparse")
    before = read_canvas(page, ".sv-out-frame canvas")
    page.locator(FIRST).select_option("original")
    expect(tags.nth(0)).to_have_text("original")
    assert read_canvas(page, ".sv-out-frame canvas") != before
    expect(page.locator(".sv-out-caption")).to_contain_text("original left")


def test_one_picture_is_seen_alone(open_outputs):
    page = open_outputs()
    page.locator(".sv-out-table button", has_text="dense").click()
    expect(page.locator(".sv-out-caption")).to_have_text("dense alone.")
    expect(page.locator(".sv-out-handle")).to_be_hidden()
    page.locator(".sv-out-table button", has_text="dense").click()
    expect(page.locator(".sv-out-handle")).to_be_visible()


def test_the_loupe_follows_pointer_and_keys(open_outputs):
    page = open_outputs()
    start = read_canvas(page, ".sv-out-loupe canvas")
    box = page.locator(".sv-out-frame").bounding_box()
    page.mouse.move(box["x"] + 12, box["y"] + 12)
    expect(page.locator(".sv-out-readout")).to_have_text(re.compile(r"^Loupe at \d, \d: off"))
    corner = read_canvas(page, ".sv-out-loupe canvas")
    assert corner != start
    page.locator(".sv-out-frame canvas").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert read_canvas(page, ".sv-out-loupe canvas") != corner
    page.keyboard.press("Escape")
    assert read_canvas(page, ".sv-out-loupe canvas") == start
    expect(page.locator(".sv-out-square")).to_be_visible()


def test_the_loupe_enlarges_pixels_without_smoothing(open_outputs):
    page = open_outputs()
    sizes = page.locator(".sv-out-loupe canvas").first.evaluate("""(canvas) => {
      const pixels = canvas.getContext("2d").getImageData(0, 0, 4, 4).data;
      const equal = [...pixels].every((value, index) => value === pixels[index % 4]);
      return [equal, canvas.width % 4, canvas.clientWidth / canvas.width];
    }""")
    assert sizes == [True, 0, 1]


def test_the_map_of_errors_has_a_scale_in_grey_levels(open_outputs):
    page = open_outputs()
    choose(page, "errors")
    expect(page.locator(".sv-out-caption")).to_have_text(re.compile(r"0\s+\d+ grey levels"))
    page.locator(FIRST).select_option("original")  # which is off by nothing
    black = page.locator(".sv-out-frame canvas").evaluate("""(canvas) => canvas.getContext("2d")
      .getImageData(0, 0, canvas.width / 3, canvas.height).data
      .reduce((most, value, index) => (index % 4 < 3 ? Math.max(most, value) : most), 0)""")
    assert black == 0


def test_numbers_are_those_of_the_engine(open_outputs, server):
    page = open_outputs()
    restored = server[1].first.restored
    rows = page.locator(".sv-out-table tbody tr")
    expect(rows.nth(0)).to_contain_text(f"{restored.psnr['base']:.2f}")
    expect(rows.nth(2)).to_contain_text(f"{restored.ssim['sparse']:.4f}")
    expect(page.locator("#sv-agreement strong")).to_have_text(re.compile(r"^\d+\.\d dB$"))
    expect(page.locator("#sv-gain")).to_contain_text("dB over bicubic")


def test_enlarged_pictures_show_their_difference(open_outputs):
    page = open_outputs()
    page.get_by_label("Enlarged pictures").check(force=True)
    expect(page.locator(".sv-out-loupe canvas")).to_have_count(3)
    expect(page.locator("#sv-outputs input[value=errors]")).to_be_hidden()
    choose(page, "difference")
    expect(page.locator(".sv-out-caption")).to_contain_text("How far sparse is off dense")
    expect(page.locator("#sv-task")).to_contain_text("nobody knows the original")


@pytest.mark.parametrize(("width", "height", "scheme"), [(390, 844, "dark"), (1024, 768, "light")])
def test_it_fits_and_can_be_used_by_all(open_outputs, width, height, scheme):
    page = open_outputs(width, height, color_scheme=scheme)
    expect_no_clipping(page)
    found = Axe().run(page, context="#sv-outputs")
    assert found.violations_count == 0, json.dumps(found.response["violations"])[:2000]


def test_a_tap_moves_the_loupe_and_it_stays(open_outputs):
    page = open_outputs(390, 844, has_touch=True)
    start = read_canvas(page, ".sv-out-loupe canvas")
    box = page.locator(".sv-out-frame").bounding_box()
    page.touchscreen.tap(box["x"] + 30, box["y"] + 30)
    expect(page.locator(".sv-out-readout")).to_have_text(re.compile(r"^Loupe at \d\d, \d\d: off"))
    assert read_canvas(page, ".sv-out-loupe canvas") != start


def test_the_suggestion_restores_the_photo(new_page, server, tmp_path, monkeypatch):
    monkeypatch.setattr(server[1], "measure_sureness", lambda result: 0.5)
    page = new_page(server[0], 1280, 800)
    expect(page.locator("#sv-windows canvas[role=img]")).to_be_visible()
    page.locator("#sv-model input").fill("small")
    page.keyboard.press("Enter")
    expect(page.locator("#sv-agreement")).to_contain_text("class of the dense")
    expect(page.locator("#sv-suggestion button")).to_have_count(0)  # an example
    page.set_input_files(
        "#sv-upload input[type=file]", write_photo(tmp_path / "own.png", 8, (150, 200))
    )
    expect(page.locator("#sv-suggestion")).to_contain_text("no road scene")
    page.get_by_role("button", name="Restore it").click()
    expect(page.locator("#sv-gain")).to_be_visible()
    expect(page.locator("#sv-suggestion button")).to_have_count(0)
    expect(page.locator("#sv-fed")).to_contain_text("150 × 200")
