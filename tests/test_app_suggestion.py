"""A photo that is no road scene: when the page suggests to restore it, and what an answer does."""

from dataclasses import replace

import pytest
import torch
from app_support import INFOS, make_engine, write_photo, write_restorer
from page_support import Page

from app.engine.roads import is_unsure, measure_sureness
from app.page.suggesting import SuggestionHandlers
from sparsevit.networks import list_models


@pytest.fixture(scope="module")
def engine(home):
    write_restorer(home)
    with pytest.MonkeyPatch.context() as patch:
        infos = [*INFOS, replace(INFOS[0], name="restorer", task="restoration", tasks=())]
        patch.setattr("app.engine.models.list_models", lambda: infos)
        patch.setattr("app.page.suggesting.ROADS", "small")
        patch.setattr("app.page.suggesting.RESTORER", "restorer")
        yield make_engine(home, short_side=64)


@pytest.fixture
def page(engine, tmp_path, monkeypatch):
    page = Page(engine)
    page.controls["short_side"] = 64
    page.own = [str(write_photo(tmp_path / f"own{seed}.png", seed, (70, 90))) for seed in (6, 7)]
    page.suggestions = SuggestionHandlers(page.handlers, page.handlers.use_settings)
    page.asked = []

    def measure(result):
        page.asked.append(result.photo.key)
        return page.sureness

    page.sureness = 0.5
    monkeypatch.setattr(engine, "measure_sureness", measure)
    return page


def suggest(page):
    return bool(page.suggestions.suggest(page.session)["suggestion"])


def test_an_upload_that_the_network_is_unsure_of_is_met_with_a_suggestion(page):
    page.run(photo_path=page.own[0])
    assert suggest(page)
    assert page.session.result.settings.model == "small"  # nothing is switched silently
    page.run(short_side=96)
    assert suggest(page)
    assert len(page.asked) == 1  # once a photo


def test_a_road_scene_is_left_alone(page):
    page.sureness = 0.9
    page.run(photo_path=page.own[0])
    assert not suggest(page)


def test_an_example_is_left_alone(page, engine):
    page.run(photo_path=str(next(iter(engine.examples.values())).path))
    assert not suggest(page)
    assert page.asked == []


def test_it_switches_when_asked_to(page):
    page.run(photo_path=page.own[0])
    changes = page.suggestions.answer(page.session, 0)
    assert changes["suggestion"] == ""
    assert changes["model"]["value"] == "restorer"
    assert page.session.result.task.name == "restoration"
    assert page.messages == []


def test_who_dismisses_it_is_not_asked_again(page):
    page.run(photo_path=page.own[0])
    assert page.suggestions.answer(page.session, 1) == {"suggestion": ""}
    assert page.session.result.settings.model == "small"
    page.run(photo_path=page.own[1])
    assert not suggest(page)


def test_without_the_network_that_restores_nothing_is_suggested(page, monkeypatch):
    monkeypatch.setattr("app.page.suggesting.RESTORER", "nothing")
    page.run(photo_path=page.own[0])
    assert not suggest(page)
    assert page.asked == []


def test_another_photo_or_network_takes_the_suggestion_away(page):
    assert page.run(photo_path=page.own[0])["suggestion"] == ""
    assert "suggestion" not in page.run(short_side=96)
    assert page.run(model="other")["suggestion"] == ""


def test_sureness_is_the_mean_of_the_largest_probability(home):
    loaded = make_engine(home).networks.get("small")
    pixels = torch.randint(0, 255, (512, 512, 3), dtype=torch.uint8).numpy()
    with torch.inference_mode():
        logits = loaded.module(loaded.prepare(pixels, 512))
    expected = float(logits.softmax(1).max(1).values.mean())
    assert measure_sureness(loaded, pixels) == pytest.approx(expected, rel=1e-5)
    assert is_unsure(0.8)
    assert not is_unsure(0.87)


def test_the_list_of_networks_has_the_restorer_with_both_tasks(engine):
    (info,) = (info for info in list_models() if info.name == "restorer")
    assert info.tasks == ("restoration", "enhancement")
