"""What the benchmark reports, and how two reports compare."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class BenchRow:
    """One line of the benchmark.

    Attributes:
        name: which form of the network.
        size: pixels of a side of the square input.
        batch: images at once.
        schedule: layerwise sparsities, None for the host's own forms.
        median_ms, p10_ms, p90_ms: of a forward of the whole network.
        ratio_to_fastest_dense: this median over that of the fastest dense form.
        mac_ratio: multiply-accumulates over the host's own: what an ideal machine would reach.
        peak_extra_mb: memory held by the forward's tensors at the worst moment, 1e6 bytes.
        parts_ms: medians of what comes before the first stage, of each stage with what follows it,
            and of what comes after the last; one figure where the stages cannot be seen.
        ops_ms: time inside each operator of PyTorch alone in one run under its profiler, the
            largest first; None unless asked for.
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
    parts_ms: tuple[float, ...]
    ops_ms: dict[str, float] | None = None

    @property
    def key(self) -> tuple[str, int, int]:
        """What a row of another report must share to be compared with this one."""
        return self.name, self.size, self.batch


@dataclass(frozen=True)
class BenchReport:
    """A finished benchmark; :meth:`to_dict` is what ``sparsevit bench --json`` prints.

    Attributes:
        model: the network's name.
        device, dtype, threads, repeats, torch: how it was run.
        allocator: the settings of ``ALLOCATOR_VARIABLES`` in force.
        other_load: share of the CPUs that other processes used meanwhile, at the worst of the sizes
            and batches; None if unknown.
        doubt: why these latencies are not worth quoting; None if they are.
        rows: for every size and batch, dense forms first.
        task: what the forwards were for, of a network that does several things; "" if not told.
    """

    model: str
    device: str
    dtype: str
    threads: int
    repeats: int
    torch: str
    allocator: dict[str, str]
    other_load: float | None
    doubt: str | None
    rows: tuple[BenchRow, ...]
    task: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class BenchChange:
    """One row against the same row of an earlier report.

    Attributes:
        name, size, batch: which row.
        before_ms, now_ms: medians.
    """

    name: str
    size: int
    batch: int
    before_ms: float
    now_ms: float


def compare_reports(now: BenchReport, before: Any) -> tuple[list[BenchChange], list[str]]:
    """What changed since an earlier report, and what makes the two hard to compare.

    Args:
        now: the new report.
        before: the parsed JSON of an earlier one.

    Returns:
        Rows that both have, and the settings that differ, in words.

    Raises:
        ValueError: ``before`` is not a report of this benchmark.
    """
    try:
        medians = {
            (r["name"], r["size"], r["batch"]): float(r["median_ms"]) for r in before["rows"]
        }
        fields = ("model", "device", "dtype", "threads", "torch", "allocator")
        differing = [
            f"{field} was {before[field]}, is {getattr(now, field)}"
            for field in fields
            if before[field] != getattr(now, field)
        ]
        if before.get("task", now.task) != now.task:  # earlier versions knew of none
            differing.append(f"task was {before['task']}, is {now.task}")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("The file to compare with is no JSON of 'sparsevit bench'.") from error
    changes = [
        BenchChange(*row.key, medians[row.key], row.median_ms)
        for row in now.rows
        if row.key in medians
    ]
    return changes, differing
