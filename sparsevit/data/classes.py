"""Which classes a folder of labels holds: their names and colours, and which labels are void."""

from __future__ import annotations

import colorsys
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparsevit.data import streets
from sparsevit.data.pictures import DataError

#: Label value that means void in every folder.
VOID_LABEL = 255

#: So that every class and two values for void fit into eight bits.
MAX_CLASSES = 254

#: What a folder of labelled pictures names its classes in.
CLASSES_FILE = "classes.json"

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ClassList:
    """Classes of label files.

    Attributes:
        names: the classes without void, in the order of a network's output.
        palette: one RGB colour, 0..255, for each.
        void: label value that means void beside 255; if classes lie above it they move down by one.
    """

    names: tuple[str, ...]
    palette: tuple[Colour, ...]
    void: int | None = None

    def __post_init__(self) -> None:
        if not self.names or not all(isinstance(name, str) and name for name in self.names):
            raise DataError("Classes are a list of names.")
        if len(set(self.names)) < len(self.names) or len(self.names) > MAX_CLASSES:
            raise DataError(f"Class names are different from each other, {MAX_CLASSES} at most.")
        if len(self.palette) != len(self.names):
            raise DataError("A palette has one colour for each class.")

    def index_labels(self) -> np.ndarray:
        """(256,) int16: the class of every label value, ``len(names)`` for void, -1 if unknown."""
        count = len(self.names)
        table = np.full(256, -1, dtype=np.int16)
        values = [value for value in range(256) if value != self.void][:count]
        table[values] = np.arange(count)
        table[[VOID_LABEL] if self.void is None else [VOID_LABEL, self.void]] = count
        return table

    def describe_labels(self) -> str:
        """What a label file may hold, for a person."""
        top = len(self.names) - (self.void is None or self.void >= len(self.names))
        return f"0 to {top} for the {len(self.names)} classes and {self.describe_void()} for void"

    def describe_void(self) -> str:
        """The label values that mean void, for a person."""
        values = {VOID_LABEL} if self.void is None else {VOID_LABEL, self.void}
        return " or ".join(map(str, sorted(values)))


#: Of the drawn streets, and of CamVid as SegNet's authors label it.
STREET_CLASSES = ClassList(
    streets.CLASS_NAMES[:-1],
    tuple((int(r), int(g), int(b)) for r, g, b in streets.PALETTE[:-1]),
    void=streets.VOID,
)


def name_classes(names: Sequence[str]) -> ClassList:
    """Classes that only have names; labels count them from 0.

    Raises:
        DataError: no names, or the same one twice.
    """
    if tuple(names) == STREET_CLASSES.names:
        return STREET_CLASSES
    return ClassList(tuple(names), make_palette(len(names)))


def find_classes(root: Path) -> ClassList | None:
    """Read classes.json in ``root``, or beside it where ``root`` is one part of a data set.

    Raises:
        DataError: the file does not hold ``{"classes": [...], "palette": [...], "void": n}``, of
            which the last two may be missing.
    """
    for folder in (root, root.parent):
        path = folder / CLASSES_FILE
        if path.is_file():
            try:
                return _parse_classes(json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError) as error:
                raise DataError(f"Cannot use {path}: {error}") from error
    return None


def make_palette(count: int) -> tuple[Colour, ...]:
    """Colours that are easy to tell apart; the first ones are the same for every ``count``."""
    colours = []
    for index in range(count):
        hue = index * 0.618034 % 1  # the golden ratio: each new hue falls into the widest gap
        light, strength = (0.95, 0.7, 0.5)[index // 3 % 3], (0.85, 0.6, 0.4)[index // 9 % 3]
        red, green, blue = colorsys.hsv_to_rgb(hue, strength, light)
        colours.append((round(255 * red), round(255 * green), round(255 * blue)))
    return tuple(colours)


def _parse_classes(found: Any) -> ClassList:
    if not isinstance(found, dict) or not isinstance(found.get("classes"), list):
        raise DataError('it needs a list of names, as in {"classes": ["road", "car"]}.')
    listed: list[Any] = found["classes"]
    void = found.get("void")
    if void is not None and (type(void) is not int or not 0 <= void <= VOID_LABEL):
        raise DataError(f'"void" is a label value from 0 to {VOID_LABEL}.')
    colours = found.get("palette")
    palette = list(make_palette(len(listed))) if colours is None else _parse_palette(colours)
    kept = [index for index in range(len(listed)) if index != void]
    if len(palette) < len(listed):
        raise DataError("the palette has fewer colours than there are classes.")
    names = tuple(listed[index] for index in kept)
    return ClassList(names, tuple(palette[index] for index in kept), void)


def _parse_palette(colours: Any) -> list[Colour]:
    if not isinstance(colours, list):
        raise DataError("the palette is a list of colours.")
    for colour in colours:
        levels = colour if isinstance(colour, list) else []
        if len(levels) != 3 or not all(type(v) is int and 0 <= v <= 255 for v in levels):
            raise DataError("a palette colour is three whole numbers from 0 to 255.")
    return [tuple(colour) for colour in colours]
