"""What one photo's analysis leaves in a folder: pictures and result.json."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sparsevit.draw.filmstrip import draw_filmstrip
from sparsevit.draw.masks import (
    draw_compute_map,
    draw_pruned_windows,
    draw_score_map,
    make_filmstrip,
    save_picture,
)
from sparsevit.inspect.photo import Analysis
from sparsevit.package.choices import FigureFormat
from sparsevit.tasks.boxes3d import Boxes3DTask
from sparsevit.tasks.restoration import RestorationTask

_VIEW_SIZE = (900, 900)  # pixels of the view from above


def write_analysis(analysis: Analysis, photo: str, folder: Path, note: str = "") -> None:
    """Write a photo's pictures and ``result.json`` into ``folder``.

    Args:
        analysis: what the network did.
        photo: its name.
        folder: made if it is missing.
        note: see :meth:`sparsevit.inspect.photo.Analysis.to_dict`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    task, image, blocks = analysis.task, analysis.prepared.image, list(analysis.blocks)
    for block in blocks:
        stem = f"stage{block.stage + 1}_block{block.block + 1}"
        save_picture(folder / f"{stem}_windows.png", draw_pruned_windows(image, block))
        save_picture(folder / f"{stem}_scores.png", draw_score_map(image, block))
    save_picture(folder / "compute_map.png", draw_compute_map(image, blocks))
    save_picture(folder / "filmstrip.png", make_filmstrip(image, blocks))
    for name, picture in _draw_outputs(analysis).items():
        save_picture(folder / f"{name}.png", picture)
    if isinstance(task, Boxes3DTask):
        above = task.draw_birds_eye(_VIEW_SIZE, analysis.prepared.dense, analysis.sparse)
        save_picture(folder / "birds_eye.png", above)
    text = json.dumps(analysis.to_dict(photo, note), indent=2)
    (folder / "result.json").write_text(text + "\n", encoding="utf-8")


def _draw_outputs(analysis: Analysis) -> dict[str, np.ndarray]:
    """Both outputs by name, and of a restored photo what they are compared with."""
    task, prepared = analysis.task, analysis.prepared
    if isinstance(task, RestorationTask):
        pictures = task.list_pictures(prepared.image, prepared.dense, analysis.sparse)
        return {name.lower(): picture for name, picture in pictures.items()}
    drawn = task.draw_pair(prepared.image, prepared.dense, analysis.sparse)
    return dict(zip(("dense", "sparse"), drawn, strict=True))


def write_filmstrips(analysis: Analysis, folder: Path, format: FigureFormat) -> None:
    """Write figures for a paper: ``filmstrip.FORMAT`` of all blocks, ``stageS_...`` of each stage.

    Args:
        analysis: what the network did.
        folder: where to.
        format: of the files.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    image, blocks = analysis.prepared.image, analysis.blocks
    (folder / f"filmstrip.{format}").write_bytes(draw_filmstrip(image, blocks, format))
    for stage in sorted({block.stage for block in blocks}):
        own = [block for block in blocks if block.stage == stage]
        path = folder / f"stage{stage + 1}_filmstrip.{format}"
        path.write_bytes(draw_filmstrip(image, own, format))
