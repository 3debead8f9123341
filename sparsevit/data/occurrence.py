"""Which classes occur in labels: without any there is nothing to learn or to measure."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from sparsevit.data.labelled import LabelledData, LabelledFolder, Sample
from sparsevit.data.pictures import DataError, DataWarning

_NAMED = 5  # classes that a message lists


class LabelCounts:
    """Pixels of each class in the pictures of a data set that were looked at.

    Attributes:
        data: the data set.
        pixels: (classes,) int64.
        void: pixels of void.
        pictures: how many were looked at.
    """

    def __init__(self, data: LabelledData) -> None:
        """Start without a picture."""
        self.data = data
        self.pixels = np.zeros(len(data.class_names) - 1, np.int64)
        self.void = 0
        self.pictures = 0

    def add(self, sample: Sample) -> None:
        """Count a picture."""
        *found, void = np.bincount(sample.labels.ravel(), minlength=len(self.pixels) + 1).tolist()
        self.pixels += found
        self.void += void
        self.pictures += 1

    def describe(self) -> str:
        """The pictures, for a person."""
        total = len(self.data)
        looked_at = f"{self.pictures} picture{'s' * (self.pictures > 1)} looked at"
        return looked_at if self.pictures == total else f"{looked_at} (of {total})"

    def explain_mask(self) -> str:
        """A sentence for label files that hold 0 and 255 alone, as masks of one thing do; or ""."""
        data = self.data
        is_mask = self.void and self.pixels[0] and not self.pixels[1:].any()  # 0 and 255 alone
        if not isinstance(data, LabelledFolder) or data.classes.void is not None or not is_mask:
            return ""
        return (
            f" Label files such as {data.names[0]}.png hold nothing but 0 and 255, and 255 means "
            f"void: if it is meant as a class, write that class's number in its place, such as 1 "
            f"for {data.class_names[1]}."
        )


def refuse_unlabelled(data: LabelledData, indices: Iterable[int]) -> None:
    """Look at pictures until one has a label.

    Args:
        data: of these pictures.
        indices: which to look at.

    Raises:
        DataError: none has.
    """
    if data.classes is None:
        raise DataError(
            f"Nothing tells the class of a pixel of {data.names[0]}, nor of the other pictures "
            f"there: boxes around things are all that is labelled."
        )
    counts = LabelCounts(data)
    for index in indices:
        counts.add(data[index])
        if counts.pixels.any():
            return
    void = f" ({data.classes.describe_void()})" if isinstance(data, LabelledFolder) else ""
    raise DataError(
        f"Nothing is labelled: every pixel of the {counts.describe()}, such as {data.names[0]}, "
        f"is void{void}; labels count the classes from 0."
    )


def warn_of_missing(counts: Sequence[LabelCounts]) -> None:
    """Warn of classes that no picture looked at shows.

    Args:
        counts: of data sets of the same classes; those that tell no pixel's are passed over.
    """
    counts = [one for one in counts if one.data.classes is not None]
    if not counts:
        return
    occurs = np.any([one.pixels for one in counts], axis=0)  # (classes,)
    names = counts[0].data.class_names[:-1]
    missing = [name for name, is_there in zip(names, occurs, strict=True) if not is_there]
    if not missing:
        return
    more = f" and {len(missing) - _NAMED} other classes" if missing[_NAMED:] else ""
    where = " and of the ".join(one.describe() for one in counts)
    hint = next(filter(None, (one.explain_mask() for one in counts)), "")
    warnings.warn(
        f"No pixel of the {where} is labelled {', '.join(missing[:_NAMED])}{more}.{hint}",
        DataWarning,
        stacklevel=2,
    )


def watch_labels(
    data: LabelledData, indices: Sequence[int], samples: Iterable[Sample]
) -> Iterator[Sample]:
    """Pass on pictures; see that they are labelled, and warn at the end of missing classes.

    Args:
        data: of these pictures.
        indices: theirs, in order.
        samples: the pictures.

    Raises:
        DataError: nothing is labelled in any of them; raised at the first, before it is passed on.
    """
    counts = LabelCounts(data)
    for sample in samples:
        counts.add(sample)
        if counts.pictures == 1 and not counts.pixels.any():
            refuse_unlabelled(data, indices)
        yield sample
    warn_of_missing([counts])
