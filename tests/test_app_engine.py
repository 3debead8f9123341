"""The engine of the page: one run at a time, the expensive step once, nothing mixed up."""

import subprocess
import sys
import threading
from collections import OrderedDict
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from app_support import DEPTHS, make_config, make_engine, schedule, write_home, write_photo
from page_support import FakeEngine, check_interface
from PIL import Image

from app.config import Config, parse_args
from app.engine import measuring as measuring_module
from app.engine import runs as runs_module
from app.engine.examples import read_examples
from app.engine.local import LocalEngine
from app.engine.models import Networks
from app.engine.newest import Superseded
from app.engine.records import Settings, fit_schedule
from app.page.headline import show_headline
from sparsevit.core.stage import runs_as_host
from sparsevit.data.reader import ImageError
from sparsevit.measure.dense import DENSE_FORMS
from sparsevit.networks import LoadedModel, ModelError, load_model
from sparsevit.schedule import ScheduleError, SparsitySchedule


@pytest.fixture
def engine(engine):
    """The engine as it was just after its start."""
    first = engine.first
    key = (first.photo.key, "small", "semantic", 256, first.photo.camera)
    engine.runs.prepared = OrderedDict({key: first.analysis.prepared})
    return engine


def _settings(value=0.5, **changes):
    return replace(Settings("small", schedule(value), short_side=256), **changes)


def test_starts_with_a_measured_result(engine):
    first = engine.first
    assert first.photo.path.name == "street_a.jpg"
    assert first.analysis.latency is not None
    assert len(first.analysis.latency.sparse.samples_ms) == engine.config.start_runs
    assert first.settings.schedule == schedule(0.6)
    assert first.depths == DEPTHS


def test_what_was_taken_of_a_checkpoint_is_logged_once(home, monkeypatch, caplog):
    loaded = replace(load_model("small"), note="Took state_dict_ema of w.pth.")
    monkeypatch.setattr("app.engine.models.load_model", lambda *args: loaded)
    networks = Networks(make_config(home))
    assert networks.get("small") is networks.get("small") is loaded
    assert [record.getMessage() for record in caplog.records] == [loaded.note]


def test_draws_an_example_where_there_are_none(tmp_path):
    engine = LocalEngine(make_config(tmp_path))
    (photo,) = engine.examples.values()
    assert photo.pixels.shape == (512, 1024, 3)
    assert photo.truth.labels.shape == (512, 1024)


def test_computes_the_dense_result_once(engine, monkeypatch):
    calls = []
    real = runs_module.prepare_image
    monkeypatch.setattr(runs_module, "prepare_image", lambda *a: (calls.append(a[2]), real(*a))[1])
    photo = engine.first.photo
    results = [engine.analyze(photo, _settings(value)) for value in (0.0, 0.3, 0.8)]
    assert calls == []  # start() had prepared it
    assert len({id(result.analysis.prepared) for result in results}) == 1
    engine.analyze(photo, _settings(short_side=128))
    engine.analyze(photo, _settings(short_side=128))
    assert calls == [128]


def test_finds_an_example_again_by_its_content(engine, tmp_path):
    example = next(iter(engine.examples.values()))
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(example.path.read_bytes())
    assert engine.read_photo(copy) is example
    assert engine.read_photo(write_photo(tmp_path / "mine.png", 5)).example is None


def test_examples_come_with_their_labels(tmp_path):
    home = write_home(tmp_path)
    labels = np.arange(256 * 512, dtype=np.uint32).reshape(256, 512).astype(np.uint8)
    Image.fromarray(labels).save(home / "assets" / "street_a_labels.png")
    examples = LocalEngine(make_config(home)).examples
    assert (examples["street a"].truth.labels == labels).all()
    assert examples["street a"].truth.class_names[0] == "Sky"
    assert examples["street b"].truth is None


