"""Commands that look at networks: models, run, app."""

from __future__ import annotations

import json
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparsevit.cli.common import (
    EXIT_SOME_FAILED,
    Checkpoint,
    Device,
    JsonFlag,
    ModelName,
    Seed,
    TaskName,
    explain,
    fail,
    load,
    read_size,
    report_errors,
    takes_options,
)
from sparsevit.networks import DEFAULT_MODEL, list_models
from sparsevit.package.bundle import find_bundled, import_page
from sparsevit.package.choices import FigureFormat
from sparsevit.package.extras import require

if TYPE_CHECKING:
    import numpy as np

    from sparsevit.data.focal import PhotoCamera
    from sparsevit.inspect.photo import Analysis


def models(as_json: JsonFlag = False) -> None:
    """List the networks that can be loaded, those that work offline first."""
    infos = list_models()
    if as_json:
        typer.echo(json.dumps([vars(info) for info in infos], indent=2))
        return
    width = max(len(info.name) for info in infos)
    tasks = [", ".join(info.tasks) for info in infos]
    room = max(map(len, tasks))
    typer.echo(
        f"{'name':{width}}  {'tasks':{room}}  classes  params  {'size':>8}  source    licence"
    )
    for info, does in zip(infos, tasks, strict=True):
        typer.echo(
            f"{info.name:{width}}  {does:{room}}  {info.classes:7}  {info.params_m:5.1f}M  "
            f"{info.size_mb:5.1f} MB  {info.source:8}  {info.licence}"
        )


@dataclass(frozen=True)
class RunOptions:
    """What ``sparsevit run`` is asked."""

    photos: Annotated[list[Path], typer.Argument(help="Pictures to analyse.")]
    model: ModelName = DEFAULT_MODEL
    task: TaskName = None
    sparsity: Annotated[
        str,
        typer.Option(
            "--sparsity",
            "-s",
            help="0.6, '[[.6],[0],[.2,.4,.5],[0]]', FILE.json, paper-42ms, paper-35ms, paper-33ms.",
        ),
    ] = "0.6"
    size: Annotated[
        str, typer.Option(help="Short side in pixels fed to the network, or 'native'.")
    ] = "512"
    focal: Annotated[
        float | None,
        typer.Option(
            help="For 3D boxes: focal length in pixels of the photo. [default: by its EXIF]"
        ),
    ] = None
    fov: Annotated[
        float | None,
        typer.Option(help="Or its field of view over the longer side, degrees."),
    ] = None
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("out")
    html: Annotated[
        bool, typer.Option("--html", help="Write index.html too: an interactive page.")
    ] = False
    figure: Annotated[
        FigureFormat | None, typer.Option(help="Filmstrips for a paper, too, of all stages.")
    ] = None
    device: Device = None
    checkpoint: Checkpoint = None
    random_weights: Annotated[bool, typer.Option(help="timm architecture without weights.")] = False
    repeats: Annotated[int, typer.Option(min=0, help="Timed runs; 0 skips timing.")] = 5
    seed: Seed = 0
    as_json: JsonFlag = False


@takes_options
def run(options: RunOptions) -> None:
    """Prune photos: write masks of every block, the compute map, both outputs and result.json.

    Of a photo that is restored also what it was restored from, what is had without a network, and
    maps of the errors.
    """
    from tqdm import tqdm

    from sparsevit.cli.report import print_result
    from sparsevit.data.focal import CameraError
    from sparsevit.data.reader import load_image
    from sparsevit.inspect.files import write_analysis, write_filmstrips
    from sparsevit.inspect.photo import analyze, measure, prepare_image
    from sparsevit.schedule import read_schedule

    short_side = read_size(options.size)
    with report_errors():
        if options.figure:
            require("matplotlib", "A filmstrip for a paper", "app")
        loaded = load(
            options.model,
            options.device,
            options.checkpoint,
            random_weights=options.random_weights,
            seed=options.seed,
        ).for_task(options.task)
        if loaded.task.name != "boxes3d" and (options.focal, options.fov) != (None, None):
            raise CameraError("Only --task boxes3d asks which camera took a photo.")
        schedule = read_schedule(options.sparsity, loaded.depths)
    results: list[dict[str, Any]] = []
    failed = False
    is_single = len(options.photos) == 1
    for photo in tqdm(options.photos, disable=is_single, unit="photo"):
        folder = options.out if is_single else options.out / photo.stem
        try:
            image = load_image(photo)
            camera = _choose_camera(options, photo, image)
            note = loaded.explain_limit(image, short_side)
            if note:
                typer.echo(f"{photo.name}: {note}", err=True)
            prepared = prepare_image(loaded, image, short_side, camera)
            analysis = analyze(loaded, prepared, schedule)
            if options.repeats:
                analysis = measure(loaded, analysis, options.repeats)
            write_analysis(analysis, photo.name, folder, note)
            if options.figure:
                write_filmstrips(analysis, folder, options.figure)
            if options.html:
                _write_html(options, photo, analysis, folder, note)
        except Exception as error:
            if is_single:
                raise fail(error) from error
            typer.echo(f"Error: {explain(error)}", err=True)
            failed = True
            continue
        results.append(analysis.to_dict(photo.name, note))
        if not options.as_json:
            print_result(results[-1], folder)
    if options.as_json:
        typer.echo(json.dumps(results[0] if is_single else results, indent=2))
    if failed:
        raise typer.Exit(EXIT_SOME_FAILED)


def _write_html(
    options: RunOptions, photo: Path, analysis: Analysis, folder: Path, note: str
) -> None:
    """Write what the page's tab Take away calls an interactive page."""
    interactive = import_page("app.tabs.takeaway.interactive")
    text = interactive.make_interactive(
        interactive.describe_run(photo, analysis, read_size(options.size), options.task, note)
    )
    (folder / "index.html").write_text(text, encoding="utf-8")


def _choose_camera(options: RunOptions, photo: Path, image: np.ndarray) -> PhotoCamera:
    """The camera that was given, else what the photo tells of it.

    Raises:
        CameraError: no possible camera is given.
    """
    from sparsevit.data.focal import find_camera, make_camera

    size = (image.shape[0], image.shape[1])
    if options.focal is None and options.fov is None:
        return find_camera(photo, size)
    return make_camera(size, options.focal, options.fov)


def app(context: typer.Context) -> None:
    """Open the web page; takes the options of app.py (--host --port --device --model ...)."""
    script = find_bundled("app.py")
    sys.path.insert(0, str(script.parent))  # before any app.py or app/ of the current folder
    sys.argv = [str(script), *context.args]
    runpy.run_path(str(script), run_name="__main__")
