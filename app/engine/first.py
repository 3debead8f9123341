"""The result the page opens with: pages may ask for it before it is there."""

from __future__ import annotations

from concurrent.futures import Future

from app.engine.records import Result


class FirstResult:
    """Who asks before it is there waits for it."""

    def __init__(self) -> None:
        self._future: Future[Result] = Future()

    @property
    def is_there(self) -> bool:
        """Whether nobody has to wait any more."""
        return self._future.done()

    def get(self) -> Result:
        """The result, once it is there.

        Raises:
            Exception: what was given to :meth:`fail`.
        """
        return self._future.result()

    def put(self, result: Result) -> None:
        """Give it to whoever waits; another takes its place."""
        if self._future.done():
            self._future = Future()  # nobody waits for the one before
        self._future.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Raise an error at whoever asks: there will be no result."""
        self._future.set_exception(error)
