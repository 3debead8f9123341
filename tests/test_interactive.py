"""The interactive page in one file, in a browser that opens it from the disk without a network."""

import json
import re
from dataclasses import replace
from html import unescape
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from browser_support import expect_no_clipping, wait_two_frames
from PIL import Image
from playwright.sync_api import expect
from view_support import read_windows

from app.page.common import LONG_SIDE
from app.tabs.takeaway import interactive
from app.tabs.takeaway.interactive import MAX_BYTES, make_interactive
from sparsevit.core.windows import map_tokens_to_windows

NAME = "<!-- <script>alert(1) <img src=x onerror=alert(2)>&amp;.jpg"
PINNED = (0.27, 0.43)  # right and down, fractions of the picture


@pytest.fixture(scope="module")
def result(engine):
    """With a hostile name, in a folder that nobody should hear of; and not timed."""
    first = engine.first
    photo = replace(first.photo, path=Path("/srv/secret") / NAME)
    settings = replace(first.settings, model="/srv/secret/mine.safetensors")
    analysis = replace(first.analysis, model="mine.safetensors", latency=None)
    return replace(first, photo=photo, settings=settings, analysis=analysis)


@pytest.fixture(scope="module")
def file(result, tmp_path_factory):
    path = tmp_path_factory.mktemp("taken") / "result.html"
    path.write_text(make_interactive(result), encoding="utf-8")
    return path


@pytest.fixture
def page(new_page, file):
    page = new_page("about:blank")
    page.context.set_offline(True)
    page.goto(file.as_uri())
    expect(page.locator(".sv-win-strip button")).to_have_count(10)
    return page


def take_picture(locator, size):
    """What an element shows, without the room beside a picture of this size (h, w)."""
    shot = np.asarray(Image.open(BytesIO(locator.screenshot())).convert("RGB"))
    scale = min(shot.shape[0] / size[0], shot.shape[1] / size[1])
    height, width = (int(side * scale) for side in size)
    top, left = (shot.shape[0] - height) // 2, (shot.shape[1] - width) // 2
    return shot[top : top + height, left : left + width], (left, top)


def read_photo_width(html):
    return json.loads(re.search(r'id="sv-photo-value">(.*?)</script>', html)[1])["width"]


def test_a_busy_machine_is_told_of_as_past(engine, doubt_load):
    *_, timed = engine.measure(engine.first, 1)
    latency = replace(timed.analysis.latency, other_load=0.38)
    doubtful = replace(timed, analysis=replace(timed.analysis, latency=latency))
    text = re.sub(r"<(script|style).*?</\1>", "", make_interactive(doubtful), flags=re.DOTALL)
    assert "machine was busy: other programs used 38 %" in text
    assert "machine was busy</span>" in text  # in place of the speed-up
    assert "is busy" not in text
    assert "machine busy" not in text


@pytest.mark.ui
def test_blocks_are_drawn_as_its_numbers_say(page, result):
    data = json.loads(page.locator("#sv-result-value").text_content())
    size, blocks = result.analysis.prepared.input_size, result.analysis.blocks
    stage = page.locator(".sv-win-stage")
    assert len(data["blocks"]) == len(blocks)
    # Nobody is there who could run the network again.
    expect(page.get_by_role("button", name=re.compile("Brush"))).to_have_count(0)
    expect(page.get_by_role("radio", name="Worth")).to_have_count(0)
    for index in (0, 1, 7):  # plain, shifted, coarse and shifted
        said = data["blocks"][index]
        page.locator(".sv-win-strip button").nth(index).click()
        expect(page.locator(".sv-win-name")).to_contain_text(
            f"{said['kept']} of {said['total']} kept"
        )
        page.mouse.move(0, 0)
        wait_two_frames(page)
        picture, _ = take_picture(stage, size)
        colours = read_windows(picture, blocks[index])
        kept = colours[:, 2] - colours[:, 0] < 12  # what is skipped is bluish
        assert kept.tolist() == blocks[index].keep_mask[0].flatten().tolist()
        assert kept.sum() == said["kept"]


