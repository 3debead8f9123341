"""The address that reopens what the page shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlencode

from app.engine.records import Result, Settings
from sparsevit.schedule import ScheduleError, SparsitySchedule


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
    if settings.task is not None:
        values["task"] = settings.task
    if settings.focal_mm is not None:
        values["focal"] = f"{settings.focal_mm:g}"
    note = "Your own photo is not part of the link; it opens with an example."
    if result.photo.example is not None:
        values["photo"], note = result.photo.example, ""
    return json.dumps({"query": "?" + urlencode(values), "note": note})


def names_state(query: Mapping[str, str]) -> bool:
    """Whether an address says what to show."""
    return not query.keys().isdisjoint(("model", "size", "sparsity", "task", "photo"))


def read_query(query: Mapping[str, str], before: Settings) -> Settings:
    """The settings of an address; what it leaves out is as before, but for the task and the lens.

    Raises:
        ScheduleError: sparsities or a size that cannot be read.
    """
    schedule, side, focal = before.schedule, before.short_side, None
    try:
        if "size" in query:
            side = None if query["size"] == "native" else int(query["size"])
        if "focal" in query:
            focal = float(query["focal"])
        if "sparsity" in query:
            stages = json.loads(query["sparsity"])
            schedule = SparsitySchedule(tuple(tuple(float(s) for s in stage) for stage in stages))
    except (TypeError, ValueError) as error:
        if isinstance(error, ScheduleError):
            raise
        raise ScheduleError("The address names settings that cannot be read.") from error
    linked = query.get("linked", "1" if before.linked else "0") != "0"
    model, task = query.get("model", before.model), query.get("task")
    return Settings(model, schedule, linked, side, task, focal)
