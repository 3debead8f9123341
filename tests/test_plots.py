"""Curves found in results of eval, and the picture drawn of them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from sparsevit.draw.curves import PlotError, draw_plot, plan_plot

DEVICE = {"device": "a chip", "dtype": "float32", "threads": 2, "batch": 1}


def make_result(
    points: dict[float, float], latency: dict[float, float] | None = None, **changes: Any
) -> dict[str, Any]:
    """A result of eval: mIoU (and milliseconds) by uniform sparsity."""
    results: list[dict[str, Any]] = [
        {"schedule": [[s], [s, s]], "miou": miou, "per_class_iou": {}, "pixel_accuracy": 1.0}
        for s, miou in points.items()
    ]
    result = {"model": "nano", "data": "camvid", "split": "val", "size": 512, "results": results}
    if latency is not None:
        result["device"] = DEVICE
        for row, ms in zip(results, latency.values(), strict=True):
            row["latency_ms"] = ms
    return result | changes


SIZES = [
    make_result({0: 0.9, 0.6: 0.88}, {0: 100, 0.6: 60}, size=1024),
    make_result({0: 0.8, 0.6: 0.7}, {0: 50, 0.6: 30}, size=512),
]


def test_a_line_for_each_file_named_by_what_differs():
    adapted, other = make_result({0.6: 0.5, 0: 0.6}), make_result({0: 0.6}, model="a/other")
    plot = plan_plot([("x/1.json", adapted), ("2.json", other)], "sparsity")
    assert [line.label for line in plot.lines] == ["nano", "a/other"]
    assert [(p.x, p.accuracy, p.note) for p in plot.lines[0].points] == [(0, 60, ""), (0.6, 50, "")]
    assert (plot.title, plot.device) == ("camvid val, 512 px", "")


def test_names_of_files_and_sizes_tell_lines_apart():
    same = make_result({0: 0.5}, model="runs/model.safetensors", split="all", size="native")
    plot = plan_plot([("x/one.json", same), ("two.json", [same])], "sparsity", title="T")
    assert [line.label for line in plot.lines] == ["model", "model (two)"]
    assert plot.title == "T"
    assert plan_plot([("a", same)], "sparsity").title == "model on camvid, native size"
    sizes = plan_plot([("a", SIZES)], "sparsity")
    assert [line.label for line in sizes.lines] == ["1024 px", "512 px"]
    assert sizes.title == "nano on camvid val"
    one = plan_plot([("a", SIZES)], "sparsity", sizes=[512], labels=["small"])
    assert [(line.label, line.points[0].accuracy) for line in one.lines] == [("small", 80)]


def test_dense_at_several_sizes_is_a_line_along_latency():
    plot = plan_plot([("a.json", SIZES)], "latency", sizes=[1024])
    dense, pruned = plot.lines
    assert (dense.is_dense, pruned.is_dense) == (True, False)
    assert [(p.x, p.accuracy, p.note) for p in dense.points] == [
        (50, 80, "512 px"),
        (100, 90, "1024 px"),
    ]
    assert [(p.x, p.accuracy, p.note) for p in pruned.points] == [(60, 88, "0.6"), (100, 90, "")]
    assert plot.device == "a chip, float32, batch 1"
    alone = plan_plot([("a.json", SIZES[:1])], "latency")
    assert [[p.note for p in line.points] for line in alone.lines] == [["0.6", "0"]]


def test_a_size_with_only_dense_has_no_line_of_its_own():
    sizes = [SIZES[0], make_result({0: 0.8}, {0: 50})]
    assert [line.label for line in plan_plot([("a", sizes)], "latency").lines] == [
        "dense at several sizes",
        "1024 px, at the sparsity noted",
    ]


def test_results_without_a_score_are_left_out():
    result = make_result({0: 0.5, 0.3: 0.4})
    result["results"][0]["miou"] = None
    (line,) = plan_plot([("a", result)], "sparsity").lines
    assert [point.x for point in line.points] == [0.3]
    with pytest.raises(PlotError, match="nothing to draw"):
        plan_plot([("a", result)], "sparsity", sizes=["native"])
    del result["results"][1]
    for results in (result["results"], [{"schedule": [[0.0]], "top1_accuracy": 0.5}]):
        with pytest.raises(PlotError, match="nothing to draw"):
            plan_plot([("a", result | {"results": results})], "sparsity")


LAYERWISE = make_result({0: 0.5}) | {"results": [{"schedule": [[0.1], [0.2]], "miou": 0.5}]}
ELSEWHERE = make_result({0: 0.5}, {0: 9.0}, device=DEVICE | {"device": "another chip"})


@pytest.mark.parametrize(
    ("documents", "axis", "message"),
    [
        ([{}], "sparsity", "0.json is not a result of 'sparsevit eval --out'"),
        (["text"], "sparsity", "not a result"),
        ([None], "sparsity", "not a result"),
        ([[[1]]], "sparsity", "not a result"),
        ([[]], "sparsity", "nothing to draw"),
        ([make_result({0: 0.5}, results=[{"miou": 0.5}])], "sparsity", "not a result"),
        ([make_result({0: 0.5}, size="big")], "sparsity", "not a result"),
        ([make_result({0: "x"})], "sparsity", "not a result"),  # type: ignore[dict-item]
        ([make_result({0: 0.5}, device=[1])], "sparsity", "not a result"),
        ([LAYERWISE], "sparsity", "not uniform"),
        ([make_result({0: 0.5})], "latency", "no latency.*--latency"),
        ([SIZES, ELSEWHERE], "latency", "different devices.*another chip"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(documents, axis, message):
    with pytest.raises(PlotError, match=message):
        plan_plot([(f"{i}.json", document) for i, document in enumerate(documents)], axis)


def test_labels_are_as_many_as_lines():
    with pytest.raises(PlotError, match=r"2 lines but 1 labels; in order they are: 1024 px; 512"):
        plan_plot([("a", SIZES)], "sparsity", labels=["x"])


def count_pixels(picture: np.ndarray, colour: str) -> int:
    """Pixels of exactly this colour, "#rrggbb"."""
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((picture[..., ::-1] == rgb).all(-1).sum())


def test_the_picture_has_its_size_and_colours_and_is_the_same_each_time():
    png = draw_plot(plan_plot([("a", SIZES)], "latency"))
    assert png == draw_plot(plan_plot([("a", SIZES)], "latency"))
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (840, 1280, 3)
    for colour in ("#0072B2", "#D55E00", "#555555"):
        assert count_pixels(picture, colour) > 500
    assert count_pixels(picture, "#009E73") == 0
    # The better line is above the other one.
    heights = [
        np.argwhere((picture[..., ::-1] == rgb).all(-1))[:, 0].min()
        for rgb in ([0x00, 0x72, 0xB2], [0xD5, 0x5E, 0x00])
    ]
    assert heights[0] < heights[1]
