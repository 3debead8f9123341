"""Studies: how accuracy and latency are compared, by hand, and what each study measures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from studies_support import CONFIG, Pictures, load_toy, make_toy_subject

from sparsevit import sparsify
from sparsevit.data.labelled import DataError, Sample
from sparsevit.evaluation import evaluate, make_iou_metric, read_score
from sparsevit.measure.latency import LatencyStats
from sparsevit.networks.segmenter import save_segmenter
from sparsevit.patch import find_stages, get_sparsity
from sparsevit.schedule import SparsitySchedule
from sparsevit.search import Frontier, FrontierError, FrontierPoint
from sparsevit.studies import measure
from sparsevit.studies.adaptation import compare_adaptation
from sparsevit.studies.compare import Gain, compare_curves, compare_means, describe_gain
from sparsevit.studies.measure import GROUPS, Measured, score_variants, time_measured
from sparsevit.studies.registry import draw_study, run_study
from sparsevit.studies.resolution import compare_resolutions
from sparsevit.studies.scores import find_padded_side, list_padded_stages
from sparsevit.studies.sensitivity import list_pairs, schedule_alone
from sparsevit.studies.subject import (
    StudyError,
    Variant,
    make_dense,
    make_pruned,
    make_ranked,
    make_subject,
)
from sparsevit.studies.token_stage import reduce_tokens
from sparsevit.studies.uniform import compare_with_uniform
from sparsevit.tasks.semantic import read_classes


def make_measured(*right: float, latency_ms: float | None = None) -> Measured:
    """A variant that gets so many of 100 pixels of each picture right; two pictures or more."""
    variant = Variant(f"{right} {latency_ms}", "", run=lambda images: images)
    kept = [right, *(right[:i] + right[i + 1 :] for i in range(len(right)))]
    return Measured(variant, np.array([np.mean(hits) / 100 for hits in kept]), latency_ms)


class Some(Pictures):
    """Some of the toy's pictures."""

    def __init__(self, indices: list[int]) -> None:
        super().__init__(max(indices) + 1, (64, 64))
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        return super().__getitem__(self._indices[index])


def test_copies_for_a_study_are_of_the_same_network():
    loaded = replace(load_toy(), revision="c0ffee", multiple=64, note="one of two")
    for copied in (make_toy_subject(loaded).loaded, reduce_tokens(loaded, "prune")):
        assert copied.module is not loaded.module
        assert (copied.name, copied.task) == (loaded.name, loaded.task)
        assert (copied.revision, copied.multiple, copied.note) == ("c0ffee", 64, "one of two")
    assert make_toy_subject(loaded).find_input_size(100) == (128, 192)


def test_scores_are_those_of_eval():
    subject = make_toy_subject()
    variants = [
        make_dense(subject.loaded, "dense", "a"),
        make_pruned(subject.loaded, 0.7, "sparse", "a", short_side=96),
    ]
    steps: list[tuple[str, int, int]] = []
    dense, sparse = score_variants(
        replace(subject, report=lambda *step: steps.append(step)), variants
    )
    model, data = subject.model, subject.data
    expected = [
        evaluate(model, data, [s], size)["results"][0] for s, size in ((0, None), (0.7, 96))
    ]
    assert [dense.accuracy, sparse.accuracy] == [e["miou"] for e in expected]
    assert steps == [("scoring", done, 3) for done in (1, 2, 3)]
    assert dense.accuracy != sparse.accuracy


def test_each_group_of_pictures_is_left_out_once():
    subject = make_subject(load_toy(), Pictures(GROUPS + 2, (64, 64)), pictures=99)
    (found,) = score_variants(subject, [make_pruned(subject.loaded, 0.3, "sparse", "a")])
    assert len(found.accuracies) == 1 + GROUPS
    for group in (0, GROUPS - 1):  # the last two pictures share a group with the first two
        others = [i for i in range(GROUPS + 2) if i % GROUPS != group]
        result = evaluate(subject.model, Some(others), [0.3])["results"][0]
        assert found.accuracies[1 + group] == result["miou"]


