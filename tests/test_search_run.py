"""Whole searches: what they find, how they go on, how workers share them, and the command."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from latency_support import set_load
from search_support import (
    DEPTHS,
    KnownJudge,
    know_accuracy,
    know_ms,
    known_latency,
    list_all_schedules,
    make_loaded,
    make_predictor,
)
from three_tasks_support import load_three_tasks
from training_support import write_folder
from typer.testing import CliRunner

from sparsevit import SparsitySchedule
from sparsevit.cli import cli
from sparsevit.data.pictures import DataError
from sparsevit.networks.segmenter import Segmenter, save_segmenter
from sparsevit.patch import get_sparsity, set_sparsity
from sparsevit.schedule import read_schedule
from sparsevit.search import SearchError, SearchSettings, read_frontier, search_steps
from sparsevit.search import study as study_file
from sparsevit.search.fingerprint import describe_search
from sparsevit.search.predictor import make_key, read_predictor
from sparsevit.search.store import Store
from sparsevit.search.study import SharedStudy
from sparsevit.training import interrupts

__all__ = ["known_latency"]

pytestmark = pytest.mark.usefixtures("known_latency")

DENSE = SparsitySchedule.parse(0, DEPTHS)


def search(judge: KnownJudge, storage=None, folder=None, predictor=None, **settings):
    """All steps of a search."""
    return list(
        search_steps(
            make_loaded(),
            judge,
            SearchSettings(**settings),
            storage=storage,
            folder=folder,
            predictor=predictor or make_predictor(),
        )
    )


def list_states(storage, name: str = "search") -> list[str]:
    study = optuna.load_study(study_name=name, storage=storage)
    return [trial.state.name for trial in study.get_trials(deepcopy=False)]


def test_evolution_comes_near_the_best_there_is():
    judge = KnownJudge()
    last = search(judge, trials=200, budget="0.7x", population=40)[-1]
    budget_ms = 0.7 * know_ms(DENSE)
    best = max(know_accuracy(s) for s in list_all_schedules() if know_ms(s) <= budget_ms)
    uniform = max(
        know_accuracy(s)
        for s in (SparsitySchedule.parse(n / 10, DEPTHS) for n in range(9))
        if know_ms(s) <= budget_ms
    )
    found = last.result.winner
    assert know_ms(found.schedule) <= budget_ms
    assert best - know_accuracy(found.schedule) < 0.005 < best - uniform
    assert last.result.trials == len(set(judge.asked)) == len(judge.asked) == 200


@pytest.mark.parametrize("sampler", ["evolutionary", "random", "grid"])
def test_every_schedule_is_evaluated_once_and_within_the_budget(sampler):
    judge = KnownJudge()
    steps = search(judge, trials=40, budget="60ms", sampler=sampler, population=8)
    assert len(set(judge.asked)) == len(judge.asked) <= 40
    assert len(judge.asked) == 40 or (sampler == "grid" and len(judge.asked) > 10)
    assert judge.asked[0] == DENSE  # always, whatever the budget
    assert all(know_ms(schedule) <= 60 for schedule in judge.asked[1:])
    assert [schedule.check_linked() for schedule in judge.asked] == judge.asked
    searching = [step for step in steps if step.phase == "searching"]
    assert [step.done for step in searching if not step.note] == list(range(len(judge.asked) + 1))
    assert all(len(step.tried) == step.done for step in searching)
    for step in searching[2:]:
        affordable = [p.accuracy for p in step.tried if p.predicted_ms <= 60]
        assert step.best.accuracy == max(affordable)
    if sampler != "grid":
        uniform = {SparsitySchedule.parse(n / 10, DEPTHS) for n in range(4, 9)}
        assert uniform <= set(judge.asked)


def test_a_seed_says_what_is_tried():
    asked = []
    for seed in (0, 0, 1):
        judge = KnownJudge()
        search(judge, trials=25, population=5, seed=seed)
        asked.append(judge.asked)
    assert asked[0] == asked[1] != asked[2]


def test_the_result_is_measured_checked_and_saved(tmp_path):
    set_sparsity(make_loaded().module, 0.3)
    memory = optuna.storages.InMemoryStorage()
    steps = search(KnownJudge(4, more=12), memory, tmp_path, trials=60, population=20)
    assert get_sparsity(make_loaded().module) == SparsitySchedule.parse(0.3, DEPTHS)
    result = steps[-1].result
    assert all(step.result is None for step in steps[:-1])
    assert list(dict.fromkeys(step.phase for step in steps)) == [
        "searching", "checking", "measuring",
    ]  # fmt: skip
    assert result.pictures == 16
    assert result.dense_accuracy == pytest.approx(0.9 - 16 / 1e4)
    assert result.dense_ms == pytest.approx(80)
    assert 5 < len(result.points) <= 13
    for point in result.points:
        assert point.accuracy == pytest.approx(know_accuracy(point.schedule) - 16 / 1e4, abs=1e-6)
        assert point.latency_ms == pytest.approx(know_ms(point.schedule), abs=1e-3)
        assert point.predicted_ms == pytest.approx(point.latency_ms, abs=2e-3)
    latencies = [point.latency_ms for point in result.points]
    assert latencies == sorted(latencies)
    assert latencies[-1] - latencies[0] > 30  # spread, dense among them
    assert result.points[-1].schedule == DENSE
    assert read_frontier(tmp_path / "frontier.json", "tiny") == result
    assert read_schedule(str(tmp_path / "frontier.json"), DEPTHS) == result.winner.schedule
    assert set(result.versions) == {"sparsevit", "torch", "timm", "optuna"}


def test_finalists_are_held_against_dense_on_their_own_pictures(tmp_path):
    memory = optuna.storages.InMemoryStorage()
    judge = KnownJudge(4, more=1000)  # where all, dense too, are less accurate by 10 points
    steps = search(judge, memory, tmp_path, trials=60, population=20)
    winner = steps[-1].result.winner.schedule
    assert not winner.is_dense
    assert {step.best.schedule for step in steps if step.phase == "measuring"} == {winner}


def test_it_goes_on_where_it_was_stopped(tmp_path):
    steps = search_steps(
        make_loaded(),
        KnownJudge(),
        SearchSettings(trials=16, population=4),
        folder=tmp_path,
        predictor=make_predictor(),
    )
    for step in steps:
        if step.done == 4:
            steps.close()

    def press_ctrl_c(count: int) -> None:
        if count == 6:
            raise KeyboardInterrupt

    broken = KnownJudge(act=press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        search(broken, folder=tmp_path, trials=16, population=4)
    judge = KnownJudge()
    last = search(judge, folder=tmp_path, trials=16, population=4)[-1]
    # Every sitting asks for dense first, to see whether there is anything to find.
    assert broken.asked[0] == judge.asked[0] == DENSE
    evaluated = broken.asked[1:5] + judge.asked[1:]
    assert len(set(evaluated)) == len(evaluated) == 16 - 4
    assert len(last.tried) == 16
    states = list_states(f"sqlite:///{tmp_path / 'study.db'}")
    assert (states.count("COMPLETE"), states.count("FAIL"), states.count("RUNNING")) == (16, 1, 0)
    again = KnownJudge()
    search(again, folder=tmp_path, trials=16, population=4)
    assert again.asked == [DENSE]


def test_a_space_that_is_used_up_ends_it():
    limit = know_ms(SparsitySchedule.parse(0.8, DEPTHS)) + 2.01
    affordable = {s for s in list_all_schedules() if know_ms(s) <= limit}
    assert 5 < len(affordable) < 30
    judge = KnownJudge()
    steps = search(judge, trials=100, budget=f"{limit}", population=10)
    assert judge.asked[0] == DENSE
    assert set(judge.asked[1:]) <= affordable
    assert len(judge.asked) > 0.8 * len(affordable)  # the last few are hard to meet by chance
    notes = [step.note for step in steps if step.note]
    assert notes == [
        f"Nothing new is left to try within {limit:.1f} ms: stopped after "
        f"{len(judge.asked)} of 100 trials."
    ]
    assert steps[-1].result.trials == len(judge.asked)


def test_an_impossible_budget_says_what_is_possible():
    with pytest.raises(SearchError, match=r"as 12\.0 ms: the fastest .* 20\.0 ms, 0\.25x of dense"):
        search(KnownJudge(), trials=10, budget="0.15x")


def test_pictures_that_show_nothing_are_refused_before_anything_is_timed(monkeypatch):
    class BlindJudge(KnownJudge):
        @property
        def dense_accuracy(self):
            raise DataError("The pictures show nothing that is to be found.")

    def build_predictor(*_):
        raise AssertionError("timed")

    monkeypatch.setattr("sparsevit.search.run.build_predictor", build_predictor)
    with pytest.raises(DataError, match="nothing that is to be found"):
        next(search_steps(make_loaded(), BlindJudge(), SearchSettings(trials=3)))


def test_another_search_s_study_is_refused(tmp_path):
    search(KnownJudge(), folder=tmp_path, trials=3)
    other = KnownJudge()
    other.metric = "agreement"
    with pytest.raises(SearchError, match="for the metric mIoU, not agreement"):
        search(other, folder=tmp_path, trials=3)
    with pytest.raises(SearchError, match="number of pictures 4, not 5"):
        search(KnownJudge(5), folder=tmp_path, trials=3)
    with pytest.raises(SearchError, match="for the model tiny, not big"):
        list(
            search_steps(
                replace(make_loaded(), name="big"),
                KnownJudge(),
                SearchSettings(trials=3),
                folder=tmp_path,
                predictor=make_predictor(),
            )
        )
    assert len(search(KnownJudge(), folder=tmp_path, trials=4, seed=1)[-1].tried) == 4


def test_tasks_of_one_network_have_studies_and_predictors_of_their_own(tmp_path):
    network, judge = load_three_tasks(), KnownJudge()
    store = Store(None, tmp_path)
    boxes = describe_search(network.for_task("boxes3d"), judge)
    SharedStudy(store, "search", boxes)
    SharedStudy(store, "search", boxes)
    with pytest.raises(SearchError, match="made for the task boxes3d, not instance"):
        SharedStudy(store, "search", describe_search(network.for_task("instance"), judge))
    keys = {make_key(network.for_task(task), judge.images) for task in network.tasks}
    assert len(keys) == len(network.tasks) == 3


def test_the_predictor_is_kept_for_its_own_key_only(tmp_path, monkeypatch):
    def run() -> list:
        return list(
            search_steps(make_loaded(), KnownJudge(), SearchSettings(trials=3), folder=tmp_path)
        )

    first = run()
    assert {step.phase for step in first} >= {"timing"}
    assert first[-1].result.predictor_error_percent == pytest.approx(0, abs=0.01)
    assert "timing" not in {step.phase for step in run()}
    monkeypatch.setattr("sparsevit.search.predictor.describe_device", lambda device: "a new one")
    changed = run()
    notes = [step.note for step in changed if step.note]
    assert len(notes) == 1
    assert "measuring anew" in notes[0]
    assert changed[-1].result.device == "a new one"
    assert "timing" not in {step.phase for step in run()}


def test_a_storage_that_vanishes(tmp_path):
    def remove(count: int) -> None:
        if count == 5:
            (tmp_path / "study.db").unlink()

    with pytest.raises(SearchError, match="study is gone"):
        search(KnownJudge(act=remove), folder=tmp_path, trials=20)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("here", "journal:FILE"),
        ("nothing://x/y", "cannot be used"),
        ("sqlite:////proc/none/study.db", "cannot be used"),
    ],
)
def test_storages_that_do_not_open(storage, message):
    with pytest.raises(SearchError, match=message):
        search(KnownJudge(), storage=storage, trials=3)


def test_what_a_dead_worker_left_is_given_up(monkeypatch):
    storage = optuna.storages.InMemoryStorage()
    steps = search_steps(
        make_loaded(), KnownJudge(), SearchSettings(trials=8, population=4), storage=storage,
        predictor=make_predictor(),
    )  # fmt: skip
    next(steps)
    optuna.load_study(study_name="search", storage=storage).ask()  # and never heard of again
    monkeypatch.setattr(study_file, "_LEAST_STALE_S", 0.5)
    monkeypatch.setattr(study_file, "_FIRST_STALE_S", 0.5)
    judge = KnownJudge()
    search(judge, storage=storage, trials=8, population=4)
    states = list_states(storage)
    assert (states.count("COMPLETE"), states.count("FAIL")) == (8, 1)
    assert len(set(judge.asked)) == len(judge.asked) == 8


def test_two_processes_share_the_work(tmp_path):
    trials = 24
    worker = Path(__file__).with_name("search_worker.py")
    command = [sys.executable, str(worker), str(tmp_path), str(trials)]
    done = subprocess.run(command, cwd=worker.parent, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    for kind in ("journal", "sqlite"):
        asked = [(tmp_path / f"{kind} {name} log").read_text().splitlines() for name in "ab"]
        everything = asked[0] + asked[1]
        searched = [text for text in everything if text != str(DENSE)]
        assert len(set(searched)) == len(searched) == trials - 1  # nothing twice, none too many
        assert min(map(len, asked)) > 1  # both had work, beside dense
        results = [json.loads((tmp_path / f"{kind} {name} result").read_text()) for name in "ab"]
        assert results[0] == results[1]  # nothing lost
        start = "sqlite:///" if kind == "sqlite" else "journal:"
        judge = KnownJudge()
        last = search(judge, f"{start}{tmp_path / kind}.db", trials=trials, budget="0.7x")[-1]
        assert set(judge.asked) <= {DENSE}
        assert {str(point.schedule) for point in last.tried} == set(everything)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with a network, labelled data and a photo folder, made the current one."""
    model = make_loaded().module
    assert isinstance(model, Segmenter)
    save_segmenter(model, tmp_path / "tiny.safetensors")
    write_folder(tmp_path / "data")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_command(*args: str):
    return CliRunner().invoke(
        cli, ["search", "--model", "tiny.safetensors", "--device", "cpu", *args]
    )


