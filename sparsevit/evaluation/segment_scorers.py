"""What predicted segments are worth, by COCO's rules."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from math import nan
from typing import Any, NamedTuple

import numpy as np

from sparsevit.data.coco import InstancePhoto, PanopticPhoto
from sparsevit.data.kinds import KindList
from sparsevit.data.pictures import DataError
from sparsevit.data.samples import Sample
from sparsevit.data.segment_map import SegmentMap
from sparsevit.evaluation.scorer import MIN_PIXELS, AgreementScorer, round_number
from sparsevit.package.extras import require
from sparsevit.tasks import Task

_MOST_FOUND = 100  # of a class in a picture, as COCO counts


class PanopticScorer:
    """Panoptic quality by COCO's rules.

    A predicted segment and one of the truth match where they are of one class and have an IoU above
    0.5; void pixels do not enter it. Of the segments without a match, crowds do not count, nor do
    predicted ones that lie by more than half on void or on crowds of their class.
    """

    # torchmetrics has this too, but leaves out pixels where nothing is predicted as well, knows no
    # crowds, and takes two seconds a picture.

    def __init__(self, task: Task) -> None:
        """Start without a picture."""
        self._class_names = task.class_names
        self._ious = np.zeros(len(task.class_names))
        self._matches, self._missed, self._wrong = np.zeros((3, len(task.class_names)), np.int64)
        self._agreement = AgreementScorer(task)

    def add(self, sample: PanopticPhoto, dense: SegmentMap, sparse: SegmentMap) -> None:
        """Count a picture; both predictions at its size."""
        truth = sample.truth
        width = int(sparse.ids.max()) + 1
        joint = truth.ids.astype(np.int64) * width + sparse.ids
        height = int(truth.ids.max()) + 1
        overlap = np.bincount(joint.ravel(), minlength=height * width).reshape(height, width)
        areas, found_areas, void = overlap.sum(axis=1), overlap.sum(axis=0), overlap[0]
        wanted = {s.id: s.label for s in truth.segments if s.id not in sample.crowds}
        found = {s.id: s.label for s in sparse.segments}
        for ours, label in list(wanted.items()):
            for theirs in np.flatnonzero(overlap[ours]).tolist():
                shared = int(overlap[ours, theirs])
                union = int(areas[ours] + found_areas[theirs] - void[theirs]) - shared
                if found.get(theirs) == label and 2 * shared > union:
                    self._ious[label] += shared / union
                    self._matches[label] += 1
                    del wanted[ours], found[theirs]
                    break
        for label in wanted.values():
            self._missed[label] += 1
        crowds = {s.id: s.label for s in truth.segments if s.id in sample.crowds}
        for theirs, label in found.items():
            same = [id_ for id_, crowd_label in crowds.items() if crowd_label == label]
            excused = void[theirs] + overlap[same, theirs].sum()
            self._wrong[label] += 2 * excused <= found_areas[theirs]
        self._agreement.add(sample, dense, sparse)

    def summarise(self) -> dict[str, Any]:
        """pq, sq, rq and per_class_pq over the classes that occur, and what the task compares."""
        weights = self._matches + (self._missed + self._wrong) / 2
        occur = weights > 0
        sq = self._ious[occur] / np.maximum(self._matches[occur], 1)
        rq = self._matches[occur] / weights[occur]
        pq = np.full(len(weights), nan)
        pq[occur] = sq * rq
        means = {
            name: round_number(float(values.mean()) if len(values) else nan)
            for name, values in (("pq", pq[occur]), ("sq", sq), ("rq", rq))
        }
        by_class = dict(zip(self._class_names, map(round_number, pq.tolist()), strict=True))
        return {**means, "per_class_pq": by_class, **self._agreement.summarise()}


class _Mask(NamedTuple):
    """Pixels of one thing.

    Attributes:
        runs: as pycocotools encodes them.
        label: number of the class.
        score: how sure it is; 1 of a true one.
        is_crowd: nothing found in it is wrong, and it need not be found.
    """

    runs: Any
    label: int
    score: float = 1.0
    is_crowd: bool = False


class InstanceScorer:
    """Average precision of masks by COCO's rules.

    The task gives each pixel to one thing and drops those the network is not sure of, so this is
    below what the network's authors report, dense and sparse alike. Things that show fewer than
    :data:`MIN_PIXELS` need not be found where the truth is drawn.
    """

    def __init__(self, task: Task, kinds: KindList | None = None) -> None:
        """Start without a picture.

        Args:
            task: of the network.
            kinds: of the things of the samples, their classes counted as the network's; None for
                photos of COCO's layout.

        Raises:
            MissingPackageError: pycocotools is not installed.
        """
        require("pycocotools", "Average precision of masks", "train")
        self._class_names = task.class_names
        self._classes = () if kinds is None else kinds.classes
        self._sizes: list[tuple[int, ...]] = []  # of each picture
        self._truth: list[list[_Mask]] = []
        self._found: list[list[_Mask]] = []
        self._agreement = AgreementScorer(task)

    def add(self, sample: InstancePhoto | Sample, dense: SegmentMap, sparse: SegmentMap) -> None:
        """Count a picture; both predictions at its size.

        Raises:
            DataError: the picture's things have no pixels.
        """
        if isinstance(sample, InstancePhoto):
            self._truth.append(_list_masks(sample))
        else:
            self._truth.append(_list_things(sample, self._classes))
        runs = encode_ids(sparse.ids, [segment.id for segment in sparse.segments])
        found = zip(runs, sparse.segments, strict=True)
        self._sizes.append(sparse.ids.shape)
        self._found.append([_Mask(mask, one.label, one.score) for mask, one in found])
        self._agreement.add(sample, dense, sparse)

    def summarise(self) -> dict[str, Any]:
        """ap, ap50, ap75 and per_class_ap over the classes of the truth, what the task compares."""
        wanted = {mask.label for masks in self._truth for mask in masks if not mask.is_crowd}
        labels = sorted(wanted)
        truth, found = (
            _make_index(self._sizes, masks, labels) for masks in (self._truth, self._found)
        )
        precision = _measure_precision(truth, found)
        # (IoU thresholds, classes): the mean over recalls.
        aps = precision.mean(axis=1) if labels else np.full((len(precision), 1), nan)
        by_class = dict(zip(labels, aps.mean(axis=0).tolist(), strict=False))
        return {
            "ap": round_number(float(aps.mean())),
            "ap50": round_number(float(aps[0].mean())),
            "ap75": round_number(float(aps[5].mean())),
            "per_class_ap": {
                name: round_number(by_class.get(label, nan))
                for label, name in enumerate(self._class_names)
            },
            **self._agreement.summarise(),
        }


def _list_masks(photo: InstancePhoto) -> list[_Mask]:
    """The truth of a photo of COCO's layout."""
    from pycocotools import mask as coder

    runs = coder.encode(np.asfortranarray(photo.masks.transpose(1, 2, 0).astype(np.uint8)))
    rows = zip(runs, photo.labels.tolist(), photo.are_crowds.tolist(), strict=True)
    return [_Mask(mask, label, is_crowd=is_crowd) for mask, label, is_crowd in rows]


