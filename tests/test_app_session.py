"""What the page remembers of a user, for how long, and that nobody else gets it."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from app_support import schedule, write_photo
from page_support import Page

from app.page.panel import read_panel
from app.page.session import Session
from app.tabs.takeaway import handlers as takeaway_module
from sparsevit.tasks.features import Features


def test_sessions_do_not_see_each_other(fake_engine, tmp_path):
    alice, bob = Page(fake_engine), Page(fake_engine)
    alice.run(photo_path=str(write_photo(tmp_path / "a.png", 1)))
    alice.set_sparsities([[0.1], [0.1], [0.1, 0.1], [0.1]])
    assert bob.session == Session()
    assert not bob.session.history
    bob.handlers.open_tab(bob.session, "takeaway")
    assert "a.png" not in bob.run()["snippet"]


def test_every_measured_setting_is_remembered_once_and_can_be_returned_to(page, tmp_path):
    mine = str(write_photo(tmp_path / "mine.png", 2))
    page.run(photo_path=mine)
    list(page.handlers.measure(page.session))
    page.set_sparsities([[0.2], [0.2], [0.3, 0.4], [0.0]])
    list(page.handlers.measure(page.session))
    list(page.handlers.measure_again(page.session))
    assert len(page.session.history) == 2
    example = str(next(iter(page.engine.examples.values())).path)
    page.run(photo_path=example)
    changes = page.tradeoff.return_to(page.session, 0)
    assert page.engine.calls[-1].schedule == schedule(0.6)
    assert read_panel(changes["panel"])[0] == schedule(0.6)
    assert changes["photo"] == mine
    assert "picture" in changes
    assert page.tradeoff.return_to(page.session, 9) == {}


def test_the_history_forgets_old_photos(page, tmp_path):
    for seed in range(6):
        page.run(photo_path=str(write_photo(tmp_path / f"{seed}.png", seed % 3)))
        list(page.handlers.measure(page.session))
    names = [entry.photo.path.stem for entry in page.session.history]
    assert names == ["2", "3", "4", "5"]


def test_a_closed_page_is_forgotten_unless_it_comes_back(fake_engine, tmp_path):
    fake_engine.config = replace(fake_engine.config, patience_s=0.2)
    page, back = Page(fake_engine), Page(fake_engine)
    for visitor, key in ((page, "a"), (back, "b")):
        visitor.handlers.enter(visitor.session, "", key, {})
        visitor.run()
        visitor.handlers.leave(key)
    back.run()  # it had only lost its connection
    deadline = time.monotonic() + 30
    while page.session.result is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert page.session == Session()
    time.sleep(0.3)
    assert back.session.result is not None
    page.handlers.leave("unknown")


def test_a_page_that_is_loaded_again_goes_on_with_its_own_photo(fake_engine, tmp_path):
    fake_engine.config = replace(fake_engine.config, patience_s=0.05)
    page = Page(fake_engine)
    mine = write_photo(tmp_path / "mine.png", 2)
    page.handlers.enter(page.session, "secret", "a", {})
    page.run(photo_path=str(mine))
    list(page.handlers.measure(page.session))
    again, stranger = Session(), Session()
    query = {"sparsity": json.dumps(schedule(0.3).to_list())}  # moved while there was no connection
    changes = page.handlers.enter(again, "secret", "b", query)
    page.handlers.leave("a")
    page.handlers.enter(stranger, "guess", "c", query)
    assert again.result.photo.path == mine
    assert stranger.result.photo is fake_engine.first.photo
    assert again.result.settings.schedule == schedule(0.3)
    assert changes["photo"] == str(mine)
    assert "picture" in changes  # the page had opened with another
    assert len(again.history) == 1
    deadline = time.monotonic() + 30
    while page.session.result is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert page.session == Session()
    assert mine.exists()  # it belongs to the page that goes on
    again.close()
    assert not mine.exists()


def test_a_closed_page_leaves_nothing(page, tmp_path, monkeypatch):
    monkeypatch.setattr(takeaway_module, "get_upload_folder", lambda: str(tmp_path))
    mine = write_photo(tmp_path / "mine.png", 2)
    page.run(photo_path=str(mine))
    *_, changes = page.takeaway.make_zip(page.session)
    folder = Path(changes["file"]["value"]).parent
    assert folder.exists()
    page.session.close()
    assert not folder.exists()
    assert not mine.exists()
    assert page.session == Session()
    assert all(photo.path.exists() for photo in page.engine.examples.values())


def test_maps_of_features_count(page):
    page.run()
    without = page.session.num_bytes
    result = page.session.result
    maps = tuple(np.zeros((96, 64 >> stage, 128 >> stage), np.float32) for stage in range(4))
    prepared = replace(result.analysis.prepared, dense=Features(maps, (256, 512)))
    sparse = Features((*maps[:2], maps[2].copy(), maps[3].copy()), (256, 512))
    analysis = replace(result.analysis, prepared=prepared, sparse=sparse)
    page.session.result = replace(result, analysis=analysis)
    places = 64 * 128 + 32 * 64 + 2 * (16 * 32 + 8 * 16)  # those that both share count once
    class_maps = 2 * 256 * 512
    assert page.session.num_bytes - without == 4 * 96 * places - class_maps


def test_users_who_did_nothing_for_longest_are_pushed_out(fake_engine, tmp_path):
    first = Page(fake_engine)
    first.run(photo_path=str(write_photo(tmp_path / "0.png", 0)))
    alone = first.session.num_bytes
    pixels = 256 * 512
    assert alone == pixels * (3 + 3 + 3 * 4 + 1 + 1)  # photo, input, its floats, two class maps
    first.handlers._visitors._max_bytes = 3 * alone
    pages = [first, Page(fake_engine), Page(fake_engine), Page(fake_engine)]
    for number, page in enumerate(pages):
        page.handlers = first.handlers  # one server; programs among them never say they enter
        page.run(photo_path=str(write_photo(tmp_path / f"{number}.png", number % 3)))
        first.run()  # stays in use
    assert [page.session == Session() for page in pages] == [False, True, False, False]
    assert [(tmp_path / f"{number}.png").exists() for number in range(4)] == [1, 0, 1, 1]
    assert pages[1].run(photo_path=None)
