"""The command that makes one of the paper's comparisons."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from sparsevit.cli.common import (
    Device,
    JsonFlag,
    ModelName,
    TaskName,
    choose_data,
    load,
    read_sizes,
    report_errors,
    takes_options,
)
from sparsevit.cli.progress import Bar
from sparsevit.networks import DEFAULT_MODEL
from sparsevit.package.extras import require
from sparsevit.package.units import find_unit
from sparsevit.studies.catalogue import STUDIES, Study, StudyName

_ROUNDS = 10
_SEEDS = "0,1,2"

#: Options that not every study has: the subject's, and those of the study's function.
_OF_SUBJECT = ("rounds", "seeds")
_OF_FUNCTION = ("trials", "budget", "frontier", "against")


@dataclass(frozen=True)
class StudyOptions:
    """What ``sparsevit study`` is asked."""

    name: Annotated[
        StudyName,
        typer.Argument(
            help=" ".join(f"{name}: {study.summary}" for name, study in STUDIES.items()),
            show_choices=False,
        ),
    ]
    model: ModelName = DEFAULT_MODEL
    task: TaskName = None
    data: Annotated[
        str | None,
        typer.Option(
            help="Pictures with the truth of the task: camvid:DIR, "
            "streets:SEED:COUNT[:HEIGHTxWIDTH], or a folder that 'sparsevit eval' takes; for "
            "restoration a folder of photos. "
            "By default drawn scenes that nothing was trained on."
        ),
    ] = None
    size: Annotated[
        str | None,
        typer.Option(
            help="Short sides in pixels fed to the network, or 'native'; with commas. "
            "Scores takes a second one, at which grids are padded."
        ),
    ] = None
    pictures: Annotated[
        int | None, typer.Option(min=2, help="How many, spread over the data; 4 to 16 by default.")
    ] = None
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Timed rounds, where latency counts; 10 by default.")
    ] = None
    seeds: Annotated[
        str | None, typer.Option(help="Of samplers and scores, with commas; 0,1,2 by default.")
    ] = None
    trials: Annotated[
        int | None,
        typer.Option(min=2, help="Of samplers: schedules of each search; 150 by default."),
    ] = None
    budget: Annotated[
        str | None,
        typer.Option(help="Of samplers: latency such as 120ms or, by default, 0.6x of dense."),
    ] = None
    frontier: Annotated[
        Path | None,
        typer.Option(help="Of uniform: a file of 'sparsevit search', by default the shipped one."),
    ] = None
    against: Annotated[
        Path | None,
        typer.Option(
            help="Of adaptation: the .safetensors that was not adapted; of tokens: of a narrower "
            "network."
        ),
    ] = None
    device: Device = None
    out: Annotated[Path, typer.Option(help="Folder for study-NAME.json and study-NAME.png.")] = (
        Path(".")
    )
    as_json: JsonFlag = False


@takes_options
def study(options: StudyOptions) -> None:
    """Make one of the paper's comparisons: a finding, a plot and the figures as JSON."""
    from sparsevit.cli.report import warn_of_doubt
    from sparsevit.data.labelled import choose_split, name_data
    from sparsevit.evaluation.sources import open_pictures
    from sparsevit.studies.registry import draw_study, run_study
    from sparsevit.studies.subject import make_subject, refuse_others

    name = options.name
    chosen = STUDIES[name]
    sizes = chosen.sizes if options.size is None else tuple(read_sizes(options.size))
    given = {
        key: value
        for key in (*_OF_SUBJECT, *_OF_FUNCTION)
        if (value := getattr(options, key)) is not None
    }
    with report_errors():
        require("matplotlib", "A study's plot", "search")
        _check_options(name, chosen, given, len(sizes))
        options.out.mkdir(parents=True, exist_ok=True)
        # No download: timm has no network of ours.
        loaded = load(options.model, options.device, random_weights=True)
        refuse_others(loaded)
        loaded = loaded.for_task(options.task)
        spec = choose_data(options.data, chosen.data, loaded)
        with Bar(" step") as bar:
            subject = make_subject(
                loaded,
                open_pictures(spec, choose_split(spec), task=loaded.task),
                pictures=options.pictures or chosen.pictures,
                short_sides=sizes,
                rounds=options.rounds or _ROUNDS,
                seeds=_read_seeds(options.seeds or _SEEDS),
                report=lambda phase, done, total: bar.show(done, total, phase),
            )
            own = {key: value for key, value in given.items() if key in _OF_FUNCTION}
            document = run_study(name, subject, name_data(spec), _describe_command(options), **own)
        text = json.dumps(document, indent=2)
        paths = [options.out / f"study-{name}.json", options.out / f"study-{name}.png"]
        paths[0].write_text(text + "\n", encoding="utf-8")
        paths[1].write_bytes(draw_study(name, document))
    warn_of_doubt(document.get("doubt"))
    if options.as_json:
        typer.echo(text)
        return
    _print(document)
    typer.echo(f"Wrote {paths[0]} and {paths[1].name}")


def _check_options(name: StudyName, chosen: Study, given: dict[str, Any], num_sizes: int) -> None:
    """Refuse what would be ignored, and ask for what is missing.

    Raises:
        StudyError: an option that the study does not have or needs.
    """
    from sparsevit.studies.subject import StudyError

    foreign = [f"--{key}" for key in given if key not in chosen.options]
    if foreign:
        raise StudyError(f"The study {name} has no {', '.join(foreign)}.")
    if num_sizes > chosen.max_sizes:
        raise StudyError(f"The study {name} takes {chosen.max_sizes} --size, not {num_sizes}.")
    if name == "adaptation" and "against" not in given:
        raise StudyError("Name the network before it was adapted: --against FILE.safetensors.")


def _read_seeds(text: str) -> tuple[int, ...]:
    from sparsevit.studies.subject import StudyError

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise StudyError(f"--seeds takes whole numbers with commas, not {text!r}.")
    return tuple(dict.fromkeys(map(int, parts)))


def _describe_command(options: StudyOptions) -> str:
    """What repeats the study, without the places files lie at."""
    from sparsevit.data.labelled import name_data

    words = ["sparsevit", "study", options.name]
    for key in ("model", "task", "data", "size", "pictures", *_OF_SUBJECT, *_OF_FUNCTION):
        value = getattr(options, key)
        if value is not None:
            is_file = isinstance(value, Path) or str(value).endswith(".safetensors")
            short = name_data(value) if key == "data" else value
            words += [f"--{key}", Path(value).name if is_file else str(short)]
    return shlex.join(words)


def _print(document: dict[str, Any]) -> None:
    """The rows as a table, and the finding."""
    sizes = ", ".join(f"{height}x{width}" for height, width in document["size"])
    typer.echo(
        f"{document['model']} for {document['task']} on {document['pictures']} pictures of "
        f"{document['data']}, at {sizes}: {document['metric']}"
    )
    rows, unit = document["rows"], find_unit(document["metric"])
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        accuracy = "-" if row["accuracy"] is None else unit.say(row["accuracy"], digits=2)
        cells = [row["name"].ljust(width), accuracy.rjust(10)]
        if "latency_ms" in row:
            cells.append(f"{row['latency_ms']:9.1f} ms")
        typer.echo("".join(cells))
    if "other_load" in document:
        typer.echo(f"latency on {document['device']}, {document['dtype']}, batch 1")
    typer.echo(document["finding"])
