"""The tab Take away: the result as JSON, Python, and a zip of pictures."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from app.engine.records import Result, Settings
from sparsevit.inspect.files import write_analysis


def make_json(result: Result) -> str:
    """The result as ``result.json`` of the command line."""
    text = json.dumps(result.to_dict(), indent=2)
    return re.sub(r"\[[^\[\]{}]*\]", lambda match: " ".join(match[0].split()), text)


def make_snippet(result: Result) -> str:
    """Python that computes this result again."""
    settings = result.settings
    lines = [
        "from sparsevit import sparsify" if not settings.linked else "",
        "from sparsevit.inspect.photo import analyze, measure, prepare_image",
        "from sparsevit.data.reader import load_image",
        "from sparsevit.networks import load_model",
        "",
        f"loaded = load_model({settings.model!r}{_name_task(settings)})",
        "sparsify(loaded.module, rescore=True)  # unlinked: every block scores its windows anew"
        if not settings.linked
        else "",
        f"photo = load_image({result.photo.path.name!r})",
        f"prepared = prepare_image(loaded, photo, short_side={settings.short_side})",
        f"analysis = analyze(loaded, prepared, {settings.schedule})",
        "print(analysis.agreement, measure(loaded, analysis).latency.speedup)",
    ]
    head = [line for line in lines[:4] if line]
    body = [line for line in lines[5:] if line]
    return "\n".join([*head, "", *body]) + "\n"


def _name_task(settings: Settings) -> str:
    """The argument that names the task, where it is not the network's first."""
    return "" if settings.task is None else f", task={settings.task!r}"


def write_zip(result: Result, folder: Path) -> Path:
    """Write every mask and figure, ``result.json`` and ``again.py`` into one file.

    Args:
        result: what to take away.
        folder: where to, private to the user.
    """
    pictures = folder / "pictures"
    write_analysis(result.task, result.analysis, result.photo.path.name, pictures)
    (pictures / "again.py").write_text(make_snippet(result), encoding="utf-8")
    path = folder / f"sparsevit-{result.photo.path.stem}.zip"
    with zipfile.ZipFile(path, "w") as archive:  # PNG does not shrink further
        for file in sorted(pictures.iterdir()):
            archive.write(file, file.name)
            file.unlink()
    return path
