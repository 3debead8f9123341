"""What the tests of the page share: a network so small that every run takes milliseconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from app.config import Config
from app.engine.local import LocalEngine
from sparsevit import networks
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.streets import CLASS_NAMES, PALETTE
from sparsevit.networks import ModelInfo
from sparsevit.networks.checkpoint import save_checkpoint
from sparsevit.networks.restorer import Restorer
from sparsevit.networks.restorer_config import RestorerConfig
from sparsevit.networks.segmenter import Segmenter, SegmenterConfig, save_segmenter
from sparsevit.schedule import SparsitySchedule
from sparsevit.search import (
    Frontier,
    FrontierPoint,
    SearchProgress,
    SearchSettings,
    find_pareto,
)
from sparsevit.search.frontier import find_winner
from sparsevit.search.run import FRONTIER_FILE

DEPTHS = (2, 2, 4, 2)

#: A list as ``list_models`` gives it; the real one takes seconds to put together.
INFOS = [
    ModelInfo("small", "semantic", 11, 0.1, 0.4, "MIT", "offline"),
    ModelInfo("other", "semantic", 11, 0.1, 0.4, "MIT", "offline"),
    ModelInfo("timm/swin_tiny", "classification", 1000, 28.3, 113.2, "mit", "download"),
]


def write_home(folder: Path) -> Path:
    """Fill a folder with two checkpoints, "small" and "other", and two example pictures."""
    for seed, (name, depths) in enumerate({"small": DEPTHS, "other": (2, 2, 6, 2)}.items()):
        config = SegmenterConfig(
            class_names=CLASS_NAMES[:-1],
            palette=tuple((int(r), int(g), int(b)) for r, g, b in PALETTE[:-1]),
            embed_dim=12,
            depths=depths,
            num_heads=(1, 2, 4, 8),
            head_dim=16,
        )
        torch.manual_seed(seed)
        save_segmenter(Segmenter(config), folder / f"{name}.safetensors")
    assets = folder / "assets"
    assets.mkdir()
    for seed, name in enumerate(("street_a", "street_b")):
        write_photo(assets / f"{name}.jpg", seed, size=(256 - 32 * seed, 512))
    return folder


def write_many(folder: Path) -> Path:
    """Add the network "many", as large as "small", which finds classes, instances and 3D boxes."""
    config = SegmenterConfig(
        class_names=CLASS_NAMES[:-1],
        palette=tuple((int(r), int(g), int(b)) for r, g, b in PALETTE[:-1]),
        embed_dim=12,
        depths=DEPTHS,
        num_heads=(1, 2, 4, 8),
        head_dim=16,
        kinds=STREET_KINDS.names,
        kind_classes=STREET_KINDS.classes,
        kind_sizes=STREET_KINDS.sizes,
    )
    torch.manual_seed(2)
    network = Segmenter(config)
    with torch.no_grad():
        network.centres[-1].bias[:-2] = 0.0  # so that it finds things everywhere
    save_segmenter(network, folder / "many.safetensors")
    return folder


def write_restorer(folder: Path) -> Path:
    """Add the network "restorer", small and untrained, which changes what it is given a little."""
    torch.manual_seed(3)
    network = Restorer(RestorerConfig(dim=16, depths=(2, 2), num_heads=2))
    with torch.no_grad():
        network.head.weight.normal_(0, 0.02)
    save_checkpoint(network, network.config, folder / "restorer.safetensors")
    return folder


def write_photo(path: Path, seed: int, size: tuple[int, int] = (256, 512)) -> Path:
    """A noisy picture (h, w) with a bright patch, so that scores differ between windows."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 120, (*size, 3), dtype=np.uint8)
    pixels[64:160, 64 + 96 * seed : 200 + 96 * seed] += 110
    Image.fromarray(pixels).save(path)
    return path


def make_config(home: Path, **changes: object) -> Config:
    """The page's settings for :func:`write_home`."""
    fields: dict[str, object] = {
        "model": "small",
        "short_side": 256,
        "assets": home / "assets",
        "start_runs": 1,
        "first_runs": 2,
        "more_runs": 3,
    }
    return Config(**(fields | changes))  # type: ignore[arg-type]


