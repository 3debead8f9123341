"""The command that restores pictures as they are, at their full size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sparsevit.cli.common import (
    EXIT_SOME_FAILED,
    Device,
    explain,
    load,
    report_errors,
    takes_options,
)
from sparsevit.cli.progress import Bar


@dataclass(frozen=True)
class EnhanceOptions:
    """What ``sparsevit enhance`` is asked."""

    photos: Annotated[list[Path], typer.Argument(help="Pictures to restore, of any size.")]
    model: Annotated[
        str, typer.Option("--model", "-m", help="A restorer: a name or a .safetensors file.")
    ] = "photo-sr"
    sparsity: Annotated[
        str, typer.Option("--sparsity", "-s", help="Share of windows skipped, or a schedule.")
    ] = "0"
    out: Annotated[Path, typer.Option(help="Folder to write PNGs to.")] = Path("out")
    device: Device = None


@takes_options
def enhance(options: EnhanceOptions) -> None:
    """Make pictures twice as large, or clean of JPEG, as the network is trained for."""
    from PIL import Image

    from sparsevit.data.reader import load_image
    from sparsevit.inspect.tiles import enhance as restore
    from sparsevit.patch import set_sparsity
    from sparsevit.schedule import read_schedule

    with report_errors():
        loaded = load(options.model, options.device).for_task("enhancement")
        set_sparsity(loaded.module, read_schedule(options.sparsity, loaded.depths))
        options.out.mkdir(parents=True, exist_ok=True)
    failed = False
    for photo in options.photos:
        try:
            with Bar(" tile") as bar:
                picture = restore(loaded, load_image(photo), report=bar.show)
            path = options.out / f"{photo.stem}.png"
            Image.fromarray(picture).save(path)
            typer.echo(f"Wrote {path}, {picture.shape[1]}x{picture.shape[0]} pixels")
        except Exception as error:
            typer.echo(f"Error: {explain(error)}", err=True)
            failed = True
    if failed:
        raise typer.Exit(EXIT_SOME_FAILED)
