"""Two workers of a search, each a process: ``python search_worker.py FOLDER TRIALS``."""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from pathlib import Path

import torch
from search_support import KnownJudge, fake_timer, make_loaded, make_predictor

from sparsevit.search import SearchSettings, predictor, search_steps


def work(folder: Path, name: str, others: str, trials: int) -> None:
    """Search in each kind of storage, beside the other worker."""
    torch.set_num_threads(1)
    predictor.time_interleaved = fake_timer
    make_loaded().module.forward = lambda images: None
    make_loaded()._fixed_macs[64, 64] = 0
    for kind in ("journal", "sqlite"):
        (folder / f"{kind} {name}").touch()
        while not (folder / f"{kind} {others}").exists():  # so that they work at the same time
            time.sleep(0.005)
        start = "journal:" if kind == "journal" else "sqlite:///"
        *_, last = search_steps(
            make_loaded(),
            KnownJudge(log=folder / f"{kind} {name} log"),
            SearchSettings(trials=trials, budget="0.7x", population=10),
            storage=f"{start}{folder / kind}.db",
            predictor=make_predictor(),
        )
        result = last.result.to_dict()
        (folder / f"{kind} {name} result").write_text(json.dumps(result["points"]))


if __name__ == "__main__":
    fork = multiprocessing.get_context("fork")  # what they import is imported once
    folder, trials = Path(sys.argv[1]), int(sys.argv[2])
    workers = [fork.Process(target=work, args=(folder, *names, trials)) for names in ("ab", "ba")]
    for process in workers:
        process.start()
    for process in workers:
        process.join()
    sys.exit(any(process.exitcode for process in workers))
