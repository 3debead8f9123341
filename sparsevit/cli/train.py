"""The command that trains a segmenter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sparsevit.cli.common import (
    JsonFlag,
    Seed,
    report_errors,
)
from sparsevit.data.labelled import DataError
from sparsevit.training import TrainConfig, train


def train_(
    data: Annotated[
        list[str],
        typer.Option(help="camvid:DIR, streets:SEED:COUNT or a folder; add =SHARE, e.g. '=0.8'."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, log and resume state.")],
    minutes: Annotated[float, typer.Option(min=0.1, help="Length of the run.")] = 50.0,
    holdout: Annotated[
        list[str] | None, typer.Option(help="Sequences never trained on. [default: the data's]")
    ] = None,
    seed: Seed = 0,
    as_json: JsonFlag = False,
) -> None:
    """Train the small segmenter: dense, then sparsity-aware. The same command resumes."""
    with report_errors():
        config = TrainConfig(
            output=out,
            data=tuple(_split_share(spec) for spec in data),
            minutes=minutes,
            holdout=tuple(holdout) if holdout else None,
            seed=seed,
        )
        path = train(config)
    typer.echo(json.dumps({"checkpoint": str(path)}) if as_json else f"Wrote {path}")


def _split_share(spec: str) -> tuple[str, float]:
    name, mark, share = spec.rpartition("=")
    if not mark:
        return spec, 1.0
    try:
        return name, float(share)
    except ValueError as error:
        raise DataError(f"The share after '=' in {spec!r} is not a number.") from error
