"""The page with networks of Hugging Face: every tab for every task, and what the menu says."""

import json
from dataclasses import replace
from functools import partial
from zipfile import ZipFile

import pytest
from app_support import write_photo
from hf_support import KINDS, make_backbone, make_mask2former, write_cache, write_folder
from hub_support import serve_hub
from huggingface_hub import constants
from page_support import Page, Visitor

from app.api import Api
from app.page.headline import show_headline
from app.page.menus import list_choices
from app.tabs.registry import TABS
from app.tabs.search import handlers as tabs_module
from app.tabs.search.handlers import SearchHandlers
from app.tabs.takeaway import handlers as takeaway_module
from app.tabs.takeaway.interactive import MAX_BYTES, make_interactive
from app.tabs.video.clip import FrameRunner, Tally
from app.tabs.video.view import make_frame
from sparsevit.networks import LoadedModel, hf_list
from sparsevit.search.predictor import build_predictor

LISTED = "hf/facebook/mask2former-swin-tiny-coco-panoptic"
SOME = tuple({task: (name, make, task) for name, make, task in KINDS}.values())  # one a task
WORDS = {
    "semantic": "pixels with the class",
    "instance": "panoptic quality (PQ)",
    "panoptic": "panoptic quality (PQ)",
    "classification": "probability shared",
    "features": "cosine with the dense features",
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of a hub that is out of reach."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for module in (takeaway_module, tabs_module):
        monkeypatch.setattr(module, "get_upload_folder", lambda: str(tmp_path))
    return folder


@pytest.fixture
def visitor(engine):
    return Visitor(engine)


@pytest.mark.parametrize(("name", "make", "task"), SOME, ids=[name for name, _, _ in SOME])
def test_every_tab_works_for_every_task(engine, visitor, cache, tmp_path, name, make, task):
    write_cache(cache, name, make())
    photo = write_photo(tmp_path / "mine.png", 1)
    changes = visitor.look(photo, f"hf/{name}", 0.5)
    result = visitor.session.result
    assert result.task.name == task
    assert WORDS[task] in changes["headline"]
    assert changes["model"]["choices"][0] == (f"{name} (downloaded)", f"hf/{name}")

    list(visitor.handlers.measure(visitor.session))
    drawn = {}
    for tab in TABS:
        drawn |= visitor.handlers.open_tab(visitor.session, tab.id)
    outputs = json.loads(drawn["outputs"])
    assert outputs["task"] == task
    assert outputs["agreement"] == pytest.approx(result.analysis.agreement["agreement"], abs=1e-5)
    assert f'load_model("hf/{name}")'.replace('"', "'") in drawn["snippet"]
    assert json.loads(drawn["json"])["agreement"] == pytest.approx(result.analysis.agreement)
    list(visitor.latency.measure_memory(visitor.session))
    assert visitor.session.result.peak_mb is not None
    *_, made = visitor.takeaway.make_zip(visitor.session)
    with ZipFile(made["file"]["value"]) as archive:
        assert {"dense.png", "sparse.png", "result.json"} <= set(archive.namelist())

    assert len(make_interactive(result).encode()) < MAX_BYTES

    frame = FrameRunner(engine).run(result.photo.pixels, result.settings)
    tally = Tally()
    tally.add(frame)
    told = json.loads(make_frame(1, 1, frame, tally))["agreement"]
    assert told == f"{100 * frame.agreement:.1f} %"
    assert 0 <= frame.agreement <= 1
    assert Api(engine).draw_outputs(str(photo), f"hf/{name}", 256, "0.5").ndim == 3
    assert visitor.messages == []


def test_sizes_are_compared_and_sparsities_searched(engine, visitor, cache, tmp_path, monkeypatch):
    quick = partial(build_predictor, rounds=1)  # no latency is looked at here
    monkeypatch.setattr("sparsevit.search.run.build_predictor", quick)
    monkeypatch.setattr(LoadedModel, "count_fixed_macs", lambda loaded, size: 0)
    write_cache(cache, "some/mask2former-instance", make_mask2former())
    photo = write_photo(tmp_path / "mine.png", 0, (256, 256))
    visitor.look(photo, "hf/some/mask2former-instance", 0.5)
    list(visitor.tradeoff.compare_sizes(visitor.session))
    comparison = visitor.session.comparison
    assert comparison.dense[0].agreement == pytest.approx(1.0)
    assert all(0 <= point.agreement <= 1 for point in comparison.dense)
    assert comparison.sparse.agreement == visitor.session.result.analysis.agreement["agreement"]

    search = SearchHandlers(visitor.handlers)
    search.begin(visitor.session, 0.6, True, 3, 0)
    list(search.go_on(visitor.session))
    found = visitor.session.search.found
    assert found is not None
    assert visitor.session.search.problem == ""
    assert all(0 <= point.accuracy <= 1 for point in found.points)
    assert "headline" in search.use_best(visitor.session)
    assert visitor.messages == []


def test_the_menu_says_what_each_network_downloads(cache):
    infos = hf_list.list_infos()
    choices = list_choices(infos, infos[0].name)
    assert len(choices) == 6
    for info, (words, name) in zip(infos, choices, strict=True):
        assert name == info.name
        assert words == f"{name.removeprefix('hf/')} (downloads {info.size_mb:.0f} MB)"


def test_a_network_out_of_reach_is_one_sentence_and_loses_nothing(visitor, cache, tmp_path):
    photo = write_photo(tmp_path / "mine.png", 1)
    visitor.look(photo)
    before = visitor.session.result
    changes = visitor.look(photo, LISTED)
    (message,) = visitor.messages
    assert message.startswith(f"{LISTED} needs 190 MB from the Hugging Face hub, which cannot be ")
    assert message.endswith("; these work offline: other, small.")
    assert visitor.session.result is before
    assert changes["model"]["value"] == "small"


def test_a_typed_name_is_fetched_from_the_hub(engine, visitor, cache, tmp_path):
    repository = "some/backbone-v2.5"
    served = write_folder(tmp_path / "served", make_backbone())
    photo = write_photo(tmp_path / "mine.png", 1)
    with serve_hub(served, repository, "a" * 40, cache) as hub:
        changes = visitor.look(photo, f"hf/{repository}")
        assert any(path.endswith("model.safetensors") for _, path, _ in hub.asked)
    assert visitor.messages == []
    assert visitor.session.result.task.name == "features"
    assert changes["model"]["value"] == f"hf/{repository}"
    assert (f"{repository} (downloaded)", f"hf/{repository}") in changes["model"]["choices"]
    assert "cosine" in show_headline(visitor.session.result, 1)


def test_a_page_for_everybody_fetches_only_what_is_listed(fake_engine):
    fake_engine.config = replace(fake_engine.config, host="0.0.0.0")
    page = Page(fake_engine)
    page.run(model="hf/some/huge")
    assert "choose one of the list" in page.messages[0]
    assert fake_engine.calls == []
