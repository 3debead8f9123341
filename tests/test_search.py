"""Parts of the search: frontiers, breeding and the latency predictor."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from search_support import (
    DEPTHS,
    FIXED_MS,
    STAGE_MS,
    fake_timer,
    know_ms,
    make_loaded,
    make_predictor,
)

from sparsevit import SparsitySchedule
from sparsevit.measure.latency import LatencyStats
from sparsevit.patch import get_sparsity, set_sparsity
from sparsevit.schedule import ADAPTATION_CHOICES, read_schedule
from sparsevit.search import (
    Frontier,
    FrontierError,
    FrontierPoint,
    SearchError,
    SearchSettings,
    find_pareto,
    name_shipped,
    read_frontier,
)
from sparsevit.search import predictor as predictor_file
from sparsevit.search.evolution import Breeder, list_grid, select_parents
from sparsevit.search.frontier import spread
from sparsevit.search.predictor import build_predictor, make_key, read_predictor
from sparsevit.search.settings import read_budget


def parse(value: object) -> SparsitySchedule:
    return SparsitySchedule.parse(value, DEPTHS)


def make_point(accuracy: float, predicted_ms: float, latency_ms: float | None = None):
    return FrontierPoint(parse(0.1), accuracy, predicted_ms, latency_ms)


def make_frontier(**changes: object) -> Frontier:
    values = {
        "model": "tiny",
        "device": "a CPU, 2 threads",
        "size": (64, 96),
        "batch": 1,
        "dtype": "float32",
        "metric": "mIoU",
        "data": "streets",
        "pictures": 4,
        "dense_ms": 100.0,
        "dense_accuracy": 0.8,
        "seed": 0,
        "trials": 3,
        "other_load": None,
        "points": (
            FrontierPoint(parse(0.8), 0.5, 30.0, 31.0),
            FrontierPoint(parse([[0.4], [0.0], [0.1, 0.2], [0.0]]), 0.795, 60.0, 58.0),
            FrontierPoint(parse(0.1), 0.81, 90.0, 95.0),
        ),
        "versions": {"torch": "2"},
    }
    return Frontier(**{**values, **changes})


def test_pareto_by_hand():
    best, worse, equal = make_point(0.7, 10), make_point(0.6, 20), make_point(0.7, 10)
    more = make_point(0.9, 99, 15)  # the measured latency counts
    assert find_pareto([worse, more, best, equal]) == [best, more]
    assert find_pareto([]) == []


def test_pareto_equals_a_slow_oracle():
    rng = np.random.default_rng(0)
    points = [make_point(*map(float, row)) for row in rng.integers(0, 12, (60, 2))]
    unbeaten = {
        (p.accuracy, p.predicted_ms)
        for p in points
        if not any(
            q.accuracy >= p.accuracy
            and q.predicted_ms <= p.predicted_ms
            and (q.accuracy, q.predicted_ms) != (p.accuracy, p.predicted_ms)
            for q in points
        )
    }
    found = [(p.accuracy, p.predicted_ms) for p in find_pareto(points)]
    assert set(found) == unbeaten
    assert found == sorted(unbeaten, key=lambda pair: pair[1])


def test_spread_keeps_the_ends_and_thins_crowds():
    points = [make_point(0.5, ms) for ms in (1, 10, 11, 12, 20, 30)]
    assert [p.predicted_ms for p in spread(points, 4)] == [1, 10, 20, 30]
    assert [p.predicted_ms for p in spread(points, 2)] == [1, 30]
    assert [p.predicted_ms for p in spread(points, 1)] == [1]


def test_the_winner_by_hand():
    frontier = make_frontier()
    assert frontier.winner == frontier.points[1]  # the fastest within a point of 0.8
    assert make_frontier(dense_accuracy=0.9).winner == frontier.points[2]  # the most accurate
    assert make_frontier(budget_ms=57.9).winner == frontier.points[0]
    assert make_frontier(budget_ms=58.0).winner == frontier.points[1]
    assert make_frontier(budget_ms=20.0).winner is None
    assert frontier.find_best(94) == frontier.points[1]


def test_a_frontier_survives_its_file_and_is_a_schedule(tmp_path):
    frontier = make_frontier(budget_ms=60.0)
    frontier.save(tmp_path / "new" / "frontier.json")
    path = tmp_path / "new" / "frontier.json"
    assert [file.name for file in path.parent.iterdir()] == ["frontier.json"]
    assert read_frontier(path) == frontier
    assert read_frontier(path, "somewhere/tiny.safetensors") == frontier
    assert read_schedule(str(path), DEPTHS) == frontier.winner.schedule
    with pytest.raises(FrontierError, match=r"of tiny, not of other\.$"):
        read_frontier(path, "other")


@pytest.mark.parametrize("text", [None, "{", "[]", "{}", '{"format": "sparsevit-frontier-1"}'])
def test_other_files_are_no_frontier(tmp_path, text):
    path = tmp_path / "x.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(FrontierError, match=r"x\.json"):
        read_frontier(path)


def test_a_frontier_is_of_one_task(tmp_path):
    path = tmp_path / "x.json"
    frontier = make_frontier(task="instance", metric="mask AP")
    frontier.save(path)
    assert read_frontier(path) == read_frontier(path, "tiny", "instance") == frontier
    with pytest.raises(FrontierError, match=r"is for instance, not for boxes3d\.$"):
        read_frontier(path, "tiny", "boxes3d")
    values = make_frontier().to_dict()
    del values["task"]  # as files were before networks had several
    path.write_text(json.dumps(values))
    assert read_frontier(path, "tiny", "semantic").task == "semantic"
    with pytest.raises(FrontierError, match="for semantic, not for instance"):
        read_frontier(path, "tiny", "instance")
    path.write_text(json.dumps(values | {"metric": "agreement"}))
    assert read_frontier(path, "tiny", "panoptic").task is None
    assert name_shipped("streets", "semantic") == "streets.frontier.json"
    assert name_shipped("streets", "boxes3d") == "streets.boxes3d.frontier.json"


def test_budgets():
    assert read_budget("0.6x", 200) == pytest.approx(120)
    assert read_budget(" .5 x ", 200) == pytest.approx(100)
    assert read_budget("120ms", 200) == read_budget("120", 200) == 120
    for text in ("", "fast", "-3", "0", "0x", "1e3", "12 s", "nan"):
        with pytest.raises(SearchError, match="budget is written"):
            SearchSettings(budget=text)


@pytest.mark.parametrize(
    "changes", [{"trials": 0}, {"population": 1}, {"parents": 0}, {"mutation": 2}, {"sampler": "x"}]
)
def test_settings_out_of_range(changes):
    with pytest.raises(SearchError):
        SearchSettings(**changes)


def test_population_shrinks_with_few_trials():
    assert SearchSettings(trials=300).population_used == 100
    assert SearchSettings(trials=200).population_used == 100
    assert SearchSettings(trials=199).population_used == 39
    assert SearchSettings(trials=20).population_used == 10
    assert SearchSettings(trials=20, population=5).population_used == 5


def test_children_by_hand():
    rng = random.Random(0)
    parent = parse([[0.3], [0.1], [0.2, 0.6], [0.0]])
    other = parse([[0.8], [0.1], [0.0, 0.5], [0.7]])
    assert Breeder(DEPTHS, 0.0).mutate(parent, rng) == parent
    changed = [
        sum(a != b for a, b in zip(parent.stages, child.stages, strict=True))
        for child in (Breeder(DEPTHS, 0.1).mutate(parent, rng) for _ in range(2000))
    ]
    # Four stages; three of one gene change with 0.1 * 8 / 9, one of two with nearly twice that.
    assert 0.4 < np.mean(changed) < 0.48
    seen = {Breeder(DEPTHS, 0.1).cross(parent, other, rng) for _ in range(500)}
    assert len(seen) == 2 * 1 * 4 * 2
    for child in seen:
        child.check_linked()
        assert child.stages[0][0] in (0.3, 0.8)
        assert child.stages[1] == (0.1,)
        assert child.stages[2] in {(0.2, 0.6), (0.2, 0.5), (0.0, 0.6), (0.0, 0.5)}


def test_a_tight_budget_is_met_by_pruning_further():
    limit = know_ms(parse(0.8)) + 2.0
    breeder = Breeder(DEPTHS, 0.1)
    rng = random.Random(0)
    found = {breeder.propose([], lambda s: know_ms(s) <= limit, rng) for _ in range(10)}
    assert len(found) > 3
    assert all(know_ms(schedule) <= limit for schedule in found)
    assert breeder.propose([parse(0.8)], lambda s: False, rng) is None


def test_parents_are_taken_front_by_front():
    first = [make_point(0.1 * i, float(i)) for i in range(1, 5)]
    second = [make_point(0.1 * i - 0.05, float(i)) for i in range(1, 5)]
    assert select_parents(second + first, 4) == first
    chosen = select_parents(second + first, 6)
    assert chosen[:4] == first
    assert chosen[4:] == [second[0], second[-1]]
    assert len(select_parents(first, 25)) == 4


def test_the_grid_has_one_sparsity_per_stage():
    grid = list_grid(DEPTHS, 100, lambda s: True)
    assert len(set(grid)) == len(grid) == 3**4
    assert {s for schedule in grid for row in schedule.stages for s in row} == {0.0, 0.4, 0.8}
    assert all(len(set(row)) == 1 for schedule in grid for row in schedule.stages)
    finer = list_grid(DEPTHS, 100, lambda s: know_ms(s) <= 40)
    assert 3 < len({row[0] for schedule in finer for row in schedule.stages}) <= 9
    assert len(finer) <= 100
    assert all(know_ms(schedule) <= 40 for schedule in finer)


def test_prediction_by_hand():
    # The third stage has two pairs; scoring it takes 3 ms as soon as one is pruned. Its uniform
    # costs hold that once, so each pair's share of them holds half.
    costs = make_predictor().stages_ms
    stage = (20.0, *(cost + 3.0 for cost in costs[2][1:]))
    predictor = make_predictor(
        stages_ms=(costs[0], costs[1], stage, costs[3]), scoring_ms=(0, 0, 3.0, 0)
    )
    fixed = FIXED_MS + STAGE_MS[0] + STAGE_MS[1] + STAGE_MS[3]
    assert predictor.predict(parse(0.0)) == predictor.dense_ms == 80
    assert predictor.predict(parse([0, 0, [0.4, 0.4], 0])) == pytest.approx(fixed + 12 + 3)
    assert predictor.predict(parse([0, 0, [0.0, 0.4], 0])) == pytest.approx(fixed + 10 + 6 + 3)
    assert predictor.predict(parse([0, 0, [0.2, 0.5], 0])) == pytest.approx(fixed + 8 + 5 + 3)
    assert predictor.predict(parse([0.45, 0, 0, 0])) == pytest.approx(80 - 0.45 * 40)
    assert predictor.fastest == parse(0.8)


def measure_stages(scoring_ms: float, noise: float = 0.0):
    """A timer of a network whose pairs take as :func:`know_ms` has it, and scoring once a stage."""
    rng = random.Random(0)

    def time_in_turn(*args, **options):
        stats = fake_timer(*args, **options)
        for name, stat in stats.items():
            parts = list(stat.parts_ms[0])
            for index in range(len(STAGE_MS)):
                pruned = not name.startswith("host") and parts[1 + index] < STAGE_MS[index] - 1e-9
                parts[1 + index] += scoring_ms * pruned
            factor = 1 + noise * rng.random()
            stats[name] = LatencyStats(
                (factor * sum(parts),), (tuple(factor * part for part in parts),)
            )
        return stats

    return time_in_turn


def test_the_predictor_recovers_what_was_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(predictor_file, "time_interleaved", measure_stages(2.0))
    loaded = make_loaded()
    set_sparsity(loaded.module, 0.3)
    images = torch.zeros(1, 3, 64, 96)
    steps = list(build_predictor(loaded, images, rounds=3))
    assert get_sparsity(loaded.module) == parse(0.3)
    # A step is one run, so that others wait for no more: 5 rounds of dense in three forms, 8
    # uniform schedules, a mixed one and 6 random ones.
    assert [step[:2] for step in steps] == [(n, 90) for n in range(1, 91)]
    assert [step[2] is None for step in steps] == [True] * 89 + [False]
    predictor = steps[-1][2]
    assert predictor.scoring_ms == pytest.approx((0, 0, 2, 0))
    assert predictor.error_percent == predictor.max_error_percent == 0
    assert (predictor.dense_form, predictor.dense_ms) == ("sparsevit", pytest.approx(80))
    rng = random.Random(5)
    for _ in range(50):
        schedule = SparsitySchedule.random(DEPTHS, rng)
        pruned = sum(any(row) for row in schedule.stages)
        assert predictor.predict(schedule) == pytest.approx(know_ms(schedule) + 2 * pruned)
    assert predictor.key == make_key(loaded, images)
    assert predictor.key.size == (64, 96)
    predictor.save(tmp_path / "p.json")
    assert read_predictor(tmp_path / "p.json") == predictor
    (tmp_path / "p.json").write_text(json.dumps({"key": {}}))
    assert read_predictor(tmp_path / "p.json") is None


def test_noise_never_makes_more_pruning_look_slower(monkeypatch):
    monkeypatch.setattr(predictor_file, "time_interleaved", measure_stages(2.0, noise=0.5))
    *_, (_, _, predictor) = build_predictor(make_loaded(), torch.zeros(1, 3, 64, 64), rounds=1)
    for costs in predictor.stages_ms:
        assert list(costs[1:]) == sorted(costs[1:], reverse=True)
    assert predictor.max_error_percent >= predictor.error_percent > 0


def test_choices_of_the_predictor_are_those_of_adaptation():
    assert len(make_predictor().stages_ms[0]) == len(ADAPTATION_CHOICES)
