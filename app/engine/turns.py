"""One at a time, in the order of asking."""

from __future__ import annotations

import threading
from collections import deque


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
