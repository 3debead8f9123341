"""The command that draws what ``sparsevit eval`` measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sparsevit.cli.common import read_sizes, report_errors
from sparsevit.draw.curves import Axis, PlotError, draw_plot, plan_plot


def plot(
    results: Annotated[list[Path], typer.Argument(help="Files of 'sparsevit eval --out'.")],
    out: Annotated[Path, typer.Option(help="The PNG to write.")],
    x: Annotated[Axis, typer.Option(help="What accuracy is drawn against.")] = "sparsity",
    size: Annotated[
        str | None, typer.Option(help="Only these sizes get a line, with commas. [default: all]")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="Name of a line; repeat it, in the legend's order.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="[default: what the lines share]")] = None,
) -> None:
    """Draw accuracy against sparsity or latency, a line for every file and size.

    Accuracy is the first number that 'sparsevit eval' shows of a task: mIoU, mask AP, PSNR, ...
    """
    sizes = None if size is None else read_sizes(size)
    with report_errors():
        if out.suffix.lower() != ".png":
            raise PlotError(f'A plot is saved as .png, not "{out.name}".')
        planned = plan_plot(
            [(str(path), _read(path)) for path in results],
            x,
            sizes=None if sizes is None else [side or "native" for side in sizes],
            labels=label,
            title=title,
        )
        picture = draw_plot(planned)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(picture)
    typer.echo(f"Wrote {out}")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PlotError(f"There is no file {path}.") from error
    except ValueError as error:  # no JSON, or no text
        raise PlotError(f"{path} is not a result of 'sparsevit eval --out'.") from error
