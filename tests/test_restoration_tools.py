"""eval, run, search and time of a network that restores photos: dB, and photos as their truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from restorer_support import draw_photo, load_restorer, save_restorer, write_photos
from typer.testing import CliRunner

from sparsevit.cli import cli
from sparsevit.draw.curves import draw_plot, plan_plot
from sparsevit.evaluation import evaluate_sizes
from sparsevit.inspect.lens import look_through
from sparsevit.inspect.objective import build_objective
from sparsevit.inspect.photo import analyze, prepare_image
from sparsevit.inspect.worth import leave_one_out, measure_worth
from sparsevit.package.units import DECIBEL, SHARE, find_agreement_unit, find_unit
from sparsevit.schedule import SparsitySchedule
from sparsevit.search import AgreementJudge, Frontier, FrontierPoint, LabelledJudge
from sparsevit.search.plot import draw_frontier
from sparsevit.tasks.restoration import MAX_ERROR, RestorationTask, draw_error, measure_psnr
from sparsevit.tasks.restored import measure_ssim, score_restored


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a network and photos."""
    monkeypatch.chdir(tmp_path)
    save_restorer(Path("toy.safetensors"))
    write_photos(Path("photos"))
    return tmp_path


def run(*words: object) -> Any:
    return CliRunner().invoke(cli, [str(word) for word in words])


def run_json(*words: object) -> Any:
    """What a command prints, which is JSON without infinities."""

    def refuse(name: str) -> None:
        raise AssertionError(name)

    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_constant=refuse)


def test_numbers_are_said_in_their_unit() -> None:
    assert SHARE.say(0.643) == "64.3 %"
    assert (DECIBEL.say(33.214), DECIBEL.say_step(0.05)) == ("33.21 dB", "0.05 dB")
    assert SHARE.say_step(1.26) == "1.3 points"
    assert (find_unit("PSNR"), find_unit("mIoU")) == (DECIBEL, SHARE)
    assert find_unit("agreement", "restoration").name == "dB"
    assert find_unit("agreement", "semantic") is find_agreement_unit("semantic") is SHARE


@pytest.mark.parametrize("border", [0, 2])
def test_ssim_is_that_of_torchmetrics(border: int) -> None:
    from torchmetrics.functional.image import structural_similarity_index_measure

    from sparsevit.tasks.restoration import read_luma

    pictures = draw_photo(0), draw_photo(1)
    cut = np.s_[border : 96 - border, border : 128 - border]
    luma = [torch.from_numpy(read_luma(picture)[cut])[None, None] for picture in pictures]
    _, full = structural_similarity_index_measure(*luma, data_range=255.0, return_full_image=True)
    expected = float(full[..., 5:-5, 5:-5].mean())  # of windows that lie inside
    assert measure_ssim(*pictures, border) == pytest.approx(expected, abs=1e-4)
    assert measure_ssim(pictures[0], pictures[0]) == 1
    black = np.zeros((64, 64, 3), np.uint8)
    assert measure_ssim(black, black) == 1


@pytest.mark.parametrize("option", ["--data", "--images"])
def test_eval_takes_any_photo_as_the_truth(here: Path, option: str) -> None:
    reports = run_json(
        "eval", option, "photos", "--model", "toy.safetensors", "-s", "0,0.6", "--size", "native,64"
    )
    loaded = load_restorer()
    assert [report["size"] for report in reports] == ["native", 64]
    for report, side in zip(reports, (None, 64), strict=True):
        dense, sparse = report["results"]
        assert set(dense) == {"schedule", "psnr", "ssim", "base_psnr", "base_ssim", "agreement"}
        assert (dense["agreement"], dense["base_psnr"]) == (100, sparse["base_psnr"])
        expected = []
        for seed in range(3):
            photo = draw_photo(seed)
            prepared = prepare_image(loaded, photo, side)
            found = analyze(loaded, prepared, 0.6).sparse
            expected.append(score_restored(loaded.task, photo, prepared.dense, found))
        for name in expected[0]:
            # The file holds weights in half precision.
            mean = np.mean([row[name] for row in expected])
            assert sparse[name] == pytest.approx(mean, abs=2 if name == "agreement" else 0.02)


