"""The page: layout and wiring only."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.component_meta import ComponentMeta
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder, is_in_or_equal

from app import render
from app.config import SHORT_SIDES
from app.engine import Engine
from app.handlers import OUTPUTS, TABS, Changes, Handlers, Session
from app.panel import make_panel
from app.theme import build_theme
from sparsevit.transforms import load_image
from sparsevit.zoo import ModelInfo

CSS_FILE = Path(__file__).with_name("style.css")
TITLE = "SparseViT: window pruning"

_PANEL_JS = Path(__file__).with_name("panel.js").read_text(encoding="utf-8")
_FIGURE_JS = Path(__file__).with_name("figure.js").read_text(encoding="utf-8")
_RUNS: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "network"}
_TIMINGS: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "latency"}
_LOOKS: dict[str, Any] = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last"}
_HIDDEN: dict[str, Any] = {"api_visibility": "undocumented"}

_WINDOWS = ("windows", "filmstrip")
_NUMBERS = ("headline", "latency", "json")
_DRAWN = (*_WINDOWS, "outputs", "latency", "json", "snippet")

_INTRO = """<header class="sv-header"><h1>SparseViT</h1><p>A Swin Transformer looks at a photo
through thousands of small attention windows. <b>Window pruning</b> skips the windows with the
weakest activations, layer by layer: move the sliders and see what is skipped, what it changes, and
how much faster the network really runs.</p></header>"""


def _take_file(self: gr.Image, payload: ImageData | None) -> Any:
    """The uploaded file as it came, so that our own reader judges it and not gradio's.

    Gradio lets a request name any file of the server as long as it leaves out the mark of a file.
    """
    if payload is None or not payload.path:
        return gr.Image.preprocess(self, payload)
    if not is_in_or_equal(payload.path, get_upload_folder()):
        raise gr.Error("The photo must be uploaded first.", print_exception=False)
    return payload.path


# gr.Image, but for the above. Made this way because gradio's own way of making component classes
# writes a stub file beside this source.
PhotoInput: Any = ABCMeta.__new__(
    ComponentMeta,
    "PhotoInput",
    (gr.Image,),
    {"preprocess": _take_file, "is_template": True, "__module__": __name__},
)


def build_demo(engine: Engine) -> gr.Blocks:
    """The page for an engine that has started.

    Args:
        engine: anything with the interface of :class:`app.engine.Engine`.

    Returns:
        Blocks to queue and launch; :func:`launch_options` has the rest.
    """
    handlers = Handlers(engine)
    options: dict[str, Any] = {"fill_width": True, "delete_cache": (3600, 3600)}
    with gr.Blocks(title=TITLE, analytics_enabled=False, **options) as demo:
        session = gr.State(Session())
        gr.HTML(_INTRO, apply_default_css=False)
        with gr.Row(elem_classes="sv-main"):
            with gr.Column(scale=0, min_width=300, elem_classes="sv-controls"):
                parts = _add_controls(engine)
            with gr.Column(scale=1, min_width=300, elem_classes="sv-results"):
                parts |= _add_results(engine)
        _wire_runs(handlers, session, parts)
        _wire_looks(handlers, session, parts)
        _add_api(handlers, engine)
    return demo


def launch_options(engine: Engine) -> dict[str, Any]:
    """What gr.Blocks.launch needs beside the address."""
    return {
        "theme": build_theme(),
        "css_paths": [CSS_FILE],
        "allowed_paths": [str(path) for path in engine.examples.values()],
        "max_file_size": engine.config.max_file_mb * 10**6,
        "ssr_mode": False,
        "footer_links": ["api", "settings"],
    }


def _add_controls(engine: Engine) -> dict[str, Any]:
    """The left column: photo, network, sparsities."""
    first = engine.first
    pictures = [(name, load_image(path)) for name, path in engine.examples.items()]
    parts: dict[str, Any] = {}
    parts["photo"] = PhotoInput(
        value=str(first.photo.path),
        image_mode=None,
        type="filepath",
        label="Photo",
        sources=["upload", "clipboard", "webcam"],
        height=172,
        buttons=[],
        alt_text="The photo that is analysed",
        elem_id="sv-photo",
    )
    parts["examples"] = _show_html(render.show_examples(pictures), "sv-examples")
    with gr.Row(elem_classes="sv-choices"):
        parts["model"] = gr.Dropdown(
            _list_choices(engine.list_models(), first.settings.model),
            value=first.settings.model,
            label="Network",
            allow_custom_value=True,
            scale=3,
            min_width=120,
            elem_id="sv-model",
        )
        parts["short_side"] = gr.Dropdown(
            _list_sides(engine.config.short_side),
            value=first.settings.short_side or 0,
            label="Short side",
            filterable=False,
            scale=1,
            min_width=100,
            elem_id="sv-size",
        )
    parts["fed"] = _show_html(render.show_fed(first), "sv-fed")
    parts["panel"] = gr.HTML(
        make_panel(first),
        html_template='<div class="sv-panel"></div>',
        js_on_load=_PANEL_JS,
        apply_default_css=False,
        elem_id="sv-panel",
    )
    parts["model_file"] = gr.UploadButton(
        "Use your own checkpoint (.safetensors)",
        file_types=[".safetensors"],
        size="sm",
        variant="secondary",
    )
    return parts


def _add_results(engine: Engine) -> dict[str, Any]:
    """The right column: the two numbers and the tabs."""
    first, runs = engine.first, engine.config.start_runs
    parts: dict[str, Any] = {}
    parts["headline"] = _show_html(render.show_headline(first, runs), "sv-headline")
    with gr.Tabs(elem_id="sv-tabs", overflow_behavior="wrap") as tabs:
        parts["tabs"] = tabs
        with gr.Tab("Pruned windows", id="windows"):
            with gr.Row(elem_classes="sv-bar-top"):
                parts["view"] = gr.Radio(
                    [(words, value) for value, words in render.VIEWS.items()],
                    value="pruned",
                    label="Show",
                    show_label=False,
                    container=False,
                    elem_id="sv-view",
                )
                parts["block"] = gr.Dropdown(
                    render.list_blocks(first),
                    value=0,
                    label="Block",
                    show_label=False,
                    container=False,
                    filterable=False,
                    elem_id="sv-block",
                )
            parts["windows"] = _show_html(render.show_windows(first, 0, "pruned"), "sv-windows")
            parts["filmstrip"] = _show_html(render.show_filmstrip(first, 0), "sv-filmstrip")
        with gr.Tab("Outputs", id="outputs"):
            parts["outputs"] = _show_html(render.show_outputs(first), "sv-outputs")
        with gr.Tab("Latency", id="latency"):
            parts["latency"] = _show_html(render.show_latency(first, runs), "sv-latency")
            parts["again"] = gr.Button(f"Measure again ({engine.config.more_runs} runs)", size="sm")
        with gr.Tab("Take away", id="takeaway"):
            parts["snippet"] = gr.Code(
                render.make_snippet(first), language="python", label="Python"
            )
            parts["json"] = gr.Code(
                render.make_json(first), language="json", label="result.json", max_lines=24
            )
    return parts


def _wire_runs(handlers: Handlers, session: gr.State, parts: dict[str, Any]) -> None:
    """What runs a network: the controls, the examples, an uploaded checkpoint, the stopwatch."""
    names = ("photo", "model", "short_side", "panel", "view", "block")
    run: dict[str, Any] = {
        "fn": _spread(handlers.run, OUTPUTS),
        "inputs": [session, *(parts[name] for name in names)],
        "outputs": [parts[name] for name in OUTPUTS],
        "show_progress": "minimal",
        "show_progress_on": parts["headline"],
        "trigger_mode": "always_last",
        **_RUNS,
        **_HIDDEN,
    }
    measure: dict[str, Any] = {
        "inputs": session,
        "outputs": [parts[name] for name in _NUMBERS],
        "show_progress": "hidden",
        "trigger_mode": "multiple",
        **_TIMINGS,
        **_HIDDEN,
    }
    follow = measure | {"fn": _spread_all(handlers.measure, _NUMBERS)}
    again = measure | {"fn": _spread_all(handlers.measure_again, _NUMBERS)}

    def pick_example(event: gr.SelectData) -> str:
        return handlers.pick_example(event.index)

    controls = [parts[name].input for name in ("photo", "model", "short_side", "panel")]
    gr.on(controls, api_name="run", **run).then(api_name="measure", **follow)
    parts["examples"].select(
        pick_example, None, parts["photo"], api_name="pick_example", **_LOOKS, **_HIDDEN
    ).then(api_name="run_example", **run).then(api_name="measure_example", **follow)
    parts["model_file"].upload(
        handlers.upload_model,
        [session, parts["model_file"]],
        parts["model"],
        api_name="upload_model",
        **_LOOKS,
        **_HIDDEN,
    ).then(api_name="run_uploaded", **run).then(api_name="measure_uploaded", **follow)
    parts["again"].click(api_name="measure_again", **again)


def _wire_looks(handlers: Handlers, session: gr.State, parts: dict[str, Any]) -> None:
    """What only draws: the block, the view, the tabs."""
    inputs = [session, parts["view"], parts["block"]]
    show: dict[str, Any] = {
        "fn": _spread(handlers.show_block, _WINDOWS),
        "inputs": inputs,
        "outputs": [parts[name] for name in _WINDOWS],
        **_LOOKS,
        **_HIDDEN,
    }

    def pick_block(event: gr.SelectData) -> int:
        return int(event.index)

    def open_tab(state: Session, view: str, block: int, event: gr.SelectData) -> list[Any]:
        call = _spread(handlers.open_tab, _DRAWN)
        return call(state, TABS[event.index], view, block)

    gr.on([parts["view"].input, parts["block"].input], api_name="show_block", **show)
    parts["filmstrip"].select(
        pick_block, None, parts["block"], api_name="pick_block", **_LOOKS, **_HIDDEN
    ).then(api_name="show_picked", **show)
    parts["tabs"].select(
        open_tab,
        inputs,
        [parts[name] for name in _DRAWN],
        api_name="open_tab",
        **_LOOKS,
        **_HIDDEN,
    )


def _add_api(handlers: Handlers, engine: Engine) -> None:
    """Endpoints for programs, apart from the page's own events."""
    with gr.Row(visible=False):
        photo = PhotoInput(image_mode=None, type="filepath", label="photo")
        model = gr.Textbox(engine.config.model, label="model")
        short_side = gr.Number(512, precision=0, label="short_side")
        sparsity = gr.Textbox("0.6", label="sparsity")
        answer = gr.JSON(label="result")
        gr.Button().click(
            handlers.analyze,
            [photo, model, short_side, sparsity],
            answer,
            api_name="analyze",
            **_RUNS,
        )
        gr.Button().click(handlers.list_models, None, answer, api_name="models", queue=False)


