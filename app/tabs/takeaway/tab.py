"""The tab Take away."""

from __future__ import annotations

import gradio as gr

from app.engine.protocol import Engine
from app.engine.records import Result
from app.page.address import make_address
from app.page.components import add_view
from app.page.events import Changes, Events, Parts
from app.page.session import Session
from app.page.tab import Tab
from app.tabs.takeaway.handlers import TakeawayHandlers
from app.tabs.takeaway.view import make_json, make_snippet


class TakeawayTab(Tab):
    """The result as a link, a zip, Python and JSON."""

    id = "takeaway"
    label = "Take away"
    outputs = ("json", "snippet", "address", "zip")
    numbers = ("json",)

    def add(self, engine: Engine, shown: Changes) -> Parts:
        parts: Parts = {"address": add_view("address", None)}
        with gr.Row():
            parts["make_zip"] = gr.Button("Make a zip of all masks and figures", size="sm")
            parts["zip"] = gr.DownloadButton("Download the zip", size="sm", visible=False)
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
            "zip": gr.update(value=None, visible=False),
        }

    def draw_numbers(self, session: Session, result: Result, runs: int) -> Changes:
        return {"json": make_json(result)}

    def wire(self, events: Events) -> None:
        make_zip = TakeawayHandlers(events.page).make_zip
        events.tie(events.parts["make_zip"].click, make_zip, ("zip",), "make_zip")
