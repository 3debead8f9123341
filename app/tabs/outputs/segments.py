"""Instances and panoptic segments in the tab Outputs: drawings with a segment in a colour each."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from app.engine.records import Result, Truth
from app.page.common import (
    describe_classes,
    display_photo,
    encode_jpeg,
    encode_png,
    photo_key,
    round_number,
)
from app.tabs.outputs.drawings import LONG_SIDE, UNKNOWN, encode_pair
from sparsevit.data.classes import STREET_CLASSES
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.segment_map import Segment, SegmentMap
from sparsevit.tasks.segments import SegmentsTask, match_segments


def describe_segments(result: Result, task: SegmentsTask) -> dict[str, Any]:
    """Instances or panoptic segments, as plain data.

    Returns:
        ``{"photo": key, "classes": [{"name", "colour"}], "drawings": [{"dense", "sparse"}],
        "dense", "sparse", "names": {"dense", "sparse"}, "segments": {"dense", "sparse"},
        "agreement", "matched", "matched_iou", "counts": {"dense", "sparse"}, "rows"}``. Drawings
        are photos with the segments on them, a match in one colour on both. Names are those to
        write over them, the largest segment first: ``{"class": index, "u", "v"}``, the place in
        fractions of the width and height. The maps are grey PNGs of segment numbers at the
        network's input size, ``UNKNOWN`` where there is none; number n is entry n of that side's
        segments, ``{"class": index, "match": number on the other side or None, "iou"}``.
        Agreement is panoptic quality in [0, 1], matched the number of matches, matched_iou their
        mean IoU. Rows are the classes that occur, ``{"index", "dense", "sparse", "matched",
        "quality"}``: segments of each side, matches, panoptic quality.

        Where the picture's things are known, there is a third side, ``"truth"``: its map is at the
        size of the labels, an entry of its segments is ``{"class", "dense", "sparse"}``, the IoU
        with what each network finds of it or None. Rows have ``{"true", "true_dense",
        "true_sparse"}`` as well, how many there are and how many of them each network finds, and
        ``"accuracy"`` is ``{"dense", "sparse"}``, each ``{"found", "miou"}``: their number and mean
        IoU. Otherwise ``"truth"`` and ``"accuracy"`` are None.
    """
    analysis = result.analysis
    dense, sparse = analysis.prepared.dense, analysis.sparse
    photo = display_photo(result.photo, analysis.prepared.input_size, LONG_SIDE)
    truth = _read_truth(result.photo.truth, task)
    matches = match_segments(dense, sparse)
    numbers = [_number_segments(side) for side in (dense, sparse)]
    partners = [
        {match.dense.id: (numbers[1].get(match.sparse.id), match.iou) for match in matches},
        {match.sparse.id: (numbers[0].get(match.dense.id), match.iou) for match in matches},
    ]
    counts = [Counter(segment.label for segment in side.segments) for side in (dense, sparse)]
    matched = Counter(match.dense.label for match in matches)
    qualities = task.compare_classes(dense, sparse)
    content: dict[str, Any] = {
        "photo": photo_key(result.photo, analysis.prepared.input_size),
        "classes": describe_classes(task),
        "drawings": [encode_pair(task.draw_pair(photo, dense, sparse, has_names=False))],
        "names": {
            "dense": _list_names(task, dense, photo),
            "sparse": _list_names(task, sparse, photo),
        },
        "dense": _encode_segments(dense, numbers[0]),
        "sparse": _encode_segments(sparse, numbers[1]),
        "truth": None,
        "segments": {
            "dense": _list_segments(dense, partners[0]),
            "sparse": _list_segments(sparse, partners[1]),
        },
        "agreement": round_number(analysis.agreement["agreement"]),
        "matched": len(matches),
        "matched_iou": round_number(analysis.agreement["matched_iou"]),
        "counts": {"dense": len(dense.segments), "sparse": len(sparse.segments)},
        "accuracy": None,
        "rows": [
            {
                "index": index,
                "dense": counts[0][index],
                "sparse": counts[1][index],
                "matched": matched[index],
                "quality": round_number(qualities.get(task.class_names[index])),
            }
            for index in _order_classes(dense, sparse, truth)
        ],
    }
    if truth is not None:
        _add_truth(content, task, photo, truth, (dense, sparse))
    return content


def _add_truth(
    content: dict[str, Any],
    task: SegmentsTask,
    photo: np.ndarray,
    truth: SegmentMap,
    sides: tuple[SegmentMap, SegmentMap],
) -> None:
    """Add what there is to find, and how much of it each side finds."""
    names = ("dense", "sparse")
    ious = {
        name: {match.dense.id: match.iou for match in match_segments(truth, _resize(side, truth))}
        for name, side in zip(names, sides, strict=True)
    }
    content["truth"] = _encode_segments(truth, _number_segments(truth))
    content["drawings"][0]["truth"] = encode_jpeg(
        task.draw_pair(photo, sides[0], _resize(truth, sides[0]), has_names=False)[1]
    )
    content["names"]["truth"] = _list_names(task, truth, photo)
    content["segments"]["truth"] = [
        {"class": segment.label}
        | {name: round_number(ious[name].get(segment.id)) for name in names}
        for segment in truth.segments[:UNKNOWN]
    ]
    content["counts"]["truth"] = len(truth.segments)
    content["accuracy"] = {
        name: {
            "found": len(found),
            "miou": round_number(float(np.mean(list(found.values())))) if found else None,
        }
        for name, found in ious.items()
    }
    labels = {segment.id: segment.label for segment in truth.segments}
    counts = {"true": Counter(labels.values())}
    counts |= {f"true_{name}": Counter(labels[id] for id in ious[name]) for name in names}
    for row in content["rows"]:
        row |= {key: count[row["index"]] for key, count in counts.items()}


def _read_truth(truth: Truth | None, task: SegmentsTask) -> SegmentMap | None:
    """The true things of the classes that a network knows; None where none of them is told."""
    things = truth.things if truth else None
    if things is None or things.ids is None:
        return None
    label_of = [_find_class(kind, task) for kind in things.kinds]
    if all(label is None for label in label_of):
        return None
    segments: list[Segment] = []
    number_of = np.zeros(max(1, int(things.ids.max()) + 1), np.int32)
    for thing in things.things:
        label = label_of[thing.label]
        if thing.id and label is not None:
            segments.append(Segment(len(segments) + 1, label, 1.0))
            number_of[thing.id] = len(segments)
    return SegmentMap(number_of[things.ids], tuple(segments))


def _find_class(kind: str, task: SegmentsTask) -> int | None:
    """Number of the class of a kind's pixels, None where the network does not know it."""
    if kind not in STREET_KINDS.names:
        return None
    name = STREET_CLASSES.names[STREET_KINDS.classes[STREET_KINDS.names.index(kind)]]
    return task.class_names.index(name) if name in task.class_names else None


