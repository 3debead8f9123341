"""The command that searches for layerwise sparsities."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from sparsevit.cli.common import (
    Device,
    JsonFlag,
    ModelName,
    Seed,
    load,
    name_data,
    read_size,
    report_errors,
)
from sparsevit.networks import DEFAULT_MODEL, ModelError
from sparsevit.package.choices import Sampler
from sparsevit.package.extras import require

if TYPE_CHECKING:
    from sparsevit.networks import LoadedModel
    from sparsevit.search import Frontier, Judge, LabelledJudge, SearchProgress

#: Scenes that no network of ours was trained on.
_DEFAULT_DATA = "streets:700000:64:512x1024"


def search(
    model: ModelName = DEFAULT_MODEL,
    data: Annotated[
        str | None,
        typer.Option(
            help="Labelled pictures: camvid:DIR, streets:SEED:COUNT[:HEIGHTxWIDTH], or a folder "
            f"of images/ + labels/. [default: {_DEFAULT_DATA}]"
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="A folder of photos instead: accuracy is agreement with dense."),
    ] = None,
    size: Annotated[
        str, typer.Option(help="Short side in pixels fed to the network, or 'native'.")
    ] = "native",
    pictures: Annotated[
        int,
        typer.Option(min=1, help="Evaluate on so many; the finalists on up to 4 times as many."),
    ] = 16,
    device: Device = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Latency not to exceed: 0.6x (of dense), 120ms. [default: none]"),
    ] = None,
    trials: Annotated[
        int, typer.Option(min=1, help="Schedules to evaluate, by all workers together.")
    ] = 300,
    sampler: Annotated[Sampler, typer.Option(help="How schedules are proposed.")] = "evolutionary",
    population: Annotated[
        int,
        typer.Option(
            min=2,
            help="Schedules of a generation, a quarter of which have children; with fewer trials "
            "than twice as many it is a fifth of the trials, at least 10.",
        ),
    ] = 100,
    seed: Seed = 0,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Where workers share the study: an Optuna storage URL or journal:FILE. "
            "[default: study.db in --out]"
        ),
    ] = None,
    study: Annotated[str, typer.Option(help="Name of the study in the storage.")] = "search",
    out: Annotated[
        Path, typer.Option(help="Folder for the frontier, its plot and the study.")
    ] = Path("runs/search"),
    as_json: JsonFlag = False,
) -> None:
    """Search for the schedules with the best accuracy at every latency. The same command resumes.

    Run it several times at once with one --storage and --study to share the work, each with an
    --out of its own.
    """
    from sparsevit.search import AgreementJudge, SearchSettings, search_steps
    from sparsevit.search.plot import draw_frontier
    from sparsevit.training.interrupts import InterruptGuard

    short_side = read_size(size)
    with report_errors():
        for package in ("optuna", "matplotlib"):  # both are needed in the end
            require(package, "A search", "search")
        settings = SearchSettings(
            trials=trials, budget=budget, sampler=sampler, population=population, seed=seed
        )
        if out.exists() and not out.is_dir():
            raise NotADirectoryError(f"{out} is a file; --out is a folder.")
        if images is not None and data is not None:
            raise ValueError("Give labelled --data or photos as --images, not both.")
        photos = None if images is None else _list_photos(images)
        loaded = load(model, device, None, False, seed)
        judge: Judge
        if photos is not None:
            name = f"photos of {photos[0].parent.name}"
            judge = AgreementJudge(loaded, photos, short_side, pictures, data_name=name)
        else:
            judge = _judge_by_labels(loaded, data or _DEFAULT_DATA, short_side, pictures)
        steps = search_steps(loaded, judge, settings, storage=storage, study_name=study, folder=out)
        with InterruptGuard() as guard, closing(steps), _Bar() as bar:
            for progress in steps:
                bar.show(progress)
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
        if as_json:
            typer.echo(json.dumps(result.to_dict(), indent=2))
        else:
            _print(result, out)


class _Bar:
    """A progress bar for every phase, with the best so far."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._phase = ""

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, progress: SearchProgress) -> None:
        if self._bar is None or self._phase != progress.phase:
            self.__exit__()
            self._phase = progress.phase
            self._bar = tqdm(desc=progress.phase, unit=" step", initial=progress.done)
        self._bar.total = progress.total
        if progress.best is not None:
            text = f"best {progress.best.accuracy:.1%} at {progress.best.best_known_ms:.0f} ms"
            self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(progress.done - self._bar.n)
        if progress.note:
            tqdm.write(progress.note)


def _judge_by_labels(
    loaded: LoadedModel, data: str, short_side: int | None, pictures: int
) -> LabelledJudge:
    from sparsevit.data.labelled import choose_split, open_data
    from sparsevit.networks.segmenter import Segmenter
    from sparsevit.search import LabelledJudge

    if not isinstance(loaded.module, Segmenter):
        raise ModelError(
            f"{loaded.name} is no segmenter, so labels say nothing of it; give photos as --images."
        )
    split = choose_split(data)
    opened = open_data(data, split, class_names=loaded.module.config.class_names)
    name = " ".join([name_data(data), *([split] if split != "all" else [])])
    return LabelledJudge(loaded.module, opened, short_side, pictures, data_name=name)


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
        f"{result.model}, {result.size[0]}x{result.size[1]}, {result.dtype} on {result.device}: "
        f"{result.metric} over {result.pictures} pictures of {result.data}, {result.trials} trials"
    )
    typer.echo(f"   {'ms':>8} {'of dense':>9} {result.metric:>9}  schedule")
    typer.echo(f"   {result.dense_ms:8.1f} {1:8.2f}x {result.dense_accuracy:9.1%}  dense")
    for point in result.points:
        if not point.schedule.is_dense:
            latency_ms = point.best_known_ms
            typer.echo(
                f" {'*' if point is winner else ' '} {latency_ms:8.1f} "
                f"{latency_ms / result.dense_ms:8.2f}x {point.accuracy:9.1%}  {point.schedule}"
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
