"""Views made by Python alone: headline, latency, trade-off, take-away."""

import json
import re
import zipfile
from dataclasses import replace
from urllib.parse import parse_qsl

import numpy as np
import pytest
from app_support import schedule
from page_support import read_charts, read_points
from view_support import check_windows

from app.engine.records import make_try
from app.page.address import make_address, read_query
from app.page.common import describe_schedule
from app.page.headline import show_fed, show_headline
from app.tabs.latency.view import show_latency
from app.tabs.search.view import show_search
from app.tabs.takeaway.interactive import describe_run
from app.tabs.takeaway.view import make_json, make_snippet, write_zip
from app.tabs.tradeoff.view import show_history, show_sizes
from sparsevit.data.reader import load_image
from sparsevit.inspect.sizes import SizeComparison, SizePoint
from sparsevit.measure.latency import LatencyReport, LatencyStats
from sparsevit.schedule import ScheduleError
from sparsevit.tasks.classification import ClassificationTask


@pytest.fixture
def result(engine):
    """The first result with a latency set by hand: dense 100 ms, sparse 50 ms."""
    dense = LatencyStats((100.0, 100.0), ((10.0, 40.0, 20.0, 15.0, 5.0, 10.0),) * 2)
    sparse = LatencyStats((50.0, 50.0), ((10.0, 16.0, 8.0, 4.0, 2.0, 10.0),) * 2)
    latency = LatencyReport(dense, sparse, "host", "a <fine> CPU", "float32", (256, 512), 1)
    return replace(engine.first, analysis=replace(engine.first.analysis, latency=latency))


def read_table(html, caption):
    """Rows of the table with this caption, cells as plain text."""
    table = next(t for t in re.findall(r"<table.*?</table>", html) if caption in t)
    rows = re.findall(r"<tr>(.*?)</tr>", table.split("<tbody>")[1])
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
    return [[re.sub(r"<[^>]+>", "", cell) for cell in row] for row in cells]


def test_the_headline_says_both_numbers_and_what_stands_behind_them(result):
    html = show_headline(result, 2)
    agreement = result.analysis.agreement["agreement"]
    assert "<strong>2.00×</strong>" in html
    assert f"<strong>{100 * agreement:.1f} %</strong>" in html
    assert "<b>50 ms</b>, dense 100 ms (host's code), medians of 2" in html
    assert "accuracy" not in html
    waiting = replace(result, analysis=replace(result.analysis, latency=None))
    assert "measuring…" in show_headline(waiting, 2)
    assert "medians of 2 of 5 runs" in show_headline(result, 5)


def test_a_note_is_shown_and_escaped(result):
    assert "sv-warning" not in show_fed(result)
    assert "a &lt;b&gt; was used" in show_fed(replace(result, note="a <b> was used"))


def test_latency_shows_every_stage_beside_the_arithmetic(result):
    html = show_latency(result, 2)
    rows = read_table(html, "Where the time goes")
    names = [row[0] for row in rows]
    assert names == ["embedding", "stage 1", "stage 2", "stage 3", "stage 4", "head"]
    blocks = [block for block in result.analysis.cost.blocks if block.stage == 0]
    ideal = sum(b.sparse_macs for b in blocks) / sum(b.dense_macs for b in blocks)
    ideal_ms = 100 * result.analysis.cost.mac_ratio
    assert rows[1][2:] == ["40 ms", "16 ms", "0.40", f"{ideal:.2f}"]
    assert rows[0][4:] == ["1.00", "1.00"]
    assert "a &lt;fine&gt; CPU" in html
    whole, *parts = read_charts(html)[:7]
    assert f"sparse 50 milliseconds, ideal {ideal_ms:.0f} milliseconds" in whole["words"]
    assert [row["bars"][0]["to"] for row in whole["rows"]] == [100, 50, pytest.approx(ideal_ms)]
    first = parts[1]["rows"][0]
    assert [bar["to"] for bar in first["bars"]] == [40, 16]
    assert (first["at"], parts[1]["most"]) == (pytest.approx(40 * ideal), 40)
    assert len(read_table(html, "What every block kept")) == len(result.analysis.blocks)
    assert "measured after" in html
    assert "sparse <b>20 MB</b> (25\u00a0%)" in show_latency(
        replace(result, peak_mb=(80.0, 20.0)), 2
    )


