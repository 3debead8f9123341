"""The command that draws street scenes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from sparsevit.cli.common import (
    JsonFlag,
    Seed,
    report_errors,
)
from sparsevit.data.streets import write_scene


def scenes(
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 4,
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH in pixels.")] = "1024x2048",
    seed: Seed = 0,
    as_json: JsonFlag = False,
) -> None:
    """Draw labelled street scenes: scene_SEED.jpg and scene_SEED_labels.png."""
    with report_errors():
        height, _, width = size.partition("x")
        if not (height.isdigit() and width.isdigit()):
            raise ValueError(f"size is HEIGHTxWIDTH, such as 1024x2048, not {size!r}.")
        out.mkdir(parents=True, exist_ok=True)
        stems = [out / f"scene_{seed + number:05d}" for number in range(count)]
        for number, stem in enumerate(tqdm(stems, unit="scene")):
            write_scene(stem, seed + number, int(height), int(width))
    names = [f"{stem}.jpg" for stem in stems]
    typer.echo(json.dumps(names) if as_json else "\n".join(names))
