"""The answers to three exercises on a photo, found by running its network at other sparsities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.engine.newest import always
from app.engine.protocol import Engine
from app.engine.records import Result
from sparsevit.data.classes import STREET_CLASSES
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.measure.cost import CostReport
from sparsevit.package.units import SHARE, find_agreement_unit
from sparsevit.schedule import SparsitySchedule, num_keep
from sparsevit.tasks.boxes3d import Boxes3DTask
from sparsevit.tasks.segments import MIN_IOU, SegmentsTask
from sparsevit.tasks.semantic import SemanticTask

#: Sparsity that one stage is given in the second exercise.
STAGE_SPARSITY = 0.6

_LEAST_SHARE_ALIKE = 0.9
_LEAST_PSNR = 50.0  # dB, a root mean square of 0.8 grey levels

_MOST_PERCENT = 95  # as far as the sliders go
_STEP_PERCENT = 5

#: Of the pixels of a class, as of things that are found again. Things are lost when none is.
LEAST_IOU = MIN_IOU
_LEAST_SHARE = 0.001  # of the picture: a class with less cannot be seen


@dataclass(frozen=True)
class Target:
    """What the output is to lose.

    Attributes:
        kind: "class" of pixels, "things" of a class, the "winner" among the classes of a photo, or
            "agreement", which is to fall below :func:`find_least_agreement`.
        name: of the class; empty for an agreement.
    """

    kind: str
    name: str = ""


@dataclass(frozen=True)
class TippingPoint:
    """Between which sparsities of all layers a target is lost, as far as is known.

    Attributes:
        there: largest sparsity below ``lost`` that was tried and still has it.
        lost: smallest that was tried and has it no more; None while there is none.
        is_found: no finer step is left.
    """

    there: float
    lost: float | None
    is_found: bool = False


@dataclass(frozen=True)
class StageTrial:
    """One stage pruned alone.

    Attributes:
        stage: 0-based.
        agreement: with dense.
        skipped: windows that its blocks skipped together; 0 where it has too few to prune.
        saved: share of the network's multiply-accumulates.
    """

    stage: int
    agreement: float
    skipped: int
    saved: float


@dataclass(frozen=True)
class Half:
    """What halving takes by arithmetic alone.

    Attributes:
        sparsity: least of all layers, in whole percents, that needs no more than half the
            multiply-accumulates; None if the sliders do not go so far.
        never_pruned: share of the dense multiply-accumulates outside the blocks.
        least: share left at the highest sparsity of the sliders.
    """

    sparsity: float | None
    never_pruned: float
    least: float


def choose_target(result: Result) -> Target | None:
    """The least thing of the dense output; None if it holds nothing."""
    task, dense = result.task, result.analysis.prepared.dense
    match task:
        case SemanticTask():
            return Target("class", task.class_names[_find_least_class(dense, task.class_names)])
        case SegmentsTask():
            areas = np.bincount(dense.ids.ravel(), minlength=1)
            areas_by_label = _add_up((s.label, float(areas[s.id])) for s in dense.segments)
            return _pick_least(areas_by_label, task.class_names)
        case Boxes3DTask():
            boxes = task.keep_sure(dense).boxes
            return _pick_least(_add_up((box.label, 1.0) for box in boxes), task.class_names)
    if task.name == "classification":
        return Target("winner", task.class_names[int(dense.argmax())])
    return Target("agreement")


def score_target(result: Result, target: Target) -> float:
    """How much of a target the sparse output has: IoU, quality, probability, agreement.

    Args:
        result: on the photo that the target was chosen on.
        target: of :func:`choose_target`.
    """
    analysis, task = result.analysis, result.task
    if isinstance(task, SemanticTask | SegmentsTask | Boxes3DTask):
        return task.compare_classes(analysis.prepared.dense, analysis.sparse).get(target.name, 0.0)
    return analysis.agreement["dense_winner_probability" if target.name else "agreement"]


def is_lost(result: Result, target: Target) -> bool:
    """Whether the sparse output has lost a target; see :func:`score_target`."""
    if target.kind == "winner":
        return result.analysis.agreement["top1_agreement"] == 0
    score = score_target(result, target)
    if target.kind == "agreement":
        return score < find_least_agreement(result.task.name)
    return score < LEAST_IOU if target.kind == "class" else score == 0


def find_least_agreement(task: str) -> float:
    """Agreement that is lost where nothing in the output has a name, by the task's name."""
    return _LEAST_SHARE_ALIKE if find_agreement_unit(task) is SHARE else _LEAST_PSNR