def test_the_command(files, monkeypatch):
    monkeypatch.undo()  # real timings
    monkeypatch.chdir(files)
    set_load(monkeypatch, 0.38)
    args = ("--data", "data", "--size", "64", "--pictures", "2", "--trials", "12", "--out", "out")
    result = run_command(*args)
    assert result.exit_code == 0, result.output
    assert "4 pictures of data, 12 trials" in result.output
    assert "*" in result.output
    frontier = read_frontier("out/frontier.json", "tiny")
    assert (frontier.metric, frontier.data, frontier.size) == ("mIoU", "data", (64, 96))
    assert frontier.pictures == 4
    assert all(point.latency_ms for point in frontier.points)
    doubt = "this machine is busy: other programs used 38 % of its CPUs"
    assert (frontier.other_load, frontier.doubt) == (0.38, doubt)
    assert read_predictor(Path("out/predictor.json")).doubt == doubt
    assert f"Latencies are predicted by an uncertain measurement: {doubt}." in result.output
    assert f"Warning: {doubt}, so these latencies are not worth quoting." in result.stderr
    assert Path("out/frontier.png").read_bytes().startswith(b"\x89PNG")
    assert str(files) not in Path("out/frontier.json").read_text()
    again = run_command(*args, "--json")
    assert again.exit_code == 0, again.output
    found = json.loads(again.stdout)
    assert (found["trials"], found["model"]) == (12, "tiny")
    assert run_command(*args, "--trials", "13").exit_code == 0
    assert len(read_frontier("out/frontier.json").points) >= 1


