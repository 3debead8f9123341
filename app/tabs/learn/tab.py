"""The tab Learn."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from app.engine.protocol import Engine
from app.engine.records import Result
from app.page.components import add_view
from app.page.events import CHOICES, SEARCHES, Changes, Events, Parts
from app.page.session import Session
from app.page.tab import Tab
from app.tabs.learn.exercises import ExerciseHandlers, draw_exercises
from app.tabs.learn.handlers import LearnHandlers, draw_learn


class LearnTab(Tab):
    """How window pruning works, on the current photo, and exercises."""

    id = "learn"
    label = "Learn"
    outputs = ("learn", "exercises")

    def add(self, engine: Engine, shown: Changes) -> Parts:
        return {"learn": add_view("learn", None), "exercises": add_view("exercises", None)}

    def draw(self, engine: Engine, session: Session, result: Result) -> Changes:
        return {
            "learn": draw_learn(engine, session, result),
            "exercises": draw_exercises(session, result),
        }

    def wire(self, events: Events) -> None:
        handlers = LearnHandlers(events.page)

        def explain_block(session: Session, event: gr.SelectData) -> Changes:
            return handlers.explain_block(session, int(event.index), event.value == "worth")

        events.tie(
            *(events.parts["learn"].select, explain_block, ("learn",), "explain_block"), **CHOICES
        )
        exercises = ExerciseHandlers(events.page)

        def work(session: Session, event: gr.SelectData) -> Iterator[Changes]:
            yield from exercises.work(session, int(event.index))

        events.tie(
            *(events.parts["exercises"].select, work, ("exercises",), "work_on_exercise"),
            show_progress="hidden",
            trigger_mode="multiple",
            **SEARCHES,
        )
