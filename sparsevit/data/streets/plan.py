"""The plan of a street: its lanes, pavements, bends and side streets."""

import math
from dataclasses import dataclass

import numpy as np

#: Where the street is no longer drawn, metres ahead.
FAR_M = 170.0


@dataclass(frozen=True)
class Opening:
    """A side street.

    Attributes:
        side: -1 left, 1 right.
        z0: where it begins, metres ahead.
        z1: where it ends.
    """

    side: int
    z0: float
    z1: float


@dataclass(frozen=True)
class Street:
    """A street that runs ahead of the camera.

    Across, places are given as `lateral`: metres to the right of the road's centre line. The sides
    are -1 (left) and 1 (right); what has two values has one a side, left first.

    Attributes:
        drive: the side that traffic keeps to.
        lanes: number of lanes each way.
        lane_m: width of a lane.
        parking: whether cars are parked along the kerb.
        pavement_m: width of the pavements.
        verge_m: width of a strip of grass beyond the kerb.
        setback_m: from pavement to buildings.
        green: whether the plots are gardens.
        shift: where the centre line is at the camera, metres to the right of it.
        slope: metres to the right per metre ahead.
        bend: metres to the right per square metre ahead.
        crossing: where a zebra crossing begins.
        stop: where a stop line lies (traffic lights).
        openings: the side streets.
        end: where the street meets another across it; FAR_M where it does not.
    """

    drive: int
    lanes: int
    lane_m: float
    parking: tuple[bool, ...]
    pavement_m: tuple[float, ...]
    verge_m: tuple[float, ...]
    setback_m: tuple[float, ...]
    green: tuple[bool, ...]
    shift: float
    slope: float
    bend: float
    crossing: float | None
    stop: float | None
    openings: tuple[Opening, ...]
    end: float

    def kerb(self, side: int) -> float:
        """From the centre line to the kerb, metres."""
        return self.lanes * self.lane_m + 2.2 * self.parking[side > 0]

    def plots(self, side: int) -> float:
        """From the centre line to where the plots begin, metres."""
        return self.kerb(side) + self.verge_m[side > 0] + self.pavement_m[side > 0]

    def front(self, side: int) -> float:
        """From the centre line to the houses, metres."""
        return self.plots(side) + self.setback_m[side > 0]

    def x(self, lateral: np.ndarray | float, z: np.ndarray | float) -> np.ndarray:
        """World x of places on the street, metres."""
        return np.asarray(lateral + self.shift + self.slope * z + self.bend * np.square(z))

    def point(self, lateral: float, z: float, up: float = 0.0) -> tuple[float, float, float]:
        """World point of a place on the street."""
        return float(self.x(lateral, z)), up, z

    def yaw(self, z: float, way: int = 1) -> float:
        """Yaw of what drives along the street there: `way` 1 ahead, -1 towards the camera."""
        along = math.atan(self.slope + 2 * self.bend * z)
        return wrap_angle(along - way * math.pi / 2)

    def is_open(self, side: int, z: float, margin: float = 1.0) -> bool:
        """Whether a side street lies there."""
        return any(o.side == side and o.z0 - margin < z < o.z1 + margin for o in self.openings)

    def is_clear(self, z: float, margin: float = 5.0) -> bool:
        """Whether nothing there has to stay free of parked cars."""
        marks = [mark for mark in (self.crossing, self.stop) if mark is not None]
        return all(not mark - margin < z < mark + 3 + margin for mark in marks)


def wrap_angle(angle: float) -> float:
    """The angle in (-pi, pi]."""
    return math.pi - (math.pi - angle) % (2 * math.pi)


def plan_street(rng: np.random.Generator) -> Street:
    """Choose a street."""
    drive = int(rng.choice((-1, 1), p=(0.6, 0.4)))
    lanes = int(rng.choice((1, 2), p=(0.76, 0.24)))
    lane_m = float(rng.uniform(2.9, 3.6))
    green_share = rng.random()
    green = tuple(bool(rng.random() < green_share) for _ in range(2))
    straight = float(rng.random())
    end = float(rng.uniform(26, 95)) if rng.random() < 0.3 else FAR_M
    crossing = float(rng.uniform(8, 24)) if rng.random() < 0.35 else None
    stop = float(rng.uniform(7, 24)) if crossing is None and rng.random() < 0.4 else None
    openings = []
    for side in (-1, 1):
        z = rng.uniform(3, 70)
        while z < min(110, end - 25):
            wide = float(rng.uniform(7, 11))
            openings.append(Opening(side, float(z), float(z) + wide))
            z += wide + rng.uniform(25, 90)
    if stop is not None and stop < end - 35:
        openings = [o for o in openings if abs(o.z0 - stop) > 22]
        wide = float(rng.uniform(8, 14))
        openings += [Opening(side, stop + 5, stop + 5 + wide) for side in (-1, 1)]
    lane = rng.integers(lanes) + 0.5
    place = drive * lane * lane_m + rng.normal(0, 0.25)
    bend_share = 1.0 if end == FAR_M else straight  # streets that end are straighter
    return Street(
        drive=drive,
        lanes=lanes,
        lane_m=lane_m,
        parking=tuple(bool(rng.random() < 0.6) for _ in range(2)),
        pavement_m=tuple(float(rng.uniform(1.5, 4.6)) for _ in range(2)),
        verge_m=tuple(
            float(rng.uniform(1, 2.6)) if rng.random() < 0.15 + 0.25 * g else 0.0 for g in green
        ),
        setback_m=tuple(
            float(rng.uniform(2.5, 7.5)) if g else float(rng.choice((0.0, rng.uniform(1, 2.5))))
            for g in green
        ),
        green=green,
        shift=float(-place),
        slope=float(rng.normal(0, 0.035)),
        bend=bend_share * float(rng.uniform(-1, 1) ** 3 * 0.0022 + rng.normal(0, 0.0002)),
        crossing=crossing,
        stop=stop,
        openings=tuple(openings),
        end=end,
    )
