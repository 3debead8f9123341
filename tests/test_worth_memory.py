"""What windows are worth takes a backward pass: it is refused where memory is too small for it."""

import json
from types import SimpleNamespace

import gradio as gr
import pytest
import torch
from app_support import write_photo
from page_support import Page

from app.api import Api
from app.engine import measuring as measuring_module
from sparsevit.inspect.worth import estimate_worth_mb, measure_worth
from sparsevit.measure import memory
from sparsevit.measure.memory import find_free_mb, peak_extra_mb
from sparsevit.networks import load_model


def test_the_estimate_is_what_the_whole_takes(home):
    loaded, images = load_model("small"), torch.randn(1, 3, 512, 768)
    measured = peak_extra_mb(lambda: measure_worth(loaded, images))
    assert estimate_worth_mb(loaded, images) == pytest.approx(measured, rel=0.1)


@pytest.fixture
def page(engine, monkeypatch):
    """A user with a photo of 512 x 1024 pixels in a network, and a machine with no memory left."""
    monkeypatch.setattr(measuring_module, "find_free_mb", lambda device: 1.0)
    page = Page(engine)
    page.run(short_side=512)
    assert page.messages == []
    return page


def ask_worth(page):
    event = SimpleNamespace(index=0, value=None)
    return json.loads(page.windows.ask_worth(page.session, event)["worth"])


def test_the_page_says_that_memory_is_too_small_and_what_to_do(page, monkeypatch):
    answer = ask_worth(page)
    assert answer["error"] is not None
    assert answer["partitions"] == {}
    (message,) = page.messages
    assert "at 512 x 1024 pixels takes about" in message
    assert "choose a smaller short side" in message
    page.messages.clear()
    page.run(short_side=256)  # surely fits
    assert ask_worth(page)["error"] is None
    page.run(short_side=512)
    for free_mb in (1e6, None):  # plenty, and a system that does not tell
        monkeypatch.setattr(measuring_module, "find_free_mb", lambda device, mb=free_mb: mb)
        page.session.memories.clear()
        assert ask_worth(page)["error"] is None
    assert page.messages == []


def test_the_tab_that_explains_goes_on_without_worth(page):
    page.run(short_side=256)
    page.handlers.open_tab(page.session, "learn")
    page.learn.explain_block(page.session, 0, asks_worth=True)
    assert page.messages == []
    changes = page.run(short_side=512)
    assert page.messages == []
    assert json.loads(changes["learn"])["worth"] is None
    assert page.learn.explain_block(page.session, 0, asks_worth=True) == {}
    assert "choose a smaller short side" in page.messages[0]


def test_programs_are_refused_as_well(page, tmp_path):
    photo, api = str(write_photo(tmp_path / "a.png", 0)), Api(page.engine)
    with pytest.raises(gr.Error, match="choose a smaller short side"):
        api.worth(photo, "small", 512)
    with pytest.raises(gr.Error, match="choose a smaller short side"):
        api.draw_windows(photo, "small", 512, "0.5", 0, "worth")
    assert api.worth(photo, "small", 256)


def write_memory(root, available_kb=4_000_000, **limits):
    """A machine with memory, and a container with limits in bytes."""
    (root / "proc/self").mkdir(parents=True)
    text = f"MemTotal: 9000000 kB\nMemFree: 1 kB\nMemAvailable: {available_kb} kB\n"
    (root / "proc/meminfo").write_text(text)
    (root / "proc/self/cgroup").write_text("0::/pod1\n")
    group = root / "sys/fs/cgroup/pod1"
    group.mkdir(parents=True)
    for name, value in limits.items():
        (group / f"memory.{name}").write_text(f"{value}\n")
    return root


@pytest.mark.parametrize(
    ("limits", "free_mb"),
    [
        ({}, 4096),
        ({"max": "max", "current": 1}, 4096),
        # 3000 MB, of which 2500 are used, 700 of those by files that were read once
        (
            {"max": 3 * 10**9, "current": 2500 * 10**6, "stat": "anon 5\ninactive_file 700000000"},
            1200,
        ),
        ({"max": 90 * 10**9, "current": 10**9, "stat": "inactive_file 0"}, 4096),
        ({"max": 10**9, "current": 2 * 10**9, "stat": "inactive_file 0"}, 0),
    ],
)
def test_free_memory_is_that_of_the_machine_or_of_its_container(tmp_path, limits, free_mb):
    assert memory._read_free_mb(write_memory(tmp_path, **limits)) == free_mb


def test_free_memory_of_an_unknown_system_is_unknown(tmp_path):
    assert memory._read_free_mb(tmp_path) is None
    assert find_free_mb("mps") is None


def test_free_memory_of_a_gpu_counts_what_torch_keeps(monkeypatch):
    for name, value in {
        "mem_get_info": (3 * 10**9, 8 * 10**9),
        "memory_reserved": 2 * 10**9,
        "memory_allocated": 10**9,
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    assert find_free_mb("cuda:0") == 4000
