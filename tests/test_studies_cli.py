"""``sparsevit study``: the files it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from latency_support import set_load
from studies_support import load_toy
from typer.testing import CliRunner

from sparsevit.cli import cli
from sparsevit.data.streets import CLASS_NAMES, PALETTE
from sparsevit.networks.segmenter import save_segmenter

DATA = "streets:710000:2:96x128"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy of the street classes."""
    palette = tuple(tuple(int(v) for v in colour) for colour in PALETTE[:-1])
    loaded = load_toy(class_names=CLASS_NAMES[:-1], palette=palette)
    path = tmp_path_factory.mktemp("weights") / "toy.safetensors"
    save_segmenter(loaded.module, path)
    return path


def run(*words: object):
    return CliRunner().invoke(cli, ["study", *map(str, words)])


def test_tokens_against_windows_and_another_network(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    set_load(monkeypatch, 0.38)
    result = run(
        "tokens", "--model", weights, "--data", DATA, "--pictures", 2, "--rounds", 1,
        "--against", weights, "--device", "cpu", "--out", tmp_path / "new",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    text = (tmp_path / "new" / "study-tokens.json").read_text()
    assert str(weights.parent) not in text
    document = json.loads(text)
    assert (document["study"], document["data"], document["pictures"]) == ("tokens", DATA, 2)
    assert document["model"] == "toy"
    assert document["size"] == [[96, 128]]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", document["date"])
    assert document["command"] == (
        f"sparsevit study tokens --model toy.safetensors --data {DATA} --pictures 2 --rounds 1 "
        f"--against toy.safetensors"
    )
    assert set(document["versions"]) == {"sparsevit", "torch", "timm"}
    assert document["other_load"] == 0.38
    assert document["doubt"] == "this machine is busy: other programs used 38 % of its CPUs"
    assert f"Warning: {document['doubt']}, so these latencies are not worth" in result.stderr
    names = [row["name"] for row in document["rows"]]
    assert len(names) == len(set(names)) == 1 + 8 + 8 + 5 + 1
    assert document["finding"] in result.output
    assert (tmp_path / "new" / "study-tokens.png").read_bytes().startswith(b"\x89PNG")


def test_json_on_standard_output(weights: Path, tmp_path: Path):
    result = run(
        "adaptation", "--model", weights, "--task", "semantic", "--against", weights,
        "--data", DATA, "--pictures", 2, "--out", tmp_path, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert "--model toy.safetensors --task semantic --data" in document["command"]
    assert document == json.loads((tmp_path / "study-adaptation.json").read_text())
    assert "rounds" not in document
    assert "other_load" not in document


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["scores", "--model", "streets-nano", "--task", "boxes3d"],
            "streets-nano does semantic, not 'boxes3d'.",
        ),
        (["adaptation"], "Name the network before it was adapted: --against FILE.safetensors."),
        (["sensitivity", "--rounds", "3"], "The study sensitivity has no --rounds."),
        (["tokens", "--trials", "9", "--frontier", "x"], "has no --trials, --frontier."),
        (["tokens", "--size", "512,256"], "The study tokens takes 1 --size, not 2."),
        (["samplers", "--seeds", "0,x"], "--seeds takes whole numbers with commas, not '0,x'."),
        (["tokens", "--size", "huge"], "size is 64 to 4096 pixels"),
        (["uniform", "--frontier", "no.json", "--data", DATA], "no.json"),
        (["scores", "--model", "no.safetensors"], "no.safetensors"),
        (["resolution", "--data", "streets:x"], "not 'streets:x'"),
    ],
)
def test_bad_input_ends_in_one_sentence(words: list[str], sentence: str, tmp_path: Path):
    result = run(*words, "--out", tmp_path)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_an_unknown_study_is_refused():
    result = run("speed")
    assert result.exit_code == 2
    assert "samplers" in result.stderr
