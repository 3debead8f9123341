"""What the server remembers of one user's page, and forgets with it."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from app.engine.records import Result, Try, make_try
from app.engine.search import PhotoSearch
from sparsevit.inspect.sizes import SizeComparison

#: How often a doubtful result is looked at again, to time it when the machine is quiet.
MOST_RETRIES = 60

Memory = TypeVar("Memory")

_MOST_TRIES = 60
_MOST_PHOTOS = 4  # whose pixels the history holds


@dataclass
class Session:
    """One user's page. Gradio keeps it on the server and gives it to nobody else.

    Attributes:
        result: what is on the screen; None means the result the page opens with.
        photo_path: the file the current photo was read from.
        uploaded_model: a checkpoint this user uploaded.
        uploads: files this user sent.
        tab: id of the open tab; None for the one that the page opens with.
        requests: ticket of the latest request; a run that is not the latest is dropped.
        results: number of results shown so far.
        opened: what ``results`` was when the open tab was opened.
        retries: how often the current result, being doubtful, has been looked at again.
        sent: when the latest request was, ms by the page's clock.
        history: settings tried, oldest first.
        comparison: sparse against dense at lower resolutions, of the current result.
        search: the latest search for sparsities; another takes its place.
        placed: schedules of the shipped frontier, tried on the current photo.
        pinned: A, which what is on the screen is held against; see :meth:`get_pinned`.
        folder: this user's own files, made when first needed.
        memories: what tabs remember, see :meth:`recall`.
    """

    result: Result | None = None
    photo_path: str | None = None
    uploaded_model: str | None = None
    uploads: set[str] = field(default_factory=set)
    tab: str | None = None
    requests: int = 0
    results: int = 0
    opened: int = 0
    retries: int = 0
    sent: float = 0.0
    history: list[Try] = field(default_factory=list)
    comparison: SizeComparison | None = None
    search: PhotoSearch | None = None
    placed: list[Try] = field(default_factory=list)
    pinned: Result | None = None
    folder: Path | None = None
    memories: dict[type[Any], Any] = field(default_factory=dict)

    def recall(self, kind: type[Memory]) -> Memory:
        """What a tab remembers of this user.

        Args:
            kind: a class of the tab's own; an object without arguments is made of it at first.
        """
        memory: Memory = self.memories.setdefault(kind, kind())
        return memory

    @property
    def num_bytes(self) -> int:
        """What the photos and results with both predictions take, all but the examples."""
        photos = [known.photo for known in self.history]
        if self.search is not None:
            photos.append(self.search.photo)
        arrays: dict[int, int] = {}
        for result in filter(None, (self.result, self.pinned)):
            photos.append(result.photo)
            found = _find_arrays((result.analysis.prepared, result.analysis.sparse))
            arrays |= {id(array): array.nbytes for array in found}  # each once
        pixels = {photo.key: photo.pixels.nbytes for photo in photos if photo.example is None}
        return sum(arrays.values()) + sum(pixels.values())

    @property
    def moment(self) -> tuple[int, int]:
        """Changes as soon as anything newer is asked for or shown.

        A request that is under way has been counted, but what it replaces is still on the screen:
        the latest request alone does not tell whether a measuring is of what is shown.
        """
        return self.requests, self.results

    def set_result(self, result: Result) -> None:
        """Put another result on the screen."""
        self.results += 1
        self.result = result
        self.retries = 0
        self.comparison = None
        self.placed = [entry for entry in self.placed if entry.is_like(result)]

    def get_pinned(self, shown: Result) -> Result | None:
        """A; where it is what is on the screen, with what has been measured of that since."""
        pinned = self.pinned
        if pinned is not None and shown.analysis.latency is not None:
            is_shown = pinned.is_of(shown.photo, shown.settings, shown.analysis.prepared.input_size)
            if is_shown and pinned.settings == shown.settings:
                self.pinned = shown
        return self.pinned

    def note_try(self, result: Result) -> None:
        """Remember a measured result; the same setting again takes the place of its entry."""
        entry = make_try(result)
        for index, known in enumerate(self.history):
            if known.is_like(result) and known.settings == entry.settings:
                self.history[index] = entry
                return
        self.history.append(entry)
        recent = list(dict.fromkeys(known.photo.key for known in reversed(self.history)))
        kept = set(recent[:_MOST_PHOTOS])
        self.history[:] = [k for k in self.history if k.photo.key in kept][-_MOST_TRIES:]

    def take_over(self, earlier: Session) -> None:
        """Go on where a page left off that was reloaded; its files belong to this one now."""
        uploads, folder, tab = earlier.uploads, earlier.folder, self.tab
        earlier.uploads, earlier.folder = set(), None
        self.__dict__.update(vars(earlier))
        earlier.search = None  # nobody looks at it any more
        if self.search is not None:
            self.search.is_running = False
        self.history, self.uploads, self.folder = list(earlier.history), uploads, folder
        self.tab = tab  # it may have been opened while the page was loading

    def get_folder(self, parent: str) -> Path:
        """A private folder of this user below ``parent``."""
        if self.folder is None or not self.folder.exists():
            self.folder = Path(tempfile.mkdtemp(prefix="session-", dir=parent))
        return self.folder

    def close(self) -> None:
        """Forget everything and delete this user's files."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        for path in self.uploads:
            Path(path).unlink(missing_ok=True)
        self.__init__()  # type: ignore[misc]


