"""Analyse many photos with the page and watch the memory of its server.

Starts the page on a free port of this machine; several people then analyse one photo after the
other, each a new one, and time it. Of every tenth they take the zip, and ask for the worth of its
windows and for where it errs. See ../deploy.md.

Two figures: what is resident, and what is left of it once the C library has given back the free
pages between live ones (glibc's malloc_trim). The second is what the server holds; only there can
a leak hide, and only that is judged.
"""

import argparse
import ctypes
import json
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import psutil
from gradio_client import Client, handle_file
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "assets" / "street_dusk_512x1024.jpg"
SIDE = 256  # pixels of the shorter side fed to the network
STEP = 50  # analyses between two readings
WARM_UP = 100  # analyses that may still fill caches and the allocator's arenas


class Visitor:
    """One person with one page."""

    def __init__(self, url: str, number: int, folder: Path) -> None:
        self._photo = folder / f"visitor{number}.jpg"
        self._random = np.random.default_rng(number)
        self._client = Client(url, verbose=False, download_files=False)
        self._values = {
            component["props"].get("elem_id"): component["props"].get("value")
            for component in self._client.config["components"]
        }

    def analyze(self, number: int) -> None:
        """Look at analysis ``number``: a new photo, new sparsities, its latency."""
        with Image.open(PICTURE) as picture:
            pixels = np.roll(np.asarray(picture), int(self._random.integers(1024)), axis=1)
        pixels = pixels[:, : self._random.choice([512, 768, 1024])]  # other sizes, other windows
        Image.fromarray(pixels).save(self._photo)
        panel = json.loads(self._values["sv-panel"])
        for stage in panel["stages"]:
            stage["sparsities"] = [self._random.random() * 0.9] * len(stage["sparsities"])
        controls = [handle_file(str(self._photo)), self._values["sv-model"], SIDE]
        chosen = (json.dumps(panel), self._values["sv-task"], 0)
        self._client.predict(*controls, *chosen, api_name="/run")
        self._client.predict(api_name="/measure")
        if number % 10 == 0:
            self._client.predict(api_name="/make_zip")
            self._client.predict(*controls, api_name="/worth")
            self._client.predict(*controls, "0.5", api_name="/lens")


def serve_page(port: int, folder: str) -> None:
    """Serve the page for small pictures, with all its files in ``folder``; runs in a process."""
    os.environ["GRADIO_TEMP_DIR"] = folder
    sys.path.insert(0, str(ROOT))
    from app.config import Config
    from app.engine.local import LocalEngine
    from app.page.ui import build_demo, launch_options
    from app.tabs.registry import TABS

    c_library = ctypes.CDLL("libc.so.6")
    signal.signal(signal.SIGUSR1, lambda *_: c_library.malloc_trim(0))
    engine = LocalEngine(Config(short_side=SIDE))
    engine.start()
    demo = build_demo(engine, TABS).queue(max_size=engine.config.max_queue)
    demo.launch(server_port=port, quiet=True, **launch_options(engine))


def read_memory(pid: int) -> tuple[float, float]:
    """Resident memory of the server in MB, before and after its free pages are given back."""
    server = psutil.Process(pid)
    resident = server.memory_info().rss
    server.send_signal(signal.SIGUSR1)
    time.sleep(2)
    return resident / 1e6, server.memory_info().rss / 1e6


def wait_for(page: multiprocessing.context.SpawnProcess, url: str) -> None:
    """Wait until the page answers."""
    while page.is_alive():
        try:
            httpx.get(url, timeout=60)
            return
        except httpx.TransportError:
            time.sleep(1)
    sys.exit("The page did not start.")


def main() -> int:
    """Print the memory as it goes; 1 if it grew by more than the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--analyses", type=int, default=500)
    parser.add_argument("--visitors", type=int, default=5)
    parser.add_argument("--limit", type=float, default=50, help="MB of growth that are too many")
    args = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    readings = []
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(args.visitors) as pool:
        page = multiprocessing.get_context("spawn").Process(target=serve_page, args=(port, name))
        page.start()
        assert page.pid is not None
        try:
            wait_for(page, url)
            visitors = [Visitor(url, number, Path(name)) for number in range(args.visitors)]
            print("analyses  resident MB  held MB", flush=True)
            for number in range(0, args.analyses + 1, args.visitors):
                if number % STEP == 0 or number + args.visitors > args.analyses:
                    resident, held = read_memory(page.pid)
                    readings.append((number, held))
                    print(f"{number:8}  {resident:11.0f}  {held:7.0f}", flush=True)
                end = min(number + args.visitors, args.analyses)
                list(pool.map(Visitor.analyze, visitors, range(number, end)))
        finally:
            page.terminate()
            page.join()
    first, before = next(r for r in readings if r[0] >= min(WARM_UP, args.analyses // 2))
    growth = readings[-1][1] - before
    print(
        f"held grew by {growth:.0f} MB over the last {args.analyses - first}, "
        f"limit {args.limit:.0f}"
    )
    return int(growth > args.limit)


if __name__ == "__main__":
    sys.exit(main())
