"""Peak memory of one run, by PyTorch's own allocator; free memory, and the errors of too little."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from sparsevit.measure.load import find_group


def is_out_of_memory(error: BaseException) -> bool:
    """True when an allocation failed, on a GPU or on the CPU, whose error is a plain one."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)


def find_free_mb(device: torch.device | str = "cpu") -> float | None:
    """Memory that tensors on a device may still take, in units of 1e6 bytes.

    In a container with a limit it is what is left of that. None where it cannot be read.
    """
    device = torch.device(device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return (free + kept) / 1e6
    return _read_free_mb() if device.type == "cpu" else None


def _read_free_mb(root: Path = Path("/")) -> float | None:
    try:
        words = (root / "proc/meminfo").read_text().split()
        free = int(words[words.index("MemAvailable:") + 1]) * 1024
    except (OSError, ValueError):  # not Linux
        return None
    try:
        group = find_group(root)
        limit, used = (int((group / f"memory.{name}").read_text()) for name in ("max", "current"))
        words = (group / "memory.stat").read_text().split()
        files = int(words[words.index("inactive_file") + 1])  # read once: they make room
    except (OSError, ValueError):  # no such group, or no limit: "max"
        return free / 1e6
    return min(free, max(0, limit - used + files)) / 1e6


def peak_extra_mb(run: Callable[[], Any], device: torch.device | str = "cpu") -> float:
    """Most memory that tensors made by ``run`` held at once, in units of 1e6 bytes.

    Args:
        run: what to watch; it is run once.
        device: where its tensors live.
    """
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return (torch.cuda.max_memory_allocated(device) - before) / 1e6
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorder:
        run()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        recorder.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    changes = [event for event in events if event.get("name") == "[memory]"]
    held = peak = 0
    for event in sorted(changes, key=lambda event: event["ts"]):
        held += event["args"]["Bytes"]
        peak = max(peak, held)
    return peak / 1e6
