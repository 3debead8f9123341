"""What the command line writes: pictures and JSON to a folder, tables to the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from sparsevit.analysis import Analysis
from sparsevit.bench import BenchReport
from sparsevit.tasks import Task
from sparsevit.vis import (
    draw_compute_map,
    draw_pruned_windows,
    draw_score_map,
    make_filmstrip,
    save_picture,
)


def write_analysis(task: Task, analysis: Analysis, result: dict[str, Any], folder: Path) -> None:
    """Write a photo's pictures and ``result.json`` into ``folder``.

    Args:
        task: what the network's output means.
        analysis: what the network did.
        result: plain data for ``result.json``.
        folder: made if it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    image, blocks = analysis.prepared.image, list(analysis.blocks)
    for block in blocks:
        stem = f"stage{block.stage + 1}_block{block.block + 1}"
        save_picture(folder / f"{stem}_windows.png", draw_pruned_windows(image, block))
        save_picture(folder / f"{stem}_scores.png", draw_score_map(image, block))
    save_picture(folder / "compute_map.png", draw_compute_map(image, blocks))
    save_picture(folder / "filmstrip.png", make_filmstrip(image, blocks))
    save_picture(folder / "dense.png", task.draw(image, analysis.prepared.dense))
    save_picture(folder / "sparse.png", task.draw(image, analysis.sparse))
    text = json.dumps(result, indent=2)
    (folder / "result.json").write_text(text + "\n", encoding="utf-8")


def print_result(result: dict[str, Any], folder: Path) -> None:
    """The headline numbers of one photo."""
    height, width = result["input_size"]
    gmacs = result["gmacs"]
    typer.echo(f"{result['photo']} at {height}x{width} through {result['model']}")
    typer.echo(f"  agreement with dense {result['agreement']['agreement']:.1%}")
    typer.echo(f"  GMACs {gmacs['dense']:.1f} -> {gmacs['sparse']:.1f}")
    if result["latency_ms"]:
        latency = result["latency_ms"]
        typer.echo(
            f"  {latency['dense']:.0f} ms -> {latency['sparse']:.0f} ms, "
            f"{result['speedup']:.2f}x faster ({result['device']}, {result['dtype']})"
        )
    typer.echo(f"  wrote {folder}")


def print_bench(report: BenchReport) -> None:
    """The benchmark as a table."""
    load = "unknown" if report.other_load is None else f"{report.other_load:.1%}"
    typer.echo(
        f"{report.model}, {report.device}, {report.dtype}, torch {report.torch}, "
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
    if not report.is_quiet:
        typer.echo("Warning: the machine was not quiet; do not quote these numbers.", err=True)
