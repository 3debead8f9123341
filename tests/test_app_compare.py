"""A against B: what is pinned, swapped and let go, and what the two have of each other."""

import json
from dataclasses import replace
from urllib.parse import parse_qsl

import gradio as gr
import numpy as np
import pytest
import torch
from app_support import schedule, write_photo
from hypothesis import given, settings
from hypothesis import strategies as st
from page_support import Page

from app.api import Api
from app.engine.comparing import count_masks, measure_in_turn, pair_blocks, pair_outputs
from app.engine.records import Settings
from app.page.address import make_address, read_pinned, read_query
from app.page.pin import make_pin
from app.page.pinning import PinHandlers
from app.page.session import Session
from app.tabs.compare.handlers import CompareHandlers
from sparsevit.core.trace import BlockTrace
from sparsevit.core.windows import get_window_grid
from sparsevit.inspect.painted import Painted
from sparsevit.schedule import ScheduleError, SparsitySchedule


def make_block(keep, grid=(4, 8), window=(2, 2), shift=(0, 0)):
    """A block whose windows are kept as the rows of ``keep`` say, "1" or "0" each."""
    mask = torch.tensor([[letter == "1" for letter in row] for row in keep])[None]
    windows = get_window_grid(*grid, window, shift, torch.device("cpu"))
    return BlockTrace(0, 0, False, mask, mask.float(), windows, 0)


@pytest.fixture
def pins(page):
    return PinHandlers(page.handlers)


@pytest.fixture
def compare(page):
    return CompareHandlers(page.handlers)


def read_link(changes):
    """The query of the address that a handler sent."""
    return dict(parse_qsl(json.loads(changes["place"])["query"].removeprefix("?")))


def set_sparsity(page, sparsity):
    return page.set_sparsities([[sparsity], [sparsity], [sparsity] * 2, [sparsity]])


# ---- What the masks have of each other ----


def test_windows_are_counted_one_by_one_where_both_have_the_same():
    a, b = make_block(["1100", "1010"]), make_block(["1000", "0110"])
    counts = count_masks(a, b)
    assert counts.has_windows
    assert counts.to_dict() == {"both": 2, "only_a": 2, "only_b": 1, "neither": 3}
    assert counts.differing == 3 / 8


def test_places_are_counted_where_windows_differ():
    a = make_block(["10", "11"], window=(2, 4))  # a quarter of the picture each
    b = make_block(["1000", "1111"])  # an eighth each
    counts = count_masks(a, b)
    assert not counts.has_windows
    assert counts.to_dict() == {"both": 0.625, "only_a": 0.125, "only_b": 0, "neither": 0.25}


def test_a_shifted_window_counts_wherever_its_pieces_lie():
    whole = make_block(["1111", "1111"])
    shifted = make_block(["0111", "1111"], shift=(1, 1))  # its first window: rows and columns 1, 2
    counts = count_masks(whole, shifted)
    assert counts.to_dict() == {"both": 0.875, "only_a": 0.125, "only_b": 0, "neither": 0}
    wraps = make_block(["1111", "1110"], shift=(1, 1))  # its last lies in all four corners
    left = make_block(["1000", "1000"])
    assert count_masks(left, wraps).to_dict() == {
        "both": pytest.approx(0.25 - 2 / 32),
        "only_a": pytest.approx(2 / 32),
        "only_b": pytest.approx(0.75 - 2 / 32),
        "neither": pytest.approx(2 / 32),
    }


def test_blocks_of_deeper_networks_stand_as_far_through_their_stage(engine):
    small = engine.first  # 2, 2, 4, 2
    other = engine.analyze(small.photo, replace(small.settings, model="other"))  # 2, 2, 6, 2
    assert pair_blocks(small, small) == [(i, i) for i in range(10)]
    third = [pair for pair in pair_blocks(small, other) if 4 <= pair[1] < 10]
    assert third == [(4, 4), (5, 5), (4, 6), (5, 7), (6, 8), (7, 9)]
    back = [pair for pair in pair_blocks(other, small) if 4 <= pair[1] < 8]
    assert back == [(4, 4), (5, 5), (6, 6), (7, 7)]


# ---- What the outputs have of each other ----


