"""What the page calls: check the input, ask the engine, put every error into one sentence.

Handlers return what changes on the page as a dict, keyed by the names in :data:`OUTPUTS`; what is
not named stays as it is. So an error leaves the current result on the screen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import torch

from app import render
from app.engine import Engine, Photo, Result, Settings, Superseded
from app.panel import make_panel, read_panel
from sparsevit.patch import UnsupportedModelError
from sparsevit.schedule import ScheduleError, SparsitySchedule
from sparsevit.segmenter import CheckpointError
from sparsevit.transforms import ImageError
from sparsevit.zoo import ModelError

log = logging.getLogger(__name__)

#: Names of everything a handler may change, in the order the page lists its components.
OUTPUTS = (
    "photo",
    "model",
    "short_side",
    "panel",
    "fed",
    "headline",
    "block",
    "windows",
    "filmstrip",
    "outputs",
    "latency",
    "json",
    "snippet",
)

#: Ids of the tabs.
TABS = ("windows", "outputs", "latency", "takeaway")

Changes = dict[str, Any]

_EXPECTED = (ImageError, ModelError, ScheduleError, CheckpointError, UnsupportedModelError)
_NATIVE = 0  # what the menu of resolutions sends for the photo's own


@dataclass
class Session:
    """One user's page. Gradio keeps it on the server and gives it to nobody else.

    Attributes:
        result: what is on the screen; None means the result the page opens with.
        photo_path: the file the current photo was read from.
        uploaded_model: a checkpoint this user uploaded.
        tab: the open tab.
        requests: number of requests so far; a run that is not the latest is dropped.
    """

    result: Result | None = None
    photo_path: str | None = None
    uploaded_model: str | None = None
    tab: str = TABS[0]
    requests: int = 0


def _warn(message: str) -> None:
    gr.Warning(escape(message), title="Not done")


class Handlers:
    """The callables of the page.

    Args:
        engine: runs the networks.
        warn: shows a sentence to the user.
    """

    def __init__(self, engine: Engine, warn: Callable[[str], None] = _warn) -> None:
        self._engine = engine
        self._warn = warn

    def run(
        self,
        session: Session,
        photo_path: str | None,
        model: str,
        short_side: int,
        panel: str,
        view: str,
        block: int,
    ) -> Changes:
        """Analyse with what the controls say. The newest request of a session wins.

        Args:
            session: of the user; updated.
            photo_path: the uploaded file; None when the user removed the picture.
            model: name or path of the network.
            short_side: pixels, 0 for the photo's own.
            panel: see :func:`app.panel.read_panel`.
            view, block: see :meth:`show_block`.
        """
        session.requests += 1
        request = session.requests
        before = self._result(session)
        if photo_path is None and session.photo_path is not None:
            session.photo_path = None
            return {}  # removed, perhaps to make room for another: the result stays
        try:
            photo = self._read_photo(session, photo_path)
            schedule, linked = read_panel(panel)
            settings = Settings(
                self._check_model(session, model), schedule, linked, short_side or None
            )
            result = self._engine.analyze(photo, settings, lambda: session.requests == request)
        except Superseded:
            return {}
        except Exception as error:
            self._warn(self._explain(error))
            return self._restore(session, before, photo_path)
        session.result, session.photo_path = result, photo_path
        return self._show(session, before, view, block)

    def measure(self, session: Session) -> Iterator[Changes]:
        """Measure the current result's latency, a few runs that refine while one looks."""
        yield from self._measure(session, self._engine.config.first_runs)

    def measure_again(self, session: Session) -> Iterator[Changes]:
        """Measure the current result's latency anew, with more runs."""
        result = self._result(session)
        session.result = replace(result, analysis=replace(result.analysis, latency=None))
        runs = self._engine.config.more_runs
        yield self._show_numbers(session, runs)
        yield from self._measure(session, runs)

    def show_block(self, session: Session, view: str, block: int) -> Changes:
        """Draw one block; no network runs.

        Args:
            session: of the user.
            view: a key of :data:`app.render.VIEWS`.
            block: index of the block.
        """
        result = self._result(session)
        index = self._clip(result, block)
        return {
            "windows": render.show_windows(result, index, view),
            "filmstrip": render.show_filmstrip(result, index),
        }

    def open_tab(self, session: Session, tab: str, view: str, block: int) -> Changes:
        """Draw what a tab shows; only the open one is drawn while sliders move."""
        session.tab = tab if tab in TABS else TABS[0]
        return self._draw_tab(session, view, block)

    def pick_example(self, index: int) -> str:
        """Path of an example picture."""
        paths = list(self._engine.examples.values())
        return str(paths[index % len(paths)])

    def upload_model(self, session: Session, path: str | None) -> str:
        """Take an uploaded checkpoint as the session's network; the run that follows checks it."""
        session.uploaded_model = path
        return path or self._result(session).settings.model

    def analyze(self, photo: str, model: str, short_side: int, sparsity: str) -> dict[str, Any]:
        """Analyse a photo for a program.

        Args:
            photo: an uploaded file.
            model: a name of the page's list.
            short_side: pixels of the shorter side fed to the network; 0 for the photo's own.
            sparsity: a number, JSON of one number per stage or per pair, or a preset's name.

        Returns:
            As ``result.json`` of the command line, latency included.

        Raises:
            gr.Error: with one sentence, for everything that can go wrong.
        """
        try:
            if not photo:
                raise ImageError("A photo is needed; upload one with handle_file().")
            name = self._check_model(Session(), model)
            depths = self._engine.get_depths(name)
            schedule = SparsitySchedule.parse(_read_sparsity(sparsity), depths)
            settings = Settings(name, schedule, short_side=short_side or None)
            result = self._engine.analyze(self._engine.read_photo(photo), settings)
            for measured in self._engine.measure(result, self._engine.config.first_runs):
                result = measured
        except Exception as error:
            raise gr.Error(escape(self._explain(error)), print_exception=False) from None
        return result.analysis.to_dict()

    def list_models(self) -> list[dict[str, Any]]:
        """The networks that can be chosen: name, task, classes, size, licence, source."""
        return [vars(info) for info in self._engine.list_models()]

    def _measure(self, session: Session, runs: int) -> Iterator[Changes]:
        request = session.requests
        result = self._result(session)
        latency = result.analysis.latency
        if latency is not None and len(latency.sparse.samples_ms) >= runs:
            return
        try:
            for measured in self._engine.measure(result, runs, lambda: session.requests == request):
                if session.requests != request:
                    return
                session.result = measured
                yield self._show_numbers(session, runs)
        except Exception as error:
            self._warn(self._explain(error))

    def _result(self, session: Session) -> Result:
        return session.result or self._engine.first

    def _read_photo(self, session: Session, path: str | None) -> Photo:
        if path is None or path == session.photo_path:
            return self._result(session).photo
        return self._engine.read_photo(path)

    def _check_model(self, session: Session, name: str) -> str:
        """The name, if this user may ask for it: a typed path would open any file of the server."""
        known = {info.name for info in self._engine.list_models()}
        known |= {self._engine.config.model, session.uploaded_model or ""}
        if name in known or f"timm/{name}" in known or self._engine.config.allows_paths:
            return name
        raise ModelError(f"There is no model named {name!r} here; choose one of the list.")

    def _restore(self, session: Session, before: Result, photo_path: str | None) -> Changes:
        """Set the controls back to what the result on the screen was made with."""
        changes: Changes = {
            "model": gr.update(value=before.settings.model),
            "short_side": gr.update(value=before.settings.short_side or _NATIVE),
            "panel": make_panel(before),
        }
        if photo_path != session.photo_path:
            changes["photo"] = session.photo_path or str(before.photo.path)
        return changes

    def _show(self, session: Session, before: Result, view: str, block: int) -> Changes:
        """Everything a new result changes on the page; only the open tab is drawn."""
        result = self._result(session)
        changes = self._show_numbers(session, self._engine.config.first_runs)
        changes["fed"] = render.show_fed(result)
        panel = make_panel(result)
        if panel != make_panel(replace(before, settings=result.settings)):
            changes["panel"] = panel  # another network or size: other windows
        if result.depths != before.depths:
            block = self._clip(result, block)
            changes["block"] = gr.update(choices=render.list_blocks(result), value=block)
        return changes | self._draw_tab(session, view, block)

    def _show_numbers(self, session: Session, runs: int) -> Changes:
        result = self._result(session)
        changes: Changes = {"headline": render.show_headline(result, runs)}
        if session.tab == "latency":
            changes["latency"] = render.show_latency(result, runs)
        if session.tab == "takeaway":
            changes["json"] = render.make_json(result)
        return changes

    def _draw_tab(self, session: Session, view: str, block: int) -> Changes:
        result = self._result(session)
        if session.tab == "outputs":
            return {"outputs": render.show_outputs(result)}
        if session.tab == "latency":
            return {"latency": render.show_latency(result, self._engine.config.first_runs)}
        if session.tab == "takeaway":
            return {"json": render.make_json(result), "snippet": render.make_snippet(result)}
        return self.show_block(session, view, block)

    @staticmethod
    def _clip(result: Result, block: int) -> int:
        return max(0, min(int(block), len(result.analysis.blocks) - 1))

    def _explain(self, error: Exception) -> str:
        """One sentence for the user; what nobody foresaw goes to the log."""
        if isinstance(error, _EXPECTED):
            return str(error)
        if _is_out_of_memory(error):
            return (
                f"The picture is too large for the memory of {self._engine.device}; "
                f"choose a smaller short side."
            )
        log.error("Unexpected error", exc_info=error)
        return "Something went wrong inside and was logged; your current result is kept."


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)


def _read_sparsity(text: str) -> str:
    if Path(text).suffix == ".json":
        raise ScheduleError("Send the schedule itself, not the name of a file.")
    return text
