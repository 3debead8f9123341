"""The shapes of cars and vans."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Body:
    """A vehicle's shape, seen from its left side.

    Attributes:
        kind: what it is.
        ahead: metres from the rear bumper, of the outline's points over the roof to the front.
        up: height of the same points, metres.
        half: half the width at the belt line, metres.
        belt: height of the belt line, where the windows begin.
        lean: how much the cabin narrows on each side per metre above the belt.
        rear_pane: whether there is a rear window.
        pillars: shares of the cabin's length where pillars stand between the side windows.
        wheel: radius of a wheel.
        axles: rear and front, distance from the rear bumper.
        share: how common it is among its kind.
    """

    kind: str
    ahead: tuple[float, ...]
    up: tuple[float, ...]
    half: float
    belt: float
    lean: float
    rear_pane: bool
    pillars: tuple[float, ...]
    wheel: float
    axles: tuple[float, float]
    share: float


#: All outlines have 14 points; 3 to 4 is the rear window and 7 to 8 the windscreen.
# fmt: off
BODIES = (
    Body(  # hatchback
        "car",
        (0.06, 0, 0.02, 0.1, 0.42, 0.78, 1.5, 2.1, 2.92, 3.55, 3.92, 4.1, 4.1, 4.02),
        (0.28, 0.5, 0.84, 0.97, 1.38, 1.45, 1.48, 1.42, 0.98, 0.9, 0.78, 0.6, 0.42, 0.24),
        0.87, 0.94, 0.4, True, (0.42,), 0.31, (0.72, 3.28), 0.26,
    ),
    Body(  # saloon
        "car",
        (0.06, 0, 0.06, 0.66, 1.3, 1.7, 2.2, 2.7, 3.52, 4.15, 4.5, 4.65, 4.65, 4.55),
        (0.28, 0.5, 0.93, 0.99, 1.36, 1.43, 1.43, 1.37, 0.96, 0.88, 0.77, 0.6, 0.42, 0.24),
        0.89, 0.95, 0.4, True, (0.5,), 0.32, (0.98, 3.78), 0.18,
    ),
    Body(  # estate
        "car",
        (0.06, 0, 0.03, 0.12, 0.5, 1.0, 2.0, 2.75, 3.6, 4.2, 4.52, 4.68, 4.68, 4.58),
        (0.28, 0.5, 0.9, 1.0, 1.42, 1.48, 1.48, 1.4, 0.97, 0.89, 0.78, 0.6, 0.42, 0.24),
        0.89, 0.96, 0.36, True, (0.33, 0.64), 0.32, (0.95, 3.8), 0.14,
    ),
    Body(  # off-roader
        "car",
        (0.06, 0, 0.03, 0.1, 0.34, 0.8, 1.8, 2.5, 3.2, 3.95, 4.3, 4.46, 4.46, 4.36),
        (0.36, 0.58, 1.0, 1.12, 1.62, 1.7, 1.71, 1.64, 1.14, 1.06, 0.94, 0.74, 0.5, 0.32),
        0.93, 1.09, 0.3, True, (0.34, 0.64), 0.37, (0.85, 3.55), 0.16,
    ),
    Body(  # small car
        "car",
        (0.05, 0, 0.02, 0.08, 0.3, 0.6, 1.2, 1.75, 2.5, 3.0, 3.35, 3.5, 3.5, 3.43),
        (0.28, 0.48, 0.86, 0.98, 1.4, 1.49, 1.51, 1.45, 1.0, 0.92, 0.78, 0.6, 0.42, 0.24),
        0.81, 0.95, 0.36, True, (0.45,), 0.29, (0.58, 2.85), 0.12,
    ),
    Body(  # people carrier
        "car",
        (0.06, 0, 0.03, 0.1, 0.3, 0.7, 1.8, 2.6, 3.55, 4.05, 4.3, 4.42, 4.42, 4.34),
        (0.28, 0.5, 0.92, 1.02, 1.56, 1.65, 1.67, 1.58, 1.05, 0.95, 0.8, 0.6, 0.42, 0.24),
        0.9, 0.99, 0.32, True, (0.3, 0.62), 0.32, (0.8, 3.55), 0.1,
    ),
    Body(  # van
        "van",
        (0.05, 0, 0.0, 0.02, 0.06, 0.12, 2.9, 3.55, 4.35, 4.72, 4.9, 4.98, 4.98, 4.9),
        (0.32, 0.5, 1.0, 1.16, 1.85, 1.95, 1.98, 1.9, 1.2, 1.08, 0.9, 0.66, 0.44, 0.28),
        0.94, 1.12, 0.12, True, (), 0.34, (0.95, 4.0), 0.6,
    ),
    Body(  # high van
        "van",
        (0.05, 0, 0.0, 0.02, 0.05, 0.14, 3.7, 4.4, 5.1, 5.5, 5.72, 5.82, 5.82, 5.74),
        (0.34, 0.55, 1.1, 1.3, 2.4, 2.56, 2.6, 2.45, 1.35, 1.2, 1.0, 0.7, 0.46, 0.3),
        1.0, 1.26, 0.07, False, (), 0.36, (1.15, 4.75), 0.4,
    ),
)
# fmt: on
