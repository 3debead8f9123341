"""What the lens says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from app.engine.records import Result
from sparsevit.inspect.lens import Lens
from sparsevit.inspect.regions import LEAST_LEVELS, MOST_REGIONS, Region, RegionTruth
from sparsevit.tasks.restoration import RestorationTask
from sparsevit.tasks.semantic import SemanticTask

MOST = 0.5  # of a region, from which on a block is said to have skipped it

PROBE = (
    "The class map after a stage is read off its features by a linear probe, fitted on this very "
    "photo to what the dense network says in the end. It shows what a straight line can read off "
    "the features here, and no more. The percentages say how much of the final dense map it reads."
)
COSINE = (
    "Cosine: how alike the features of sparse and dense are after a block, 1 where they point the "
    "same way. Choose a map to see it large."
)


def tell_summary(result: Result, lens: Lens) -> str:
    """Where sparse and dense part, in a few sentences."""
    if not lens.prunes:
        return (
            "No window is skipped now, so sparse does what dense does and there is nothing to "
            "see; the maps show what can be read off after each stage."
            if lens.readings
            else "No window is skipped now, so sparse does what dense does and nothing drifts."
        )
    means = [block.mean_cosine for block in lens.blocks]
    least = int(np.argmin(means))
    drift = (
        f"Sparse features are farthest from dense after block {name_block(lens, least)}: there "
        f"their cosine, which is 1 where both are alike, is {means[least]:.2f} on average, and "
        f"{means[-1]:.2f} in the end."
    )
    count = len(lens.regions)
    which = f"the {count} largest" if count >= MOST_REGIONS else "all"
    if isinstance(result.task, SemanticTask):
        differs = 1 - result.analysis.agreement["agreement"]
        if not lens.regions:
            return f"Sparse answers as dense does everywhere. {drift}"
        return (
            f"Sparse answers otherwise than dense on {share(differs)} of the picture; {which} such "
            f"regions are numbered, the largest first. {drift}"
        )
    if isinstance(result.task, RestorationTask):
        if not lens.regions:
            return (
                f"Sparse restores as dense does: nowhere do they differ by {LEAST_LEVELS:g} grey "
                f"levels on average. {drift}"
            )
        return f"Numbered are {which} regions where sparse differs most from dense. {drift}"
    return f"Numbered are {which} regions where features drift most, the largest first. {drift}"


def tell_region(result: Result, lens: Lens, region: Region) -> str:
    """What became of a region, in one sentence."""
    parts = [_tell_skipped(lens, region), _tell_drift(lens, region)]
    if region.classes:
        dense, sparse = (result.task.class_names[index] for index in region.classes)
        where = "" if region.share > 0.995 else f" on {share(region.share)} of it"
        parts.append(f"{where.strip()} dense says {dense}, sparse says {sparse}".strip())
    if region.truth:
        parts.append(_tell_truth(result.task.class_names[region.truth.label], region.truth))
    return "; ".join(parts) + "."


def name_block(lens: Lens, index: int) -> str:
    """ "2.1" for the first block of the second stage, as everywhere on the page."""
    trace = lens.blocks[index].trace
    return f"{trace.stage + 1}.{trace.block + 1}"


def share(value: float) -> str:
    """ "12 %", and "0.3 %" of what is small."""
    if 0 < value < 0.0005:
        return "less than 0.1 %"
    return f"{value:.1%}".replace("%", " %") if value < 0.1 else f"{value:.0%}".replace("%", " %")


def _tell_skipped(lens: Lens, region: Region) -> str:
    skipping = [index for index, part in enumerate(region.skipped) if part > MOST]
    if not skipping:
        return "No block skipped most of this region"
    if len(skipping) == len(lens.blocks):
        return "Every block skipped most of this region"
    names = [
        name_block(lens, run[0]) if len(run) == 1
        else f"{name_block(lens, run[0])} to {name_block(lens, run[-1])}"
        for run in _find_runs(skipping)
    ]  # fmt: skip
    is_one = len(skipping) == 1
    return f"Block{'' if is_one else 's'} {join(names)} skipped most of this region"


def _tell_drift(lens: Lens, region: Region) -> str:
    start, steepest = region.drifts_from, region.falls_at
    if start is None or steepest is None:
        return "its features do not drift"
    most = "" if start == steepest else f", and most in block {name_block(lens, steepest)}"
    return f"its features drift from block {name_block(lens, start)} on{most}"


def _tell_truth(name: str, truth: RegionTruth) -> str:
    if truth.dense == truth.sparse:
        return f"the truth is mostly {name}, and both are right on {share(truth.dense)}"
    better = "dense" if truth.dense > truth.sparse else "sparse"
    return (
        f"the truth is mostly {name}, and {better} is nearer to it: dense is right on "
        f"{share(truth.dense)}, sparse on {share(truth.sparse)}"
    )


def _find_runs(numbers: Sequence[int]) -> Iterator[list[int]]:
    """[0, 1, 2, 4, 5] -> [0, 1, 2], [4], [5]: neighbours together from three on."""
    run: list[int] = []
    for number in [*numbers, -1]:
        if run and number == run[-1] + 1:
            run.append(number)
            continue
        yield from [run] if len(run) > 2 else ([single] for single in run)
        run = [number]


def join(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