def test_the_history_offers_every_setting_and_plots_those_of_this_photo(result):
    other = replace(result, photo=replace(result.photo, key="other"))
    fast = replace(result, settings=replace(result.settings, schedule=schedule(0.8)))
    history = [make_try(result), make_try(other), make_try(fast)]
    html = show_history(fast, history)
    marks = read_points(html)["marks"]
    agreement = pytest.approx(100 * result.analysis.agreement["agreement"], abs=1e-4)
    assert [mark["index"] for mark in marks] == [None, 0, 2]
    assert [(mark["kind"], mark["is_current"]) for mark in marks] == [
        *(("dense", False), ("sparse", False), ("sparse", True)),
    ]
    assert [(mark["x"], mark["y"]) for mark in marks[:2]] == [(100, 100), (50, agreement)]
    rows = read_table(html, "Everything tried")
    assert [row[0] for row in rows] == ["shown", "show", "show"]  # newest first
    assert rows[0][1] == "80 %"
    assert rows[2][4:6] == ["50 ms", "2.00×"]
    assert "appears here" in show_history(replace(result, photo=replace(result.photo, key="x")), [])


BUSY = "this machine is busy: other programs used 38 % of its CPUs"


def test_what_a_busy_machine_timed_is_nowhere_quoted(result, doubt_load):
    latency = replace(result.analysis.latency, other_load=0.38)
    doubtful = replace(result, analysis=replace(result.analysis, latency=latency))
    assert doubtful.doubt == BUSY
    headline = show_headline(doubtful, 2)
    assert "2.00×" not in headline
    assert "other programs used 38\u00a0% of its CPUs" in headline
    assert re.search(r"ms; (measuring|timed again|“Measure again”)", headline)
    html = show_latency(doubtful, 2)
    assert "<b>This machine is busy</b>: other programs used 38 %" in html
    assert "2.00×" not in html
    assert "Speed-up" not in html
    assert [row[4] for row in read_table(html, "Where the time goes")] == ["–"] * 6
    assert "2.00×" in show_latency(result, 2)

    sound = replace(result, settings=replace(result.settings, schedule=schedule(0.8)))
    html = show_history(doubtful, [make_try(sound), make_try(doubtful)])
    marks = read_points(html)["marks"]
    assert [mark["index"] for mark in marks if mark["is_doubtful"]] == [1]
    assert [row[5] for row in read_table(html, "Everything tried")] == ["busy", "2.00×"]
    assert "Hollow" in html
    assert "Hollow" not in show_history(sound, [make_try(sound)])

    assert "The sliders now, timed while this machine was busy" in show_search(None, doubtful)
    assert "busy" not in show_search(None, sound)


def test_sizes_timed_on_a_busy_machine_are_not_compared(result):
    dense = (SizePoint((512, 1024), None, 1.0, 100.0), SizePoint((320, 640), None, 0.8, 40.0))
    sparse = SizePoint((512, 1024), None, 0.9, 50.0)
    html = show_sizes(result, SizeComparison(sparse, dense, 5, 5, doubt=BUSY))
    assert "<b>This machine is busy</b>: other programs used 38 %" in html
    assert "here pruning keeps" not in html
    assert [mark["is_doubtful"] for mark in read_points(html)["marks"]] == [True] * 3


def test_the_comparison_says_in_one_sentence_who_does_better(result):
    def point(latency_ms, side, agreement):
        return SizePoint((side, 2 * side), None, agreement, latency_ms)

    dense = (point(100, 512, 1.0), point(40, 320, 0.8))
    comparison = SizeComparison(point(50, 512, 0.9), dense, 4, 5)
    html = show_sizes(result, comparison)
    assert "agrees on <b>80.0\u00a0%</b>: here pruning keeps more" in html
    assert "320 × 640 (40 ms)" in html
    assert "1 more rounds" in html
    worse = replace(comparison, sparse=point(50, 512, 0.7), done=5)
    assert "keeps less" in show_sizes(result, worse)
    assert show_sizes(result, None) == ""


def test_schedules_in_few_letters():
    assert describe_schedule(schedule(0.6)) == "60 %"
    assert describe_schedule(schedule([[0.6], [0], [0.2, 0.4], [0]])) == "60 / 0 / 20 40 / 0 %"


def test_a_classifier_s_agreement_is_shared_probability(result):
    task = ClassificationTask(tuple("abcdefg"))
    dense, sparse = np.linspace(0, 1, 7, dtype=np.float32) / 3.5, np.full(7, 1 / 7, np.float32)
    analysis = replace(result.analysis, task=task, agreement=task.compare(dense, sparse))
    html = show_headline(replace(result, analysis=analysis), 1)
    assert "probability shared with the dense output" in html


def test_the_snippet_reproduces_the_result(result):
    namespace = {}
    code = make_snippet(result).replace(repr(result.photo.path.name), repr(str(result.photo.path)))
    exec(code, namespace)
    assert namespace["analysis"].agreement == result.analysis.agreement
    data = json.loads(make_json(result))
    assert data["schedule"] == result.settings.schedule.to_list()
    assert data["rescore"] is False


