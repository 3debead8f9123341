"""The benchmark: every dense form and every schedule of one network, timed in turn."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from sparsevit.accel.compiling import compile_rest
from sparsevit.accel.graphs import GraphedModel
from sparsevit.core.trace import capture
from sparsevit.measure.bench_report import BenchReport, BenchRow
from sparsevit.measure.cost import CostReport, count_fixed_macs, count_macs
from sparsevit.measure.dense import choose_dense, make_runs
from sparsevit.measure.latency import (
    WARMUP_RUNS,
    LatencyStats,
    describe_device,
    find_doubt,
    time_interleaved,
)
from sparsevit.measure.load import LoadMeter
from sparsevit.measure.memory import peak_extra_mb
from sparsevit.patch import (
    densify,
    fix_input_size,
    get_depths,
    set_sparsity,
    sparsify,
    use_fused_attention,
)
from sparsevit.schedule import SparsitySchedule, read_schedule

#: C library settings that keep large temporaries from going back to the kernel each time.
ALLOCATOR_VARIABLES = ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")

#: Mark of the row whose masks and scores are recorded meanwhile, to show what that costs.
_RECORDED = ", recorded"

#: Mark of the rows that replay a CUDA graph.
_GRAPHED = ", CUDA graph"

#: Mark of the rows of our forms where all that is never pruned is compiled.
_REST = ", rest compiled"

_DENSE_NAMES = {
    "host default": "host",
    "host": "host, fused attention",
    "sparsevit": "sparsevit 0",
}

_MARKS = re.compile(f"({'|'.join((_RECORDED, _GRAPHED, _REST))})$")

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class BenchSettings:
    """What to time, and how.

    Attributes:
        sizes: pixels of a side of the square input, >= 32, one after the other.
        batches: images at once, >= 1, each with every size.
        sparsities: schedules as :func:`sparsevit.schedule.read_schedule` reads them.
        dtype: "fp32", "fp16" or "bf16".
        device: "cpu", "cuda" or "cuda:N".
        repeats: timed rounds.
        compile_host: also time the host with fused attention under ``torch.compile``, and our
            forms with all that is never pruned under it.
        with_ops: also find the time inside each operator.
        seed: of the random images.

    Raises:
        ValueError: an unknown dtype, a size or batch out of range.
    """

    sizes: Sequence[int] = (672,)
    batches: Sequence[int] = (1,)
    sparsities: Sequence[str] = ("0.6",)
    dtype: str = "fp32"
    device: str = "cpu"
    repeats: int = 10
    compile_host: bool = False
    with_ops: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"Unknown dtype {self.dtype!r}; choose from {', '.join(DTYPES)}.")
        if min(self.sizes) < 32 or min(self.batches) < 1:
            raise ValueError(
                f"size must be at least 32 and batch at least 1, got {self.sizes}, {self.batches}."
            )

    @property
    def rounds(self) -> int:
        """Of all sizes and batches together, warm-up included."""
        return (WARMUP_RUNS + self.repeats) * len(self.sizes) * len(self.batches)


def run_bench(
    name: str,
    model: nn.Module,
    settings: BenchSettings | None = None,
    on_round: Callable[[int], None] | None = None,
    task: str = "",
) -> BenchReport:
    """Time the host's forms, our dense form and our sparse forms, interleaved in one process.

    Args:
        name: the network's name, for the report.
        model: of a supported kind, sparsified or not; it comes back sparsified.
        settings: what to time; all defaults if None.
        on_round: called with the number of finished rounds, warm-up included.
        task: what its forward is for, for the report.

    Raises:
        ScheduleError: an impossible schedule.
    """
    settings = settings or BenchSettings()
    device, dtype = settings.device, DTYPES[settings.dtype]
    model = sparsify(model.to(device=device, dtype=dtype).eval())
    depths = get_depths(model)
    schedules = {f"sparsevit {text}": read_schedule(text, depths) for text in settings.sparsities}
    for schedule in schedules.values():
        schedule.check_linked()
    schedules = {key: value for key, value in schedules.items() if not value.is_dense}
    unpruned = SparsitySchedule.parse(0.0, depths)
    rows: list[BenchRow] = []
    loads: list[float | None] = []
    doubts: list[str | None] = []
    done = 0

    def tell(rounds: int) -> None:
        if on_round is not None:
            on_round(done + rounds)

    for size, batch in product(settings.sizes, settings.batches):
        generator = torch.Generator().manual_seed(settings.seed)
        images = torch.randn(batch, 3, size, size, generator=generator).to(device, dtype)
        runs = make_runs(model, images, schedules)
        runs = {_DENSE_NAMES.get(key, key): run for key, run in runs.items()}
        for key in list(schedules)[:1]:
            runs[key + _RECORDED] = _record(model, runs[key])
        if settings.compile_host:
            runs["host, fused, compiled"] = _compile_host(model, images)
            runs |= _compile_rest(model, images, schedules)
        if images.device.type == "cuda":
            runs |= _replay_graphs(model, images, schedules)
            if settings.compile_host:
                runs["host, fused, compiled" + _GRAPHED] = _compile_host(
                    model, images, mode="reduce-overhead"
                )
        with torch.inference_mode():
            with LoadMeter(device) as meter:
                stats = time_interleaved(runs, settings.repeats, device, on_round=tell, model=model)
            peaks = {key: peak_extra_mb(run, device) for key, run in runs.items()}
            ops = {}
            if settings.with_ops:
                ops = {key: find_ops_ms(run, device) for key, run in runs.items()}
        done += WARMUP_RUNS + settings.repeats
        loads.append(meter.other_load)
        set_sparsity(model, 0.0)
        of = {key: schedules.get(_MARKS.sub("", key), unpruned) for key in stats}
        dense = choose_dense({key: stats[key].samples_ms for key in stats if of[key].is_dense})
        fixed_macs = count_fixed_macs(model, (size, size))
        costs = {key: count_macs(model, (size, size), of[key], fixed_macs) for key in stats}
        ratios = {key: cost.least_ratio for key, cost in costs.items()}
        doubts.append(find_doubt(stats, dense, meter.other_load, ratios))
        rows += _list_rows(size, batch, of, costs, stats, stats[dense].median_ms, peaks, ops)
    known = [load for load in loads if load is not None]
    return BenchReport(
        model=name,
        device=describe_device(device),
        dtype=settings.dtype,
        threads=torch.get_num_threads(),
        repeats=settings.repeats,
        torch=torch.__version__,
        allocator={key: os.environ[key] for key in ALLOCATOR_VARIABLES if key in os.environ},
        other_load=max(known) if len(known) == len(loads) else None,
        doubt=next(filter(None, doubts), None),
        rows=tuple(rows),
        task=task,
    )


def _list_rows(
    size: int,
    batch: int,
    schedules: Mapping[str, SparsitySchedule],
    costs: Mapping[str, CostReport],
    stats: Mapping[str, LatencyStats],
    dense_ms: float,
    peaks: Mapping[str, float],
    ops: Mapping[str, dict[str, float]],
) -> list[BenchRow]:
    """What was measured at one size and batch, by the name of each form."""
    rows = []
    for key, stat in stats.items():
        rows.append(
            BenchRow(
                name=key,
                size=size,
                batch=batch,
                schedule=schedules[key].to_list() if key.startswith("sparsevit") else None,
                median_ms=round(stat.median_ms, 2),
                p10_ms=round(stat.p10_ms, 2),
                p90_ms=round(stat.p90_ms, 2),
                ratio_to_fastest_dense=round(stat.median_ms / dense_ms, 4),
                mac_ratio=round(costs[key].mac_ratio, 4),
                peak_extra_mb=round(peaks[key], 1),
                parts_ms=tuple(round(part, 2) for part in stat.median_parts_ms),
                ops_ms=ops.get(key),
            )
        )
    return rows


def find_ops_ms(run: Callable[[], Any], device: torch.device | str = "cpu") -> dict[str, float]:
    """Milliseconds inside each operator of PyTorch alone, in one run, the largest first.

    Args:
        run: what to watch. The profiler slows it down, small operators most.
        device: on CUDA the time of kernels is counted, else that of the CPU.
    """
    on_gpu = torch.device(device).type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as recorder:
        run()
    times = {
        event.key: (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1e3
        for event in recorder.key_averages()
    }
    return {key: round(ms, 3) for key, ms in sorted(times.items(), key=lambda t: -t[1]) if ms > 0}


def _record(model: nn.Module, run: Callable[[], Any]) -> Callable[[], Any]:
    """The same run with its masks and scores captured."""

    def recorded() -> None:
        with capture(model):
            run()

    return recorded


def _replay_graphs(
    model: nn.Module, images: torch.Tensor, schedules: Mapping[str, SparsitySchedule]
) -> dict[str, Callable[[], Any]]:
    """Our forms as CUDA graphs, recorded once, outside the timing."""
    graphed = GraphedModel(model, max_graphs=len(schedules) + 1)
    runs = make_runs(model, images, schedules, forward=graphed)
    names = {"sparsevit": _DENSE_NAMES["sparsevit"]} | {key: key for key in schedules}
    for key in names:
        runs[key]()
    return {name + _GRAPHED: runs[key] for key, name in names.items()}


def _compile_rest(
    model: nn.Module, images: torch.Tensor, schedules: Mapping[str, SparsitySchedule]
) -> dict[str, Callable[[], Any]]:
    """Our forms with all that is never pruned compiled, once, outside the timing."""
    compiled = compile_rest(model)
    runs = make_runs(compiled, images, schedules)
    names = {"sparsevit": _DENSE_NAMES["sparsevit"]} | {key: key for key in schedules}
    with torch.inference_mode():
        runs["sparsevit"]()
    return {name + _REST: runs[key] for key, name in names.items()}


def _compile_host(
    model: nn.Module, images: torch.Tensor, mode: str | None = None
) -> Callable[[], Any]:
    """The host with fused attention, compiled once, outside the timing."""
    host = copy.deepcopy(model)
    fix_input_size(host, (images.shape[-2], images.shape[-1]))
    densify(host)
    compiled = torch.compile(host, mode=mode)

    def run() -> None:
        with use_fused_attention(host, True):
            compiled(images)

    with torch.inference_mode():
        run()
    return run
