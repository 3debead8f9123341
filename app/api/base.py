"""What endpoints for programs share: settings and photos as they are sent, errors as sentences."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.engine.errors import explain
from app.engine.painted import read_text
from app.engine.protocol import Engine
from app.engine.records import Photo, Result, Settings
from sparsevit.data.reader import ImageError
from sparsevit.data.transforms import (
    MAX_NETWORK_PIXELS,
    MIN_NETWORK_SIDE,
    Size,
    find_largest_side,
)
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
        linked: bool = True,
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
            linked,
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
        return self._analyze(self._read_photo(photo), settings)

    def _analyze(self, photo: Photo, settings: Settings) -> Result:
        """Run a network as asked.

        Raises:
            ImageError: a short side that cannot be had, or that memory is too small for.
            ScheduleError: windows are painted that the network does not have.
        """
        check_side(photo.size, settings.short_side)
        result = self._engine.analyze(photo, settings)
        if result.settings.short_side != settings.short_side:
            raise ImageError(
                f"The memory of {self._engine.device} is too small for this short_side; "
                f"{result.settings.short_side} is not too large."
            )
        if result.settings.painted != settings.painted:
            raise ScheduleError(
                f"{settings.model} has no such windows as are painted at this size."
            )
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


def check_side(size: Size, short_side: int | None) -> None:
    """Refuse a short side that the picture would not be fed at.

    Args:
        size: (img_h, img_w) pixels of the picture.
        short_side: pixels asked for; None for the picture's own.

    Raises:
        ImageError: it is too short or too long.
    """
    largest = find_largest_side(*size)
    if short_side is not None and not MIN_NETWORK_SIDE <= short_side <= largest:
        raise ImageError(
            f"short_side must be 0 for the picture's own, or {MIN_NETWORK_SIDE} to {largest} "
            f"pixels for this picture, as at most {MAX_NETWORK_PIXELS / 1e6:.1f} megapixels are "
            f"fed to a network; got {short_side}."
        )


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
