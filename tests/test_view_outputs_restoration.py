"""Restored photos on the page: the pictures, the numbers and their units, whatever is uploaded."""

import ast
import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from app_support import INFOS, make_engine, schedule, write_photo, write_restorer
from page_support import Page, list_marks, read_points
from PIL import Image

from app.api import Api
from app.engine.comparing import pair_outputs
from app.engine.exercises import choose_target, find_least_agreement, is_lost
from app.engine.records import Settings, make_try
from app.engine.search import begin_search, make_storage, read_search, search_photo
from app.page.headline import show_headline
from app.page.pin import make_pin
from app.page.task import make_task_switch
from app.page.units import find_yardstick
from app.tabs.compare.view import make_comparison, show_facts
from app.tabs.learn.answers import ask_tipping_point
from app.tabs.learn.view import make_learn
from app.tabs.lens.view import make_lens
from app.tabs.outputs.view import describe_outputs
from app.tabs.search.view import show_search
from app.tabs.takeaway.interactive import make_interactive
from app.tabs.takeaway.view import make_filmstrip, make_json, make_snippet
from app.tabs.tradeoff.view import show_history, show_sizes
from app.tabs.video.clip import Tally
from app.tabs.video.view import make_frame
from app.tabs.windows.view import make_windows
from sparsevit.evaluation.restoration_scorer import score_restored
from sparsevit.inspect.painted import Painted
from sparsevit.tasks.restoration import measure_psnr, read_luma

DEPTHS = (2, 2)


