"""The tab Take away: the result as JSON, Python, a zip of pictures, and a link."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from app.engine.records import Result, Settings
from sparsevit.inspect.files import write_analysis
from sparsevit.schedule import ScheduleError, SparsitySchedule


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
        f"loaded = load_model({settings.model!r})",
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


def make_address(result: Result) -> str:
    """JSON for ``address.js`` and ``place.js``: the end of the address that reopens this state.

    Returns:
        ``{"query": "?model=...", "note": a sentence where something is not in it}``.
    """
    settings = result.settings
    values: dict[str, str | int] = {
        "model": settings.model,
        "size": settings.short_side or "native",
        "sparsity": json.dumps(settings.schedule.to_list(), separators=(",", ":")),
        "linked": int(settings.linked),
    }
    note = "Your own photo is not part of the link; it opens with an example."
    if result.photo.example is not None:
        values["photo"], note = result.photo.example, ""
    return json.dumps({"query": "?" + urlencode(values), "note": note})


def names_state(query: Mapping[str, str]) -> bool:
    """Whether an address says what to show."""
    return not query.keys().isdisjoint(("model", "size", "sparsity", "photo"))


def read_query(query: Mapping[str, str], before: Settings) -> Settings:
    """The settings of an address; what it leaves out is as before.

    Raises:
        ScheduleError: sparsities or a size that cannot be read.
    """
    schedule, side = before.schedule, before.short_side
    try:
        if "size" in query:
            side = None if query["size"] == "native" else int(query["size"])
        if "sparsity" in query:
            stages = json.loads(query["sparsity"])
            schedule = SparsitySchedule(tuple(tuple(float(s) for s in stage) for stage in stages))
    except (TypeError, ValueError) as error:
        if isinstance(error, ScheduleError):
            raise
        raise ScheduleError("The address names settings that cannot be read.") from error
    linked = query.get("linked", "1" if before.linked else "0") != "0"
    return Settings(query.get("model", before.model), schedule, linked, side)