def test_the_fastest_form_of_dense_counts(monkeypatch: pytest.MonkeyPatch):
    subject = make_toy_subject()
    variants = [make_pruned(subject.loaded, 0.5, "s", "s"), make_dense(subject.loaded, "d", "d")]
    took_ms = iter([40.0, 30.0, 20.0, 25.0])  # sparse, then dense: ours, the host's, host fused

    def time_in_turn(runs, repeats, device, on_round):
        assert all(run().shape == (1, 3, 32, 64) for run in runs.values())
        on_round(repeats)
        return {name: LatencyStats((next(took_ms),) * repeats) for name in runs}

    monkeypatch.setattr(measure, "time_interleaved", time_in_turn)
    measured, _ = time_measured(subject, score_variants(subject, variants))
    assert [one.latency_ms for one in measured] == [40, 20]
    assert measured[0].to_row()["latency_ms"] == 40


def test_gain_of_means_by_hand():
    better, rival = (
        [make_measured(40, 60, 50), make_measured(60, 60, 60)],
        [make_measured(20, 70, 63)],
    )
    gain = compare_means("a", "b", better, rival)
    # On the three pictures it is 30, -10 and -8: of their mean, as schoolbooks have it.
    error = np.std([30, -10, -8], ddof=1) / np.sqrt(3)
    assert gain.points == 4
    assert gain.interval_points == pytest.approx((4 - 4.303 * error, 4 + 4.303 * error), abs=1e-3)
    # Each picture is 40 better, so whichever are left out the gain is the same.
    same = compare_means("a", "b", [make_measured(60, 80, 70)], [make_measured(20, 40, 30)])
    assert (same.points, same.interval_points) == (40, (40, 40))


@pytest.mark.parametrize("pictures", [2, 5, GROUPS])
def test_intervals_hold_the_truth_in_95_of_100_cases(pictures: int):
    rng = np.random.default_rng(0)
    draws = rng.normal(3.0, 10.0, (2000, pictures))  # of a gain that is 3 in truth
    nothing = make_measured(*[0.0] * pictures)
    intervals = [
        compare_means("a", "b", [make_measured(*draw)], [nothing]).interval_points for draw in draws
    ]
    share = np.mean([low <= 3 <= high for low, high in intervals])
    assert share == pytest.approx(0.95, abs=0.015)


def test_gain_at_equal_latency_by_hand():
    curve = [make_measured(80, 80, latency_ms=30), make_measured(40, 40, latency_ms=10)]
    rival = [make_measured(20, 20, latency_ms=14), make_measured(60, 60, latency_ms=40)]
    gain = compare_curves("a", "b", curve, rival)
    assert gain is not None
    assert gain.latencies_ms == (14, 18, 22, 26, 30)
    # 40 + 2 a ms over 10 ms, against 20 + 40 / 26 a ms over 14 ms
    expected = [40 + 2 * (ms - 10) - 20 - 40 / 26 * (ms - 14) for ms in gain.latencies_ms]
    assert gain.points_at == pytest.approx(expected, abs=1e-3)
    assert gain.points == pytest.approx(expected[2], abs=1e-3)
    assert gain.interval_points == pytest.approx((gain.points, gain.points))
    slow = [make_measured(1, 1, latency_ms=50), make_measured(2, 2, latency_ms=60)]
    assert compare_curves("a", "b", curve, slow) is None


def test_findings_say_which_way_and_how_sure():
    subject = make_toy_subject()
    sure = describe_gain(Gain("a", "others", 1.26, (0.4, 2.1), (1.0, 2.0), (1.0, 1.5)), subject)
    assert sure == (
        "1.3 points of mIoU more accurate than others at equal latency, median over 2 latencies "
        "(95 % interval over 3 pictures +0.4 to +2.1)"
    )
    unsure = describe_gain(Gain("a", "others", -0.5, (-1, 0.2)), subject)
    assert unsure.startswith("0.5 points of mIoU less accurate than others (95 %")
    assert "cannot be told apart" in unsure


