"""The words of the exercises: what each asks on this photo, and what its answer says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from app.engine.exercises import (
    LEAST_IOU,
    STAGE_SPARSITY,
    Half,
    StageTrial,
    Target,
    TippingPoint,
    find_best_stages,
    find_least_agreement,
)
from app.engine.records import Result
from app.page.units import say_agreement
from app.tabs.learn.words import percent

#: How an attempt was judged: solved, not solved, or not to be judged now.
Judgement = tuple[Literal["right", "wrong", "wait"], str]

#: The words of an answer, and a table of {"head", "rows"} or None.
Answer = tuple[list[str], dict[str, Any] | None]


def ask_tipping_point(target: Target | None, task: str) -> tuple[str, str]:
    """Title and question of the first exercise.

    Args:
        target: of it; None where there is none.
        task: name of the task.
    """
    if target is None:
        return "When is it lost?", (
            "The dense network finds nothing on this photo, so nothing can be lost. Choose another "
            "photo, or another task."
        )
    if target.kind == "agreement":
        return "How far can you go?", (
            "Raise “All layers” from 0 % until the agreement falls below "
            f"{say_agreement(find_least_agreement(task), task, 0)}. At which sparsity is that?"
        )
    if target.kind == "winner":
        return "When does it change its mind?", (
            f"Dense, the likeliest class is “{target.name}”. Raise “All layers” from 0 % until "
            "another one leads. At which sparsity is that?"
        )
    lost = (
        f"It counts as lost when its IoU of sparse with dense is below {LEAST_IOU:g}."
        if target.kind == "class"
        else "It counts as lost when none of those that dense finds is found again."
    )
    return f"When is “{target.name}” lost?", (
        f"The dense output has “{target.name}”. Raise “All layers” from 0 % until the sparse "
        f"output has lost it. At which sparsity is that? {lost} The tab Outputs shows it."
    )


def tell_state(target: Target, score: float, task: str) -> str:
    """How much of a target there is."""
    if target.kind == "class":
        return f"the IoU of “{target.name}” is {score:.2f}"
    if target.kind == "things":
        return f"“{target.name}” is found again with a quality of {percent(score)}"
    if target.kind == "winner":
        return f"“{target.name}” has a probability of {percent(score)}"
    return f"the agreement is {say_agreement(score, task)}"


def tell_tipping_point(target: Target, found: TippingPoint) -> Answer:
    """The answer of the first exercise."""
    what = "The agreement" if target.kind == "agreement" else f"“{target.name}”"
    if found.lost is None:
        words = f"{what} holds out up to {percent(found.there)}, as far as the sliders go."
        return [words, "Not everything is lost by skipping windows."], None
    words = (
        f"Raising all layers from 0 %, it holds at {percent(found.there)} and is lost at "
        f"{percent(found.lost)}."
    )
    why = {
        "class": "A small thing lies in few windows. The more blocks skip those, the less is "
        "computed for it, until the head takes it for something else.",
        "things": "A small thing lies in few windows. The more blocks skip those, the less is "
        "computed for it, until it is not found any more.",
        "winner": "Skipped windows still take part, but as they were. The more blocks skip them, "
        "the less the last stage knows of them.",
        "agreement": "Skipped windows pass a block as they were. The more of them, the farther "
        "the output is from the dense one.",
    }
    return [words, why[target.kind]], None


def ask_stage(num_prunable: int) -> tuple[str, str]:
    """Title and question of the second exercise.

    Args:
        num_prunable: stages in which windows can be skipped.
    """
    title = "Which stage matters least?"
    if num_prunable < 2:
        return title, (
            f"Windows can be skipped in {num_prunable} stage{'' if num_prunable == 1 else 's'} "
            "of this network at this size, so there is nothing to compare. Choose a larger short "
            "side, or another network."
        )
    return title, (
        f"Put one stage at {percent(STAGE_SPARSITY)} and all others at 0 %. With which stage does "
        "the output change least, so that the agreement stays highest? Try each."
    )


def tell_stages(trials: Sequence[StageTrial], task: str) -> Answer:
    """The answer of the second exercise."""
    best = find_best_stages(trials)
    names = " and ".join(f"stage {stage + 1}" for stage in best)
    most = max(trials, key=lambda trial: trial.saved)
    words = [
        f"The output changes least with {names}.",
        f"That is half of the question. Most arithmetic is saved by stage {most.stage + 1}: "
        f"{percent(most.saved)}. A good schedule prunes where much is saved for little change, "
        "which is what the tab Search looks for.",
    ]
    rows = [
        [
            f"Stage {trial.stage + 1}",
            say_agreement(trial.agreement, task) if trial.skipped else "too few windows",
            percent(trial.saved) if trial.skipped else "–",
        ]
        for trial in trials
    ]
    return words, {"head": ["Pruned alone", "agreement", "arithmetic saved"], "rows": rows}


def ask_double() -> tuple[str, str]:
    """Title and question of the third exercise."""
    return "When is it twice as fast?", (
        "Move “All layers” until the measured speed-up is about 2×. At which sparsity is that, and "
        "why is it not 50 %?"
    )


def tell_double(result: Result, half: Half) -> Answer:
    """The answer of the third exercise, with what is measured at the present setting."""
    dense = result.analysis.cost.dense_gmacs
    words = [_tell_half(dense, half)]
    if half.sparsity is None or half.sparsity > 0.5:
        words.append(
            "Skipping half of the windows is not enough: patch embedding, merging between stages "
            f"and head are never pruned. Here they take {percent(half.never_pruned)} of the dense "
            "arithmetic, so the blocks have to save more than half of theirs."
        )
    else:
        words.append(
            f"Little is never pruned here (embedding, merging and head take "
            f"{percent(half.never_pruned)}), and the number of windows kept is rounded down."
        )
    return [*words, _tell_measured(result)], None


def _tell_half(dense: float, half: Half) -> str:
    if half.sparsity is None:
        return (
            f"By arithmetic alone, never: even at 95 % there is {percent(half.least)} of the "
            f"{dense:.3g} GMACs left."
        )
    return (
        f"By arithmetic alone, at {percent(half.sparsity)}: from there on half of the "
        f"{dense:.3g} GMACs is enough."
    )


def _tell_measured(result: Result) -> str:
    latency, ideal = result.analysis.latency, 1 / result.analysis.cost.mac_ratio
    if latency is None or result.doubt is not None:
        return (
            "A real machine is another matter, but this one is busy or still measuring now: come "
            "back when the speed-up stands above."
        )
    told = (
        f"A real machine is another matter. At the present setting, arithmetic alone would give "
        f"{ideal:.2f}×, and {latency.speedup:.2f}× was measured."
    )
    if latency.speedup >= ideal:
        return told
    return told + " Scoring, gathering and scattering windows takes time too."
