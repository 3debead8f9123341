"""The command that trains a network of ours."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparsevit.cli.common import Device, JsonFlag, Seed, report_errors, takes_options
from sparsevit.networks.restorer_config import Degradation
from sparsevit.package.choices import Precision, Score, TrainTask

if TYPE_CHECKING:
    from sparsevit.networks.checkpoint import OwnConfig
    from sparsevit.training import Progress, TrainConfig

_MINUTES = 50.0
_DEGRADATIONS: dict[str, Degradation] = {"sr": "shrink", "jpeg": "jpeg"}
_SCALES, _PHOTO_SCALES = "0.5,2.5", "0.3,1"


@dataclass(frozen=True)
class TrainOptions:
    """What ``sparsevit train`` is asked."""

    data: Annotated[
        list[str],
        typer.Option(
            help="camvid:DIR, kitti:DIR, coco:DIR, streets:SEED:COUNT[:HxW] or a folder; add "
            "=SHARE, e.g. '=0.8'."
        ),
    ]
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, log and resume state.")]
    task: Annotated[
        TrainTask,
        typer.Option(
            help="segment: from labelled pictures; sr and jpeg: from a folder of photos, to double "
            "their size or to undo JPEG."
        ),
    ] = "segment"
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="nano or tiny, of restorers narrow, light or wide; or a checkpoint to start from. "
            "[default: nano, or light]",
        ),
    ] = None
    classes: Annotated[
        str | None, typer.Option(help="Names, separated by commas, for a folder that says none.")
    ] = None
    minutes: Annotated[
        float | None, typer.Option(help=f"Length of the run. [default: {_MINUTES:g}]")
    ] = None
    steps: Annotated[int | None, typer.Option(help="Length in steps instead.")] = None
    holdout: Annotated[
        list[str] | None, typer.Option(help="Sequences never trained on. [default: the data's]")
    ] = None
    learning_rate: Annotated[float, typer.Option(help="The largest of the run.")] = 1e-3
    crop: Annotated[
        str,
        typer.Option(
            help="Side of the crops, pixels, in the second half 1.5 times that; or HEIGHTxWIDTH of "
            "all of them."
        ),
    ] = "256"
    scales: Annotated[
        str | None,
        typer.Option(
            help="Smallest and largest factor by which a picture is resized first. "
            "[default: 0.5,2.5, of photos 0.3,1]"
        ),
    ] = None
    batch_size: Annotated[
        int, typer.Option(help="Crops a step and process; in the second half half as many.")
    ] = 8
    adaptation: Annotated[float, typer.Option(help="Share of the run under random schedules.")] = (
        0.3
    )
    score: Annotated[
        Score | None,
        typer.Option(help="What windows are ranked by, kept with the network. [default: its own]"),
    ] = None
    distillation: Annotated[
        float, typer.Option(help="Share of those steps that also learn from a dense forward.")
    ] = 0.0
    loss_weights: Annotated[
        str | None,
        typer.Option(help="Of losses, e.g. centres=1,boxes=0.5; classes and offsets are others."),
    ] = None
    finetune_schedule: Annotated[
        str | None, typer.Option(help="End the run under this one schedule.")
    ] = None
    finetune: Annotated[float, typer.Option(help="Share of the run for that.")] = 0.1
    precision: Annotated[
        Precision | None, typer.Option(help="[default: bf16 on a GPU, else fp32]")
    ] = None
    device: Device = None
    validate: Annotated[
        float, typer.Option(help="Share of the run between measurements of the mIoU; 0: none.")
    ] = 0.05
    seed: Seed = 0
    as_json: JsonFlag = False


@takes_options
def train_(options: TrainOptions) -> None:
    """Train a network: dense, then sparsity-aware. The same command resumes."""
    from sparsevit.networks.checkpoint import read_info
    from sparsevit.training import Interrupted, leave_ranks, train
    from sparsevit.training.ranks import is_main_rank

    measured: list[float | None] = [None]

    def remember(progress: Progress) -> None:
        if progress.accuracy is not None:
            measured.append(progress.accuracy)

    try:
        with report_errors():
            config = _make_config(options)
            path = train(config, remember)
    except Interrupted as stop:
        if is_main_rank():
            typer.echo(str(stop), err=True)
        raise typer.Exit(128 + stop.number) from stop
    finally:
        leave_ranks()
    if is_main_rank():
        result = {"checkpoint": str(path), **read_info(path), config.metric: measured[-1]}
        typer.echo(json.dumps(result) if options.as_json else f"Wrote {path}")


def _make_config(options: TrainOptions) -> TrainConfig:
    """The run that is asked for.

    Raises:
        DataError: data that cannot be read.
        CheckpointError: no such network.
        ScheduleError: a schedule that the network cannot have.
        TrainingError: options that do not go together, or a value out of range.
    """
    from sparsevit.schedule import read_schedule
    from sparsevit.training import TrainConfig, TrainingError, choose_network, make_phases
    from sparsevit.training.networks import choose_restorer, find_targets

    if options.minutes is not None and options.steps is not None:
        raise TrainingError("Give the length as --minutes or as --steps, not both.")
    specs = tuple(_split_share(spec) for spec in options.data)
    classes = options.classes
    names = None if classes is None else [name.strip() for name in classes.split(",")]
    network: OwnConfig
    if options.task == "segment":
        targets = find_targets([spec for spec, _ in specs], names)
        network, start = choose_network(options.model or "nano", *targets)
    else:
        network, start = choose_restorer(options.model or "light", _DEGRADATIONS[options.task])
    if options.score is not None:
        network = replace(network, score=options.score)
    default_scales = _SCALES if options.task == "segment" else _PHOTO_SCALES
    schedule = None
    if options.finetune_schedule is not None:
        schedule = read_schedule(options.finetune_schedule, network.depths)
    return TrainConfig(
        output=options.out,
        data=specs,
        holdout=tuple(options.holdout) if options.holdout else None,
        minutes=_MINUTES if options.minutes is None else options.minutes,
        steps=options.steps,
        model=network,
        start=start,
        phases=make_phases(
            _parse_crop(options.crop),
            options.batch_size,
            _parse_scales(options.scales or default_scales),
        ),
        learning_rate=options.learning_rate,
        adaptation=options.adaptation,
        distillation=options.distillation,
        loss_weights=_parse_weights(options.loss_weights),
        finetune=options.finetune,
        finetune_schedule=schedule,
        seed=options.seed,
        precision=options.precision,
        device=options.device,
        validate=options.validate,
    )


def _parse_crop(text: str) -> int | tuple[int, int]:
    from sparsevit.training import TrainingError

    sides = text.split("x")
    if not 1 <= len(sides) <= 2 or not all(side.isdecimal() for side in sides):
        raise TrainingError(f"A crop is a side, such as 256, or HEIGHTxWIDTH, not {text!r}.")
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def _parse_scales(text: str) -> tuple[float, float]:
    from sparsevit.training import TrainingError

    try:
        smallest, largest = map(float, text.split(","))
    except ValueError as error:
        raise TrainingError(f"Scales are two numbers, such as 0.5,2.5, not {text!r}.") from error
    return smallest, largest


def _parse_weights(text: str | None) -> tuple[tuple[str, float], ...]:
    from sparsevit.training import TrainingError

    try:
        pairs = [part.split("=") for part in text.split(",")] if text else []
        return tuple((name.strip(), float(weight)) for name, weight in pairs)
    except ValueError as error:
        raise TrainingError(
            f"Weights of losses are written like centres=1,boxes=0.5, not {text!r}."
        ) from error


def _split_share(spec: str) -> tuple[str, float]:
    from sparsevit.data.labelled import DataError

    name, mark, share = spec.rpartition("=")
    if not mark or Path(spec).exists():
        return spec, 1.0
    try:
        return name, float(share)
    except ValueError as error:
        raise DataError(f"The share after '=' in {spec!r} is not a number.") from error