def test_a_result_whose_blocks_rank_anew_says_so_and_its_snippet_repeats_it(engine, tmp_path):
    falling = schedule([[0.5], [0.3], [0.6, 0.2], [0.0]])
    settings = replace(engine.first.settings, schedule=falling, linked=False)
    result = engine.analyze(engine.first.photo, settings)
    with zipfile.ZipFile(write_zip(result, tmp_path)) as archive:
        for text in (make_json(result), archive.read("result.json")):
            assert json.loads(text)["rescore"] is True
        code = archive.read("again.py").decode()
    namespace = {}
    exec(code.replace(repr(result.photo.path.name), repr(str(result.photo.path))), namespace)
    assert namespace["analysis"].rescore is True
    assert namespace["analysis"].to_dict("x") == result.analysis.to_dict("x")
    again = describe_run(result.photo.path, result.analysis, 256, None)
    assert again.settings.linked is False


@pytest.mark.parametrize(
    ("of", "arguments"),
    [
        ({"checkpoint": "mine.pth"}, "checkpoint='mine.pth'"),
        ({"random_seed": 3}, "random_weights=True, seed=3"),
    ],
)
def test_the_snippet_names_the_weights_where_the_network_s_name_does_not(result, of, arguments):
    mine = replace(result, analysis=replace(result.analysis, **of))
    assert f"load_model({result.settings.model!r}, {arguments})" in make_snippet(mine)
    assert of.items() <= mine.to_dict().items()


def test_the_zip_holds_every_mask_and_the_numbers(result, tmp_path):
    path = write_zip(result, tmp_path)
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        assert json.loads(archive.read("result.json")) == result.to_dict()
    assert path.name == "sparsevit-street_a.zip"
    for block in result.analysis.blocks:
        assert f"stage{block.stage + 1}_block{block.block + 1}_windows.png" in names
    assert {"again.py", "dense.png", "sparse.png", "compute_map.png"} <= names


def test_what_was_done_otherwise_than_asked_is_taken_away(result, tmp_path):
    other = replace(result, note="Made smaller.")
    with zipfile.ZipFile(write_zip(other, tmp_path)) as archive:
        texts = [archive.read("result.json"), make_json(other)]
    assert [json.loads(text)["note"] for text in texts] == ["Made smaller."] * 2
    assert result.to_dict()["note"] is None


def test_the_pictures_in_the_zip_are_what_their_names_say(result, tmp_path):
    image, colours = result.analysis.prepared.image, np.array(result.task.palette, float)
    road, sky = (np.full(image.shape[:2], index, np.uint8) for index in (0, 10))
    prepared = replace(result.analysis.prepared, dense=road)
    analysis = replace(result.analysis, prepared=prepared, sparse=sky)
    with zipfile.ZipFile(write_zip(replace(result, analysis=analysis), tmp_path)) as archive:
        pictures = {
            name.removesuffix(".png"): load_image(archive.read(name))
            for name in archive.namelist()
            if name.endswith(".png")
        }
    for block in analysis.blocks[:3]:
        stem = f"stage{block.stage + 1}_block{block.block + 1}"
        check_windows(pictures[f"{stem}_windows"], pictures[f"{stem}_scores"], block, image)
    differ = pictures["dense"].mean((0, 1)) - pictures["sparse"].mean((0, 1))
    assert differ @ (colours[0] - colours[10]) > 0.9 * np.linalg.norm(differ) * np.linalg.norm(
        colours[0] - colours[10]
    )


def test_an_address_brings_the_settings_back(result):
    free = schedule([[0.5], [0.1], [0.6, 0.2], [0.0]])
    settings = replace(result.settings, schedule=free, linked=False, short_side=None)
    address = json.loads(make_address(replace(result, settings=settings)))
    query = dict(parse_qsl(address["query"].removeprefix("?")))
    assert read_query(query, result.settings) == settings
    assert query["photo"] == "street a"
    assert address["note"] == ""
    own = replace(result, photo=replace(result.photo, example=None))
    address = json.loads(make_address(own))
    assert "photo=" not in address["query"]
    assert "not part of the link" in address["note"]


@pytest.mark.parametrize(
    "query", [{"sparsity": "[[1.5]]"}, {"sparsity": "0.5"}, {"sparsity": "x"}, {"size": "big"}]
)
def test_an_address_that_cannot_be_read_is_one_sentence(result, query):
    with pytest.raises(ScheduleError, match=r"\.$"):
        read_query(query, result.settings)