def _find_arrays(value: Any) -> Iterator[np.ndarray | Tensor]:
    """Every array within plain data: dataclasses, sequences, dictionaries."""
    if isinstance(value, (np.ndarray, Tensor)):
        yield value
    elif is_dataclass(value):
        yield from _find_arrays(vars(value))
    elif isinstance(value, dict):
        yield from _find_arrays(list(value.values()))
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _find_arrays(part)


class Visitors:
    """The open pages, so that one that was closed, or is one too many, is forgotten.

    Gradio itself keeps what it made for a session. A page that lost its connection reloads when it
    is back and gets a new session; within ``patience_s`` that one goes on where the first left off.

    Args:
        patience_s: seconds between losing a page and forgetting it.
        max_bytes: for all sessions together; the one that ran nothing for longest goes first.
    """

    def __init__(self, patience_s: float, max_bytes: int) -> None:
        self._patience_s = patience_s
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._in_use: OrderedDict[int, Session] = OrderedDict()  # by id, the latest used last
        self._sessions: dict[str, Session] = {}
        self._visits: dict[str, str] = {}

    def enter(self, key: str, session: Session, visit: str, goes_on: bool) -> None:
        """A page was opened, or opened again.

        Args:
            key: gradio's name of the session.
            session: what is remembered of it; updated if the page was open before.
            visit: a secret of the browser's tab, the same after a reload; empty for none.
            goes_on: whether it takes up what the tab showed before.
        """
        earlier = self._sessions.get(self._visits.get(visit, ""))
        if goes_on and earlier is not None and earlier is not session:
            session.take_over(earlier)
        self._sessions[key] = session
        if visit:
            self._visits[visit] = key

    def note_use(self, session: Session) -> None:
        """A session is about to run a network: a page, or a program that never entered."""
        with self._lock:
            self._in_use[id(session)] = session
            self._in_use.move_to_end(id(session))
            total = sum(known.num_bytes for known in self._in_use.values())
            while total > self._max_bytes and len(self._in_use) > 1:
                oldest = self._in_use.popitem(last=False)[1]
                total -= oldest.num_bytes
                oldest.close()

    def leave(self, key: str) -> None:
        """A page was closed, or its connection lost."""
        session = self._sessions.get(key)
        if session is None:
            return
        timer = threading.Timer(self._patience_s, self._forget, (key, session.requests))
        timer.daemon = True
        timer.start()

    def _forget(self, key: str, requests: int) -> None:
        session = self._sessions.get(key)
        if session is not None and session.requests == requests:  # it did not come back
            del self._sessions[key]
            self._visits = {v: k for v, k in self._visits.items() if k != key}
            with self._lock:
                self._in_use.pop(id(session), None)
            session.close()
