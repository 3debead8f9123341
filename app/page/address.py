"""The address that reopens what the page shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from app.engine.painted import read_text, write_text
from app.engine.records import Result, Settings
from sparsevit.networks import name_model
from sparsevit.schedule import ScheduleError, SparsitySchedule

_LARGEST_TEXT = 20_000  # letters; far more than any network needs


def make_address(result: Result, pinned: Result | None = None, served: str = "") -> str:
    """JSON for ``address.js`` and ``place.js``: the end of the address that reopens this state.

    Args:
        result: what is on the screen.
        pinned: A, which it is held against; the address carries its settings as ``a``.
        served: the network that this server opens every page with.

    Returns:
        ``{"query": "?model=...", "note": what is not in it, in sentences}``.
    """
    values = _write_settings(result.settings)
    values["sparsity"] = _write_json(values["sparsity"])
    notes = []
    if result.photo.example is not None:
        values["photo"] = result.photo.example
    else:
        notes.append("Your own photo is not part of the link; it opens with an example.")
    if pinned is not None:
        values["a"] = _write_json(_write_settings(pinned.settings))
    models = dict.fromkeys(r.settings.model for r in (result, pinned) if r is not None)
    own = [name_model(model) for model in models if model not in (served, name_model(model))]
    if own:
        notes.append(
            f"Your own network {' and '.join(own)} is not part of the link; the link opens only in "
            f"a browser tab where it has been chosen."
        )
    return json.dumps({"query": "?" + urlencode(values), "note": " ".join(notes)})


def names_state(query: Mapping[str, str]) -> bool:
    """Whether an address says what to show."""
    return not query.keys().isdisjoint(("model", "size", "sparsity", "task", "photo", "a"))


def read_query(query: Mapping[str, str], before: Settings) -> Settings:
    """The settings of an address; what it leaves out is as before, but for the task and the lens.

    Raises:
        ScheduleError: sparsities or a size that cannot be read.
    """
    try:
        values: dict[str, Any] = dict(query)
        if "sparsity" in values:
            values["sparsity"] = json.loads(values["sparsity"])
        return _read_settings(values, before)
    except ScheduleError:
        raise
    except (TypeError, ValueError) as error:
        raise ScheduleError("The address names settings that cannot be read.") from error


def read_pinned(query: Mapping[str, str], before: Settings) -> Settings | None:
    """The settings of A in an address; None where nothing is pinned.

    Raises:
        ScheduleError: they cannot be read.
    """
    if "a" not in query:
        return None
    try:
        if len(query["a"]) > _LARGEST_TEXT:
            raise ValueError("too long")
        values = json.loads(query["a"])
        if not isinstance(values, dict):
            raise TypeError("no object")
        return _read_settings(values, before)
    except (TypeError, ValueError, RecursionError) as error:
        raise ScheduleError(
            "What the address pins as A cannot be read, so nothing is pinned."
        ) from error


def _write_settings(settings: Settings) -> dict[str, Any]:
    """Settings as plain data: texts, numbers, and lists of sparsities; no folder is named."""
    values: dict[str, Any] = {
        "model": name_model(settings.model),
        "size": settings.short_side or "native",
        "sparsity": settings.schedule.to_list(),
        "linked": int(settings.linked),
    }
    if settings.task is not None:
        values["task"] = settings.task
    if settings.focal_mm is not None:
        focal = settings.focal_mm
        values["focal"] = int(focal) if focal == int(focal) else focal
    if settings.painted:
        values["painted"] = write_text(settings.painted)
    return values


def _read_settings(values: Mapping[str, Any], before: Settings) -> Settings:
    """Settings from what :func:`_write_settings` gave, or from the texts of an address.

    Raises:
        TypeError, ValueError: it cannot be read.
    """
    schedule, side, focal = before.schedule, before.short_side, None
    if "size" in values:
        side = None if values["size"] == "native" else int(values["size"])
    if "focal" in values:
        focal = float(values["focal"])
    if "sparsity" in values:
        stages = values["sparsity"]
        schedule = SparsitySchedule(tuple(tuple(float(s) for s in stage) for stage in stages))
    linked = str(values.get("linked", int(before.linked))) != "0"
    model, task = values.get("model", before.model), values.get("task")
    if not isinstance(model, str) or not isinstance(task, str | None):
        raise TypeError("Names of networks and tasks are texts.")
    painted = read_text(str(values.get("painted", "")))
    return Settings(model, schedule, linked, side, task, focal, painted)


def _write_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
