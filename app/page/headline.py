"""What is always in sight: what the network got, the two big numbers, what stands behind them."""

from __future__ import annotations

from typing import Literal

from app.engine.records import Opening, Result
from app.page.templates import render
from sparsevit.package.units import DECIBEL, find_agreement_unit

_AGREEMENT = {
    "semantic": "pixels with the class of the dense output",
    "classification": "probability shared with the dense output",
    "instance": "panoptic quality (PQ) against the dense segments",
    "boxes3d": "3D boxes found again within 2 m",
    "panoptic": "panoptic quality (PQ) against the dense segments",
    "restoration": "PSNR of sparse against dense; 40 dB and more look alike",
    "enhancement": "PSNR of sparse against dense; 40 dB and more look alike",
    "features": "cosine with the dense features, mean of the stages",
}

_USUAL_SIDE = 512  # pixels

#: How far the timing is: failed; given up; guessed from one run; none yet; measured, worth quoting
#: or not.
_State = Literal["failed", "untimed", "guessed", "waiting", "doubtful", "measured"]


def show_fed(result: Result) -> str:
    """What the network really got, what was done otherwise than asked, and an offer of more."""
    return render(
        "page/fed.html",
        photo=result.photo,
        size=result.analysis.prepared.input_size,
        first=result.analysis.blocks[0],
        note=result.note,
        offer=offer_side(result),
    )


def offer_side(result: Result) -> int | None:
    """A larger short side, pixels, that a button offers; None where there is no need."""
    side, own = result.settings.short_side, min(result.photo.size)
    wanted = min(_USUAL_SIDE, own)
    return wanted if side is not None and side < wanted else None


def announce_fed(opening: Opening) -> str:
    """The same before the first result is there."""
    return render(
        "page/fed.html", photo=opening.photo, size=opening.size, first=None, note="", offer=None
    )


def show_headline(result: Result, runs: int | None, will_retry: bool = True) -> str:
    """The two big numbers and what stands behind them.

    Args:
        result: with or without latency.
        runs: timed runs there will be; 0 if timing failed; None if nothing is timed any more.
        will_retry: a doubtful result is timed again when the machine is quiet.
    """
    analysis = result.analysis
    num_done = 0 if analysis.latency is None else len(analysis.latency.sparse.samples_ms)
    return render(
        "page/headline.html",
        state=_name_state(result, runs),
        latency=analysis.latency,
        guess_ms=result.guess_ms,
        runs=runs,
        num_done=num_done,
        is_done=runs is None or num_done >= runs,
        reason=find_reason(result).replace(" %", "\u00a0%"),
        will_retry=will_retry,
        task=result.task.name,
        is_decibel=find_agreement_unit(result.task.name) is DECIBEL,
        agreement=analysis.agreement["agreement"],
        agreement_of=_AGREEMENT[result.task.name],
        gain=result.restored and result.restored.gain,
        base=result.restored.task.base_name if result.restored else "",
        windows=analysis.windows,
        cost=analysis.cost,
        device=analysis.device,
        dtype=analysis.dtype,
        size=analysis.prepared.input_size,
    )


def find_reason(result: Result) -> str:
    """What tells that the machine was busy, without saying that it was; empty if it was not."""
    return "" if result.doubt is None else result.doubt.partition(": ")[2]


def announce_headline(opening: Opening) -> str:
    """What stands in the place of the two numbers while the first result is computed."""
    return render(
        "page/headline.html",
        state="starting",
        task=opening.task.name,
        is_decibel=False,
        agreement=None,
        agreement_of=_AGREEMENT[opening.task.name],
        gain=None,
        base="",
        windows=None,
        cost=None,
        device=opening.device,
        dtype=opening.dtype,
        size=opening.size,
    )


def _name_state(result: Result, runs: int | None) -> _State:
    if result.analysis.latency is not None:
        return "measured" if result.doubt is None else "doubtful"
    if runs is None:
        return "untimed"
    if not runs:
        return "failed"
    return "waiting" if result.guess_ms is None else "guessed"