def _list_things(sample: Sample, classes: Sequence[int]) -> list[_Mask]:
    """The truth of a drawn scene; what shows too little is a crowd."""
    if sample.things is None or sample.things.ids is None:
        raise DataError(f"Nothing tells which pixels of {sample.name} are of which thing.")
    things = [thing for thing in sample.things.things if thing.pixels]
    runs = encode_ids(sample.things.ids, [thing.id for thing in things])
    return [
        _Mask(mask, classes[thing.label], is_crowd=thing.pixels < MIN_PIXELS)
        for mask, thing in zip(runs, things, strict=True)
    ]


def encode_ids(ids: np.ndarray, wanted: Sequence[int]) -> list[Any]:
    """Runs of the pixels of each id, without a mask of all pixels for each.

    Args:
        ids: (img_h, img_w) integers.
        wanted: the ids to encode.
    """
    from pycocotools import mask as coder

    flat = ids.T.ravel()  # COCO counts down the columns
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    ends = np.append(starts[1:], flat.size)
    values = flat[starts]
    runs = []
    for number in wanted:
        own = np.flatnonzero(values == number)
        edges = np.stack([starts[own], ends[own]], axis=1).ravel()
        counts = np.diff(edges, prepend=0, append=flat.size)
        counts = counts[:-1] if len(counts) > 1 and not counts[-1] else counts
        runs.append({"size": list(ids.shape), "counts": counts})
    return list(coder.frPyObjects(runs, *ids.shape)) if runs else []


def _measure_precision(truth: Any, found: Any) -> np.ndarray:
    """(10 IoU thresholds, 101 recalls, classes): precision by pycocotools.

    Args:
        truth, found: of :func:`_make_index`.
    """
    from pycocotools.cocoeval import COCOeval

    with redirect_stdout(StringIO()):  # it prints what it does
        run = COCOeval(truth, found, "segm")
        run.params.maxDets = [_MOST_FOUND]
        run.params.areaRng, run.params.areaRngLbl = [[0, np.inf]], ["all"]
        run.evaluate()
        run.accumulate()
    precision: np.ndarray = run.eval["precision"][..., 0, 0]
    return precision


def _make_index(
    sizes: Sequence[tuple[int, ...]], pictures: Sequence[Sequence[_Mask]], labels: Sequence[int]
) -> Any:
    """Masks as pycocotools reads them.

    Args:
        sizes: (img_h, img_w) of each picture.
        pictures: the masks of each.
        labels: classes to measure.
    """
    from pycocotools import mask as coder
    from pycocotools.coco import COCO

    masks = [(number, mask) for number, masks in enumerate(pictures) for mask in masks]
    index = COCO()
    index.dataset = {
        "images": [{"id": i, "height": h, "width": w} for i, (h, w) in enumerate(sizes)],
        "categories": [{"id": label} for label in labels],
        "annotations": [
            {
                "id": place,  # from 1 on: pycocotools takes 0 for no match
                "image_id": number,
                "category_id": mask.label,
                "segmentation": mask.runs,
                "area": float(coder.area(mask.runs)),
                "iscrowd": int(mask.is_crowd),
                "score": mask.score,
            }
            for place, (number, mask) in enumerate(masks, start=1)
        ],
    }
    with redirect_stdout(StringIO()):  # it prints what it does
        index.createIndex()
    return index