@pytest.fixture(scope="module")
def engine(home):
    write_restorer(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.engine.models.list_models", lambda: INFOS)
        yield make_engine(home, short_side=64)


def set_up(task=None, sparsity=0.5, side=64):
    return Settings("restorer", schedule(sparsity, DEPTHS), short_side=side, task=task)


@pytest.fixture(scope="module")
def photo(engine, tmp_path_factory):
    return engine.read_photo(write_photo(tmp_path_factory.mktemp("own") / "own.png", 5, (80, 130)))


@pytest.fixture(scope="module")
def restored(engine, photo):
    return engine.analyze(photo, set_up())


@pytest.fixture(scope="module")
def enlarged(engine, photo):
    return engine.analyze(photo, set_up("enhancement"))


def measure(engine, result):
    *_, result = engine.measure(result, 2)
    return result


def decode(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_every_picture_is_held_against_the_original(restored):
    prepared, analysis = restored.analysis.prepared, restored.analysis
    sparse = score_restored(restored.task, prepared.image, prepared.dense, analysis.sparse)
    dense = score_restored(restored.task, prepared.image, prepared.dense, prepared.dense)
    assert restored.restored.psnr == {
        "base": sparse["base_psnr"],
        "dense": dense["psnr"],
        "sparse": sparse["psnr"],
    }
    assert restored.restored.ssim["sparse"] == sparse["ssim"]
    assert restored.restored.gain["sparse"] == sparse["psnr"] - sparse["base_psnr"]


def test_outputs_have_the_four_pictures_and_how_far_each_is_off(restored):
    data = describe_outputs(restored)
    assert [known["side"] for known in data["classes"]] == ["base", "dense", "sparse", "truth"]
    truth = restored.analysis.prepared.image
    for side, picture in restored.restored.sides.items():
        shown = decode(data["pictures"][side])
        assert shown.shape == truth.shape
        assert np.abs(shown.astype(int) - picture).mean() < 4  # JPEG of noise
    error = decode(data["errors"]["sparse"])
    assert error.shape == truth.shape[:2]
    assert error.max() > 0
    assert data["levels"] >= np.quantile(error, 0.99)
    rows = {data["classes"][row["index"]]["side"]: row for row in data["rows"]}
    assert rows["sparse"]["psnr"] == pytest.approx(restored.restored.psnr["sparse"], abs=1e-4)
    assert rows["truth"]["psnr"] is None


def test_without_an_original_there_is_only_the_difference(enlarged):
    height, width = enlarged.analysis.prepared.input_size
    data = describe_outputs(enlarged)
    assert [known["side"] for known in data["classes"]] == ["base", "dense", "sparse"]
    assert data["size"] == [2 * height, 2 * width]
    assert list(data["errors"]) == ["sparse"]
    assert data["gain"] is None
    assert enlarged.restored.psnr is None
    dense, sparse = enlarged.analysis.prepared.dense, enlarged.analysis.sparse
    assert data["rows"][2]["psnr"] == pytest.approx(measure_psnr(sparse, dense, 2), abs=1e-4)
    assert "accuracy" not in enlarged.to_dict()


def test_agreement_is_in_decibel_wherever_it_stands(engine, restored, enlarged):
    for result in (measure(engine, restored), enlarged):
        value = result.analysis.agreement["agreement"]
        text = f"{value:.2f} dB"
        assert f"{value:.1f} dB" in show_headline(result, 2)
        assert text in json.loads(make_pin(result, result))["b"]["numbers"]
        assert text in show_facts(result, result)
        assert text in make_interactive(result)
        assert describe_outputs(result)["said"] == text
        assert f"{100 * value:.1f}" not in show_headline(result, 2)
    by_hand = (Painted(0, False, 4, 4, (1,), ()),)
    painted = replace(restored, settings=replace(restored.settings, painted=by_hand))
    change = json.loads(make_windows(painted, value - 1))["by_hand"]["change"]
    assert change.endswith("\u00a0dB")
    assert "50 dB" in ask_tipping_point(choose_target(restored), "restoration")[1]


def test_the_gain_over_bicubic_stands_beside_the_agreement(restored, enlarged):
    gain = restored.restored.gain["sparse"]
    text = f"{gain:+.2f} dB".replace("-", "\u2212")
    assert text in show_headline(restored, 2)
    assert text in json.loads(make_pin(restored, restored))["b"]["numbers"]
    assert "bicubic" not in show_headline(enlarged, 2)


def test_what_is_lost_is_in_the_unit_of_the_task(restored):
    target = choose_target(restored)
    analysis = restored.analysis
    for value, lost in ((49.0, True), (51.0, False)):
        result = replace(restored, analysis=replace(analysis, agreement={"agreement": value}))
        assert is_lost(result, target) == lost
    assert find_least_agreement("features") == 0.9


def test_the_trade_off_is_about_the_original_and_smaller_inputs_are_not_compared(
    engine, restored, enlarged
):
    result = measure(engine, restored)
    html = show_history(result, [make_try(result)])
    (dense,) = list_marks(html, "dense")
    (sparse,) = list_marks(html, "sparse")
    psnr = restored.restored.psnr
    assert (dense["y"], sparse["y"]) == pytest.approx((psnr["dense"], psnr["sparse"]), abs=1e-3)
    assert read_points(html)["y"]["title"] == "PSNR against the original, dB"
    assert f"{result.analysis.agreement['agreement']:.2f}\u00a0dB" in html
    assert "another photo" in show_sizes(result, None)
    result = measure(engine, enlarged)
    html = show_history(result, [make_try(result)])
    assert read_points(html)["y"]["title"] == "agreement with dense, dB"
    assert list_marks(html, "dense")[0]["y"] == 100


def test_the_button_of_smaller_inputs_is_there_only_where_it_makes_sense(engine, photo):
    page = Page(engine)
    page.controls["short_side"] = 64
    page.run(photo_path=str(photo.path), model="small")
    assert page.handlers.open_tab(page.session, "tradeoff")["compare"]["visible"]
    page.run(model="restorer")
    assert not page.handlers.open_tab(page.session, "tradeoff")["compare"]["visible"]
    assert page.messages == []


@pytest.mark.slow
def test_a_search_looks_for_what_comes_closest_to_the_original(engine, restored, tmp_path):
    asked = read_search("", 6, 0)
    search = begin_search(restored, asked, None)
    loaded = engine.networks.get("restorer")
    for progress in search_photo(
        loaded, restored.photo, restored.settings, asked, make_storage(), tmp_path
    ):
        search.note_step(progress)
    assert search.found.metric == "PSNR"
    assert search.found.dense_accuracy == pytest.approx(restored.restored.psnr["dense"], abs=1e-3)
    html = show_search(search, measure(engine, restored))
    assert read_points(html)["y"]["title"] == "PSNR against the original, dB"
    assert "closer to the original" in html
    assert find_yardstick("restoration").small_loss == "0.05 dB"


def test_two_results_are_compared_at_the_size_of_what_is_shown(engine, photo, enlarged):
    other = engine.analyze(photo, set_up("enhancement", 0.2, side=48))
    pair = pair_outputs(other, enlarged)
    assert pair.analysis.prepared.dense.shape == enlarged.analysis.sparse.shape
    content = json.loads(make_comparison(other, enlarged))["outputs"]
    assert [known["name"] for known in content["classes"]] == ["bicubic", "A", "B"]
    assert content["sides"]["dense"] == "A"


def test_the_task_switch_says_what_is_done(restored, enlarged):
    switch = json.loads(make_task_switch(restored))
    assert [task["label"] for task in switch["tasks"]] == ["Restored photos", "Enlarged pictures"]
    assert "original" in switch["words"]
    assert json.loads(make_task_switch(enlarged))["words"] != switch["words"]


def test_other_tabs_and_files_take_it(engine, restored, enlarged, tmp_path):
    for result in (restored, enlarged):
        json.loads(make_lens(result, engine.look_through(result)))
        assert make_filmstrip(result, 0, "png")
        assert ("score_restored(" in make_snippet(result)) == (result is restored)
        worth = engine.measure_worth(result)
        assert len(worth) == 4
        assert all(np.isfinite(block.worth.numpy()).all() for block in worth)
        assert any(block.worth.abs().max() > 0 for block in worth)
    accuracy = json.loads(make_json(restored))["accuracy"]
    assert set(accuracy["psnr"]) == set(accuracy["ssim"]) == {"base", "dense", "sparse"}


def test_the_lens_numbers_where_restored_pictures_differ(engine, restored, monkeypatch):
    dense = restored.analysis.prepared.dense
    lens = engine.look_through(restored)
    far = np.abs(read_luma(dense) - read_luma(restored.analysis.sparse))
    assert lens.regions
    assert far[lens.region_map > 0].mean() > 2 * far[lens.region_map == 0].mean()
    assert "differs most from dense" in make_lens(restored, lens)
    monkeypatch.setattr("sparsevit.inspect.regions.LEAST_LEVELS", 300)
    nowhere = engine.look_through(restored)
    assert nowhere.regions == ()
    assert "restores as dense does" in make_lens(restored, nowhere)


def test_the_snippet_gives_the_numbers_of_the_page(engine, restored, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(restored.photo.path.parent)
    exec(compile(make_snippet(restored), "snippet", "exec"), {})
    score = ast.literal_eval(capsys.readouterr().out.splitlines()[-1])
    assert score["psnr"] == pytest.approx(restored.restored.psnr["sparse"], abs=0.01)


def test_stages_of_one_resolution_are_not_said_to_differ_in_cost(engine, restored):
    told = json.loads(make_learn(restored, engine.trace_block(restored, 0)))
    assert "same tokens" in told["layers"]["words"][0]


def test_worth_is_of_detail_and_not_of_brightness(engine, restored):
    """The same photo in a darker shade: what windows are worth stays as it is."""
    pixels = restored.analysis.prepared.image // 2
    ranks = []
    for shade in (0, 100):
        known = replace(restored.photo, pixels=pixels + np.uint8(shade), key=f"shade{shade}")
        worth = engine.measure_worth(engine.analyze(known, set_up()))[0].worth
        ranks.append(worth.flatten().argsort().tolist())
    assert ranks[0] == ranks[1]


def test_frames_of_a_clip_are_restored(engine, restored):
    tally = Tally()
    frame = engine.run_frame(restored.photo.pixels, set_up(), ("dense", "sparse"))
    tally.add(frame)
    told = json.loads(make_frame(1, 1, frame, tally))
    assert told["agreement"].endswith(" dB")
    assert told["stats"]["mean_agreement"] == told["agreement"]


def test_endpoints_answer_with_psnr_and_ssim(engine, photo, monkeypatch):
    api = Api(engine)
    monkeypatch.setattr(api, "_read_photo", lambda path: photo, raising=False)
    answer = api.analyze(str(photo.path), "restorer", 64, "0.5")
    assert answer["agreement"]["agreement"] > 1
    assert answer["accuracy"]["psnr"]["sparse"] > 0
    picture = api.draw_outputs(str(photo.path), "restorer", 64, "0.5", "enhancement")
    assert picture.shape[0] == 2 * answer["input_size"][0]
    with pytest.raises(Exception, match="another one to restore"):
        api.compare_sizes(str(photo.path), "restorer", 64, "0.5")


def save(path: Path, pixels: np.ndarray, **options) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def make_odd(folder: Path) -> dict[str, Path]:
    noise = np.random.default_rng(0).integers(0, 255, (67, 91, 3), dtype=np.uint8)
    alpha = np.dstack([noise, noise[..., :1]])
    frames = [Image.fromarray(noise), Image.fromarray(255 - noise)]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    return {
        "odd": save(folder / "odd.png", noise),
        "grey": save(folder / "grey.png", noise[..., 0]),
        "alpha": save(folder / "alpha.png", alpha),
        "black": save(folder / "black.png", np.zeros((64, 96, 3), np.uint8)),
        "one colour": save(folder / "plain.png", np.full((64, 96, 3), 90, np.uint8)),
        "small": save(folder / "small.png", noise[:33, :35]),
        "animated": folder / "animated.gif",
    }


@pytest.mark.parametrize("task", [None, "enhancement"])
@pytest.mark.parametrize(
    "kind", ["odd", "grey", "alpha", "black", "one colour", "small", "animated"]
)
def test_odd_photos_are_restored(engine, kind, task, tmp_path):
    path = make_odd(tmp_path)[kind]
    page = Page(engine)
    switch = json.loads(page.controls["task"])
    tasks = [{"name": name, "label": ""} for name in ("restoration", "enhancement")]
    switch |= {"tasks": tasks, "task": task or "restoration"}
    page.run(photo_path=str(path), model="restorer", short_side=0, task=json.dumps(switch))
    assert page.messages == []
    for tab in ("outputs", "windows", "lens", "tradeoff", "takeaway", "learn"):
        assert page.handlers.open_tab(page.session, tab)
    assert page.messages == []
    data = json.loads(json.dumps(describe_outputs(page.session.result), allow_nan=False))
    kept = [block.kept for block in page.session.result.analysis.blocks]
    assert len(set(kept)) == 1  # ties too are broken
    if kind in ("black", "one colour") and not task:
        assert data["rows"][0]["psnr"] == 100  # of equal pictures, whose true one has no end


def test_a_photo_too_small_is_refused_in_one_sentence(engine, photo, tmp_path):
    page = Page(engine)
    page.run(photo_path=str(photo.path), model="restorer", short_side=64)
    shown = page.session.result
    tiny = save(tmp_path / "tiny.png", np.zeros((3, 5, 3), np.uint8))
    page.run(photo_path=str(tiny))
    (message,) = page.messages
    assert message.endswith(".")
    assert page.session.result is shown


def test_a_huge_photo_is_made_smaller_and_says_so(engine, tmp_path, monkeypatch):
    monkeypatch.setattr("sparsevit.networks.loaded.MAX_NETWORK_PIXELS", 10_000)
    monkeypatch.setattr("app.tabs.outputs.restoration._MOST_PIXELS", 4_000)
    monkeypatch.setattr(
        "sparsevit.networks.loaded.LoadedModel.choose_size.__defaults__", (None, 10_000)
    )
    photo = engine.read_photo(write_photo(tmp_path / "huge.png", 4, (200, 300)))
    result = engine.analyze(photo, set_up(side=None))
    height, width = result.analysis.prepared.input_size
    assert height * width <= 10_000
    data = describe_outputs(result)
    assert data["size"][0] * data["size"][1] <= 4_000
    assert decode(data["errors"]["sparse"]).shape == tuple(data["size"])
