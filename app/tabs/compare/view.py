"""The tab A against B: what both cost, what both answer, and which windows only one of them keeps.

A is what was pinned, B what is on the screen.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import numpy as np

from app.engine.comparing import count_masks, pair_blocks, pair_outputs
from app.engine.records import Result
from app.page.chart import Chart, Row, make_bars
from app.page.common import (
    display_photo,
    encode_jpeg,
    encode_png,
    name_block,
    photo_key,
)
from app.page.pin import describe_difference, say_speed
from app.page.templates import render, say_percent
from app.page.units import say_agreement
from app.tabs.outputs.drawings import LONG_SIDE
from app.tabs.outputs.view import describe_outputs
from sparsevit.core.trace import BlockTrace
from sparsevit.core.windows import find_spans
from sparsevit.measure.latency import LatencyReport

_SIDES = {"dense": "A", "sparse": "B"}  # in what the tab Outputs makes of a pair


def show_nothing(state: Literal["empty", "computing", "failed"]) -> str:
    """What stands in the tab while there is nothing to compare.

    Args:
        state: nothing is pinned; A is computed on another photo; it could not be.
    """
    return render("tabs/compare/costs.html", state=state)


def show_costs(a: Result, b: Result, in_turn: bool) -> str:
    """What A and B cost, side by side: windows, arithmetic, latency.

    Args:
        a, b: of one photo.
        in_turn: whether the two latencies were measured in turn.
    """
    differing, same = describe_difference(a, b)
    latencies = a.analysis.latency, b.analysis.latency
    return render(
        "tabs/compare/costs.html",
        state="ready",
        differing=[", ".join(filter(None, side)) for side in zip(*differing, strict=True)],
        same=", ".join(same),
        sides=[_describe_cost(a), _describe_cost(b)],
        in_turn=in_turn,
        ratio=_find_ratio(*latencies) if in_turn and not (a.doubt or b.doubt) else None,
        doubts=[(name, side.doubt) for name, side in (("A", a), ("B", b)) if side.doubt],
        device=b.analysis.device,
        dtype=b.analysis.dtype,
    )


def show_facts(a: Result, b: Result) -> str:
    """What A and B answer, and what each block keeps as bars.

    Args:
        a, b: of one photo.
    """
    pair = pair_outputs(a, b)
    agreements = (say_agreement(_get_agreement(x), x.task.name) for x in (a, b))
    rows = [["Agreement with own dense", *agreements]]
    if pair is not None:
        content = describe_outputs(pair)
        truths = _list_truth(content, "dense"), _list_truth(content, "sparse")
    else:
        truths = (
            _list_truth(describe_outputs(a), "sparse"),
            _list_truth(describe_outputs(b), "sparse"),
        )
    names = dict.fromkeys(name for truth in truths for name in truth)
    rows += [[name, *(truth.get(name, "–") for truth in truths)] for name in names]
    return render(
        "tabs/compare/facts.html",
        rows=rows,
        together=pair and _get_agreement(pair),
        task=b.task.name,
        has_truth=bool(names),
        chart=_draw_schedules(a, b),
    )


def make_wish() -> str:
    """JSON for ``view.js`` that makes it ask for A on the photo that is on the screen."""
    return json.dumps({"settle": True})


def make_comparison(a: Result, b: Result) -> str:
    """JSON for ``view.js``: masks of A and B, and their outputs.

    Returns:
        ``{"key", "notes", "blocks", "outputs", "apart"}``: the photo's key, sentences, and of every
        block of B ``{"name", "stage", "block", "kept", "total", "a", "b", "counts", "windows"}``.
        Its a and b are windows as :func:`app.tabs.windows.view.make_windows` has them, without
        scores; counts are ``{"both", "only_a", "only_b", "neither"}``, of windows, or shares of
        the picture where windows is false. Outputs are those of A and B in the form that the tab
        Outputs has, its dense side A and its sparse side B; None where they cannot be laid over
        each other, and apart has ``{"a", "b"}``, drawings as data URIs.
    """
    pair = pair_outputs(a, b)
    blocks = []
    for index_a, index_b in pair_blocks(a, b):
        block_a, block_b = a.analysis.blocks[index_a], b.analysis.blocks[index_b]
        counts = count_masks(block_a, block_b)
        blocks.append(
            {
                "name": name_block(b, index_b),
                "stage": block_b.stage + 1,
                "block": block_b.block + 1,
                "kept": block_b.kept,
                "total": block_b.total,
                "a": {"name": name_block(a, index_a)} | _describe_mask(block_a),
                "b": {"name": name_block(b, index_b)} | _describe_mask(block_b),
                "counts": counts.to_dict(),
                "windows": counts.has_windows,
            }
        )
    return json.dumps(
        {
            "key": photo_key(b.photo, b.analysis.prepared.input_size),
            "notes": _list_notes(a, b),
            "blocks": blocks,
            "outputs": None if pair is None else _describe_pair(pair, a, b),
            "apart": _draw_apart(a, b) if pair is None else None,
        },
        separators=(",", ":"),
    )


def _list_notes(a: Result, b: Result) -> list[str]:
    notes = []
    if a.depths != b.depths:
        notes.append(
            "The networks have other depths: beside a block of B stands the block of A that is as "
            "far through its stage."
        )
    if a.note:
        notes.append(f"A: {a.note}")
    return notes


def _describe_pair(pair: Result, a: Result, b: Result) -> dict[str, Any]:
    content = describe_outputs(pair)
    content["sides"] = content.get("sides", {}) | _SIDES
    for known in content["classes"]:  # of restored photos these are the pictures
        known["name"] = _SIDES.get(known.get("side", ""), known["name"])
    if content["task"] == "semantic":
        size = b.analysis.prepared.input_size
        own = (b.task.resize(side.analysis.prepared.dense, size) for side in (a, b))
        content["own"] = dict(zip(_SIDES, map(encode_png, own), strict=True))
    return content


def _draw_apart(a: Result, b: Result) -> dict[str, str]:
    drawings = {}
    for name, side in (("a", a), ("b", b)):
        photo = display_photo(side.photo, side.analysis.prepared.input_size, LONG_SIDE)
        drawings[name] = encode_jpeg(side.task.draw(photo, side.analysis.sparse))
    return drawings


def _describe_mask(block: BlockTrace) -> dict[str, Any]:
    row_spans, col_spans = find_spans(block.grid)
    return {
        "rows": block.grid.rows,
        "cols": block.grid.cols,
        "kept": block.kept,
        "total": block.total,
        "keep": "".join("1" if kept else "0" for kept in block.keep_mask[0].flatten().tolist()),
        "row_spans": row_spans,
        "col_spans": col_spans,
    }


def _describe_cost(side: Result) -> dict[str, Any]:
    cost, windows = side.analysis.cost, side.analysis.windows
    sparsities = [1 - block.kept / block.total for block in side.analysis.blocks]
    return {
        "sparsity": float(np.mean(sparsities)),
        "windows": windows,
        "cost": cost,
        "latency": side.analysis.latency,
        "guess_ms": side.guess_ms,
        "speed": say_speed(side),
    }


def _find_ratio(
    a: LatencyReport | None, b: LatencyReport | None
) -> tuple[float, float, float] | None:
    """What B takes of the time of A: of the medians, and p10 and p90 of neighbouring runs."""
    if a is None or b is None:
        return None
    ratios = np.array(b.sparse.samples_ms) / np.array(a.sparse.samples_ms)
    low, high = np.percentile(ratios, [10, 90])
    return b.sparse.median_ms / a.sparse.median_ms, float(low), float(high)


def _get_agreement(side: Result) -> float:
    return side.analysis.agreement["agreement"]


def _say_percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _list_truth(content: dict[str, Any], side: str) -> dict[str, str]:
    """How right a side is, in words, from what the tab Outputs makes of it; empty without truth."""
    if content["task"] == "boxes3d":
        truth = content["boxes"]["truth"]
        if not truth:
            return {}
        found = sum(row[f"true_{side}"] for row in content["rows"])
        return {"Truth: 3D boxes found": f"{found} of {len(truth)}"}
    accuracy = content.get("accuracy")
    if not accuracy:
        return {}
    score = accuracy[side]
    if "found" in score:
        return {"Truth: things found": f"{score['found']} of {content['counts']['truth']}"}
    return {
        "Truth: mean IoU": f"{score['miou']:.3f}",
        "Truth: pixels right": _say_percent(score["pixel_accuracy"]),
    }


def _draw_schedules(a: Result, b: Result) -> Chart:
    """What every block keeps, A above B."""
    rows, words = [], []
    for index_a, index_b in pair_blocks(a, b):
        block_a, block_b = a.analysis.blocks[index_a], b.analysis.blocks[index_b]
        kept = [block.kept / block.total for block in (block_a, block_b)]
        words.append(
            f"{name_block(b, index_b)}: A {say_percent(kept[0])}, B {say_percent(kept[1])}"
        )
        rows.append(
            Row(
                [("a", kept[0]), ("b", kept[1])],
                name=f"{block_b.stage + 1}.{block_b.block + 1}",
                value=" / ".join(f"{100 * share:.0f}" for share in kept) + " %",
                track=1.0,
            )
        )
    return make_bars(rows, 1.0, f"Windows kept. {'; '.join(words)}.")
