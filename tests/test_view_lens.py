"""What the tab "Where it errs" is drawn from and says."""

import base64
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from app_support import schedule, write_many

from app.page.common import photo_key
from app.page.session import Session
from app.tabs.lens.handlers import draw_lens
from app.tabs.lens.view import make_lens
from app.tabs.lens.words import share, tell_region, tell_summary
from sparsevit.inspect.regions import Region, RegionTruth


@pytest.fixture(scope="module")
def home_of_many(home):
    return write_many(home)


def analyze(engine, value, **settings):
    first = engine.first
    return engine.analyze(
        first.photo, replace(first.settings, schedule=schedule(value), **settings)
    )


def decode(uri):
    raw = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    return cv2.imdecode(raw, cv2.IMREAD_UNCHANGED)


def make_region(**changes):
    fields = {
        "number": 1,
        "area": 0.02,
        "box": (0, 0, 10, 10),
        "place": (5, 5),
        "classes": (3, 4),
        "share": 1.0,
        "truth": None,
        "skipped": (0.9, 0.8, 0.6, 0.7, 0.0, 0.0, 0.9, 0.1, 0.0, 0.5),
        "cosine": (1.0, 1.0, 0.9, 0.7, 0.8, 0.8, 0.8, 0.8, 0.9, 0.9),
    }
    return Region(**fields | changes)


def test_maps_are_those_of_the_lens(engine):
    result = analyze(engine, 0.6)
    lens = engine.look_through(result)
    data = json.loads(make_lens(result, lens))
    assert data["key"] == photo_key(result.photo, (256, 512))
    assert [block["name"] for block in data["blocks"]][:5] == ["1.1", "1.2", "2.1", "2.2", "3.1"]
    step = (1 - data["low"]) / 51
    for shown, block in zip(data["blocks"], lens.blocks, strict=True):
        cosine = data["low"] + decode(shown["map"]) / 255 * (1 - data["low"])
        assert np.abs(cosine - np.maximum(block.cosine, data["low"])).max() <= 0.6 * step
        assert shown["skipped"] == pytest.approx(1 - block.trace.kept / block.trace.total, abs=1e-4)
    assert [stage["grid"] for stage in data["stages"]] == [[64, 128], [32, 64], [16, 32], [8, 16]]
    for shown, reading in zip(data["stages"], lens.readings, strict=True):
        assert (decode(shown["dense"]) == reading.dense).all()
        assert (decode(shown["sparse"]) == reading.sparse).all()
        assert shown["reads"][0] == f"dense reads {share(reading.agreement['dense'])}"
    numbers = decode(data["region_map"])
    assert numbers.max() == len(data["regions"]) > 0
    differs = result.analysis.prepared.dense != result.analysis.sparse
    assert differs[numbers > 0].all()
    x, y = data["regions"][0]["place"]
    assert numbers[int(256 * y), int(512 * x)] == 1
    assert f"{share(differs.mean())} of the picture" in data["summary"]
    assert "cosine, which is 1 where both are alike" in data["summary"]


@pytest.mark.parametrize("task", ["semantic", "boxes3d"])
def test_it_says_that_only_the_largest_regions_are_numbered(engine, home_of_many, task):
    result = analyze(engine, 0.6, model="many", task=task)
    lens = engine.look_through(result)
    some = tuple(make_region(number=number) for number in range(1, 13))
    assert "the 12 largest" in tell_summary(result, replace(lens, regions=some))
    assert "12 largest" not in tell_summary(result, replace(lens, regions=some[:11]))


def test_a_region_is_told_in_one_sentence(engine):
    result = analyze(engine, 0.6)
    lens = engine.look_through(result)
    names = result.task.class_names
    truth = RegionTruth(3, 0.9, 0.05)
    assert tell_region(result, lens, make_region(truth=truth)) == (
        "Blocks 1.1 to 2.2 and 3.3 skipped most of this region; its features drift from block "
        f"2.1 on, and most in block 2.2; dense says {names[3]}, sparse says {names[4]}; "
        f"the truth is mostly {names[3]}, and dense is nearer to it: dense is right on 90 %, "
        "sparse on 5.0 %."
    )
    calm = make_region(skipped=(0.0,) * 9 + (0.6,), cosine=(1.0,) * 10, share=0.4)
    assert tell_region(result, lens, calm) == (
        "Block 4.2 skipped most of this region; its features do not drift; on 40 % of it dense "
        f"says {names[3]}, sparse says {names[4]}."
    )
    words = tell_region(result, lens, make_region(skipped=(0.2,) * 10, classes=None))
    assert words.startswith("No block skipped most of this region; its features drift")
    assert "says" not in words
    assert "Every block skipped" in tell_region(result, lens, make_region(skipped=(0.8,) * 10))


def test_without_pruning_it_says_so_and_shows_what_can_be_read(engine):
    result = analyze(engine, 0)
    data = json.loads(make_lens(result, engine.look_through(result)))
    assert data["summary"].startswith("No window is skipped now")
    assert data["regions"] == []
    assert all(block["cosine"] == 1 for block in data["blocks"])
    assert all(stage["dense"] and stage["dense"] == stage["sparse"] for stage in data["stages"])


@pytest.mark.parametrize("task", ["instance", "boxes3d"])
def test_other_tasks_show_cosines_alone(engine, home_of_many, task):
    result = analyze(engine, 0.6, model="many", task=task)
    data = json.loads(make_lens(result, engine.look_through(result)))
    assert data["classes"] == []
    assert data["note"] == ""
    assert all(stage["dense"] is None for stage in data["stages"])
    assert "drift most" in data["summary"]
    assert data["regions"][0]["classes"] is None


def test_a_result_is_looked_through_once(fake_engine):
    session, result = Session(), fake_engine.first
    first = draw_lens(fake_engine, session, result)
    timed = replace(result, analysis=replace(result.analysis, latency=None))
    assert draw_lens(fake_engine, session, timed) == first
    assert fake_engine.lenses == 1
    again = replace(
        result.analysis, blocks=(*result.analysis.blocks[:-1], result.analysis.blocks[-1])
    )
    draw_lens(fake_engine, session, replace(result, analysis=again))
    assert fake_engine.lenses == 2


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0.0 %"), (0.0001, "less than 0.1 %"), (0.034, "3.4 %"), (0.5, "50 %"), (1, "100 %")],
)
def test_shares_are_written_as_precisely_as_they_need(value, words):
    assert share(value) == words
