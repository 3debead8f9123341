"""What people lean on besides the code: hooks before a commit, workflows, the change log."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from check_files import LARGE, LICENCE, find_faults

import sparsevit
from sparsevit.networks.segmenter import read_info

ROOT = Path(sparsevit.__file__).resolve().parent.parent


def list_committed() -> list[str]:
    """Names of the repository's files that git knows."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        pytest.skip("needs a clone of the repository")
    return [name for name in result.stdout.split("\0") if (ROOT / name).is_file()]


def test_what_is_committed_passes_the_check_of_files():
    names = list_committed()
    assert find_faults(ROOT, names) == []
    assert set(names) >= LARGE


def test_a_large_file_is_found(tmp_path):
    (tmp_path / "scan.png").write_bytes(bytes(300_001))
    (fault,) = find_faults(tmp_path, ["scan.png"])
    assert fault.startswith("scan.png has 300,001 bytes and may have 300,000")


@pytest.mark.parametrize(
    ("card", "fault"),
    [
        (None, "tiny.safetensors needs a card tiny.md beside it"),
        ("# tiny\n\nTrained for an hour, submitted.\n", "The card of tiny.safetensors states no"),
        ("# tiny\n\nTerms: CC BY-NC 4.0.\n", None),
        ("# tiny\n\nLicence: Apache-2.0\n", None),
    ],
)
def test_weights_have_a_card_that_states_their_licence(tmp_path, card, fault):
    (tmp_path / "tiny.safetensors").write_bytes(b"")
    if card is not None:
        (tmp_path / "tiny.md").write_text(card)
    faults = find_faults(tmp_path, ["tiny.safetensors"])
    assert [text[: len(fault or "")] for text in faults] == ([fault] if fault else [])


@pytest.mark.parametrize(
    "path", sorted((ROOT / "checkpoints").glob("*.safetensors")), ids=lambda p: p.stem
)
def test_weights_that_ship_state_their_terms_in_themselves_too(path):
    """``sparsevit models`` reads them there."""
    terms = LICENCE.search(read_info(path)["licence"])
    assert terms
    assert terms[0] in path.with_suffix(".md").read_text()


@pytest.mark.parametrize(
    ("cell", "holds_outputs"),
    [
        ({"cell_type": "markdown", "source": []}, False),
        ({"cell_type": "code", "outputs": [], "execution_count": None}, False),
        ({"cell_type": "code", "outputs": [{"text": "1"}], "execution_count": None}, True),
        ({"cell_type": "code", "outputs": [], "execution_count": 3}, True),
    ],
)
def test_a_notebook_holds_no_outputs(tmp_path, cell, holds_outputs):
    (tmp_path / "look.ipynb").write_text(json.dumps({"cells": [cell]}))
    assert bool(find_faults(tmp_path, ["look.ipynb"])) == holds_outputs


#: Targets of the Makefile: what stands before a colon that assigns nothing.
TARGETS = {
    name
    for line in re.findall(r"^([\w -]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for name in line.split()
}
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
JOB = WORKFLOW["jobs"]["make"]
RUNS = JOB["strategy"]["matrix"]["include"]


def test_workflows_make_targets_that_there_are():
    assert {run["target"] for run in RUNS} <= TARGETS
    assert [step["run"] for step in JOB["steps"] if "make" in step.get("run", "")] == [
        "make ${{ matrix.target }}"
    ]


@pytest.mark.parametrize(
    "name", ["CONTRIBUTING.md", "README.md", ".ci/run", ".pre-commit-config.yaml"]
)
def test_texts_name_targets_that_there_are(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert set(re.findall(r"(?:^|`|\"|entry: )make ([\w-]+)", text, re.MULTILINE)) <= TARGETS


def test_workflows_run_every_python_we_declare():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    prefix = "Programming Language :: Python :: "
    declared = {c.removeprefix(prefix) for c in project["classifiers"] if c.startswith(prefix)}
    tried = {run["python"] for run in RUNS if run["target"] == "test"}
    assert {version for version in declared if "." in version} <= tried
    assert project["requires-python"] == f">={min(tried, key=lambda v: int(v.split('.')[1]))}"


def test_actions_are_pinned():
    uses = [step["uses"] for step in JOB["steps"] if "uses" in step]
    assert uses
    assert all(re.fullmatch(r"actions/\w+@v\d+", use) for use in uses)


def test_the_change_log_ends_at_the_version_at_hand():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    if headings[0] == "[Unreleased]":
        headings.pop(0)
    if headings:
        assert headings[0].startswith(f"[{sparsevit.__version__}] - ")
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", name) for name in headings)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= kinds


def test_contributing_names_files_that_there_are():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:app|checkpoints|docs|sparsevit|tests|\.github)/[\w./-]+)`", text)
    tests = re.findall(r"`(test_[\w*]+\.py)`", text)
    placeholders = re.compile("NAME|FAMILY|_bundle")
    names = [path for path in paths if not placeholders.search(path)]
    names += [f"tests/{name}" for name in tests]
    assert names
    assert [name for name in names if not list(ROOT.glob(name))] == []
