"""What happens on the page: every event, the handler it calls, and what that changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from app.api import Api
from app.engine.protocol import Engine
from app.page.components import PhotoInput, PictureOutput
from app.page.handlers import Handlers
from app.page.screen import OUTPUTS, Changes
from app.page.session import TABS, Session
from app.tabs.search.handlers import SearchHandlers

# The engine runs one network at a time; with two at its door, others pass a download.
_RUNS: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "network"}
_TIMINGS: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "latency"}
# Each holds as much as it likes to use again; more wait.
_SEARCHES: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "search"}
_LOOKS: dict[str, Any] = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last"}
# "always_last" repeats the first event's data for the last one: not for what says which was chosen.
_CHOICES: dict[str, Any] = _LOOKS | {"trigger_mode": "multiple"}
_HIDDEN: dict[str, Any] = {"api_visibility": "undocumented"}

#: The same for every load of one browser tab, and unknown to others.
_NAME_VISIT = """(session) => [session, (sessionStorage.sparsevit ??= Array.from(
  crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("-"))]"""

_NUMBERS = ("headline", "latency", "history", "search", "json", "retry")
_SEARCH = ("search", "search_start", "search_stop", "search_apply", "search_file")
_DRAWN = (
    *("windows", "outputs", "latency", "history", "sizes", "learn"),
    *_SEARCH,
    *("json", "snippet", "address", "zip"),
)


def wire_runs(
    demo: gr.Blocks, handlers: Handlers, session: gr.State, parts: dict[str, Any]
) -> None:
    """What runs a network: the controls, the examples, a checkpoint, the history, the stopwatch.

    Args:
        demo: the page.
        handlers: what is called.
        session: of the user.
        parts: the page's components by name.
    """
    result = [parts[name] for name in OUTPUTS]
    busy: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": parts["headline"]}
    run: dict[str, Any] = {
        "fn": _spread(handlers.run, OUTPUTS),
        "inputs": [session, *(parts[n] for n in ("photo", "model", "short_side", "panel"))],
        "outputs": result,
        "trigger_mode": "always_last",
        **busy,
        **_RUNS,
        **_HIDDEN,
    }
    again = _describe_measuring(session, parts)
    again |= {"fn": _spread_all(handlers.measure_again, _NUMBERS)}

    def follow(run: Any, name: str) -> None:
        _follow(run, name, handlers, session, parts)

    def pick_example(event: gr.SelectData) -> str:
        return handlers.pick_example(event.index)

    def return_to(state: Session, event: gr.SelectData) -> Any:
        return _spread(handlers.return_to, OUTPUTS)(state, int(event.index))

    def enter(state: Session, visit: str, request: gr.Request) -> Any:
        query = dict(request.query_params)
        return _spread(handlers.enter, OUTPUTS)(state, visit, str(request.session_hash), query)

    def leave(request: gr.Request) -> None:
        handlers.leave(str(request.session_hash))

    controls = [parts[name].input for name in ("photo", "model", "short_side", "panel")]
    follow(gr.on(controls, api_name="run", **run), "")
    picked = parts["examples"].select(
        pick_example, None, parts["photo"], api_name="pick_example", **_CHOICES, **_HIDDEN
    )
    follow(picked.then(api_name="run_example", **run), "_example")
    uploaded = parts["model_file"].upload(
        handlers.upload_model,
        [session, parts["model_file"]],
        parts["model"],
        api_name="upload_model",
        **_LOOKS,
        **_HIDDEN,
    )
    follow(uploaded.then(api_name="run_uploaded", **run), "_uploaded")
    returns: dict[str, Any] = {"outputs": result, **busy, **_RUNS, **_HIDDEN}
    returned = parts["history"].select(return_to, session, api_name="return_to", **returns)
    follow(returned, "_returned")
    filled = demo.load(
        _spread(handlers.await_first, OUTPUTS),
        [session, parts["panel"]],
        result,
        api_name="await_first",
        **_LOOKS,
        **_HIDDEN,
    )
    entered = filled.then(
        enter,
        [session, parts["visit"]],
        js=_NAME_VISIT,
        api_name="enter",
        **returns,
    )
    follow(entered, "_linked")
    demo.unload(leave)
    parts["again"].click(api_name="measure_again", **again)
    parts["retry"].tick(
        _spread_all(handlers.retry, _NUMBERS),
        api_name="retry",
        **_describe_measuring(session, parts) | {"trigger_mode": "once"},
    )
    parts["compare"].click(
        _spread_all(handlers.compare_sizes, ("sizes",)),
        session,
        parts["sizes"],
        api_name="compare_sizes_here",
        **_TIMINGS,
        **_HIDDEN,
    )


def wire_search(
    search: SearchHandlers, handlers: Handlers, session: gr.State, parts: dict[str, Any]
) -> None:
    """The tab Search.

    Args:
        search: what its own controls call.
        handlers, session, parts: see :func:`wire_runs`.
    """
    drawn = [parts[name] for name in _SEARCH]
    asked = [session, *(parts[f"search_{n}"] for n in ("share", "free", "trials", "seed"))]
    begun = parts["search_start"].click(
        _spread(search.begin, _SEARCH), asked, drawn, api_name="begin_search", **_LOOKS, **_HIDDEN
    )
    begun.then(
        _spread_all(search.go_on, _SEARCH),
        session,
        drawn,
        api_name="go_on_searching",
        show_progress="hidden",
        trigger_mode="multiple",
        **_SEARCHES,
        **_HIDDEN,
    )
    parts["search_stop"].click(
        _spread(search.stop, _SEARCH), session, drawn, api_name="stop_search", **_LOOKS, **_HIDDEN
    )
    parts["search_free"].change(
        lambda is_free: gr.update(interactive=not is_free),
        parts["search_free"],
        parts["search_share"],
        **_LOOKS,
        api_visibility="private",
    )

    def use_point(state: Session, event: gr.SelectData) -> Any:
        return _spread(search.use_point, OUTPUTS)(state, int(event.index))

    result = [parts[name] for name in OUTPUTS]
    busy: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": parts["headline"]}
    best = parts["search_apply"].click(
        _spread(search.use_best, OUTPUTS),
        session,
        result,
        api_name="use_best",
        **busy,
        **_RUNS,
        **_HIDDEN,
    )
    _follow(best, "_best", handlers, session, parts)
    point = parts["search"].select(
        use_point, session, result, api_name="use_point", **busy, **_RUNS, **_HIDDEN
    )
    _follow(point, "_point", handlers, session, parts)


def wire_looks(handlers: Handlers, session: gr.State, parts: dict[str, Any]) -> None:
    """What only draws: the tabs, the block that is explained, the zip.

    Args:
        handlers, session, parts: see :func:`wire_runs`.
    """

    def open_tab(state: Session, event: gr.SelectData) -> Any:
        return _spread(handlers.open_tab, _DRAWN)(state, TABS[event.index])

    def explain_block(state: Session, event: gr.SelectData) -> Any:
        return _spread(handlers.explain_block, ("learn",))(state, int(event.index))

    parts["tabs"].select(
        open_tab,
        session,
        [parts[name] for name in _DRAWN],
        api_name="open_tab",
        **_CHOICES,
        **_HIDDEN,
    )
    parts["latency_tab"].select(
        _spread_all(handlers.measure_memory, ("latency",)),
        session,
        parts["latency"],
        api_name="measure_memory",
        show_progress="hidden",
        trigger_mode="multiple",
        **_TIMINGS,
        **_HIDDEN,
    )
    parts["tradeoff_tab"].select(
        _spread_all(handlers.place_frontier, ("history",)),
        session,
        parts["history"],
        api_name="place_frontier",
        show_progress="hidden",
        trigger_mode="multiple",
        **_TIMINGS,
        **_HIDDEN,
    )
    parts["learn"].select(
        explain_block, session, parts["learn"], api_name="explain_block", **_CHOICES, **_HIDDEN
    )
    parts["make_zip"].click(
        _spread(handlers.make_zip, ("zip",)), session, parts["zip"], api_name="make_zip", **_HIDDEN
    )


def wire_api(engine: Engine) -> None:
    """Endpoints for programs and agents, apart from the page's own events."""
    api = Api(engine)
    with gr.Row(visible=False):
        photo = PhotoInput(image_mode=None, type="filepath", label="photo")
        model = gr.Textbox(engine.config.model, label="model")
        short_side = gr.Number(512, precision=0, label="short_side")
        sparsity = gr.Textbox("0.6", label="sparsity")
        block = gr.Number(0, precision=0, label="block")
        view = gr.Textbox("pruned", label="view")
        answer, picture = gr.JSON(label="result"), PictureOutput(label="picture", format="png")
        setting = [photo, model, short_side, sparsity]
        gr.Button().click(api.models, None, answer, api_name="models", queue=False)
        for function, inputs, output in (
            (api.analyze, setting, answer),
            (api.compare_sizes, setting, answer),
            (api.draw_windows, [*setting, block, view], picture),
            (api.draw_outputs, setting, picture),
        ):
            gr.Button().click(function, inputs, output, api_name=function.__name__, **_RUNS)
        asked = [
            gr.Textbox("0.6x", label="budget"),
            gr.Number(60, precision=0, label="trials"),
            gr.Number(0, precision=0, label="seed"),
        ]
        inputs = [photo, model, short_side, *asked]
        gr.Button().click(api.search, inputs, answer, api_name="search", **_SEARCHES)


def _follow(
    run: Any, name: str, handlers: Handlers, session: gr.State, parts: dict[str, Any]
) -> None:
    """Once a run is done, time it.

    Args:
        run: an event.
        name: end of the name of what follows.
        handlers, session, parts: see :func:`wire_runs`.
    """
    measure = _describe_measuring(session, parts)
    run.then(_spread_all(handlers.measure, _NUMBERS), api_name=f"measure{name}", **measure)


def _describe_measuring(session: gr.State, parts: dict[str, Any]) -> dict[str, Any]:
    return {
        "inputs": session,
        "outputs": [parts[name] for name in _NUMBERS],
        "show_progress": "hidden",
        "trigger_mode": "multiple",
        **_TIMINGS,
        **_HIDDEN,
    }


def _spread(handler: Callable[..., Changes], names: Sequence[str]) -> Callable[..., Any]:
    """A handler as gradio wants it: one value for each of the outputs named."""

    def call(*inputs: Any) -> Any:
        return _list_values(handler(*inputs), names)

    return call


def _spread_all(
    handler: Callable[..., Iterator[Changes]], names: Sequence[str]
) -> Callable[..., Iterator[Any]]:
    """The same for a handler that goes on yielding, or never starts."""

    def call(*inputs: Any) -> Iterator[Any]:
        yield _list_values({}, names)  # gradio empties the outputs of one that yields nothing
        for changes in handler(*inputs):
            yield _list_values(changes, names)

    return call


def _list_values(changes: Changes, names: Sequence[str]) -> Any:
    values = [changes.get(name, gr.skip()) for name in names]
    return values if len(values) > 1 else values[0]  # gradio takes a list of one as the value
