"""What optuna asks for the next schedule of a search, and how a trial holds one."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseGASampler
from optuna.trial import FrozenTrial, Trial, TrialState

from sparsevit.schedule import ADAPTATION_CHOICES, SparsitySchedule
from sparsevit.search.evolution import Accept, Plan, list_grid, select_parents
from sparsevit.search.frontier import FrontierPoint

_SCHEDULE = "schedule"  # attribute of a trial


class ScheduleSampler(BaseGASampler):
    """Lets optuna ask a :class:`Breeder`: generations and parents are shared by all workers.

    Attributes:
        is_exhausted: the latest proposal is an old one, as nothing new was found.
    """

    def __init__(self, plan: Plan) -> None:
        """Nothing is proposed yet."""
        super().__init__(population_size=plan.population)
        self.is_exhausted = False
        self._plan = plan
        self._grid: list[SparsitySchedule] | None = None
        if plan.sampler == "grid":
            self._grid = list_grid(plan.breeder.depths, plan.trials, plan.is_within_budget)
        dense = plan.breeder.list_anchors()[0]
        choices = CategoricalDistribution(ADAPTATION_CHOICES)
        self.space: dict[str, BaseDistribution] = {
            f"stage {stage} pair {pair}": choices
            for stage, row in enumerate(dense.stages, start=1)
            for pair, _ in enumerate(row, start=1)
        }

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """All genes, from the first trial on."""
        return self.space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The genes of the next schedule, sorted inside each stage."""
        taken = {
            get_schedule(other)
            for other in study.get_trials(
                deepcopy=False, states=(TrialState.COMPLETE, TrialState.RUNNING)
            )
        }
        proposal = self._propose(study, trial, lambda s: s not in taken)
        self.is_exhausted = proposal is None
        schedule = proposal or self._plan.breeder.list_anchors()[0]
        genes = (s for stage in schedule.stages for s in stage)
        return dict(zip(self.space, genes, strict=True))

    def _propose(
        self, study: optuna.Study, trial: FrozenTrial, is_new: Accept
    ) -> SparsitySchedule | None:
        plan = self._plan
        dense, *uniform = plan.breeder.list_anchors()
        if is_new(dense):
            return dense  # whatever the budget: everything is compared with it

        def accept(schedule: SparsitySchedule) -> bool:
            return is_new(schedule) and plan.is_within_budget(schedule)

        fixed = uniform if self._grid is None else self._grid
        for known in fixed:
            if accept(known):
                return known
        if self._grid is not None:
            return None
        parents: list[SparsitySchedule] = []
        if plan.sampler == "evolutionary":
            generation = self.get_trial_generation(study, trial)
            parents = [
                schedule
                for parent in self.get_parent_population(study, generation)
                if (schedule := get_schedule(parent)) is not None
            ]
        rng = random.Random(f"{plan.seed} {trial.number}")  # workers with one seed differ
        return plan.breeder.propose(parents, accept, rng)

    def select_parent(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        """The fittest of the generation before and of its parents, within the budget if any is."""
        pool = self.get_population(study, generation - 1)
        pool += self.get_parent_population(study, generation - 1)
        by_schedule = {schedule: t for t in pool if (schedule := get_schedule(t)) is not None}
        points = [make_point(t, s, self._plan.predict_ms) for s, t in by_schedule.items()]
        affordable = [point for point in points if self._plan.is_within_budget(point.schedule)]
        chosen = select_parents(affordable or points, self._plan.parents)
        return [by_schedule[point.schedule] for point in chosen]

    def sample_independent(self, *_: Any) -> Any:
        """Never asked: :meth:`sample_relative` gives every gene."""
        raise NotImplementedError


def note_schedule(trial: Trial, schedule: SparsitySchedule) -> None:
    """Say to all workers which schedule a trial has."""
    trial.set_user_attr(_SCHEDULE, schedule.to_list())


def get_schedule(trial: FrozenTrial) -> SparsitySchedule | None:
    """The schedule of a trial, once its worker has said it."""
    stages = trial.user_attrs.get(_SCHEDULE)
    return None if stages is None else _make_schedule(tuple(map(tuple, stages)))


@lru_cache(maxsize=1 << 16)
def _make_schedule(stages: tuple[tuple[float, ...], ...]) -> SparsitySchedule:
    """Made once: every step looks at all trials."""
    return SparsitySchedule(stages)


def make_point(
    trial: FrozenTrial,
    schedule: SparsitySchedule,
    predict_ms: Callable[[SparsitySchedule], float],
) -> FrontierPoint:
    """What a trial found, its latency predicted anew: another worker's device may be another."""
    return FrontierPoint(schedule, float(trial.values[1]), predict_ms(schedule))
