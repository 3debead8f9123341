"""Which schedule to try next: drawing, breeding and selecting schedules."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product

from sparsevit.schedule import ADAPTATION_CHOICES, SparsitySchedule, num_pairs
from sparsevit.search.frontier import FrontierPoint, find_pareto, spread

Accept = Callable[[SparsitySchedule], bool]

_DRAWS = 2000  # in vain, before a schedule is looked for in another way or not at all


@dataclass(frozen=True)
class Breeder:
    """Proposes schedules of one network; all are non-decreasing inside a stage.

    Attributes:
        depths: blocks per stage.
        mutation: chance of every gene, the sparsity of a pair, to be drawn again.
    """

    depths: tuple[int, ...]
    mutation: float

    def list_anchors(self) -> list[SparsitySchedule]:
        """Dense and the uniform schedules: what every search starts with."""
        return [SparsitySchedule.parse(s, self.depths) for s in ADAPTATION_CHOICES]

    def propose(
        self, parents: Sequence[SparsitySchedule], accept: Accept, rng: random.Random
    ) -> SparsitySchedule | None:
        """A schedule that ``accept`` takes: a child, or a random one where there are no parents.

        Where children are refused again and again, random schedules are tried, and then random
        schedules pruned further, one gene after another: they meet a tight latency budget.

        Returns:
            None if nothing was accepted, so that hardly anything can be left.
        """
        sources: list[Callable[[], SparsitySchedule]] = [
            lambda: SparsitySchedule.random(self.depths, rng),
            lambda: self._prune_further(rng),
        ]
        if parents:
            sources.insert(0, lambda: self._breed(parents, rng))
        for draw in sources:
            for _ in range(_DRAWS):
                schedule = draw()
                if accept(schedule):
                    return schedule
        return None

    def _breed(self, parents: Sequence[SparsitySchedule], rng: random.Random) -> SparsitySchedule:
        """A child: of one parent with genes drawn again, or of two with genes of both."""
        if rng.random() < 0.5:
            return self.mutate(rng.choice(parents), rng)
        return self.cross(rng.choice(parents), rng.choice(parents), rng)

    def mutate(self, parent: SparsitySchedule, rng: random.Random) -> SparsitySchedule:
        """The parent with each gene drawn again at the chance ``mutation``."""
        return _sort(
            [rng.choice(ADAPTATION_CHOICES) if rng.random() < self.mutation else s for s in stage]
            for stage in parent.stages
        )

    def cross(
        self, first: SparsitySchedule, second: SparsitySchedule, rng: random.Random
    ) -> SparsitySchedule:
        """A schedule with each gene from one of two, at even chances."""
        return _sort(
            [rng.choice(pair) for pair in zip(*stages, strict=True)]
            for stages in zip(first.stages, second.stages, strict=True)
        )

    def _prune_further(self, rng: random.Random) -> SparsitySchedule:
        """A random schedule, then a random number of random genes raised, none or all the way."""
        genes = [s for stage in SparsitySchedule.random(self.depths, rng).stages for s in stage]
        for index in rng.sample(range(len(genes)), rng.randint(1, len(genes))):
            genes[index] = rng.choice([s for s in ADAPTATION_CHOICES if s >= genes[index]])
        return _sort(SparsitySchedule.parse(genes, self.depths).stages)


@dataclass(frozen=True)
class Plan:
    """What a worker's proposals follow.

    Attributes:
        breeder: draws schedules.
        sampler: "evolutionary", "random" or "grid".
        population: schedules of a generation.
        parents: of them that have children.
        trials: that are wanted in all.
        seed: of the proposals.
        predict_ms: predicted latency of a schedule.
        is_within_budget: whether a schedule is within the budget.
    """

    breeder: Breeder
    sampler: str
    population: int
    parents: int
    trials: int
    seed: int
    predict_ms: Callable[[SparsitySchedule], float]
    is_within_budget: Accept


def select_parents(points: Sequence[FrontierPoint], count: int) -> list[FrontierPoint]:
    """The ``count`` fittest: fronts of unbeaten points, the last thinned evenly over latency."""
    left, chosen = list(points), list[FrontierPoint]()
    while left and len(chosen) < count:
        front = find_pareto(left)
        left = [point for point in left if point not in front]
        chosen += spread(front, count - len(chosen))
    return chosen


def list_grid(
    depths: Sequence[int], trials: int, is_within_budget: Accept
) -> list[SparsitySchedule]:
    """A regular grid of at most ``trials`` schedules with one sparsity per stage, shuffled.

    The sparsities of a stage are as many as fit, at least two, spread evenly over
    ``ADAPTATION_CHOICES``; what is over the budget is left out and does not count.
    """
    grid: list[SparsitySchedule] = []
    last = len(ADAPTATION_CHOICES) - 1
    for levels in range(2, last + 2):
        values = [ADAPTATION_CHOICES[round(i * last / (levels - 1))] for i in range(levels)]
        rows = (SparsitySchedule.parse(row, depths) for row in _cross_stages(values, depths))
        finer = list(islice(filter(is_within_budget, rows), trials + 1))
        if grid and len(finer) > trials:
            break
        grid = finer
    random.Random(0).shuffle(grid)
    return grid


def _cross_stages(values: Sequence[float], depths: Sequence[int]) -> Iterator[list[list[float]]]:
    """Every way to give each stage one of some values, for all its pairs."""
    for row in product(values, repeat=len(depths)):
        yield [[s] * num_pairs(depth) for s, depth in zip(row, depths, strict=True)]


def _sort(stages: Iterator[list[float]] | Sequence[Sequence[float]]) -> SparsitySchedule:
    return SparsitySchedule(tuple(tuple(sorted(stage)) for stage in stages))
