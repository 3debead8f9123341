"""Timing logic under a clock we set by hand; no test here asserts real milliseconds."""

import os
import threading
import time
import zlib

import pytest
import torch
from latency_support import FakeClock
from timm.models.swin_transformer import SwinTransformer

import sparsevit
from sparsevit.measure import latency, load
from sparsevit.measure.dense import DENSE_FORMS
from sparsevit.measure.latency import (
    LatencyReport,
    LatencyStats,
    describe_device,
    explain_doubt,
    find_dense_form,
    find_doubt,
    measure_latency,
    refine_latency,
    time_interleaved,
)
from sparsevit.measure.load import LoadMeter
from sparsevit.measure.memory import peak_extra_mb
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
    assert find_dense_form(model, torch.randn(2, 3, 64, 64)) in DENSE_FORMS
    assert model.sparsity.stages == ((0.3,), (0.3,))
    with pytest.raises(AssertionError):
        find_dense_form(model, torch.randn(1, 3, 32, 64))
    assert model.sparsity.stages == ((0.3,), (0.3,))


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


def _make_report(
    dense: tuple[float, ...], sparse: tuple[float, ...], other_load: float | None = None
) -> LatencyReport:
    stats = LatencyStats(dense), LatencyStats(sparse)
    return LatencyReport(*stats, "host", "cpu", "float32", (64, 64), 1, other_load)


@pytest.mark.parametrize(
    ("dense", "sparse", "other_load", "least_ratio", "reason"),
    [
        ((200, 200, 200), (100, 100, 100), 0.0, 0.5, None),
        ((200, 200, 200), (100, 100, 100), None, 0.5, None),  # not known to be busy
        ((200, 200, 200), (100, 100, 100), 0.05, 0.5, None),
        ((200, 200, 200), (100, 100, 100), 0.06, 0.5, "other programs used 6 % of its CPUs"),
        ((200,), (100,), 0.38, 0.5, "other programs used 38 % of its CPUs"),
        ((200,), (100,), 0.99, 0.5, "other programs used 99 % of its CPUs"),
        # Speed-ups 2, 2, 3: the quartiles are 2 and 2.5.
        ((200, 200, 300), (100, 100, 100), 0.0, 0.1, None),
        (
            *((200, 200, 310), (100, 100, 100), 0.0, 0.1),
            "speed-ups of neighbouring runs differ by a factor of 1.3",
        ),
        # A machine that slows all down alike says as much as a quiet one.
        ((200, 900, 400), (100, 450, 200), 0.0, 0.5, None),
        # One run of five that something disturbed does not matter.
        ((200, 200, 900, 200, 200), (100,) * 5, 0.0, 0.5, None),
        (
            *((200, 200, 900, 500, 200), (100,) * 5, 0.0, 0.1),
            "speed-ups of neighbouring runs differ by a factor of 2.5",
        ),
        ((200, 900), (100, 100), 0.0, 0.1, None),  # two rounds say nothing of the spread
        ((361,) * 3, (100,) * 3, 0.0, 1 / 3.2, None),  # caches
        (
            *((361,) * 3, (100,) * 3, 0.0, 1 / 2.2),
            "the speed-up 3.61x beats what the arithmetic allows (2.20x)",
        ),
        (
            *((361,), (100,), None, 1 / 3.1),
            "the speed-up 3.61x beats what the arithmetic allows (3.10x)",
        ),
    ],
)
def test_a_number_that_is_worth_nothing_says_why(dense, sparse, other_load, least_ratio, reason):
    report = _make_report(dense, sparse, other_load)
    doubt = None if reason is None else f"this machine is busy: {reason}"
    assert report.explain_doubt(least_ratio) == doubt
    stats = {"steady": report.dense, "dense": report.dense, "sparse": report.sparse}
    assert find_doubt(stats, "dense", other_load, {"sparse": least_ratio}) == doubt


def test_without_arithmetic_nothing_beats_it():
    assert explain_doubt(LatencyStats((361.0,)), LatencyStats((100.0,)), 0.0) is None


def test_own_work_is_no_load_and_blocks_add_up(monkeypatch):
    busy, own, wall = iter((50.0, 53.0, 60.0, 61.0)), iter((7.0, 8.5, 9.0, 9.5)), iter((0, 2, 5, 6))
    monkeypatch.setattr(load, "_TICK_S", 0.0)
    monkeypatch.setattr(load, "_read_busy", lambda: load._Busy(next(busy), 2))
    monkeypatch.setattr(load.time, "process_time", lambda: next(own))
    monkeypatch.setattr(load.time, "perf_counter", lambda: next(wall))
    meter = LoadMeter()
    assert meter.other_load is None
    with meter:
        pass
    assert meter.other_load == 0.375  # 3 s less 1.5 of our own, of 2 CPUs for 2 s
    with meter:  # 1 s less 0.5 of our own; between the blocks 7 s do not count
        pass
    assert meter.other_load == 0.3333


