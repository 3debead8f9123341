"""What the tab "Learn" is drawn from and says."""

import base64
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from app_support import schedule

from app.page.common import photo_key
from app.tabs.learn.view import choose_block, make_learn
from sparsevit import networks
from sparsevit.inspect.block import trace_block


@pytest.fixture(scope="module")
def loaded(engine):
    return networks.load_model("small")


def analyze(engine, value):
    first = engine.first
    return engine.analyze(first.photo, replace(first.settings, schedule=schedule(value)))


def trace(loaded, result, index):
    block = result.analysis.blocks[index]
    sparsities = result.settings.schedule
    return trace_block(loaded, result.analysis.prepared, sparsities, block.stage, block.block)


def test_numbers_and_words_are_those_of_this_photo(engine, loaded):
    result = analyze(engine, [[0.6], [0], [0.2, 0.5], [0]])
    steps = trace(loaded, result, 1)
    data = json.loads(make_learn(result, steps))
    assert data["key"] == photo_key(result.photo, (256, 512))
    assert data["index"] == 1
    assert data["blocks"][1] == "Stage 1 · block 2 · shifted: 51 of 128 windows"
    assert (data["tokens"], data["window"], data["patch"]) == ([64, 128], [8, 8], [4, 4])
    assert data["kept"] == 51
    assert data["scores"] == pytest.approx(steps.scores.flatten().tolist(), rel=1e-3)
    assert data["ranking"] == steps.ranking.tolist()
    skipped = [index for index, change in enumerate(data["changes"]) if change == 0]
    assert skipped == sorted(data["ranking"][51:])

    words = [" ".join(step["words"]) for step in data["steps"]]
    assert "64 × 128 tokens" in words[0]
    assert "8 × 16 = 128 windows" in words[0]
    assert "from what entered block 1" in words[1]
    assert "K = 51 of 128" in words[2]
    assert "128 × 40 %" in words[2]
    assert "51 of 128 windows, 40 %" in words[3]
    saved = 100 * (1 - 51 / 128)  # the grid fills its windows, so arithmetic goes with windows
    assert f"{saved:.0f} % of this block's arithmetic" in words[4]
    assert "77 skipped windows" in words[5]
    shapes = {shape["name"]: shape for step in data["steps"] for shape in step["shapes"]}
    assert shapes["kept windows"]["sizes"] == "(51, 64, 12)"
    assert shapes["kept windows"]["letters"] == "(K, N, C)"


def test_maps_are_the_tensors_to_their_last_level(engine, loaded):
    result = analyze(engine, 0.6)
    steps = trace(loaded, result, 0)
    data = json.loads(make_learn(result, steps))
    for name, expected in (("scored", steps.scored), ("change", steps.change)):
        shown = data[name]
        raw = np.frombuffer(base64.b64decode(shown["uri"].partition(",")[2]), np.uint8)
        levels = cv2.imdecode(raw, cv2.IMREAD_UNCHANGED)
        step = (shown["high"] - shown["low"]) / 255
        values = shown["low"] + levels * step
        assert np.abs(values - np.minimum(expected.numpy(), shown["high"])).max() <= 0.51 * step


def test_the_first_pruned_block_is_explained_first(engine):
    assert choose_block(analyze(engine, [[0], [0.5], [0, 0.5], [0]])) == 2
    assert choose_block(analyze(engine, 0)) == 0


def test_without_pruning_nothing_is_said_to_be_skipped(engine, loaded):
    result = analyze(engine, 0)
    data = json.loads(make_learn(result, trace(loaded, result, 0)))
    words = " ".join(sentence for step in data["steps"] for sentence in step["words"])
    assert "so all 128 windows stay" in words
    assert "No window was skipped here." in words
    assert min(data["changes"]) > 0
    assert data["macs"]["sparse"] == data["macs"]["dense"]


def test_sections_show_this_network(engine, loaded):
    result = analyze(engine, [[0.6], [0], [0.2, 0.5], [0]])
    data = json.loads(make_learn(result, trace(loaded, result, 0)))
    layers, cost = data["layers"], result.analysis.cost
    total = sum(stage["sparse"] for stage in layers["stages"]) + layers["fixed"]
    assert total == pytest.approx(cost.sparse_gmacs)
    assert [len(stage["kept"]) for stage in layers["stages"]] == list(result.depths)
    assert layers["stages"][0]["kept"] == [[51, 128], [51, 128]]
    draws = data["adaptation"]["draws"]
    assert data["adaptation"]["rows"][2:4] == ["stage 3 · pair 1", "stage 3 · pair 2"]
    assert all(draw[2] <= draw[3] for draw in draws)
    assert data["shift"]["shift"] == [4, 4]
    terms = {term for term, _ in data["glossary"]}
    assert {"token", "window", "sparsity", "agreement", "accuracy", "shifted window"} <= terms
