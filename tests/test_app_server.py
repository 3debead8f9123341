"""The page's server as a program sees it: named endpoints, sessions apart, files guarded."""

import json
import re
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import httpx
import numpy as np
import pytest
from app_support import serve, write_photo
from gradio.utils import get_function_description
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from page_support import list_switches

from app.api import Api
from app.page.components import PictureOutput
from sparsevit.data.reader import load_image

PROGRAMS = {
    "models",
    "analyze",
    "compare_sizes",
    "draw_windows",
    "draw_outputs",
    "lens",
    "run_clip",
    "search",
    "export_html",
    "draw_filmstrip",
    "exercises",
    "worth",
    "compare",
}


@pytest.fixture(scope="module")
def server(home):
    with serve(home) as served:
        yield served


@pytest.fixture
def client(server, tmp_path):
    return Client(server[0], verbose=False, download_files=tmp_path / "answers")


@pytest.fixture
def photo(tmp_path):
    return handle_file(str(write_photo(tmp_path / "photo.png", 1)))


def test_every_action_has_a_name(client):
    names = {
        dependency["api_name"]
        for dependency in client.config["dependencies"]
        if dependency["api_visibility"] != "private"
    }
    assert names >= PROGRAMS
    assert names >= {"run", "measure", "open_tab", "return_to", "enter", "make_zip"}
    api = client.view_api(return_format="dict")["named_endpoints"]
    assert set(api) == {f"/{name}" for name in PROGRAMS}
    for name in PROGRAMS & set(dir(Api)):
        function = getattr(Api, name)
        words = get_function_description(function)[1]  # what agents are shown
        assert all(words[name].endswith(".") for name in words if name != "self")
    for name in PROGRAMS - {"models"}:
        assert api[f"/{name}"]["description"], name
        assert all(parameter["python_type"] for parameter in api[f"/{name}"]["parameters"])


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


def test_explains_a_size_below_one(client, photo):
    with pytest.raises(AppError, match=r"or 64 to 1536 pixels .* got -5"):
        client.predict(photo, "small", -5, "0.5", api_name="/analyze")


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
    data = [{"path": path, **meta}, "small", 256, "0.5", "", 0]
    answer = httpx.post(address, json={"data": data}, timeout=60).json()
    if "event_id" in answer:
        lines = httpx.get(f"{address}/{answer['event_id']}", timeout=60).text
        assert "event: error" in lines
        assert "blocks" not in lines


@pytest.mark.parametrize("of", ["http://127.0.0.1:9/", "http://example.com/gradio_api/file=/etc/"])
def test_opens_no_address_but_that_of_an_upload(server, tmp_path, of):
    url = server[0]
    with httpx.Client(base_url=f"{url}gradio_api/", timeout=60) as program:

        def ask(endpoint, address, *settings):
            file = {"path": address, "meta": {"_type": "gradio.FileData"}}
            data = {"data": [file, "small", 256, "0.5", *settings]}
            event = program.post(f"call/{endpoint}", json=data).json()["event_id"]
            return program.get(f"call/{endpoint}/{event}").text

        for answer in (
            ask("analyze", of + "x.png", "", 0, ""),
            ask("run_clip", of + "x.mp4", 10, 4, "", 0),
        ):
            assert "Upload the file first" in answer
        with write_photo(tmp_path / "photo.png", 2).open("rb") as photo:
            (path,) = program.post("upload", files={"files": photo}).json()
        assert "blocks" in ask("analyze", f"{url}gradio_api/file={path}", "", 0, "")


def test_draws_windows_and_outputs(client, photo):
    for arguments in (["0.5", 3, "scores", "/draw_windows"], ["0.5", "/draw_outputs"]):
        *rest, name = arguments
        picture = client.predict(photo, "small", 256, *rest, api_name=name)
        assert load_image(picture).shape == (256, 512, 3)


def test_looks_through_a_network(client, photo):
    lens = client.predict(photo, "small", 256, "0.5", api_name="/lens")
    region = lens["regions"][0]
    assert len(region["blocks"]) == len(lens["blocks"]) == 10
    assert region["dense"] != region["sparse"]


def test_compares_sizes(client, photo):
    sizes = client.predict(photo, "small", 256, "0.5", api_name="/compare_sizes")
    assert sizes["dense"][0]["size"] == [256, 512]
    assert sizes["dense"][0]["agreement"] == 1
    assert all(point["latency_ms"] > 0 for point in (sizes["sparse"], *sizes["dense"]))


def test_ten_people_at_once_do_not_see_each_other(server, tmp_path):
    url, engine = server
    everybody = threading.Barrier(10, timeout=300)

    def visit(number):
        client = Client(url, verbose=False, download_files=False)
        photo = write_photo(tmp_path / f"photo{number:02}.png", number % 4)
        text, *more = list_switches(engine)
        panel = json.loads(text)
        for stage in panel["stages"]:
            stage["sparsities"] = [number / 20] * len(stage["sparsities"])
        settings = [handle_file(str(photo)), "small", 256, json.dumps(panel), *more]
        seen = json.dumps(client.predict(*settings, api_name="/run"))
        everybody.wait()
        return seen, json.dumps(client.predict(api_name="/make_zip"))

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(visit, range(10)))
    for number, (seen, zipped) in enumerate(answers):
        totals = [block.total for block in engine.first.analysis.blocks]
        kept = sum(max(1, total * (20 - number) // 20) for total in totals)
        assert f"<b>{kept}</b> of {sum(totals)} computed" in seen
        assert re.findall(r"photo\d\d", zipped) == [f"photo{number:02}"] * zipped.count("photo")


def test_turns_away_what_does_not_fit_the_queue(server, photo):
    url, engine = server
    room = engine.config.max_queue
    with engine.turns.lock:  # a long run
        client = Client(url, verbose=False, download_files=False)
        jobs = [
            client.submit(photo, "small", 256, "0.5", api_name="/draw_outputs")
            for _ in range(room + 4)
        ]
        done, _ = wait([job.future for job in jobs], timeout=120, return_when=FIRST_COMPLETED)
        assert all("Queue is full" in str(future.exception()) for future in done)
        assert done
    errors = [error for job in jobs if (error := job.exception(timeout=120)) is not None]
    assert len(errors) <= 4


def test_two_who_ask_for_the_same_picture_get_all_of_it():
    pixels = np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    output = PictureOutput(format="png", render=False)
    whole = Path(output.postprocess(pixels).path).stat().st_size
    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(output.postprocess, pixels) for _ in range(8)]
        while not all(other.done() for other in others):
            assert Path(others[0].result().path).stat().st_size == whole
    assert {Path(other.result().path).stat().st_size for other in others} == {whole}
