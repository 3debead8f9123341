"""The sparsity controls as plain data: what the sliders show, and what a user made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from app.engine.frontiers import list_ours
from app.engine.painted import read_painted
from app.engine.records import Opening, Result, Settings
from sparsevit.inspect.painted import Painted
from sparsevit.schedule import PAPER_SCHEDULES, ScheduleError, SparsitySchedule, preset

_UNIFORM = (("Dense", 0.0), ("30 %", 0.3), ("60 %", 0.6))
_LARGEST_TEXT = 200_000  # letters; far more than any network needs


def make_panel(result: Result, asked: float | None = None) -> str:
    """JSON for the sliders.

    Args:
        result: what they show.
        asked: when this was asked for, ms by the page's clock. Sliders moved since then keep their
            place. None sets them in any case.

    Returns:
        ``{"linked": bool, "asked": ms or null, "stages": [{"grid": [H, W], "windows": nW,
        "sparsities": [...]}], "painted": [...], "presets": [{"label", "title", "stages"}],
        "waiting": bool}``; a title is a sentence on the preset, the sparsities are fractions, what
        is painted has the fields of :class:`sparsevit.inspect.painted.Painted`.
    """
    blocks = {block.stage: block for block in result.analysis.blocks}
    stages = [
        {"grid": list(block.grid.grid), "windows": block.total}
        for _, block in sorted(blocks.items())
    ]
    return _write_panel(result.settings, result.depths, stages, asked=asked, waiting=False)


def announce_panel(opening: Opening) -> str:
    """The same before the first result is there: no grids, no windows, and ``waiting`` is true."""
    stages = [{"grid": None, "windows": None} for _ in opening.depths]
    return _write_panel(opening.settings, opening.depths, stages, asked=None, waiting=True)


def _write_panel(
    settings: Settings, depths: tuple[int, ...], stages: list[dict[str, Any]], **rest: Any
) -> str:
    schedule = settings.schedule.stages
    return json.dumps(
        {
            "linked": settings.linked,
            "stages": [
                {**stage, "sparsities": list(sparsities)}
                for stage, sparsities in zip(stages, schedule, strict=True)
            ],
            "painted": [asdict(entry) for entry in settings.painted],
            "presets": list_presets(depths, list_ours(settings)),
            **rest,
        }
    )


def list_presets(
    depths: tuple[int, ...], ours: Sequence[tuple[float, SparsitySchedule]] = ()
) -> list[dict[str, Any]]:
    """Schedules a user can pick with one click, for a network with these depths.

    Args:
        depths: blocks per stage.
        ours: (share of dense latency, schedule) found by search for this network.
    """
    presets = [
        {
            "label": label,
            "title": f"Skips {label} of the windows in every layer."
            if sparsity
            else "Skips no window.",
            "stages": SparsitySchedule.parse(sparsity, depths).to_list(),
        }
        for label, sparsity in _UNIFORM
    ]
    if len(depths) == 4:
        presets += [
            {
                "label": name.removesuffix("ms").replace("-", " "),
                "title": f"The paper's: {name[6:-2]} ms there (A6000 GPU, 4 photos, 672 px).",
                "stages": preset(name, depths).to_list(),
            }
            for name in PAPER_SCHEDULES
        ]
    presets += [
        {
            "label": f"ours {share:g}×",
            "title": f"Found by search: the most accurate within {share:g}× dense time.",
            "stages": schedule.to_list(),
        }
        for share, schedule in ours
    ]
    return presets


def read_panel(text: str) -> tuple[SparsitySchedule, bool, tuple[Painted, ...]]:
    """(schedule, linked, painted) of what the sliders and the brush sent.

    Raises:
        ScheduleError: not what they send, or a sparsity outside [0, 1).
    """
    try:
        if len(text) > _LARGEST_TEXT:
            raise ValueError("too long")
        value = json.loads(text)
        stages = tuple(tuple(stage["sparsities"]) for stage in value["stages"])
        linked = value["linked"]
        painted = read_painted(value["painted"])
    except (KeyError, TypeError, ValueError) as error:
        raise ScheduleError(
            "The sparsity controls sent something unreadable; reload the page."
        ) from error
    return SparsitySchedule(stages), bool(linked), painted


def is_waiting(text: str) -> bool:
    """Whether the sliders that sent this stand on a page that shows no result yet."""
    try:
        return bool(json.loads(text).get("waiting"))
    except (AttributeError, TypeError, ValueError):
        return False
