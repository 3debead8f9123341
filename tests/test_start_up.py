"""What starts without torch, and what works without the packages of the extras."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np

import sparsevit

ROOT = Path(sparsevit.__file__).resolve().parent.parent
COMMANDS = (
    *("models", "run", "bench", "time", "eval", "plot", "train", "scenes", "search", "study"),
    *("convert", "app"),
)

#: Runs the command line in this process; its last line says which slow packages were imported.
_RUN = """
import sys
from sparsevit.cli import cli
for arguments in {commands}:
    try:
        cli(arguments, prog_name="sparsevit")
    except SystemExit as end:
        assert not end.code, (arguments, end.code)
slow = ("torch", "timm", "cv2", "transformers", "gradio", "optuna", "matplotlib", "accelerate")
print([name for name in slow if name in sys.modules])
"""


#: Runs the command line with the packages of the extras hidden; prints each exit code and error.
_RUN_BARE = """
import contextlib, io, json, sys

class Hiding:
    def __init__(self, finder): self.finder = finder
    def __getattr__(self, name): return getattr(self.finder, name)
    def find_spec(self, name, *arguments):
        if name.partition(".")[0] not in {hidden}: return self.finder.find_spec(name, *arguments)

sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
from sparsevit.cli import cli
results = []
for arguments in {commands}:
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = cli(arguments, prog_name="sparsevit")
        except SystemExit as end:
            code = end.code
    results.append((code or 0, error.getvalue()))
print(json.dumps(results))
"""


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


def _name_packages(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=]", requirement)[0] for requirement in requirements}


def test_help_and_the_list_of_networks_take_no_torch():
    commands = [["--help"], ["models"], *([name, "--help"] for name in COMMANDS)]
    result = _python(_RUN.format(commands=commands))
    assert result.returncode == 0, result.stderr
    *text, slow = result.stdout.splitlines()
    assert slow == "[]"
    assert any("streets" in line for line in text)
    assert any(line.strip().startswith("--mcp") for line in text)  # the page's own help
    listed = {line.split()[0] for line in text if line.startswith("  ") and line.strip()}
    assert listed >= {*COMMANDS}


def test_without_the_extras_the_rest_works_and_each_says_what_it_needs(tmp_path):
    photo, bench = str(tmp_path / "photo.png"), str(tmp_path / "bench.json")
    cv2.imwrite(photo, np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8))
    out = ["--out", str(tmp_path / "out")]
    own = ["--model", "streets"]
    data = ["--data", "streets:0:2:64x128"]
    works = [
        ["run", photo, "--size", "64", "--repeats", "1", "--html", *out],
        ["bench", *own, "--size", "64", "--repeats", "1", "-s", "0.5", "--out", bench],
        ["scenes", "--count", "1", "--size", "64x128", *out],
        ["eval", *own, "--images", str(tmp_path), "--size", "64", "-s", "0.5"],
    ]
    needs = {
        "accelerate: pip install 'sparsevit[train]'": ["train", *data, *out, "--steps", "1"],
        "torchmetrics: pip install 'sparsevit[train]'": ["eval", *own, *data],
        "matplotlib: pip install 'sparsevit[train]'": [
            *("plot", "docs/eval-streets-nano-camvid.json", "--out", str(tmp_path / "p.png"))
        ],
        "matplotlib: pip install 'sparsevit[app]'": ["run", photo, "--figure", "svg", *out],
        "optuna: pip install 'sparsevit[search]'": ["search", *data, *out],
        "matplotlib: pip install 'sparsevit[search]'": ["study", "sensitivity", *data, *out],
        "gradio: pip install 'sparsevit[app]'": ["app", "--port", "1"],
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    hidden = set().union(*(_name_packages(extras[name]) for name in extras if name != "all"))
    hidden -= {"jinja2"}  # torch brings it
    commands = [*works, *needs.values()]
    result = _python(_RUN_BARE.format(hidden=hidden, commands=commands))
    assert result.returncode == 0, result.stderr
    results = json.loads(result.stdout.splitlines()[-1])
    for command, (code, error) in zip(works, results, strict=False):
        assert code == 0, (command, error)
    for need, (code, error) in zip(needs, results[len(works) :], strict=True):
        assert code == 2
        assert error.rstrip().splitlines()[-1].endswith(f" needs {need}"), error