def test_a_subject_is_checked_and_leaves_the_network_alone():
    loaded = load_toy()
    subject = make_subject(loaded, Pictures(), pictures=99)
    assert subject.pictures == 3
    make_ranked(subject.loaded, 0.5, "a", "a", rescore=True).run(torch.zeros(1, 3, 64, 64))
    assert get_sparsity(loaded.module).is_dense
    with pytest.raises(DataError, match="classes"):
        make_subject(load_toy(class_names=("a", "b", "c")), Pictures(), pictures=2)
    with pytest.raises(StudyError, match="two pictures"):
        make_subject(loaded, Pictures(1), pictures=5)
    with pytest.raises(StudyError, match="no network of ours"):
        make_subject(replace(loaded, module=torch.nn.Linear(1, 1)), Pictures(), pictures=2)


def test_sensitivity_prunes_one_pair_alone():
    assert list_pairs((2, 4, 2)) == ["stage 1", "stage 2, pair 1", "stage 2, pair 2", "stage 3"]
    assert schedule_alone((2, 4, 2), 1, 0.8).stages == ((0,), (0.8, 0), (0,))
    subject = make_toy_subject()
    document = run_study("sensitivity", subject, "noise", "")
    assert len(document["pairs"]) == len(document["lost_points"]) == 5
    row = next(r for r in document["rows"] if r["name"] == "stage 3, pair 1 alone, sparsity 0.6")
    model = sparsify(load_toy().module, [0, 0, [0.6, 0], 0], rescore=True)
    metric = make_iou_metric(3)
    for sample in map(Pictures().__getitem__, range(3)):
        with torch.inference_mode():
            logits = model(subject.prepare(sample.image, None))
        metric.update(read_classes(logits, sample.labels.shape), torch.from_numpy(sample.labels))
    assert row["accuracy"] == pytest.approx(read_score(metric).miou, abs=1e-6)
    lost = document["lost_points"][2][2]
    assert lost == pytest.approx(100 * (document["dense_accuracy"] - row["accuracy"]), abs=1e-3)
    at_most_sparse = [row[-1] for row in document["lost_points"]]
    worst = document["pairs"][int(np.argmax(at_most_sparse))]
    assert f"{worst} costs most" in document["finding"]
    assert len(draw_study("sensitivity", document)) > 10_000


def test_windows_are_ranked_by_the_score_that_the_network_was_trained_with():
    loaded = make_toy_subject().loaded
    loaded.module.config = replace(loaded.module.config, score="centred")
    for asked, score in ((None, "centred"), ("l1", "l1")):
        make_ranked(loaded, 0.5, "sparse", "a", score=asked).run(torch.zeros(1, 3, 64, 64))
        assert [stage.pruning.score for stage in find_stages(loaded.module)] == [score] * 4


def test_scores_find_a_size_that_pads():
    subject = make_toy_subject()  # window 4: 128 px have 32, 16, 8 and 4 rows of tokens
    assert list_padded_stages(subject, 128) == []
    assert list_padded_stages(subject, 96) == [3, 4]  # 6 and 3 rows
    assert find_padded_side(subject) == 96
    with pytest.raises(StudyError, match="128 px"):
        find_padded_side(replace(subject, short_sides=(64, 128)))
    document = run_study("scores", replace(subject, seeds=(0, 1)), "noise", "")
    assert document["padded"] == {"short_side": 96, "stages": [3, 4]}
    mious = {row["name"]: row["accuracy"] for row in document["rows"]}
    ours = evaluate(subject.model, subject.data, [0.5])["results"][0]["miou"]
    assert mious["L2 magnitude (ours), sparsity 0.5"] == pytest.approx(ours, abs=2e-6)
    assert mious["random, sparsity 0.5, seed 0"] != mious["random, sparsity 0.5, seed 1"]
    assert len(document["gains"]) == 6
    assert len(draw_study("scores", document)) > 10_000


