"""One run of a network at a time, in the order of asking."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from app.engine.newest import Superseded, always, stop_when_stale
from sparsevit.networks import LoadedModel
from sparsevit.patch import set_sparsity, sparsify

Outcome = TypeVar("Outcome")


class TurnLock:
    """A lock that goes to whoever has waited longest.

    Python's own goes to anybody: a thread that asks again at once, as a search does step after
    step, would keep all others waiting.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._is_held = False

    def __enter__(self) -> None:
        with self._mutex:
            if not self._is_held:
                self._is_held = True
                return
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()

    def __exit__(self, *_: object) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().set()  # it is held on, by the next
            else:
                self._is_held = False


class Turns:
    """Who may run a network now.

    Attributes:
        lock: held by whoever runs one.
    """

    def __init__(self) -> None:
        self.lock = TurnLock()

    @contextmanager
    def hold(
        self, loaded: LoadedModel, linked: bool, is_current: Callable[[], bool] = always
    ) -> Iterator[None]:
        """Nobody else runs a network inside the ``with`` block, which finds and leaves it dense.

        Args:
            loaded: the network.
            linked: see :class:`app.engine.records.Settings`.
            is_current: asked before and between the stages; False raises Superseded.
        """
        with self.lock:
            if not is_current():
                raise Superseded
            sparsify(loaded.module, 0.0, rescore=not linked)
            try:
                with stop_when_stale(loaded.module, is_current):
                    yield
            finally:
                set_sparsity(loaded.module, 0.0)

    def take(
        self,
        loaded: LoadedModel,
        linked: bool,
        steps: Iterator[Outcome],
        is_current: Callable[[], bool] = always,
    ) -> Iterator[Outcome]:
        """Go through steps that run a network, with the lock held for one step at a time.

        Args:
            loaded, linked: see :meth:`hold`.
            steps: each runs the network when it is asked for.
            is_current: asked before and during every step; False ends them.
        """
        while True:
            try:
                with self.hold(loaded, linked, is_current):
                    outcome = next(steps, None)
            except Superseded:
                return
            if outcome is None:
                return
            yield outcome
