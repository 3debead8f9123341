"""Asking the tab of pruned windows: what they are worth, and what if I choose."""

import json
from types import SimpleNamespace

import pytest
import torch
from app_support import schedule
from page_support import Visitor

from app.engine.records import Settings
from app.page.panel import make_panel, read_panel
from app.page.worth import WorthMemory, name_worth
from app.tabs.takeaway.view import make_snippet
from app.tabs.windows.view import _say_change
from app.tabs.windows.worth import describe_left, make_worth
from sparsevit.core.windows import map_tokens_to_windows
from sparsevit.inspect.painted import Painted
from sparsevit.inspect.worth import LeftOut, join_worth
from sparsevit.networks import load_model

FIRST = Painted(0, False, 8, 16, keep=(100,), skip=(0, 1))  # of 256 x 512 pixels


def event(index, value=None):
    return SimpleNamespace(index=index, value=value)


def ask(page, index, value=None):
    return json.loads(page.windows.ask_worth(page.session, event(index, value))["worth"])


def test_worth_is_measured_once_and_kept_while_sparsities_change(page, engine):
    value = ask(page, 0)
    assert value["key"] == name_worth(engine.first)
    assert (value["left"], value["error"]) == (None, None)
    parts = join_worth(engine.measure_worth(engine.first))
    assert set(value["partitions"]) == {f"{s + 1}{'s' * shifted}" for s, shifted in parts}
    for (stage, shifted), part in parts.items():
        shown = value["partitions"][f"{stage + 1}{'s' * shifted}"]
        assert torch.allclose(torch.tensor(shown["worth"]), part.worth, rtol=1e-2)
        best = [window for window, rank in enumerate(shown["ranks"]) if rank == 1]
        assert best == [int(part.worth.argmax())]
    page.set_sparsities([[0.2], [0.2], [0.2, 0.2], [0.2]])
    page.engine.error = RuntimeError("must not be measured again")
    assert ask(page, 0) == value


def test_the_class_that_most_of_a_window_shows(engine):
    result = engine.first
    memory = WorthMemory("", engine.measure_worth(result))
    shown = json.loads(make_worth(result, memory))
    for (stage, shifted), part in join_worth(memory.blocks).items():
        owner = map_tokens_to_windows(part.grid)
        height, width = part.grid.grid
        labels = torch.from_numpy(result.analysis.prepared.dense)
        rows = torch.arange(labels.shape[0]) * height // labels.shape[0]
        cols = torch.arange(labels.shape[1]) * width // labels.shape[1]
        of_pixels = owner[rows][:, cols]
        classes = shown["partitions"][f"{stage + 1}{'s' * shifted}"]["shows"]
        for window in range(0, part.grid.num_windows, 7):
            inside = labels[of_pixels == window].long().bincount()
            assert inside[classes[window]] == inside.max()


def test_the_window_that_is_clicked_is_left_out_for_certain(page, engine):
    value = ask(page, 1, 5)
    assert (value["left"]["stage"], value["left"]["shifted"], value["left"]["window"]) == (
        1,
        True,
        5,
    )
    left = engine.leave_out(engine.first, 0, [1], (0, 5))
    assert f"{100 * left.comparison['agreement']:.2f} %" in value["left"]["words"]
    assert "the shifted block of stage 1" in value["left"]["words"]
    assert ask(page, 0)["left"] == value["left"]  # still known


@pytest.mark.parametrize(
    ("rise", "estimate", "says"),
    [
        (-0.3, 1.0, "is 25 %; measured, the output moves by 7.5 % towards a surer answer"),
        (5.0, 4.0, "is 100 %; measured, the output moves by 125 % away from dense's answer"),
        (-2.8e-5, 1e-6, "is next to nothing; measured, the output moves by next to nothing."),
    ],
)
def test_what_a_window_does_is_told_in_shares_of_the_largest_worth(engine, rise, estimate, says):
    block = engine.measure_worth(engine.first)[0]
    left = LeftOut(rise, {"agreement": 0.9998}, None)
    words = describe_left(left, block, 1, torch.tensor([4.0, estimate, 0.5]), 2, "semantic")[
        "words"
    ]
    assert "agreement with dense is 99.98 %" in words
    assert says in words


def test_windows_that_are_all_worth_nothing_are_told_of(engine):
    block = engine.measure_worth(engine.first)[0]
    left = LeftOut(0.0, {"agreement": 1.0}, None)
    words = describe_left(left, block, 1, torch.zeros(3), 1, "semantic")["words"]
    assert words.count("next to nothing") == 2


def test_worth_that_cannot_be_had_is_one_sentence(page):
    page.engine.error = ValueError("no objective")
    value = ask(page, 0)
    assert value["error"]
    assert len(page.messages) == 1


