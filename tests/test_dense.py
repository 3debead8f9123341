"""Which dense form counts: one rule, and all that quote a dense latency follow it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from app_support import write_photo
from latency_support import pace
from search_support import DEPTHS, KnownJudge, make_predictor
from studies_support import Pictures, load_toy, make_toy_subject
from torch import nn

from sparsevit.evaluation import add_latency, evaluate_sizes
from sparsevit.inspect import end_to_end
from sparsevit.inspect.end_to_end import time_photo
from sparsevit.measure import bench
from sparsevit.measure.bench import BenchSettings, run_bench
from sparsevit.measure.dense import DENSE_FORMS, as_dense, choose_dense, make_runs
from sparsevit.measure.latency import WARMUP_RUNS, measure_latency, refine_latency
from sparsevit.networks import LoadedModel
from sparsevit.patch import set_sparsity
from sparsevit.schedule import SparsitySchedule
from sparsevit.search import SearchSettings, search_steps
from sparsevit.search.predictor import build_predictor
from sparsevit.studies.measure import score_variants, time_measured
from sparsevit.studies.subject import make_dense, make_pruned


@pytest.fixture
def loaded() -> LoadedModel:
    return load_toy(depths=DEPTHS)


def test_the_best_run_decides():
    # "b" is the faster one in half of its runs and in the mean, but never as fast as "a" can be.
    samples_ms = {"a": (300.0, 100.0, 250.0, 400.0), "b": (110.0, 200.0, 110.0, 110.0)}
    assert choose_dense(samples_ms) == "a"
    assert choose_dense(dict(reversed(samples_ms.items()))) == "a"


def test_every_form_runs_as_it_is_called_and_computes_the_same(loaded, monkeypatch):
    model, images = loaded.module, torch.randn(1, 3, 64, 96)
    _, ran = pace(monkeypatch, model, dict.fromkeys((*DENSE_FORMS, "sparse"), 1.0))
    set_sparsity(model, 0.5)
    with torch.inference_mode():
        outputs = {name: run() for name, run in make_runs(model, images, {"half": 0.5}).items()}
        set_sparsity(model, 0.5)
        for form in DENSE_FORMS:
            with as_dense(model, form):
                torch.testing.assert_close(model(images), outputs[form])
    assert ran == [*DENSE_FORMS, "sparse", *DENSE_FORMS]
    for form in DENSE_FORMS:
        torch.testing.assert_close(outputs[form], outputs["host default"], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(outputs["half"], outputs["host default"], rtol=1e-2, atol=1e-2)


#: What a user quotes: the form if it says so, latency of dense and of sparse in ms, None if unsaid.
Quoted = tuple[str | None, float, float | None]
IMAGES = torch.zeros(1, 3, 64, 64)


def _measure(loaded: LoadedModel) -> tuple[nn.Module, Callable[[], Quoted]]:
    def quote() -> Quoted:
        report = measure_latency(loaded.module, IMAGES, 0.5, repeats=1)
        return report.dense_form, report.dense.median_ms, report.sparse.median_ms

    return loaded.module, quote


def _predict(loaded: LoadedModel) -> tuple[nn.Module, Callable[[], Quoted]]:
    def quote() -> Quoted:
        *_, (_, _, predictor) = build_predictor(loaded, IMAGES, rounds=1)
        assert predictor is not None
        return predictor.dense_form, predictor.dense_ms, None

    return loaded.module, quote


def _search(loaded: LoadedModel) -> tuple[nn.Module, Callable[[], Quoted]]:
    def quote() -> Quoted:
        settings = SearchSettings(trials=3)
        *_, last = search_steps(loaded, KnownJudge(), settings, predictor=make_predictor())
        assert last.result is not None
        (sparse,) = (p.latency_ms for p in last.result.points if not p.schedule.is_dense)
        return None, last.result.dense_ms, sparse

    return loaded.module, quote


def _evaluate(loaded: LoadedModel) -> tuple[nn.Module, Callable[[], Quoted]]:
    data = Pictures(count=1, size=(64, 64))
    reports = evaluate_sizes(loaded, data, [0, 0.5], [None])

    def quote() -> Quoted:
        (report,) = add_latency(reports, loaded, data[0].image, rounds=1)
        dense, sparse = (result["latency_ms"] for result in report["results"])
        return report["device"]["dense_form"], dense, sparse

    return loaded.module, quote


def _study(loaded: LoadedModel) -> tuple[nn.Module, Callable[[], Quoted]]:
    subject = make_toy_subject(loaded)
    variants = [
        make_dense(subject.loaded, "d", "d"),
        make_pruned(subject.loaded, 0.5, "s", "s"),
    ]
    measured = score_variants(subject, variants)

    def quote() -> Quoted:
        (dense, sparse), _ = time_measured(subject, measured)
        assert dense.latency_ms is not None
        return None, dense.latency_ms, sparse.latency_ms

    return subject.loaded.module, quote


def _bench(loaded: LoadedModel) -> tuple[nn.Module, Callable[[], Quoted]]:
    names = {name: form for form, name in bench._DENSE_NAMES.items()}

    def quote() -> Quoted:
        rows = run_bench(
            "toy", loaded.module, BenchSettings([64], repeats=1, sparsities=["0.5"])
        ).rows
        (dense,) = (row for row in rows if row.ratio_to_fastest_dense == 1)
        sparse = next(row for row in rows if row.name == "sparsevit 0.5")
        assert sparse.ratio_to_fastest_dense == 0.5
        return names[dense.name], dense.median_ms, sparse.median_ms

    return loaded.module, quote


@pytest.mark.parametrize(
    ("user", "fastest"),
    [
        *((_measure, form) for form in DENSE_FORMS),
        (_predict, "host"),
        (_search, "host default"),
        (_evaluate, "host"),
        (_study, "host default"),
        (_bench, "sparsevit"),
    ],
)
def test_all_quote_the_fastest_form_warm(user: Any, fastest: str, loaded, monkeypatch):
    model, quote = user(loaded)
    seconds = dict.fromkeys(DENSE_FORMS, 0.3) | {fastest: 0.2, "sparse": 0.1}
    _, ran = pace(monkeypatch, model, seconds)
    form, dense_ms, sparse_ms = quote()
    assert form in (fastest, None)
    assert dense_ms == pytest.approx(200)
    assert sparse_ms in (pytest.approx(100), None)
    assert set(ran) == {*DENSE_FORMS, "sparse"}


def test_only_the_first_round_warms_up(loaded, monkeypatch):
    _, ran = pace(monkeypatch, loaded.module, dict.fromkeys((*DENSE_FORMS, "sparse"), 1.0))
    reports = list(refine_latency(loaded.module, torch.zeros(1, 3, 64, 96), 0.5, 3, "host"))
    assert ran == ["host", "sparse"] * (WARMUP_RUNS + 3)
    assert [report.dense.samples_ms for report in reports] == [(1000,) * n for n in (1, 2, 3)]
    assert reports[0].image_size == (64, 96)


@pytest.mark.parametrize("fastest", ["host", "sparsevit"])
def test_from_file_to_overlay_dense_runs_in_its_fastest_form(
    fastest, loaded, monkeypatch, tmp_path
):
    photo = write_photo(tmp_path / "photo.png", 1)
    seconds = dict.fromkeys(DENSE_FORMS, 0.3) | {fastest: 0.2, "sparse": 0.1}
    clock, ran = pace(monkeypatch, loaded.module, seconds)
    monkeypatch.setattr(end_to_end, "time", SimpleNamespace(perf_counter=clock))
    result = time_photo(loaded, photo, SparsitySchedule.parse(0.5, DEPTHS), 64, repeats=1)
    assert result.dense_form == fastest
    assert ran[-2:] == [fastest, "sparse"]
    assert (result.dense_ms["network"], result.dense_total_ms) == (200, 200)
    assert (result.sparse_ms["network"], result.sparse_total_ms) == (100, 100)
