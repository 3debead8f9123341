"""The study of what windows are worth: its correlations by hand, its ranking, its words."""

import json

import numpy as np
import pytest
import torch
from studies_support import make_toy_subject

from sparsevit.core.trace import capture
from sparsevit.evaluation import evaluate
from sparsevit.inspect.worth import correlate, measure_worth
from sparsevit.patch import get_sparsity, set_sparsity
from sparsevit.studies import worth as study
from sparsevit.studies.registry import draw_study, run_study


def rank_by_hand(values):
    """1 for the least; equal values share the mean of their ranks."""
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]


def test_correlations_by_hand():
    # ranks 1 2 3 4 and 2 1 3 4: 1 - 6 * (1 + 1) / (4 * 15)
    worth = torch.tensor([0.1, 0.2, 0.5, 9.0])
    assert correlate(torch.tensor([3.0, 1.0, 4.0, 5.0]), worth) == pytest.approx(0.8)
    assert correlate(-worth, worth) == pytest.approx(-1, abs=1e-5)
    assert correlate(torch.ones(4), worth) == 0
    assert correlate(torch.ones(2), worth[:2]) is None


def test_scores_are_correlated_with_worth():
    subject = make_toy_subject()
    document = run_study("worth", subject, "noise", "sparsevit study worth")
    assert json.loads(json.dumps(document)) == document
    values = []
    for index in range(3):
        images = subject.prepare(subject.data[index].image, None)
        set_sparsity(subject.model, [0, 0, 0.5, 0])
        with torch.inference_mode(), capture(subject.model) as trace:
            subject.model(images)
        scores = next(b for b in trace.blocks if (b.stage, b.block) == (2, 1)).scores.flatten()
        worth = sum(
            record.worth.flatten().double()
            for record in measure_worth(subject.loaded, images)
            if record.stage == 2 and record.block in (1, 3)
        )
        ranks = rank_by_hand(scores.tolist()), rank_by_hand(worth.tolist())
        values.append(np.corrcoef(*ranks)[0, 1])
    found = next(
        one
        for one in document["correlations"]
        if (one["score"], one["stage"], one["shifted"]) == (study.OURS, 3, True)
    )
    assert found["windows"] == 8
    assert found["spearman"] == pytest.approx(np.mean(values), abs=1e-3)
    assert found["standard_error"] == pytest.approx(np.std(values, ddof=1) / 3**0.5, abs=1e-3)
    last = [one["spearman"] for one in document["correlations"] if one["stage"] == 4]
    assert set(last) == {None}  # two windows cannot be ranked alike or not
    mious = {row["name"]: row["accuracy"] for row in document["rows"]}
    ours = evaluate(subject.model, subject.data, [0, 0.6])["results"]
    assert mious["dense"] == pytest.approx(ours[0]["miou"], abs=2e-6)
    assert mious["L2 magnitude (ours), sparsity 0.6"] == pytest.approx(ours[1]["miou"], abs=2e-6)
    assert len(mious) == 1 + 2 * 6
    assert "in stage 1, " in document["finding"]
    assert "in stage 4" not in document["finding"]
    assert document["finding"].endswith(".")
    assert len(draw_study("worth", document)) > 10_000


def test_windows_of_most_worth_are_kept():
    subject = make_toy_subject()
    images = subject.prepare(subject.data[0].image, None)
    worth = study.add_worth(subject.loaded, images)
    with torch.inference_mode(), capture(subject.model) as trace:
        study._make_worth_variant(subject, 0.6).run(images)
    assert not get_sparsity(subject.model).is_dense
    for block in trace.blocks:
        values = worth[block.stage, block.shifted].tolist()
        order = sorted(range(len(values)), key=lambda window: -values[window])
        kept = block.keep_mask.flatten().nonzero().flatten().tolist()
        assert kept == sorted(order[: block.kept])
        assert block.kept == max(1, int(0.4 * len(values)))
