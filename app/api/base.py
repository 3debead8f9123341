"""What endpoints for programs share: settings and photos as they are sent, errors as sentences."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.engine.errors import explain
from app.engine.protocol import Engine
from app.engine.records import Photo, Result, Settings
from sparsevit.data.reader import ImageError
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
        self, model: str, short_side: int, sparsity: str, task: str = "", focal_mm: float = 0
    ) -> Settings:
        """Settings as a program sends them.

        Raises:
            ModelError: a network that is not offered, or a task that it cannot do.
            ScheduleError: an impossible schedule.
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
        )

    def _run(
        self,
        photo: str,
        model: str,
        short_side: int,
        sparsity: str,
        task: str,
        focal_mm: float = 0,
    ) -> Result:
        settings = self.read_settings(model, short_side, sparsity, task, focal_mm)
        return self._engine.analyze(self._read_photo(photo), settings)

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
