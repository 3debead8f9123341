"""How accuracies are counted and written: most are shares, that of a restored photo is decibel."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """Of an accuracy or an agreement.

    Attributes:
        scale: what a value is multiplied by before it is written.
        name: behind the written number.
        step: what a difference of 1 is called, in the plural.
        digits: of a written number behind its point.
        small_loss: of a value, that hardly anybody would mind.
        span: the least that an axis shows, as written, so that noise does not look like a cliff.
    """

    scale: float
    name: str
    step: str
    digits: int
    small_loss: float
    span: float

    def say(self, value: float, digits: int | None = None) -> str:
        """ "64.3 %" or "33.21 dB"."""
        return f"{self.scale * value:.{self.digits if digits is None else digits}f} {self.name}"


SHARE = Unit(100.0, "%", "points", 1, 0.01, 8.0)
DECIBEL = Unit(1.0, "dB", "dB", 2, 0.05, 0.4)


def find_unit(metric: str) -> Unit:
    """The unit of an accuracy by its name: "mIoU", "mask AP", "PSNR", ..."""
    return DECIBEL if metric == "PSNR" else SHARE


def find_agreement_unit(task: str) -> Unit:
    """The unit of what a task's ``compare`` gives as "agreement", by the task's name."""
    return DECIBEL if task in ("restoration", "enhancement") else SHARE
