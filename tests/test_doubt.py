"""A busy machine: what it says in place of a number, and that the numbers are kept."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from app_support import write_photo
from latency_support import set_load
from typer.testing import CliRunner

from sparsevit.cli import cli
from sparsevit.cli.report import print_result
from sparsevit.inspect.photo import analyze, prepare_image
from sparsevit.measure.latency import LatencyReport, LatencyStats
from sparsevit.networks import load_model

BUSY = "this machine is busy: other programs used 38 % of its CPUs"
WARNING = f"Warning: {BUSY}, so these latencies are not worth quoting."


def _run(*arguments: object):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


pytestmark = pytest.mark.usefixtures("doubt_load")


@pytest.fixture
def photo(home, tmp_path):
    return write_photo(tmp_path / "photo.png", 1, size=(64, 128))


@pytest.mark.parametrize(
    ("other_load", "line"),
    [
        (0.01, "  110 ms -> 100 ms, 1.10x faster (cpu, float32)"),
        (0.38, f"  {BUSY}, so the speed-up is not worth quoting"),
    ],
)
def test_no_proud_number_of_a_busy_machine(home, tmp_path, capsys, other_load, line):
    loaded = load_model("small")
    prepared = prepare_image(loaded, np.zeros((64, 128, 3), np.uint8))
    analysis = analyze(loaded, prepared, 0.5)
    dense, sparse = LatencyStats((110.0,) * 3), LatencyStats((100.0,) * 3)
    report = LatencyReport(dense, sparse, "host", "cpu", "float32", (64, 128), 1, other_load)
    result = replace(analysis, device="cpu", latency=report).to_dict("photo.png")
    print_result(result, tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[3] == line
    assert sum("faster" in text or "->" in text for text in lines) == 1 + (other_load < 0.05)
    # What was measured stays in the file.
    assert result["latency_ms"] == {"dense": 110, "sparse": 100}
    assert result["speedup"] == pytest.approx(1.1)
    assert result["other_load"] == other_load
    assert result["doubt"] == (BUSY if other_load > 0.05 else None)
    print_result(analysis.to_dict("photo.png"), tmp_path)  # not timed
    assert "ms" not in capsys.readouterr().out.replace("GMACs", "")


def test_run_keeps_what_it_measured(photo, tmp_path, monkeypatch):
    set_load(monkeypatch, 0.38)
    result = _run("run", photo, "--model", "small", "--repeats", 1, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert f"{BUSY}, so the speed-up is not worth quoting" in result.stdout
    assert "faster" not in result.stdout
    data = json.loads((tmp_path / "out" / "result.json").read_text())
    assert (data["other_load"], data["doubt"]) == (0.38, BUSY)
    assert data["latency_ms"]["sparse"] > 0


def test_bench_time_and_eval_warn(photo, tmp_path, monkeypatch):
    set_load(monkeypatch, 0.38)
    model = ["--model", "small", "--device", "cpu", "--repeats", 1, "-s", "0.5"]
    out = tmp_path / "out.json"
    for arguments in (
        ["bench", "--size", 64],
        ["time", photo, "--size", 64],
        ["eval", "--images", photo.parent, "--size", 64, "--latency"],
    ):
        result = _run(*arguments, *model, "--out", out)
        assert result.exit_code == 0, result.output
        assert WARNING in result.stderr
        data = json.loads(out.read_text())
        assert data.get("device", {})["doubt"] if arguments[0] == "eval" else data["doubt"] == BUSY
