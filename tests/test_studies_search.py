"""Evolutionary against random search: what is drawn by hand, and that no schedule is run twice."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from studies_support import CONFIG, make_toy_subject

from sparsevit.schedule import SparsitySchedule
from sparsevit.search import FrontierPoint, LabelledJudge, LatencyPredictor
from sparsevit.search.predictor import make_key
from sparsevit.studies import samplers
from sparsevit.studies.registry import draw_study, run_study
from sparsevit.studies.samplers import MemoJudge, list_best, list_hypervolumes
from sparsevit.studies.subject import StudyError

DENSE = SparsitySchedule.parse(0.0, CONFIG.depths)


def make_points(*pairs: tuple[float, float]) -> list[FrontierPoint]:
    """Of (ms, accuracy)."""
    return [FrontierPoint(DENSE, accuracy, ms) for ms, accuracy in pairs]


def test_best_within_a_budget_by_hand():
    tried = make_points((12, 0.9), (8, 0.4), (9, 0.3), (10, 0.6))
    assert list_best(tried, 10) == [None, 0.4, 0.4, 0.6]


def test_hypervolume_by_hand():
    tried = make_points((12, 0.9), (8, 0.4), (9, 0.3), (4, 0.2), (10, 0.6), (6, 0.5))
    # 2 of 10 ms at 0.4; dominated; 4 to 8 ms at 0.2 added; nothing left of 10 ms; 0.5 from 6 ms on
    assert list_hypervolumes(tried, 10) == pytest.approx([0, 0.08, 0.08, 0.16, 0.16, 0.04 + 0.2])


def test_the_memo_looks_once(monkeypatch: pytest.MonkeyPatch):
    asked: list[SparsitySchedule] = []
    monkeypatch.setattr(
        LabelledJudge, "score", lambda judge, schedule: asked.append(schedule) or 0.5
    )
    judge = MemoJudge(make_toy_subject())
    schedules = [SparsitySchedule.parse(s, CONFIG.depths) for s in (0.1, 0.2, 0.1)]
    assert [judge.score(s) for s in (*schedules, *schedules)] == [0.5] * 6
    assert asked == schedules[:2]
    assert judge.num_known == 2


def make_predictor(subject, judge) -> LatencyPredictor:
    """A stage takes 1 to 0.2 ms, by its sparsity alone; 5 ms with what is around."""
    costs = tuple(1 - s / 10 for s in range(9))
    return LatencyPredictor(
        key=make_key(subject.loaded, judge.images),
        depths=CONFIG.depths,
        fixed_ms=1.0,
        stages_ms=(costs,) * 4,
        scoring_ms=(0.0,) * 4,
        dense_ms=5.0,
        dense_form="host",
    )


def test_both_samplers_search_alike(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(samplers, "_build_predictor", make_predictor)
    steps: list[tuple[str, int, int]] = []
    subject = make_toy_subject(seeds=(0, 1), report=lambda *step: steps.append(step))
    document = run_study("samplers", subject, "noise", "", trials=12, budget="0.7x")
    assert json.loads(json.dumps(document)) == document
    assert document["budget_ms"] == 3.5
    assert list(document["curves"]) == ["evolutionary", "random"]
    for found in document["curves"].values():
        for key in ("best", "hypervolume"):
            assert [len(run) for run in found[key]] == [12, 12]
            for run in found[key]:
                known = [value for value in run if value is not None]
                assert known == sorted(known)
    assert [row["accuracy"] for row in document["rows"][:2]] == [
        run[-1] for run in document["curves"]["evolutionary"]["best"]
    ]
    assert 12 <= document["evaluated"] <= 4 * 12
    assert {phase for phase, *_ in steps} == {"searching"}
    assert steps[-1] == ("searching", 48, 48)
    assert "After 12 trials with a latency budget of 0.7x" in document["finding"]
    assert len(draw_study("samplers", document)) > 10_000


def test_one_trial_is_no_comparison():
    with pytest.raises(StudyError, match="2 trials"):
        samplers.compare_samplers(replace(make_toy_subject()), trials=1)
