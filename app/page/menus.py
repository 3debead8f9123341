"""The menus of networks and of resolutions."""

from __future__ import annotations

from pathlib import Path

from app.config import SHORT_SIDES, Config
from sparsevit.networks import ModelInfo

#: What the menu of resolutions sends for the photo's own.
NATIVE = 0


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
