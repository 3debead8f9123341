"""The command that converts a detector's checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparsevit.cli.common import JsonFlag, report_errors

if TYPE_CHECKING:
    from sparsevit.networks.convert import Conversion


def convert(
    checkpoint: Annotated[
        Path, typer.Argument(help="A .pth of mmdetection or SparseViT; nothing in it is run.")
    ],
    out: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
    as_json: JsonFlag = False,
) -> None:
    """Convert the Swin backbone of an mmdetection or SparseViT checkpoint into timm's naming."""
    from sparsevit.networks.convert import convert_checkpoint

    with report_errors():
        conversion = convert_checkpoint(checkpoint)
        conversion.save(out)
    if as_json:
        typer.echo(json.dumps(conversion.to_dict(), indent=2))
    else:
        _print_report(conversion, out)


def _print_report(conversion: Conversion, out: Path) -> None:
    if conversion.note:
        typer.echo(conversion.note)
    for key in conversion.mapped:
        typer.echo(f"mapped    {key.source} -> {key.target}" + (f" ({key.note})" * bool(key.note)))
    for key in conversion.left_out:
        typer.echo(f"left out  {key.source}: {key.note}")
    for key in conversion.missing:
        typer.echo(f"missing   {key.target}: {key.note}")
    shape = conversion.shape
    name = shape.architecture or "a Swin that timm has no name for"
    typer.echo(
        f"{len(conversion.mapped)} mapped, {len(conversion.left_out)} left out, "
        f"{len(conversion.missing)} missing: {name}, "
        f"{shape.embed_dim} channels, depths {list(shape.depths)}, window {shape.window}."
    )
    typer.echo(f"It gives features, no classes: {shape.write_loader(out)}")
    if shape.architecture:
        typer.echo(f"or: sparsevit run PHOTO --model {name}:features --checkpoint {out}")
