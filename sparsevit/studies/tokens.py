"""Pruning windows against reducing tokens inside every window, at equal measured latency."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparsevit.studies.compare import compare_curves, describe_gain
from sparsevit.studies.measure import Measured, score_variants, time_measured
from sparsevit.studies.subject import (
    UNIFORM_SPARSITIES,
    Subject,
    load_rival,
    make_dense,
    make_pruned,
)
from sparsevit.studies.token_stage import MAX_MERGED, reduce_tokens

WINDOWS, PRUNED, MERGED = "windows pruned", "tokens pruned", "tokens merged"
DENSE = "dense"
NARROWER = "other networks, dense"


def compare_tokens(subject: Subject, against: Path | None = None) -> dict[str, Any]:
    """Measure both along uniform sparsity: of windows, and of tokens in every window.

    Args:
        subject: network and pictures.
        against: weights of another network of the same classes, a narrower one, to be measured
            dense beside them.

    Returns:
        ``{rows, gains, other_load, doubt, finding}``; gains of windows over pruned and over merged
        tokens.
    """
    side = subject.short_side
    pruned = reduce_tokens(subject.loaded, "prune")
    merged = reduce_tokens(subject.loaded, "merge")
    mergeable = [s for s in UNIFORM_SPARSITIES if s <= MAX_MERGED]
    plan = [
        (WINDOWS, subject.loaded, UNIFORM_SPARSITIES),
        (PRUNED, pruned, UNIFORM_SPARSITIES),
        (MERGED, merged, mergeable),
    ]
    variants = [make_dense(subject.loaded, DENSE, DENSE, short_side=side)]
    variants += [
        make_pruned(network, s, f"{group}, sparsity {s:g}", group, f"{s:g}", side)
        for group, network, sparsities in plan
        for s in sparsities
    ]
    if against is not None:
        rival = load_rival(subject, against)
        variants.append(make_dense(rival, against.stem, NARROWER, against.stem, side))
    measured, timing = time_measured(subject, score_variants(subject, variants))
    gains = [
        compare_curves(WINDOWS, f"with {group}", _pick(measured, WINDOWS), _pick(measured, group))
        for group in (PRUNED, MERGED)
    ]
    words = [
        _explain_no_gain(measured, group) if gain is None else describe_gain(gain, subject)
        for group, gain in zip((PRUNED, MERGED), gains, strict=True)
    ]
    return {
        "rows": [one.to_row() for one in measured],
        "gains": [gain.to_dict() for gain in gains if gain is not None],
        **timing,
        "finding": f"A network with {WINDOWS} is {words[0]}, and {words[1]}.",
    }


def _explain_no_gain(measured: list[Measured], group: str) -> str:
    """Why windows and a group cannot be compared."""
    ranges = {
        name: sorted(one.latency_ms or 0 for one in _pick(measured, name))
        for name in (WINDOWS, group, DENSE)
    }
    words = ", ".join(f"{name} {ms[0]:.0f} to {ms[-1]:.0f} ms" for name, ms in ranges.items())
    return f"at no latency comparable with one with {group} ({words})"


def _pick(measured: list[Measured], group: str) -> list[Measured]:
    return [one for one in measured if one.variant.group == group]