def test_eval_prints_decibel(here: Path) -> None:
    words = ("eval", "--images", "photos", "--model", "toy.safetensors", "-s", "0,0.6")
    result = run(*words, "--latency", "--repeats", 1)
    assert result.exit_code == 0, result.output
    rows = [line.split("  ")[0] for line in result.stdout.splitlines()[2:8]]
    assert rows == [
        "PSNR",
        "SSIM",
        "PSNR of bicubic",
        "SSIM of bicubic",
        "agreement",
        "latency, ms",
    ]
    assert "100.00 dB" in result.stdout
    assert "%" not in result.stdout
    both = run_json(*words, "--task", "restoration,enhancement")
    assert [report["task"] for report in both] == ["restoration", "enhancement"]
    assert set(both[1]["results"][0]) == {"schedule", "agreement"}
    alone = run_json(*words, "--task", "enhancement")
    assert alone["results"] == both[1]["results"]


def test_eval_holds_a_part_of_the_photos_back(here: Path) -> None:
    write_photos(here / "many", 10)
    report = run_json(
        "eval", "--data", "many", "--split", "val", "--model", "toy.safetensors", "-s", 0
    )
    assert (report["split"], report["pictures"]) == ("val", 1)


def test_run_tells_how_near_to_the_original(here: Path) -> None:
    words = ("run", "photos/0.png", "--model", "toy.safetensors", "--size", "native")
    result = run_json(*words, "--repeats", 0, "--out", "out")
    photo = draw_photo(0)
    pictures = {path.stem: cv2.imread(str(path))[:, :, ::-1] for path in Path("out").glob("*.png")}
    assert result["input_size"] == [96, 128]
    assert np.array_equal(pictures["original"], photo)
    assert pictures["degraded"].shape == (48, 64, 3)
    task = RestorationTask()
    sides = {"sparse": "sparse", "dense": "dense", "base": "bicubic"}
    for side, picture in sides.items():
        expected = measure_psnr(pictures[picture], photo, 2)
        assert result["accuracy"]["psnr"][side] == pytest.approx(expected, abs=1e-4)
    assert result["units"] == {"agreement": "dB", "psnr": "dB"}
    assert np.array_equal(pictures["bicubic"], task.interpolate(pictures["degraded"]))
    for side in ("dense", "sparse"):
        assert np.array_equal(pictures[f"{side}_error"], draw_error(pictures[side], photo))
    assert json.loads(Path("out/result.json").read_text()) == result
    said = run(*words, "--repeats", 0, "--out", "out").stdout
    assert f"PSNR {result['accuracy']['psnr']['dense']:.2f} dB -> " in said
    assert f"agreement with dense {result['agreement']['agreement']:.2f} dB" in said


def test_run_enlarges_a_picture_beyond_what_is_known_of_it(here: Path) -> None:
    result = run_json(
        *("run", "photos/0.png", "--model", "toy.safetensors", "--task", "enhancement"),
        *("--size", "native", "--repeats", 0, "--out", "out"),
    )
    assert "accuracy" not in result
    assert result["units"] == {"agreement": "dB"}
    names = {path.stem for path in Path("out").glob("*.png") if "stage" not in path.stem}
    others = {"compute_map", "filmstrip"}
    assert names - others == {"degraded", "bicubic", "dense", "sparse", "sparse_error"}
    assert cv2.imread("out/sparse.png").shape == (192, 256, 3)
    assert cv2.imread("out/degraded.png").shape == (96, 128, 3)


def test_pictures_of_jpeg_have_no_other_base() -> None:
    loaded = load_restorer("jpeg")
    prepared = prepare_image(loaded, draw_photo())
    pictures = loaded.task.list_pictures(prepared.image, prepared.dense, prepared.dense)
    assert loaded.task.base_name == "JPEG"
    assert set(pictures) == {
        *("original", "degraded", "dense", "sparse", "dense_error", "sparse_error")
    }


