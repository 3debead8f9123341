"""The page: its layout. What happens on it is in ``wiring.py`` and with each tab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.engine.protocol import Engine
from app.page.assets import asset_options, mount_module
from app.page.components import ModelInput, PhotoInput, add_figure, add_view
from app.page.downloads import follow_download
from app.page.events import Changes, Events, Parts
from app.page.handlers import Handlers
from app.page.menus import list_choices, list_sides
from app.page.photo import show_examples
from app.page.pin import PIN_EVENTS
from app.page.screen import Screen
from app.page.session import Session
from app.page.tab import Tab
from app.page.wiring import wire_api, wire_page

TITLE = "SparseViT: window pruning"

_RETRY_S = 5.0  # between two looks whether the machine is quiet

_MOST_STATES = 1000  # of gradio's own sessions; what weighs in them is bounded by Visitors

_INTRO = """<header class="sv-header"><h1>SparseViT</h1><p>A Swin Transformer looks at a photo
through thousands of small attention windows. <b>Window pruning</b> skips the weakest,
layer by layer: move the sliders and see what is skipped, what it changes, and how much faster the
network really runs.</p>
<div class="sv-tools"><p>New here? See it in a minute:</p>
<button type="button" class="sv-small">Tour</button>
<button type="button" class="sv-small">Not now</button>
<button type="button" class="sv-small">Present</button></div></header>"""


def build_demo(engine: Engine, tabs: Sequence[Tab]) -> gr.Blocks:
    """The page for an engine, whose first result may come later; see :func:`show_first`.

    Args:
        engine: runs the networks.
        tabs: in order, as :data:`app.tabs.registry.TABS`.

    Returns:
        Blocks to queue and launch; :func:`launch_options` has the rest.

    Raises:
        ModelError: the first network cannot be had.
    """
    handlers = Handlers(engine, tabs)
    screen = handlers.screen
    shown = screen.draw_opening()
    engine.follow_downloads(follow_download)
    options: dict[str, Any] = {"fill_width": True, "delete_cache": (3600, 3600)}
    demo = gr.Blocks(title=TITLE, analytics_enabled=False, **options)
    with demo:
        session = gr.State(Session())
        gr.HTML(_INTRO, js_on_load=mount_module("intro"), apply_default_css=False)
        with gr.Row(elem_classes="sv-main"):
            with gr.Column(scale=0, min_width=300, elem_classes="sv-controls"):
                parts = _add_controls(engine, shown)
            with gr.Column(scale=1, min_width=300, elem_classes="sv-results"):
                _add_results(engine, tabs, shown, parts)
        events = Events(handlers, session, parts, screen.outputs, screen.numbers)
        wire_page(demo, handlers, events)
        for tab in tabs:
            tab.wire(events)
        wire_api(engine)
    return demo


def show_first(demo: gr.Blocks, engine: Engine, tabs: Sequence[Tab]) -> None:
    """Let the page open with the engine's first result from now on.

    Args:
        demo: of :func:`build_demo`; it may be on the air, and pages may be open.
        engine, tabs: those it was built for.
    """
    shown = Screen(engine, tabs).draw_opening()
    shown["photo"] = shown.pop("picture")  # ids of elements are sv-NAME but for this one
    for component in demo.blocks.values():
        name = (component.elem_id or "").removeprefix("sv-")
        if name in shown and isinstance(component, gr.HTML):
            component.value = shown[name]
    demo.config = demo.get_config_file()


def launch_options(engine: Engine) -> dict[str, Any]:
    """What gr.Blocks.launch needs beside the address."""
    auth = engine.config.auth
    return {
        **asset_options(),
        "allowed_paths": [str(photo.path) for photo in engine.examples.values()],
        "max_file_size": engine.config.max_file_mb * 10**6,
        "state_session_capacity": _MOST_STATES,
        "footer_links": ["api", "settings"],
        "auth": tuple(auth.split(":", 1)) if auth else None,
        "mcp_server": engine.config.mcp,
    }


def _add_controls(engine: Engine, shown: Changes) -> Parts:
    """The left column: photo, network, sparsities."""
    opening = engine.opening
    parts: Parts = {}
    parts["photo"] = PhotoInput(
        value=str(opening.photo.path),
        image_mode=None,
        type="filepath",
        label="Photo",
        sources=["upload", "clipboard", "webcam"],
        height=172,
        buttons=[],
        alt_text="The photo that is analysed",
        elem_id="sv-upload",
    )
    pictures = [(name, photo.pixels) for name, photo in engine.examples.items()]
    parts["examples"] = add_figure(show_examples(pictures), "sv-examples")
    with gr.Row(elem_classes="sv-choices"):
        parts["model"] = gr.Dropdown(
            list_choices(engine.list_models(), opening.settings.model),
            value=opening.settings.model,
            label="Network",
            allow_custom_value=True,
            scale=3,
            min_width=120,
            elem_id="sv-model",
        )
        parts["short_side"] = gr.Dropdown(
            list_sides(engine.config, opening.settings.short_side),
            value=opening.settings.short_side or 0,
            label="Short side",
            filterable=False,
            scale=1,
            min_width=100,
            elem_id="sv-size",
        )
    parts["fed"] = add_figure(shown["fed"], "sv-fed")
    parts["suggestion"] = add_figure("", "sv-suggestion")
    parts["panel"] = add_view("panel", shown["panel"])
    parts["model_file"] = ModelInput(
        "Use a checkpoint of sparsevit train (.safetensors)",
        file_types=[".safetensors"],
        size="sm",
        variant="secondary",
    )
    return parts


def _add_results(engine: Engine, tabs: Sequence[Tab], shown: Changes, parts: Parts) -> None:
    """The right column: the two numbers and the tabs; what a tab shows comes when it is opened.

    Args:
        engine, tabs: see :func:`build_demo`.
        shown: what the page opens with.
        parts: the components by name; updated.
    """
    parts["headline"] = add_figure(shown["headline"], "sv-headline")
    with gr.Row(elem_classes="sv-above"):
        parts["task"] = add_view("task", shown["task"])
        parts["pin"] = add_view("pin", "{}", PIN_EVENTS)
    parts["picture"] = add_view("photo", shown["picture"], visible="hidden")
    parts["place"] = add_view("place", None, visible="hidden")
    parts["retry"] = gr.Timer(_RETRY_S, active=False)
    parts["sent"] = gr.Number(0, visible="hidden", elem_id="sv-sent")
    parts["visit"] = gr.Textbox(visible="hidden", elem_id="sv-visit")
    with gr.Tabs(elem_id="sv-tabs", overflow_behavior="wrap") as parts["tabs"]:
        for tab in tabs:
            with gr.Tab(tab.label, id=tab.id) as parts[f"{tab.id}_tab"]:
                added = tab.add(engine, shown)
            if taken := added.keys() & parts.keys():
                raise ValueError(f"The tab {tab.id} adds {min(taken)}, a name that is taken.")
            parts |= added
