"""The command that measures a network against the truth and against itself without pruning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparsevit.cli.common import (
    Checkpoint,
    Device,
    JsonFlag,
    ModelName,
    load,
    read_sizes,
    report_errors,
    split_schedules,
    takes_options,
    write_json,
)
from sparsevit.cli.progress import Bar
from sparsevit.networks import DEFAULT_MODEL
from sparsevit.package.choices import Split
from sparsevit.package.units import DECIBEL, SHARE, Unit, find_agreement_unit

if TYPE_CHECKING:
    from sparsevit.evaluation.sources import Pictures
    from sparsevit.networks import LoadedModel
    from sparsevit.tasks import Task

#: How the table calls what the JSON holds, where it does not say the same with spaces.
_ROWS = {
    "miou": "mIoU",
    "top1_accuracy": "top-1 accuracy",
    "top5_accuracy": "top-5 accuracy",
    "top1_agreement": "top-1 agreement",
    "top5_overlap": "top-5 overlap",
    "kl": "KL, nats",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "matched_iou": "matched IoU",
    "pq": "PQ",
    "sq": "SQ",
    "rq": "RQ",
    "ap": "AP",
    "ap50": "AP at IoU 0.5",
    "ap75": "AP at IoU 0.75",
    "ap_cars": "AP of cars",
    "nds": "nuScenes score",
    "ate_m": "translation error, m",
    "ase": "scale error",
    "aoe_rad": "orientation error, rad",
    "centre_error_m": "centre error, m",
    "yaw_error_deg": "yaw error, degrees",
    "latency_ms": "latency, ms",
}
_GROUPS = {
    "per_class_iou": "IoU",
    "per_class_pq": "PQ",
    "per_class_ap": "AP",
    "per_distance_ap": "AP within",
    "kitti_3d_ap": "KITTI's 3D AP",
    "kitti_bev_ap": "KITTI's bird's-eye AP",
}
_NUMBERS = {
    **dict.fromkeys(("kl", "ssim", "base_ssim"), ".4f"),
    "latency_ms": ".1f",
    **dict.fromkeys(("ate_m", "aoe_rad", "centre_error_m"), ".2f"),
    "yaw_error_deg": ".1f",
    **{f"{side}_{what}": ".1f" for side in ("dense", "sparse") for what in ("segments", "boxes")},
}


@dataclass(frozen=True)
class EvalOptions:
    """What ``sparsevit eval`` is asked."""

    data: Annotated[
        str | None,
        typer.Option(
            help="camvid:DIR, kitti:DIR, coco:DIR, streets:SEED:COUNT[:HEIGHTxWIDTH], a folder "
            "laid out for the network's task (see docs/accuracy.md), or one of pictures alone. "
            "To a network that restores photos any photo is the truth."
        ),
    ] = None
    images: Annotated[
        str | None,
        typer.Option(
            help="A folder of pictures without truth: agreement with dense alone, but for "
            "restoration, where it is as --data."
        ),
    ] = None
    model: ModelName = DEFAULT_MODEL
    task: Annotated[
        str | None,
        typer.Option(
            help="What to measure, with commas: semantic, instance, boxes3d, restoration, "
            "enhancement or what else the network does. [default: its first task]"
        ),
    ] = None
    sparsity: Annotated[
        str, typer.Option("--sparsity", "-s", help="Schedules, separated by commas.")
    ] = "0,0.3,0.6"
    split: Annotated[
        Split | None,
        typer.Option(help="[default: val where there is one, else all]"),
    ] = None
    size: Annotated[
        str,
        typer.Option(help="Short sides in pixels fed to the network, or 'native'; with commas."),
    ] = "native"
    device: Device = None
    checkpoint: Checkpoint = None
    limit: Annotated[int | None, typer.Option(min=1, help="Measure only so many.")] = None
    latency: Annotated[
        bool, typer.Option("--latency", help="Then time every size and schedule in turn.")
    ] = False
    repeats: Annotated[int, typer.Option(min=1, help="Timed rounds of --latency.")] = 10
    out: Annotated[Path | None, typer.Option(help="Also write the JSON here.")] = None
    as_json: JsonFlag = False


@takes_options
def eval_(options: EvalOptions) -> None:
    """Measure accuracy against the truth of the network's task, and agreement with dense.

    A photo is its own truth for a network that restores photos, which is measured next to what is
    had without one.
    """
    from sparsevit.data.labelled import DataError, choose_split, name_data
    from sparsevit.data.photos import PhotoFolder
    from sparsevit.evaluation import evaluate_sizes
    from sparsevit.evaluation.sources import open_for_tasks
    from sparsevit.schedule import read_schedule

    sizes = read_sizes(options.size)
    texts = split_schedules(options.sparsity)
    data, images, out = options.data, options.images, options.out
    with report_errors():
        spec = data if images is None else images
        if spec is None or (data is not None and images is not None):
            raise DataError("Give pictures with truth as --data or without as --images, not both.")
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            if out.is_dir():
                raise IsADirectoryError(f"{out} is a folder; name a file to write.")
        part: Split = "all" if images is not None else options.split or choose_split(spec)
        loaded = load(options.model, options.device, options.checkpoint)
        asked = options.task or loaded.task.name
        tasks = list(dict.fromkeys(map(str.strip, asked.split(","))))
        views = {task: loaded.for_task(task) for task in tasks}
        opened: list[tuple[Pictures, list[str]]] = (
            [(PhotoFolder(images), tasks)]
            if images is not None
            else open_for_tasks(spec, part, [view.task for view in views.values()])
        )
        reports = []
        for pictures, of_tasks in opened:
            with Bar(" picture") as bar:
                found = evaluate_sizes(
                    loaded,
                    pictures,
                    [read_schedule(text, loaded.depths) for text in texts],
                    sizes,
                    tasks=of_tasks,
                    data_name=name_data(spec),
                    split=part,
                    limit=options.limit,
                    report=bar.show,
                )
            for task in of_tasks:
                own = [report for report in found if report["task"] == task]
                if options.latency:
                    own = _time(own, views[task], pictures, options.repeats)
                reports += own
        reports.sort(key=lambda report: tasks.index(report["task"]))
        if not options.as_json:
            for report in reports:
                _print(report, texts, views[report["task"]].task, has_task=len(tasks) > 1)
        write_json(reports[0] if len(reports) == 1 else reports, out, options.as_json)


def _time(
    reports: list[dict[str, Any]], loaded: LoadedModel, data: Pictures, repeats: int
) -> list[dict[str, Any]]:
    from sparsevit.cli.report import warn_of_doubt
    from sparsevit.evaluation import add_latency
    from sparsevit.measure.latency import WARMUP_RUNS

    rounds = repeats + WARMUP_RUNS
    with Bar(" round") as bar:
        bar.show(0, rounds)
        timed = add_latency(
            reports, loaded, data[0].image, repeats, on_round=lambda done: bar.show(done, rounds)
        )
    warn_of_doubt(next(filter(None, (report["device"]["doubt"] for report in timed)), None))
    return timed


def _print(report: dict[str, Any], schedules: list[str], task: Task, has_task: bool) -> None:
    """A table with a column for each schedule: single numbers first, then those of classes."""
    from sparsevit.tasks.restoration import RestorationTask

    labels = _ROWS
    if isinstance(task, RestorationTask):
        base = task.base_name
        labels = labels | {"base_psnr": f"PSNR of {base}", "base_ssim": f"SSIM of {base}"}
    units = dict.fromkeys(("psnr", "base_psnr"), DECIBEL)
    units["agreement"] = find_agreement_unit(task.name)
    typer.echo(
        f"{report['model']} on {report['data']}, split {report['split']}, "
        f"{report['pictures']} pictures, size {report['size']}"
        + (f", {report['task']}" if has_task else "")
    )
    results = report["results"]
    rows: dict[str, list[str]] = {}
    of_classes: dict[str, list[str]] = {}
    for key, value in results[0].items():
        if key in _GROUPS:
            of_classes |= {
                f"{_GROUPS[key]} {name}": [_write(r[key][name], SHARE) for r in results]
                for name in value
            }
        elif key != "schedule":
            form = _NUMBERS.get(key, units.get(key, SHARE))
            rows[labels.get(key, key.replace("_", " "))] = [_write(r[key], form) for r in results]
    rows |= of_classes
    first = max(map(len, rows))
    rows = {"sparsity": schedules, **rows}
    widths = [max(map(len, column)) for column in zip(*rows.values(), strict=True)]
    for name, cells in rows.items():
        columns = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        typer.echo("  ".join([name.ljust(first), *columns]))
    if "device" in report:
        block = report["device"]
        typer.echo(f"latency on {block['device']}, {block['dtype']}, batch {block['batch']}")


def _write(value: float | None, form: str | Unit) -> str:
    if value is None:
        return "-"
    return form.say(value) if isinstance(form, Unit) else format(value, form)