def test_a_network_against_itself_gains_nothing(tmp_path: Path):
    loaded = load_toy()
    path = tmp_path / "before.safetensors"
    save_segmenter(loaded.module.half().float(), path)
    found = compare_adaptation(make_toy_subject(loaded), path)
    assert {gain["points"] for gain in found["gains"]} == {0}
    assert len(found["rows"]) == 18
    assert "cannot be told apart" in found["finding"]
    (tmp_path / "other.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"other\.safetensors"):
        compare_adaptation(make_toy_subject(loaded), tmp_path / "other.safetensors")


def test_resolutions_are_compared_with_dense_at_all_sizes():
    subject = make_toy_subject(short_sides=(64, 128, 96))
    found = compare_resolutions(subject)
    dense = [row["name"] for row in found["rows"] if row["group"] == "dense at several sizes"]
    assert dense == ["128 px dense", "96 px dense", "64 px dense"]
    assert len(found["rows"]) == 3 + 2 * 4
    assert "at 128 px" in found["finding"]
    for sides in ((128,), (None, 64)):
        with pytest.raises(StudyError, match="two sizes"):
            compare_resolutions(replace(subject, short_sides=sides))


def make_frontier(**changes) -> Frontier:
    schedules = ([[0.0]] * 4, [[0.5], [0.2], [0.2, 0.6], [0.0]])
    points = tuple(
        FrontierPoint(SparsitySchedule.parse(s, CONFIG.depths), 0.5 - i / 10, 9.0 - i, 9.5 - i)
        for i, s in enumerate(schedules)
    )
    frontier = Frontier(
        model="toy",
        device="cpu",
        size=(128, 256),
        batch=1,
        dtype="float32",
        metric="mIoU",
        data="noise",
        pictures=3,
        dense_ms=9.5,
        dense_accuracy=0.5,
        seed=0,
        trials=2,
        other_load=None,
        points=points[::-1],
    )
    return replace(frontier, **changes)


def test_searched_schedules_are_measured_beside_uniform_ones(tmp_path: Path):
    path = tmp_path / "frontier.json"
    make_frontier().save(path)
    subject = make_toy_subject()
    document = run_study("uniform", subject, "noise", "sparsevit study uniform", frontier=path)
    assert json.loads(json.dumps(document)) == document
    groups = [row["group"] for row in document["rows"]]
    assert groups == ["dense", "searched", *["uniform, at the sparsity noted"] * 8]
    assert document["rows"][1]["schedule"] == [[0.5], [0.2], [0.2, 0.6], [0.0]]
    expected = evaluate(subject.model, subject.data, [document["rows"][1]["schedule"]])
    assert document["rows"][1]["accuracy"] == expected["results"][0]["miou"]
    assert (document["task"], document["metric"]) == ("semantic", "mIoU")
    assert document["size"] == [[128, 256]]
    assert document["rounds"] == 1
    assert document["finding"].endswith(".")
    assert len(draw_study("uniform", document)) > 10_000


def test_frontiers_that_do_not_fit_are_named(tmp_path: Path):
    subject = make_toy_subject()
    with pytest.raises(FrontierError, match="No frontier of toy"):
        compare_with_uniform(subject)
    path = tmp_path / "frontier.json"
    make_frontier(model="another").save(path)
    with pytest.raises(FrontierError, match="another"):
        compare_with_uniform(subject, path)
    make_frontier(size=(512, 1024)).save(path)
    with pytest.raises(StudyError, match="--size 512"):
        compare_with_uniform(subject, path)
    make_frontier(points=make_frontier().points[-1:]).save(path)
    with pytest.raises(StudyError, match="nothing but the dense"):
        compare_with_uniform(subject, path)
