"""The table of docs/hosts.md is what docs/bench_hosts.py prints of its results."""

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_table_is_that_of_the_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench_hosts.py", "nothing"])
    runpy.run_path(str(DOCS / "bench_hosts.py"), run_name="__main__")
    table = capsys.readouterr().out
    assert table.count("\n") > 10
    assert table in (DOCS / "hosts.md").read_text(encoding="utf-8")
