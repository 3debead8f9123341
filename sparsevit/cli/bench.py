"""The command that measures the speed of a network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from sparsevit.cli.common import (
    Device,
    JsonFlag,
    ModelName,
    Seed,
    TaskName,
    Threads,
    load,
    report_errors,
    split_schedules,
    takes_options,
    write_json,
)
from sparsevit.cli.progress import Bar
from sparsevit.package.extras import require


@dataclass(frozen=True)
class BenchOptions:
    """What ``sparsevit bench`` is asked."""

    model: ModelName = "swin_tiny_patch4_window7_224"
    task: TaskName = None
    size: Annotated[str, typer.Option(help="Sides of the square input in pixels, with commas.")] = (
        "672"
    )
    batch: Annotated[str, typer.Option(help="Images at once, with commas.")] = "1"
    sparsity: Annotated[
        str, typer.Option("--sparsity", "-s", help="Schedules, separated by commas.")
    ] = "0,0.6,paper-42ms,paper-35ms,paper-33ms"
    dtype: Annotated[str, typer.Option(help="fp32, fp16 or bf16.")] = "fp32"
    device: Device = None
    repeats: Annotated[int, typer.Option(min=1, help="Timed rounds.")] = 10
    threads: Threads = None
    compile_host: Annotated[
        bool,
        typer.Option(
            "--compile", help="Also time the host compiled, and ours but for the stages; minutes."
        ),
    ] = False
    profile: Annotated[
        bool, typer.Option(help="Also show the time of every stage and operator.")
    ] = False
    seed: Seed = 0
    out: Annotated[Path | None, typer.Option(help="Also write the JSON here.")] = None
    plot: Annotated[Path | None, typer.Option(help="Also draw it, as PNG.")] = None
    compare: Annotated[
        Path | None, typer.Option(help="Show the change since this JSON of an earlier run.")
    ] = None
    as_json: JsonFlag = False


@takes_options
def bench(options: BenchOptions) -> None:
    """Time every dense form and every schedule in turn; timm networks get random weights."""
    import torch

    from sparsevit.cli.report import print_bench, print_changes
    from sparsevit.draw.curves import draw_bench
    from sparsevit.measure.bench import BenchSettings, run_bench
    from sparsevit.measure.bench_report import compare_reports

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    with report_errors():
        if options.plot is not None:
            require("matplotlib", "--plot", "train")
        before = None if options.compare is None else _read_json(options.compare)
        name = options.model
        loaded = load(name, options.device, random_weights=True, seed=options.seed)
        loaded = loaded.for_task(options.task)
        settings = BenchSettings(
            sizes=_read_numbers("size", options.size),
            batches=_read_numbers("batch", options.batch),
            sparsities=split_schedules(options.sparsity),
            dtype=options.dtype,
            device=str(loaded.device),
            repeats=options.repeats,
            compile_host=options.compile_host,
            with_ops=options.profile,
            seed=options.seed,
        )
        with Bar("round") as bar:
            bar.show(0, settings.rounds)
            report = run_bench(
                name,
                loaded.module,
                settings,
                on_round=lambda done: bar.show(done, settings.rounds),
                task=loaded.task.name,
            )
        write_json(report.to_dict(), options.out, options.as_json)
        if options.plot is not None:
            options.plot.parent.mkdir(parents=True, exist_ok=True)
            options.plot.write_bytes(draw_bench(report.to_dict()))
        if not options.as_json:
            print_bench(report, with_profile=options.profile)
        if before is not None:
            changes, differing = compare_reports(report, before)
            print_changes(changes, differing)


def _read_numbers(what: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(f"--{what} takes whole numbers with commas, not {text!r}.") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON of 'sparsevit bench --out'.") from error
