"""The tab Latency: measured beside ideal, as a whole and stage by stage, and memory."""

from __future__ import annotations

from typing import Any

from app.engine.records import Result
from app.page.chart import Chart, Row, make_bars
from app.page.common import name_block
from app.page.templates import render
from sparsevit.measure.dense import DENSE_FORMS
from sparsevit.measure.latency import LatencyReport, LatencyStats


def show_latency(result: Result, runs: int) -> str:
    """Measured latency beside the ideal, where it goes, memory, and what every block kept.

    Args:
        result: with or without latency.
        runs: timed runs there will be; 0 if timing failed.
    """
    latency, cost = result.analysis.latency, result.analysis.cost
    if latency is None:
        return render("tabs/latency/latency.html", latency=None, runs=runs)
    return render(
        "tabs/latency/latency.html",
        latency=latency,
        cost=cost,
        chart=_compare(latency, latency.dense.median_ms * cost.mac_ratio),
        doubt=result.doubt,
        num_forms=len(DENSE_FORMS),
        form=DENSE_FORMS[latency.dense_form],
        parts=_list_parts(result, latency),
        peak_mb=result.peak_mb,
        blocks=_list_blocks(result),
    )


def _compare(latency: LatencyReport, ideal_ms: float) -> Chart:
    """Dense, sparse, and sparse if time followed the arithmetic."""

    def show(kind: str, stats: LatencyStats) -> Row:
        return Row(
            [(kind, stats.median_ms)],
            name=kind.capitalize(),
            value=f"{stats.median_ms:.0f} ms",
            about=f"most runs {stats.p10_ms:.0f} to {stats.p90_ms:.0f}",
            range=(stats.p10_ms, stats.p90_ms),
        )

    ideal = Row(
        [("ideal", ideal_ms)],
        name="Ideal",
        value=f"{ideal_ms:.0f} ms",
        about="if time followed the arithmetic",
    )
    return make_bars(
        [show("dense", latency.dense), show("sparse", latency.sparse), ideal],
        max(latency.dense.p90_ms, latency.sparse.p90_ms),
        f"Dense {latency.dense.median_ms:.0f} milliseconds, sparse "
        f"{latency.sparse.median_ms:.0f} milliseconds, ideal {ideal_ms:.0f} milliseconds",
    )


def _list_parts(result: Result, latency: LatencyReport) -> list[dict[str, Any]]:
    """Where the time goes: the embedding, each stage with the merging before it, the rest."""
    stages = len(result.depths)
    names = ["embedding", *(f"stage {number + 1}" for number in range(stages)), "head"]
    ideals = [1.0] * len(names)
    for stage in range(stages):
        blocks = [block for block in result.analysis.cost.blocks if block.stage == stage]
        macs = sum(block.dense_macs for block in blocks)
        ideals[stage + 1] = sum(block.sparse_macs for block in blocks) / macs
    times = latency.dense.median_parts_ms, latency.sparse.median_parts_ms
    most = max(*times[0], *times[1])
    return [
        {
            "name": name,
            "dense_ms": dense_ms,
            "sparse_ms": sparse_ms,
            "ideal": ideal,
            "chart": make_bars(
                [Row([("dense", dense_ms), ("sparse", sparse_ms)], at=dense_ms * ideal)], most
            ),
        }
        for name, dense_ms, sparse_ms, ideal in zip(names, *times, ideals, strict=True)
    ]


def _list_blocks(result: Result) -> list[dict[str, Any]]:
    schedule = result.settings.schedule
    return [
        {
            "name": name_block(result, index),
            "sparsity": schedule.sparsity_of(cost.stage, cost.block),
            "cost": cost,
            "chart": make_bars([Row([("sparse", cost.kept)], track=cost.total)], cost.total),
        }
        for index, cost in enumerate(result.analysis.cost.blocks)
    ]
