"""The ``sparsevit`` command. Each command is a thin shell around one library call."""

from __future__ import annotations

import os
from typing import Annotated

import typer

import sparsevit
from sparsevit.cli.bench import bench
from sparsevit.cli.convert import convert
from sparsevit.cli.enhance import enhance
from sparsevit.cli.evaluate import eval_
from sparsevit.cli.inspect import app, models, run
from sparsevit.cli.plot import plot
from sparsevit.cli.scenes import scenes
from sparsevit.cli.search import search
from sparsevit.cli.study import study
from sparsevit.cli.time import time_
from sparsevit.cli.train import train_

cli = typer.Typer(
    name="sparsevit",
    help="See, tune and use activation sparsity in window-attention vision transformers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # else "[default: ...]" is read as markup and lost
)


@cli.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    # Before torch is loaded: threads that spin while they wait take the CPU from the one they wait
    # for where other programs run, and gain nothing where none do.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if version:
        typer.echo(sparsevit.__version__)
        raise typer.Exit


cli.command()(models)
cli.command()(run)
cli.command()(enhance)
cli.command()(bench)
cli.command(name="time")(time_)
cli.command(name="eval")(eval_)
cli.command()(plot)
cli.command(name="train")(train_)
cli.command()(scenes)
cli.command()(search)
cli.command()(study)
cli.command()(convert)
cli.command(  # --help is an option of the page's as well
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(app)
