"""Stopping a run between two steps, when somebody asks for it."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE_S = 1.0  # launchers repeat a Ctrl-C at once; a person takes longer to press it again


class Interrupted(KeyboardInterrupt):
    """The run was stopped and saved; the message says how to go on.

    Attributes:
        number: the signal that stopped it.
    """

    def __init__(self, message: str, number: int) -> None:
        """Keep both."""
        super().__init__(message)
        self.number = number


class InterruptGuard:
    """Turns Ctrl-C and SIGTERM into ``number`` while it is entered; a second Ctrl-C gets through.

    Outside the main thread, where Python delivers no signals, it does nothing.
    """

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.number: int | None = None
        self._at = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> InterruptGuard:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.number is not None and number == signal.SIGINT and now - self._at > _PATIENCE_S:
            raise KeyboardInterrupt
        if self.number is None:
            self.number, self._at = number, now
