"""The optuna study that a search keeps its trials in, shared by any number of workers.

The trials that count are the COMPLETE ones: each a schedule of its own, evaluated once. A trial
that proposes what another has or had is PRUNED; one whose worker was stopped is FAILED.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.samplers import BaseGASampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from sparsevit.schedule import ADAPTATION_CHOICES, SparsitySchedule
from sparsevit.search.errors import SearchError
from sparsevit.search.evolution import Accept, Plan, list_grid, select_parents
from sparsevit.search.frontier import FrontierPoint

_SCHEDULE = "schedule"  # attribute of a trial
_STARTED = "started"  # the same: seconds since 1970
_FINGERPRINT = "fingerprint"  # attribute of a study
_CHECKED = "checked"  # the same, followed by the pictures and the schedule
_WAIT_S = 0.02
_ATTEMPTS = 4
_ATTEMPT_S = 0.25
_LEAST_STALE_S = 120.0
_STALE_FACTOR = 20.0
_FIRST_STALE_S = 1800.0  # while no trial has been finished yet
_BUSY_TIMEOUT_S = 60.0


class Store:
    """Where studies are kept.

    Attributes:
        storage: optuna's.
    """

    def __init__(self, spec: str | BaseStorage | None, folder: Path | None) -> None:
        """Open it, or create it.

        Args:
            spec: any storage URL of optuna's, "journal:FILE", or an open storage; None for
                study.db in the folder, or for memory without one.
            folder: of the search.

        Raises:
            SearchError: it cannot be opened.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._file: Path | None = None
        if spec is None and folder is not None:
            spec = f"sqlite:///{folder / 'study.db'}"
        with self.guard():
            self.storage = self._open(spec)

    def _open(self, spec: str | BaseStorage | None) -> BaseStorage:
        if spec is None:
            return optuna.storages.InMemoryStorage()
        if isinstance(spec, BaseStorage):
            return spec
        kind, _, rest = spec.partition(":")
        if kind == "journal":
            path = Path(rest).expanduser()
            path.parent.mkdir(parents=True, exist_ok=True)
            storage: BaseStorage = JournalStorage(JournalFileBackend(str(path)))
        elif kind == "sqlite":
            path = Path(rest.removeprefix("///"))
            path.parent.mkdir(parents=True, exist_ok=True)
            storage = _open_database(spec, {"connect_args": {"timeout": _BUSY_TIMEOUT_S}})
        elif "://" in spec:
            return _open_database(spec, {"pool_pre_ping": True})
        else:
            raise SearchError(
                f"A storage is a URL such as sqlite:///study.db or postgresql://USER@HOST/NAME, "
                f"or journal:FILE, not {spec!r}."
            )
        self._file = path
        return storage

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Turn whatever a storage raises into one sentence.

        Raises:
            SearchError: it cannot be reached, or its file is gone.
        """
        if self._file is not None and not self._file.exists():
            raise SearchError(
                f"The storage of the study is gone: {self._file} does not exist any more."
            )
        try:
            yield
        except (StorageInternalError, SQLAlchemyError, OSError, ImportError) as error:
            reason = str(error.__cause__ or error).strip().splitlines()
            raise SearchError(
                f"The storage of the study cannot be used: {reason[0] if reason else error!r}"
            ) from error


def _open_database(url: str, engine_kwargs: dict[str, Any]) -> RDBStorage:
    """A database, tried again where another worker creates its tables at this moment."""
    for attempt in range(_ATTEMPTS):
        try:
            return RDBStorage(url, engine_kwargs=engine_kwargs)
        except (StorageInternalError, SQLAlchemyError):
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_ATTEMPT_S)
    raise AssertionError


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
            self._grid = list_grid(plan.breeder.depths, plan.trials, plan.affords)
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
            _read(other)
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
            return is_new(schedule) and plan.affords(schedule)

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
                if (schedule := _read(parent)) is not None
            ]
        rng = random.Random(f"{plan.seed} {trial.number}")  # workers with one seed differ
        return plan.breeder.propose(parents, accept, rng)

    def select_parent(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        """The fittest of the generation before and of its parents, within the budget if any is."""
        pool = self.get_population(study, generation - 1)
        pool += self.get_parent_population(study, generation - 1)
        by_schedule = {schedule: t for t in pool if (schedule := _read(t)) is not None}
        points = [_to_point(t, s, self._plan.predict_ms) for s, t in by_schedule.items()]
        affordable = [point for point in points if self._plan.affords(point.schedule)]
        chosen = select_parents(affordable or points, self._plan.parents)
        return [by_schedule[point.schedule] for point in chosen]

    def sample_independent(self, *_: Any) -> Any:
        """Never asked: :meth:`sample_relative` gives every gene."""
        raise NotImplementedError


@dataclass(frozen=True)
class Counts:
    """Trials of a study: those that count, and those being evaluated now."""

    complete: int
    running: int


class SharedStudy:
    """The trials of a search.

    Between workers nothing is lost or done twice, because trials have one order, their number: a
    worker first takes a number, then says which schedule it has, and goes ahead only if fewer than
    the trials wanted, and none with its schedule, come before it. For that it waits until all
    before it have said theirs.
    """

    def __init__(self, store: Store, name: str, fingerprint: dict[str, Any]) -> None:
        """Open the study, or create it; :meth:`follow` comes next.

        Args:
            store: where it is kept.
            name: of the study.
            fingerprint: what its accuracies depend on.

        Raises:
            SearchError: it was made for another search, or the storage cannot be used.
        """
        self._store = store
        self._plan: Plan
        self._sampler: ScheduleSampler
        with store.guard():
            self._study = optuna.create_study(
                storage=store.storage,
                study_name=name,
                directions=["minimize", "maximize"],
                load_if_exists=True,
            )
            found = self._study.user_attrs.get(_FINGERPRINT)
            if found is None:
                self._study.set_user_attr(_FINGERPRINT, fingerprint)
                return
        for what, value in fingerprint.items():
            if found.get(what) != value:
                raise SearchError(
                    f"The study {name!r} was made for the {what} {found.get(what)}, not {value}; "
                    f"choose another --study or --out."
                )

    def follow(self, plan: Plan) -> None:
        """Propose schedules by this plan from now on."""
        self._plan = plan
        self._sampler = self._study.sampler = ScheduleSampler(plan)

    @property
    def is_exhausted(self) -> bool:
        """True when the last proposal found nothing new within the budget."""
        return self._sampler.is_exhausted

    def count(self) -> Counts:
        """How many trials count, and how many are being evaluated; stale ones are failed first."""
        with self._store.guard():
            trials = self._list()
            alive = [t for t in trials if t.state == TrialState.RUNNING and not self._drop(t)]
            return Counts(sum(t.state == TrialState.COMPLETE for t in trials), len(alive))

    def reserve(self) -> tuple[Trial, SparsitySchedule] | None:
        """Take the next schedule; None where it is another's, or enough are done or under way.

        Raises:
            SearchError: the storage cannot be used.
        """
        with self._store.guard():
            trial = self._study.ask(self._sampler.space)
            schedule = SparsitySchedule.parse(
                list(trial.params.values()), self._plan.breeder.depths
            )
            trial.set_user_attr(_STARTED, time.time())
            trial.set_user_attr(_SCHEDULE, schedule.to_list())
            while True:
                earlier = [
                    other
                    for other in self._list()
                    if other.number < trial.number and not self._drop(other)
                ]
                if all(_SCHEDULE in other.user_attrs for other in earlier):
                    break
                time.sleep(_WAIT_S)
            if len(earlier) < self._plan.trials and schedule not in map(_read, earlier):
                return trial, schedule
            self._study.tell(trial, state=TrialState.PRUNED)
            return None

    def finish(self, trial: Trial, predicted_ms: float, accuracy: float) -> None:
        """Count a trial; nothing happens if it took so long that another worker gave it up."""
        with self._store.guard(), suppress(UpdateFinishedTrialError):
            values = [predicted_ms, accuracy]
            self._study.tell(trial, values, TrialState.COMPLETE, skip_if_finished=True)

    def abandon(self, trial: Trial) -> None:
        """Free the schedule for others; if the storage is gone, there is nothing to free."""
        with suppress(SearchError), self._store.guard(), suppress(UpdateFinishedTrialError):
            self._study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def list_points(self) -> list[FrontierPoint]:
        """Every schedule that counts, in the order of the trials, with its latency predicted."""
        with self._store.guard():
            return [
                _to_point(trial, schedule, self._plan.predict_ms)
                for trial in self._list()
                if trial.state == TrialState.COMPLETE and (schedule := _read(trial)) is not None
            ]

    def get_checked(self, judge_key: str, schedule: SparsitySchedule) -> float | None:
        """An accuracy that :meth:`set_checked` noted, by whichever worker."""
        with self._store.guard():
            return self._study.user_attrs.get(f"{_CHECKED} {judge_key} {schedule}")

    def set_checked(self, judge_key: str, schedule: SparsitySchedule, accuracy: float) -> None:
        """Note the accuracy of a finalist on more pictures."""
        with self._store.guard():
            self._study.set_user_attr(f"{_CHECKED} {judge_key} {schedule}", accuracy)

    def _list(self) -> list[FrozenTrial]:
        """Trials that count or may come to."""
        states = (TrialState.COMPLETE, TrialState.RUNNING)
        return self._study.get_trials(deepcopy=False, states=states)

    def _drop(self, trial: FrozenTrial) -> bool:
        """Fail a trial that has run for so long that its worker must be gone; True if so.

        That is 20 times as long as any trial took so far, and at least two minutes.
        """
        if trial.state != TrialState.RUNNING:
            return False
        longest = max(
            (
                other.duration.total_seconds()
                for other in self._list()
                if other.state == TrialState.COMPLETE and other.duration is not None
            ),
            default=_FIRST_STALE_S / _STALE_FACTOR,
        )
        started = trial.user_attrs.get(_STARTED)
        if started is None and trial.datetime_start is not None:
            started = trial.datetime_start.timestamp()
        limit = max(_LEAST_STALE_S, _STALE_FACTOR * longest)
        if started is None or time.time() - started < limit:
            return False
        with suppress(UpdateFinishedTrialError):
            self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        return True


def _read(trial: FrozenTrial) -> SparsitySchedule | None:
    """The schedule of a trial, once its worker has said it."""
    stages = trial.user_attrs.get(_SCHEDULE)
    return None if stages is None else _make_schedule(tuple(map(tuple, stages)))


@lru_cache(maxsize=1 << 16)
def _make_schedule(stages: tuple[tuple[float, ...], ...]) -> SparsitySchedule:
    """Made once: every step looks at all trials."""
    return SparsitySchedule(stages)


def _to_point(
    trial: FrozenTrial,
    schedule: SparsitySchedule,
    predict_ms: Callable[[SparsitySchedule], float],
) -> FrontierPoint:
    """With latency predicted here and now: another worker's device may have been another."""
    return FrontierPoint(schedule, float(trial.values[1]), predict_ms(schedule))
