"""The command that searches for layerwise sparsities."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from sparsevit.cli.common import (
    Device,
    JsonFlag,
    ModelName,
    Seed,
    TaskName,
    choose_data,
    load,
    read_size,
    report_errors,
    takes_options,
)
from sparsevit.cli.progress import Bar
from sparsevit.networks import DEFAULT_MODEL
from sparsevit.package.choices import Sampler, Split
from sparsevit.package.extras import require
from sparsevit.package.units import find_unit

if TYPE_CHECKING:
    from sparsevit.networks import LoadedModel
    from sparsevit.search import Frontier, Judge

#: Scenes that no network of ours was trained on.
_DEFAULT_DATA = "streets:700000:64:512x1024"


@dataclass(frozen=True)
class SearchOptions:
    """What ``sparsevit search`` is asked."""

    model: ModelName = DEFAULT_MODEL
    task: TaskName = None
    data: Annotated[
        str | None,
        typer.Option(
            help="Pictures with the truth of the task: camvid:DIR, "
            "streets:SEED:COUNT[:HEIGHTxWIDTH], or a folder that 'sparsevit eval' takes; for "
            "restoration a folder of photos. "
            f"[default: {_DEFAULT_DATA}]"
        ),
    ] = None
    images: Annotated[
        Path | None,
        typer.Option(
            help="A folder of photos instead: accuracy is agreement with dense, but for "
            "restoration, where it is as --data."
        ),
    ] = None
    size: Annotated[
        str, typer.Option(help="Short side in pixels fed to the network, or 'native'.")
    ] = "native"
    pictures: Annotated[
        int,
        typer.Option(min=1, help="Evaluate on so many; the finalists on up to 4 times as many."),
    ] = 16
    device: Device = None
    budget: Annotated[
        str | None,
        typer.Option(help="Latency not to exceed: 0.6x (of dense), 120ms. [default: none]"),
    ] = None
    trials: Annotated[
        int, typer.Option(min=1, help="Schedules to evaluate, by all workers together.")
    ] = 300
    sampler: Annotated[Sampler, typer.Option(help="How schedules are proposed.")] = "evolutionary"
    population: Annotated[
        int,
        typer.Option(
            min=2,
            help="Schedules of a generation, a quarter of which have children; with fewer trials "
            "than twice as many it is a fifth of the trials, at least 10.",
        ),
    ] = 100
    seed: Seed = 0
    storage: Annotated[
        str | None,
        typer.Option(
            help="Where workers share the study: an Optuna storage URL or journal:FILE. "
            "[default: study.db in --out]"
        ),
    ] = None
    study: Annotated[str, typer.Option(help="Name of the study in the storage.")] = "search"
    out: Annotated[Path, typer.Option(help="Folder for the frontier, its plot and the study.")] = (
        Path("runs/search")
    )
    as_json: JsonFlag = False


@takes_options
def search(options: SearchOptions) -> None:
    """Search for the schedules with the best accuracy at every latency. The same command resumes.

    Run it several times at once with one --storage and --study to share the work, each with an
    --out of its own.
    """
    from sparsevit.search import SearchSettings, search_steps
    from sparsevit.search.plot import draw_frontier
    from sparsevit.training.interrupts import InterruptGuard

    short_side, out = read_size(options.size), options.out
    with report_errors():
        for package in ("optuna", "matplotlib"):  # both are needed in the end
            require(package, "A search", "search")
        settings = SearchSettings(
            trials=options.trials,
            budget=options.budget,
            sampler=options.sampler,
            population=options.population,
            seed=options.seed,
        )
        if out.exists() and not out.is_dir():
            raise NotADirectoryError(f"{out} is a file; --out is a folder.")
        loaded, judge = _load_judge(options, short_side)
        unit = find_unit(judge.metric, loaded.task.name)
        steps = search_steps(
            loaded,
            judge,
            settings,
            storage=options.storage,
            study_name=options.study,
            folder=out,
        )
        with InterruptGuard() as guard, closing(steps), Bar(" step") as bar:
            for progress in steps:
                best, found = progress.best, ""
                if best is not None:
                    found = f"best {unit.say(best.accuracy)} at {best.best_known_ms:.0f} ms"
                bar.show(progress.done, progress.total, progress.phase, found)
                if progress.note:
                    tqdm.write(progress.note)
                if guard.number is not None:
                    break
        result = progress.result
        if result is None:
            assert guard.number is not None
            typer.echo(
                f"Stopped; {len(progress.tried)} schedules are kept. The same command goes on.",
                err=True,
            )
            raise typer.Exit(128 + guard.number)
        (out / "frontier.png").write_bytes(draw_frontier(result, progress.tried))
        if options.as_json:
            typer.echo(json.dumps(result.to_dict(), indent=2))
        else:
            _print(result, out)


def _load_judge(options: SearchOptions, short_side: int | None) -> tuple[LoadedModel, Judge]:
    """The network, and what says how accurate it is: labels, or itself without pruning.

    Raises:
        ModelError: no such network, or one that cannot do the task.
        DataError, ImageError, SearchError: pictures that cannot be used.
        ValueError: both kinds of pictures at once.
    """
    from sparsevit.data.labelled import choose_split, name_data
    from sparsevit.evaluation.headline import name_metric
    from sparsevit.evaluation.sources import open_pictures
    from sparsevit.search import AgreementJudge, LabelledJudge

    if options.images is not None and options.data is not None:
        raise ValueError("Give labelled --data or photos as --images, not both.")
    photos = None if options.images is None else _list_photos(options.images)
    loaded = load(options.model, options.device, seed=options.seed).for_task(options.task)
    are_truth = photos is not None and loaded.task.name == "restoration"
    if photos is not None and not are_truth:
        name = f"photos of {photos[0].parent.name}"
        return loaded, AgreementJudge(loaded, photos, short_side, options.pictures, data_name=name)
    name_metric(loaded.task)  # before anybody looks for truth that would not help
    spec = str(options.images) if are_truth else choose_data(options.data, _DEFAULT_DATA, loaded)
    split: Split = "all" if are_truth else choose_split(spec)
    data = open_pictures(spec, split, task=loaded.task)
    name = " ".join([name_data(spec), *([split] if split != "all" else [])])
    return loaded, LabelledJudge(loaded, data, short_side, options.pictures, data_name=name)


def _list_photos(folder: Path) -> list[Path]:
    from sparsevit.data.pictures import describe_lack, list_pictures
    from sparsevit.search import SearchError

    if not folder.is_dir():
        raise NotADirectoryError(f"There is no folder {folder}; --images is a folder of photos.")
    photos = list_pictures(folder.resolve())
    if not photos:
        raise SearchError(describe_lack(folder))
    return photos


def _print(result: Frontier, out: Path) -> None:
    """A table with a line for every point; the winner is marked."""
    from sparsevit.cli.report import warn_of_doubt
    from sparsevit.search.run import FRONTIER_FILE

    winner = result.winner
    typer.echo(
        f"{result.model} for {result.task}, {result.size[0]}x{result.size[1]}, {result.dtype} on "
        f"{result.device}: "
        f"{result.metric} over {result.pictures} pictures of {result.data}, {result.trials} trials"
    )
    typer.echo(f"   {'ms':>8} {'of dense':>9} {result.metric:>9}  schedule")
    unit = result.unit
    dense = unit.say(result.dense_accuracy)
    typer.echo(f"   {result.dense_ms:8.1f} {1:8.2f}x {dense:>9}  dense")
    for point in result.points:
        if not point.schedule.is_dense:
            latency_ms, accuracy = point.best_known_ms, unit.say(point.accuracy)
            typer.echo(
                f" {'*' if point is winner else ' '} {latency_ms:8.1f} "
                f"{latency_ms / result.dense_ms:8.2f}x {accuracy:>9}  {point.schedule}"
            )
    if winner is None:
        typer.echo(f"As measured, none is within the budget of {result.budget_ms:.1f} ms.")
    else:
        typer.echo(f"Wrote {out / FRONTIER_FILE}; --sparsity takes it and means the one marked *.")
    if result.predictor_error_percent is not None:
        typer.echo(
            f"Predicted latencies were off by {result.predictor_error_percent:.1f} % in the median."
        )
    warn_of_doubt(result.doubt)
