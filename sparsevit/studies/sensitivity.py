"""What each pair of blocks costs when it alone is pruned: why layers get different sparsities."""

from __future__ import annotations

from typing import Any

from sparsevit.schedule import SparsitySchedule, num_pairs
from sparsevit.studies.compare import Gain, compare_means
from sparsevit.studies.measure import score_variants
from sparsevit.studies.subject import Subject, make_ranked

SPARSITIES = (0.2, 0.4, 0.6, 0.8)


def measure_sensitivity(subject: Subject) -> dict[str, Any]:
    """Prune one pair alone, for all pairs, with windows ranked anew at each block.

    Sparsities may not fall inside a stage that ranks its windows once, so every block ranks its
    own here.

    Args:
        subject: network and pictures.

    Returns:
        ``{rows, gains, dense_accuracy, pairs, sparsities, lost_points, finding}``;
        ``lost_points``, in dB where accuracy is, has a row for each of ``pairs`` and a column for
        each of ``sparsities``; gains are of the pair over dense, one in each place of it.
    """
    pairs = list_pairs(subject.loaded.depths)
    dense_variant = make_ranked(
        subject.loaded, 0.0, "dense", "dense", rescore=True, short_side=subject.short_side
    )
    variants = [
        make_ranked(
            subject.loaded,
            schedule_alone(subject.loaded.depths, index, sparsity),
            f"{pair} alone, sparsity {sparsity:g}",
            pair,
            rescore=True,
            note=f"{sparsity:g}",
            short_side=subject.short_side,
        )
        for index, pair in enumerate(pairs)
        for sparsity in SPARSITIES
    ]
    dense, *measured = score_variants(subject, [dense_variant, *variants])
    gains = [compare_means(one.variant.name, "dense", [one], [dense]) for one in measured]
    lost = [
        [round(0.0 - gain.points, 3) for gain in gains[start : start + len(SPARSITIES)]]
        for start in range(0, len(gains), len(SPARSITIES))
    ]
    return {
        "rows": [one.to_row() for one in (dense, *measured)],
        "gains": [gain.to_dict() for gain in gains],
        "dense_accuracy": round(dense.accuracy, 6),
        "pairs": pairs,
        "sparsities": list(SPARSITIES),
        "lost_points": lost,
        "finding": _describe(pairs, gains[len(SPARSITIES) - 1 :: len(SPARSITIES)], subject),
    }


def list_pairs(depths: tuple[int, ...]) -> list[str]:
    """The pairs of blocks in words, in network order."""
    return [
        f"stage {stage}" + (f", pair {pair}" if num_pairs(depth) > 1 else "")
        for stage, depth in enumerate(depths, start=1)
        for pair in range(1, num_pairs(depth) + 1)
    ]


def schedule_alone(depths: tuple[int, ...], index: int, sparsity: float) -> SparsitySchedule:
    """The schedule that prunes nothing but one pair.

    Args:
        depths: blocks per stage.
        index: of the pair, from 0, in network order.
        sparsity: of that pair.
    """
    flat = [sparsity if number == index else 0.0 for number in range(len(list_pairs(depths)))]
    pairs = iter(flat)
    return SparsitySchedule(
        tuple(tuple(next(pairs) for _ in range(num_pairs(depth))) for depth in depths)
    )


def _describe(pairs: list[str], gains: list[Gain], subject: Subject) -> str:
    """One sentence on the highest sparsity."""
    unit = subject.unit
    ranked = sorted(zip(gains, pairs, strict=True), key=lambda item: item[0].points)
    (worst, worst_pair), (best, best_pair) = ranked[0], ranked[-1]
    low, high = worst.interval_points
    return (
        f"Pruned alone at sparsity {SPARSITIES[-1]:g}, {worst_pair} costs most "
        f"({unit.say_step(-worst.points)} of {subject.metric}, 95 % interval "
        f"{-high:.{unit.digits}f} to {-low:.{unit.digits}f}) "
        f"and {best_pair} least ({-best.points:.{unit.digits}f})."
    )