def test_b_is_held_against_a_in_place_of_dense(engine):
    a = engine.first
    b = engine.analyze(a.photo, replace(a.settings, schedule=schedule(0.2)))
    pair = pair_outputs(a, b)
    assert pair.analysis.agreement["agreement"] == (a.analysis.sparse == b.analysis.sparse).mean()
    half = engine.analyze(a.photo, replace(a.settings, short_side=128))
    assert half.analysis.sparse.shape == (128, 256)
    same_place = half.analysis.sparse.repeat(2, 0).repeat(2, 1)  # each pixel twice, both ways
    agreement = pair_outputs(half, a).analysis.agreement["agreement"]
    assert agreement == pytest.approx((same_place == a.analysis.sparse).mean())
    task = replace(b.analysis.task, class_names=("sky",))
    assert pair_outputs(a, replace(b, analysis=replace(b.analysis, task=task))) is None


def test_both_are_timed_in_turn(fake_engine):
    a, b = (
        fake_engine.first,
        fake_engine.analyze(fake_engine.first.photo, Settings("b", schedule(0))),
    )
    order, measure = [], fake_engine.measure

    def note(result, runs, is_current, warmup=0):
        for measured in measure(result, runs, is_current):
            order.append(result.settings.model)
            yield measured

    fake_engine.measure = note
    assert len(list(measure_in_turn(fake_engine, a, b, 3))) == 3
    assert order == ["small", "b"] * 3


# ---- What a user does ----


def test_what_is_on_the_screen_is_pinned_until_it_is_let_go(page, pins):
    set_sparsity(page, 0.2)
    first = page.session.result
    assert json.loads(pins.pin(page.session)["pin"])["b"]["differs"] == ""
    changes = set_sparsity(page, 0.7)
    assert page.session.pinned is first
    strip = json.loads(changes["pin"])
    assert (strip["a"]["differs"], strip["b"]["differs"]) == ("20 % pruned", "70 % pruned")
    assert "small" in strip["same"]
    assert "not timed yet" in strip["a"]["numbers"]
    assert json.loads(read_link(changes)["a"])["sparsity"] == [[0.2], [0.2], [0.2, 0.2], [0.2]]
    changes = pins.unpin(page.session)
    assert page.session.pinned is None
    assert changes["pin"] == "{}"
    assert "a" not in read_link(changes)


def test_what_is_measured_of_a_while_it_is_on_the_screen_is_kept(page, pins):
    set_sparsity(page, 0.2)
    pins.pin(page.session)
    list(page.handlers.measure(page.session))
    set_sparsity(page, 0.7)
    assert page.session.pinned.analysis.latency is not None


def test_a_and_b_change_places_without_another_run(page, pins):
    set_sparsity(page, 0.2)
    pins.pin(page.session)
    set_sparsity(page, 0.7)
    a, b, runs = page.session.pinned, page.session.result, len(page.engine.calls)
    changes = pins.swap(page.session)
    assert (page.session.result, page.session.pinned) == (a, b)
    assert len(page.engine.calls) == runs
    assert json.loads(changes["panel"])["stages"][0]["sparsities"] == [0.2]
    link = read_link(changes)
    assert json.loads(link["sparsity"])[0] == [0.2]
    assert json.loads(link["a"])["sparsity"][0] == [0.7]
    page.session.pinned = None
    assert pins.swap(page.session) == {}


def test_a_of_another_photo_is_computed_once_the_tab_asks(page, pins, compare, tmp_path):
    page.handlers.open_tab(page.session, "compare")
    pins.pin(page.session)
    changes = page.run(photo_path=str(write_photo(tmp_path / "b.png", 1)))
    assert json.loads(changes["compared"]) == {"settle": True}
    assert json.loads(changes["pin"])["a"]["numbers"] == "of another photo"
    runs = len(page.engine.calls)
    changes = compare.settle(page.session)
    assert len(page.engine.calls) == runs + 1
    assert page.session.pinned.photo is page.session.result.photo
    assert len(json.loads(changes["compared"])["blocks"]) == 10


def test_a_that_cannot_be_computed_on_a_photo_is_said_and_not_tried_again(
    page, pins, compare, tmp_path
):
    page.handlers.open_tab(page.session, "compare")
    pins.pin(page.session)
    page.run(photo_path=str(write_photo(tmp_path / "b.png", 1)))
    page.engine.error = ScheduleError("No.")
    changes = compare.settle(page.session)
    assert page.messages == ["No."]
    assert changes["compared"] is None
    assert "could not be computed" in changes["compare_costs"]