def test_an_example_of_ours_tells_its_things_one_by_one():
    examples = read_examples(Config().assets)
    streets = [photo for name, photo in examples.items() if name.startswith("street")]
    assert all(photo.truth.things.things for photo in streets)
    assert {name.split()[0] for name in examples} == {"street", "texture"}
    photo = examples["street dusk 512x1024"]
    labels, things = photo.truth.labels, photo.truth.things
    assert photo.camera == (things.camera, "of the drawn scene")
    assert ((things.ids > 0) == np.isin(labels, (8, 9, 10))).all()  # cars, people, cyclists
    for thing in things.things:
        x0, y0, x1, y1 = (int(edge) for edge in thing.rectangle)
        assert (things.ids[y0:y1, x0:x1] == thing.id).sum() == thing.pixels
        seen = things.camera.project(thing.box.corners)  # the box holds what shows of the thing
        assert (seen.min(axis=0) < (x1, y1)).all()
        assert (seen.max(axis=0) > (x0, y0)).all()


def test_a_photo_that_is_fed_smaller_than_asked_says_so(engine, monkeypatch):
    loaded = engine.networks.get("small")
    photo = np.broadcast_to(np.uint8(0), (5475, 7300, 3))  # 40 megapixels
    assert loaded.explain_limit(photo, 1536) == ""
    assert loaded.explain_limit(photo) == loaded.explain_limit(photo, 2048) != ""
    monkeypatch.setattr(LoadedModel, "explain_limit", lambda *_: "Made smaller.")
    assert engine.analyze(engine.first.photo, _settings()).note == "Made smaller."


