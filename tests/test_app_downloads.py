"""Networks that come from the hub: what breaks is one sentence, and nobody else waits."""

import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import gradio as gr
import pytest
import timm
from app_support import serve, wait_until, write_photo
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from huggingface_hub import constants, file_download
from page_support import Tab
from safetensors.torch import save

from app.api import Api
from app.panel import make_panel
from sparsevit import zoo

SWIN = "timm/swin_tiny_patch4_window7_224.ms_in1k"
OTHER_SWIN = "timm/swin_small_patch4_window7_224.ms_in1k"


@pytest.fixture
def tab(engine):
    return Tab(engine)


@pytest.fixture(scope="module")
def server(home):
    with serve(home) as served:
        yield served


def _make_tiny_swin(architecture, **options):
    return timm.models.SwinTransformer(embed_dim=12, num_heads=(1, 2, 4, 8), **options)


class _Hub(BaseHTTPRequestHandler):
    """The one file of a hub; the server's ``mood`` says what happens to whoever wants it."""

    def do_HEAD(self):
        self._answer(b"")

    def do_GET(self):
        self._answer(self.server.weights)

    def _answer(self, body):
        mood, size = self.server.mood, len(self.server.weights)
        self.server.asked.append(self.command)
        if mood in (404, 503) or "Range" in self.headers:
            self.send_error(mood if mood in (404, 503) else 503)
            return
        self.send_response(200)
        for name, value in (("ETag", '"1"'), ("X-Repo-Commit", "a" * 40), ("Content-Length", size)):
            self.send_header(name, str(value))
        self.end_headers()
        if body and mood == "slow":
            self.server.goes_on.wait(120)
        elif body and mood != "works":
            body = body[: size // 2]
            if mood == "reset":  # the connection ends with an error, not with a goodbye
                at_once = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(engine, tmp_path, monkeypatch):
    """A stand-in for the Hugging Face hub, and a network small enough to come from it."""
    monkeypatch.setattr(timm, "create_model", _make_tiny_swin)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.weights = save(_make_tiny_swin("", img_size=1024, strict_img_size=False).state_dict())
    server.mood, server.asked, server.goes_on = "works", [], threading.Event()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(file_download, "time", SimpleNamespace(sleep=lambda seconds: None))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    engine._models.pop(SWIN, None)
    server.shutdown()
    server.server_close()


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
    engine, tab, hub, tmp_path, mood, says
):
    photo = write_photo(tmp_path / "mine.png", 2)
    tab.run(photo)
    before = tab.session.result
    hub.mood = mood
    changes = tab.run(photo, SWIN)
    (sentence,) = tab.messages
    assert sentence == (
        f"{SWIN} needs 113 MB from the Hugging Face hub, "
        f"{'but ' if 'broke' in says else 'which '}{says}; these work offline: other, small."
    )
    assert tab.session.result is before
    assert changes["model"]["value"] == "small"
    with pytest.raises(gr.Error, match="from the Hugging Face hub"):
        Api(engine).analyze(str(photo), SWIN, 256, "0.5")
    assert hub.asked.count("HEAD") <= 4  # no long row of retries while others wait

    tab.run(photo, "other")
    assert tab.session.result.settings.model == "other"
    hub.mood = "works"
    tab.run(photo, SWIN)
    assert tab.session.result.task.name == "classification"
    assert len(tab.messages) == 1
    hub.mood = 503  # kept on the disk from now on
    assert zoo.load_model(SWIN).name == SWIN


def _visit(server):
    return Client(server[0], verbose=False, download_files=False)


def test_a_download_holds_nobody_up(server, hub, tmp_path):
    _, engine = server
    photo = handle_file(str(write_photo(tmp_path / "photo.png", 2)))
    hub.mood = "slow"
    loads, others = _visit(server), _visit(server)
    waiting = loads.submit(photo, SWIN, 256, make_panel(engine.first), api_name="/run")
    wait_until(lambda: "GET" in hub.asked)
    assert others.predict(api_name="/models")
    answer = others.submit(photo, "small", 256, make_panel(engine.first), api_name="/run")
    assert answer.result(timeout=60)
    with pytest.raises(AppError, match="Another network is being downloaded"):
        others.predict(photo, OTHER_SWIN, 256, "0.5", api_name="/analyze")
    assert not waiting.done()
    hub.goes_on.set()
    assert waiting.result(timeout=60)
    assert engine._get_model(SWIN)
