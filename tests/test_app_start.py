"""The page opens before its first result is there, which arrives in it; and what ends the start."""

import json
import re
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from app_support import make_config, offer_few_networks, schedule, serve_engine, write_photo
from browser_support import wait_two_frames
from gradio_client import Client, handle_file
from page_support import Page
from playwright.sync_api import expect

from app.engine.local import LocalEngine
from app.page.launch import serve
from app.page.panel import announce_panel, is_waiting
from app.page.session import Session
from app.page.ui import show_first
from app.tabs.registry import TABS
from sparsevit.data.reader import ImageError

ENTRY = Path(__file__).resolve().parent.parent / "app.py"

# Runs app.py up to its first word and says which modules it had imported by then.
FIRST_WORD = """
import builtins, importlib.util, json, sys
spec = importlib.util.spec_from_file_location("entry", sys.argv.pop())
entry = importlib.util.module_from_spec(spec)
spec.loader.exec_module(entry)
say = builtins.print
def stop(*words, **options):
    say(json.dumps([words[0], sorted(sys.modules)]))
    sys.exit()
builtins.print = stop
entry.main()
"""


@pytest.fixture
def starting(home):
    """An engine that has computed nothing yet."""
    with offer_few_networks(home):
        yield LocalEngine(make_config(home))


@pytest.fixture
def served(starting):
    """(address, engine, gr.Blocks) of a page that is on the air and starting."""
    with serve_engine(starting) as (url, demo):
        yield url, starting, demo


def read_values(client):
    """What the page's elements show when it is opened, by their id."""
    return {
        component["props"].get("elem_id"): component["props"].get("value")
        for component in client.config["components"]
    }


def test_says_what_it_does_before_anything_slow_is_imported():
    command = [sys.executable, "-c", FIRST_WORD, str(ENTRY)]
    words, modules = json.loads(subprocess.check_output(command, text=True))
    assert "loading PyTorch" in words
    assert not {"torch", "timm", "gradio", "numpy"} & set(modules)


@pytest.mark.parametrize("changes", [{"model": "nonsense"}, {"checkpoint": "missing.safetensors"}])
def test_a_network_that_cannot_be_had_ends_the_program(home, capsys, changes):
    assert serve(LocalEngine(make_config(home, **changes)), TABS, 0) == 2
    said = capsys.readouterr()
    assert "open http" not in said.out
    assert len(said.err.splitlines()) == 1
    assert "Traceback" not in said.err


def test_a_port_that_is_taken_ends_the_program(home, capsys):
    with socket.socket() as taken, offer_few_networks(home):
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert serve(LocalEngine(make_config(home, port=port)), TABS, 0) == 2
    said = capsys.readouterr()
    assert said.err == f"Cannot listen on 127.0.0.1:{port}; choose another --port or --host.\n"


def test_a_first_photo_that_cannot_be_analysed_ends_the_program(home, capsys, monkeypatch):
    with socket.socket() as free, offer_few_networks(home):
        free.bind(("127.0.0.1", 0))
        starting = LocalEngine(make_config(home, port=free.getsockname()[1]))

    def fail(*_):
        raise ImageError("The memory is too small.")

    monkeypatch.setattr(starting.runs, "analyze", fail)
    waiting = Future()

    def wait():
        try:
            waiting.set_result(starting.first)
        except ImageError as error:
            waiting.set_exception(error)

    threading.Thread(target=wait, daemon=True).start()  # if it fails, the wait is for ever
    with offer_few_networks(home):
        assert serve(starting, TABS, 0) == 2
    assert isinstance(waiting.exception(timeout=60), ImageError)
    assert capsys.readouterr().err == "The memory is too small.\n"


def test_the_page_is_there_first_and_who_waits_is_answered(served, tmp_path):
    url, engine, demo = served
    client = Client(url, verbose=False, download_files=False)
    values = read_values(client)
    assert "starting…" in values["sv-headline"]
    assert is_waiting(values["sv-panel"])
    waiting = client.submit(values["sv-panel"], api_name="/await_first")
    photo = handle_file(str(write_photo(tmp_path / "photo.png", 1)))
    program = Client(url, verbose=False).predict(photo, "small", 256, "0.5", api_name="/analyze")
    assert program["schedule"] == [[0.5], [0.5], [0.5, 0.5], [0.5]]
    assert not waiting.done()
    engine.analyze_first()
    show_first(demo, engine, TABS)
    assert "agreement" in json.dumps(waiting.result(timeout=60))
    values = read_values(Client(url, verbose=False))
    assert "starting" not in values["sv-headline"]
    assert not is_waiting(values["sv-panel"])
    assert json.loads(values["sv-photo"])["key"] == json.loads(values["sv-windows"])["key"]
    engine.time_first()
    show_first(demo, engine, TABS)
    assert "medians of 1" in read_values(Client(url, verbose=False))["sv-headline"]


def test_what_is_asked_while_it_starts_wins_over_the_first_result(starting):
    panel = announce_panel(starting.opening)
    moved = json.loads(panel)
    for stage in moved["stages"]:
        stage["sparsities"] = [0.3] * len(stage["sparsities"])
    page = Page(starting, panel)
    linked = Session()
    with ThreadPoolExecutor() as pool:
        runs = pool.submit(page.run, panel=json.dumps(moved))
        opens = pool.submit(page.handlers.open_link, linked, {"sparsity": "[[0.2],[0],[0,0],[0]]"})
        starting.start()
        changes = runs.result(timeout=60)
        assert {"panel", "picture", "windows", "fed", "headline"} <= set(changes)
        assert page.session.result.settings.schedule == schedule(0.3)
        assert opens.result(timeout=60)["windows"]
    assert page.handlers.await_first(page.session, panel) == {}
    assert "windows" in page.handlers.await_first(Session(), panel)
    assert page.handlers.await_first(Session(), changes["panel"]) == {}


@pytest.mark.ui
@pytest.mark.parametrize("width", [1280, 390])
def test_the_first_result_arrives_without_a_click_and_moves_nothing(served, new_page, width):
    url, engine, _ = served
    page = new_page(url, width, 800)
    parts = [
        page.locator(name)
        for name in ("#sv-panel", "#sv-headline", ".sv-win-stage", ".sv-win-strip")
    ]
    caption = page.locator(".sv-win-caption")
    expect(page.locator("#sv-speedup strong")).to_have_text("starting…")
    expect(caption).to_contain_text("appears here by itself")
    slider = page.get_by_role("slider", name="Sparsity of stage 1", exact=True)
    slider.focus()
    wait_two_frames(page)
    before = [part.bounding_box() for part in parts]
    engine.analyze_first()
    expect(caption).to_contain_text("computed 51 of 128 windows")
    expect(page.locator("#sv-speedup strong")).to_have_text(re.compile(r"^\d+\.\d\d×$"))
    assert [part.bounding_box() for part in parts] == before
    expect(slider).to_be_focused()


@pytest.mark.ui
def test_a_slider_can_be_moved_while_the_page_starts(served, new_page):
    url, engine, _ = served
    page = new_page(url)
    expect(page.locator("#sv-speedup strong")).to_have_text("starting…")
    slider = page.get_by_role("slider", name="Sparsity of stage 1", exact=True)
    slider.focus()
    page.keyboard.press("Home")
    page.get_by_role("tab", name="Latency").click()
    engine.analyze_first()
    expect(page.locator("#sv-latency")).to_contain_text("128 / 128")
    page.get_by_role("tab", name="Pruned windows").click()
    expect(page.locator(".sv-win-caption")).to_contain_text("computed all 128 windows")
    expect(slider).to_have_value("0")
