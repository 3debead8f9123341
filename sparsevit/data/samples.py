"""A labelled picture, what reads many of them, and the memory that keeps some."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from sparsevit.data.classes import ClassList
from sparsevit.data.kinds import KindList
from sparsevit.data.things import Things

#: Decoded pictures that one data set keeps in memory, bytes.
CACHE_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Sample:
    """One picture and its truth.

    Attributes:
        image: (img_h, img_w, 3) uint8 RGB.
        labels: (img_h, img_w) uint8 class index; ``len(class_names) - 1`` is void.
        name: the file's stem, or the seed of a drawn scene.
        things: what is told of its things one by one; None where nothing is.
    """

    image: np.ndarray
    labels: np.ndarray
    name: str
    things: Things | None = None

    @property
    def nbytes(self) -> int:
        """Of its arrays."""
        ids = None if self.things is None else self.things.ids
        return self.image.nbytes + self.labels.nbytes + (0 if ids is None else ids.nbytes)


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


S = TypeVar("S", bound=_Sized)


class SampleCache(Generic[S]):
    """Keeps the first samples asked for, up to a number of bytes; the others are made each time.

    Training asks at random, so putting newer samples in the place of older ones would gain nothing.
    """

    def __init__(self, limit_bytes: int = CACHE_BYTES) -> None:
        """Start empty."""
        self._left = limit_bytes
        self._samples: dict[int, S] = {}

    def get(self, index: int, make: Callable[[int], S]) -> S:
        """The sample of ``index``, made by ``make(index)`` unless it is kept."""
        sample = self._samples.get(index)
        if sample is None:
            sample = make(index)
            if sample.nbytes <= self._left and index not in self._samples:
                self._samples[index] = sample
                self._left -= sample.nbytes
        return sample


class LabelledData(Protocol):
    """What training and evaluation read.

    Attributes:
        class_names: of the labels; the last one is void: no loss, no metric.
        classes: the same without void; None where no pixel has a class, only things are told.
        names: of the pictures.
        kinds: of the things that it can tell one by one; None where it can tell none. Without
            ``classes`` their classes are counted as those of drawn streets.
        has_things: its samples tell them.
    """

    class_names: tuple[str, ...]
    names: list[str]
    has_things: bool

    @property
    def classes(self) -> ClassList | None: ...

    @property
    def kinds(self) -> KindList | None: ...

    def __len__(self) -> int:
        """Number of pictures."""

    def __getitem__(self, index: int) -> Sample:
        """The picture at 0 <= index < len."""
