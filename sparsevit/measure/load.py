"""How much of the CPUs other programs use while something is timed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

import torch

_TICK_S = 1 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01


class LoadMeter:
    """Share of our CPUs that other processes took inside the ``with`` blocks of this meter.

    Ours are the CPUs that this process may run on; in a container with a smaller limit, the limit
    and those inside it. All threads of this process are we. Its children are not, as they slow it
    down like anybody else, nor is a hypervisor that gives the CPU to another machine.

    Attributes:
        other_load: 0 to 1, of all blocks so far; None where it cannot be read, and for a GPU, whose
            work does not wait for CPUs.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.other_load: float | None = None
        self._on_cpu = torch.device(device).type == "cpu"
        self._others_s = self._available_s = 0.0

    def __enter__(self) -> LoadMeter:
        self._start = (_read_busy(), time.process_time(), time.perf_counter())
        return self

    def __exit__(self, *_: object) -> None:
        before, now = self._start, (_read_busy(), time.process_time(), time.perf_counter())
        if before[0] is None or now[0] is None or not self._on_cpu:
            return
        busy_s, cpus = now[0].seconds - before[0].seconds, now[0].cpus
        self._others_s += busy_s - (now[1] - before[1])
        self._available_s += cpus * (now[2] - before[2])
        surely_s = self._others_s - cpus * _TICK_S  # the kernel counts in ticks
        self.other_load = round(min(1.0, max(0.0, surely_s / self._available_s)), 4)


def find_group(root: Path = Path("/")) -> Path:
    """The folder of our control group (version 2), where a container's limits are.

    Raises:
        OSError: there are no control groups.
    """
    group = (root / "proc/self/cgroup").read_text().partition("0::/")[2].partition("\n")[0]
    return root / "sys/fs/cgroup" / group


class _Busy(NamedTuple):
    seconds: float
    cpus: float


def _read_busy(root: Path = Path("/")) -> _Busy | None:
    """Seconds that our CPUs have worked for anybody since some moment, and how many they are."""
    try:
        lines = (root / "proc/stat").read_text().splitlines()
        ours = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    except (OSError, AttributeError):  # not Linux
        return None
    seconds = 0.0
    for name, *fields in map(str.split, lines):
        if name in ours:
            user, nice, system, _, _, irq, softirq, steal = map(int, fields[:8])
            seconds += (user + nice + system + irq + softirq + steal) * _TICK_S
    return _read_container(root, len(ours)) or _Busy(seconds, len(ours))


def _read_container(root: Path, cpus: int) -> _Busy | None:
    """The same of our control group (version 2), if it is limited to fewer CPUs."""
    try:
        folder = find_group(root)
        quota, period = (folder / "cpu.max").read_text().split()
        usage = (folder / "cpu.stat").read_text().split()
        limit = int(quota) / int(period)
        seconds = int(usage[usage.index("usage_usec") + 1]) / 1e6
    except (OSError, ValueError):  # no such group, or no limit: "max"
        return None
    return _Busy(seconds, limit) if limit < cpus else None
