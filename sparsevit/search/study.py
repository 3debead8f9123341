"""The optuna study that a search keeps its trials in, shared by any number of workers.

The trials that count are the COMPLETE ones: each a schedule of its own, evaluated once. A trial
that proposes what another has or had is PRUNED; one whose worker was stopped is FAILED.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from sparsevit.schedule import SparsitySchedule
from sparsevit.search.errors import SearchError
from sparsevit.search.evolution import Plan
from sparsevit.search.frontier import FrontierPoint
from sparsevit.search.sampler import ScheduleSampler, get_schedule, make_point, note_schedule
from sparsevit.search.store import Store

_STARTED = "started"  # attribute of a trial: seconds since 1970
_FINGERPRINT = "fingerprint"  # attribute of a study
_CHECKED = "checked"  # the same, followed by the pictures and the schedule
_WAIT_S = 0.02
_LEAST_STALE_S = 120.0
_STALE_FACTOR = 20.0
_FIRST_STALE_S = 1800.0  # while no trial has been finished yet


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
            note_schedule(trial, schedule)
            while True:
                earlier = [
                    other
                    for other in self._list()
                    if other.number < trial.number and not self._drop(other)
                ]
                if all(get_schedule(other) is not None for other in earlier):
                    break
                time.sleep(_WAIT_S)
            if len(earlier) < self._plan.trials and schedule not in map(get_schedule, earlier):
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
            complete = [t for t in self._list() if t.state == TrialState.COMPLETE]
            return [
                make_point(trial, schedule, self._plan.predict_ms)
                for trial in complete
                if (schedule := get_schedule(trial)) is not None
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
