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
from app.tabs.takeaway.handlers import TakeawayHandlers
from app.tabs.takeaway.view import list_stages, make_json, make_snippet

_FILES = ("zip", "html", "figure")  # made when asked for, of what is then on the screen


class TakeawayTab(Tab):
    """The result as a link, a zip, an interactive page, a figure, Python and JSON.

    Its endpoints: ``export_html`` and ``draw_filmstrip``.
    """

    id = "takeaway"
    label = "Take away"
    outputs = ("json", "snippet", "address", "stage", *_FILES)
    numbers = ("json",)

    def add(self, engine: Engine, shown: Changes) -> Parts:
        parts: Parts = {"address": add_view("address", None)}
        with gr.Row():
            parts["make_html"] = gr.Button("Make an interactive page (HTML)", size="sm")
            parts["html"] = gr.DownloadButton("Download the page", size="sm", visible=False)
            parts["make_zip"] = gr.Button("Make a zip of all masks and figures", size="sm")
            parts["zip"] = gr.DownloadButton("Download the zip", size="sm", visible=False)
        with gr.Row(equal_height=True):
            parts["stage"] = gr.Dropdown(
                choices=[("All blocks", 0)],
                value=0,
                label="Filmstrip for a paper",
                filterable=False,
            )
            parts["make_svg"] = gr.Button("Filmstrip as SVG", size="sm")
            parts["make_pdf"] = gr.Button("Filmstrip as PDF", size="sm")
            parts["figure"] = gr.DownloadButton("Download", size="sm", visible=False)
        parts["snippet"] = gr.Code(
            language="python", label="Python that computes this result again"
        )
        with gr.Accordion("All numbers as JSON", open=False):
            parts["json"] = gr.Code(language="json", label="result.json")
        return parts

    def draw(self, engine: Engine, session: Session, result: Result) -> Changes:
        return {
            "json": make_json(result),
            "snippet": make_snippet(result),
            "address": make_address(result, session.pinned),
            "stage": gr.update(choices=list_stages(result)),
            **{name: gr.update(value=None, visible=False) for name in _FILES},
        }

    def draw_numbers(self, session: Session, result: Result, runs: int) -> Changes:
        return {"json": make_json(result)}

    def wire(self, events: Events) -> None:
        handlers, parts = TakeawayHandlers(events.page), events.parts
        for button, make, file, inputs in (
            ("make_zip", handlers.make_zip, "zip", ()),
            ("make_html", handlers.make_html, "html", ()),
            ("make_svg", handlers.make_svg, "figure", ("stage",)),
            ("make_pdf", handlers.make_pdf, "figure", ("stage",)),
        ):
            busy = {"show_progress_on": parts[button]}
            events.tie(parts[button].click, make, (file,), button, inputs, **busy)
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