def test_both_timings_are_shown_and_remembered(page, pins, compare):
    page.handlers.open_tab(page.session, "compare")
    pins.pin(page.session)
    set_sparsity(page, 0.7)
    steps = list(compare.time_both(page.session))
    assert len(steps) == page.engine.config.more_runs
    assert "A and B were timed in turn" in steps[-1]["compare_costs"]
    assert "B takes" in steps[-1]["compare_costs"]
    assert page.session.history[-1].settings == page.session.result.settings
    set_sparsity(page, 0.6)
    assert (
        "at different moments" in page.handlers.open_tab(page.session, "compare")["compare_costs"]
    )


def test_nobody_else_sees_it_and_it_is_forgotten_with_the_page(fake_engine, tmp_path):
    alice, bob = Page(fake_engine), Page(fake_engine)
    alice.run(photo_path=str(write_photo(tmp_path / "a.png", 1)))
    alone = alice.session.num_bytes
    PinHandlers(alice.handlers).pin(alice.session)
    assert alice.session.num_bytes == alone  # it is the one on the screen
    sparse = np.array(alice.session.result.analysis.sparse)  # another of the same size
    analysis = replace(alice.session.result.analysis, sparse=sparse)
    alice.session.pinned = replace(alice.session.result, analysis=analysis)
    assert alice.session.num_bytes == alone + sparse.nbytes
    assert json.loads(bob.run()["pin"]) == {}
    again = Session()
    again.take_over(alice.session)
    assert again.pinned is alice.session.pinned
    alice.session.close()
    assert alice.session.pinned is None


# ---- Links ----

SCHEDULES = st.lists(
    st.lists(st.floats(0, 0.99), min_size=1, max_size=4).map(tuple), min_size=1, max_size=4
).map(lambda stages: SparsitySchedule(tuple(stages)))
WINDOWS = st.sets(st.integers(0, 200), max_size=20).map(sorted).map(tuple)
SMALL = st.integers(0, 30)
PAINTED = st.builds(
    Painted, SMALL, st.booleans(), SMALL, SMALL, WINDOWS, WINDOWS, st.none() | SMALL
)
SETTINGS = st.builds(
    Settings,
    st.text(min_size=1),
    SCHEDULES,
    st.booleans(),
    st.none() | st.integers(1, 4096),
    st.none() | st.text(min_size=1),
    st.none() | st.floats(1, 1000),
    st.lists(PAINTED, max_size=3).map(tuple),
)


@pytest.mark.parametrize("text", ["x", "1p-.2x4", "1p-.2x4.0-99999999.", "0q-.2x4..", "~"])
def test_painted_windows_that_cannot_be_read_are_refused(engine, text):
    with pytest.raises(ScheduleError, match="cannot be read"):
        read_query({"model": "small", "painted": text}, engine.first.settings)


def test_painted_windows_in_a_link_are_short(engine):
    painted = (Painted(0, False, 8, 16, (3, 4, 5, 9), (12,)), Painted(2, True, 2, 4, (), (7,), 3))
    settings = replace(engine.first.settings, painted=painted)
    query = read_link({"place": make_address(replace(engine.first, settings=settings))})
    assert query["painted"] == "1p-.8x16.3-5_9.12~3s4.2x4..7"


@given(shown=SETTINGS, pinned=SETTINGS)
@settings(deadline=None)
def test_a_link_brings_both_back(engine, shown, pinned):
    results = [replace(engine.first, settings=chosen) for chosen in (shown, pinned)]
    query = read_link({"place": make_address(*results)})
    assert read_query(query, engine.first.settings) == shown
    assert read_pinned(query, engine.first.settings) == pinned


