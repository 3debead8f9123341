"""What restored photos are called on the page."""

from __future__ import annotations

from sparsevit.tasks import Task
from sparsevit.tasks.restoration import RestorationTask


def name_base(task: Task) -> str:
    """What a restorer is held against, "" for other tasks."""
    if not isinstance(task, RestorationTask):
        return ""
    return "bicubic" if task.scale > 1 else "unrestored"
