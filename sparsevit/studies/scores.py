"""What windows are ranked by: L2 magnitude against other scores (SparseViT, section 4.4)."""

from __future__ import annotations

from typing import Any

import torch

from sparsevit.networks.restorer import Restorer
from sparsevit.package.choices import Score
from sparsevit.patch import find_stages, get_token_grids
from sparsevit.studies.compare import Gain, compare_means, describe_gain
from sparsevit.studies.measure import Measured, score_variants
from sparsevit.studies.subject import StudyError, Subject, Variant, make_ranked

SPARSITIES = (0.3, 0.5, 0.7)

#: Score and whether every block ranks anew -> words.
RANKINGS: dict[tuple[Score, bool], str] = {
    ("rms", False): "L2 magnitude (ours)",
    ("rms", True): "L2, anew at each block",
    ("l1", False): "L1 magnitude",
    ("linf", False): "largest token",
    ("gradient", False): "image gradient",
    ("random", False): "random",
}
OURS, RANDOM = RANKINGS["rms", False], RANKINGS["random", False]
BY_COUNT, BY_SUM = "L2, border windows normalised", "L2 sum, as in the paper"

_SMALLEST = 64


def compare_scores(subject: Subject) -> dict[str, Any]:
    """Measure every score at uniform sparsities; "random" once for each seed.

    The paper's literal sum and ours, which divides by the number of real tokens, differ only where
    a grid is padded to whole windows, so those two are compared at a second size that pads.

    Args:
        subject: its first size is that of the comparison; a second one is that which pads, by
            default the largest that does.

    Returns:
        ``{rows, gains, padded, finding}``; gains of L2 magnitude over each other score, means over
        the sparsities; ``padded {short_side, stages}`` says where the second size pads.

    Raises:
        StudyError: a second size that does not pad.
    """
    side, padded_side = subject.short_side, find_padded_side(subject)
    variants = [
        variant
        for (score, rescore), words in RANKINGS.items()
        for variant in _make_variants(subject, score, rescore, words, side)
    ]
    pairs = [(OURS, words) for words in RANKINGS.values() if words != OURS]
    if padded_side is not None:
        by_count, by_sum = (f"{words}, {padded_side} px" for words in (BY_COUNT, BY_SUM))
        variants += _make_variants(subject, "rms", False, by_count, padded_side)
        variants += _make_variants(subject, "l2", False, by_sum, padded_side)
        pairs.append((by_count, by_sum))
    measured = score_variants(subject, variants)
    groups: dict[str, list[Measured]] = {}
    for one in measured:
        groups.setdefault(one.variant.group, []).append(one)
    gains = [compare_means(of, over, groups[of], groups[over]) for of, over in pairs]
    return {
        "rows": [one.to_row() for one in measured],
        "gains": [gain.to_dict() for gain in gains],
        "padded": padded_side
        and {"short_side": padded_side, "stages": list_padded_stages(subject, padded_side)},
        "finding": _describe(gains, subject),
    }


def list_padded_stages(subject: Subject, short_side: int | None) -> list[int]:
    """Stages, from 1, whose grid is padded to whole windows at a size."""
    padded = []
    grids = get_token_grids(subject.model, subject.find_input_size(short_side))
    for number, (stage, grid) in enumerate(zip(find_stages(subject.model), grids, strict=True), 1):
        cpu = torch.device("cpu")
        if any(block.get_grid(*grid, cpu).real is not None for block in stage.blocks):
            padded.append(number)
    return padded


def find_padded_side(subject: Subject) -> int | None:
    """The short side, pixels, of the padded comparison; None of a restorer, which never pads.

    Raises:
        StudyError: the second size of the subject does not pad, or no size does.
    """
    if isinstance(subject.model, Restorer):
        return None
    if len(subject.short_sides) > 1:
        chosen = subject.short_sides[1]
        side = chosen or min(subject.data[0].image.shape[:2])
        if not list_padded_stages(subject, side):
            raise StudyError(f"At {side} px no grid is padded to whole windows; try another size.")
        return side
    largest = min(subject.find_input_size(subject.short_side))
    for side in range(largest, _SMALLEST - 1, -subject.loaded.multiple):
        if list_padded_stages(subject, side):
            return side
    raise StudyError("At no smaller size a grid is padded to whole windows; give larger pictures.")


def _make_variants(
    subject: Subject, score: Score, rescore: bool, group: str, side: int | None
) -> list[Variant]:
    """A score at every sparsity, and for every seed where chance plays."""
    seeds = subject.seeds if score == "random" else subject.seeds[:1]
    return [
        make_ranked(
            subject.loaded,
            sparsity,
            f"{group}, sparsity {sparsity:g}" + (f", seed {seed}" if len(seeds) > 1 else ""),
            group,
            score=score,
            rescore=rescore,
            seed=seed,
            note=f"{sparsity:g}",
            short_side=side,
        )
        for sparsity in SPARSITIES
        for seed in seeds
    ]


def _describe(gains: list[Gain], subject: Subject) -> str:
    """One sentence: against chance, against the best other score, and padded."""
    scores, padded = gains[: len(RANKINGS) - 1], gains[len(RANKINGS) - 1 :]
    random = next(gain for gain in scores if gain.over == RANDOM)
    rival = min((gain for gain in scores if gain.over != RANDOM), key=lambda gain: gain.points)
    mean = ", ".join(f"{s:g}" for s in SPARSITIES)
    border = "; where grids are padded, normalising border windows is "
    return (
        f"On average over sparsities {mean}, {OURS} is {describe_gain(random, subject)}; "
        f"of the other scores the best is {rival.over}: ours is {describe_gain(rival, subject)}"
        + "".join(border + describe_gain(gain, subject) for gain in padded)
        + "."
    )
