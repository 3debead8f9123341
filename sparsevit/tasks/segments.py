"""Instance and panoptic segmentation: segments that each have a class and share out the pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sparsevit.data.segment_map import Segment, SegmentMap
from sparsevit.draw.masks import draw_labels
from sparsevit.draw.words import write_around
from sparsevit.tasks.palette import vary_colour

#: A segment is found again when it and one of the same class overlap by this IoU or more.
MIN_IOU = 0.5

_SMALLEST_NAMED = 0.004  # of the picture: smaller segments bear no name
_NO_SEGMENT = 255  # in what is drawn


@dataclass(frozen=True)
class Match:
    """A segment of the dense prediction that the sparse one has as well.

    Attributes:
        dense, sparse: both segments, of one class.
        iou: of their pixels, in [0.5, 1].
    """

    dense: Segment
    sparse: Segment
    iou: float


@dataclass(frozen=True)
class SegmentsTask:
    """Classes of a network that outputs segments.

    Attributes:
        class_names: the names, in the order of the network's output.
        palette: (classes, 3) uint8 RGB.
        name: "instance" or "panoptic".
        read: gives the segments of image 0 from the network's output and (img_h, img_w).
    """

    class_names: tuple[str, ...]
    palette: np.ndarray
    name: str
    read: Callable[[Any, tuple[int, int]], SegmentMap]

    def interpret(self, output: Any, size: tuple[int, int]) -> SegmentMap:
        """The network's output -> the segments of image 0 for a picture of (img_h, img_w)."""
        return self.read(output, size).drop_hidden()

    def compare(self, dense: SegmentMap, sparse: SegmentMap) -> dict[str, float]:
        """Panoptic quality with the dense segments as the truth, and which were found again.

        Unlike against labels nothing is void: a segment where the other side has none counts.

        Returns:
            agreement: panoptic quality, which is for each class the IoUs of its matches over
            (matches + half of all segments without one), averaged over the classes that either
            prediction holds, 1 if neither holds any; matched: share of the dense segments that
            have a match, 1 if there are none; matched_iou: mean IoU of the matches, 0 if there
            are none; dense_segments, sparse_segments: how many there are.
        """
        matches = match_segments(dense, sparse)
        qualities = self.compare_classes(dense, sparse)
        count = len(dense.segments)
        return {
            "agreement": float(np.mean(list(qualities.values()))) if qualities else 1.0,
            "matched": len(matches) / count if count else 1.0,
            "matched_iou": float(np.mean([match.iou for match in matches])) if matches else 0.0,
            "dense_segments": float(count),
            "sparse_segments": float(len(sparse.segments)),
        }

    def compare_classes(self, dense: SegmentMap, sparse: SegmentMap) -> dict[str, float]:
        """Panoptic quality in [0, 1] of every class that either prediction holds, by name."""
        ious: dict[int, float] = defaultdict(float)
        counts: dict[int, int] = defaultdict(int)  # of segments on both sides
        for segment in (*dense.segments, *sparse.segments):
            counts[segment.label] += 1
        for match in match_segments(dense, sparse):
            ious[match.dense.label] += match.iou
        return {
            self.class_names[label]: 2 * ious[label] / counts[label] for label in sorted(counts)
        }

    def resize(self, prediction: SegmentMap, size: tuple[int, int]) -> SegmentMap:
        """The segments at (img_h, img_w) by nearest neighbour; those that vanish are dropped."""
        ids = cv2.resize(prediction.ids, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        return SegmentMap(ids, prediction.segments).drop_hidden()

    def draw(self, image: np.ndarray, prediction: SegmentMap) -> np.ndarray:
        """Each segment in a shade of its class's colour over the picture, with its name."""
        colours = self._choose_colours(prediction.segments)
        return self._paint(image, prediction, colours, has_names=True)

    def draw_pair(
        self, image: np.ndarray, dense: SegmentMap, sparse: SegmentMap, has_names: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`draw` of each; a match has one colour on both sides, no other segment has it.

        Args:
            image: (h, w, 3) uint8 RGB, of any size.
            dense, sparse: what to draw.
            has_names: False leaves the names to whoever shows the pictures at another size.
        """
        colours = self._choose_colours(dense.segments)
        same = {match.sparse.id: match.dense.id for match in match_segments(dense, sparse)}
        new = [segment for segment in sparse.segments if segment.id not in same]
        found = self._choose_colours(new, after=dense.segments)
        found |= {ours: colours[theirs] for ours, theirs in same.items()}
        return (
            self._paint(image, dense, colours, has_names),
            self._paint(image, sparse, found, has_names),
        )

    def place_names(self, prediction: SegmentMap) -> list[tuple[Segment, float, float]]:
        """The segments that are large enough for a name, the largest first.

        Returns:
            Each with the place where it is widest, as fractions of the width and height.
        """
        areas = np.bincount(prediction.ids.ravel())
        height, width = prediction.ids.shape
        places = []
        for segment in sorted(prediction.segments, key=lambda segment: -areas[segment.id]):
            if areas[segment.id] >= _SMALLEST_NAMED * prediction.ids.size:
                x, y = _find_widest(prediction.ids == segment.id)
                places.append((segment, (x + 0.5) / width, (y + 0.5) / height))
        return places

    def _choose_colours(
        self, segments: Sequence[Segment], after: Sequence[Segment] = ()
    ) -> dict[int, np.ndarray]:
        """Colour of each segment by id: the shades of a class in turn, after those in use."""
        used: dict[int, int] = defaultdict(int)
        for segment in after:
            used[segment.label] += 1
        colours = {}
        for segment in segments:
            colours[segment.id] = vary_colour(self.palette[segment.label], used[segment.label])
            used[segment.label] += 1
        return colours

    def _paint(
        self,
        image: np.ndarray,
        prediction: SegmentMap,
        colours: dict[int, np.ndarray],
        has_names: bool,
    ) -> np.ndarray:
        if prediction.ids.shape != image.shape[:2]:
            prediction = self.resize(prediction, (image.shape[0], image.shape[1]))
        segments = prediction.segments[:_NO_SEGMENT]
        if not segments:
            return image.copy()
        index = np.full(int(prediction.ids.max()) + 1, _NO_SEGMENT, dtype=np.uint8)
        index[[segment.id for segment in segments]] = np.arange(len(segments))
        palette = np.array([colours[segment.id] for segment in segments], dtype=np.uint8)
        picture = draw_labels(image, index[prediction.ids], palette)
        for segment, u, v in self.place_names(prediction) if has_names else ():
            write_around(picture, (u, v), self.class_names[segment.label])
        return picture


def match_segments(dense: SegmentMap, sparse: SegmentMap) -> list[Match]:
    """The pairs of segments of one class with an IoU of 0.5 or more, each segment in one at most.

    Args:
        dense, sparse: predictions for the same picture, of the same size.

    Returns:
        The pairs, the largest IoU first.
    """
    if not dense.segments or not sparse.segments:
        return []
    width = int(sparse.ids.max()) + 1
    joint = dense.ids.astype(np.int64) * width + sparse.ids
    shape = (int(dense.ids.max()) + 1, width)
    overlap = np.bincount(joint.ravel(), minlength=shape[0] * shape[1]).reshape(shape)
    dense_areas, sparse_areas = overlap.sum(axis=1), overlap.sum(axis=0)
    pairs = []
    for ours in dense.segments:
        for theirs in sparse.segments:
            shared = overlap[ours.id, theirs.id]
            if ours.label == theirs.label and shared:
                union = dense_areas[ours.id] + sparse_areas[theirs.id] - shared
                if shared >= MIN_IOU * union:
                    pairs.append(Match(ours, theirs, float(shared / union)))
    matches: list[Match] = []
    taken: set[tuple[str, int]] = set()  # two of an IoU of exactly 0.5 may want the same one
    for pair in sorted(pairs, key=lambda pair: -pair.iou):
        ends = {("dense", pair.dense.id), ("sparse", pair.sparse.id)}
        if not ends & taken:
            taken |= ends
            matches.append(pair)
    return matches


def _find_widest(mask: np.ndarray) -> tuple[int, int]:
    """(x, y) of the pixel that is farthest from all that is outside of a mask (h, w)."""
    distance = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(distance.argmax()), distance.shape)
    return int(x), int(y)
