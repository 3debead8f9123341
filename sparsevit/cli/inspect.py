"""Commands that look at networks: models, run, bench, app."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from tqdm import tqdm

import sparsevit
from sparsevit.analysis import analyze, measure, prepare_image
from sparsevit.bench import run_bench
from sparsevit.cli.common import (
    EXIT_SOME_FAILED,
    Checkpoint,
    Device,
    JsonFlag,
    ModelName,
    Seed,
    explain,
    fail,
    load,
    read_size,
    report_errors,
    split_schedules,
)
from sparsevit.latency import WARMUP_RUNS
from sparsevit.report import print_bench, print_result, write_analysis
from sparsevit.schedule import read_schedule
from sparsevit.transforms import load_image
from sparsevit.zoo import DEFAULT_MODEL, list_models


def models(as_json: JsonFlag = False) -> None:
    """List the networks that can be loaded, those that work offline first."""
    infos = list_models()
    if as_json:
        typer.echo(json.dumps([vars(info) for info in infos], indent=2))
        return
    width = max(len(info.name) for info in infos)
    typer.echo(f"{'name':{width}}  {'task':14}  classes  params  {'size':>8}  source    licence")
    for info in infos:
        typer.echo(
            f"{info.name:{width}}  {info.task:14}  {info.classes:7}  {info.params_m:5.1f}M  "
            f"{info.size_mb:5.1f} MB  {info.source:8}  {info.licence}"
        )


def run(
    photos: Annotated[list[Path], typer.Argument(help="Pictures to analyse.")],
    model: ModelName = DEFAULT_MODEL,
    sparsity: Annotated[
        str,
        typer.Option(
            "--sparsity",
            "-s",
            help="0.6, '[[.6],[0],[.2,.4,.5],[0]]', FILE.json, paper-42ms, paper-35ms, paper-33ms.",
        ),
    ] = "0.6",
    size: Annotated[
        str, typer.Option(help="Short side in pixels fed to the network, or 'native'.")
    ] = "512",
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("out"),
    device: Device = None,
    checkpoint: Checkpoint = None,
    random_weights: Annotated[
        bool, typer.Option(help="timm architecture without weights.")
    ] = False,
    repeats: Annotated[int, typer.Option(min=0, help="Timed runs; 0 skips timing.")] = 5,
    seed: Seed = 0,
    as_json: JsonFlag = False,
) -> None:
    """Prune photos: write masks of every block, the compute map, both outputs and result.json."""
    short_side = read_size(size)
    with report_errors():
        loaded = load(model, device, checkpoint, random_weights, seed)
        schedule = read_schedule(sparsity, loaded.depths)
    results: list[dict[str, Any]] = []
    failed = False
    for photo in tqdm(photos, disable=len(photos) == 1, unit="photo"):
        folder = out if len(photos) == 1 else out / photo.stem
        try:
            prepared = prepare_image(loaded, load_image(photo), short_side)
            analysis = analyze(loaded, prepared, schedule)
            if repeats:
                analysis = measure(loaded, analysis, repeats)
            result = {"photo": photo.name, **analysis.to_dict()}
            write_analysis(loaded.task, analysis, result, folder)
        except Exception as error:
            if len(photos) == 1:
                raise fail(error) from error
            typer.echo(f"Error: {explain(error)}", err=True)
            failed = True
            continue
        results.append(result)
        if not as_json:
            print_result(result, folder)
    if as_json:
        typer.echo(json.dumps(results[0] if len(photos) == 1 else results, indent=2))
    if failed:
        raise typer.Exit(EXIT_SOME_FAILED)


def bench(
    model: ModelName = "swin_tiny_patch4_window7_224",
    size: Annotated[int, typer.Option(min=32, help="Side of the square input, pixels.")] = 672,
    batch: Annotated[int, typer.Option(min=1, help="Images at once.")] = 1,
    sparsity: Annotated[
        str, typer.Option("--sparsity", "-s", help="Schedules, separated by commas.")
    ] = "0,0.6,paper-42ms,paper-35ms,paper-33ms",
    dtype: Annotated[str, typer.Option(help="fp32, fp16 or bf16.")] = "fp32",
    device: Device = None,
    repeats: Annotated[int, typer.Option(min=1, help="Timed rounds.")] = 10,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. [default: all]")] = None,
    compile_host: Annotated[
        bool, typer.Option("--compile", help="Also time the host compiled (takes minutes).")
    ] = False,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Also write the JSON here.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Time every dense form and every schedule in turn; timm networks get random weights."""
    if threads is not None:
        torch.set_num_threads(threads)
    with report_errors():
        loaded = load(model, device, None, not model.endswith(".safetensors"), seed)
        bar = tqdm(total=repeats + WARMUP_RUNS, unit="round")
        report = run_bench(
            model,
            loaded.module,
            size=size,
            batch=batch,
            sparsities=split_schedules(sparsity),
            dtype=dtype,
            device=str(loaded.device),
            repeats=repeats,
            compile_host=compile_host,
            seed=seed,
            on_round=lambda done: bar.update(done - bar.n),
        )
        bar.close()
        text = json.dumps(report.to_dict(), indent=2)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(text + "\n", encoding="utf-8")
    if as_json:
        typer.echo(text)
    else:
        print_bench(report)


def app(context: typer.Context) -> None:
    """Open the web page; takes the options of app.py (--host --port --device --model ...)."""
    script = Path(sparsevit.__file__).resolve().parent.parent / "app.py"
    if not script.is_file():
        raise fail(FileNotFoundError("The web page is not installed; run it from a clone."))
    raise typer.Exit(subprocess.call([sys.executable, str(script), *context.args]))
