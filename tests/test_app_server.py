"""The page's server as a program sees it: named endpoints, sessions apart, files guarded."""

import os

import httpx
import pytest

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from app_support import serve, write_home, write_photo
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from app.panel import make_panel


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return write_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def server(home):
    with serve(home) as served:
        yield served


@pytest.fixture
def client(server):
    return Client(server[0], verbose=False)


@pytest.fixture
def photo(tmp_path):
    return handle_file(str(write_photo(tmp_path / "photo.png", 1)))


def test_every_action_has_a_name(client):
    names = {
        dependency["api_name"]
        for dependency in client.config["dependencies"]
        if dependency["api_visibility"] != "private"
    }
    assert names == {
        "analyze",
        "models",
        "run",
        "run_example",
        "run_uploaded",
        "measure",
        "measure_example",
        "measure_uploaded",
        "measure_again",
        "pick_example",
        "upload_model",
        "show_block",
        "pick_block",
        "show_picked",
        "open_tab",
    }
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/analyze", "/models"}


def test_analyses_a_photo_end_to_end(client, photo):
    result = client.predict(photo, "small", 256, "0.5", api_name="/analyze")
    assert result["input_size"] == [256, 512]
    assert result["schedule"] == [[0.5], [0.5], [0.5, 0.5], [0.5]]
    assert [block["kept"] for block in result["blocks"][:2]] == [64, 64]
    assert 0 <= result["agreement"]["agreement"] <= 1
    assert result["latency_ms"]["sparse"] > 0
    assert result["gmacs"]["sparse"] < result["gmacs"]["dense"]


def test_lists_the_networks(client):
    assert [info["name"] for info in client.predict(api_name="/models")][:2] == ["small", "other"]


@pytest.mark.parametrize(
    ("model", "sparsity", "says"),
    [
        ("small", "1.0", "below 1"),
        ("small", "nonsense", "Cannot read the schedule"),
        ("small", "[[0.5], [0], [0.4, 0.2], [0]]", "must not decrease"),
        ("nonsense", "0.5", "no model named"),
    ],
)
def test_explains_what_is_wrong(client, photo, model, sparsity, says):
    with pytest.raises(AppError, match=says) as caught:
        client.predict(photo, model, 256, sparsity, api_name="/analyze")
    assert "Traceback" not in str(caught.value)


def test_refuses_what_is_no_picture(client, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"text")
    with pytest.raises(AppError, match="not an image"):
        client.predict(handle_file(str(bad)), "small", 256, "0.5", api_name="/analyze")


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_reads_no_file_that_was_not_uploaded(server, tmp_path, meta, scheme):
    path = scheme + str(write_photo(tmp_path / "private.png", 2))
    address = f"{server[0]}gradio_api/call/analyze"
    # Written by hand: the client would upload the file first.
    data = [{"path": path, **meta}, "small", 256, "0.5"]
    answer = httpx.post(address, json={"data": data}, timeout=60).json()
    if "event_id" in answer:
        lines = httpx.get(f"{address}/{answer['event_id']}", timeout=60).text
        assert "event: error" in lines
        assert "blocks" not in lines


def test_two_sessions_do_not_mix(server, photo):
    alice, bob = (Client(server[0], verbose=False) for _ in range(2))
    panel = make_panel(server[1].first)
    before = bob.predict("pruned", 0, api_name="/show_block")
    alice.predict(photo, "small", 256, panel, "pruned", 0, api_name="/run")
    assert alice.predict("pruned", 0, api_name="/show_block") != before
    assert bob.predict("pruned", 0, api_name="/show_block") == before
