"""Studies of a network that restores photos: their figures are dB, and some make no sense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from restorer_support import load_restorer, save_restorer, write_photos

from sparsevit.evaluation import evaluate_sizes
from sparsevit.search import FrontierPoint
from sparsevit.studies import samplers
from sparsevit.studies.compare import Gain, compare_means, describe_gain
from sparsevit.studies.measure import score_variants
from sparsevit.studies.registry import draw_study, run_study
from sparsevit.studies.samplers import list_hypervolumes
from sparsevit.studies.scores import RANKINGS
from sparsevit.studies.sensitivity import SPARSITIES
from sparsevit.studies.subject import StudyError, Subject, make_pruned, make_subject


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    """The toy on two photos at 64 pixels."""
    data = write_photos(tmp_path / "photos", 2)
    return make_subject(load_restorer(), data, pictures=2, short_sides=(64,), rounds=1, seeds=(0,))


def make(name: Any, subject: Subject, **options: Any) -> dict[str, Any]:
    """A study's document, which JSON can hold, and its plot."""
    document = run_study(name, subject, "photos", "", **options)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert (document["metric"], document["unit"]) == ("PSNR", "dB")
    assert " dB" in document["finding"]
    assert "points" not in document["finding"]
    assert draw_study(name, document)[1:4] == b"PNG"
    return document


def test_accuracy_is_that_of_eval(subject: Subject) -> None:
    variants = [make_pruned(subject.loaded, s, f"{s}", "a", short_side=64) for s in (0.0, 0.5)]
    dense, sparse = score_variants(subject, variants)
    (report,) = evaluate_sizes(subject.loaded, subject.data, [0, 0.5], (64,))
    assert [dense.accuracy, sparse.accuracy] == [row["psnr"] for row in report["results"]]
    gain = compare_means("sparse", "dense", [sparse], [dense])
    assert gain.points == pytest.approx(sparse.accuracy - dense.accuracy, abs=1e-3)  # not 100 times
    said = describe_gain(Gain("a", "b", 0.123, (-0.1, 0.2)), subject)
    assert said.startswith("0.12 dB of PSNR more accurate than b (95 % interval")
    assert "-0.10 to +0.20" in said


def test_sensitivity(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    document = make("sensitivity", subject)
    assert document["pairs"] == ["stage 1", "stage 2"]
    lost = np.array(document["lost_points"])
    accuracies = [row["accuracy"] for row in document["rows"][1:]]
    expected = document["dense_accuracy"] - np.array(accuracies).reshape(lost.shape)
    assert lost == pytest.approx(expected, abs=2e-3)
    labels: list[str] = []
    monkeypatch.setattr(
        "sparsevit.studies.draw.save_figure",
        lambda figure, _: labels.extend(axes.get_ylabel() for axes in figure.axes) or b"",
    )
    draw_study("sensitivity", document)
    assert labels[-1] == "PSNR lost, dB"
    assert len(accuracies) == 2 * len(SPARSITIES)


def test_scores_leave_out_the_padding_that_there_is_none_of(subject: Subject) -> None:
    document = make("scores", subject)
    assert document["padded"] is None
    assert len(document["gains"]) == len(RANKINGS) - 1
    assert "padded" not in document["finding"]


def test_worth_is_measured_at_the_size_asked_for(subject: Subject) -> None:
    document = make("worth", subject)
    dense = document["rows"][0]
    (report,) = evaluate_sizes(subject.loaded, subject.data, [0], (64,))
    assert dense["accuracy"] == report["results"][0]["psnr"]
    places = {(one["stage"], one["shifted"]) for one in document["correlations"]}
    assert places == {(1, False), (1, True), (2, False), (2, True)}


def test_tokens_and_adaptation_against_another_network(subject: Subject, tmp_path: Path) -> None:
    other = save_restorer(tmp_path / "other.safetensors", seed=2)
    tokens = make("tokens", subject, against=other)
    assert tokens["rows"][-1]["name"] == "other"
    adaptation = make("adaptation", subject, against=other)
    assert adaptation["finding"].endswith(" accurate.")


def test_samplers(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    document = make("samplers", subject, trials=2, budget="3x")
    for found in document["curves"].values():
        assert all(0 <= volume <= 1 for run in found["hypervolume"] for volume in run)
    assert document["rows"][0]["accuracy"] > 5
    monkeypatch.setattr(samplers, "list_hypervolumes", lambda tried, *_: [0.0] * len(tried))
    assert "hypervolume is the same" in make("samplers", subject, trials=2, budget="3x")["finding"]


def test_a_hypervolume_between_two_accuracies_by_hand() -> None:
    dense = samplers.SparsitySchedule.parse(0, (2, 2))
    tried = [FrontierPoint(dense, *row) for row in ((32.0, 4.0), (32.5, 8.0), (29.0, 2.0))]
    # From 30 to 33 dB: 6 of 10 ms at 2; 2 of them at 2.5; one that is below all.
    expected = [12 / 30, (4 * 2 + 2 * 2.5) / 30, (4 * 2 + 2 * 2.5) / 30]
    assert list_hypervolumes(tried, 10, 30, 33) == pytest.approx(expected, abs=1e-6)


def test_what_makes_no_sense_is_refused(subject: Subject) -> None:
    with pytest.raises(StudyError, match="of another size is another truth"):
        make("resolution", subject)
    enhancement = load_restorer().for_task("enhancement")
    with pytest.raises(StudyError, match="only the task restoration knows"):
        make_subject(enhancement, subject.data, pictures=2)
