"""The command that measures a segmenter against the truth."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from tqdm import tqdm

from sparsevit.cli.common import (
    Device,
    JsonFlag,
    ModelName,
    load,
    read_size,
    report_errors,
    split_schedules,
)
from sparsevit.data.labelled import Split, open_data
from sparsevit.evaluation import evaluate
from sparsevit.schedule import read_schedule
from sparsevit.segmenter import Segmenter
from sparsevit.zoo import DEFAULT_MODEL, ModelError


def eval_(
    data: Annotated[
        str, typer.Option(help="camvid:DIR, streets:SEED:COUNT, or a folder of images/ + labels/.")
    ],
    model: ModelName = DEFAULT_MODEL,
    sparsity: Annotated[
        str, typer.Option("--sparsity", "-s", help="Schedules, separated by commas.")
    ] = "0,0.3,0.6",
    split: Annotated[
        Split | None, typer.Option(help="[default: holdout for camvid, else all]")
    ] = None,
    size: Annotated[
        str, typer.Option(help="Short side in pixels fed to the network, or 'native'.")
    ] = "native",
    device: Device = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Measure only so many.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure mIoU and pixel accuracy against the truth, and agreement with dense."""
    short_side = read_size(size)
    with report_errors():
        loaded = load(model, device, None, False, 0)
        schedules = [read_schedule(s, loaded.depths) for s in split_schedules(sparsity)]
        bar = tqdm(unit="picture")

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        if not isinstance(loaded.module, Segmenter):
            raise ModelError(f"{model} is no segmenter; eval measures segmentation.")
        split = split or ("holdout" if data.startswith("camvid:") else "all")
        result = evaluate(
            loaded.module,
            open_data(data, split),
            schedules,
            short_side,
            model_name=model,
            data_name=data.partition(":")[0],
            split=split,
            limit=limit,
            report=show,
        )
        bar.close()
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    typer.echo(f"{model} on {data}, split {split}, size {result['size']}")
    for row in result["results"]:
        typer.echo(
            f"mIoU {row['miou']:.3f}  pixel accuracy {row['pixel_accuracy']:.3f}  "
            f"agreement {row['agreement']:.3f}  at {row['schedule']}"
        )
