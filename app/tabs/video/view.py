"""What the tab Video is told, message by message; ``view.js`` draws it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from app.engine.records import FrameResult
from app.page.common import encode_jpeg, shrink
from app.page.units import say_agreement
from app.tabs.video.clip import Clip, Tally
from sparsevit.core.trace import BlockTrace
from sparsevit.core.windows import find_spans

_LONG_SIDE = 960  # pixels a frame is sent to the page at
_QUALITY = 80
_STATS = (
    *("frames", "compared", "median_ms", "fps", "speedup", "windows", "mean_agreement"),
    *("doubt", "model", "input_size", "device", "dtype", "camera"),
)


def make_opening(poster: np.ndarray, sides: tuple[int, ...], most_frames: int) -> str:
    """JSON before anything has run.

    Args:
        poster: (h, w, 3) uint8 RGB, the first frame of the example clip.
        sides: short sides that can be chosen, pixels; the first is the default.
        most_frames: as many processed frames the page keeps.

    Returns:
        ``{"kind": "opening", "poster", "sides", "most_frames"}``.
    """
    return _write("opening", poster=_encode(poster), sides=sides, most_frames=most_frames)


def make_begun(run: int, clip: Clip) -> str:
    """JSON once a clip is open: ``{"kind": "begun", "run", "rate", "count", "note"}``."""
    return _write("begun", run=run, rate=clip.rate, count=clip.count, note=clip.note)


def make_frame(
    run: int, number: int, frame: FrameResult, tally: Tally, with_picture: bool = True
) -> str:
    """JSON of one frame that ran.

    Args:
        run: the number the page gave this run.
        number: of the frame in the run, from 1.
        frame: what came out.
        tally: of the frames so far, this one included.
        with_picture: False where the page has the frame already.

    Returns:
        ``{"kind": "frame", "run", "number", "picture", "output", "blocks", "kept", "total",
        "sparse_ms", "dense_ms", "agreement", "stats"}``: the frame and the sparse output over it as
        data URIs, every block as in the tab Pruned windows but without scores, and the numbers
        of the tally as in :meth:`Tally.summarize` but without those of every frame.
    """
    small = _shrink(frame.pixels)
    agreement = frame.agreement
    kept, total = frame.windows
    return _write(
        "frame",
        run=run,
        number=number,
        picture=_encode(small) if with_picture else None,
        output=_encode(frame.task.draw(small, frame.prediction)),
        blocks=[_describe_block(block) for block in frame.blocks],
        kept=kept,
        total=total,
        sparse_ms=round(frame.sparse_ms, 2),
        dense_ms=frame.dense_ms and round(frame.dense_ms, 2),
        agreement=None if agreement is None else say_agreement(agreement, frame.task.name),
        stats=_pick(tally),
    )


def make_done(run: int, tally: Tally) -> str:
    """JSON at the end of a run: ``{"kind": "done", "run", "stats"}``."""
    return _write("done", run=run, stats=_pick(tally))


def make_problem(run: int, message: str) -> str:
    """JSON when a run cannot go on: ``{"kind": "problem", "run", "message"}``."""
    return _write("problem", run=run, message=message)


def _write(kind: str, **fields: Any) -> str:
    return json.dumps({"kind": kind} | fields, separators=(",", ":"))


def _shrink(pixels: np.ndarray) -> np.ndarray:
    return shrink(pixels, min(_LONG_SIDE, max(pixels.shape[:2])))


def _encode(pixels: np.ndarray) -> str:
    return encode_jpeg(_shrink(pixels), _QUALITY)


def _describe_block(block: BlockTrace) -> dict[str, Any]:
    grid = block.grid
    kind = " · shifted" if block.shifted else ""
    keep = block.keep_mask[0].flatten().tolist()
    row_spans, col_spans = find_spans(grid)
    return {
        "name": f"Stage {block.stage + 1} · block {block.block + 1}{kind}",
        "rows": grid.rows,
        "cols": grid.cols,
        "kept": block.kept,
        "total": block.total,
        "keep": "".join("1" if kept else "0" for kept in keep),
        "row_spans": row_spans,
        "col_spans": col_spans,
    }


def _pick(tally: Tally) -> dict[str, Any] | None:
    """The numbers of a tally as they are written; None before the first.

    Without those of every frame.
    """
    summary = tally.summarize()
    if not summary["frames"]:
        return None
    agreement = say_agreement(summary["mean_agreement"], summary["task"])
    return {name: summary[name] for name in _STATS} | {"mean_agreement": agreement}
