"""The switch between the tasks of a network, and the camera that 3D boxes need, as plain data."""

from __future__ import annotations

import json
from typing import Any

from app.engine.camera import choose_camera, read_focal
from app.engine.records import Opening, Result
from app.engine.tasks import TASK_WORDS
from sparsevit.data.focal import find_film_focal
from sparsevit.networks import ModelError
from sparsevit.tasks import Task
from sparsevit.tasks.restoration import RestorationTask

#: What is done, where the label does not say it.
_WORDS = {
    "restoration": "Your photo is the original: it is shrunk to half its size and restored, so "
    "that everything can be measured against it.",
    "enhancement": "The network makes the photo twice as large as it is fed to it; nobody knows "
    "the original.",
}
_COMPRESSED = {
    "restoration": "Your photo is the original: it is compressed strongly and restored, so that "
    "everything can be measured against it.",
    "enhancement": "The network takes traces of compression from the photo; nobody knows the "
    "original.",
}
_LARGEST_TEXT = 2000  # letters


def make_task_switch(shown: Result | Opening, asked: float | None = None) -> str:
    """JSON for ``task.js``.

    Args:
        shown: what it stands for.
        asked: see :func:`app.page.panel.make_panel`.

    Returns:
        ``{"tasks": [{"name", "label"}], "task": name, "focal": text, "asked": ms or null,
        "camera": null or {"mm", "words"}, "words": text}``: the tasks that the network can do, the
        one that is shown, the focal length that the user typed, of 3D boxes the camera in force,
        and what is done, empty where the label says it.
    """
    settings, task = shown.settings, shown.task.name
    camera: dict[str, Any] | None = None
    if task == "boxes3d":
        size = shown.photo.size
        found, words = choose_camera(size, settings, shown.photo.camera)
        camera = {"mm": f"{find_film_focal(found, size):.0f}", "words": words}
    labels = {name: TASK_WORDS[name] for name in shown.tasks}
    return json.dumps(
        {
            "tasks": [
                {"name": name, "label": words[0].upper() + words[1:]}
                for name, words in labels.items()
            ],
            "task": task,
            "focal": "" if settings.focal_mm is None else f"{settings.focal_mm:g}",
            "asked": asked,
            "camera": camera,
            "words": _say_task(shown.task),
        }
    )


def _say_task(task: Task) -> str:
    if isinstance(task, RestorationTask) and task.scale == 1:
        return _COMPRESSED[task.name]
    return _WORDS.get(task.name, "")


def read_task_switch(text: str) -> tuple[str | None, float | None]:
    """(task, focal length in mm) of what the switch sent; None for the first task, for no length.

    Raises:
        ModelError: not what the switch sends.
        CameraError: a focal length that is no number.
    """
    try:
        if len(text) > _LARGEST_TEXT:
            raise ValueError("too long")
        value = json.loads(text)
        task, focal, first = str(value["task"]), str(value["focal"]), value["tasks"][0]["name"]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelError("The task switch sent something unreadable; reload the page.") from error
    return None if task == first else task, read_focal(focal)
