"""What the server holds after many analyses; docs/deploy/try_memory.py measures it in MB."""

import gc
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest
from app_support import write_photo
from gradio_client import Client, handle_file
from page_support import list_switches

from app.engine.records import Photo, Result
from app.page.session import Session
from app.page.ui import build_demo, launch_options
from app.tabs.registry import TABS

VISITORS, PHOTOS, MOVES = 2, 5, 2
HISTORY_PHOTOS = 4  # as many as a session keeps for its history


@pytest.fixture
def page(engine, tmp_path, monkeypatch):
    """The page on a free port of this machine, with its files in tmp_path: (demo, address)."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))
    monkeypatch.setattr(engine, "config", replace(engine.config, patience_s=0.1))
    demo = build_demo(engine, TABS).queue()
    address = {"server_name": "127.0.0.1", "prevent_thread_lock": True, "quiet": True}
    _, url, _ = demo.launch(**address, **launch_options(engine))
    yield demo, url
    demo.close()


def _count(kind, folder):
    """How many results or photos in memory came from a file in ``folder``."""
    gc.collect()
    alive = [thing for thing in gc.get_objects() if type(thing) is kind]
    photos = [thing.photo if kind is Result else thing for thing in alive]
    return sum(photo.path.is_relative_to(folder) for photo in photos)


def _list_uploads(folder):
    names = [name for *_, names in os.walk(folder) for name in names]
    return [name for name in names if name.startswith(("visitor", "sparsevit"))]


def test_twenty_analyses_leave_no_more_than_the_last_ones(page, engine, tmp_path):
    demo, url = page
    folder = tmp_path / "files"

    def visit(number):
        client = Client(url, verbose=False, download_files=False)
        client.predict(f"tab {number}", api_name="/enter")
        for turn in range(PHOTOS):
            photo = write_photo(tmp_path / f"visitor{number}.png", VISITORS * turn + number)
            controls = [handle_file(str(photo)), "small", 256, *list_switches(engine)]
            for _ in range(MOVES):
                client.predict(*controls, api_name="/run")
            client.predict(api_name="/measure")
        client.predict(api_name="/make_zip")
        return client

    with ThreadPoolExecutor(VISITORS) as pool:
        clients = list(pool.map(visit, range(VISITORS)))
    held = demo.state_holder.session_data
    assert set(held) == {client.session_hash for client in clients}
    sessions = [s for state in held.values() for s in state.state_data.values()]
    sessions = [session for session in sessions if isinstance(session, Session)]
    assert [len(session.history) for session in sessions] == [HISTORY_PHOTOS] * VISITORS
    assert _count(Result, folder) == VISITORS
    assert _count(Photo, folder) == VISITORS * HISTORY_PHOTOS
    assert len(engine.runs.prepared) <= engine.config.kept_images
    assert {len(state.config_values) for state in held.values()} == {len(demo.blocks)}
    assert len(_list_uploads(folder)) == VISITORS * (PHOTOS + 1)  # one zip each

    for client in clients:  # every page holds a connection open; now it is closed
        address = f"{url}gradio_api/heartbeat/{client.session_hash}"
        with httpx.stream("GET", address, timeout=60) as alive:
            next(alive.iter_lines())
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(session != Session() for session in sessions):
        time.sleep(0.05)
    assert _list_uploads(folder) == []
    assert _count(Result, folder) == _count(Photo, folder) == 0


# Four threads that hold memory at once, and how many heaps that took, by the C library's own count.
HEAPS = """
import ctypes, sys, threading
from app.engine.memory import keep_one_arena

if sys.argv[1] == "one":
    keep_one_arena()
c_library = ctypes.CDLL(None)
c_library.malloc.restype = ctypes.c_void_p
meet = threading.Barrier(4)

def hold():
    c_library.malloc(10_000)
    meet.wait()

threads = [threading.Thread(target=hold) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
c_library.fdopen.restype = ctypes.c_void_p
c_library.malloc_info(0, ctypes.c_void_p(c_library.fdopen(1, b"w")))
c_library.fflush(None)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="counts the heaps of glibc")
def test_threads_share_one_heap():
    counts = {}
    for kind in ("one", "many"):
        command = [sys.executable, "-c", HEAPS, kind]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
        told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        counts[kind] = told.stdout.count("<heap nr=")
    assert counts["one"] == 1
    assert counts["many"] > 1
