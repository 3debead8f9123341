"""What commands print: the numbers of a photo, tables of a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from sparsevit.inspect.end_to_end import PhotoBench
from sparsevit.measure.bench_report import BenchChange, BenchReport, BenchRow
from sparsevit.package.units import DECIBEL, find_agreement_unit

_MOST_OPERATORS = 12  # listed of a profile


def print_result(result: dict[str, Any], folder: Path) -> None:
    """The headline numbers of one photo."""
    height, width = result["input_size"]
    gmacs = result["gmacs"]
    typer.echo(f"{result['photo']} at {height}x{width} through {result['model']}")
    unit = find_agreement_unit(result["task"])
    typer.echo(f"  agreement with dense {unit.say(result['agreement']['agreement'])}")
    if accuracy := result.get("accuracy"):
        for name, write in (("psnr", DECIBEL.say), ("ssim", "{:.4f}".format)):
            dense, sparse, base = (write(accuracy[name][s]) for s in ("dense", "sparse", "base"))
            typer.echo(f"  {name.upper()} {dense} -> {sparse}, without a network {base}")
    if camera := result.get("camera"):
        typer.echo(f"  camera {camera['known_from']}")
    typer.echo(f"  GMACs {gmacs['dense']:.1f} -> {gmacs['sparse']:.1f}")
    if result["doubt"]:
        typer.echo(f"  {result['doubt']}, so the speed-up is not worth quoting")
    elif result["latency_ms"]:
        latency = result["latency_ms"]
        typer.echo(
            f"  {latency['dense']:.0f} ms -> {latency['sparse']:.0f} ms, "
            f"{result['speedup']:.2f}x faster ({result['device']}, {result['dtype']})"
        )
    typer.echo(f"  wrote {folder}")


def print_bench(report: BenchReport, with_profile: bool = False) -> None:
    """The benchmark as a table.

    Args:
        report: what was measured.
        with_profile: also show the time of every part and of the heaviest operators.
    """
    load = "unknown" if report.other_load is None else f"{report.other_load:.1%}"
    typer.echo(
        f"{report.model} for {report.task}, {report.device}, {report.dtype}, torch {report.torch}, "
        f"{report.repeats} rounds, other processes used {load} of the CPUs, "
        f"allocator {report.allocator or 'default'}"
    )
    width = max(len(row.name) for row in report.rows)
    typer.echo(f"{'':{width}}  size  batch   median       p10       p90   ratio  MACs   memory")
    for row in report.rows:
        typer.echo(
            f"{row.name:{width}}  {row.size:4}  {row.batch:5}  {row.median_ms:6.0f} ms  "
            f"{row.p10_ms:6.0f} ms  {row.p90_ms:6.0f} ms  {row.ratio_to_fastest_dense:5.2f}  "
            f"{row.mac_ratio:4.2f}  {row.peak_extra_mb:5.0f} MB"
        )
    if with_profile:
        for row in report.rows:
            _print_profile(row)
    warn_of_doubt(report.doubt)


def _print_profile(row: BenchRow) -> None:
    typer.echo(f"\n{row.name}, size {row.size}, batch {row.batch}")
    if len(row.parts_ms) > 1:
        last = len(row.parts_ms) - 1
        names = ["embedding", *(f"stage {index}" for index in range(1, last)), "head"]
        parts = (f"{n} {ms:.1f} ms" for n, ms in zip(names, row.parts_ms, strict=True))
        typer.echo("  " + ", ".join(parts))
    ops = row.ops_ms or {}
    total = sum(ops.values())
    for name, ms in list(ops.items())[:_MOST_OPERATORS]:
        typer.echo(f"  {ms:8.1f} ms  {ms / total:5.1%}  {name}")


def print_changes(changes: list[BenchChange], differing: list[str]) -> None:
    """An earlier benchmark against this one."""
    typer.echo("\nchange since the earlier run")
    width = max((len(change.name) for change in changes), default=0)
    for change in changes:
        typer.echo(
            f"{change.name:{width}}  {change.size:4}  {change.batch:5}  "
            f"{change.before_ms:6.0f} -> {change.now_ms:6.0f} ms  "
            f"{change.now_ms / change.before_ms - 1:+.1%}"
        )
    if not changes:
        typer.echo("no row has the same name, size and batch")
    for sentence in differing:
        typer.echo(f"Not the same: {sentence}.", err=True)


def print_photo_bench(result: PhotoBench) -> None:
    """What each step from file to overlay takes."""
    load = "unknown" if result.other_load is None else f"{result.other_load:.1%}"
    height, width = result.input_size
    typer.echo(
        f"{result.model}, {result.photo} at {height}x{width}, {result.device}, {result.dtype}, "
        f"{result.repeats} rounds, other processes used {load} of the CPUs"
    )
    for name, steps, total in (
        ("dense", result.dense_ms, result.dense_total_ms),
        ("sparse", result.sparse_ms, result.sparse_total_ms),
    ):
        words = ", ".join(f"{step} {ms:.0f}" for step, ms in steps.items())
        typer.echo(f"{name:6}  {total:6.0f} ms  ({words})")
    warn_of_doubt(result.doubt)


def warn_of_doubt(doubt: str | None) -> None:
    """Say on standard error that latencies are not worth quoting, and why."""
    if doubt is not None:
        typer.echo(f"Warning: {doubt}, so these latencies are not worth quoting.", err=True)
