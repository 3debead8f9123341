"""Sparse at high resolution against dense at low resolution (SparseViT, section 4.3)."""

from __future__ import annotations

from typing import Any

from sparsevit.studies.compare import compare_curves, describe_gain
from sparsevit.studies.measure import score_variants, time_measured
from sparsevit.studies.subject import StudyError, Subject, make_dense, make_pruned
from sparsevit.tasks.restoration import RestorationTask

SPARSITIES = (0.2, 0.4, 0.6, 0.8)
DENSE_GROUP = "dense at several sizes"


def compare_resolutions(subject: Subject) -> dict[str, Any]:
    """Measure dense at every size and pruned at all but the smallest, and compare curves.

    Args:
        subject: with two sizes or more.

    Returns:
        ``{rows, gains, other_load, doubt, finding}``; a gain for each size that is pruned, the
        largest first.

    Raises:
        StudyError: one size only, "native" among them, or a network that restores photos.
    """
    if isinstance(subject.loaded.task, RestorationTask):
        raise StudyError(
            "A photo of another size is another truth to restore, so resolutions do not compare."
        )
    sides = sorted((side for side in subject.short_sides if side is not None), reverse=True)
    if len(sides) < 2 or len(sides) < len(subject.short_sides):
        raise StudyError("Resolutions are compared at two sizes or more, in pixels: --size A,B.")
    loaded = subject.loaded
    variants = [
        make_dense(loaded, f"{side} px dense", DENSE_GROUP, f"{side} px", side) for side in sides
    ] + [
        make_pruned(loaded, s, f"{side} px, sparsity {s:g}", name_group(side), f"{s:g}", side)
        for side in sides[:-1]
        for s in SPARSITIES
    ]
    measured, timing = time_measured(subject, score_variants(subject, variants))
    dense = [one for one in measured if one.variant.group == DENSE_GROUP]
    gains = [
        compare_curves(
            name_group(side),
            "dense at lower resolution",
            [one for one in measured if one.variant.group == name_group(side)],
            dense,
        )
        for side in sides[:-1]
    ]
    first = gains[0]
    finding = (
        f"No dense size is as fast as sparse at {sides[0]} px; add a smaller one."
        if first is None
        else f"Sparse at {sides[0]} px is {describe_gain(first, subject)}."
    )
    return {
        "rows": [one.to_row() for one in measured],
        "gains": [gain.to_dict() for gain in gains if gain is not None],
        **timing,
        "finding": finding,
    }


def name_group(side: int) -> str:
    """The curve of a size."""
    return f"{side} px, at the sparsity noted"