def _show_html(value: str, elem_id: str) -> Any:
    return gr.HTML(value, js_on_load=_FIGURE_JS, apply_default_css=False, elem_id=elem_id)


def _list_sides(first: int | None) -> list[tuple[str, int]]:
    """(words, pixels) of the menu of resolutions, 0 for the photo's own."""
    sides = {side or 0: words for words, side in SHORT_SIDES}
    return [(words, side) for side, words in ({first or 0: str(first)} | sides).items()]


def _list_choices(infos: list[ModelInfo], current: str) -> list[tuple[str, str]]:
    """(words, name) of every network: ours first, then those that must be downloaded."""
    choices = []
    for info in infos:
        words = info.name.removeprefix("timm/")
        if info.source == "download":
            words += f" (downloads {info.size_mb:.0f} MB)"
        elif info.source == "cached":
            words += " (downloaded)"
        choices.append((words, info.name))
    if current not in {info.name for info in infos}:
        choices.insert(0, (Path(current).stem, current))
    return choices


def _spread(handler: Callable[..., Changes], names: Sequence[str]) -> Callable[..., list[Any]]:
    """A handler as gradio wants it: one value for each of the outputs named."""

    def call(*inputs: Any) -> list[Any]:
        changes = handler(*inputs)
        return [changes.get(name, gr.skip()) for name in names]

    return call


def _spread_all(
    handler: Callable[..., Iterator[Changes]], names: Sequence[str]
) -> Callable[..., Iterator[list[Any]]]:
    """The same for a handler that goes on yielding, or never starts."""

    def call(*inputs: Any) -> Iterator[list[Any]]:
        yield [gr.skip() for _ in names]  # gradio empties the outputs of one that yields nothing
        for changes in handler(*inputs):
            yield [changes.get(name, gr.skip()) for name in names]

    return call