def test_falls_back_to_a_smaller_size_when_memory_runs_out(engine, monkeypatch):
    real = runs_module.analyze

    def short_of_memory(loaded, prepared, *rest):
        if prepared.input_size[0] > 256:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")
        return real(loaded, prepared, *rest)

    monkeypatch.setattr(runs_module, "analyze", short_of_memory)
    result = engine.analyze(engine.first.photo, _settings(short_side=1024))
    assert result.settings.short_side == 256
    assert "1024 pixels is too large for the memory of" in result.note
    assert "256 was used" in result.note
    monkeypatch.setattr(runs_module, "analyze", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # nothing else is taken for it
        engine.analyze(engine.first.photo, _settings())
    tight = torch.OutOfMemoryError("CUDA out of memory")
    monkeypatch.setattr(runs_module, "analyze", Mock(side_effect=tight))
    with pytest.raises(ImageError, match="too small for this picture"):
        engine.analyze(engine.first.photo, _settings(short_side=1024))


def test_memory_sizes_and_blocks_are_measured_in_turn_with_others(engine):
    result = engine.measure_memory(engine.analyze(engine.first.photo, _settings(0.8)))
    dense, sparse = result.peak_mb
    assert 0 < sparse < 1.01 * dense  # so small a network peaks outside its blocks
    *_, comparison = engine.compare_sizes(result, 1)
    assert comparison.done == comparison.total
    assert comparison.dense[0].size == (256, 512)
    assert list(engine.compare_sizes(result, 1, lambda: False)) == []
    assert engine.trace_block(result, 0).trace.kept == result.analysis.blocks[0].kept


def test_keeps_few_images_and_few_models(home, tmp_path):
    engine = make_engine(home, kept_images=2, kept_models=1)
    photos = [engine.read_photo(write_photo(tmp_path / f"{s}.png", s)) for s in range(3)]
    for photo in photos:
        engine.analyze(photo, _settings())
    assert [key[0] for key in engine.runs.prepared] == [photo.key for photo in photos[1:]]
    small = engine.networks.get("small")
    assert engine.networks.get("small") is small
    engine.networks.get("other")
    assert list(engine.networks.kept) == ["other"]


def test_a_dense_schedule_agrees_fully_and_a_sparse_one_says_what_it_kept(engine):
    photo = engine.first.photo
    assert engine.analyze(photo, _settings(0.0)).analysis.agreement["agreement"] == 1
    result = engine.analyze(photo, _settings(0.5))
    first = result.analysis.blocks[0]
    assert (first.kept, first.total) == (64, 128)


def test_linked_schedules_may_not_fall_and_free_ones_may(engine):
    falling = SparsitySchedule(((0.5,), (0.0,), (0.6, 0.2), (0.0,)))
    with pytest.raises(ScheduleError, match="must not decrease"):
        engine.analyze(engine.first.photo, _settings(schedule=falling))
    free = engine.analyze(engine.first.photo, _settings(schedule=falling, linked=False))
    assert free.analysis.schedule == falling
    list(engine.measure(free, 1))
    assert engine.analyze(engine.first.photo, _settings(0.3)).analysis.schedule == schedule(0.3)


def test_fits_a_schedule_to_another_network():
    source = SparsitySchedule(((0.6,), (0.0,), (0.2, 0.4, 0.5), (0.1,)))
    deep = fit_schedule(source, (2, 2, 18, 2))
    assert deep.stages[2] == (0.2, 0.2, 0.2, 0.4, 0.4, 0.4, 0.5, 0.5, 0.5)
    assert fit_schedule(source, (2, 2, 6, 2)) == source
    assert fit_schedule(source, (2, 2)).stages == ((0.6,), (0.0,))


def test_a_request_that_is_not_current_is_dropped(engine):
    with pytest.raises(Superseded):
        engine.analyze(engine.first.photo, _settings(), lambda: False)
    assert list(engine.measure(engine.first, 5, lambda: False)) == []


def test_measuring_refines_and_stops_when_superseded(engine):
    results = []
    for result in engine.measure(engine.first, 9, lambda: len(results) < 2):
        results.append(result)
    runs = [len(result.analysis.latency.dense.samples_ms) for result in results]
    assert runs == [1, 2]
    assert results[-1].analysis.latency.dense_form in DENSE_FORMS


def test_networks_run_one_at_a_time_and_results_do_not_mix(engine, monkeypatch):
    running, most, guard = 0, 0, threading.Lock()
    real = runs_module.analyze

    def watched(*args):
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        try:
            return real(*args)
        finally:
            with guard:
                running -= 1

    monkeypatch.setattr(runs_module, "analyze", watched)
    results = {}

    def work(value, linked):
        results[value] = engine.analyze(engine.first.photo, _settings(value, linked=linked))

    jobs = [threading.Thread(target=work, args=(v / 10, v % 2 == 0)) for v in range(9)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert most == 1
    for value, result in results.items():
        assert result.settings.schedule == schedule(value)
        assert result.analysis.blocks[0].kept == max(1, round(128 * (1 - value) - 0.499))


def test_no_ones_schedule_reaches_the_run_of_another(engine):
    photo, module, ran = engine.first.photo, engine.networks.get("small").module, []

    def note(some, _):
        if some is not module:  # a copy, whose arithmetic is counted once for each size
            return
        ran.append("dense" if runs_as_host() or module.sparsity.is_dense else module.sparsity)

    def list_runs():
        with engine.turns.lock:
            assert module.sparsity.is_dense  # whoever comes next finds it so
        runs, ran[:] = ran[:], []
        return runs

    mine = engine.analyze(photo, _settings(0.6))
    measuring = engine.measure(mine, 2)
    next(measuring)
    with module.register_forward_pre_hook(note):
        engine.analyze(photo, replace(_settings(0.2), short_side=128))
        assert list_runs() == ["dense", schedule(0.2)]
        next(measuring)
        assert list_runs() == ["dense", schedule(0.6)]
        engine.run_frame(photo.pixels, _settings(0.3), ("dense", "sparse"))
        assert list_runs()[-2:] == ["dense", schedule(0.3)]
        engine.measure_memory(mine)
        assert list_runs() == ["dense", schedule(0.6)]
        engine.trace_block(mine, 0)
        assert list_runs() == [schedule(0.6)]
        *_, _ = engine.compare_sizes(mine, 1)
        assert set(list_runs()) == {"dense", schedule(0.6)}
        engine.analyze(photo, _settings(0.6))
        assert list_runs() == [schedule(0.6)]


def test_names_what_is_wrong(engine, tmp_path):
    with pytest.raises(ModelError, match="no model named 'nonsense'"):
        engine.analyze(engine.first.photo, replace(_settings(), model="nonsense"))
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"bad\.png"):
        engine.read_photo(bad)


@pytest.mark.parametrize("kind", [LocalEngine, FakeEngine])
def test_every_engine_has_what_the_page_asks_for(kind):
    check_interface(kind)


def test_the_engine_and_the_pictures_do_without_gradio():
    root = Path(runs_module.__file__).resolve().parents[2]
    views = ", ".join(
        f"app.tabs.{file.parent.name}.view" for file in root.glob("app/tabs/*/view.py")
    )
    code = f"import sys, app.engine.local, app.page.panel, {views}; print('gradio' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert result.stdout.strip() == "False", result.stderr


def test_reads_the_command_line(monkeypatch):
    monkeypatch.setenv("SPARSEVIT_PORT", "1234")
    config = parse_args(["--checkpoint", "my.safetensors"])
    assert (config.port, config.model, config.checkpoint) == (1234, "my.safetensors", None)
    assert config.allows_paths
    assert not parse_args(["--host", "0.0.0.0"]).allows_paths
    assert not parse_args(["--share"]).allows_paths
    assert parse_args(["--auth", "me:a:b"]).auth == "me:a:b"
    with pytest.raises(SystemExit):
        parse_args(["--auth", "nobody"])
    config = parse_args(["--model", "swin_tiny", "--checkpoint", "w.pth"])
    assert (config.model, config.checkpoint) == ("swin_tiny", "w.pth")


def test_a_run_ends_at_the_next_stage_when_it_is_superseded(engine):
    asked = []

    def is_current():  # before the run, before stage 1, before stage 2
        asked.append(None)
        return len(asked) < 3

    with pytest.raises(Superseded):
        engine.analyze(engine.first.photo, engine.first.settings, is_current)
    assert len(asked) == 3
    again = engine.analyze(engine.first.photo, engine.first.settings)
    assert np.array_equal(again.analysis.sparse, engine.first.analysis.sparse)


def test_measuring_ends_within_a_round_when_it_is_superseded(engine):
    asked = []

    def is_current():
        asked.append(None)
        return len(asked) < 4

    assert list(engine.measure(engine.first, 3, is_current)) == []
    assert len(asked) == 4


def test_looking_for_the_fastest_dense_form_ends_when_it_is_superseded(engine):
    """At a large size it takes a minute, in which a slider that was moved would wait."""
    measuring, answers = engine.measuring, iter([True, True])
    measuring._dense_forms.clear()

    def is_current():  # before the first form, before its stage 1, before its stage 2
        return next(answers, False)

    assert list(engine.measure(engine.first, 3, is_current)) == []
    answers = iter([True, True])
    assert list(engine.compare_sizes(engine.first, 1, is_current)) == []
    assert not measuring._dense_forms
    assert list(engine.measure(engine.first, 1))
    assert measuring._dense_forms


def test_a_dense_timing_of_a_busy_machine_is_no_estimate(engine):
    settings = replace(engine.first.settings, short_side=96)
    result = engine.analyze(engine.first.photo, settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sparsevit.measure.latency.explain_doubt", lambda *_: "this machine is busy")
        list(engine.measure(result, 1))
    assert engine.analyze(engine.first.photo, settings).guess_ms is None


@pytest.mark.parametrize(("load", "is_quiet"), [(None, True), (0.01, True), (0.5, False)])
def test_sees_whether_others_use_the_machine(engine, monkeypatch, load, is_quiet):
    class Meter(nullcontext):
        other_load = load

    monkeypatch.setattr(measuring_module, "LoadMeter", Meter)
    assert engine.is_quiet() == is_quiet


def test_a_first_estimate_needs_a_dense_timing_of_the_same_size(engine, monkeypatch):
    settings = replace(engine.first.settings, short_side=128)
    new = engine.analyze(engine.first.photo, settings)
    assert new.guess_ms is None
    assert "measuring…" in show_headline(new, 5)
    (measured,) = engine.measure(new, 1)
    known = engine.analyze(engine.first.photo, settings)
    monkeypatch.setattr("app.engine.measuring.explain_doubt", lambda *_: "this machine is busy")
    assert engine.analyze(engine.first.photo, settings).guess_ms is None
    assert known.guess_ms == (measured.analysis.latency.dense.median_ms, known.analysis.forward_ms)
    headline = show_headline(replace(known, guess_ms=(90.0, 50.0)), 5)
    assert "≈ 1.8×" in headline
    assert "first estimate" in headline
