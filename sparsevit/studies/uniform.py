"""Searched schedules against uniform ones at equal measured latency (SparseViT, section 4.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparsevit.networks import CHECKPOINT_FOLDER
from sparsevit.search import FrontierError, name_network, name_shipped, read_frontier
from sparsevit.studies.compare import compare_curves, describe_gain
from sparsevit.studies.measure import score_variants, time_measured
from sparsevit.studies.subject import (
    UNIFORM_SPARSITIES,
    StudyError,
    Subject,
    make_dense,
    make_pruned,
)

SEARCHED, UNIFORM = "searched", "uniform, at the sparsity noted"


def compare_with_uniform(subject: Subject, frontier: Path | None = None) -> dict[str, Any]:
    """Score and time the schedules of a frontier and uniform ones, on pictures of the subject.

    The pictures must not be the search's own, or its schedules are judged by what chose them.

    Args:
        subject: network, and pictures of the size that was searched at.
        frontier: a file of ``sparsevit search``; the shipped one of the network if None.

    Returns:
        ``{rows, gains, searched, other_load, doubt, finding}``; ``searched`` says on what the
        search was.

    Raises:
        FrontierError: no such file, no frontier, or of another network or task.
        StudyError: another size than the search's, or nothing searched in the file.
    """
    network, task = name_network(subject.loaded.name), subject.loaded.task.name
    path = frontier or CHECKPOINT_FOLDER / name_shipped(network, task)
    if frontier is None and not path.is_file():
        raise FrontierError(
            f"No frontier of {network} for {task} is shipped; make one by 'sparsevit search' and "
            f"name it: --frontier FILE."
        )
    found = read_frontier(path, network, task)
    size = subject.find_input_size(subject.short_side)
    if size != found.size:
        raise StudyError(
            f"The frontier is of {found.size[0]}x{found.size[1]} pixels, the pictures come at "
            f"{size[0]}x{size[1]}; choose --size {min(found.size)}."
        )
    side = subject.short_side
    variants = [make_dense(subject.loaded, "dense", "dense", short_side=side)]
    variants += [
        make_pruned(subject.loaded, point.schedule, str(point.schedule), SEARCHED, "", side)
        for point in found.points
        if not point.schedule.is_dense
    ]
    variants += [
        make_pruned(subject.loaded, s, f"uniform {s:g}", UNIFORM, f"{s:g}", side)
        for s in UNIFORM_SPARSITIES
    ]
    measured, timing = time_measured(subject, score_variants(subject, variants))
    searched = [one for one in measured if one.variant.group == SEARCHED]
    uniform = [one for one in measured if one.variant.group == UNIFORM]
    if not searched:
        raise StudyError("The frontier holds nothing but the dense network.")
    gain = compare_curves(SEARCHED, "uniform ones", searched, uniform)
    finding = (
        "No searched schedule is as fast or as slow as a uniform one, so they do not compare."
        if gain is None
        else f"Searched schedules are {describe_gain(gain, subject)}."
    )
    return {
        "rows": [one.to_row() for one in measured],
        "gains": [] if gain is None else [gain.to_dict()],
        "searched": {
            "data": found.data,
            "pictures": found.pictures,
            "device": found.device,
            "metric": found.metric,
            "trials": found.trials,
        },
        **timing,
        "finding": finding,
    }
