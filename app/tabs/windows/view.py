"""The windows every block kept, with their scores; ``view.js`` draws them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import torch

from app.engine.records import Opening, Result
from app.page.common import name_block, photo_key, round_significant
from app.page.templates import say_signed
from app.page.units import glue, say_agreement
from app.page.worth import name_worth
from sparsevit.core.scoring import rank_windows
from sparsevit.core.trace import BlockTrace
from sparsevit.core.windows import find_spans
from sparsevit.draw.masks import get_score_range
from sparsevit.package.units import find_agreement_unit


def make_windows(result: Result, without: float | None = None) -> str:
    """JSON for ``view.js``: every block's windows over the photo.

    ``{"key", "size", "linked", "schedule", "painted", "by_hand", "worth_key", "blocks"}``: the
    photo's key, the network's input [img_h, img_w] in pixels, whether a stage's blocks share one
    ranking, the sparsities by stage and pair, what was painted by hand and what that did to the
    agreement (``{"agreement", "without", "change"}``, as written), what :func:`make_worth` calls
    this network and photo, and for each block:

    - name, stage, block (counted from 1), shifted;
    - grid [H, W] and window [Wh, Ww] in tokens; rows, cols: windows down and across;
    - kept, total, sparsity (fraction pruned);
    - keep: one "1" (computed) or "0" (skipped) a window, row-major;
    - score: the kind of scores, one of ``sparsevit.SCORES``;
    - scores (4 digits, null if not finite) and ranks (1 is the highest score), row-major;
    - low, high: the scores at the two ends of the colours;
    - row_spans, col_spans: for each window row and column its pieces, [from, to] as fractions of
      the picture.

    Args:
        result: what is shown.
        without: agreement with dense where nothing is painted; None where nobody asked.
    """
    analysis, settings = result.analysis, result.settings
    agreement, by_hand = analysis.agreement["agreement"], None
    if settings.painted and without is not None:
        by_hand = _say_change(agreement, without, result.task.name)
    size = analysis.prepared.input_size
    return json.dumps(
        {
            "key": photo_key(result.photo, size),
            "size": size,
            "linked": settings.linked,
            "schedule": settings.schedule.to_list(),
            "painted": [asdict(entry) for entry in settings.painted],
            "by_hand": by_hand,
            "worth_key": name_worth(result),
            "blocks": [
                {"name": name_block(result, index)} | _describe_block(block)
                for index, block in enumerate(analysis.blocks)
            ],
        },
        separators=(",", ":"),
    )


def announce_windows(opening: Opening) -> str:
    """The same before the first result is there: each block as one window over the whole photo.

    What stands for a block's choice is no choice yet, so ``"waiting": true`` says to name none.
    """
    whole: dict[str, Any] = {"rows": 1, "cols": 1, "kept": 1, "total": 1, "keep": "1"}
    whole |= {"score": "rms", "scores": [None], "ranks": [1], "low": 0, "high": 0, "sparsity": 0}
    whole |= {"row_spans": [[[0, 1]]], "col_spans": [[[0, 1]]]}
    blocks = [
        {
            "name": f"Stage {stage + 1} · block {block + 1}",
            "stage": stage + 1,
            "block": block + 1,
            "shifted": False,
            **whole,
        }
        for stage, depth in enumerate(opening.depths)
        for block in range(depth)
    ]
    known = {"key": photo_key(opening.photo, opening.size), "size": opening.size, "linked": True}
    asked = {"schedule": opening.settings.schedule.to_list(), "painted": [], "by_hand": None}
    return json.dumps(known | asked | {"worth_key": "", "blocks": blocks, "waiting": True})


def _say_change(agreement: float, without: float, task: str) -> dict[str, str]:
    unit = find_agreement_unit(task)
    # Of the numbers as they are shown, or it would contradict them.
    now, before = (round(unit.scale * value, 2) for value in (agreement, without))
    return {
        "agreement": glue(say_agreement(agreement, task, digits=2)),
        "without": glue(say_agreement(without, task, digits=2)),
        "change": f"{say_signed(now - before, 2)}\u00a0{unit.step}",
    }


def _describe_block(block: BlockTrace) -> dict[str, Any]:
    """One entry of ``blocks``, but for its name."""
    grid = block.grid
    keep = block.keep_mask[0].flatten().tolist()
    scores = block.scores[0].flatten()  # (nW,)
    order = rank_windows(scores[None])[0]
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(1, block.total + 1)
    low, high = get_score_range(block)
    row_spans, col_spans = find_spans(grid)
    return {
        "stage": block.stage + 1,
        "block": block.block + 1,
        "shifted": block.shifted,
        "grid": grid.grid,
        "window": grid.window,
        "rows": grid.rows,
        "cols": grid.cols,
        "kept": block.kept,
        "total": block.total,
        "sparsity": round_significant(1 - block.kept / block.total),
        "keep": "".join("1" if kept else "0" for kept in keep),
        "score": block.score,
        "scores": [round_significant(score) for score in scores.tolist()],
        "ranks": ranks.tolist(),
        "low": round_significant(low),
        "high": round_significant(high),
        "row_spans": row_spans,
        "col_spans": col_spans,
    }
