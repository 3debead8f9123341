"""The exercises of the tab Learn: their answers by an engine whose outputs are made by hand."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from app_support import schedule, write_photo
from page_support import FakeEngine, Page

from app.api import Api
from app.engine.exercises import (
    StageTrial,
    choose_target,
    find_best_stages,
    find_half,
    find_tipping_point,
    is_lost,
    score_target,
)
from app.engine.records import Photo, Result, Settings
from app.tabs.learn.exercises import ExerciseHandlers, ExerciseMemory, draw_exercises
from sparsevit.data.boxes import Box3D, Boxes3D, Intrinsics
from sparsevit.data.segment_map import Segment, SegmentMap
from sparsevit.data.streets import BICYCLIST, CAR, CLASS_NAMES, PALETTE, ROAD, SKY
from sparsevit.measure.cost import BlockCost, CostReport
from sparsevit.tasks.boxes3d import Boxes3DTask
from sparsevit.tasks.classification import ClassificationTask
from sparsevit.tasks.segments import SegmentsTask
from sparsevit.tasks.semantic import SemanticTask

CHECK, ANSWER = 0, 1
AGREEMENTS = (0.90, 0.97, 0.99, 0.95)  # of each stage pruned alone
NAMES, COLOURS = CLASS_NAMES[:-1], np.array(PALETTE[:-1])


def make_street():
    """(64, 100) classes: road, sky, a car of 200 pixels and a cyclist of 100."""
    street = np.full((64, 100), ROAD, np.uint8)
    street[:30] = SKY
    street[40:50, :20] = CAR
    street[40:50, 40:50] = BICYCLIST
    return street


class MadeEngine(FakeEngine):
    """Its output loses the cyclist at 43 % in every layer; of single stages each costs its own."""

    lost_from = 0.43

    def analyze(self, photo: Photo, settings: Settings, is_current=lambda: True) -> Result:
        result = super().analyze(photo, settings, is_current)
        stages = settings.schedule.stages
        dense, sparse = make_street(), make_street()
        if min(min(stage) for stage in stages) >= self.lost_from:
            sparse[sparse == BICYCLIST] = ROAD
        pruned = [index for index, stage in enumerate(stages) if any(stage)]
        agreement = AGREEMENTS[pruned[0]] if len(pruned) == 1 else 0.9
        analysis = replace(
            result.analysis,
            sparse=sparse,
            prepared=replace(result.analysis.prepared, dense=dense),
            agreement={"agreement": agreement, "mean_iou": 0.5},
            latency=self.latency,
        )
        return replace(result, analysis=analysis)


@pytest.fixture
def page(engine):
    made = MadeEngine(engine)
    user = Page(made)
    user.set_sparsities([[0.6], [0.6], [0.6, 0.6], [0.6]])
    return user


def work(page, number, action):
    """All that a press of a button shows, one after the other."""
    handlers = ExerciseHandlers(page.handlers)
    steps = handlers.work(page.session, 2 * number + action)
    return [json.loads(changes["exercises"]) for changes in steps]


def set_all(page, sparsity):
    page.set_sparsities([[sparsity], [sparsity], [sparsity, sparsity], [sparsity]])


def judge(page, number):
    return work(page, number, CHECK)[-1][number]["judged"]


def test_the_answer_lies_between_two_runs_one_percent_apart(page):
    first, *_, last = work(page, 0, ANSWER)
    assert "Bicyclist" in last[0]["title"]
    assert "holds at 42 % and is lost at 43 %" in last[0]["answer"]["words"][0]
    assert first[0]["busy"] == "Looking at 5 %…"
    assert last[0]["busy"] == ""
    tried = [settings.schedule for settings in page.engine.calls]
    assert {schedule(0.42), schedule(0.43)} <= set(tried)
    assert len(tried) < 15
    work(page, 0, ANSWER)
    assert len(page.engine.calls) == len(tried)  # it is known


def test_what_is_never_lost_is_said_so(page):
    page.engine.lost_from = 2
    words = work(page, 0, ANSWER)[-1][0]["answer"]["words"]
    assert words[0] == "“Bicyclist” holds out up to 95 %, as far as the sliders go."


@pytest.mark.parametrize(
    ("sparsity", "kind", "says"),
    [
        (0.3, "wrong", "Not yet: at 30 %, the IoU of “Bicyclist” is 1.00."),
        (0.45, "right", "Right: lost at 45 %, still there at 40 %."),
        (0.6, "wrong", "at 55 % it is lost already"),
    ],
)
def test_an_attempt_is_judged_by_what_is_on_the_page(page, sparsity, kind, says):
    set_all(page, sparsity)
    judged = judge(page, 0)
    assert judged["kind"] == kind
    assert says in judged["words"]
    set_all(page, 0.2)
    shown = json.loads(draw_exercises(page.session, page.session.result))
    assert shown[0]["judged"] is None  # it was of other sparsities


def test_layers_that_differ_are_no_attempt(page):
    page.set_sparsities([[0.5], [0.6], [0.6, 0.6], [0.6]])
    for number in (0, 2):
        assert "one sparsity" in judge(page, number)["words"]


def test_the_stage_that_costs_least_is_found_by_trying_each(page):
    assert "all others at 0 %" in judge(page, 1)["words"]
    page.set_sparsities([[0], [0.6], [0, 0], [0]])
    assert judge(page, 1) == {
        "kind": "wrong",
        "words": "Not the best: stage 2 leaves 97.0 % agreement, another stage leaves more.",
    }
    page.set_sparsities([[0], [0], [0.6, 0.6], [0]])
    assert judge(page, 1)["kind"] == "right"
    answer = work(page, 1, ANSWER)[-1][1]["answer"]
    assert answer["words"][0] == "The output changes least with stage 3."
    assert [row[1] for row in answer["table"]["rows"]] == ["90.0 %", "97.0 %", "99.0 %", "95.0 %"]


def test_stages_that_prune_nothing_are_no_answer_and_ties_are():
    trials = [
        StageTrial(i, a, n, 0.1) for i, (a, n) in enumerate([(1.0, 0), (0.9, 8), (0.9004, 8)])
    ]
    assert find_best_stages(trials) == [1, 2]
    assert find_best_stages(trials[:1]) == []


def test_twice_as_fast_is_judged_by_the_measured_latency(page, monkeypatch, doubt_load):
    result = page.session.result
    dense = result.analysis.latency.dense
    for ratio, kind in ((1.5, "wrong"), (2.05, "right"), (3.0, "wrong")):
        sparse = replace(dense, samples_ms=tuple(ms / ratio for ms in dense.samples_ms))
        latency = replace(result.analysis.latency, sparse=sparse, other_load=0.0)
        analysis = replace(result.analysis, latency=latency)
        page.session.result = replace(result, analysis=analysis)
        judged = judge(page, 2)
        assert (judged["kind"], f"{ratio:.2f}× at 60 %" in judged["words"]) == (kind, True)
    busy = replace(latency, other_load=0.4)
    page.session.result = replace(result, analysis=replace(result.analysis, latency=busy))
    assert judge(page, 2)["kind"] == "wait"
    words = work(page, 2, ANSWER)[-1][2]["answer"]["words"]
    assert "×" not in words[-1]


def test_half_of_the_arithmetic_by_hand():
    def count(fixed):
        return CostReport((BlockCost(0, 0, 40, 100, 900, 360),), fixed)

    # 100 fixed and 900 in 100 windows: 500 are left with 44 of them.
    half = find_half(count(100))
    assert half.sparsity == 0.56
    assert half.never_pruned == pytest.approx(0.1)
    assert half.least == pytest.approx(0.145)
    assert find_half(count(1000)).sparsity is None


def test_a_move_of_a_slider_ends_the_search_for_an_answer(page):
    steps = ExerciseHandlers(page.handlers).work(page.session, ANSWER)
    next(steps)
    next(steps)
    set_all(page, 0.2)
    runs = len(page.engine.calls)
    (last,) = steps
    assert len(page.engine.calls) <= runs + 1
    assert json.loads(last["exercises"])[0]["answer"] is None
    assert page.messages == []


def test_another_photo_is_another_exercise(page, tmp_path):
    work(page, 0, ANSWER)
    memory = page.session.recall(ExerciseMemory)
    set_all(page, 0.3)
    draw_exercises(page.session, page.session.result)
    assert memory.tipping_point is not None
    page.run(photo_path=str(write_photo(tmp_path / "a.png", 1)))
    shown = json.loads(draw_exercises(page.session, page.session.result))
    assert shown[0]["answer"] is None
    assert memory.tipping_point is None


def make_result(task, dense, sparse, **agreement):
    prepared = SimpleNamespace(dense=dense)
    analysis = SimpleNamespace(prepared=prepared, sparse=sparse, agreement=agreement)
    return SimpleNamespace(task=task, analysis=analysis)


def make_segments(*labels):
    ids = np.zeros((10, 10), np.int32)
    for number, _ in enumerate(labels, start=1):
        ids[number, : 10 - number] = number
    return SegmentMap(ids, tuple(Segment(n, label, 1.0) for n, label in enumerate(labels, start=1)))


def make_boxes(*labels):
    boxes = (
        Box3D(label, 0.9, (0.0, 1.0, 10.0 + 9 * n), (4, 2, 2), 0.0)
        for n, label in enumerate(labels)
    )
    return Boxes3D(tuple(boxes), Intrinsics(500, 500, 50, 32), (64, 100))


def test_what_is_to_be_lost_depends_on_the_task():
    street = make_street()
    gone = np.where(street == BICYCLIST, np.uint8(ROAD), street)
    segments = SegmentsTask(NAMES, COLOURS, "instance", read=None)
    boxes = Boxes3DTask(("Car", "Cyclist"), COLOURS[:2], read=None)
    classes = ClassificationTask(("cat", "dog"))
    cat, dog = np.array([0.8, 0.2]), np.array([0.3, 0.7])
    cases = [
        (SemanticTask(NAMES, COLOURS), street, gone, "Bicyclist"),
        (segments, make_segments(CAR, BICYCLIST), make_segments(CAR), "Bicyclist"),
        (boxes, make_boxes(0, 0, 1), make_boxes(0, 0), "Cyclist"),
        (classes, cat, dog, "cat"),
    ]
    for task, dense, sparse, name in cases:
        measured = task.compare(dense, sparse)
        target = choose_target(make_result(task, dense, sparse))
        assert target.name == name
        assert is_lost(make_result(task, dense, sparse, **measured), target)
        same = make_result(task, dense, dense, **task.compare(dense, dense))
        assert not is_lost(same, target)
        assert score_target(same, target) == pytest.approx(0.8 if task is classes else 1)
    features = make_result(SimpleNamespace(name="features"), None, None, agreement=0.89)
    assert is_lost(features, choose_target(features))
    assert choose_target(make_result(segments, make_segments(), None)) is None
    assert choose_target(make_result(boxes, make_boxes(), None)) is None


def test_programs_get_the_answers_too(engine, tmp_path):
    photo = str(write_photo(tmp_path / "good.png", 0))
    answers = Api(MadeEngine(engine)).exercises(photo, "small", 256)
    assert answers["tipping_point"] == {
        "kind": "class", "class": "Bicyclist", "there": 0.42, "lost": 0.43,
    }  # fmt: skip
    assert [stage["agreement"] for stage in answers["stages"]] == list(AGREEMENTS)
    assert answers["best_stages"] == [3]
    json.dumps(answers)


def test_a_real_network_answers_what_its_own_runs_say(engine):
    result = engine.first
    target = choose_target(result)
    *_, found = find_tipping_point(engine, result, target)
    for sparsity, expected in ((found.there, False), (found.lost, True)):
        if sparsity is not None:
            settings = replace(result.settings, schedule=schedule(sparsity))
            assert is_lost(engine.analyze(result.photo, settings), target) is expected
