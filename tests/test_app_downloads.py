"""Networks that come from the hub: what breaks is one sentence, and nobody else waits."""

import re

import gradio as gr
import pytest
import timm
from app_support import serve, wait_until, write_photo
from browser_support import expect_no_clipping
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from hub_support import serve_hub
from huggingface_hub import constants
from page_support import Visitor, list_switches
from playwright.sync_api import expect
from safetensors.torch import save_file

from app.api import Api
from sparsevit import networks

SWIN = "timm/swin_tiny_patch4_window7_224.ms_in1k"
OTHER_SWIN = "timm/swin_small_patch4_window7_224.ms_in1k"


@pytest.fixture
def visitor(engine):
    return Visitor(engine)


@pytest.fixture(scope="module")
def served(home):
    with serve(home) as served:
        yield served


@pytest.fixture
def server(served):
    """The page, which keeps no network from one test for the next."""
    yield served
    served[1].networks.kept.pop(SWIN, None)


def _make_tiny_swin(architecture, **options):
    return timm.models.SwinTransformer(embed_dim=12, num_heads=(1, 2, 4, 8), **options)


@pytest.fixture
def hub(engine, tmp_path, monkeypatch):
    """A stand-in for the Hugging Face hub, and a network small enough to come from it."""
    monkeypatch.setattr(timm, "create_model", _make_tiny_swin)
    monkeypatch.setattr(networks.hub, "_TOLD_EVERY_S", 0.0)
    folder = tmp_path / "weights"
    folder.mkdir()
    weights = _make_tiny_swin("", img_size=1024, strict_img_size=False).state_dict()
    save_file(weights, folder / "model.safetensors")
    with serve_hub(folder, SWIN, "a" * 40, tmp_path / "hub") as server:
        yield server
    engine.networks.kept.pop(SWIN, None)


def list_asked(hub, method):
    """The part of the weights that each request was for."""
    return [part for asked, path, part in hub.asked if asked == method and path.endswith("tensors")]


@pytest.mark.parametrize(
    ("mood", "says"),
    [
        (404, "cannot be reached"),
        (503, "cannot be reached"),
        ("ends early", "the download broke off (try again)"),
        ("reset", "the download broke off (try again)"),
    ],
)
def test_a_download_that_fails_is_one_sentence_and_loses_nothing(
    engine, visitor, hub, tmp_path, mood, says
):
    photo = write_photo(tmp_path / "mine.png", 2)
    visitor.look(photo)
    before = visitor.session.result
    hub.mood = mood
    changes = visitor.look(photo, SWIN)
    (sentence,) = visitor.messages
    assert sentence == (
        f"{SWIN} needs 113 MB from the Hugging Face hub, "
        f"{'but ' if 'broke' in says else 'which '}{says}; these work offline: other, small."
    )
    assert visitor.session.result is before
    assert changes["model"]["value"] == "small"
    with pytest.raises(gr.Error, match="from the Hugging Face hub"):
        Api(engine).analyze(str(photo), SWIN, 256, "0.5")
    assert len(list_asked(hub, "HEAD")) <= 4  # no long row of retries while others wait

    visitor.look(photo, "other")
    assert visitor.session.result.settings.model == "other"
    hub.mood = "works"
    visitor.look(photo, SWIN)
    assert visitor.session.result.task.name == "classification"
    assert len(visitor.messages) == 1
    hub.mood = 503  # kept on the disk from now on
    assert networks.load_model(SWIN).name == SWIN


def test_a_download_that_stalls_is_one_sentence(visitor, hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    hub.mood = "halts"
    visitor.look(model=SWIN)
    assert "the download broke off (try again); these work offline" in visitor.messages[0]
    hub.mood = "works"
    visitor.look(model=SWIN)
    assert visitor.session.result.settings.model == SWIN


def test_a_download_that_stumbles_goes_on_where_it_was(engine, visitor, hub, monkeypatch):
    told = []
    monkeypatch.setattr(
        engine.networks, "follow_download", lambda name: lambda *now: told.append(now)
    )
    hub.mood = "stumbles"
    visitor.look(model=SWIN)
    assert visitor.session.result.settings.model == SWIN
    size = len(hub.files["model.safetensors"])
    whole, rest = list_asked(hub, "GET")
    assert whole is None
    kept = int(re.fullmatch(r"bytes=(\d+)-", rest)[1])
    assert 0 < kept <= size // 2
    assert told == sorted(set(told))  # ever more, nothing counted twice
    assert (kept, size) in told
    assert told[-1] == (size, size)


def _visit(server):
    return Client(server[0], verbose=False, download_files=False)


def test_a_download_holds_nobody_up_and_says_how_far_it_is(server, hub, tmp_path):
    _, engine = server
    photo = handle_file(str(write_photo(tmp_path / "photo.png", 2)))
    hub.mood = "halts"
    loads, others = _visit(server), _visit(server)
    waiting = loads.submit(photo, SWIN, 256, *list_switches(engine), api_name="/run")

    def list_words():
        return [unit.desc for unit in waiting.status().progress_data or ()]

    size_mb = len(hub.files["model.safetensors"]) / 1e6
    half = re.compile(rf"Downloading {SWIN}: (49|50)\s% of {size_mb:.0f}\sMB")
    wait_until(lambda: any(half.fullmatch(words) for words in list_words()))
    assert others.predict(api_name="/models")
    answer = others.submit(photo, "small", 256, *list_switches(engine), api_name="/run")
    assert answer.result(timeout=60)
    with pytest.raises(AppError, match="Another network is being downloaded"):
        others.predict(photo, OTHER_SWIN, 256, "0.5", api_name="/analyze")
    assert not waiting.done()
    hub.goes_on.set()
    assert waiting.result(timeout=60)
    assert engine.networks.get(SWIN)


@pytest.mark.ui
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_shows_how_far_a_download_is(server, hub, new_page, width):
    hub.mood = "trickles"
    page = new_page(server[0], width)
    network = page.get_by_role("combobox", name="Network")
    network.click()
    expect(page.get_by_role("option", name=re.compile("downloads 113 MB"))).to_be_visible()
    network.fill(SWIN)
    network.press("Enter")
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_accessible_name(re.compile(rf"^Downloading {SWIN}: \d+\s% of \d+\sMB$"))
    share = bar.get_attribute("aria-valuenow")
    assert 0 <= int(share) < 100
    expect(bar).not_to_have_attribute("aria-valuenow", share)  # it moves
    expect_no_clipping(page)
    hub.goes_on.set()
    expect(page.locator("#sv-agreement")).to_contain_text("probability shared")
    expect(bar).to_have_count(0)
