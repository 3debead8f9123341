"""What endpoints for programs share: settings and photos as they are sent, errors as sentences."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.engine.errors import explain
from app.engine.painted import read_text
from app.engine.protocol import Engine
from app.engine.records import Photo, Result, Settings
from sparsevit.data.reader import ImageError
from sparsevit.inspect.painted import Painted
from sparsevit.networks import ModelError
from sparsevit.schedule import ScheduleError, SparsitySchedule


class Programs:
    """Endpoints for programs and agents: typed arguments, plain answers, no session.

    Agents are shown the docstrings; of an argument gradio shows them the first line.

    Args:
        engine: runs the networks.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read_settings(
        self,
        model: str,
        short_side: int,
        sparsity: str,
        task: str = "",
        focal_mm: float = 0,
        painted: str = "",
    ) -> Settings:
        """Settings as a program sends them.

        Raises:
            ModelError: a network that is not offered, or a task that it cannot do.
            ScheduleError: an impossible schedule, or windows that nobody could have painted.
        """
        known = {info.name for info in self._engine.list_models()} | {self._engine.config.model}
        if model not in known and not self._engine.config.allows_paths:
            raise ModelError(f"There is no model named {model!r} here; see the endpoint models.")
        if Path(sparsity).suffix == ".json":
            raise ScheduleError("Send the schedule itself, not the name of a file.")
        schedule = SparsitySchedule.parse(sparsity, self._engine.get_depths(model))
        tasks = self._engine.get_tasks(model)
        if task and task not in tasks:
            raise ModelError(f"task of {model} must be {' or '.join(tasks)}, got {task[:20]!r}.")
        return Settings(
            model,
            schedule,
            short_side=short_side or None,
            task=task or None,
            focal_mm=focal_mm or None,
            painted=_read_painted(painted),
        )

    def _run(
        self,
        photo: str,
        model: str,
        short_side: int,
        sparsity: str,
        task: str,
        focal_mm: float = 0,
        painted: str = "",
    ) -> Result:
        settings = self.read_settings(model, short_side, sparsity, task, focal_mm, painted)
        result = self._engine.analyze(self._read_photo(photo), settings)
        if result.settings.painted != settings.painted:
            raise ScheduleError(f"{model} has no such windows as are painted at this size.")
        return result

    def _measure(self, result: Result) -> Result:
        for measured in self._engine.measure(result, self._engine.config.first_runs):
            result = measured
        return result

    def _read_photo(self, path: str) -> Photo:
        if not path:
            raise ImageError("A photo is needed; upload one with handle_file().")
        return self._engine.read_photo(path)

    def _refuse(self, error: Exception) -> gr.Error:
        return gr.Error(explain(error, self._engine.device), print_exception=False)


def _read_painted(text: str) -> tuple[Painted, ...]:
    """Windows painted by hand, as a link has them.

    Raises:
        ScheduleError: it is something else.
    """
    try:
        return read_text(text)
    except ValueError as error:
        raise ScheduleError(
            f"painted must be as in a link of the page, as 1p-.8x16.3-5_9.12, got {text[:40]!r}."
        ) from error
