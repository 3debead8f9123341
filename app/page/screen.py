"""What is drawn on the page for a result: always the numbers, else only what is looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from app.config import SHORT_SIDES, Config
from app.engine.protocol import Engine
from app.engine.records import Result
from app.engine.search import list_curves
from app.page.common import photo_key
from app.page.headline import announce_fed, announce_headline, show_fed, show_headline
from app.page.panel import announce_panel, make_panel
from app.page.photo import describe_photo, make_photo
from app.page.session import MOST_RETRIES, Session
from app.tabs.latency.view import show_latency
from app.tabs.learn.view import choose_block, make_learn
from app.tabs.outputs.view import make_outputs
from app.tabs.search.view import show_search
from app.tabs.takeaway.view import make_address, make_json, make_snippet
from app.tabs.tradeoff.view import show_history, show_sizes
from app.tabs.windows.view import announce_windows, make_windows
from sparsevit.networks import ModelInfo

#: Names of everything a handler may change, in the order the page lists its components.
OUTPUTS = (
    "photo",
    "model",
    "short_side",
    "panel",
    "fed",
    "headline",
    "picture",
    "place",
    "windows",
    "outputs",
    "latency",
    "history",
    "sizes",
    "search",
    "search_start",
    "search_stop",
    "search_apply",
    "search_file",
    "learn",
    "json",
    "snippet",
    "address",
    "zip",
    "retry",
)

#: What the menu of resolutions sends for the photo's own.
NATIVE = 0

#: What changes on the page, by name; what is not named stays as it is.
Changes = dict[str, Any]


def draw_opening(engine: Engine) -> Changes:
    """What a page shows when it is opened: the first result, or what stands in its place."""
    if engine.has_first:
        return draw_first(engine.config, engine.first)
    opening = engine.opening
    return {
        "fed": announce_fed(opening),
        "headline": announce_headline(opening),
        "picture": describe_photo(opening.photo, opening.size),
        "panel": announce_panel(opening),
        "windows": announce_windows(opening),
    }


def draw_first(config: Config, first: Result, moves: int | None = None) -> Changes:
    """The first result.

    Args:
        config: of the page.
        first: it.
        moves: see :func:`app.page.panel.make_panel`.
    """
    return {
        "fed": show_fed(first),
        "headline": show_headline(first, config.start_runs),
        "picture": make_photo(first),
        "panel": make_panel(first, moves),
        "windows": make_windows(first),
        "short_side": _draw_side(config, first),  # memory may have run out
    }


def draw_result(
    engine: Engine,
    session: Session,
    result: Result,
    before: Result | None,
    moves: int | None = None,
) -> Changes:
    """What a new result changes on the page, all but the open tab.

    Args:
        engine: that made it.
        session: whose page it is.
        result: the new one.
        before: what was on the page; None if that was no result yet.
        moves: see :func:`app.page.panel.make_panel`.
    """
    changes = draw_numbers(session, result, engine.config.first_runs)
    changes["fed"] = show_fed(result)
    changes["place"] = make_address(result)
    if before is None or _find_photo_key(result) != _find_photo_key(before):
        changes["picture"] = make_photo(result)
    panel = make_panel(result, moves)
    if (
        before is None
        or before.depths != result.depths
        or panel != make_panel(replace(before, settings=result.settings), moves)
    ):
        changes["panel"] = panel  # another network or size: other windows
    if before is None or result.settings.model != before.settings.model:
        name = result.settings.model
        choices = list_choices(engine.list_models(), name)  # it may have been downloaded
        changes["model"] = gr.update(value=name, choices=choices)
    if result.note:
        changes["short_side"] = _draw_side(engine.config, result)
    return changes


def draw_controls(config: Config, result: Result, moves: int | None = None) -> Changes:
    """Set the controls to what a result was made with, all but the photo.

    Args:
        config: of the page.
        result: the one on the screen.
        moves: see :func:`app.page.panel.make_panel`.
    """
    return {
        "model": gr.update(value=result.settings.model),
        "short_side": _draw_side(config, result),
        "panel": make_panel(result, moves),
        "place": make_address(result),
    }


def list_choices(infos: list[ModelInfo], current: str) -> list[tuple[str, str]]:
    """(words, name) of the menu of networks: ours first, then those that must be downloaded.

    Args:
        infos: every network that has a name.
        current: the network in use; it is here whatever its name.
    """
    choices = []
    for info in infos:
        words = info.name.removeprefix("timm/").removeprefix("hf/")
        if info.source == "download":
            words += f" (downloads {info.size_mb:.0f} MB)"
        elif info.source == "cached":
            words += " (downloaded)"
        choices.append((words, info.name))
    if current not in {info.name for info in infos}:
        of_hub = current.startswith("hf/")
        words = f"{current.removeprefix('hf/')} (downloaded)" if of_hub else Path(current).stem
        choices.insert(0, (words, current))
    return choices


def list_sides(config: Config, current: int | None) -> list[tuple[str, int]]:
    """(words, pixels) of the menu of resolutions, with the one in force."""
    sides = {side or NATIVE: words for words, side in SHORT_SIDES}
    for side in (config.short_side, current):
        sides.setdefault(side or NATIVE, str(side))
    return [(words, side) for side, words in sorted(sides.items(), key=lambda s: s[0] or 10**9)]


def _find_photo_key(result: Result) -> str:
    return photo_key(result.photo, result.analysis.prepared.input_size)


def _draw_side(config: Config, result: Result) -> dict[str, Any]:
    """The menu of resolutions; gradio refuses a value that is none of its choices."""
    side = result.settings.short_side
    return gr.update(value=side or NATIVE, choices=list_sides(config, side))


def draw_numbers(session: Session, result: Result, runs: int) -> Changes:
    """What a further timed run changes.

    Args:
        session: whose page it is.
        result: with what is known so far.
        runs: timed runs there will be; 0 if timing failed.
    """
    will_retry = session.retries < MOST_RETRIES
    changes: Changes = {"headline": show_headline(result, runs, will_retry)}
    if session.tab == "latency":
        changes["latency"] = show_latency(result, runs)
    if session.tab == "tradeoff":
        changes["history"] = draw_history(session, result)
    if session.tab == "search":
        changes["search"] = show_search(session.search, result)
    if session.tab == "takeaway":
        changes["json"] = make_json(result)
    return changes


def draw_tab(engine: Engine, session: Session, result: Result) -> Changes:
    """What the open tab shows."""
    match session.tab:
        case "outputs":
            return {"outputs": make_outputs(result)}
        case "latency":
            return {"latency": show_latency(result, engine.config.first_runs)}
        case "tradeoff":
            return {
                "history": draw_history(session, result),
                "sizes": show_sizes(result, session.comparison),
            }
        case "search":
            return draw_search(session, result)
        case "learn":
            return {"learn": draw_learn(engine, session, result)}
        case "takeaway":
            return {
                "json": make_json(result),
                "snippet": make_snippet(result),
                "address": make_address(result),
                "zip": gr.update(value=None, visible=False),
            }
        case "windows":
            return {"windows": make_windows(result)}
    return {}


def draw_history(session: Session, result: Result) -> str:
    """Everything tried, with the frontiers behind it."""
    curves = list_curves(session.search, session.placed, result)
    return show_history(result, session.history, curves)


def draw_search(session: Session, result: Result) -> Changes:
    """The tab Search: its buttons and how far the search has come."""
    search = session.search
    is_running = search is not None and search.is_running
    words = "Start"
    if search is not None:
        words = "Resume" if search.tried and search.found is None else "Search again"
    file = search.file if search is not None else None
    return {
        "search": show_search(search, result),
        "search_start": gr.update(value=words, visible=not is_running),
        "search_stop": gr.update(visible=is_running),
        "search_apply": gr.update(interactive=search is not None and search.best is not None),
        "search_file": gr.update(value=file and str(file), visible=file is not None),
    }


def draw_learn(engine: Engine, session: Session, result: Result) -> str:
    """The explanation, with the tensors of the block that the user chose."""
    blocks = result.analysis.blocks
    index = session.learn_block
    if index is None or index >= len(blocks):
        index = choose_block(result)
    return make_learn(result, engine.trace_block(result, index))