def find_tipping_point(
    engine: Engine, result: Result, target: Target, is_current: Callable[[], bool] = always
) -> Iterator[TippingPoint]:
    """Raise the sparsity of all layers until a target is lost, then narrow that down to a percent.

    Args:
        engine: runs the network; others may run in between.
        result: of the photo and network.
        target: of :func:`choose_target`.
        is_current: asked before every run; False raises Superseded.

    Yields:
        What is known, after each run.

    Raises:
        Superseded: it is not wanted any more.
    """

    def try_out(percent: int) -> bool:
        outcome = run_schedule(engine, result, percent / 100, is_current)
        return is_lost(outcome, target)

    there, lost = 0, _STEP_PERCENT
    while not try_out(lost):
        there = lost
        lost += _STEP_PERCENT
        yield TippingPoint(there / 100, None, is_found=lost > _MOST_PERCENT)
        if lost > _MOST_PERCENT:
            return
    while lost - there > 1:
        yield TippingPoint(there / 100, lost / 100)
        middle = (there + lost) // 2
        there, lost = (there, middle) if try_out(middle) else (middle, lost)
    yield TippingPoint(there / 100, lost / 100, is_found=True)


def prune_stages(
    engine: Engine, result: Result, is_current: Callable[[], bool] = always
) -> Iterator[tuple[StageTrial, ...]]:
    """Prune one stage after the other alone, all others dense.

    Args:
        engine, result, is_current: see :func:`find_tipping_point`.

    Yields:
        The stages tried, after each run.

    Raises:
        Superseded: it is not wanted any more.
    """
    trials: tuple[StageTrial, ...] = ()
    for stage in range(len(result.depths)):
        outcome = run_schedule(engine, result, list_stage(result, stage), is_current)
        blocks = (block for block in outcome.analysis.blocks if block.stage == stage)
        trial = StageTrial(
            stage,
            outcome.analysis.agreement["agreement"],
            sum(block.total - block.kept for block in blocks),
            1 - outcome.analysis.cost.mac_ratio,
        )
        trials = (*trials, trial)
        yield trials


def list_stage(result: Result, stage: int) -> list[float]:
    """The sparsity of each stage where one is pruned alone."""
    return [STAGE_SPARSITY * (index == stage) for index in range(len(result.depths))]


def find_best_stages(trials: Sequence[StageTrial]) -> list[int]:
    """The stages, 0-based, that cost least agreement, to its third decimal; those that prune."""
    pruned = {t.stage: round(t.agreement, 3) for t in trials if t.skipped}
    return [stage for stage, agreement in pruned.items() if agreement == max(pruned.values())]


def find_half(cost: CostReport) -> Half:
    """The sparsity of all layers from which half of the arithmetic is enough."""
    dense = cost.dense_gmacs * 1e9

    def share(percent: int) -> float:
        kept = sum(
            block.dense_macs * num_keep(block.total, percent / 100) / block.total
            for block in cost.blocks
        )
        return (cost.fixed_macs + kept) / dense

    fitting = (p for p in range(_MOST_PERCENT + 1) if share(p) <= 0.5)
    percent = next(fitting, None)
    return Half(
        None if percent is None else percent / 100, cost.fixed_macs / dense, share(_MOST_PERCENT)
    )


def run_schedule(
    engine: Engine, result: Result, sparsities: Any, is_current: Callable[[], bool] = always
) -> Result:
    """The same photo and network at other sparsities.

    Args:
        engine, result, is_current: see :func:`find_tipping_point`.
        sparsities: any form of :meth:`SparsitySchedule.parse`.

    Raises:
        Superseded: it is not wanted any more.
    """
    schedule = SparsitySchedule.parse(sparsities, result.depths)
    settings = replace(result.settings, schedule=schedule)
    return engine.analyze(result.photo, settings, is_current)


def answer_all(engine: Engine, result: Result) -> dict[str, Any]:
    """The answers to all exercises as plain data; see the endpoint ``exercises``."""
    target, half = choose_target(result), find_half(result.analysis.cost)
    tipping_point = None
    if target is not None:
        *_, last = find_tipping_point(engine, result, target)
        tipping_point = {"kind": target.kind, "class": target.name or None} | vars(last)
        del tipping_point["is_found"]
    *_, trials = prune_stages(engine, result)
    return {
        "tipping_point": tipping_point,
        "stages": [vars(trial) | {"stage": trial.stage + 1} for trial in trials],
        "best_stages": [stage + 1 for stage in find_best_stages(trials)],
        "half": vars(half),
    }


def _find_least_class(dense: np.ndarray, names: tuple[str, ...]) -> int:
    """Number of the class with the fewest pixels in a map; a class of things, if there is one."""
    counts = np.bincount(dense.ravel(), minlength=len(names))
    seen = [int(i) for i in np.flatnonzero(counts) if counts[i] >= _LEAST_SHARE * dense.size]
    things = set(STREET_KINDS.classes) if names == STREET_CLASSES.names else set()
    return min([i for i in seen if i in things] or seen, key=lambda i: counts[i])


def _add_up(pairs: Iterator[tuple[int, float]] | Any) -> dict[int, float]:
    sums: dict[int, float] = {}
    for label, amount in pairs:
        sums[label] = sums.get(label, 0.0) + amount
    return sums


def _pick_least(amounts: dict[int, float], names: tuple[str, ...]) -> Target | None:
    """The class of things there is least of."""
    if not amounts:
        return None
    return Target("things", names[min(amounts, key=lambda label: amounts[label])])
