"""Exercises on the current photo: judged by what is on the page, answered by running the network.

``exercises.js`` draws them.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from app.engine.exercises import (
    STAGE_SPARSITY,
    StageTrial,
    Target,
    TippingPoint,
    choose_target,
    find_best_stages,
    find_half,
    find_tipping_point,
    is_lost,
    list_stage,
    prune_stages,
    run_schedule,
    score_target,
)
from app.engine.newest import Superseded
from app.engine.records import Result
from app.page.events import Changes, PageActions
from app.page.session import Session
from app.page.units import say_agreement
from app.tabs.learn.answers import (
    Answer,
    Judgement,
    ask_double,
    ask_stage,
    ask_tipping_point,
    tell_double,
    tell_stages,
    tell_state,
    tell_tipping_point,
)
from app.tabs.learn.words import percent
from sparsevit.schedule import SparsitySchedule, num_keep

_TIPPING_POINT, _STAGE, _DOUBLE = range(3)
_NEAR = 0.05  # so much above the least sparsity is right, too
_DOUBLE_FROM, _DOUBLE_TO = 1.95, 2.2  # a speed-up of about 2

#: Goes on yielding what is being done.
_Judging = Generator[str, None, Judgement]

_NOT_UNIFORM: Judgement = ("wrong", "Give all layers one sparsity: move “All layers”.")
_STOPPED: Judgement = ("wait", "The page moved on, so this was stopped. Press again.")


@dataclass
class ExerciseMemory:
    """What is known of the exercises on one photo and network.

    Attributes:
        about: the result that it is known of, at any sparsities.
        tipping_point: answer to the first exercise, as far as it is found.
        trials: answer to the second.
        judged: of each exercise the latest judgement, and the schedule that it is about.
        shown: the exercises whose answers were asked for.
    """

    about: Result | None = None
    tipping_point: TippingPoint | None = None
    trials: tuple[StageTrial, ...] = ()
    judged: dict[int, tuple[SparsitySchedule, Judgement]] = field(default_factory=dict)
    shown: set[int] = field(default_factory=set)

    def turn_to(self, result: Result) -> ExerciseMemory:
        """The same memory, emptied if the result is of another photo, network, task or size."""
        about = self.about
        if about is None or not (
            result.is_of(about.photo, about.settings, about.analysis.prepared.input_size)
            and result.settings.linked == about.settings.linked
        ):
            self.__init__(result)  # type: ignore[misc]
        return self


class ExerciseHandlers:
    """Judges and answers.

    Args:
        page: handlers of the whole page.
    """

    def __init__(self, page: PageActions) -> None:
        self._page = page

    def work(self, session: Session, index: int) -> Iterator[Changes]:
        """Judge the present result (an even ``index``), or find an answer (an odd one).

        Args:
            session: of the user; updated.
            index: twice the number of the exercise, and 1 more for its answer.
        """
        number, is_answer = divmod(max(0, index) % 6, 2)
        result, moment = self._page.get_result(session), session.moment
        memory = session.recall(ExerciseMemory).turn_to(result)
        self._page.note_use(session)
        trial = _Trial(self._page, session, result, memory)
        steps = trial.answer(number) if is_answer else trial.judge(number)
        try:
            for told in steps:
                if session.moment != moment:
                    raise Superseded
                yield {"exercises": draw_exercises(session, result, (number, told))}
        except Superseded:
            memory.judged[number] = (result.settings.schedule, _STOPPED)
        except Exception as error:
            self._page.tell(error)
        yield {"exercises": draw_exercises(session, self._page.get_result(session))}


class _Trial:
    """One press of a button: goes on yielding what is being done, and updates the memory."""

    def __init__(
        self, page: PageActions, session: Session, result: Result, memory: ExerciseMemory
    ) -> None:
        self._engine = page.engine
        self._result = result
        self._memory = memory
        moment = session.moment
        self._is_current = lambda: session.moment == moment

    def answer(self, number: int) -> Iterator[str]:
        """Find the answer to an exercise, unless it is known."""
        if number == _TIPPING_POINT and (target := choose_target(self._result)) is not None:
            yield from self._find_tipping_point(target)
        elif number == _STAGE:
            yield from self._prune_stages()
        self._memory.shown.add(number)

    def judge(self, number: int) -> Iterator[str]:
        """Judge what is on the page."""
        judge = (self._judge_tipping_point, self._judge_stage, self._judge_double)[number]
        judgement = yield from judge()
        self._memory.judged[number] = (self._result.settings.schedule, judgement)

    def _find_tipping_point(self, target: Target) -> Iterator[str]:
        if self._memory.tipping_point is not None:
            return
        found = TippingPoint(0.0, None)
        yield "Looking at 5 %…"
        for found in find_tipping_point(self._engine, self._result, target, self._is_current):
            if found.lost is None:
                yield f"Still there at {percent(found.there)}…"
            else:
                yield f"Between {percent(found.there)} and {percent(found.lost)}…"
        self._memory.tipping_point = found

    def _prune_stages(self) -> Iterator[str]:
        if self._memory.trials:
            return
        yield "Pruning stage 1…"
        for trials in prune_stages(self._engine, self._result, self._is_current):
            if len(trials) == len(self._result.depths):
                self._memory.trials = trials
            else:
                yield f"Pruning stage {len(trials) + 1}…"

    def _judge_tipping_point(self) -> _Judging:
        yield "Checking…"
        result, target = self._result, choose_target(self._result)
        sparsity = _find_uniform(result)
        if target is None:
            return "wait", ask_tipping_point(target, result.task.name)[1]
        if sparsity is None:
            return _NOT_UNIFORM
        state = tell_state(target, score_target(result, target), result.task.name)
        if not is_lost(result, target):
            return "wrong", f"Not yet: at {percent(sparsity)}, {state}."
        before = max(0.0, round(sparsity - _NEAR, 2))
        if before:
            lower = run_schedule(self._engine, result, before, self._is_current)
            if is_lost(lower, target):
                return "wrong", f"Lost, but at {percent(before)} it is lost already. Go lower."
        return "right", f"Right: lost at {percent(sparsity)}, still there at {percent(before)}."

    def _judge_stage(self) -> _Judging:
        yield "Checking…"
        result = self._result
        stage = _find_only_stage(result)
        if stage is None:
            rule = f"Put one stage at {percent(STAGE_SPARSITY)} and all others at 0 %."
            return "wrong", rule
        if stage not in list_prunable(result):
            return "wrong", f"Stage {stage + 1} has too few windows: none was skipped. Try another."
        yield from self._prune_stages()
        left = say_agreement(self._memory.trials[stage].agreement, self._result.task.name)
        agreement = f"stage {stage + 1} leaves {left}"
        if stage in find_best_stages(self._memory.trials):
            return "right", f"Right: {agreement} agreement, and no other stage more."
        return "wrong", f"Not the best: {agreement} agreement, another stage leaves more."

    def _judge_double(self) -> _Judging:
        yield "Checking…"
        result, latency = self._result, self._result.analysis.latency
        sparsity = _find_uniform(result)
        if sparsity is None:
            return _NOT_UNIFORM
        if latency is None or result.doubt is not None:
            return "wait", "Not to be judged now: this machine is busy or still measuring."
        told = f"{latency.speedup:.2f}× at {percent(sparsity)}"
        if latency.speedup < _DOUBLE_FROM:
            return "wrong", f"Not yet: {told}."
        if latency.speedup > _DOUBLE_TO:
            return "wrong", f"More than twice: {told}. Go lower."
        return "right", f"Right: {told}."


def draw_exercises(session: Session, result: Result, busy: tuple[int, str] | None = None) -> str:
    """JSON for ``exercises.js``.

    Args:
        session: of the user.
        result: what is on the screen.
        busy: number of the exercise that is being worked on, and what is being done.

    Returns:
        A list of ``{"title", "question", "applies", "busy", "judged": {"kind", "words"} or null,
        "answer": {"words", "table": {"head", "rows"} or null} or null}``.
    """
    memory = session.recall(ExerciseMemory).turn_to(result)
    target = choose_target(result)
    prunable = list_prunable(result)
    asked = (
        (ask_tipping_point(target, result.task.name), target is not None),
        (ask_stage(len(prunable)), len(prunable) > 1),
        (ask_double(), True),
    )
    shown = []
    for number, ((title, question), applies) in enumerate(asked):
        schedule, judged = memory.judged.get(number, (None, None))
        answer = _tell_answer(number, result, memory, target)
        shown.append(
            {
                "title": title,
                "question": question,
                "applies": applies,
                "busy": busy[1] if busy is not None and busy[0] == number else "",
                "judged": dict(zip(("kind", "words"), judged, strict=True))
                if judged is not None and schedule == result.settings.schedule
                else None,
                "answer": answer and dict(zip(("words", "table"), answer, strict=True)),
            }
        )
    return json.dumps(shown)


def list_prunable(result: Result) -> list[int]:
    """The stages, 0-based, whose blocks have windows to skip at the second exercise's sparsity."""
    blocks = result.analysis.blocks
    able = {b.stage for b in blocks if num_keep(b.total, STAGE_SPARSITY) < b.total}
    return sorted(able)


def _tell_answer(
    number: int, result: Result, memory: ExerciseMemory, target: Target | None
) -> Answer | None:
    if number not in memory.shown:
        return None
    if number == _DOUBLE:
        return tell_double(result, find_half(result.analysis.cost))
    if number == _STAGE:
        return tell_stages(memory.trials, result.task.name) if memory.trials else None
    return (
        tell_tipping_point(target, memory.tipping_point)
        if target and memory.tipping_point
        else None
    )


def _find_uniform(result: Result) -> float | None:
    """The sparsity of all layers, None where they differ."""
    sparsities = {s for stage in result.settings.schedule.stages for s in stage}
    return sparsities.pop() if len(sparsities) == 1 else None


def _find_only_stage(result: Result) -> int | None:
    """The stage, 0-based, that alone is pruned as the second exercise says; None if none is."""
    for stage in range(len(result.depths)):
        alone = SparsitySchedule.parse(list_stage(result, stage), result.depths)
        if result.settings.schedule == alone:
            return stage
    return None
