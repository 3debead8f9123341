"""What predicted 3D boxes are worth, by the rules of nuScenes and of KITTI."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np

from sparsevit.data.boxes import Box3D, Boxes3D, Intrinsics
from sparsevit.data.kinds import KindList
from sparsevit.data.pictures import DataError
from sparsevit.data.samples import Sample
from sparsevit.data.things import Rectangle, Thing
from sparsevit.evaluation.kitti import KittiMeter
from sparsevit.evaluation.nuscenes import DISTANCES_M, KindMeter
from sparsevit.evaluation.scorer import MIN_PIXELS, AgreementScorer, round_number
from sparsevit.tasks import Task

#: How far things are looked for on the ground, metres, as nuScenes does.
_RANGE_M, _RANGES_M = 50.0, {"Pedestrian": 40.0, "Cyclist": 40.0}

_AP_WEIGHT = 5  # against each error, as in nuScenes' score


class BoxScorer:
    """Detection as nuScenes scores it, and as KITTI does where the data is KITTI's.

    Of the truth, things beyond their kind's range or that show fewer than :data:`MIN_PIXELS` need
    not be found; found things beyond the range do not count.
    """

    def __init__(self, task: Task, kinds: KindList, is_kitti: bool = False) -> None:
        """Start without a picture.

        Args:
            task: of the network.
            kinds: of the data's things.
            is_kitti: measure KITTI's AP as well.

        Raises:
            DataError: things of a kind that the network does not know.
        """
        unknown = [name for name in kinds.names if name not in task.class_names]
        if unknown:
            raise DataError(
                f"The data holds things of the kind {unknown[0]}, which is none of the network's "
                f"({', '.join(task.class_names)})."
            )
        self._names = task.class_names
        self._ranges = [_RANGES_M.get(name, _RANGE_M) for name in self._names]
        self._meters = [KindMeter() for _ in self._names]
        self._kitti = KittiMeter(self._names) if is_kitti else None
        self._agreement = AgreementScorer(task)

    def add(self, sample: Sample, dense: Boxes3D, sparse: Boxes3D) -> None:
        """Count a picture; both predictions at its size, under any camera.

        Raises:
            DataError: nothing tells the picture's things, or which camera took it.
        """
        told = sample.things
        if told is None or told.camera is None:
            raise DataError(f"Nothing tells the boxes of {sample.name} and the camera it is of.")
        found = sparse.see_with(told.camera)
        things = [
            replace(thing, label=self._names.index(told.kinds[thing.label]))
            for thing in told.things
        ]
        places = told.ignored + tuple(thing.rectangle for thing in things if thing.box is None)
        for label, meter in enumerate(self._meters):
            own = [box for box in found.boxes if box.label == label and self._is_near(box)]
            true = [thing for thing in things if thing.label == label]
            meter.add(
                own,
                [thing.box for thing in true if thing.box and self._is_wanted(thing)],
                [thing.box for thing in true if thing.box and not self._is_wanted(thing)],
                [_lies_in(box, told.camera, places) for box in own],
            )
        if self._kitti is not None:
            self._kitti.add(found, things)
        self._agreement.add(sample, dense.see_with(told.camera), found)

    def summarise(self) -> dict[str, Any]:
        """What was measured over all pictures.

        Returns:
            ap, the mean over the kinds that occur and the four distances; ap_cars, of cars alone;
            ate_m, ase, aoe_rad, the mean errors over these kinds; nds, nuScenes' score without the
            errors of velocity and attribute: (5 ap + the sum of max(0, 1 - error)) / 8;
            per_distance_ap and per_class_ap; kitti_3d_ap and kitti_bev_ap, on KITTI's data alone;
            what the task compares.
        """
        scores = [meter.summarise() for meter in self._meters]
        occurring = [score for score in scores if score is not None]
        by_kind = {
            name: nan if score is None else score.ap
            for name, score in zip(self._names, scores, strict=True)
        }
        ap = _average([score.ap for score in occurring])
        errors = {
            name: _average([getattr(score, name) for score in occurring])
            for name in ("ate_m", "ase", "aoe_rad")
        }
        goodness = [max(0.0, 1 - error) for error in errors.values()]
        nds = (_AP_WEIGHT * ap + sum(goodness)) / (_AP_WEIGHT + len(goodness))
        single = {"ap": ap, "ap_cars": by_kind.get("Car", nan), "nds": nds, **errors}
        by_distance = {
            f"{distance:g} m": _average([score.aps[place] for score in occurring])
            for place, distance in enumerate(DISTANCES_M)
        }
        kitti = {} if self._kitti is None else self._kitti.summarise()
        return {
            **{name: round_number(value) for name, value in single.items()},
            "per_distance_ap": {name: round_number(value) for name, value in by_distance.items()},
            "per_class_ap": {name: round_number(value) for name, value in by_kind.items()},
            **{
                f"kitti_{view}_ap": {name: round_number(value) for name, value in aps.items()}
                for view, aps in kitti.items()
            },
            **self._agreement.summarise(),
        }

    def _is_near(self, box: Box3D) -> bool:
        """Within the range of its kind."""
        return math.hypot(box.centre[0], box.centre[2]) < self._ranges[box.label]

    def _is_wanted(self, thing: Thing) -> bool:
        """Whether a true thing must be found; its box is told."""
        return thing.box is not None and self._is_near(thing.box) and thing.pixels >= MIN_PIXELS


def _lies_in(box: Box3D, camera: Intrinsics, places: Sequence[Rectangle]) -> bool:
    """Whether the middle of a box is seen in one of some rectangles."""
    if box.centre[2] <= 0:
        return False
    u, v = camera.project(np.array(box.centre))
    return any(x0 <= u < x1 and y0 <= v < y1 for x0, y0, x1, y1 in places)


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else nan
