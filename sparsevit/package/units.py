"""How accuracies are counted and written: most are shares, that of a restored photo is decibel."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Unit:
    """Of an accuracy or an agreement.

    Attributes:
        scale: what a value is multiplied by before it is written.
        name: behind the written number.
        step: what a difference of 1 is called, in the plural.
        digits: of a written number behind its point.
        small_loss: of a value, that hardly anybody would mind.
        perfect: the value of what is equal to what it is held against.
        span: the least that an axis shows, as written, so that noise does not look like a cliff.
    """

    scale: float
    name: str
    step: str
    digits: int
    small_loss: float
    perfect: float
    span: float

    def say(self, value: float, digits: int | None = None) -> str:
        """ "64.3 %" or "33.21 dB"."""
        return f"{self.scale * value:.{self.digits if digits is None else digits}f} {self.name}"

    def say_step(self, difference: float, digits: int | None = None) -> str:
        """ "1.3 points" or "0.05 dB", of a difference as it is written."""
        return f"{difference:.{self.digits if digits is None else digits}f} {self.step}"


SHARE = Unit(100.0, "%", "points", 1, 0.01, 1.0, 8.0)
DECIBEL = Unit(1.0, "dB", "dB", 2, 0.05, 100.0, 0.4)

#: Of a restored picture against the dense one: at 50 dB they differ by less than a level in 255.
_LIKENESS = replace(DECIBEL, small_loss=50.0)

#: Of each task, the number of a scorer's summary that says how right it is; where there is no
#: truth, "agreement" is the number.
HEADLINES = {
    "semantic": "miou",
    "instance": "ap",
    "boxes3d": "ap",
    "panoptic": "pq",
    "classification": "top1_accuracy",
    "restoration": "psnr",
}

#: What that number is called.
METRICS = {
    "semantic": "mIoU",
    "instance": "mask AP",
    "boxes3d": "3D AP",
    "panoptic": "PQ",
    "classification": "top-1",
    "restoration": "PSNR",
}


def find_unit(metric: str, task: str | None = None) -> Unit:
    """The unit of an accuracy by its name.

    Args:
        metric: "mIoU", "mask AP", "PSNR", ..., or "agreement".
        task: whose agreement it is.
    """
    if metric == "agreement":
        return find_agreement_unit(task or "")
    return DECIBEL if metric == METRICS["restoration"] else SHARE


def find_agreement_unit(task: str) -> Unit:
    """The unit of what a task's ``compare`` gives as "agreement", by the task's name."""
    return _LIKENESS if task in ("restoration", "enhancement") else SHARE
