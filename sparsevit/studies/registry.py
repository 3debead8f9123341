"""Makes the studies: the result of each as a document, and its plot."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any

import torch

import sparsevit
from sparsevit.measure.latency import describe_device
from sparsevit.search import name_network
from sparsevit.studies.adaptation import compare_adaptation
from sparsevit.studies.catalogue import STUDIES, StudyName
from sparsevit.studies.draw import (
    draw_correlations,
    draw_curves,
    draw_dots,
    draw_samplers,
    draw_sensitivity,
)
from sparsevit.studies.resolution import compare_resolutions
from sparsevit.studies.samplers import compare_samplers
from sparsevit.studies.scores import compare_scores
from sparsevit.studies.sensitivity import measure_sensitivity
from sparsevit.studies.subject import Subject
from sparsevit.studies.tokens import compare_tokens
from sparsevit.studies.uniform import compare_with_uniform
from sparsevit.studies.worth import study_worth

#: What measures a subject, taking a study's options by keyword and giving plain data with a
#: "finding"; and what draws the document of :func:`run_study` as PNG.
_FUNCTIONS: dict[StudyName, tuple[Callable[..., dict[str, Any]], Callable[..., bytes]]] = {
    "samplers": (compare_samplers, draw_samplers),
    "uniform": (
        compare_with_uniform,
        partial(draw_curves, axis="latency", title="Searched against uniform schedules"),
    ),
    "resolution": (
        compare_resolutions,
        partial(draw_curves, axis="latency", title="Sparse high against dense low resolution"),
    ),
    "adaptation": (
        compare_adaptation,
        partial(draw_curves, axis="sparsity", title="Adapted against not adapted"),
    ),
    "tokens": (
        compare_tokens,
        partial(draw_curves, axis="latency", title="Windows against tokens, at the sparsity noted"),
    ),
    "scores": (compare_scores, partial(draw_dots, title="What windows are ranked by")),
    "sensitivity": (measure_sensitivity, draw_sensitivity),
    "worth": (study_worth, draw_correlations),
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
        What JSON can hold: ``{study, finding, command, date, model, task, metric, unit, data,
        pictures, size, device, dtype, threads, versions, rows, ...}``, where ``unit`` is that of
        the gains, "points" or "dB", and ``seeds``, ``rounds``,
        ``other_load`` and ``doubt`` where they matter. ``size`` is the (img_h, img_w) of the first
        picture at each size.

    Raises:
        StudyError: the study cannot be made of this subject.
    """
    study = STUDIES[name]
    measure, _ = _FUNCTIONS[name]
    found = measure(subject, **options)
    loaded = subject.loaded
    used: dict[str, Any] = {"seeds": list(subject.seeds), "rounds": subject.rounds}
    return {
        "study": name,
        "finding": found.pop("finding"),
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "model": name_network(loaded.name),
        "task": loaded.task.name,
        "metric": subject.metric,
        "unit": subject.unit.step,
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


def draw_study(name: StudyName, document: dict[str, Any]) -> bytes:
    """PNG of what :func:`run_study` gave."""
    _, draw = _FUNCTIONS[name]
    return draw(document)