def make_engine(home: Path, **changes: object) -> LocalEngine:
    """An engine with its first result."""
    engine = LocalEngine(make_config(home, **changes))
    engine.start()
    return engine


@contextmanager
def serve(home: Path) -> Iterator[tuple[str, LocalEngine]]:
    """The whole page on a free port of this machine: (address, engine)."""
    with offer_few_networks(home):
        engine = make_engine(home)
        with serve_engine(engine) as (url, _):
            yield url, engine


@contextmanager
def offer_few_networks(home: Path) -> Iterator[None]:
    """There are only the networks of :func:`write_home`, and a list as it is when complete."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "CHECKPOINT_FOLDER", home)
        patch.setattr("app.engine.models.list_models", lambda: INFOS)
        patch.setattr("app.page.ui._RETRY_S", 0.5)  # a test does not wait for a quiet machine
        yield


@contextmanager
def serve_engine(engine: LocalEngine) -> Iterator[tuple[str, Any]]:
    """The whole page of an engine, which may not have started: (address, gr.Blocks)."""
    from app.page.ui import build_demo, launch_options
    from app.tabs.registry import TABS

    demo = build_demo(engine, TABS).queue(max_size=engine.config.max_queue)
    _, url, _ = demo.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **launch_options(engine)
    )
    try:
        yield url, demo
    finally:
        demo.close()
        # Taken for good: a thread inside torch when the process ends would abort it.
        engine.turns.lock.__enter__()


def schedule(value: object, depths: tuple[int, ...] = DEPTHS) -> SparsitySchedule:
    """A schedule for the network "small"."""
    return SparsitySchedule.parse(value, depths)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait a minute at most for something to be so."""
    deadline = time.monotonic() + 60
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_so()


def make_frontier(
    trials: int = 4, size: tuple[int, int] = (256, 512), **changes: object
) -> Frontier:
    """A frontier of the network "small": the faster a schedule, the less it agrees."""
    points = tuple(
        FrontierPoint(
            schedule(sparsity), 1 - sparsity / 5, 100 - 90 * sparsity, 101 - 90 * sparsity
        )
        for sparsity in (0.8, 0.5, 0.2)
    )
    fields: dict[str, Any] = {
        "model": "small",
        "device": "a <fine> CPU",
        "size": size,
        "batch": 1,
        "dtype": "float32",
        "metric": "agreement",
        "data": "1 photo",
        "pictures": 1,
        "dense_ms": 100.0,
        "dense_accuracy": 1.0,
        "seed": 0,
        "trials": trials,
        "other_load": None,
        "points": points,
    }
    return Frontier(**fields | changes)


def search_slowly(pause_s: float = 0.0) -> Callable[..., Iterator[SearchProgress]]:
    """A stand-in for a search: invents its numbers; remembers in the storage what it tried."""

    def search(
        loaded: object,
        photo: object,
        settings: object,
        asked: SearchSettings,
        storage: Any,
        folder: Path,
    ) -> Iterator[SearchProgress]:
        tried: list[FrontierPoint] = storage.__dict__.setdefault("tried", [])
        for done in range(1, 3):
            yield SearchProgress("timing", done, 2)
        budget_ms = 100 * float(asked.budget.removesuffix("x")) if asked.budget else None
        known: dict[str, Any] = {"dense_ms": 100.0, "dense_accuracy": 1.0, "budget_ms": budget_ms}

        def tell() -> dict[str, Any]:
            frontier = tuple(find_pareto(tried))
            best = find_winner(tried, 1.0, budget_ms)
            return {"tried": tuple(tried), "frontier": frontier, "best": best, **known}

        while len(tried) < asked.trials:
            time.sleep(pause_s)
            share = -len(tried) * 37 % 300 / 400  # dense, then the fast ones
            tried.append(FrontierPoint(schedule(share), 1 - share / 4, 100 - 90 * share))
            yield SearchProgress("searching", len(tried), asked.trials, **tell())
        result = make_frontier(asked.trials, budget_ms=budget_ms, points=tell()["frontier"])
        result.save(folder / FRONTIER_FILE)
        yield SearchProgress("measuring", 1, 1, **tell(), result=result)

    return search