def test_the_command_on_photos_for_a_task(files):
    save_segmenter(load_three_tasks().module, files / "three.safetensors")
    args = ("--model", "three.safetensors", "--images", "data/images", "--size", "64")
    result = run_command(*args, "--trials", "3", "--json", "--task", "instance")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["metric"], found["data"], found["dense_accuracy"]) == (
        "agreement", "photos of images", 1,
    )  # fmt: skip
    assert read_frontier("runs/search/frontier.json", "three", "instance").task == "instance"
    assert Path("runs/search/study.db").exists()
    again = run_command(*args)
    assert again.exit_code == 2
    assert "made for the task instance, not semantic" in again.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--data", "data", "--task", "boxes3d"), "tiny.safetensors does semantic, not 'boxes3d'."),
        (
            ("--images", "empty"),
            "There are no pictures in the folder empty: no file in it, such as notes.txt, is",
        ),
        (("--images", "nowhere"), "no folder nowhere"),
        (("--images", "empty", "--data", "data"), "not both"),
        (("--data", "data", "--budget", "soon"), "A budget is written as"),
        (("--data", "data", "--size", "64", "--budget", "0.0001x"), "No schedule is as fast"),
        (("--data", "data", "--storage", "there"), "journal:FILE"),
        (("--data", "data", "--out", "tiny.safetensors"), "--out is a folder"),
    ],
)
def test_bad_input_is_one_sentence(files, args, message):
    result = run_command(*args)
    assert result.exit_code == 2
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not Path("runs/search/frontier.json").exists()


def test_ctrl_c_says_how_to_go_on(files, monkeypatch):
    monkeypatch.setattr(interrupts.InterruptGuard, "number", 2, raising=False)
    monkeypatch.setattr(interrupts.InterruptGuard, "__init__", lambda self: None)
    monkeypatch.setattr(interrupts.InterruptGuard, "_before", {}, raising=False)
    result = run_command("--data", "data", "--size", "64", "--trials", "5")
    assert result.exit_code == 130
    assert "The same command goes on." in result.stderr
