"""What is always in sight: what the network got, the two big numbers, what stands behind them."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from app.engine.records import Opening, Result
from sparsevit.measure.latency import LatencyReport

_AGREEMENT = {
    "semantic": "pixels with the class of the dense output",
    "classification": "probability shared with the dense output",
    "instance": "panoptic quality (PQ) against the dense segments",
    "panoptic": "panoptic quality (PQ) against the dense segments",
    "features": "cosine with the dense features, mean of the stages",
}


def show_fed(result: Result) -> str:
    """What the network really got, and what was done otherwise than asked."""
    height, width = result.analysis.prepared.input_size
    first = result.analysis.blocks[0]
    photo_h, photo_w = result.photo.pixels.shape[:2]
    tokens = " × ".join(str(side) for side in first.grid.grid)
    window = " × ".join(str(side) for side in first.grid.window)
    note = f'<p class="sv-note sv-warning">{escape(result.note)}</p>' if result.note else ""
    return (
        f'<p class="sv-note">Photo {photo_h} × {photo_w} → network <b>{height} × {width}</b> '
        f"= {tokens} tokens = {first.total} windows of {window}</p>{note}"
    )


def announce_fed(opening: Opening) -> str:
    """The same before the first result is there."""
    photo_h, photo_w = opening.photo.pixels.shape[:2]
    height, width = opening.size
    return (
        f'<p class="sv-note">Photo {photo_h} × {photo_w} → network <b>{height} × {width}</b>; '
        "its tokens and windows follow with the first result</p>"
    )


def show_headline(result: Result, runs: int, will_retry: bool = True) -> str:
    """The two big numbers and what stands behind them.

    Args:
        result: with or without latency.
        runs: timed runs there will be; 0 if timing failed.
        will_retry: a doubtful result is timed again when the machine is quiet.
    """
    analysis = result.analysis
    latency = analysis.latency
    if latency is None and not runs:
        big, words, timing = "–", "speed against dense", "could not be measured"
    elif latency is None and result.guess_ms is not None:
        dense_ms, sparse_ms = result.guess_ms
        big = f'<span class="sv-wait">≈ {dense_ms / sparse_ms:.1f}×</span>'
        words = "first estimate, measuring…"
        timing = f"<b>{sparse_ms:.0f} ms</b> in one run, dense {dense_ms:.0f} ms before"
    elif latency is None:
        big, words = '<span class="sv-wait">measuring…</span>', "speed against dense"
        timing = f"timing dense and sparse in turn, {runs} runs each"
    elif (doubt := result.doubt) is not None:
        is_done = len(latency.sparse.samples_ms) >= runs
        big = f'<span class="sv-busy{"" if is_done else " sv-wait"}">machine busy</span>'
        reason = doubt.partition(": ")[2]  # after "this machine is busy: ", which is said already
        words = escape(reason).replace(" %", "&nbsp;%")
        timing = f"{_list_medians(latency)}, disturbed; "
        if not is_done:
            timing += "measuring…"
        else:
            timing += "timed again when quiet" if will_retry else "“Measure again” later"
    else:
        big, words = f"{latency.speedup:.2f}×", _compare_speed(latency.speedup)
        timing = _describe_latency(latency, runs)
    agreement = f"{100 * analysis.agreement['agreement']:.1f} %"
    kept, total = analysis.windows
    cost = analysis.cost
    height, width = analysis.prepared.input_size
    facts = {
        "Latency": timing,
        "Windows": f"<b>{kept}</b> of {total} computed ({kept / total:.0%})",
        "Arithmetic": f"<b>{cost.sparse_gmacs:.2f}</b> of {cost.dense_gmacs:.2f} GMACs "
        f"({cost.mac_ratio:.0%})",
        "Machine": f"{escape(analysis.device)} · {analysis.dtype} · {height} × {width}",
    }
    return _lay_out((big, words), (agreement, _AGREEMENT[result.task.name]), facts)


def announce_headline(opening: Opening) -> str:
    """What stands in the place of the two numbers while the first result is computed."""
    height, width = opening.size
    facts = {
        "Latency": "timed next",
        "Windows": "being chosen…",
        "Arithmetic": "–",
        "Machine": f"{escape(opening.device)} · {opening.dtype} · {height} × {width}",
    }
    big = ('<span class="sv-wait">starting…</span>', "the first result appears here by itself")
    return _lay_out(big, ("–", _AGREEMENT[opening.task.name]), facts)


def _lay_out(speed: tuple[str, str], agreement: tuple[str, str], facts: Mapping[str, str]) -> str:
    """HTML of the two numbers, each with what it means, and the facts by name."""
    lines = "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in facts.items())
    return (
        '<section class="sv-headline" aria-label="Result">'
        f'<div class="sv-big" id="sv-speedup"><strong>{speed[0]}</strong>'
        f"<span>{speed[1]}</span></div>"
        f'<div class="sv-big" id="sv-agreement"><strong>{agreement[0]}</strong>'
        f"<span>agreement: {agreement[1]}</span></div>"
        f'<dl class="sv-facts">{lines}</dl></section>'
    )


def _compare_speed(speedup: float) -> str:
    if speedup >= 1.005:
        return "faster than dense"
    return "the speed of dense" if speedup > 0.995 else "the speed of dense: slower"


def _describe_latency(latency: LatencyReport, runs: int) -> str:
    count = len(latency.sparse.samples_ms)
    progress = f"medians of {count}" if count >= runs else f"medians of {count} of {runs} runs"
    form = "our code" if latency.dense_form == "sparsevit" else "host's code"
    return f"{_list_medians(latency)} ({form}), {progress}"


def _list_medians(latency: LatencyReport) -> str:
    return f"<b>{latency.sparse.median_ms:.0f} ms</b>, dense {latency.dense.median_ms:.0f} ms"