def test_a_tick_more_or_less_is_no_load(monkeypatch):
    busy, wall = iter((0.0, 0.03)), iter((0, 0.1))
    monkeypatch.setattr(load, "_TICK_S", 0.01)
    monkeypatch.setattr(load, "_read_busy", lambda: load._Busy(next(busy), 4))
    monkeypatch.setattr(load.time, "process_time", lambda: 0.0)
    monkeypatch.setattr(load.time, "perf_counter", lambda: next(wall))
    with LoadMeter() as meter:
        pass
    assert meter.other_load == 0.0
    busy, wall = iter((0.0, 99.0)), iter((0, 1))  # clocks that do not agree
    with LoadMeter() as meter:
        pass
    assert meter.other_load == 1.0


def test_threads_of_this_process_are_its_own():
    """As the real machine counts: what two threads of ours burn is not somebody else's."""
    if load._read_busy() is None:
        pytest.skip("this machine does not say how busy it is")

    def burn() -> None:
        while time.thread_time() < 0.2:
            zlib.crc32(b"0" * 1_000_000)  # lets go of the interpreter

    threads = [threading.Thread(target=burn) for _ in range(2)]
    before, start = load._read_busy(), time.perf_counter()
    with LoadMeter() as meter:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    wall_s = time.perf_counter() - start
    busy_s = load._read_busy().seconds - before.seconds
    others_s = max(0.0, busy_s - 0.4)
    assert meter.other_load <= others_s / (wall_s * before.cpus) + 0.02


def test_a_gpu_does_not_wait_for_cpus(monkeypatch):
    busy = iter((0.0, 9.0))
    monkeypatch.setattr(load, "_read_busy", lambda: load._Busy(next(busy), 2))
    with LoadMeter("cuda:0") as meter:
        pass
    assert meter.other_load is None


def _write_machine(root, limit="max", used_s=3, group="/"):
    """A machine of four CPUs, in hundredths of a second: what the kernel shows of it."""
    folder = root / "sys/fs/cgroup" / group.strip("/")
    folder.mkdir(parents=True)
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/stat").write_text(
        "cpu  9 9 9 9 9 9 9 9 9 9\n"
        # user nice system idle iowait irq softirq steal guest guest_nice
        "cpu0 100 200 300 77 77 400 500 600 88 88\n"
        "cpu1 1000 0 0 77 77 0 0 0 88 0\n"
        "cpu2 0 0 1 77 77 0 0 0 0 0\n"
        "cpu10 5000 0 0 0 0 0 0 0 0 0\n"
        "intr 1 2 3\n"
    )
    (root / "proc/self/cgroup").write_text(f"1:name=x:/y\n0::{group}\n")
    (folder / "cpu.max").write_text(f"{limit} 100000\n")
    (folder / "cpu.stat").write_text(f"nr_periods 5\nusage_usec {used_s}000000\nuser_usec 1\n")
    return root


def test_only_the_cpus_we_may_use_count(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "_TICK_S", 0.01)
    root = _write_machine(tmp_path)
    for allowed, seconds in ({0}, 21), ({0, 1}, 31), ({1, 2}, 10.01), ({10}, 50):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, allowed=allowed: allowed)
        assert load._read_busy(root) == (pytest.approx(seconds), len(allowed))


@pytest.mark.parametrize("group", ["/", "/kubepods/pod1"])
def test_in_a_container_its_limit_is_the_machine(tmp_path, monkeypatch, group):
    monkeypatch.setattr(load, "_TICK_S", 0.01)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    root = _write_machine(tmp_path, limit="150000", used_s=3, group=group)
    assert load._read_busy(root) == (3, 1.5)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})  # which limits it more
    assert load._read_busy(root) == (21, 1)
    (root / "sys/fs/cgroup" / group.strip("/") / "cpu.max").write_text("100000 100000\n")
    assert load._read_busy(root) == (21, 1)  # no limit: others run on the same CPUs


def test_a_machine_that_says_nothing_is_unknown(tmp_path, monkeypatch):
    assert load._read_busy(tmp_path) is None
    monkeypatch.setattr(load, "_read_busy", lambda: None)
    with LoadMeter() as meter:
        pass
    assert meter.other_load is None


def test_a_report_knows_the_load_of_all_its_rounds(model, monkeypatch):
    """Own work while others may use the model between two rounds is not in it."""
    entered = []

    class FakeMeter:
        def __init__(self, device):
            self.other_load = None

        def __enter__(self):
            entered.append(model.sparsity)

        def __exit__(self, *_):
            self.other_load = len(entered) / 10

    monkeypatch.setattr(latency, "LoadMeter", FakeMeter)
    reports = refine_latency(model, torch.randn(1, 3, 64, 64), 0.6, repeats=3)
    loads = []
    for report in reports:
        loads.append(report.other_load)
        assert len(entered) == len(loads)
    assert loads == [0.1, 0.2, 0.3]


def test_a_cpu_is_called_by_its_name_and_threads(monkeypatch, tmp_path):
    info = tmp_path / "cpuinfo"
    monkeypatch.setattr(latency, "Path", lambda _: info)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert describe_device("cpu") == "CPU, 1 thread"
    info.write_text("processor\t: 0\n")
    assert describe_device("cpu") == "CPU, 1 thread"
    info.write_text("processor\t: 0\nmodel name\t: A fine CPU\nmodel name\t: A fine CPU\n")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert describe_device(torch.device("cpu")) == "A fine CPU, 2 threads"
