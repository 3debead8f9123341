"""The tasks of networks in words, and what is done where a network cannot do the one wanted."""

from __future__ import annotations

from app.engine.records import Settings
from sparsevit.networks import LoadedModel

#: What a network gives, by task: its only name wherever a person reads one.
TASK_WORDS = {
    "semantic": "classes",
    "instance": "instances",
    "panoptic": "panoptic segments",
    "boxes3d": "3D boxes",
    "classification": "classes of the whole photo",
    "features": "features",
    "restoration": "restored photos",
    "enhancement": "enlarged pictures",
}

_PURPOSES = {"restoration": "restore it", "enhancement": "make it larger"}


def say_purpose(task: str) -> str:
    """What a network runs for: "find classes"."""
    return _PURPOSES.get(task) or f"find {TASK_WORDS[task]}"


def fit_task(settings: Settings, loaded: LoadedModel) -> tuple[str | None, str]:
    """What a network will be run for.

    Returns:
        The task, None for the network's first, and one sentence if that is not what was asked.
    """
    asked, (first, *others) = settings.task, loaded.tasks
    if asked in others:
        return asked, ""
    if asked in (None, first):
        return None, ""
    words = TASK_WORDS.get(asked, f"“{asked[:20]}”")
    return None, f"This network gives no {words}, so its {TASK_WORDS[first]} are shown."
