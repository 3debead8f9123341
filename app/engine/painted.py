"""Windows painted by hand, as they travel: as plain data with the sliders, as a text in a link."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sparsevit.inspect.painted import Painted

# Stage, partition and block counted from 1 ("1p-" is the plain windows of all blocks of the first
# stage), the windows there are, and the ranges kept and skipped: "1p-.8x16.3-5_9.12"
_ENTRY = re.compile(r"(\d+)([ps])(-|\d+)\.(\d+)x(\d+)\.([\d_-]*)\.([\d_-]*)")
_MOST_WINDOWS = 100_000  # of one entry; far more than any network has
_PARTITIONS = {"p": False, "s": True}


def read_painted(entries: Sequence[Mapping[str, Any]]) -> tuple[Painted, ...]:
    """Windows painted by hand, from plain data.

    Raises:
        KeyError, TypeError, ValueError: it is not of the right form.
    """
    painted = []
    for entry in entries:
        block = entry["block"]
        stage, rows, cols = (int(entry[name]) for name in ("stage", "rows", "cols"))
        keep, skip = (tuple(sorted({int(n) for n in entry[name]})) for name in ("keep", "skip"))
        block = None if block is None else int(block)
        painted.append(Painted(stage, bool(entry["shifted"]), rows, cols, keep, skip, block))
    return tuple(painted)


def write_text(painted: Sequence[Painted]) -> str:
    """What was painted as a short text without letters that an address would have to escape."""
    return "~".join(
        f"{entry.stage + 1}{'s' if entry.shifted else 'p'}"
        f"{'-' if entry.block is None else entry.block + 1}.{entry.rows}x{entry.cols}"
        f".{_join_ranges(entry.keep)}.{_join_ranges(entry.skip)}"
        for entry in painted
    )


def read_text(text: str) -> tuple[Painted, ...]:
    """What :func:`write_text` wrote.

    Raises:
        ValueError: it is something else.
    """
    painted = []
    for part in text.split("~") if text else ():
        found = _ENTRY.fullmatch(part)
        if found is None:
            raise ValueError(f"Not windows painted by hand: {part[:40]!r}.")
        stage, kind, block, rows, cols, keep, skip = found.groups()
        painted.append(
            Painted(
                int(stage) - 1,
                _PARTITIONS[kind],
                int(rows),
                int(cols),
                _list_ranges(keep),
                _list_ranges(skip),
                None if block == "-" else int(block) - 1,
            )
        )
    return tuple(painted)


def _join_ranges(numbers: Sequence[int]) -> str:
    """3, 4, 5, 9 -> "3-5_9"."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return "_".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


def _list_ranges(text: str) -> tuple[int, ...]:
    numbers: set[int] = set()
    for part in text.split("_") if text else ():
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        if high - low >= _MOST_WINDOWS:
            raise ValueError("more windows than any network has")
        numbers.update(range(low, high + 1))
    return tuple(sorted(numbers))
