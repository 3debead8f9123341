"""The command that times one photo from file to overlay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sparsevit.cli.common import (
    Device,
    JsonFlag,
    ModelName,
    TaskName,
    Threads,
    load,
    read_size,
    report_errors,
    write_json,
)
from sparsevit.cli.progress import Bar
from sparsevit.networks import DEFAULT_MODEL


def time_(
    photo: Annotated[Path, typer.Argument(help="The picture.")],
    model: ModelName = DEFAULT_MODEL,
    task: TaskName = None,
    sparsity: Annotated[
        str, typer.Option("--sparsity", "-s", help="The schedule, as 'sparsevit run' takes it.")
    ] = "0.6",
    size: Annotated[
        str, typer.Option(help="Short side in pixels fed to the network, or 'native'.")
    ] = "512",
    device: Device = None,
    repeats: Annotated[int, typer.Option(min=1, help="Timed rounds.")] = 10,
    threads: Threads = None,
    out: Annotated[Path | None, typer.Option(help="Also write the JSON here.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Time a photo from file to overlay, dense and sparse in turn.

    Networks of timm get random weights.
    """
    import torch

    from sparsevit.cli.report import print_photo_bench
    from sparsevit.inspect.end_to_end import time_photo
    from sparsevit.measure.latency import WARMUP_RUNS
    from sparsevit.schedule import read_schedule

    short_side = read_size(size)
    if threads is not None:
        torch.set_num_threads(threads)
    with report_errors():
        loaded = load(model, device, random_weights=True).for_task(task)
        schedule = read_schedule(sparsity, loaded.depths)
        rounds = repeats + WARMUP_RUNS
        with Bar("round") as bar:
            bar.show(0, rounds)
            result = time_photo(
                loaded, photo, schedule, short_side, repeats, lambda done: bar.show(done, rounds)
            )
        write_json(result.to_dict(), out, as_json)
        if not as_json:
            print_photo_bench(result)
