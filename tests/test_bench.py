"""The benchmark: what it reports, how it compares, and the picture from file to overlay."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from app_support import write_photo
from three_tasks_support import load_three_tasks
from typer.testing import CliRunner

from sparsevit.cli import cli
from sparsevit.data.reader import load_image
from sparsevit.inspect.end_to_end import STEPS, time_photo
from sparsevit.measure import bench
from sparsevit.measure.bench import BenchSettings, find_ops_ms, run_bench
from sparsevit.measure.bench_report import compare_reports
from sparsevit.measure.cost import count_macs
from sparsevit.measure.latency import WARMUP_RUNS
from sparsevit.networks import load_model
from sparsevit.networks.segmenter import save_segmenter
from sparsevit.patch import get_depths, get_sparsity, is_sparse, sparsify
from sparsevit.schedule import SparsitySchedule


def _run(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def report(home):
    rounds = []
    model = load_model("small").module
    settings = BenchSettings([64, 96], [1, 2], ["0", "0.5"], repeats=2, with_ops=True)
    report = run_bench("small", model, settings, on_round=rounds.append)
    assert rounds == list(range(1, 4 * (2 + WARMUP_RUNS) + 1))
    assert settings.rounds == rounds[-1]
    return report


def test_every_size_and_batch_has_every_form(report):
    sparse_forms = ["sparsevit 0.5", "sparsevit 0.5, recorded"]
    forms = ["host", "host, fused attention", "sparsevit 0", *sparse_forms]
    order = [(form, size, batch) for size in (64, 96) for batch in (1, 2) for form in forms]
    assert sorted(row.key for row in report.rows) == sorted(order)
    for start in range(0, len(order), len(forms)):
        rows = report.rows[start : start + len(forms)]
        (fastest,) = {row.median_ms for row in rows if row.ratio_to_fastest_dense == 1}
        for row in rows:
            ratio = row.median_ms / fastest
            assert row.ratio_to_fastest_dense == pytest.approx(ratio, rel=0.02)
            assert row.peak_extra_mb > 0
            assert len(row.parts_ms) == 6  # embedding, four stages, head
            assert sum(row.parts_ms) <= 1.5 * row.p90_ms
            assert "aten::addmm" in row.ops_ms
        sparse, recorded = (next(r for r in rows if r.name == name) for name in sparse_forms)
        assert sparse.mac_ratio == recorded.mac_ratio < 1 == rows[0].mac_ratio
        assert sparse.schedule == recorded.schedule


def test_our_forms_are_replayed_as_graphs_where_there_are_any(home, monkeypatch):
    """Without a GPU: what would be recorded, and under which names."""
    recorded = []

    class FakeGraphs:
        def __init__(self, model, max_graphs):
            self.model, self.room = model, max_graphs

        def __call__(self, images):
            recorded.append(get_sparsity(self.model).to_list())

    monkeypatch.setattr(bench, "GraphedModel", FakeGraphs)
    model = sparsify(load_model("small").module)
    half = SparsitySchedule.parse(0.5, get_depths(model))
    runs = bench._replay_graphs(model, torch.zeros(1, 3, 64, 64), {"sparsevit 0.5": half})
    assert list(runs) == ["sparsevit 0, CUDA graph", "sparsevit 0.5, CUDA graph"]
    dense = SparsitySchedule.parse(0.0, get_depths(model))
    assert recorded == [dense.to_list(), half.to_list()]  # before anything is timed


def test_the_compiled_host_is_the_host_and_fused(home, monkeypatch):
    """Without the minutes that compiling takes: what would be compiled, and how it runs."""
    ran = []

    def watch(model, _):
        attentions = [m for m in model.modules() if hasattr(m, "fused_attn")]
        ran.append((is_sparse(model), {m.fused_attn for m in attentions}))

    monkeypatch.setattr(torch, "compile", lambda model, mode=None: model)
    model = sparsify(load_model("small").module)
    model.register_forward_pre_hook(watch)
    before = [m.fused_attn for m in model.modules() if hasattr(m, "fused_attn")]
    bench._compile_host(model, torch.zeros(1, 3, 64, 64))()
    assert ran == [(False, {True})] * 2  # once to compile, outside the timing
    assert is_sparse(model)
    assert before == [m.fused_attn for m in model.modules() if hasattr(m, "fused_attn")]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_is_timed_with_graphs_too(home):
    model = load_model("small").module
    settings = BenchSettings([64], [1], ["0.5"], repeats=2, device="cuda")
    report = run_bench("small", model, settings)
    names = [row.name for row in report.rows]
    assert {"sparsevit 0, CUDA graph", "sparsevit 0.5, CUDA graph"} <= set(names)
    sparse = next(row for row in report.rows if row.name == "sparsevit 0.5, CUDA graph")
    assert sparse.mac_ratio < 1


def test_operators_are_counted_where_they_run():
    ops = find_ops_ms(lambda: torch.randn(300, 300) @ torch.randn(300, 300))
    assert "aten::mm" in ops
    assert list(ops.values()) == sorted(ops.values(), reverse=True)


def test_an_earlier_report_is_compared_row_by_row(report):
    before = json.loads(json.dumps(report.to_dict()))
    before["rows"][0]["median_ms"] *= 2
    before["rows"] = before["rows"][:3]
    before["torch"] = "1.0"
    changes, differing = compare_reports(report, before)
    assert [change.before_ms / change.now_ms for change in changes] == [2, 1, 1]
    assert differing == [f"torch was 1.0, is {report.torch}"]
    assert compare_reports(replace(report, rows=()), before)[0] == []
    for nonsense in ({}, [], None, {"rows": [{}]}):
        with pytest.raises(ValueError, match="no JSON of 'sparsevit bench'"):
            compare_reports(report, nonsense)


def test_the_command_writes_compares_and_draws(tmp_path):
    network = load_three_tasks("three")
    save_segmenter(network.module, tmp_path / "three.safetensors")
    out, picture = tmp_path / "a" / "bench.json", tmp_path / "b" / "bench.png"
    common = ["bench", "--model", tmp_path / "three.safetensors", "--size", "64", "-s", "0,0.5"]
    args = ["--repeats", 1, "--task", "boxes3d", "--out", out, "--plot", picture, "--json"]
    result = _run(*common, *args)
    assert result.exit_code == 0, result.output
    data = json.loads(out.read_text())
    assert json.loads(result.stdout) == data
    assert data["task"] == "boxes3d"
    ratio = next(row["mac_ratio"] for row in data["rows"] if row["name"] == "sparsevit 0.5")
    shares = {task: _share_macs(network.for_task(task)) for task in network.tasks}
    assert ratio == pytest.approx(shares["boxes3d"], abs=1e-4)
    assert len({round(share, 4) for share in shares.values()}) == 3  # each has its own heads
    assert (data["dtype"], data["threads"]) == ("fp32", torch.get_num_threads())
    assert load_image(picture).shape == (840, 1280, 3)
    result = _run(*common, "--repeats", 1, "--profile", "--compare", out)
    assert "for semantic, " in result.stdout
    assert "Not the same: task was boxes3d, is semantic." in result.stderr
    assert "change since the earlier run" in result.stdout
    assert "stage 4" in result.stdout
    assert "aten::addmm" in result.stdout


def _share_macs(loaded):
    """Multiply-accumulates at half the windows over all."""
    schedule = SparsitySchedule.parse(0.5, loaded.depths)
    fixed_macs = loaded.count_fixed_macs((64, 64))
    return count_macs(loaded.module, (64, 64), schedule, fixed_macs).mac_ratio


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--task", "instance"], "does semantic, not 'instance'."),
        (["--dtype", "int3"], "Unknown dtype"),
        (["--size", "64,big"], "--size takes whole numbers"),
        (["--batch", "0"], "batch at least 1"),
        (["--compare", "none.json"], "none.json"),
    ],
)
def test_a_bad_input_is_one_sentence(home, arguments, says):
    result = _run("bench", "--model", home / "small.safetensors", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_a_photo_is_timed_from_file_to_overlay(home, tmp_path, monkeypatch):
    photo = write_photo(tmp_path / "photo.png", 1)
    loaded = load_model("small")
    drawn = []
    real = type(loaded.task).draw
    monkeypatch.setattr(type(loaded.task), "draw", lambda *a: (drawn.append(a[2]), real(*a))[1])
    result = time_photo(loaded, photo, SparsitySchedule.parse(0.5, loaded.depths), 128, repeats=2)
    assert (result.photo_size, result.input_size) == ((256, 512), (128, 256))
    for steps, total in (
        (result.dense_ms, result.dense_total_ms),
        (result.sparse_ms, result.sparse_total_ms),
    ):
        assert tuple(steps) == STEPS
        assert min(steps.values()) > 0
        assert total >= max(steps.values())
    assert len(drawn) == 2 * (2 + WARMUP_RUNS)
    assert not np.array_equal(drawn[-1], drawn[-2])  # dense and sparse in turn
    result = _run(
        "time", photo, "--model", home / "small.safetensors", "--size", 128, "--repeats", 1,
        "--out", tmp_path / "new" / "time.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "dense" in result.stdout
    assert "network" in result.stdout
    written = json.loads((tmp_path / "new" / "time.json").read_text())
    assert written["input_size"] == [128, 256]
    assert {sparsity for stage in written["schedule"] for sparsity in stage} == {0.6}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["none.jpg"], "none.jpg"),
        (["none.jpg", "--size", "huge"], "size is 64 to 4096 pixels or 'native', not 'huge'"),
        (["none.jpg", "-s", "0.5,0.6"], "Cannot read the schedule"),
    ],
)
def test_a_photo_that_cannot_be_timed_is_one_sentence(home, arguments, says):
    result = _run("time", *arguments, "--model", home / "small.safetensors")
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_any_network_of_timm_is_timed_without_its_weights():
    result = _run("bench", "--model", "tiny_vit_5m_224", "--size", 64, "-s", 0.5, "--repeats", 1)
    assert result.exit_code == 0, result.output
    assert "tiny_vit_5m_224" in result.output
