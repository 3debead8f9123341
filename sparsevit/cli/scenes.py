"""The command that draws street scenes."""

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


def scenes(
    out: Annotated[Path, typer.Option(help="Folder to write to; complete scenes in it are kept.")],
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 4,
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH in pixels.")] = "1024x2048",
    seed: Seed = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that draw at once.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Draw labelled street scenes: pictures, classes, instances, depth and 3D boxes."""
    from tqdm import tqdm

    from sparsevit.data.streets import write_scenes

    with report_errors():
        height, _, width = size.partition("x")
        if not (height.isdecimal() and width.isdecimal()):
            raise ValueError(f"size is HEIGHTxWIDTH, such as 1024x2048, not {size!r}.")
        with tqdm(total=count, unit="scene") as progress:
            write_scenes(
                out,
                seed,
                count,
                int(height),
                int(width),
                jobs=jobs,
                on_scene=lambda _: progress.update(),
            )
    pictures = [str(out / "images" / f"{seed + i:05d}.png") for i in range(count)]
    typer.echo(json.dumps(pictures) if as_json else "\n".join(pictures))
