"""What the page calls: check the input, ask the engine, put every error into one sentence.

Handlers return what changes on the page as a dict, by the names of its components; what is not
named stays as it is. So an error leaves the current result on the screen. What only one tab calls
is in its folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import gradio as gr

from app.engine.newest import Superseded
from app.engine.protocol import Engine
from app.engine.records import Photo, Result, Settings, Try
from app.page.address import names_state, read_pinned, read_query
from app.page.events import Changes
from app.page.headline import offer_side
from app.page.panel import is_waiting, read_panel
from app.page.session import Session, Visitors
from app.page.tab import Tab
from app.page.task import read_task_switch
from app.page.templates import render
from app.page.timing import TimingHandlers
from sparsevit.networks import ModelError, name_model
from sparsevit.schedule import SparsitySchedule

_tickets = count(1)  # in the order in which requests came in


def _warn(message: str) -> None:
    gr.Warning(render("page/message.html", message=message), title="Not done")


class Handlers(TimingHandlers):
    """The callables of the page, apart from those of its tabs."""

    def __init__(
        self, engine: Engine, tabs: Sequence[Tab], warn: Callable[[str], None] = _warn
    ) -> None:
        super().__init__(engine, tabs, warn)
        self._visitors = Visitors(engine.config.patience_s, engine.config.sessions_mb * 10**6)

    def await_first(self, session: Session, panel: str) -> Changes:
        """Fill a page that was opened before the first result was there, once it is.

        Args:
            session: of the user.
            panel: what the sliders show.
        """
        if not is_waiting(panel):
            return {}
        first = self.engine.first
        changes = self.screen.draw_first(first, asked=0) | self._draw_tab(session)
        return changes if session.result is None else {}  # else something newer is on the screen

    def enter(self, session: Session, visit: str, key: str, query: Mapping[str, str]) -> Changes:
        """A page was opened, perhaps by a link, perhaps again.

        Args:
            session: of the user; updated.
            visit: a secret of the browser's tab, the same after a reload.
            key: gradio's name of the session.
            query: of the address.
        """
        self._visitors.enter(key, session, visit, goes_on=names_state(query))
        session.sent = 0  # the clock of a page that opens starts anew
        return self.open_link(session, query)

    def leave(self, key: str) -> None:
        """A page was closed."""
        self._visitors.leave(key)

    def note_use(self, session: Session) -> None:
        """A session is about to run a network."""
        self._visitors.note_use(session)

    def run(
        self,
        session: Session,
        photo_path: str | None,
        model: str,
        short_side: int,
        panel: str,
        task: str,
        sent: float,
    ) -> Changes:
        """Analyse with what the controls say. The newest request of a session wins.

        Args:
            session: of the user; updated.
            photo_path: the uploaded file; None when the user removed the picture.
            model: name or path of the network.
            short_side: pixels, 0 for the photo's own.
            panel: see :func:`app.page.panel.read_panel`.
            task: see :func:`app.page.task.read_task_switch`.
            sent: when, ms by the page's clock: requests may overtake each other on their way.
        """
        if sent < session.sent:
            return {}
        session.sent = sent
        ticket = next(_tickets)  # before the photo is read: a small one would overtake a large one
        if photo_path is None and session.photo_path is not None:
            session.requests = ticket
            session.photo_path = None
            return {}  # removed, perhaps to make room for another: the result stays
        try:
            schedule, linked, painted = read_panel(panel)
            photo = self._read_photo(session, photo_path)
            name = self._check_model(session, model)
            aim, focal_mm = read_task_switch(task)
            settings = Settings(name, schedule, linked, short_side or None, aim, focal_mm, painted)
            settings = _leave_behind(settings, session.result, photo)
            result, before = self._analyze(session, photo, settings, ticket)
        except Superseded:
            return {}
        except Exception as error:
            self.tell(error)
            return self._restore(session, photo_path, sent)
        session.photo_path = photo_path
        return self._draw(session, result, None if is_waiting(panel) else before, sent)

    def use_schedule(self, session: Session, schedule: SparsitySchedule) -> Changes:
        """Put a schedule on the sliders, as if they had been moved there."""
        settings = replace(self.get_result(session).settings, schedule=schedule, linked=True)
        return self.use_settings(session, settings)

    def use_settings(self, session: Session, settings: Settings) -> Changes:
        """Show the photo on the screen with other settings, and set the controls to them."""
        return self._open(session, self.get_result(session).photo, settings)

    def go_back(self, session: Session, entry: Try) -> Changes:
        """Show what was tried once: its photo, network, size and sparsities."""
        changes = self._open(session, entry.photo, entry.settings)
        return changes | self._show_photo(session, entry.photo)

    def look_closer(self, session: Session) -> Changes:
        """Feed the network a larger picture, as is offered where a small one was fed."""
        result = self.get_result(session)
        side = offer_side(result)
        if side is None:
            return {}
        return self._open(session, result.photo, replace(result.settings, short_side=side))

    def show(self, session: Session, result: Result) -> Changes:
        """Put a result that is there already on the screen, and the controls on its settings."""
        session.requests = next(_tickets)
        before = self.get_result(session)
        session.set_result(result)
        changes = self._draw(session, result, before)
        return changes | self.screen.draw_controls(session, result)

    def draw_numbers(self, session: Session, runs: int) -> Changes:
        """What a further timed run changes, of so many."""
        return self.screen.draw_numbers(session, self.get_result(session), runs)

    def redraw(self, session: Session) -> Changes:
        """Draw anew what depends on which result is pinned."""
        changes = self.screen.draw_pin(session, self.get_result(session))
        return changes | self._draw_tab(session)

    def open_tab(self, session: Session, tab: str) -> Changes:
        """Draw what a tab shows; only the open one is drawn while sliders move."""
        session.tab = tab
        session.opened = session.results
        return self._draw_tab(session)

    def redraw_tab(self, session: Session) -> Changes:
        """Draw the tab that was opened, if another result came since.

        That result was drawn in it too, but may have reached the page before what
        :meth:`open_tab` drew, which took its place.
        """
        return {} if session.opened == session.results else self._draw_tab(session)

    def open_link(self, session: Session, query: Mapping[str, str]) -> Changes:
        """Open the state that an address names, if it names one; see ``make_address``."""
        if not names_state(query):
            return {}
        known = self.get_result(session)
        try:
            settings = read_query(query, known.settings)
            settings = replace(settings, model=self._find_model(session, settings.model, known))
        except Exception as error:
            self.tell(error)
            return {}
        photo = self.engine.examples.get(query.get("photo", ""), known.photo)
        session.pinned = self._open_pinned(session, photo, settings, query)
        changes = self._open(session, photo, settings, self.engine.first, asked=0)
        return changes | self._show_photo(session, photo)

    def pick_example(self, index: int) -> str:
        """Path of an example picture."""
        photos = list(self.engine.examples.values())
        return str(photos[index % len(photos)].path)

    def upload_model(self, session: Session, path: str | None) -> str:
        """Take an uploaded checkpoint as the session's network; the run that follows checks it."""
        session.uploaded_model = path
        if path is not None:
            session.uploads.add(path)
        return path or self.get_result(session).settings.model

    def _analyze(
        self, session: Session, photo: Photo, settings: Settings, ticket: int
    ) -> tuple[Result, Result]:
        """The result of a request, and the one it replaces."""
        self._visitors.note_use(session)
        if ticket < session.requests:
            raise Superseded
        session.requests = ticket
        result = self.engine.analyze(photo, settings, lambda: session.requests == ticket)
        if session.requests != ticket:
            raise Superseded
        before = self.get_result(session)
        session.set_result(result)
        return result, before

    def _open(
        self,
        session: Session,
        photo: Photo,
        settings: Settings,
        shown: Result | None = None,
        asked: float | None = None,
    ) -> Changes:
        """Analyse what the controls do not say yet, and set them.

        Args:
            session: of the user; updated.
            photo, settings: what to analyse.
            shown: what the page shows, if that is not the session's result.
            asked: see :func:`app.page.panel.make_panel`.
        """
        try:
            result, before = self._analyze(session, photo, settings, next(_tickets))
        except Superseded:
            return {}
        except Exception as error:
            self.tell(error)
            return {}
        changes = self._draw(session, result, shown or before)
        return changes | self.screen.draw_controls(session, result, asked)

    def _open_pinned(
        self, session: Session, photo: Photo, settings: Settings, query: Mapping[str, str]
    ) -> Result | None:
        """What an address pins, on the photo it names; if it cannot be had, nothing is pinned."""
        try:
            pinned = read_pinned(query, settings)
            if pinned is None:
                return None
            known = session.pinned
            pinned = replace(pinned, model=self._find_model(session, pinned.model, known))
            if known and (known.photo.key, known.settings) == (photo.key, pinned):
                return known  # a page that was loaded again
            self.note_use(session)
            return self.engine.analyze(photo, pinned)
        except Exception as error:
            self.tell(error)
            return None

    def _draw(
        self, session: Session, result: Result, before: Result | None, asked: float | None = None
    ) -> Changes:
        changes = self.screen.draw_result(session, result, before, asked)
        return changes | self._draw_tab(session)

    def _draw_tab(self, session: Session) -> Changes:
        """What the open tab shows; one that cannot be drawn stays as it is."""
        try:
            return self.screen.draw_tab(session, self.get_result(session))
        except Exception as error:
            self.tell(error)
            return {}

    def _show_photo(self, session: Session, photo: Photo) -> Changes:
        if self.get_result(session).photo is not photo or not photo.path.exists():
            return {}
        session.photo_path = str(photo.path)
        return {"photo": str(photo.path)}

    def _complete(self, session: Session) -> Iterator[Changes]:
        """What follows once the current result is timed."""
        yield from self.screen.find_tab(session).follow_timing(self, session)

    def _read_photo(self, session: Session, path: str | None) -> Photo:
        if path is None or path == session.photo_path:
            return self.get_result(session).photo
        photo = self.engine.read_photo(path)
        if photo.example is None:
            session.uploads.add(path)
        return photo

    def _find_model(self, session: Session, name: str, shown: Result | None) -> str:
        """The network that an address names, if this user may ask for it.

        Args:
            session: of the user.
            name: of a file or folder without those above it; see ``make_address``.
            shown: the result that the address may be of, when the page is loaded again.
        """
        known = (shown and shown.settings.model, session.uploaded_model, self.engine.config.model)
        found = next((model for model in known if model and name_model(model) == name), name)
        may_be_here = self.engine.config.allows_paths and Path(name).exists()
        if found == name == Path(name).name and name.endswith(".safetensors") and not may_be_here:
            raise ModelError(
                f"The network {name!r} of this link is not here; upload it, then open the link "
                f"again in this tab."
            )
        return self._check_model(session, found)

    def _check_model(self, session: Session, name: str) -> str:
        """The name, if this user may ask for it: a typed path would open any file of the server."""
        known = {info.name for info in self.engine.list_models()}
        known |= {self.engine.config.model, *session.uploads}
        if name in known or f"timm/{name}" in known or self.engine.config.allows_paths:
            return name
        raise ModelError(f"There is no model named {name!r} here; choose one of the list.")

    def _restore(self, session: Session, photo_path: str | None, asked: float) -> Changes:
        """Set the controls back to what the result on the screen was made with."""
        result = self.get_result(session)
        changes = self.screen.draw_controls(session, result, asked)
        if photo_path != session.photo_path:
            path = session.photo_path or str(result.photo.path)
            changes["photo"] = path if Path(path).exists() else None
        return changes


def _leave_behind(settings: Settings, shown: Result | None, photo: Photo) -> Settings:
    """The settings without what was typed or painted for another photo than this one."""
    if shown is None or shown.photo.key == photo.key:
        return settings
    if settings.focal_mm == shown.settings.focal_mm:
        settings = replace(settings, focal_mm=None)
    if settings.painted == shown.settings.painted:
        settings = replace(settings, painted=())
    return settings