def test_painted_windows_travel_with_the_sliders(page):
    panel = json.loads(page.controls["panel"])
    panel["painted"] = [vars(FIRST) | {"keep": [100], "skip": [1, 0]}]
    page.run(panel=json.dumps(panel))
    assert page.engine.calls[0].painted == (FIRST,)
    for wrong in ([{}], [vars(FIRST) | {"keep": "x"}], 3):
        panel["painted"] = wrong
        page.run(panel=json.dumps(panel))
        assert "unreadable" in page.messages[-1]


@pytest.fixture
def painted(engine):
    settings = Settings("small", schedule(0.6), short_side=256, painted=(FIRST,))
    return engine.analyze(engine.first.photo, settings)


def test_the_network_runs_with_what_is_painted(engine, painted):
    mask = painted.analysis.blocks[0].keep_mask[0].flatten()
    assert mask[[100, 0, 1]].tolist() == [True, False, False]
    assert painted.analysis.blocks[0].kept == engine.first.analysis.blocks[0].kept
    assert read_panel(make_panel(painted))[2] == (FIRST,)
    *_, timed = engine.measure(painted, 1)
    assert timed.analysis.latency is not None


def test_what_the_choice_changed_is_told(engine, painted):
    visitor = Visitor(engine)
    panel = make_panel(painted)
    shown = json.loads(visitor.run(panel=panel)["windows"])
    free = engine.analyze(engine.first.photo, Settings("small", schedule(0.6), short_side=256))
    with_choice, without = (
        100 * result.analysis.agreement["agreement"] for result in (painted, free)
    )
    assert shown["by_hand"] == {
        "agreement": f"{with_choice:.2f}\u00a0%",
        "without": f"{without:.2f}\u00a0%",
        "change": f"{round(with_choice, 2) - round(without, 2):+.2f}\u00a0points".replace(
            "-", "\u2212"
        ),
    }
    assert shown["painted"] == json.loads(panel)["painted"]


def test_another_size_leaves_out_what_it_has_no_windows_for(engine, painted):
    settings = Settings("small", schedule(0.6), short_side=128, painted=(FIRST,))
    result = engine.analyze(engine.first.photo, settings)
    assert result.settings.painted == ()
    assert "painted by hand were left out" in result.note


def test_the_snippet_keeps_and_skips_the_same_windows(painted, home, monkeypatch, tmp_path):
    text = make_snippet(painted)
    names: dict = {}
    monkeypatch.setattr("sparsevit.data.reader.load_image", lambda name: painted.photo.pixels)
    exec(text.rpartition("print")[0], names)
    assert load_model("small")
    ours = [block.keep_mask.tolist() for block in painted.analysis.blocks]
    assert [block.keep_mask.tolist() for block in names["analysis"].blocks] == ours


def test_the_lens_and_the_steps_look_at_the_network_with_what_is_painted(engine, painted):
    mask = painted.analysis.blocks[0].keep_mask
    steps = engine.trace_block(painted, 0)
    assert torch.equal(steps.trace.keep_mask, mask)
    assert sorted(steps.gathered_windows.tolist()) == mask[0].flatten().nonzero().flatten().tolist()
    lens = engine.look_through(painted)
    masks = [block.trace.keep_mask.tolist() for block in lens.blocks]
    assert masks == [block.keep_mask.tolist() for block in painted.analysis.blocks]


def test_learn_asks_for_worth_once_its_last_step_is_looked_at(page):
    page.learn.explain_block(page.session, 1)
    page.handlers.open_tab(page.session, "learn")
    before = json.loads(page.handlers.redraw(page.session)["learn"])
    assert before["worth"] is None
    shown = json.loads(page.learn.explain_block(page.session, 1, asks_worth=True)["learn"])
    part = join_worth(page.engine.measure_worth(page.engine.first))[0, True]
    assert torch.allclose(torch.tensor(shown["worth"]), part.worth, rtol=1e-2)
    other = json.loads(page.learn.explain_block(page.session, 0)["learn"])
    assert len(other["worth"]) == 128  # from now on


@pytest.mark.parametrize(
    ("numbers", "task", "told"),
    [
        ((0.95276, 0.95274), "semantic", ("95.28 %", "95.27 %", "+0.01 points")),
        ((0.9, 0.95), "semantic", ("90.00 %", "95.00 %", "−5.00 points")),
        ((40.104, 41.096), "restoration", ("40.10 dB", "41.10 dB", "−1.00 dB")),
    ],
)
def test_what_the_brush_changed_is_the_difference_of_what_is_shown(numbers, task, told):
    change = _say_change(*numbers, task)
    assert tuple(text.replace("\u00a0", " ") for text in change.values()) == told
