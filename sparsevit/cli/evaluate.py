"""The command that measures a segmenter against the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from sparsevit.bench import MAX_OTHER_LOAD
from sparsevit.cli.common import (
    Device,
    JsonFlag,
    ModelName,
    load,
    name_data,
    read_size,
    report_errors,
    split_schedules,
)
from sparsevit.data.labelled import LabelledData, Split, choose_split, open_data
from sparsevit.evaluation import add_latency, evaluate_sizes
from sparsevit.latency import WARMUP_RUNS
from sparsevit.schedule import read_schedule
from sparsevit.segmenter import Segmenter
from sparsevit.zoo import DEFAULT_MODEL, ModelError


def eval_(
    data: Annotated[
        str,
        typer.Option(
            help="camvid:DIR, streets:SEED:COUNT[:HEIGHTxWIDTH], or a folder of images/ + labels/."
        ),
    ],
    model: ModelName = DEFAULT_MODEL,
    sparsity: Annotated[
        str, typer.Option("--sparsity", "-s", help="Schedules, separated by commas.")
    ] = "0,0.3,0.6",
    split: Annotated[
        Split | None,
        typer.Option(help="[default: val where there is one, else all]"),
    ] = None,
    size: Annotated[
        str,
        typer.Option(help="Short sides in pixels fed to the network, or 'native'; with commas."),
    ] = "native",
    device: Device = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Measure only so many.")] = None,
    latency: Annotated[
        bool, typer.Option("--latency", help="Then time every size and schedule in turn.")
    ] = False,
    repeats: Annotated[int, typer.Option(min=1, help="Timed rounds of --latency.")] = 10,
    out: Annotated[Path | None, typer.Option(help="Also write the JSON here.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure mIoU and pixel accuracy against the truth, and agreement with dense."""
    sizes = [read_size(text) for text in dict.fromkeys(map(str.strip, size.split(",")))]
    texts = split_schedules(sparsity)
    split = split or choose_split(data)
    with report_errors():
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            if out.is_dir():
                raise IsADirectoryError(f"{out} is a folder; name a file to write.")
        loaded = load(model, device, None, True, 0)  # no download: timm has no segmenter
        if not isinstance(loaded.module, Segmenter):
            raise ModelError(f"{model} is no segmenter; eval measures segmentation.")
        opened = open_data(data, split, class_names=loaded.module.config.class_names)
        with tqdm(unit=" picture") as bar:

            def show(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            reports = evaluate_sizes(
                loaded.module,
                opened,
                [read_schedule(text, loaded.depths) for text in texts],
                sizes,
                model_name=model,
                data_name=name_data(data),
                split=split,
                limit=limit,
                report=show,
            )
        if latency:
            reports = _time(reports, loaded.module, opened, repeats)
        text = json.dumps(reports[0] if len(reports) == 1 else reports, indent=2)
        if as_json:
            typer.echo(text)
        else:
            for report in reports:
                _print(report, texts)
        if out is not None:
            out.write_text(text + "\n", encoding="utf-8")


def _time(
    reports: list[dict[str, Any]], model: Segmenter, data: LabelledData, repeats: int
) -> list[dict[str, Any]]:
    with tqdm(total=repeats + WARMUP_RUNS, unit=" round") as bar:
        timed = add_latency(
            reports, model, data[0].image, repeats, on_round=lambda done: bar.update(done - bar.n)
        )
    other_load = timed[0]["device"]["other_load"]
    if other_load is None or other_load > MAX_OTHER_LOAD:
        typer.echo("Warning: the machine was not quiet; do not quote these latencies.", err=True)
    return timed


def _print(report: dict[str, Any], schedules: list[str]) -> None:
    """A table with a column for each schedule."""
    typer.echo(
        f"{report['model']} on {report['data']}, split {report['split']}, "
        f"{report['pictures']} pictures, size {report['size']}"
    )
    results = report["results"]
    rows = {
        "mIoU": [_percent(r["miou"]) for r in results],
        "pixel accuracy": [_percent(r["pixel_accuracy"]) for r in results],
        "agreement": [_percent(r["agreement"]) for r in results],
    }
    if "device" in report:
        rows["latency, ms"] = [f"{r['latency_ms']:.1f}" for r in results]
    rows |= {
        f"IoU {name}": [_percent(r["per_class_iou"][name]) for r in results]
        for name in results[0]["per_class_iou"]
    }
    first = max(map(len, rows))
    widths = [max(7, len(text)) for text in schedules]
    for name, cells in {"sparsity": schedules, **rows}.items():
        columns = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        typer.echo("  ".join([name.ljust(first), *columns]))
    if "device" in report:
        block = report["device"]
        typer.echo(f"latency on {block['device']}, {block['dtype']}, batch {block['batch']}")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
