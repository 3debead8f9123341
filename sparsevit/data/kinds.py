"""Kinds of things that are told apart in pictures. Nothing slow is imported for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KindList:
    """Kinds of things.

    Attributes:
        names: the kinds.
        classes: of each, the number of the class that its pixels have.
        sizes: of each, its mean (length, height, width) in metres; empty where nothing has a box.
    """

    names: tuple[str, ...]
    classes: tuple[int, ...]
    sizes: tuple[tuple[float, float, float], ...] = ()


#: Of the drawn streets, with the classes of ``sparsevit.data.classes.STREET_CLASSES``.
STREET_KINDS = KindList(
    ("Car", "Van", "Bus or lorry", "Pedestrian", "Cyclist"),
    (8, 8, 8, 9, 10),
    ((4.3, 1.5, 2.1), (5.4, 2.2, 2.3), (9.4, 3.5, 2.6), (0.57, 1.7, 0.54), (1.7, 1.8, 0.53)),
)
