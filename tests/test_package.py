"""What is declared, and where an installed package finds its files; see also check_package.py."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sparsevit
from sparsevit.package.bundle import find_bundled

ROOT = Path(sparsevit.__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_a_hosted_demo_installs_what_the_page_needs():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        *PROJECT["dependencies"],
        *PROJECT["optional-dependencies"]["app"],
    ]


def test_all_extras_are_all():
    extras = PROJECT["optional-dependencies"]
    assert extras["all"] == [f"sparsevit[{','.join(name for name in extras if name != 'all')}]"]


@pytest.mark.parametrize("is_installed", [False, True])
def test_files_are_found_in_a_clone_and_in_a_package(tmp_path, monkeypatch, is_installed):
    package = tmp_path / "sparsevit"
    home = package / "_bundle" if is_installed else tmp_path
    (home / "checkpoints").mkdir(parents=True)
    monkeypatch.setattr("sparsevit.package.bundle.files", lambda name: tmp_path / name)
    assert find_bundled("checkpoints") == home / "checkpoints"


def test_the_page_is_ours_whatever_lies_in_the_folder(tmp_path):
    (tmp_path / "app").mkdir()
    for stray in ("app.py", "app/__init__.py", "app/config.py"):
        (tmp_path / stray).write_text("raise SystemExit('a stray file ran')\n")
    result = subprocess.run(
        [sys.executable, "-m", "sparsevit", "app", "--help"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert "--mcp" in result.stdout