@pytest.mark.ui
def test_a_window_is_pinned_in_all_blocks(page, result):
    stage, blocks = page.locator(".sv-win-stage"), result.analysis.blocks
    picture, (left, top) = take_picture(stage, result.analysis.prepared.input_size)
    (x, y), (height, width) = PINNED, picture.shape[:2]
    stage.click(position={"x": left + x * width, "y": top + y * height})
    computed = 0
    for block in blocks:
        rows, columns = block.grid.grid
        owner = map_tokens_to_windows(block.grid)[int(y * rows), int(x * columns)]
        computed += bool(block.keep_mask[0].flatten()[owner])
    panel = page.locator(".sv-win-panel")
    expect(panel).to_contain_text(f"computed in {computed} of {len(blocks)} blocks")


@pytest.mark.ui
def test_the_handle_goes_from_sparse_to_dense(page, result):
    handle, canvas = page.locator(".sv-out-frame input"), page.locator(".sv-out-frame canvas")
    pictures = []
    for key in ("Home", "End"):
        handle.press(key)
        wait_two_frames(page)
        pictures.append(take_picture(canvas, result.analysis.prepared.input_size)[0])
    inner = np.s_[40:-40, 80:-80]  # without the handle and the names of the sides
    differs = np.abs(np.subtract(*(p.astype(int) for p in pictures))).max(-1)[inner] > 10
    dense, sparse = result.analysis.prepared.dense, result.analysis.sparse
    changed = Image.fromarray(dense != sparse).resize(pictures[0].shape[1::-1], 0)
    assert 0 < differs.mean() < 1
    assert (differs == np.asarray(changed)[inner]).mean() > 0.98


@pytest.mark.ui
def test_its_numbers_can_be_saved_and_its_name_is_text(page, result):
    with page.expect_download() as download:
        page.get_by_role("link", name="All numbers as JSON").click()
    assert download.value.suggested_filename == "result.json"
    saved = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert saved == result.to_dict()
    assert page.locator("h1").text_content() == NAME
    assert page.title() == f"{NAME} · SparseViT"
    expect(page.locator("#sv-speedup")).to_have_text("–speed against dense")
    expect(page.locator(".sv-facts")).to_contain_text("not measured")
    expect(page.locator("pre")).to_contain_text("load_model('mine.safetensors')")


def test_no_script_but_its_own_may_run(file):
    policy = re.search(r'Content-Security-Policy" content="(.+?)"', file.read_text())[1]
    rules = dict(rule.strip().split(" ", 1) for rule in unescape(policy).split(";"))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/]+=*' 'sha256-[\w+/]+=*'", rules["script-src"])


@pytest.mark.ui
def test_it_is_dark_where_the_system_is_and_fits_a_phone(new_page, file):
    page = new_page(file.as_uri(), 390, 844, color_scheme="dark")
    expect(page.locator("html")).to_have_class("dark")
    expect(page.locator(".sv-win-strip button")).to_have_count(10)
    expect_no_clipping(page)


def test_no_folder_is_named_and_the_file_is_small(file):
    text = file.read_text(encoding="utf-8")
    assert "/srv/secret" not in text
    assert len(text.encode()) < MAX_BYTES


def test_a_photo_that_takes_too_much_is_sent_smaller(result, monkeypatch):
    whole = make_interactive(result)
    assert read_photo_width(whole) == LONG_SIDE
    monkeypatch.setattr(interactive, "MAX_BYTES", len(whole.encode()) - 1)
    smaller = make_interactive(result)
    assert len(smaller.encode()) < len(whole.encode())
    assert read_photo_width(smaller) < LONG_SIDE
    monkeypatch.setattr(interactive, "MAX_BYTES", 1)  # cannot be: it is made all the same
    assert read_photo_width(make_interactive(result)) == 400
