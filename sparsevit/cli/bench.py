"""The command that measures the speed of a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sparsevit.cli.common import (
    Device,
    JsonFlag,
    ModelName,
    Seed,
    Threads,
    load,
    report_errors,
    split_schedules,
    write_json,
)
from sparsevit.package.extras import require


def bench(
    model: ModelName = "swin_tiny_patch4_window7_224",
    size: Annotated[
        str, typer.Option(help="Sides of the square input in pixels, with commas.")
    ] = "672",
    batch: Annotated[str, typer.Option(help="Images at once, with commas.")] = "1",
    sparsity: Annotated[
        str, typer.Option("--sparsity", "-s", help="Schedules, separated by commas.")
    ] = "0,0.6,paper-42ms,paper-35ms,paper-33ms",
    dtype: Annotated[str, typer.Option(help="fp32, fp16 or bf16.")] = "fp32",
    device: Device = None,
    repeats: Annotated[int, typer.Option(min=1, help="Timed rounds.")] = 10,
    threads: Threads = None,
    compile_host: Annotated[
        bool,
        typer.Option(
            "--compile", help="Also time the host compiled, and ours but for the stages; minutes."
        ),
    ] = False,
    profile: Annotated[
        bool, typer.Option(help="Also show the time of every stage and operator.")
    ] = False,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Also write the JSON here.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw it, as PNG.")] = None,
    compare: Annotated[
        Path | None, typer.Option(help="Show the change since this JSON of an earlier run.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Time every dense form and every schedule in turn; timm networks get random weights."""
    import torch
    from tqdm import tqdm

    from sparsevit.cli.report import print_bench, print_changes
    from sparsevit.draw.curves import draw_bench
    from sparsevit.measure.bench import compare_reports, run_bench
    from sparsevit.measure.latency import WARMUP_RUNS

    if threads is not None:
        torch.set_num_threads(threads)
    with report_errors():
        if plot is not None:
            require("matplotlib", "--plot", "train")
        before = None if compare is None else _read_json(compare)
        loaded = load(model, device, None, not model.endswith(".safetensors"), seed)
        sizes, batches = _read_numbers("size", size), _read_numbers("batch", batch)
        bar = tqdm(total=(repeats + WARMUP_RUNS) * len(sizes) * len(batches), unit="round")
        report = run_bench(
            model,
            loaded.module,
            sizes=sizes,
            batches=batches,
            sparsities=split_schedules(sparsity),
            dtype=dtype,
            device=str(loaded.device),
            repeats=repeats,
            compile_host=compile_host,
            with_ops=profile,
            seed=seed,
            on_round=lambda done: bar.update(done - bar.n),
        )
        bar.close()
        write_json(report.to_dict(), out, as_json)
        if plot is not None:
            plot.parent.mkdir(parents=True, exist_ok=True)
            plot.write_bytes(draw_bench(report.to_dict()))
        if not as_json:
            print_bench(report, with_profile=profile)
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
