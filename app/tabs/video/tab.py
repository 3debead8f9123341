"""The tab Video."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.engine.protocol import Engine
from app.page.components import ClipInput, add_view
from app.page.events import CHOICES, HIDDEN, Changes, Events, Parts
from app.page.tab import Tab
from app.tabs.video.clip import CLIP_RATE, make_example
from app.tabs.video.handlers import SIDES, VideoHandlers, VideoSession
from app.tabs.video.view import make_opening
from sparsevit.data.video import MAX_FRAMES

_EVENTS = ("begin", "frame", "finish")  # that its module triggers


class VideoTab(Tab):
    """A clip or the webcam through the network, and the endpoint ``run_clip``."""

    id = "video"
    label = "Video"

    def add(self, engine: Engine, shown: Changes) -> Parts:
        poster = next(make_example(next(iter(engine.examples.values())).pixels).frames)
        return {
            "video": add_view("video", make_opening(poster, SIDES, MAX_FRAMES), _EVENTS),
            "video_session": gr.State(VideoSession()),
        }

    def wire(self, events: Events) -> None:
        handlers = VideoHandlers(events.page.engine)
        view, page, video = events.parts["video"], events.session, events.parts["video_session"]
        quiet = CHOICES | HIDDEN
        view.begin(handlers.begin, [page, video], view, api_name="begin_video", **quiet)
        view.frame(handlers.run_frame, [page, video], view, api_name="run_frame", **quiet)
        view.finish(handlers.finish, video, view, api_name="finish_video", **quiet)
        _add_endpoint(handlers, events.page.engine)


def _add_endpoint(handlers: VideoHandlers, engine: Engine) -> None:
    with gr.Row(visible=False):
        inputs = [
            ClipInput(label="clip"),
            gr.Textbox(engine.config.model, label="model"),
            gr.Number(SIDES[0], precision=0, label="short_side"),
            gr.Textbox("0.6", label="sparsity"),
            gr.Number(CLIP_RATE, label="frame_rate"),
            gr.Number(30, precision=0, label="max_frames"),
            gr.Textbox("", label="task"),
            gr.Number(0, label="focal_mm"),
        ]
        limits: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "clips"}
        answer = gr.JSON(label="result")
        gr.Button().click(handlers.run_clip, inputs, answer, api_name="run_clip", **limits)
