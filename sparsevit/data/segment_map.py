"""Segments that each have a class and share out the pixels of a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Segment:
    """One segment.

    Attributes:
        id: its value in the map, >= 1.
        label: number of its class.
        score: how sure the network is, in [0, 1].
    """

    id: int
    label: int
    score: float


@dataclass(frozen=True, eq=False)
class SegmentMap:
    """All segments of a picture.

    Attributes:
        ids: (img_h, img_w) int32, the segment of each pixel; 0 for none.
        segments: those that hold a pixel, and no others.
    """

    ids: np.ndarray
    segments: tuple[Segment, ...]

    def drop_hidden(self) -> SegmentMap:
        """The same without segments that hold no pixel."""
        seen = set(np.unique(self.ids).tolist())
        return replace(self, segments=tuple(s for s in self.segments if s.id in seen))
