"""The tab Take away."""

from __future__ import annotations

import gradio as gr

from app.engine.protocol import Engine
from app.engine.records import Result
from app.page.address import make_address
from app.page.components import FileOutput, PhotoInput, add_view
from app.page.events import RUNS, Changes, Events, Parts
from app.page.session import Session
from app.page.tab import Tab
from app.tabs.takeaway.endpoints import TakeawayApi
from app.tabs.takeaway.handlers import NOTHING_MADE, TakeawayHandlers
from app.tabs.takeaway.view import list_stages, make_json, make_snippet


class TakeawayTab(Tab):
    """The result as a link, a zip, an interactive page, a figure, Python and JSON.

    Its endpoints: ``export_html`` and ``draw_filmstrip``.
    """

    id = "takeaway"
    label = "Take away"
    outputs = ("json", "snippet", "address", "stage", "file")
    numbers = ("json",)

    def add(self, engine: Engine, shown: Changes) -> Parts:
        parts: Parts = {"address": add_view("address", None)}
        with gr.Row():
            parts["make_html"] = gr.Button("Make an interactive page (HTML)", size="sm")
            parts["make_zip"] = gr.Button("Make a zip of all masks and figures", size="sm")
        with gr.Row(equal_height=True):
            parts["stage"] = gr.Dropdown(
                choices=list_stages(engine.opening.depths),
                value=0,
                label="Figure for a paper",
                show_label=False,
                container=False,
                filterable=False,
                scale=3,
                min_width=150,
            )
            parts["make_svg"] = gr.Button("Make SVG", size="sm", min_width=60)
            parts["make_pdf"] = gr.Button("Make PDF", size="sm", min_width=60)
        parts["file"] = gr.DownloadButton(**NOTHING_MADE, size="sm")
        parts["snippet"] = _add_text("Python that computes this result again", 12)
        with gr.Accordion("All numbers as JSON", open=False):
            parts["json"] = _add_text("result.json", 30)
        return parts

    def draw(self, engine: Engine, session: Session, result: Result) -> Changes:
        return {
            "json": make_json(result),
            "snippet": make_snippet(result),
            "address": make_address(result, session.pinned, engine.config.model),
            "stage": gr.update(choices=list_stages(result.depths)),
            "file": gr.update(**NOTHING_MADE),
        }

    def draw_numbers(self, session: Session, result: Result, runs: int) -> Changes:
        return {"json": make_json(result)}

    def wire(self, events: Events) -> None:
        handlers, parts = TakeawayHandlers(events.page), events.parts
        for name, make, inputs in (
            ("make_zip", handlers.make_zip, ()),
            ("make_html", handlers.make_html, ()),
            ("make_svg", handlers.make_svg, ("stage",)),
            ("make_pdf", handlers.make_pdf, ("stage",)),
        ):
            quiet = {"show_progress": "hidden"}  # the button that downloads it says so
            events.tie(parts[name].click, make, ("file",), name, inputs, **quiet)
        _add_endpoints(events.page.engine)


def _add_endpoints(engine: Engine) -> None:
    api = TakeawayApi(engine)
    with gr.Row(visible=False):
        setting = [
            PhotoInput(image_mode=None, type="filepath", label="photo"),
            gr.Textbox(engine.config.model, label="model"),
            gr.Number(512, precision=0, label="short_side"),
            gr.Textbox("0.6", label="sparsity"),
        ]
        figure = [gr.Number(0, precision=0, label="stage"), gr.Textbox("svg", label="format")]
        task, focal_mm = gr.Textbox("", label="task"), gr.Number(0, label="focal_mm")
        file = FileOutput(label="file")
        for function, inputs in (
            (api.export_html, [*setting, task, focal_mm]),
            (api.draw_filmstrip, [*setting, *figure, task]),
        ):
            gr.Button().click(function, inputs, file, api_name=function.__name__, **RUNS)


def _add_text(label: str, lines: int) -> gr.Textbox:
    """Text to copy. gr.Code would colour it, with an editor of 130 kB that every visit loads."""
    return gr.Textbox(
        label=label,
        lines=lines,
        max_lines=lines,
        interactive=False,
        autoscroll=False,
        buttons=["copy"],
        elem_classes="sv-code",
    )
