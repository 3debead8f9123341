"""A network adapted to sparsity against one that was not (SparseViT, section 3.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparsevit.studies.compare import compare_means, describe_gain
from sparsevit.studies.measure import score_variants
from sparsevit.studies.subject import UNIFORM_SPARSITIES, Subject, load_rival, make_pruned

ADAPTED, NOT_ADAPTED = "adapted", "not adapted"


def compare_adaptation(subject: Subject, against: Path) -> dict[str, Any]:
    """Measure two networks along uniform sparsity.

    Args:
        subject: the adapted network.
        against: weights of the same network before it was adapted, .safetensors.

    Returns:
        ``{rows, gains, finding}``; the first gain is over all sparsities above 0, then one for
        each.

    Raises:
        ModelError: the file cannot be loaded.
        DataError: its classes are others.
    """
    rival = load_rival(subject, against)
    sparsities = (0.0, *UNIFORM_SPARSITIES)
    variants = [
        make_pruned(network, s, f"{group}, sparsity {s:g}", group, f"{s:g}", subject.short_side)
        for group, network in ((ADAPTED, subject.loaded), (NOT_ADAPTED, rival))
        for s in sparsities
    ]
    measured = score_variants(subject, variants)
    adapted, other = measured[: len(sparsities)], measured[len(sparsities) :]
    gains = [compare_means(ADAPTED, NOT_ADAPTED, adapted[1:], other[1:])]
    gains += [
        compare_means(f"{ADAPTED}, sparsity {s:g}", NOT_ADAPTED, [one], [another])
        for s, one, another in zip(sparsities, adapted, other, strict=True)
    ]
    dense = gains[1].points
    return {
        "rows": [one.to_row() for one in measured],
        "gains": [gain.to_dict() for gain in gains],
        "finding": f"Over sparsities {sparsities[1]:g} to {sparsities[-1]:g} the adapted network "
        f"is {describe_gain(gains[0], subject)}; dense it is {subject.unit.say_step(abs(dense))} "
        f"{'more' if dense >= 0 else 'less'} accurate.",
    }
