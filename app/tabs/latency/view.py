"""The tab Latency: measured beside ideal, as a whole and stage by stage, and memory."""

from __future__ import annotations

from html import escape

from app.engine.records import Result
from app.page.common import name_block, say_doubt
from sparsevit.measure.dense import DENSE_FORMS
from sparsevit.measure.latency import LatencyReport, LatencyStats


def show_latency(result: Result, runs: int) -> str:
    """Measured latency beside the ideal, where it goes, memory, and what every block kept.

    Args:
        result: with or without latency.
        runs: timed runs there will be; 0 if timing failed.
    """
    latency = result.analysis.latency
    if latency is None and not runs:
        return '<p class="sv-note">The latency could not be measured; try “Measure again”.</p>'
    if latency is None:
        return f'<p class="sv-note">Timing dense and sparse in turn, {runs} runs each…</p>'
    return (
        _show_bars(result, latency)
        + '<div class="sv-two">'
        + f"<div>{_show_stages(result, latency)}{_show_memory(result)}</div>"
        + f"<div>{_show_blocks(result)}</div></div>"
    )


def _show_bars(result: Result, latency: LatencyReport) -> str:
    ratio = result.analysis.cost.mac_ratio
    widest = max(latency.dense.p90_ms, latency.sparse.p90_ms)
    ideal_ms = latency.dense.median_ms * ratio
    height, width = latency.image_size
    return (
        '<div class="sv-bars" role="img" aria-label="'
        f"Dense {latency.dense.median_ms:.0f} milliseconds, sparse "
        f'{latency.sparse.median_ms:.0f} milliseconds, ideal {ideal_ms:.0f} milliseconds">'
        + _bar("Dense", latency.dense, widest, "dense")
        + _bar("Sparse", latency.sparse, widest, "sparse")
        + f'<div class="sv-bar-row ideal"><span>Ideal</span><div><i style="--share: '
        f'{ideal_ms / widest:.4f}"></i></div><b>{ideal_ms:.0f} ms</b><small>if time followed the '
        "arithmetic</small></div></div>"
        f'<p class="sv-note">{_compare(result, latency)} '
        f"Medians of {len(latency.sparse.samples_ms)} interleaved runs at "
        f"{height} × {width}, batch {latency.batch}, {latency.dtype}, on "
        f"{escape(latency.device)}. Dense is the fastest of {len(DENSE_FORMS)} forms, here: "
        f"{DENSE_FORMS[latency.dense_form]}.</p>"
    )


def _compare(result: Result, latency: LatencyReport) -> str:
    """How much faster sparse is, or why that cannot be told."""
    ratio = result.analysis.cost.mac_ratio
    if (doubt := result.doubt) is not None:
        return (
            f"{say_doubt(doubt)}, so ratio and speed-up are left out. Ideal ratio (MACs) "
            f"<b>{ratio:.2f}</b>."
        )
    measured = latency.sparse.median_ms / latency.dense.median_ms
    low, high = latency.speedup_spread
    return (
        f"Measured ratio <b>{measured:.2f}</b>, ideal (MACs) <b>{ratio:.2f}</b>. Speed-up "
        f"{latency.speedup:.2f}×, of neighbouring runs {low:.2f} to {high:.2f} (p10 to p90)."
    )


def _bar(name: str, stats: LatencyStats, widest: float, kind: str) -> str:
    return (
        f'<div class="sv-bar-row {kind}"><span>{name}</span><div>'
        f'<i style="--share: {stats.median_ms / widest:.4f}"></i>'
        f'<u style="--low: {stats.p10_ms / widest:.4f}; --high: {stats.p90_ms / widest:.4f}"></u>'
        f"</div><b>{stats.median_ms:.0f} ms</b>"
        f"<small>p10 {stats.p10_ms:.0f}, p90 {stats.p90_ms:.0f}</small></div>"
    )


def _show_stages(result: Result, latency: LatencyReport) -> str:
    """Where the time goes: the embedding, each stage with the merging before it, the rest."""
    dense, sparse = latency.dense.median_parts_ms, latency.sparse.median_parts_ms
    stages = len(result.depths)
    names = ["embedding", *(f"stage {number + 1}" for number in range(stages)), "head"]
    ideals = [1.0] * len(names)
    for stage in range(stages):
        blocks = [block for block in result.analysis.cost.blocks if block.stage == stage]
        macs = sum(block.dense_macs for block in blocks)
        ideals[stage + 1] = sum(block.sparse_macs for block in blocks) / macs
    widest = max(*dense, *sparse)
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td class="sv-pair">'
        f'<i class="dense" style="--share: {d / widest:.4f}"></i>'
        f'<i class="sparse" style="--share: {s / widest:.4f}"></i>'
        f'<u style="--at: {d * ideal / widest:.4f}"></u></td>'
        f"<td>{d:.0f} ms</td><td>{s:.0f} ms</td>"
        f"<td>{'–' if result.doubt else f'{s / d:.2f}'}</td><td>{ideal:.2f}</td></tr>"
        for name, d, s, ideal in zip(names, dense, sparse, ideals, strict=True)
    )
    return (
        '<table class="sv-table sv-stages-table"><caption>Where the time goes: medians of the same '
        "runs. The mark is the dense time scaled by the arithmetic left in the stage's blocks."
        '</caption><thead><tr><th scope="col">part</th><th scope="col" aria-label="bars"></th>'
        '<th scope="col">dense</th><th scope="col">sparse</th><th scope="col">ratio</th>'
        f'<th scope="col">MACs</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _show_memory(result: Result) -> str:
    if result.peak_mb is None:
        return '<p class="sv-note">Memory is measured after the timing…</p>'
    dense, sparse = result.peak_mb
    return (
        f'<p class="sv-note">Memory of one forward at its worst moment, weights left out: dense '
        f"<b>{dense:.0f} MB</b>, sparse <b>{sparse:.0f} MB</b> ({sparse / dense:.0%}).</p>"
    )


def _show_blocks(result: Result) -> str:
    rows = "".join(
        f'<tr><th scope="row">{name_block(result, index)}</th>'
        f"<td>{result.settings.schedule.sparsity_of(cost.stage, cost.block):.0%}</td>"
        f'<td><span class="sv-bar" style="--share: {cost.kept / cost.total:.4f}"></span>'
        f"<b>{cost.kept} / {cost.total}</b></td>"
        f"<td>{cost.sparse_macs / 1e9:.2f} / {cost.dense_macs / 1e9:.2f}</td></tr>"
        for index, cost in enumerate(result.analysis.cost.blocks)
    )
    return (
        '<table class="sv-table"><caption>What every block kept</caption><thead><tr>'
        '<th scope="col">block</th><th scope="col">sparsity</th>'
        '<th scope="col">windows kept / all</th><th scope="col">GMACs kept / all</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
