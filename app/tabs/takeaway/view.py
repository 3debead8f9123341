"""The tab Take away: the result as JSON, Python, a zip of pictures, a figure."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from app.engine.records import Result
from sparsevit.draw.filmstrip import draw_filmstrip
from sparsevit.inspect.files import write_analysis
from sparsevit.package.choices import FigureFormat
from sparsevit.schedule import ScheduleError


def make_json(result: Result) -> str:
    """The result as ``result.json`` of the command line."""
    text = json.dumps(result.to_dict(), indent=2)
    return re.sub(r"\[[^\[\]{}]*\]", lambda match: " ".join(match[0].split()), text)


def make_snippet(result: Result) -> str:
    """Python that computes this result again."""
    settings, analysis = result.settings, result.analysis
    camera, seed = analysis.prepared.camera, analysis.random_seed
    has_boxes = result.task.name == "boxes3d"
    photo = result.photo.path.name
    files = [
        analysis.model if analysis.model != settings.model else "",
        analysis.checkpoint or "",
        photo,
    ]
    is_known = result.task.name == "restoration"  # the original of every photo
    network = [
        repr(analysis.model),
        "" if analysis.checkpoint is None else f"checkpoint={analysis.checkpoint!r}",
        "" if seed is None else f"random_weights=True, seed={seed}",
        "" if settings.task is None else f"task={settings.task!r}",
    ]
    head = [
        f"# Run this where these files lie: {', '.join(map(repr, filter(None, files)))}",
        "from sparsevit import sparsify" if analysis.rescore else "",
        "from sparsevit.data.boxes import Intrinsics" if has_boxes else "",
        "from sparsevit.data.focal import PhotoCamera" if has_boxes else "",
        "from sparsevit.data.reader import load_image",
        "from sparsevit.evaluation.restoration_scorer import score_restored" if is_known else "",
        "from sparsevit.inspect.painted import Painted" if settings.painted else "",
        "from sparsevit.inspect.photo import analyze, measure, prepare_image",
        "from sparsevit.networks import load_model",
    ]
    body = [
        f"loaded = load_model({', '.join(filter(None, network))})",
        "sparsify(loaded.module, rescore=True)  # unlinked: every block scores its windows anew"
        if analysis.rescore
        else "",
        f"photo = load_image({photo!r})",
        f"camera = {camera}" if has_boxes else "",
        f"prepared = prepare_image(loaded, photo, short_side={settings.short_side}"
        f"{', camera=camera' if has_boxes else ''})",
        *(
            ["painted = [  # windows kept and skipped by hand, see sparsevit.rank_by"]
            + [f"    {entry}," for entry in settings.painted]
            + ["]"]
            if settings.painted
            else []
        ),
        f"analysis = analyze(loaded, prepared, {settings.schedule}"
        f"{', painted' if settings.painted else ''})",
        "print(analysis.agreement, measure(loaded, analysis).latency.speedup)",
        "print(score_restored(loaded.task, photo, prepared.dense, analysis.sparse))"
        if is_known
        else "",
    ]
    return "\n".join([*filter(None, head), "", *filter(None, body)]) + "\n"


def write_zip(result: Result, folder: Path) -> Path:
    """Write every mask and figure, ``result.json`` and ``again.py`` into one file.

    Args:
        result: what to take away.
        folder: where to, private to the user.
    """
    pictures = folder / "pictures"
    write_analysis(result.analysis, result.photo.path.name, pictures, result.note)
    (pictures / "again.py").write_text(make_snippet(result), encoding="utf-8")
    path = folder / f"sparsevit-{result.photo.path.stem}.zip"
    with zipfile.ZipFile(path, "w") as archive:  # PNG does not shrink further
        for file in sorted(pictures.iterdir()):
            archive.write(file, file.name)
            file.unlink()
    return path


def list_stages(depths: Sequence[int]) -> list[tuple[str, int]]:
    """The choices of what a filmstrip shows: words, and the stage from 1, 0 for all blocks.

    Args:
        depths: blocks per stage.
    """
    stages = ((f"Filmstrip of stage {stage}", stage) for stage in range(1, len(depths) + 1))
    return [("Filmstrip of all blocks", 0), *stages]


def make_filmstrip(result: Result, stage: int, format: FigureFormat) -> bytes:
    """What blocks skipped, as a figure for a paper.

    Args:
        result: what to draw.
        stage: its number from 1; 0 for all blocks.
        format: of the file.

    Raises:
        ScheduleError: no such stage.
    """
    if not 0 <= stage <= len(result.depths):
        raise ScheduleError(f"stage must be 0 to {len(result.depths)}, got {stage}.")
    blocks = [block for block in result.analysis.blocks if stage in (0, block.stage + 1)]
    return draw_filmstrip(result.analysis.prepared.image, blocks, format)


def name_filmstrip(result: Result, stage: int, format: FigureFormat) -> str:
    """Of the file."""
    part = f"stage{stage}" if stage else "blocks"
    return f"sparsevit-{result.photo.path.stem}-{part}.{format}"
