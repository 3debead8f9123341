"""3D boxes in the tab Outputs: lines over the photo, and footprints seen from above."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from app.engine.records import Result
from app.page.common import photo_key, round_number
from sparsevit.data.boxes import Box3D, Boxes3D
from sparsevit.draw.wireframe import project_box
from sparsevit.tasks.boxes3d import Boxes3DTask, BoxMatch, match_boxes

_FRACTION_DECIMALS = 4  # of a place in the picture: a tenth of a pixel
_METRE_DECIMALS = 3


def describe_boxes(result: Result, task: Boxes3DTask) -> dict[str, Any]:
    """3D boxes, as plain data.

    Returns:
        ``{"photo": key, "classes": [{"name"}], "min_score", "sights": [left, right],
        "boxes": {"dense", "sparse", "truth"}, "agreement", "matched", "centre_error", "rows"}``.
        Classes are the kinds. Boxes with a lower score than min_score are left out. Sights are
        how far left and right the camera sees for every metre ahead. Agreement is in [0, 1],
        matched the number of dense boxes found again, centre_error how far off they are on average,
        metres, or None. Truth is None where nothing is told.

        A side's boxes are the nearest first, each ``{"class": index, "score", "place", "size",
        "footprint", "ahead", "behind", "front", "matches"}``. The score is None for a true one.
        Place is (to the right, ahead) of its middle, size (length, height, width), footprint its
        four corners as places, those of the front first, all in metres. Ahead and behind are the
        edges on the sides that face the camera and on those that do not, ``[u0, v0, u1, v1]``,
        front the front's corners ``[u, v]``: what shows of them in the picture, fractions of its
        width and height. Matches are what other sides have of it, its number there by the name of
        the side.

        Rows are the kinds that occur, ``{"index", "dense", "sparse", "matched", "error", "true",
        "true_dense", "true_sparse"}``: boxes of each side, matches and the mean distance of their
        centres, true boxes and how many of them each side finds; None for what does not apply.
    """
    analysis = result.analysis
    dense = _sort(task.keep_sure(analysis.prepared.dense))
    sides = {"dense": dense, "sparse": _sort(task.keep_sure(analysis.sparse))}
    truth = result.photo.truth
    if truth is not None and truth.things is not None:
        true_boxes = task.read_truth(truth.things, truth.labels.shape)
        if true_boxes is not None:
            sides["truth"] = _sort(true_boxes)
    matches = {
        (one, other): match_boxes(sides[one], sides[other]) for one, other in combinations(sides, 2)
    }
    again = matches["dense", "sparse"]
    camera, width = dense.camera, dense.size[1]
    return {
        "photo": photo_key(result.photo, analysis.prepared.input_size),
        "classes": [{"name": name} for name in task.class_names],
        "min_score": task.min_score,
        "sights": [
            round_number(-camera.cx / camera.fx),
            round_number((width - camera.cx) / camera.fx),
        ],
        "boxes": {"truth": None} | _list_boxes(sides, matches),
        "agreement": round_number(analysis.agreement["agreement"]),
        "matched": len(again),
        "centre_error": _average(again),
        "rows": _list_rows(sides, matches),
    }


_Sides = dict[str, Boxes3D]
_Matches = dict[tuple[str, str], list[BoxMatch]]


def _sort(boxes: Boxes3D) -> Boxes3D:
    """The nearest first, so that the order of two boxes does not change with their scores."""
    return replace(boxes, boxes=tuple(sorted(boxes.boxes, key=_measure_range)))


def _measure_range(box: Box3D) -> float:
    return math.hypot(box.centre[0], box.centre[2])


def _average(matches: list[BoxMatch]) -> float | None:
    distances = [match.distance_m for match in matches]
    return round_number(float(np.mean(distances))) if distances else None


def _list_boxes(sides: _Sides, matches: _Matches) -> dict[str, list[dict[str, Any]]]:
    listed = {
        name: [_describe_box(box, side, name == "truth") for box in side.boxes]
        for name, side in sides.items()
    }
    numbers = {
        name: {id(box): number for number, box in enumerate(side.boxes)}
        for name, side in sides.items()
    }
    for (one, other), pairs in matches.items():
        for match in pairs:
            ends = {one: numbers[one][id(match.dense)], other: numbers[other][id(match.sparse)]}
            for own, partner in ((one, other), (other, one)):
                listed[own][ends[own]]["matches"][partner] = ends[partner]
    return listed


def _describe_box(box: Box3D, side: Boxes3D, is_true: bool) -> dict[str, Any]:
    shown = project_box(box, side.camera, side.size)
    scale = np.array(side.size[::-1])
    lines = np.zeros((0, 2, 2)) if shown is None else shown.lines / scale
    is_ahead = np.zeros(0, bool) if shown is None else shown.is_ahead
    front = np.zeros((0, 2)) if shown is None else shown.front / scale
    return {
        "class": box.label,
        "score": None if is_true else round(box.score, 3),
        "place": _round(np.array(box.centre)[[0, 2]], _METRE_DECIMALS),
        "size": _round(np.array(box.size), _METRE_DECIMALS),
        "footprint": _round(box.corners[:4, [0, 2]], _METRE_DECIMALS),
        "ahead": _round(lines[is_ahead].reshape(-1, 4), _FRACTION_DECIMALS),
        "behind": _round(lines[~is_ahead].reshape(-1, 4), _FRACTION_DECIMALS),
        "front": _round(front, _FRACTION_DECIMALS),
        "matches": {},
    }


def _round(values: np.ndarray, decimals: int) -> list[Any]:
    rounded: list[Any] = values.round(decimals).tolist()
    return rounded


def _list_rows(sides: _Sides, matches: _Matches) -> list[dict[str, Any]]:
    counts = {name: Counter(box.label for box in side.boxes) for name, side in sides.items()}
    found = {
        f"true_{name}": Counter(match.dense.label for match in matches.get((name, "truth"), ()))
        for name in ("dense", "sparse")
    }
    rows = []
    for label in sorted(set().union(*counts.values())):
        again = [match for match in matches["dense", "sparse"] if match.dense.label == label]
        rows.append(
            {
                "index": label,
                "dense": counts["dense"][label],
                "sparse": counts["sparse"][label],
                "matched": len(again),
                "error": _average(again),
                "true": counts["truth"][label] if "truth" in sides else None,
            }
            | {key: count[label] if "truth" in sides else None for key, count in found.items()}
        )
    return rows
