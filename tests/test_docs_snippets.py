"""What README and the pages tell people to type, typed as it stands.

Python runs, with stand-ins for what a page leaves open: pictures, a network that would be
downloaded, a server. Commands are parsed, by the parser they have, and not run.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio_client
import pytest
import timm
import torch
import typer
from app_support import write_photo

import sparsevit
from app import config
from app.api import Api
from sparsevit.cli import cli
from sparsevit.data.streets.files import write_scenes

ROOT = Path(sparsevit.__file__).resolve().parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "checkpoints").glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
ENDS_A_COMMAND = {"&&", "||", ";", "|", "&"}


def find_blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in their order."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def split_commands(script: str) -> Iterator[list[str]]:
    """The words of every command of a shell script; arithmetic is 1."""
    script = re.sub(r"\$\(\(.*?\)\)", "1", script.replace("\\\n", " "))
    for line in script.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word in ENDS_A_COMMAND:
                yield words
                words = []
            else:
                words.append(word)


def find_inline(page: Path) -> Iterator[list[str]]:
    """The words of commands inside sentences; those with a gap (NAME, ...) are left out."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for code in re.findall(r"`((?:sparsevit|accelerate|make)\s[^`]+)`", text):
        if "..." not in code and "NAME" not in code:
            yield shlex.split(code)


def parse(arguments: list[str]) -> None:
    """Give the command line its arguments without running anything.

    Raises:
        Exception: the parser's own: no such command, option or choice.
    """
    group: Any = typer.main.get_command(cli)
    for command in (group, *group.commands.values()):
        command.callback = lambda *_, **__: None
    group.main(arguments, prog_name="sparsevit", standalone_mode=False)


def check_command(words: list[str], is_whole: bool = True) -> bool:
    """Whether it is ours; then it is one that parses. A part of one lacks what is required."""
    if words[:2] == ["accelerate", "launch"] or words[:2] == ["python", "-m"]:
        words = words[words.index("sparsevit") :] if "sparsevit" in words else []
    while words and (words[0] in ("do", "taskset", "-c") or re.match(r"[\d-]+$|\w+=", words[0])):
        words = words[1:]
    if words[:1] == ["make"]:
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets, words
    elif words[:2] in (["sparsevit", "app"], ["python", "app.py"]):
        config.parse_args(words[2:])
    elif words[:1] == ["python"]:
        assert words[1] == "-m" or (ROOT / words[1]).is_file(), words
    elif words[:1] == ["sparsevit"]:
        try:
            parse(words[1:])
        except Exception as error:
            if is_whole or type(error).__name__ != "MissingParameter":
                raise AssertionError(f"{shlex.join(words)}: {error}") from error
    else:
        return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_parse(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "find_spec", lambda name: name)  # --mcp needs one more package
    monkeypatch.setattr(config, "default_device", lambda: "cpu")
    for block in find_blocks(page, "sh"):
        for words in split_commands(block):
            check_command(words)
    for words in find_inline(page):
        check_command(words, is_whole=False)


def test_a_wrong_command_would_be_found() -> None:
    assert check_command(shlex.split("sparsevit bench --size 672"))
    for wrong in ("sparsevit bnech", "sparsevit bench --sise 672", "sparsevit train --out runs/x"):
        with pytest.raises(AssertionError):
            check_command(shlex.split(wrong))
    check_command(shlex.split("sparsevit train --out runs/x"), is_whole=False)
    scripts = list(split_commands("A=1 sparsevit run \\\n  a.jpg  # or b.jpg\nmake test && ls"))
    assert scripts == [["A=1", "sparsevit", "run", "a.jpg"], ["make", "test"], ["ls"]]


def test_the_page_of_commands_has_them_all() -> None:
    group: Any = typer.main.get_command(cli)
    page = ROOT / "docs" / "commands.md"
    named = {w[1] for block in find_blocks(page, "sh") for w in split_commands(block) if w[1:]}
    assert named >= set(group.commands)
    sentence = re.search(r"all but (.*?) have `--json`", page.read_text())
    silent = {
        name
        for name, command in group.commands.items()
        if not any("--json" in option.opts for option in command.params)
    }
    assert sentence
    assert set(re.findall(r"`(\w+)`", sentence[1])) == silent


class StandInClient:
    """gradio_client's, of a page that runs in this process with one tiny network."""

    engine: Any

    def __init__(self, address: str) -> None:
        assert address == "http://127.0.0.1:7860"

    def predict(self, photo: Any, model: str, short_side: int, *more: Any, api_name: str) -> Any:
        assert (model, short_side) == ("streets", 512)
        endpoint = getattr(Api(self.engine), api_name.removeprefix("/"))
        return endpoint(photo["path"], "small", 128, *more)


def make_small(name: str, pretrained: bool = False, **options: Any) -> Any:
    """timm's network of that name, but narrow, and without a download."""
    return timm.models.create_model(name, embed_dim=24, num_heads=(1, 2, 4, 8), **options)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that pages speak of: photo.jpg, and a drawn scene in DIR."""
    folder = tmp_path_factory.mktemp("desk")
    write_photo(folder / "photo.jpg", 0)
    write_scenes(folder / "DIR", seed=0, count=1, height=128, width=256)
    return folder


@pytest.mark.parametrize(
    "page", [page for page in PAGES if find_blocks(page, "python")], ids=lambda page: page.name
)
def test_python_runs(page: Path, desk: Path, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page, one after the other, as somebody would who reads it."""
    monkeypatch.setattr(timm, "create_model", make_small)
    monkeypatch.setattr(gradio_client, "Client", StandInClient)
    monkeypatch.setattr(StandInClient, "engine", engine, raising=False)
    monkeypatch.setattr("sparsevit.networks.CHECKPOINT_FOLDER", ROOT / "checkpoints")
    monkeypatch.chdir(desk)
    names: dict[str, Any] = {
        "images": torch.rand(1, 3, 224, 224),
        "model": sparsevit.sparsify(make_small("swin_tiny_patch4_window7_224").eval()),
    }
    with torch.no_grad():  # what is built in inference mode could never be differentiated
        for number, block in enumerate(find_blocks(page, "python"), start=1):
            exec(compile(block, f"{page.name}, block {number}", "exec"), names)
