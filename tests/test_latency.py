"""Timing logic under a clock we set by hand; no test here asserts real milliseconds."""

import pytest
import torch
from latency_support import FakeClock
from timm.models.swin_transformer import SwinTransformer

import sparsevit
from sparsevit.dense import DENSE_FORMS
from sparsevit.latency import (
    LatencyReport,
    LatencyStats,
    LoadMeter,
    measure_latency,
    refine_latency,
    time_interleaved,
)
from sparsevit.memory import peak_extra_mb
from sparsevit.patch import host_form


def test_runs_take_turns_and_warm_up_is_left_out():
    clock = FakeClock()
    runs = {"a": clock.task("a", 9, 1, 2, 3), "b": clock.task("b", 9, 4, 5, 6)}
    rounds: list[int] = []
    stats = time_interleaved(runs, repeats=3, warmup=1, clock=clock, on_round=rounds.append)
    assert clock.calls == ["a", "b"] * 4
    assert stats["a"].samples_ms == (1000, 2000, 3000)
    assert stats["b"].median_ms == 5000
    assert rounds == [1, 2, 3, 4]


def test_the_stages_of_a_model_are_timed_apart(model):
    clock = FakeClock()
    marks = []

    def tick(seconds: float):
        def hook(*_: object) -> None:
            marks.append(seconds)
            clock.now += seconds

        return hook

    # As time passes inside: the patch embedding takes 1 s, the stages 2 s and 3 s, the norm 4 s.
    inner = [model.patch_embed.norm, *(stage.blocks[1].mlp for stage in model.layers), model.norm]
    handles = [m.register_forward_hook(tick(s)) for m, s in zip(inner, (1, 2, 3, 4), strict=True)]
    images = torch.randn(1, 3, 64, 64)
    runs = {"host": lambda: model(images)}
    with torch.inference_mode(), host_form(model):
        stats = time_interleaved(runs, repeats=2, warmup=0, clock=clock, model=model)["host"]
    for handle in handles:
        handle.remove()
    assert stats.median_parts_ms == (1000, 2000, 3000, 4000)
    assert stats.samples_ms == (10_000, 10_000)
    assert not any(stage._forward_hooks or stage._forward_pre_hooks for stage in model.layers)


def test_reports_grow_round_by_round_and_their_parts_sum_up(model):
    reports = list(refine_latency(model, torch.randn(1, 3, 64, 64), 0.6, repeats=3))
    assert [len(report.sparse.samples_ms) for report in reports] == [1, 2, 3]
    assert reports[2].dense.samples_ms[:2] == reports[1].dense.samples_ms
    for stats in (reports[2].dense, reports[2].sparse):
        assert [len(parts) for parts in stats.parts_ms] == [4] * 3  # before, 2 stages, after
        assert [sum(parts) for parts in stats.parts_ms] == pytest.approx(stats.samples_ms)


def test_percentiles_by_hand():
    stats = LatencyStats(tuple(float(ms) for ms in range(11)))
    assert (stats.p10_ms, stats.median_ms, stats.p90_ms) == (1.0, 5.0, 9.0)


def test_speedup_is_dense_over_sparse_and_spread_pairs_neighbours():
    report = LatencyReport(
        dense=LatencyStats((100.0, 200.0, 300.0)),
        sparse=LatencyStats((50.0, 50.0, 100.0)),
        dense_form="host",
        device="cpu",
        dtype="float32",
        image_size=(64, 64),
        batch=1,
    )
    assert report.speedup == 4.0  # 200 / 50
    low, high = report.speedup_spread  # ratios 2, 4, 3
    assert (low, high) == pytest.approx((2.2, 3.8))


def test_no_repeats_is_an_error():
    with pytest.raises(ValueError, match="at least 1"):
        time_interleaved({}, repeats=0)


@pytest.fixture
def model() -> torch.nn.Module:
    net = SwinTransformer(
        img_size=64, embed_dim=8, depths=(2, 2), num_heads=(1, 2), window_size=4, num_classes=3
    )
    return sparsevit.sparsify(net.eval())


def test_measuring_leaves_the_schedule_and_names_what_it_measured(model):
    model.sparsity = 0.3
    report = measure_latency(model, torch.randn(2, 3, 64, 64), 0.6, repeats=2)
    assert model.sparsity.stages == ((0.3,), (0.3,))
    assert (len(report.dense.samples_ms), len(report.sparse.samples_ms)) == (2, 2)
    assert (report.image_size, report.batch, report.dtype) == ((64, 64), 2, "float32")
    assert report.dense_form in DENSE_FORMS


def test_schedule_survives_a_run_that_fails(model):
    model.sparsity = 0.3
    with pytest.raises(AssertionError):
        measure_latency(model, torch.randn(1, 3, 32, 64), 0.6, repeats=1)
    assert model.sparsity.stages == ((0.3,), (0.3,))


def test_host_form_runs_the_hosts_own_code(model, monkeypatch):
    from timm.models.swin_transformer import SwinTransformerBlock

    calls = []
    original = SwinTransformerBlock.forward
    monkeypatch.setattr(
        SwinTransformerBlock,
        "forward",
        lambda self, x: calls.append(self.attn.fused_attn) or original(self, x),
    )
    images = torch.randn(1, 3, 64, 64)
    model.sparsity = 0.5
    before = [block.attn.fused_attn for stage in model.layers for block in stage.blocks]
    with torch.no_grad():
        pruned = model(images)
        assert calls == []
        with host_form(model, fused=True):
            dense = model(images)
        assert calls == [True] * 4
        model.sparsity = 0
        torch.testing.assert_close(model(images), dense, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(pruned, dense)
    assert before == [block.attn.fused_attn for stage in model.layers for block in stage.blocks]


def test_peak_memory_counts_what_is_alive_at_once():
    def run() -> None:
        first = torch.empty(1_000_000)  # 4 MB
        del first
        both = torch.empty(1_000_000), torch.empty(500_000)  # 6 MB
        del both

    assert peak_extra_mb(run) == pytest.approx(6.0, abs=0.1)


def test_load_meter_stays_in_range():
    with LoadMeter() as meter:
        sum(range(100_000))
    assert meter.other_load is None or 0 <= meter.other_load <= 1
