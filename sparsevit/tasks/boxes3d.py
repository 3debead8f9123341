"""Monocular 3D detection: boxes of things in metres."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparsevit.data.boxes import Box3D, Boxes3D, compare_sizes, compare_yaws
from sparsevit.data.things import Things
from sparsevit.data.transforms import Size
from sparsevit.draw.birds_eye import Layer, Look, draw_birds_eye
from sparsevit.draw.wireframe import draw_wireframes, find_extent
from sparsevit.draw.words import write_above

#: Metres over the ground: a box is found again where one of its kind is no farther away.
MATCH_RADIUS_M = 2.0

_SMALLEST_NAMED = 0.06  # of the shorter side of the picture: smaller boxes bear no name


@dataclass(frozen=True)
class BoxMatch:
    """A box of the dense prediction that the sparse one has as well.

    Attributes:
        dense, sparse: both boxes, of one kind.
        distance_m: between their centres over the ground, in [0, 2] metres.
    """

    dense: Box3D
    sparse: Box3D
    distance_m: float


@dataclass(frozen=True)
class Boxes3DTask:
    """Kinds of things that a network finds boxes of.

    Attributes:
        class_names: the kinds, in the order of the network's output.
        palette: (kinds, 3) uint8 RGB.
        read: gives the boxes of image 0 from the network's output and (img_h, img_w).
        name: "boxes3d".
        min_score: boxes with less are neither compared nor drawn.
    """

    class_names: tuple[str, ...]
    palette: np.ndarray
    read: Callable[[Any, tuple[int, int]], Boxes3D]
    name: str = "boxes3d"
    min_score: float = 0.3

    def interpret(self, output: Any, size: tuple[int, int]) -> Boxes3D:
        """The network's output -> the boxes of image 0 for a picture of (img_h, img_w).

        They are those that a camera with the usual field of view would have seen, the unlikely
        ones among them.
        """
        return self.read(output, size)

    def keep_sure(self, prediction: Boxes3D) -> Boxes3D:
        """The boxes with a score of ``min_score`` or more."""
        boxes = (box for box in prediction.boxes if box.score >= self.min_score)
        return replace(prediction, boxes=tuple(boxes))

    def list_boxes(self, prediction: Boxes3D) -> list[dict[str, Any]]:
        """The sure boxes as plain data, the surest first: class, score, centre, size and yaw."""
        return [
            {
                "class": self.class_names[box.label],
                "score": round(box.score, 4),
                "centre_m": [round(metres, 3) for metres in box.centre],
                "size_m": [round(metres, 3) for metres in box.size],
                "yaw_rad": round(box.yaw, 4),
            }
            for box in self.keep_sure(prediction).boxes
        ]

    def read_truth(self, things: Things, size: Size) -> Boxes3D | None:
        """The true boxes of a picture, of the kinds that the network knows.

        Args:
            things: of the picture.
            size: its (img_h, img_w) pixels.

        Returns:
            None where the things have no boxes or nothing tells the camera.
        """
        found = [thing.box for thing in things.things if thing.box is not None]
        if things.camera is None or len(found) < len(things.things):
            return None
        number_of = {name: number for number, name in enumerate(self.class_names)}
        boxes = (
            replace(box, label=number_of[things.kinds[box.label]])
            for box in found
            if things.kinds[box.label] in number_of
        )
        return Boxes3D(tuple(boxes), things.camera, size)

    def compare(self, dense: Boxes3D, sparse: Boxes3D) -> dict[str, float]:
        """Which of the sure boxes are found again, and how far off they are.

        Returns:
            agreement: F-score of the sparse boxes with the dense ones as the truth, 2 x matches /
            (dense + sparse boxes), 1 if there are none; matched: share of the dense boxes that
            have a match, 1 if there are none; centre_error_m: mean distance over the ground between
            the centres of a match; size_error: mean 1 - IoU of a match's boxes once they have one
            centre and yaw; yaw_error_deg: mean angle between the fronts of a match, 0 to 180; all
            three NaN if there are no matches; dense_boxes, sparse_boxes: how many there are.
        """
        dense, sparse = self.keep_sure(dense), self.keep_sure(sparse)
        matches = match_boxes(dense, sparse)
        pairs = [(match.dense, match.sparse) for match in matches]
        count, both = len(dense.boxes), len(dense.boxes) + len(sparse.boxes)
        return {
            "agreement": 2 * len(matches) / both if both else 1.0,
            "matched": len(matches) / count if count else 1.0,
            "centre_error_m": _average([match.distance_m for match in matches]),
            "size_error": _average([compare_sizes(*pair) for pair in pairs]),
            "yaw_error_deg": math.degrees(_average([compare_yaws(*pair) for pair in pairs])),
            "dense_boxes": float(count),
            "sparse_boxes": float(both - count),
        }

    def compare_classes(self, dense: Boxes3D, sparse: Boxes3D) -> dict[str, float]:
        """F-score in [0, 1] of every kind that either prediction holds surely, by name."""
        dense, sparse = self.keep_sure(dense), self.keep_sure(sparse)
        counts = Counter(box.label for box in (*dense.boxes, *sparse.boxes))
        found = Counter(match.dense.label for match in match_boxes(dense, sparse))
        return {
            self.class_names[label]: 2 * found[label] / counts[label] for label in sorted(counts)
        }

    def resize(self, prediction: Boxes3D, size: tuple[int, int]) -> Boxes3D:
        """The same boxes for the same picture at another size (img_h, img_w)."""
        return prediction.resize(size)

    def draw(self, image: np.ndarray, prediction: Boxes3D) -> np.ndarray:
        """The sure boxes over the picture, their fronts filled, with kind and metres ahead."""
        return self._paint(image, self.keep_sure(prediction), None, has_names=True)

    def draw_pair(
        self, image: np.ndarray, dense: Boxes3D, sparse: Boxes3D, has_names: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`draw` of each; boxes that the other side lacks are filled whole.

        Args:
            image: (h, w, 3) uint8 RGB, of any size.
            dense, sparse: what to draw.
            has_names: False leaves the names to whoever shows the pictures at another size.
        """
        dense, sparse = self.keep_sure(dense), self.keep_sure(sparse)
        matches = match_boxes(dense, sparse)
        return (
            self._paint(image, dense, [match.dense for match in matches], has_names),
            self._paint(image, sparse, [match.sparse for match in matches], has_names),
        )

    def draw_birds_eye(
        self,
        size: Size,
        dense: Boxes3D,
        sparse: Boxes3D | None = None,
        truth: Boxes3D | None = None,
        reach_m: float | None = None,
    ) -> np.ndarray:
        """The sure boxes seen from above: dense filled, sparse dashed, truth hollow.

        Args:
            size: (h, w) pixels of the view, at least 160 each.
            dense, sparse, truth: of one picture and camera; None for what is not known.
            reach_m: metres ahead that it shows; by default what the boxes need.

        Returns:
            (h, w, 3) uint8 RGB.
        """
        named: list[tuple[str, Boxes3D | None, Look]] = [
            ("truth", truth, "hollow"),
            ("dense", dense, "filled"),
            ("sparse", sparse, "dashed"),
        ]
        layers = [
            Layer(name, self.keep_sure(boxes).boxes, look)
            for name, boxes, look in named
            if boxes is not None
        ]
        return draw_birds_eye(layers, dense.camera, dense.size, self.palette, size, reach_m)

    def place_names(self, prediction: Boxes3D) -> list[tuple[Box3D, float, float]]:
        """The sure boxes that look large enough for a name, the nearest first.

        Returns:
            Each with the middle of its upper end, as fractions of the picture's width and height.
        """
        height, width = prediction.size
        places = []
        boxes = self.keep_sure(prediction).boxes
        for box in sorted(boxes, key=lambda box: box.centre[2]):
            extent = find_extent(box, prediction.camera, prediction.size)
            if extent is not None:
                x0, y0, x1, y1 = extent
                if max(x1 - x0, y1 - y0) >= _SMALLEST_NAMED * min(height, width):
                    places.append((box, (x0 + x1) / 2 / width, y0 / height))
        return places

    def name_box(self, box: Box3D) -> str:
        """A box in words: "Car 14 m", its kind and how far ahead its middle is."""
        return f"{self.class_names[box.label]} {box.centre[2]:.0f} m"

    def _paint(
        self, image: np.ndarray, boxes: Boxes3D, matched: Sequence[Box3D] | None, has_names: bool
    ) -> np.ndarray:
        """All boxes, those that are not ``matched`` filled whole."""
        boxes = boxes.resize((image.shape[0], image.shape[1]))
        alone = [matched is not None and box not in matched for box in boxes.boxes]
        picture = draw_wireframes(image, boxes.boxes, boxes.camera, self.palette, alone)
        if has_names:
            places = self.place_names(boxes)
            write_above(picture, ((self.name_box(box), u, v) for box, u, v in places))
        return picture


def match_boxes(dense: Boxes3D, sparse: Boxes3D) -> list[BoxMatch]:
    """The pairs of boxes of one kind within 2 m over the ground, each box in one at most.

    Pairs are taken one after the other, always the two that are nearest to each other among those
    without a match.

    Args:
        dense, sparse: predictions for one picture, with one camera.

    Returns:
        The pairs, the nearest first.
    """
    if not dense.boxes or not sparse.boxes:
        return []
    grounds = [
        np.array([(box.centre[0], box.centre[2]) for box in side.boxes]) for side in (dense, sparse)
    ]
    labels = [np.array([box.label for box in side.boxes]) for side in (dense, sparse)]
    distances = np.linalg.norm(grounds[0][:, None] - grounds[1][None], axis=2)  # (dense, sparse)
    distances[labels[0][:, None] != labels[1][None]] = math.inf
    matches = []
    while (distance := float(distances.min())) <= MATCH_RADIUS_M:
        ours, theirs = np.unravel_index(int(distances.argmin()), distances.shape)
        matches.append(BoxMatch(dense.boxes[ours], sparse.boxes[theirs], distance))
        distances[ours] = distances[:, theirs] = math.inf
    return matches


def _average(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
