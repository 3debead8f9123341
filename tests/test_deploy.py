"""docs/deploy: nginx keeps visitors with their replica; ZeroGPU changes no result."""

import importlib.util
import pickle
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from app_support import make_config, schedule, serve, write_home, write_photo
from gradio_client import Client, handle_file
from page_support import check_interface, list_switches

import app.page.ui  # noqa: F401  (gradio must not meet the stand-in below)
from app.engine.records import Settings
from sparsevit import networks
from sparsevit.networks import ModelError
from sparsevit.schedule import ScheduleError

DEPLOY = Path(__file__).resolve().parent.parent / "docs" / "deploy"

WRAPPER = """
daemon off; pid nginx.pid; error_log error.log;
events {{ }}
http {{
    access_log off;
    {paths}
    include site.conf;
}}
"""


class _Replica(BaseHTTPRequestHandler):
    """Answers with its port."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(self.server.server_port).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def replicas():
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _Replica) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {str(server.server_port): server for server in servers}
    for server in servers:
        server.shutdown()
        server.server_close()


@contextmanager
def _run_proxy(ports, folder):
    """The address of nginx with our file in front of the replicas at these ports."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    site = (DEPLOY / "nginx.conf").read_text()
    site = site.replace("listen 80;", f"listen 127.0.0.1:{port};")
    for written, real in zip(("127.0.0.2:7861", "127.0.0.2:7862"), ports, strict=True):
        assert written in site
        site = site.replace(written, f"127.0.0.1:{real}")
    (folder / "site.conf").write_text(site)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = " ".join(f"{kind}_temp_path {kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(WRAPPER.format(paths=paths))
    command = ["nginx", "-p", str(folder), "-e", "error.log", "-c", "nginx.conf"]
    subprocess.run([*command, "-t"], check=True)
    process = subprocess.Popen(command)
    try:
        transport = httpx.HTTPTransport(verify=False, retries=10)  # until it listens
        with httpx.Client(transport=transport) as client:
            client.get(f"http://127.0.0.1:{port}/api")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def proxy(replicas, tmp_path):
    with _run_proxy(replicas, tmp_path) as address:
        yield address


def test_each_visitor_keeps_a_replica(proxy, replicas):
    visitors = [httpx.Client(base_url=proxy, verify=False) for _ in range(20)]
    homes = [visitor.get("/config").text for visitor in visitors]
    assert set(homes) == set(replicas)  # 1 in 500 000 that chance alone gives one replica to all
    paths = ("/gradio_api/queue/join", "/gradio_api/queue/data?session_hash=x", "/")
    for path in paths:
        assert [visitor.get(path).text for visitor in visitors] == homes
    assert all(len(visitor.cookies) == 1 for visitor in visitors)
    address = f"{proxy}/gradio_api/queue/data"
    assert len({httpx.get(address, verify=False).text for _ in range(8)}) == 1  # no cookie kept

    gone, left = replicas
    replicas[gone].shutdown()
    replicas[gone].server_close()
    assert {visitor.get("/gradio_api/queue/join").text for visitor in visitors} == {left}
    assert httpx.get(f"{proxy}/config", verify=False).text == left


def test_who_was_with_a_page_that_died_starts_anew_with_the_other(tmp_path):
    home = write_home(tmp_path)
    photo = handle_file(str(write_photo(tmp_path / "mine.png", 2)))
    with ExitStack() as stack:
        pages = {}
        for _ in range(2):
            page = stack.enter_context(ExitStack())
            url, engine = page.enter_context(serve(home))
            pages[httpx.get(f"{url}gradio_api/app_id").text] = (page, url)
        ports = [httpx.URL(url).port for _, url in pages.values()]
        address = stack.enter_context(_run_proxy(ports, tmp_path))
        visitor = Client(address, verbose=False, download_files=False)
        controls = [photo, "small", 256, *list_switches(engine)]
        visitor.predict(*controls, api_name="/run")
        assert "mine" in visitor.predict(api_name="/make_zip")["value"]["path"]

        app_id = httpx.get(f"{address}/gradio_api/app_id", cookies=visitor.cookies).text
        pages[app_id][0].close()
        assert "street_a" in visitor.predict(api_name="/make_zip")["value"]["path"]
        visitor.predict(*controls, api_name="/run")
        assert "mine" in visitor.predict(api_name="/make_zip")["value"]["path"]


def _lend(function):
    """What ZeroGPU does to a call, less the GPU: what goes in and what comes out is pickled."""

    def call(*arguments):
        outcome = function(*_pickle(arguments))
        return map(_pickle, outcome) if isinstance(outcome, Iterator) else _pickle(outcome)

    return call


def _pickle(value):
    return pickle.loads(pickle.dumps(value))


@pytest.fixture
def zero(tmp_path, monkeypatch):
    home = write_home(tmp_path)
    monkeypatch.setattr(networks, "CHECKPOINT_FOLDER", home)
    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=lambda duration: _lend))
    spec = importlib.util.spec_from_file_location("zero_gpu", DEPLOY / "zero_gpu.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    engine = module.ZeroEngine(make_config(home))
    engine.start()
    return engine


def test_an_engine_on_zero_gpu_gives_the_same(zero):
    photo = zero.first.photo
    assert photo in list(zero.examples.values())
    settings = Settings("small", schedule(0.5), short_side=256)
    result = zero.analyze(photo, settings)
    again = zero.analyze(photo, settings)
    assert result.photo is photo
    assert result.to_dict() == again.to_dict()
    assert [block.kept for block in result.analysis.blocks[:2]] == [64, 64]
    *_, measured = zero.measure(result, 2)
    assert len(measured.analysis.latency.sparse.samples_ms) == 2
    assert measured.photo is photo
    assert all(size > 0 for size in zero.measure_memory(result).peak_mb)
    *_, comparison = zero.compare_sizes(result, 1)
    assert comparison.dense[0].agreement == 1
    assert len(list(zero.measure(result, 3, lambda: False))) == 1
    assert zero.trace_block(result, 0).keep_mask.sum() == 64  # stays on the CPU
    assert zero.look_through(result).blocks[0].trace.kept == 64


def test_an_engine_on_zero_gpu_has_what_the_page_asks_for(zero):
    check_interface(type(zero))


def test_errors_cross_to_the_page_of_zero_gpu(zero):
    falling = Settings("small", schedule([[0.5], [0], [0.4, 0.2], [0]]), short_side=256)
    with pytest.raises(ScheduleError, match="must not decrease"):
        zero.analyze(zero.first.photo, falling)
    with pytest.raises(ModelError):
        zero.analyze(zero.first.photo, Settings("nonsense", schedule(0.5)))