def test_a_link_pins_a_on_the_photo_it_names(page):
    first = page.engine.first
    example = list(page.engine.examples.values())[1]
    named = replace(first.settings, schedule=schedule(0.3))
    shown = replace(first, photo=example)
    query = read_link({"place": make_address(shown, replace(first, settings=named))})
    page.handlers.open_link(page.session, query)
    assert (page.session.pinned.settings, page.session.pinned.photo) == (named, example)
    runs = len(page.engine.calls)
    known = page.session.pinned
    page.handlers.open_link(page.session, query)  # a reload
    assert page.session.pinned is known
    assert len(page.engine.calls) == runs + 1
    page.handlers.open_link(page.session, {"model": "small"})
    assert page.session.pinned is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "[1]", "{}x", "[" * 9999, "[]", '{"sparsity":0.5}', '{"sparsity":[[2]]}'),
        *('{"model":3}', '{"model":"/etc/passwd"}'),
    ],
)
def test_a_wrong_pin_is_one_sentence_and_the_rest_of_the_link_opens(page, text):
    page.engine.config = replace(page.engine.config, host="0.0.0.0")  # nobody names its files
    page.handlers.open_link(page.session, {"model": "small", "size": "512", "a": text})
    (message,) = page.messages
    assert message.endswith(".")
    assert page.session.pinned is None
    assert page.session.result.settings.short_side == 512


# ---- For programs ----


def test_programs_compare_two_settings(engine, home):
    photo = str(engine.first.photo.path)
    answer = Api(engine).compare(photo, "small", 256, "0.6", '{"sparsity": 0}')
    assert answer["a"]["schedule"][0] == [0.6]
    assert answer["b"]["schedule"][0] == [0.0]
    assert answer["b"]["agreement"]["agreement"] == 1
    assert answer["agreement"] == answer["a"]["agreement"]["agreement"]
    for block, found in zip(answer["a"]["blocks"], answer["blocks"], strict=True):
        kept, total = block["kept"], block["total"]
        counts = {"both": kept, "only_a": 0, "only_b": total - kept, "neither": 0}
        assert {name: found[name] for name in counts} == counts
    assert answer["b"]["latency_ms"]["sparse"] > 0


def test_programs_give_b_as_a_link_has_it(engine):
    falling = schedule([[0.5], [0.3], [0.6, 0.2], [0.0]])
    painted = (Painted(0, False, 8, 16, (100,), (0, 1)),)
    named = replace(
        engine.first.settings, schedule=falling, linked=False, short_side=None, painted=painted
    )
    photo, query = engine.first.photo, read_link({"place": make_address(engine.first)})
    query |= read_link({"place": make_address(replace(engine.first, settings=named))})
    del query["photo"]
    result = engine.analyze(photo, named)
    for b in (query, query | {"linked": False, "size": 0}):
        answer = Api(engine).compare(str(photo.path), "small", 128, "0.6", json.dumps(b))
        said, expected = answer["b"], result.to_dict()
        for name in ("input_size", "schedule", "rescore", "painted", "blocks", "agreement"):
            assert said[name] == expected[name], name
        assert (answer["a"]["rescore"], answer["a"]["input_size"]) == (False, [128, 256])
    answer = Api(engine).compare(str(photo.path), "small", 256, "0.6", '{"size": 128}')
    assert [answer[side]["input_size"] for side in "ab"] == [[256, 512], [128, 256]]


@pytest.mark.parametrize(
    ("b", "says"),
    [
        *((text, "b must be JSON") for text in ("", "[]", "x", "[" * 9999)),
        ('{"colour": 1}', r"'colour'; it may have model, short_side \(or size\), sparsity, linked"),
        ('{"photo": "a.jpg"}', "must not have 'photo'"),
        ('{"size": 128, "short_side": 64}', "not both"),
        ('{"size": "big"}', "size cannot be read: big"),
        ('{"size": null}', "size cannot be read"),
        ('{"size": 63}', "64 to 1536"),
        ('{"linked": "no"}', "linked cannot be read"),
        ('{"painted": "1p-.9x9.1."}', "no such windows"),
        ('{"sparsity": 2}', "below 1"),
        ('{"sparsity": [[0.5], [0.3], [0.6, 0.2], [0]]}', "must not decrease"),
        ('{"model": "no"}', "no"),
    ],
)
def test_programs_are_told_what_b_may_be(engine, b, says):
    photo = str(engine.first.photo.path)
    with pytest.raises(gr.Error, match=says) as raised:
        Api(engine).compare(photo, "small", 256, "0.6", b)
    assert raised.value.message.endswith(".")


def test_windows_by_hand_are_told_apart(engine):
    painted = (Painted(0, False, 8, 16, (3, 4), (12,)),)
    by_hand = replace(engine.first, settings=replace(engine.first.settings, painted=painted))
    told = json.loads(make_pin(engine.first, by_hand))
    assert (told["a"]["differs"], told["b"]["differs"]) == ("3 windows by hand", "")
