"""What a search is asked for, and what it says on its way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from sparsevit.package.choices import Sampler
from sparsevit.search.errors import SearchError
from sparsevit.search.frontier import Frontier, FrontierPoint

Phase = Literal["timing", "searching", "checking", "measuring"]

_LEAST_POPULATION = 10


@dataclass(frozen=True)
class SearchSettings:
    """What to search, and how.

    Attributes:
        trials: schedules to evaluate, >= 1, all workers and earlier runs included.
        budget: latency not to exceed: "0.6x" of dense, "120ms" or "120"; None for all latencies.
        sampler: "evolutionary" (the paper's), or "random" or "grid" for comparison.
        population: schedules of a generation, >= 2; with fewer trials than twice as many it is a
            fifth of the trials, at least 10.
        parents: of them that have children, >= 1, and at most a quarter of the population in use.
        mutation: chance of every gene to be drawn again, 0 to 1.
        seed: of everything random in the search.

    Raises:
        SearchError: a value out of range.
    """

    trials: int = 300
    budget: str | None = None
    sampler: Sampler = "evolutionary"
    population: int = 100
    parents: int = 25
    mutation: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.trials < 1 or self.population < 2 or self.parents < 1:
            raise SearchError("A search needs a trial, a population of 2 and a parent at least.")
        if not 0 <= self.mutation <= 1:
            raise SearchError(f"The chance of a mutation is 0 to 1, not {self.mutation}.")
        if self.sampler not in get_args(Sampler):
            raise SearchError(
                f"There is no sampler {self.sampler!r}; samplers are "
                f"{', '.join(get_args(Sampler))}."
            )
        if self.budget is not None:
            read_budget(self.budget, 1.0)

    @property
    def population_used(self) -> int:
        """Schedules of a generation, so that a few generations fit into the trials."""
        if self.trials >= 2 * self.population:
            return self.population
        return min(self.population, max(_LEAST_POPULATION, self.trials // 5))


@dataclass(frozen=True)
class SearchProgress:
    """What is known after a step.

    Attributes:
        phase: "timing" builds the predictor, "searching" evaluates schedules, "checking" scores
            the finalists on more pictures, "measuring" times them.
        done, total: steps of the phase.
        tried: every schedule evaluated so far, by all workers, in the order of the trials.
        frontier: those that none beats, by rising latency.
        best: the one to use so far; None while there is none.
        budget_ms: None without a budget, or before dense is timed.
        dense_ms: None before it is timed.
        dense_accuracy: None before it is known.
        note: a sentence for the reader about this step, "" for none.
        result: in the last step only.
    """

    phase: Phase
    done: int
    total: int
    tried: tuple[FrontierPoint, ...] = ()
    frontier: tuple[FrontierPoint, ...] = ()
    best: FrontierPoint | None = None
    budget_ms: float | None = None
    dense_ms: float | None = None
    dense_accuracy: float | None = None
    note: str = ""
    result: Frontier | None = None


def read_budget(text: str, dense_ms: float) -> float:
    """Milliseconds that "0.6x" (of dense), "120ms" or "120" stand for.

    Raises:
        SearchError: none of those, or nothing above 0.
    """
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*(x|ms)?", text.strip())
    if match is None or float(match[1]) == 0:
        raise SearchError(f"A budget is written as 0.6x (of dense), 120ms or 120, not {text!r}.")
    return float(match[1]) * (dense_ms if match[2] == "x" else 1)
