"""A chart in a real browser: what is pressed or has the focus while Python draws it anew."""

import json
from html import escape

import gradio as gr
import pytest
from playwright.sync_api import expect
from view_support import serve_demo

from app.page.chart import Mark, make_points
from app.page.components import add_figure

pytestmark = pytest.mark.ui


def show(turn):
    """A chart whose points move at every turn."""
    marks = [Mark(x, x * turn, "found", f"point {x}", index=x) for x in (1, 2, 3)]
    chart = make_points(marks, "latency, ms", "agreement, %", f"turn {turn}")
    return f'<div class="sv-plot" data-chart="{escape(json.dumps(chart))}"></div>'


def test_a_point_keeps_focus_and_press_while_the_chart_is_drawn_anew(new_page):
    with gr.Blocks(analytics_enabled=False) as demo:
        figure, turn, pressed = add_figure(show(1), "sv-figure"), gr.State(1), gr.Textbox("")
        button = gr.Button("next")

        def step(number):
            return number + 1, show(number + 1)

        def press(words, event: gr.SelectData):
            return f"{words}{event.index}"

        button.click(step, turn, [turn, figure])
        figure.select(press, pressed, pressed)
    with serve_demo(demo) as url:
        page = new_page(url)
        point = page.get_by_role("button", name="point 2")
        point.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("textbox")).to_have_value("2")
        draw = page.get_by_role("button", name="next")
        draw.evaluate("(button) => button.click()")  # without a pointer, and without the focus
        expect(page.get_by_role("group", name="turn 2")).to_be_visible()
        expect(point).to_be_focused()
        point.hover()
        page.mouse.down()
        draw.evaluate("(button) => button.click()")
        expect(page.get_by_role("group", name="turn 3")).to_be_visible()
        page.mouse.up()
        expect(page.get_by_role("textbox")).to_have_value("22")
