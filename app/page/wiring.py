"""The events of what belongs to no tab, and the endpoints for programs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from app.api import Api
from app.engine.protocol import Engine
from app.page.components import PhotoInput, PictureOutput
from app.page.events import CHOICES, HIDDEN, LOOKS, RUNS, SEARCHES, Changes, Events, by_index
from app.page.handlers import Handlers
from app.page.pinning import PinHandlers
from app.page.session import Session
from app.page.suggesting import SuggestionHandlers

#: The same for every load of one browser tab, and unknown to others.
_NAME_VISIT = """(session) => [session, (sessionStorage.sparsevit ??= Array.from(
  crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("-"))]"""

#: A request tells when it was sent, since another may overtake it.
_STAMP = "(...values) => [...values.slice(0, -1), performance.now()]"


def wire_page(demo: gr.Blocks, handlers: Handlers, events: Events) -> None:
    """A page that opens and closes, the controls, the tabs, the stopwatch that tries again.

    Args:
        demo: the page.
        handlers: what is called.
        events: ties them.
    """
    parts = events.parts
    _wire_controls(handlers, events)
    _wire_pin(handlers, events)

    def enter(state: Session, visit: str, request: gr.Request) -> Changes:
        query = dict(request.query_params)
        return handlers.enter(state, visit, str(request.session_hash), query)

    def leave(request: gr.Request) -> None:
        handlers.leave(str(request.session_hash))

    def open_tab(state: Session, index: int) -> Changes:
        return handlers.open_tab(state, handlers.screen.tabs[index].id)

    filled = events.tie(
        demo.load, handlers.await_first, handlers.screen.outputs, "await_first", ["panel"], **LOOKS
    )
    events.tie_run(filled.then, enter, "enter", "measure_linked", ["visit"], js=_NAME_VISIT)
    demo.unload(leave)
    of_tabs = handlers.screen.of_tabs
    opened = events.tie(parts["tabs"].select, by_index(open_tab), of_tabs, "open_tab", **CHOICES)
    events.tie(opened.then, handlers.redraw_tab, of_tabs, "redraw_tab", **CHOICES)
    events.tie_timing(parts["retry"].tick, handlers.retry, "retry", trigger_mode="once")


def _wire_controls(handlers: Handlers, events: Events) -> None:
    """The photo, the network, the sliders: each runs the network with what all of them say."""
    parts, session = events.parts, events.session
    controls = ("photo", "model", "short_side", "panel", "task", "sent")

    def run(trigger: Callable[..., Any], end: str = "", mode: str = "always_last") -> Any:
        names = (f"run{end}", f"measure{end}", controls)
        return events.tie_run(trigger, handlers.run, *names, trigger_mode=mode, js=_STAMP)

    def pick_example(event: gr.SelectData) -> str:
        return handlers.pick_example(event.index)

    ran = run(partial(gr.on, [parts[name].input for name in controls[:-1]]))
    suggestions = SuggestionHandlers(handlers, handlers.use_settings)
    events.tie(ran.then, suggestions.suggest, ("suggestion",), "suggest", **LOOKS)
    answer = by_index(suggestions.answer)
    events.tie_run(parts["suggestion"].select, answer, "answer_suggestion", "measure_suggested")
    picked = parts["examples"].select(
        pick_example, None, parts["photo"], api_name="pick_example", **CHOICES, **HIDDEN
    )
    run(picked.then, "_example")
    uploaded = parts["model_file"].upload(
        handlers.upload_model,
        [session, parts["model_file"]],
        parts["model"],
        api_name="upload_model",
        **LOOKS,
        **HIDDEN,
    )
    run(uploaded.then, "_uploaded")
    closer = parts["fed"].select
    events.tie_run(closer, handlers.look_closer, "look_closer", "measure_closer")


def _wire_pin(handlers: Handlers, events: Events) -> None:
    """What is on the screen is pinned, let go, or swapped with what is pinned."""
    pins, view = PinHandlers(handlers), events.parts["pin"]
    outputs = ("pin", "place", *handlers.screen.of_tabs)
    events.tie(view.pin, pins.pin, outputs, "pin", **CHOICES)
    events.tie(view.unpin, pins.unpin, outputs, "unpin", **CHOICES)
    events.tie_run(view.swap, pins.swap, "swap", "measure_swapped")


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
        task = gr.Textbox("", label="task")
        focal_mm = gr.Number(0, label="focal_mm")
        painted = gr.Textbox("", label="painted")
        answer, picture = gr.JSON(label="result"), PictureOutput(label="picture", format="png")
        setting = [photo, model, short_side, sparsity]
        gr.Button().click(api.models, None, answer, api_name="models", queue=False)
        for function, inputs, output in (
            (api.analyze, [*setting, task, focal_mm, painted], answer),
            (api.compare_sizes, [*setting, task, focal_mm], answer),
            (api.worth, [photo, model, short_side, task, focal_mm], answer),
            (api.lens, [*setting, task], answer),
            (api.draw_windows, [*setting, block, view, task, painted], picture),
            (api.draw_outputs, [*setting, task, focal_mm], picture),
        ):
            gr.Button().click(function, inputs, output, api_name=function.__name__, **RUNS)
        other = gr.Textbox('{"sparsity": 0.3}', label="b")
        inputs = [*setting, other, task, focal_mm]
        gr.Button().click(api.compare, inputs, answer, api_name="compare", **RUNS)
        asked = [
            gr.Textbox("0.6x", label="budget"),
            gr.Number(60, precision=0, label="trials"),
            gr.Number(0, precision=0, label="seed"),
        ]
        inputs = [photo, model, short_side, *asked, task]
        gr.Button().click(api.search, inputs, answer, api_name="search", **SEARCHES)
        inputs = [photo, model, short_side, task, focal_mm]
        gr.Button().click(api.exercises, inputs, answer, api_name="exercises", **SEARCHES)
