"""The ``sparsevit`` command. Each command is a thin shell around one library call."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from tqdm import tqdm

import sparsevit
from sparsevit.analysis import analyze, measure, prepare_image
from sparsevit.bench import run_bench
from sparsevit.data.labelled import DataError, Split, open_data
from sparsevit.data.streets import write_scene
from sparsevit.evaluation import evaluate
from sparsevit.latency import WARMUP_RUNS
from sparsevit.memory import is_out_of_memory
from sparsevit.patch import UnsupportedModelError
from sparsevit.report import print_bench, print_result, write_analysis
from sparsevit.schedule import read_schedule
from sparsevit.segmenter import Segmenter
from sparsevit.training import TrainConfig, TrainingError, train
from sparsevit.transforms import load_image
from sparsevit.zoo import (
    DEFAULT_MODEL,
    LoadedModel,
    ModelError,
    default_device,
    list_models,
    load_model,
)

EXIT_BAD_INPUT = 2
EXIT_SOME_FAILED = 1

cli = typer.Typer(
    name="sparsevit",
    help="See, tune and use activation sparsity in window-attention vision transformers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
ModelName = Annotated[
    str, typer.Option("--model", "-m", help="A name from 'sparsevit models', or a .safetensors.")
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N. [default: a GPU if any]")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Checkpoint = Annotated[
    Path | None, typer.Option(help="Weights for a timm architecture, instead of its download.")
]


@cli.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(sparsevit.__version__)
        raise typer.Exit


@cli.command()
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


@cli.command()
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
    short_side = _read_size(size)
    with _report_errors():
        loaded = _load(model, device, checkpoint, random_weights, seed)
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
            write_analysis(loaded, analysis, result, folder)
        except Exception as error:
            if len(photos) == 1:
                raise _fail(error) from error
            typer.echo(f"Error: {_explain(error)}", err=True)
            failed = True
            continue
        results.append(result)
        if not as_json:
            print_result(result, folder)
    if as_json:
        typer.echo(json.dumps(results[0] if len(photos) == 1 else results, indent=2))
    if failed:
        raise typer.Exit(EXIT_SOME_FAILED)


@cli.command()
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
    with _report_errors():
        loaded = _load(model, device, None, not model.endswith(".safetensors"), seed)
        bar = tqdm(total=repeats + WARMUP_RUNS, unit="round")
        report = run_bench(
            model,
            loaded.module,
            size=size,
            batch=batch,
            sparsities=_split_schedules(sparsity),
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


@cli.command(name="eval")
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
    short_side = _read_size(size)
    with _report_errors():
        loaded = _load(model, device, None, False, 0)
        schedules = [read_schedule(s, loaded.depths) for s in _split_schedules(sparsity)]
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


@cli.command(name="train")
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
    with _report_errors():
        config = TrainConfig(
            output=out,
            data=tuple(_split_share(spec) for spec in data),
            minutes=minutes,
            holdout=tuple(holdout) if holdout else None,
            seed=seed,
        )
        path = train(config)
    typer.echo(json.dumps({"checkpoint": str(path)}) if as_json else f"Wrote {path}")


@cli.command()
def scenes(
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 4,
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH in pixels.")] = "1024x2048",
    seed: Seed = 0,
    as_json: JsonFlag = False,
) -> None:
    """Draw labelled street scenes: scene_SEED.jpg and scene_SEED_labels.png."""
    with _report_errors():
        height, _, width = size.partition("x")
        if not (height.isdigit() and width.isdigit()):
            raise ValueError(f"size is HEIGHTxWIDTH, such as 1024x2048, not {size!r}.")
        out.mkdir(parents=True, exist_ok=True)
        stems = [out / f"scene_{seed + number:05d}" for number in range(count)]
        for number, stem in enumerate(tqdm(stems, unit="scene")):
            write_scene(stem, seed + number, int(height), int(width))
    names = [f"{stem}.jpg" for stem in stems]
    typer.echo(json.dumps(names) if as_json else "\n".join(names))


@cli.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def app(context: typer.Context) -> None:
    """Open the web page; takes the options of app.py (--host --port --device --model ...)."""
    script = Path(sparsevit.__file__).resolve().parent.parent / "app.py"
    if not script.is_file():
        raise _fail(FileNotFoundError("The web page is not installed; run it from a clone."))
    raise typer.Exit(subprocess.call([sys.executable, str(script), *context.args]))


def _load(
    name: str, device: str | None, checkpoint: Path | None, random_weights: bool, seed: int
) -> LoadedModel:
    own = not name.startswith(("timm/", "swin_"))
    return load_model(
        name,
        device=device or default_device(),
        checkpoint=checkpoint,
        random_weights=random_weights and not own,
        seed=seed,
    )


def _read_size(text: str) -> int | None:
    if text == "native":
        return None
    if not text.isdigit() or not 64 <= int(text) <= 4096:
        raise _fail(ValueError(f"size is 64 to 4096 pixels or 'native', not {text!r}."))
    return int(text)


def _split_schedules(text: str) -> list[str]:
    """Split at the commas outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _split_share(spec: str) -> tuple[str, float]:
    name, mark, share = spec.rpartition("=")
    if not mark:
        return spec, 1.0
    try:
        return name, float(share)
    except ValueError as error:
        raise DataError(f"The share after '=' in {spec!r} is not a number.") from error


@contextmanager
def _report_errors() -> Iterator[None]:
    """End the command with one sentence for every error a user can cause."""
    try:
        yield
    except Exception as error:
        raise _fail(error) from error


def _fail(error: Exception) -> typer.Exit:
    typer.echo(f"Error: {_explain(error)}", err=True)
    return typer.Exit(EXIT_BAD_INPUT)


def _explain(error: Exception) -> str:
    """One sentence for an error that a user can cause; any other goes on as it is."""
    if is_out_of_memory(error):
        return "Out of memory; try a smaller --size or --batch."
    if isinstance(error, (ValueError, TrainingError, UnsupportedModelError, OSError)):
        return " ".join(str(error).split()) or type(error).__name__
    raise error