def test_an_error_map_has_its_ends() -> None:
    truth = np.full((1, 3, 3), 128, np.uint8)
    picture = truth.copy()
    picture[0, 1] += 20
    picture[0, 2] += int(np.ceil(MAX_ERROR / 219 * 255))
    none, some, most = draw_error(picture, truth)[0].tolist()
    assert (none, most) == ([68, 1, 84], [253, 231, 37])
    assert some not in (none, most)


def test_photos_are_judged_by_psnr(tmp_path: Path) -> None:
    loaded, data = load_restorer(), write_photos(tmp_path / "photos")
    judge = LabelledJudge(loaded, data, None, 3)
    (report,) = evaluate_sizes(loaded, data, [0, 0.5], (None,))
    dense, sparse = (row["psnr"] for row in report["results"])
    schedule = SparsitySchedule.parse(0.5, loaded.depths)
    assert (judge.metric, judge.unit) == ("PSNR", DECIBEL)
    assert (judge.dense_accuracy, judge.score(schedule)) == (dense, sparse)


def test_agreement_in_decibel_is_perfect_at_dense() -> None:
    loaded = load_restorer().for_task("enhancement")
    judge = AgreementJudge(loaded, [draw_photo()])
    dense = SparsitySchedule.parse(0, loaded.depths)
    assert judge.score(dense) == judge.dense_accuracy == judge.unit.perfect == 100
    assert judge.score(SparsitySchedule.parse(0.5, loaded.depths)) < 100


def make_frontier(metric: str, task: str, dense: float, *accuracies: float) -> Frontier:
    """Points of 10, 20, ... ms."""
    points = tuple(
        FrontierPoint(SparsitySchedule.parse(0.8 - n / 10, (2, 2)), accuracy, 10.0 * n + 10)
        for n, accuracy in enumerate(accuracies)
    )
    return Frontier(
        *("toy", "cpu", (64, 64), 1, "float32", metric, "photos", 3, 50.0, dense, 0, 9, 0.0),
        points=points,
        task=task,
    )


def test_a_winner_loses_little_in_its_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    in_db = make_frontier("PSNR", "restoration", 33.0, 32.9, 32.96, 32.995)
    assert in_db.winner is in_db.points[1]
    shares = make_frontier("mIoU", "semantic", 0.6, 0.585, 0.591, 0.599)
    assert shares.winner is shares.points[1]
    alike = make_frontier("agreement", "enhancement", 100.0, 48.0, 51.0, 70.0)
    assert alike.winner is alike.points[1]
    drawn: list[Any] = []
    monkeypatch.setattr(
        "sparsevit.search.plot.finish_figure", lambda *found: drawn.append(found) or b""
    )
    draw_frontier(in_db)
    _, axes, title, _ = drawn[0]
    assert axes.get_ylabel() == "PSNR against dense, dB"
    assert title.endswith("(dense: 33.00 dB PSNR)")
    (line, *_) = axes.lines
    assert list(line.get_ydata()) == pytest.approx([-0.1, -0.04, -0.005])


def test_a_search_says_decibel(here: Path) -> None:
    result = run(
        *("search", "--images", "photos", "--model", "toy.safetensors", "--size", 64),
        *("--pictures", 1, "--trials", 2, "--out", "out"),
    )
    assert result.exit_code == 0, result.output
    assert "PSNR over 3 pictures of photos" in result.stdout
    assert " dB  dense" in result.stdout
    found = json.loads(Path("out/frontier.json").read_text())
    assert (found["metric"], found["task"]) == ("PSNR", "restoration")
    assert found["dense_accuracy"] > 5


@pytest.mark.parametrize("command", [("search",), ("study", "sensitivity")])
def test_photos_are_asked_for(here: Path, command: tuple[str, ...]) -> None:
    result = run(*command, "--model", "toy.safetensors")
    assert result.exit_code == 2
    assert "is measured on photos of yours: --data FOLDER." in result.stderr


