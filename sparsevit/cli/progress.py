"""The progress bar of the commands."""

from __future__ import annotations

from tqdm import tqdm


class Bar:
    """A bar on standard error for what is done just now; each phase has one of its own."""

    def __init__(self, unit: str) -> None:
        """Nothing is shown yet.

        Args:
            unit: what a step is, for the speed that is shown.
        """
        self._unit = unit
        self._phase: str | None = None
        self._bar: tqdm | None = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, done: int, total: int, phase: str | None = None, found: str = "") -> None:
        """Show how far it is.

        Args:
            done, total: steps of the phase.
            phase: its name, if there are several.
            found: the best so far, in words.
        """
        if self._bar is None or phase != self._phase:
            self.__exit__()
            self._phase = phase
            self._bar = tqdm(total=total, desc=phase, unit=self._unit, initial=done)
        self._bar.total = total
        if found:
            self._bar.set_postfix_str(found, refresh=False)
        self._bar.update(done - self._bar.n)
