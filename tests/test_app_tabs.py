"""A tab is one folder and one line: the page finds, draws and wires whatever is registered."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from page_support import Page

from app.page.components import add_figure
from app.page.events import LOOKS
from app.page.session import Session
from app.page.tab import Tab
from app.page.ui import build_demo
from app.tabs import registry
from app.tabs.registry import TABS


@dataclass
class ToyMemory:
    pokes: int = 0


class ToyTab(Tab):
    """What a newcomer would write."""

    id = "toy"
    label = "A toy"
    outputs = ("toy",)
    numbers = ("toy",)

    def add(self, engine, shown):
        poke = gr.Button("Poke", elem_id="sv-poke")
        return {"toy": add_figure(shown.get("toy", ""), "sv-toy"), "poke": poke}

    def draw(self, engine, session, result):
        pokes = session.recall(ToyMemory).pokes
        return {"toy": f"{result.settings.schedule} on {engine.device}, poked {pokes} times"}

    def draw_numbers(self, session, result, runs):
        return {"toy": f"{runs} runs"}

    def follow_timing(self, page, session):
        yield {"toy": "timed"}

    def wire(self, events):
        def poke(session):
            session.recall(ToyMemory).pokes += 1
            return self.draw(events.page.engine, session, events.page.get_result(session))

        events.tie(events.parts["poke"].click, poke, self.outputs, "poke", **LOOKS)


@pytest.fixture
def tabs():
    return (*TABS, ToyTab())


def find_endpoints(demo):
    """The page's events by the name of their endpoint."""
    return {event.api_name: event for event in demo.fns.values()}


def test_a_new_tab_is_on_the_page_with_its_components_and_events(fake_engine, tabs):
    demo = build_demo(fake_engine, tabs)
    shown = [block.label for block in demo.blocks.values() if isinstance(block, gr.Tab)]
    assert shown == [tab.label for tab in TABS] + ["A toy"]
    ids = {block.elem_id: block for block in demo.blocks.values()}
    events, session = find_endpoints(demo), Session()
    for name in ("run", "measure", "open_tab", "poke"):
        assert ids["sv-toy"] in events[name].outputs
    assert events["poke"].targets[0][0] == ids["sv-poke"]._id
    assert "poked 1 times" in events["poke"].fn(session)
    assert "poked 2 times" in events["poke"].fn(session)

    answer = events["open_tab"].fn(session, SimpleNamespace(index=len(TABS)))
    values = dict(zip(events["open_tab"].outputs, answer, strict=True))
    assert "poked 2 times" in values[ids["sv-toy"]]
    assert session.tab == "toy"


def test_a_new_tab_is_drawn_while_it_is_open(fake_engine, tabs):
    page = Page(fake_engine, tabs=tabs)
    assert "toy" not in page.run()
    assert "on fake CPU" in page.handlers.open_tab(page.session, "toy")["toy"]
    changes = page.set_sparsities([[0.2], [0.2], [0.3, 0.4], [0.0]])
    assert str(page.session.result.settings.schedule) in changes["toy"]
    assert "windows" not in changes
    timed = [changes["toy"] for changes in page.handlers.measure(page.session)]
    assert timed == ["1 runs", "timed"]


def test_a_tab_opened_while_the_page_loads_again_is_the_one_drawn(fake_engine, tabs):
    left = Page(fake_engine, tabs=tabs)
    left.run()
    page = Page(fake_engine, tabs=tabs)
    page.handlers.open_tab(page.session, "toy")
    page.session.take_over(left.session)
    changes = page.set_sparsities([[0.2], [0.2], [0.3, 0.4], [0.0]])
    assert "toy" in changes
    assert "windows" not in changes


def test_the_page_opens_with_whatever_tab_is_the_first(fake_engine):
    demo = build_demo(fake_engine, (ToyTab(), *TABS))
    (toy,) = (block for block in demo.blocks.values() if block.elem_id == "sv-toy")
    assert "on fake CPU" in toy.value
    assert Page(fake_engine, tabs=(ToyTab(), *TABS)).run()["toy"]


def test_a_tab_takes_no_name_of_another(fake_engine):
    with pytest.raises(ValueError, match="The tab toy adds poke, a name that is taken"):
        build_demo(fake_engine, (ToyTab(), ToyTab()))


def test_every_folder_of_a_tab_is_registered_under_its_name():
    folder = Path(registry.__file__).parent
    assert {tab.id for tab in TABS} == {file.parent.name for file in folder.glob("*/view.py")}
    names = [name for tab in TABS for name in tab.outputs]
    assert len(names) == len(set(names))
    assert all(set(tab.numbers) <= set(tab.outputs) for tab in TABS)
