"""Instances and panoptic segments in the tab Outputs: drawings with a segment in a colour each."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from app.engine.records import Result
from app.page.common import (
    describe_classes,
    display_photo,
    encode_png,
    photo_key,
    round_number,
)
from app.tabs.outputs.drawings import LONG_SIDE, UNKNOWN, encode_pair
from sparsevit.data.segment_map import SegmentMap
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
    """
    analysis = result.analysis
    dense, sparse = analysis.prepared.dense, analysis.sparse
    photo = display_photo(result.photo, analysis.prepared.input_size, LONG_SIDE)
    matches = match_segments(dense, sparse)
    numbers = [_number_segments(side) for side in (dense, sparse)]
    partners = [
        {match.dense.id: (numbers[1].get(match.sparse.id), match.iou) for match in matches},
        {match.sparse.id: (numbers[0].get(match.dense.id), match.iou) for match in matches},
    ]
    counts = [Counter(segment.label for segment in side.segments) for side in (dense, sparse)]
    matched = Counter(match.dense.label for match in matches)
    qualities = task.compare_classes(dense, sparse)
    return {
        "photo": photo_key(result.photo, analysis.prepared.input_size),
        "classes": describe_classes(task),
        "drawings": [encode_pair(task.draw_pair(photo, dense, sparse, has_names=False))],
        "names": {
            "dense": _list_names(task, dense, photo),
            "sparse": _list_names(task, sparse, photo),
        },
        "dense": _encode_segments(dense, numbers[0]),
        "sparse": _encode_segments(sparse, numbers[1]),
        "segments": {
            "dense": _list_segments(dense, partners[0]),
            "sparse": _list_segments(sparse, partners[1]),
        },
        "agreement": round_number(analysis.agreement["agreement"]),
        "matched": len(matches),
        "matched_iou": round_number(analysis.agreement["matched_iou"]),
        "counts": {"dense": len(dense.segments), "sparse": len(sparse.segments)},
        "rows": [
            {
                "index": index,
                "dense": counts[0][index],
                "sparse": counts[1][index],
                "matched": matched[index],
                "quality": round_number(qualities[task.class_names[index]]),
            }
            for index in _order_classes(dense, sparse)
        ],
    }


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


def _order_classes(dense: SegmentMap, sparse: SegmentMap) -> list[int]:
    """The classes that occur, by size in the dense picture: no row moves as sparsity changes."""
    areas = np.bincount(dense.ids.ravel(), minlength=1)
    sizes: Counter[int] = Counter()
    for segment in dense.segments:
        sizes[segment.label] += int(areas[segment.id])
    found = sorted(sizes, key=lambda index: -sizes[index])
    return found + sorted({segment.label for segment in sparse.segments} - set(found))