def _resize(side: SegmentMap, other: SegmentMap) -> SegmentMap:
    """A side at the size of another; what vanishes stays among its segments."""
    size = other.ids.shape[::-1]
    return replace(side, ids=cv2.resize(side.ids, size, interpolation=cv2.INTER_NEAREST_EXACT))


def _list_names(task: SegmentsTask, side: SegmentMap, photo: np.ndarray) -> list[dict[str, Any]]:
    small = task.resize(side, (photo.shape[0], photo.shape[1]))  # a large one would take seconds
    return [
        {"class": segment.label, "u": round_number(u), "v": round_number(v)}
        for segment, u, v in task.place_names(small)
    ]


def _number_segments(side: SegmentMap) -> dict[int, int]:
    """Number of each segment by id, as many as a map of eight bits can hold."""
    return {segment.id: number for number, segment in enumerate(side.segments[:UNKNOWN])}


def _list_segments(
    side: SegmentMap, partners: dict[int, tuple[int | None, float]]
) -> list[dict[str, Any]]:
    """The segments of a side; partners are (number on the other side, IoU) by id."""
    listed = []
    for segment in side.segments[:UNKNOWN]:
        match, iou = partners.get(segment.id, (None, None))
        listed.append({"class": segment.label, "match": match, "iou": round_number(iou)})
    return listed


def _encode_segments(side: SegmentMap, numbers: dict[int, int]) -> str:
    table = np.full(int(side.ids.max()) + 1, UNKNOWN, np.uint8)
    table[list(numbers)] = list(numbers.values())
    return encode_png(table[side.ids])


def _order_classes(dense: SegmentMap, sparse: SegmentMap, truth: SegmentMap | None) -> list[int]:
    """The classes that occur, by size in the dense picture: no row moves as sparsity changes."""
    areas = np.bincount(dense.ids.ravel(), minlength=1)
    sizes: Counter[int] = Counter()
    for segment in dense.segments:
        sizes[segment.label] += int(areas[segment.id])
    found = sorted(sizes, key=lambda index: -sizes[index])
    others = (*sparse.segments, *(truth.segments if truth else ()))
    return found + sorted({segment.label for segment in others} - set(found))
