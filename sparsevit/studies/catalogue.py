"""The studies by name, and what each needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Drawn scenes that the shipped network was neither trained nor searched on.
DEFAULT_DATA = "streets:710000:16:512x1024"

_LARGE_DATA = "streets:710000:8:1024x2048"


StudyName = Literal[
    "samplers", "uniform", "resolution", "adaptation", "tokens", "scores", "sensitivity", "worth"
]


@dataclass(frozen=True)
class Study:
    """One comparison.

    Attributes:
        summary: what it shows, in a sentence.
        options: keywords of its function, and "seeds" and "rounds" where the subject's are used.
        data: labelled pictures, unless told.
        pictures: of them, unless told.
        sizes: short sides in pixels, unless told.
        max_sizes: more make no sense.
    """

    summary: str
    options: tuple[str, ...] = ()
    data: str = DEFAULT_DATA
    pictures: int = 16
    sizes: tuple[int | None, ...] = (None,)
    max_sizes: int = 1


STUDIES: dict[StudyName, Study] = {
    "samplers": Study(
        "Evolutionary against random search at the same number of trials.",
        options=("trials", "budget", "seeds", "rounds"),
        pictures=4,
        sizes=(256,),
    ),
    "uniform": Study(
        "Searched schedules against uniform ones at equal latency.",
        options=("frontier", "rounds"),
    ),
    "resolution": Study(
        "Sparse at high resolution against dense at low resolution at equal latency.",
        options=("rounds",),
        data=_LARGE_DATA,
        pictures=8,
        sizes=(1024, 768, 640, 512),
        max_sizes=8,
    ),
    "adaptation": Study(
        "A network adapted to sparsity against one that was not.",
        options=("against",),
    ),
    "tokens": Study(
        "Pruning windows against reducing tokens inside every window at equal latency.",
        options=("against", "rounds"),
    ),
    "scores": Study(
        "L2 magnitude against other scores of windows.",
        options=("seeds",),
        max_sizes=2,
    ),
    "sensitivity": Study("Accuracy when one pair of blocks alone is pruned."),
    "worth": Study("Whether the scores of windows say what their computation is worth."),
}
