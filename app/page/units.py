"""How agreement and accuracy are written on the page: as shares, or in dB where pictures are."""

from __future__ import annotations

from dataclasses import dataclass

from sparsevit.package.units import DECIBEL, Unit, find_agreement_unit


@dataclass(frozen=True)
class Yardstick:
    """What the trade-off and the search are about, by the task.

    Attributes:
        name: "agreement" or "PSNR".
        words: the same and against what.
        unit: of the numbers.
    """

    name: str
    words: str
    unit: Unit

    @property
    def title(self) -> str:
        """The name at the beginning of a sentence."""
        return self.name[0].upper() + self.name[1:]

    @property
    def axis(self) -> str:
        """Of a chart, with the unit."""
        return f"{self.words}, {self.unit.name}"

    def scale(self, value: float) -> float:
        """A number as an axis has it."""
        return self.unit.scale * value

    def say(self, value: float) -> str:
        """A number that no line breaks, with its unit."""
        return glue(self.unit.say(value))

    @property
    def small_loss(self) -> str:
        """What hardly anybody would mind: "1 %" or "0.05 dB"."""
        return f"{self.unit.scale * self.unit.small_loss:g} {self.unit.name}"


def find_yardstick(task: str) -> Yardstick:
    """Of a task by its name: PSNR where every photo is its own truth, else agreement."""
    if task == "restoration":
        return Yardstick("PSNR", "PSNR against the original", DECIBEL)
    return Yardstick("agreement", "agreement with dense", find_agreement_unit(task))


def say_agreement(value: float, task: str, digits: int | None = None) -> str:
    """An agreement as it is written: "98.1 %" or "45.20 dB"."""
    return find_agreement_unit(task).say(value, digits)


def glue(text: str) -> str:
    """The same text, which no line breaks."""
    return text.replace(" ", "\u00a0")
