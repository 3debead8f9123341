"""Options written as dataclasses: that commands have them, and what they are by default."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from sparsevit.cli import cli
from sparsevit.cli.bench import BenchOptions
from sparsevit.cli.common import JsonFlag, takes_options
from sparsevit.cli.evaluate import EvalOptions
from sparsevit.cli.inspect import RunOptions
from sparsevit.cli.search import SearchOptions
from sparsevit.cli.study import StudyOptions
from sparsevit.cli.train import TrainOptions
from sparsevit.measure.bench import BenchSettings
from sparsevit.search import SearchSettings
from sparsevit.training import TrainConfig


@dataclass(frozen=True)
class ToyOptions:
    """Some of every kind."""

    paths: Annotated[list[Path], typer.Argument(help="Some files.")]
    word: Annotated[str, typer.Option("--word", "-w", help="A word.")] = "hello"
    count: Annotated[int | None, typer.Option(min=2, help="How many.")] = None
    as_json: JsonFlag = False


def test_a_command_is_called_with_what_was_typed() -> None:
    given: list[ToyOptions] = []

    def toy(options: ToyOptions) -> None:
        """What it does."""
        given.append(options)

    app = typer.Typer(rich_markup_mode=None)
    app.command()(takes_options(toy))
    run = CliRunner().invoke
    assert run(app, ["a", "b", "-w", "moin", "--count", "3", "--json"]).exit_code == 0
    assert run(app, ["a"]).exit_code == 0
    assert given == [
        ToyOptions([Path("a"), Path("b")], "moin", 3, True),
        ToyOptions([Path("a")], "hello", None, False),
    ]
    for bad, says in (
        (["a", "--count", "1"], "--count"),
        ([], "PATHS"),
        (["a", "--size", "1"], "size"),
    ):
        result = run(app, bad)
        assert result.exit_code == 2
        assert says.casefold() in result.output.casefold()
    text = run(app, ["--help"]).output
    for words in ("What it does.", "A word.", "-w, --word", "[default: hello]", "--json"):
        assert words in text


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("bench", BenchOptions),
        ("eval", EvalOptions),
        ("run", RunOptions),
        ("search", SearchOptions),
        ("study", StudyOptions),
        ("train", TrainOptions),
    ],
)
def test_every_field_is_an_option_and_every_option_a_field(name: str, options: type[Any]) -> None:
    command = typer.main.get_command(cli).commands[name]  # type: ignore[attr-defined]
    parameters = {parameter.name: parameter for parameter in command.params}
    assert list(parameters) == [field.name for field in fields(options)]
    for field in fields(options):
        parameter = parameters[field.name]
        assert parameter.required == (field.default is MISSING)


@pytest.mark.parametrize(
    ("options", "settings", "shared"),
    [
        (BenchOptions, BenchSettings, {"dtype", "repeats", "compile_host", "seed"}),
        (SearchOptions, SearchSettings, {"trials", "budget", "sampler", "population", "seed"}),
        (
            TrainOptions,
            TrainConfig,
            {"steps", "learning_rate", "adaptation", "finetune", "validate", "precision", "seed"},
        ),
    ],
)
def test_commands_and_library_have_the_same_defaults(
    options: type[Any], settings: type[Any], shared: set[str]
) -> None:
    assert {name: getattr(options, name) for name in shared} == {
        name: getattr(settings, name) for name in shared
    }
