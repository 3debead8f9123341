"""How an event of the page reaches a handler, in the few ways there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any, Protocol

import gradio as gr

from app.engine.protocol import Engine
from app.engine.records import Result, Try
from app.page.session import Session
from sparsevit.schedule import SparsitySchedule

#: What changes on the page, by name; what is not named stays as it is.
Changes = dict[str, Any]

#: Components by name.
Parts = dict[str, Any]

#: The engine runs one network at a time; with two at its door, others pass a download.
RUNS: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "network"}

#: For what is timed.
TIMINGS: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "latency"}

#: Each keeps a cache of stage outputs, up to its limit; more wait.
SEARCHES: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "search"}

#: For what only draws.
LOOKS: dict[str, Any] = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last"}

#: The same for what says which was chosen: "always_last" repeats the first event's data for the
#: last one.
CHOICES: dict[str, Any] = LOOKS | {"trigger_mode": "multiple"}

#: For the page's own events, which are no endpoints for programs.
HIDDEN: dict[str, Any] = {"api_visibility": "undocumented"}


class PageActions(Protocol):
    """What a tab may ask of the page; see :class:`app.page.handlers.Handlers`."""

    @property
    def engine(self) -> Engine:
        """Runs the networks."""

    def get_result(self, session: Session) -> Result:
        """What is on a user's screen."""

    def note_use(self, session: Session) -> None:
        """A session is about to run a network."""

    def tell(self, error: Exception) -> None:
        """Say in one sentence what went wrong."""

    def measure(self, session: Session) -> Iterator[Changes]:
        """Measure the current result's latency, a few runs that refine while one looks."""

    def measure_again(self, session: Session) -> Iterator[Changes]:
        """Measure the current result's latency anew, with more runs."""

    def use_schedule(self, session: Session, schedule: SparsitySchedule) -> Changes:
        """Put a schedule on the sliders, as if they had been moved there."""

    def go_back(self, session: Session, entry: Try) -> Changes:
        """Show what was tried once: its photo, network, size and sparsities."""

    def show(self, session: Session, result: Result) -> Changes:
        """Put a result that is there already on the screen, and the controls on its settings."""

    def open_tab(self, session: Session, tab: str) -> Changes:
        """Draw what a tab shows; only the open one is drawn while sliders move."""

    def draw_numbers(self, session: Session, runs: int) -> Changes:
        """What a further timed run changes, of so many."""

    def redraw(self, session: Session) -> Changes:
        """Draw anew what depends on which result is pinned."""


class Events:
    """Ties events to handlers.

    A handler gets the user's session and the values of its inputs, and returns, or goes on
    yielding, what changes on the page.

    Args:
        page: handlers of the whole page.
        session: its gr.State of a Session.
        parts: all components.
        outputs: names of those that another result may change.
        numbers: names of those that a further timed run changes.
    """

    def __init__(
        self,
        page: PageActions,
        session: gr.State,
        parts: Parts,
        outputs: Sequence[str],
        numbers: Sequence[str],
    ) -> None:
        self.page = page
        self.session = session
        self.parts = parts
        self._outputs = tuple(outputs)
        self._numbers = tuple(numbers)

    def tie(
        self,
        trigger: Callable[..., Any],
        handler: Callable[..., Changes | Iterator[Changes]],
        outputs: Sequence[str],
        api_name: str,
        inputs: Sequence[str] = (),
        **options: Any,
    ) -> Any:
        """Call a handler.

        Args:
            trigger: gradio's method of a component, as ``parts["again"].click``.
            handler: takes the session, the inputs, and gr.SelectData or gr.Request if it says so.
            outputs: names of the components that it may change.
            api_name: of the endpoint.
            inputs: names of the components whose values it gets.
            options: how it is queued and what it shows meanwhile.

        Returns:
            gradio's handle; its ``then`` is a trigger.
        """
        return trigger(
            _spread(handler, outputs),
            [self.session, *(self.parts[name] for name in inputs)],
            [self.parts[name] for name in outputs],
            api_name=api_name,
            **HIDDEN,
            **options,
        )

    def tie_run(
        self,
        trigger: Callable[..., Any],
        handler: Callable[..., Changes],
        api_name: str,
        timed_as: str,
        inputs: Sequence[str] = (),
        **options: Any,
    ) -> Any:
        """Call a handler that puts another result on the screen, and then time that.

        Args:
            trigger, handler, api_name, inputs, options: see :meth:`tie`.
            timed_as: name of the endpoint that times it.
        """
        busy = {"show_progress": "minimal", "show_progress_on": self.parts["headline"]}
        run = self.tie(trigger, handler, self._outputs, api_name, inputs, **busy, **RUNS, **options)
        self.tie_timing(run.then, self.page.measure, timed_as, self._numbers)
        return run

    def tie_timing(
        self,
        trigger: Callable[..., Any],
        handler: Callable[[Session], Iterator[Changes]],
        api_name: str,
        outputs: Sequence[str] | None = None,
        **options: Any,
    ) -> Any:
        """Call a handler that times something, which nobody has to wait for.

        Args:
            trigger, handler, api_name, options: see :meth:`tie`.
            outputs: names of what it changes; None for what every timed run of a result does.
        """
        quiet = {"show_progress": "hidden", "trigger_mode": "multiple"} | TIMINGS | options
        return self.tie(
            trigger, handler, self._numbers if outputs is None else outputs, api_name, **quiet
        )


def by_index(
    handler: Callable[[Session, int], Changes],
) -> Callable[[Session, gr.SelectData], Changes]:
    """A handler that takes which of several was pressed, by number, as gradio calls it."""

    def call(session: Session, event: gr.SelectData) -> Changes:
        return handler(session, int(event.index))

    return call


def _spread(
    handler: Callable[..., Changes | Iterator[Changes]], outputs: Sequence[str]
) -> Callable[..., Any]:
    """A handler as gradio wants it: one value for each of the outputs named."""
    if not isgeneratorfunction(handler):

        @wraps(handler)
        def call(*inputs: Any) -> Any:
            return _list_values(handler(*inputs), outputs)

        return call

    @wraps(handler)
    def call_often(*inputs: Any) -> Iterator[Any]:
        yield _list_values({}, outputs)  # gradio empties the outputs of one that yields nothing
        for changes in handler(*inputs):
            yield _list_values(changes, outputs)

    return call_often


def _list_values(changes: Any, outputs: Sequence[str]) -> Any:
    values = [changes.get(name, gr.skip()) for name in outputs]
    return values if len(values) > 1 else values[0]  # gradio takes a list of one as the value
