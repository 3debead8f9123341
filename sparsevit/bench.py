"""The benchmark: every dense form and every schedule of one network, timed in turn."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from sparsevit.cost import count_fixed_macs, count_macs
from sparsevit.hosts.timm_swin import use_fused_attention
from sparsevit.latency import LoadMeter, describe_device, make_runs, time_interleaved
from sparsevit.memory import peak_extra_mb
from sparsevit.patch import densify, get_depths, set_sparsity, sparsify
from sparsevit.schedule import SparsitySchedule, read_schedule

#: Other processes using more than this share of the CPUs spoil a measurement.
MAX_OTHER_LOAD = 0.05

#: C library settings that keep large temporaries from going back to the kernel each time.
ALLOCATOR_VARIABLES = ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class BenchRow:
    """One line of the benchmark.

    Attributes:
        name: which form of the network.
        size: pixels of a side of the square input.
        batch: images at once.
        schedule: layerwise sparsities, None for the host's own forms.
        median_ms, p10_ms, p90_ms: of a forward of the whole network.
        ratio_to_fastest_dense: this median over the smallest dense median.
        mac_ratio: multiply-accumulates over the host's own: what an ideal machine would reach.
        peak_extra_mb: memory held by the forward's tensors at the worst moment, 1e6 bytes.
    """

    name: str
    size: int
    batch: int
    schedule: list[list[float]] | None
    median_ms: float
    p10_ms: float
    p90_ms: float
    ratio_to_fastest_dense: float
    mac_ratio: float
    peak_extra_mb: float


@dataclass(frozen=True)
class BenchReport:
    """A finished benchmark; :meth:`to_dict` is what ``sparsevit bench --json`` prints.

    Attributes:
        model: the network's name.
        device, dtype, threads, repeats, torch: how it was run.
        allocator: the settings of ``ALLOCATOR_VARIABLES`` in force.
        other_load: share of the CPUs that other processes used meanwhile, None if unknown.
        rows: dense forms first.
    """

    model: str
    device: str
    dtype: str
    threads: int
    repeats: int
    torch: str
    allocator: dict[str, str]
    other_load: float | None
    rows: tuple[BenchRow, ...]

    @property
    def is_quiet(self) -> bool:
        """True when other processes were measured and left the machine alone."""
        return self.other_load is not None and self.other_load <= MAX_OTHER_LOAD

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def run_bench(
    name: str,
    model: nn.Module,
    size: int = 672,
    batch: int = 1,
    sparsities: Sequence[str] = ("0.6",),
    dtype: str = "fp32",
    device: str = "cpu",
    repeats: int = 10,
    compile_host: bool = False,
    seed: int = 0,
    on_round: Callable[[int], None] | None = None,
) -> BenchReport:
    """Time the host's forms, our dense form and our sparse forms, interleaved in one process.

    Args:
        name: the network's name, for the report.
        model: a timm Swin or a network that holds one, sparsified or not; it comes back sparsified.
        size: pixels of a side of the square input, >= 32.
        batch: images at once, >= 1.
        sparsities: schedules as :func:`sparsevit.schedule.read_schedule` reads them.
        dtype: "fp32", "fp16" or "bf16".
        device: "cpu", "cuda" or "cuda:N".
        repeats: timed rounds.
        compile_host: also time the host with fused attention under ``torch.compile``.
        seed: of the random images.
        on_round: called with the number of finished rounds, warm-up included.

    Raises:
        ScheduleError: an impossible schedule.
        ValueError: an unknown dtype, a size or batch out of range.
    """
    if dtype not in DTYPES:
        raise ValueError(f"Unknown dtype {dtype!r}; choose from {', '.join(DTYPES)}.")
    if size < 32 or batch < 1:
        raise ValueError(f"size must be at least 32 and batch at least 1, got {size} and {batch}.")
    model = sparsify(model.to(device=device, dtype=DTYPES[dtype]).eval())
    schedules = {f"sparsevit {text}": read_schedule(text, get_depths(model)) for text in sparsities}
    for schedule in schedules.values():
        schedule.check_linked()
    schedules = {key: value for key, value in schedules.items() if not value.is_dense}
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(batch, 3, size, size, generator=generator).to(device, DTYPES[dtype])
    runs = make_runs(model, images, schedules)
    names = {"host default": "host", "host": "host, fused attention", "sparsevit": "sparsevit 0"}
    runs = {names.get(key, key): run for key, run in runs.items()}
    if compile_host:
        runs = {"host, fused, compiled": _compile_host(model, images), **runs}
    with torch.inference_mode():
        with LoadMeter() as meter:
            stats = time_interleaved(runs, repeats, device, on_round=on_round)
        peaks = {key: peak_extra_mb(run, device) for key, run in runs.items()}
    set_sparsity(model, 0.0)
    fastest = min(stat.median_ms for key, stat in stats.items() if key not in schedules)
    fixed_macs = count_fixed_macs(model, (size, size))
    dense = SparsitySchedule.parse(0.0, get_depths(model))
    rows = []
    for key, stat in stats.items():
        schedule = schedules.get(key, dense)
        is_ours = key.startswith("sparsevit")
        cost = count_macs(model, (size, size), schedule, fixed_macs)
        rows.append(
            BenchRow(
                name=key,
                size=size,
                batch=batch,
                schedule=schedule.to_list() if is_ours else None,
                median_ms=round(stat.median_ms, 2),
                p10_ms=round(stat.p10_ms, 2),
                p90_ms=round(stat.p90_ms, 2),
                ratio_to_fastest_dense=round(stat.median_ms / fastest, 4),
                mac_ratio=round(cost.mac_ratio, 4) if is_ours else 1.0,
                peak_extra_mb=round(peaks[key], 1),
            )
        )
    return BenchReport(
        model=name,
        device=describe_device(device),
        dtype=dtype,
        threads=torch.get_num_threads(),
        repeats=repeats,
        torch=torch.__version__,
        allocator={key: os.environ[key] for key in ALLOCATOR_VARIABLES if key in os.environ},
        other_load=meter.other_load,
        rows=tuple(rows),
    )


def _compile_host(model: nn.Module, images: torch.Tensor) -> Callable[[], Any]:
    """The host with fused attention, compiled once, outside the timing."""
    host = densify(copy.deepcopy(model))
    compiled = torch.compile(host)

    def run() -> None:
        with use_fused_attention(host, True):
            compiled(images)

    with torch.inference_mode():
        run()
    return run