def test_a_plot_has_decibel_and_a_narrow_range(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"schedule": [[s], [s]], "psnr": 33 - s / 100} for s in (0.0, 0.5)]
    report = {
        **{"model": "toy", "task": "restoration", "data": "photos", "split": "all", "size": 64},
        "results": rows,
    }
    plot = plan_plot([("a.json", report)], "sparsity")
    assert plot.metric == "PSNR"
    assert [point.accuracy for point in plot.lines[0].points] == [33, 32.995]
    seen: list[Any] = []
    monkeypatch.setattr(
        "sparsevit.draw.curves.finish_figure",
        lambda _, axes, *rest, **more: seen.append(axes) or b"",
    )
    draw_plot(plot)
    assert seen[0].get_ylabel() == "PSNR, dB"
    low, high = seen[0].get_ylim()
    assert high - low == pytest.approx(0.4)


def test_time_and_bench_know_a_restorer(here: Path) -> None:
    timed = run_json(
        "time", "photos/0.png", "--model", "toy.safetensors", "--repeats", 1, "--size", 64
    )
    assert timed["input_size"] == [64, 96]
    report = run_json(
        *("bench", "--model", "toy.safetensors", "--size", 64, "--repeats", 1, "-s", "0,0.6")
    )
    assert report["task"] == "restoration"
    ratios = {row["name"]: row["mac_ratio"] for row in report["rows"]}
    assert ratios["sparsevit 0.6"] < ratios["sparsevit 0"] == 1


def test_timing_feeds_what_is_analysed(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    """A photo of 97 x 131 pixels loses its edges, and is not blurred."""
    from sparsevit.inspect import end_to_end

    photo = draw_photo(0, (97, 131))
    cv2.imwrite("odd.png", photo[:, :, ::-1])
    loaded, fed = load_restorer(), []
    monkeypatch.setattr(
        end_to_end.LoadedModel,
        "to_tensor",
        lambda self, image: fed.append(image) or torch.zeros(1, 3, *image.shape[:2]),
    )
    end_to_end.time_photo(
        loaded, Path("odd.png"), SparsitySchedule.parse(0.5, loaded.depths), None, 1
    )
    assert all(np.array_equal(image, photo[:96, 1:129]) for image in fed)


def test_the_energy_of_detail_by_hand() -> None:
    task = RestorationTask()
    picture = torch.tensor([[[[0.0, 1.0, 0.0], [0.0, 1.0, 2.0]]]])
    # Down: 0, 0, 4 over 3; across: 1, 1, 1, 1 over 4; halved.
    measure = build_objective(task, torch.zeros_like(picture))
    assert float(measure(picture)) == pytest.approx((4 / 3 + 1) / 2)
    assert float(measure(picture + 5)) == pytest.approx(float(measure(picture)))


@pytest.mark.parametrize("task", ["restoration", "enhancement"])
def test_what_windows_are_worth(task: str) -> None:
    loaded = load_restorer().for_task(task)
    images = loaded.prepare(draw_photo())
    blocks = measure_worth(loaded, images)
    assert len(blocks) == sum(loaded.depths)
    first = blocks[0]
    half = first.worth.shape[1] // 2
    assert first.worth[:, half:].sum() > first.worth[:, :half].sum() > 0  # grain against smooth
    row, column = divmod(int(first.worth.argmax()), first.worth.shape[1])
    lost = leave_one_out(loaded, images, 0, [0], (row, column))
    assert abs(lost.rise) == pytest.approx(float(first.worth.max()), rel=0.5)
    assert lost.comparison["agreement"] < 100


def test_the_lens_sees_where_features_drift() -> None:
    loaded = load_restorer()
    prepared = prepare_image(loaded, draw_photo())
    lens = look_through(loaded, prepared, 0.6)
    assert lens.readings == ()  # there are no classes to read off
    assert [block.mean_cosine for block in look_through(loaded, prepared, 0).blocks] == [1] * 4
    assert lens.blocks[-1].mean_cosine < 1
    assert json.dumps(lens.to_dict(), allow_nan=False)


def test_nothing_infinite_of_a_black_picture(here: Path) -> None:
    cv2.imwrite("black.png", np.zeros((64, 64, 3), np.uint8))
    result = run_json(
        *("run", "black.png", "--model", "toy.safetensors", "--repeats", 0, "--size", "native")
    )
    assert result["accuracy"]["psnr"]["base"] == 100
    assert result["accuracy"]["ssim"]["base"] == 1
