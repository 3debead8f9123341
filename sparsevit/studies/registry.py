"""The studies by name: what each needs, its result as a document, and its plot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import version
from typing import Any, Literal

import torch

import sparsevit
from sparsevit.latency import describe_device
from sparsevit.search import name_network
from sparsevit.studies.adaptation import compare_adaptation
from sparsevit.studies.draw import draw_curves, draw_dots, draw_samplers, draw_sensitivity
from sparsevit.studies.resolution import compare_resolutions
from sparsevit.studies.samplers import compare_samplers
from sparsevit.studies.scores import compare_scores
from sparsevit.studies.sensitivity import measure_sensitivity
from sparsevit.studies.subject import Subject
from sparsevit.studies.tokens import compare_tokens
from sparsevit.studies.uniform import compare_with_uniform

#: Drawn scenes that the shipped network was neither trained nor searched on.
DEFAULT_DATA = "streets:710000:16:512x1024"

_LARGE_DATA = "streets:710000:8:1024x2048"


StudyName = Literal[
    "samplers", "uniform", "resolution", "adaptation", "tokens", "scores", "sensitivity"
]


@dataclass(frozen=True)
class Study:
    """One comparison.

    Attributes:
        summary: what it shows, in a sentence.
        run: measures a subject; takes ``options`` by keyword and gives plain data with a "finding".
        draw: PNG of the document of :func:`run_study`.
        options: keywords of ``run``, and "seeds" and "rounds" where the subject's are used.
        data: labelled pictures, unless told.
        pictures: of them, unless told.
        sizes: short sides in pixels, unless told.
        max_sizes: more make no sense.
    """

    summary: str
    run: Callable[..., dict[str, Any]]
    draw: Callable[[dict[str, Any]], bytes]
    options: tuple[str, ...] = ()
    data: str = DEFAULT_DATA
    pictures: int = 16
    sizes: tuple[int | None, ...] = (None,)
    max_sizes: int = 1


STUDIES: dict[StudyName, Study] = {
    "samplers": Study(
        "Evolutionary against random search at the same number of trials.",
        compare_samplers,
        draw_samplers,
        options=("trials", "budget", "seeds", "rounds"),
        pictures=4,
        sizes=(256,),
    ),
    "uniform": Study(
        "Searched schedules against uniform ones at equal latency.",
        compare_with_uniform,
        partial(draw_curves, axis="latency", title="Searched against uniform schedules"),
        options=("frontier", "rounds"),
    ),
    "resolution": Study(
        "Sparse at high resolution against dense at low resolution at equal latency.",
        compare_resolutions,
        partial(draw_curves, axis="latency", title="Sparse high against dense low resolution"),
        options=("rounds",),
        data=_LARGE_DATA,
        pictures=8,
        sizes=(1024, 768, 640, 512),
        max_sizes=8,
    ),
    "adaptation": Study(
        "A network adapted to sparsity against one that was not.",
        compare_adaptation,
        partial(draw_curves, axis="sparsity", title="Adapted against not adapted"),
        options=("against",),
    ),
    "tokens": Study(
        "Pruning windows against reducing tokens inside every window at equal latency.",
        compare_tokens,
        partial(draw_curves, axis="latency", title="Windows against tokens, at the sparsity noted"),
        options=("against", "rounds"),
    ),
    "scores": Study(
        "L2 magnitude against other scores of windows.",
        compare_scores,
        partial(draw_dots, title="What windows are ranked by"),
        options=("seeds",),
        max_sizes=2,
    ),
    "sensitivity": Study(
        "Accuracy when one pair of blocks alone is pruned.", measure_sensitivity, draw_sensitivity
    ),
}


def run_study(
    name: StudyName, subject: Subject, data_name: str, command: str, **options: Any
) -> dict[str, Any]:
    """Make a study.

    Args:
        name: one of ``STUDIES``.
        subject: network and pictures.
        data_name: the pictures in words.
        command: what repeats it.
        options: those that the study takes, but for the subject's own.

    Returns:
        What JSON can hold: ``{study, finding, command, date, model, data, pictures, size, device,
        dtype, threads, versions, rows, ...}`` and ``seeds``, ``rounds``, ``other_load`` and
        ``doubt`` where they matter. ``size`` is the (img_h, img_w) of the first picture at each
        size.

    Raises:
        StudyError: the study cannot be made of this subject.
    """
    study = STUDIES[name]
    found = study.run(subject, **options)
    loaded = subject.loaded
    used: dict[str, Any] = {"seeds": list(subject.seeds), "rounds": subject.rounds}
    return {
        "study": name,
        "finding": found.pop("finding"),
        "command": command,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "model": name_network(loaded.name),
        "data": data_name,
        "pictures": subject.pictures,
        "size": [list(subject.find_input_size(side)) for side in subject.short_sides],
        "device": describe_device(loaded.device),
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "versions": {
            "sparsevit": sparsevit.__version__,
            **{package: version(package) for package in ("torch", "timm")},
        },
        **{key: value for key, value in used.items() if key in study.options},
        **found,
    }
