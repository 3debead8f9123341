"""Schedules: how many windows stay, every form a user may type, and what is refused."""

import json
import random
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsevit import PAPER_SCHEDULES, ScheduleError, SparsitySchedule, num_keep
from sparsevit.schedule import read_schedule

DEPTHS = (2, 2, 6, 2)
EXPECTED = ((0.6,), (0.0,), (0.2, 0.4, 0.5), (0.0,))


@pytest.mark.parametrize(
    ("num_windows", "sparsity", "kept"),
    [
        (100, 0.8, 20),  # 100 * (1 - 0.8) is 19.999... in binary
        (10, 0.9, 1),
        (10, 0.7, 3),
        (10, 0.1 + 0.2, 7),
        (10, np.float32(0.6), 4),
        (10, np.float64(0.3), 7),
        (10, Decimal("0.7"), 3),
        (10, 0.65, 3),  # floors
        (64, 0, 64),
        (64, -0.0, 64),
        (1, 0.99, 1),  # never none
        (5, 0.9, 1),
        (3, 0.999999, 1),
        (1_000_000, 0.999999, 1),
        (1_000_000, 0.000001, 999_999),
    ],
)
def test_num_keep_table(num_windows: int, sparsity: float, kept: int) -> None:
    assert num_keep(num_windows, sparsity) == kept


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(0, 999))
def test_num_keep_is_exact(num_windows: int, thousandths: int) -> None:
    exact = max(1, num_windows * (1000 - thousandths) // 1000)
    assert num_keep(num_windows, thousandths / 1000) == exact


@pytest.mark.parametrize("num_windows", [0, -3])
def test_num_keep_needs_a_window(num_windows: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        num_keep(num_windows, 0.5)


@pytest.mark.parametrize(
    "form",
    [
        EXPECTED,
        [[0.6], [0], [0.2, 0.4, 0.5], [0]],
        [0.6, 0, [0.2, 0.4, 0.5], 0],
        [0.6, 0, 0.2, 0.4, 0.5, 0],
        [[0.6, 0.6], [0, 0], [0.2, 0.2, 0.4, 0.4, 0.5, 0.5], [0, 0]],
        (np.array([0.6]), [0], np.array([0.2, 0.4, 0.5]), [0]),
        np.array([0.6, 0, 0.2, 0.4, 0.5, 0]),
        "paper-35ms",
        "[[0.6], [0], [0.2, 0.4, 0.5], [0]]",
        '{"schedule": [[0.6], [0], [0.2, 0.4, 0.5], [0]], "top1": 81.2}',
        {"schedule": "paper-35ms"},
        SparsitySchedule(EXPECTED),
    ],
    ids=lambda form: type(form).__name__,
)
def test_every_form_means_the_same(form: object) -> None:
    assert SparsitySchedule.parse(form, DEPTHS).stages == EXPECTED


@pytest.mark.parametrize(
    ("form", "depths", "stages"),
    [
        (0.5, (2, 2, 6, 2), ((0.5,), (0.5,), (0.5,) * 3, (0.5,))),
        ("0.5", (2, 3), ((0.5,), (0.5, 0.5))),
        (0, (1,), ((0.0,),)),
        (np.float32(0.6), (2,), ((0.6,),)),
        ([0.1, 0.2, 0.3, 0.4], (2, 2, 6, 2), ((0.1,), (0.2,), (0.3,) * 3, (0.4,))),
        ([0.1, 0.2], (4,), ((0.1, 0.2),)),
        ([[0.1, 0.1, 0.4]], (3,), ((0.1, 0.4),)),  # an odd last block is its own pair
        ([[0.1], [0.3]], (1, 5), ((0.1,), (0.3,) * 3)),
    ],
)
def test_forms_stretch_to_the_network(form: object, depths: tuple, stages: tuple) -> None:
    assert SparsitySchedule.parse(form, depths).stages == stages


RANGE = "at least 0 and below 1"
KIND = "number from 0 up to, not including, 1"


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (float("nan"), RANGE),
        (float("inf"), RANGE),
        (-0.1, RANGE),
        (1.0, RANGE),
        (1, RANGE),
        (60, RANGE),
        (0.9999999, RANGE),  # rounds to 1
        (np.float32("nan"), RANGE),
        ("NaN", RANGE),
        ("-Infinity", RANGE),
        ([0.1, 0.2, 0.3, 1.5], RANGE),
        ([[0.1], [0.2], [0.3, 0.4, float("nan")], [0]], RANGE),
        pytest.param("1" + "0" * 400, RANGE, id="too-large-for-a-float"),
        (True, "number or a list"),
        (None, "number or a list"),
        ("null", "number or a list"),
        ([True, False, False, False], KIND),
        ([None] * 4, KIND),
        (["0.1"] * 4, KIND),
        ([["a"], [0], [0], [0]], KIND),
        ([[[0.1]], [0], [0], [0]], KIND),
        ("", "nested lists"),
        ("sixty", "nested lists"),
        ("paper-1ms", ", ".join(PAPER_SCHEDULES)),
        ("0,6", "nested lists"),
        pytest.param("[" * 100_000, "nested lists", id="bottomless-json"),
        ({}, '"schedule"'),
        ({"sparsity": 0.5}, '"schedule"'),
        ([], r"4 \(one per stage\) or 6"),
        ([0.1, 0.2], r"1 \(uniform\), 4 \(one per stage\) or 6 \(one per pair"),
        ([0.1] * 12, r"4 \(one per stage\) or 6"),
        ([[0.1], [0.1]], "has 2 stages; this network has 4"),
        ([[], [], [], []], "Stage 1 takes 1"),
        ([[0.1], [0], [0.1, 0.2], [0]], r"Stage 3 takes 3 sparsities .* or 1, got 2"),
        ([[0.1, 0.2], [0], [0], [0]], "two blocks of a pair share one"),
        (SparsitySchedule(((0.1,),)), "has 1 stages; this network has 4"),
    ],
)
def test_bad_forms_say_what_is_allowed(form: object, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        SparsitySchedule.parse(form, DEPTHS)


def test_linked_schedules_never_fall_inside_a_stage() -> None:
    falling = SparsitySchedule(((0.6,), (0.5, 0.2, 0.4)))
    with pytest.raises(ScheduleError, match=r"stage 2 has \[0.5, 0.2, 0.4\]; sort them.*rescore"):
        falling.check_linked()
    assert falling.link().stages == ((0.6,), (0.5, 0.5, 0.5))
    assert falling.link().check_linked() == falling.link()
    assert SparsitySchedule(((0.2, 0.4, 0.3),)).link().stages == ((0.2, 0.4, 0.4),)


def test_a_schedule_of_lists_is_the_schedule() -> None:
    lists = SparsitySchedule([[0.5], [np.float32(0.25), 0]])  # type: ignore[arg-type, list-item]
    assert lists == SparsitySchedule(((0.5,), (0.25, 0.0)))
    assert hash(lists) == hash(SparsitySchedule(((0.5,), (0.25, 0.0))))


@pytest.mark.parametrize(
    ("name", "first", "third"),
    [
        ("paper-42ms", 0.3, (0.1, 0.2, 0.2)),
        ("paper-35ms", 0.6, (0.2, 0.4, 0.5)),
        ("paper-33ms", 0.7, (0.2, 0.4, 0.5)),
    ],
)
def test_presets_are_the_paper_s_and_stretch(name: str, first: float, third: tuple) -> None:
    tiny = SparsitySchedule.parse(name, (2, 2, 6, 2))
    assert tiny.stages == ((first,), (0.0,), third, (0.0,))
    deep = SparsitySchedule.parse(name, (2, 2, 18, 2)).check_linked()
    assert deep.stages == ((first,), (0.0,), tuple(s for s in third for _ in range(3)), (0.0,))


def test_a_preset_needs_four_stages() -> None:
    with pytest.raises(ScheduleError, match="4 stages; this network has 3"):
        SparsitySchedule.parse("paper-35ms", (2, 2, 6))


SPARSITIES = st.integers(0, 999_999).map(lambda millionths: millionths / 1_000_000)
SHAPES = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[int], SparsitySchedule]:
    depths = draw(SHAPES)
    stages = [
        tuple(draw(st.lists(SPARSITIES, min_size=pairs, max_size=pairs)))
        for pairs in ((depth + 1) // 2 for depth in depths)
    ]
    return depths, SparsitySchedule(tuple(stages))


@settings(deadline=None)
@given(schedules())
def test_json_round_trip(case: tuple[list[int], SparsitySchedule]) -> None:
    depths, schedule = case
    for text in (schedule.to_json(), str(schedule), json.dumps(schedule.to_list())):
        again = SparsitySchedule.parse(text, depths)
        assert again == schedule
        assert hash(again) == hash(schedule)


@settings(deadline=None)
@given(schedules())
def test_per_block_form_collapses_to_pairs(case: tuple[list[int], SparsitySchedule]) -> None:
    depths, schedule = case
    blocks = [
        [schedule.sparsity_of(stage, block) for block in range(depth)]
        for stage, depth in enumerate(depths)
    ]
    assert SparsitySchedule.parse(blocks, depths) == schedule


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(JSON_VALUES | st.text(max_size=20) | st.builds(json.dumps, JSON_VALUES), SHAPES)
def test_anything_typed_is_read_or_refused(value: object, depths: list[int]) -> None:
    try:
        schedule = SparsitySchedule.parse(value, depths)
    except ScheduleError:
        return  # any other error is a bug
    assert [len(stage) for stage in schedule.stages] == [(depth + 1) // 2 for depth in depths]


@settings(deadline=None)
@given(SHAPES, st.integers())
def test_random_schedules_suit_adaptation(depths: list[int], seed: int) -> None:
    schedule = SparsitySchedule.random(depths, random.Random(seed))
    assert schedule == SparsitySchedule.random(depths, random.Random(seed))
    assert schedule.check_linked() == SparsitySchedule.parse(schedule, depths)
    assert {s for stage in schedule.stages for s in stage} <= {n / 10 for n in range(9)}


def test_a_schedule_file_is_read(tmp_path) -> None:
    path = tmp_path / "found.json"
    path.write_text(SparsitySchedule(EXPECTED).to_json(), encoding="utf-8")
    assert read_schedule(str(path), DEPTHS).stages == EXPECTED
    with pytest.raises(ScheduleError, match="Cannot read the schedule file"):
        read_schedule(str(tmp_path / "missing.json"), DEPTHS)


def test_dense_is_dense() -> None:
    assert SparsitySchedule.parse(0, DEPTHS).is_dense
    assert not SparsitySchedule.parse([0, 0, [0, 0, 0.1], 0], DEPTHS).is_dense


@pytest.mark.parametrize(
    "text", ["[[.6],[0],[.2,.4,.5],[0]]", "[[0.6], [0.0], [.20, 0.4, .5], [0]]"]
)
def test_numbers_may_start_with_their_point(text: str) -> None:
    stages = ((0.6,), (0.0,), (0.2, 0.4, 0.5), (0.0,))
    assert SparsitySchedule.parse(text).stages == stages
    assert SparsitySchedule.parse(" .6 ").stages[0] == (0.6,)


@pytest.mark.parametrize("text", ["..6", "0..6", "1.2.3", "6."])
def test_points_in_wrong_places_are_refused(text: str) -> None:
    with pytest.raises(ScheduleError):
        SparsitySchedule.parse(text)
