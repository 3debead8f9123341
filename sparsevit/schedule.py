"""Layerwise sparsities: one frozen form for everything a user may type. Standard library only."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any

Depths = tuple[int, ...]

#: Depths of Swin-T, the network of the paper's released schedules.
SWIN_TINY_DEPTHS: Depths = (2, 2, 6, 2)

#: The official release's schedules per pair, named by their latency (A6000, batch 4, 672 px).
PAPER_SCHEDULES: dict[str, tuple[tuple[float, ...], ...]] = {
    "paper-42ms": ((0.3,), (0.0,), (0.1, 0.2, 0.2), (0.0,)),
    "paper-35ms": ((0.6,), (0.0,), (0.2, 0.4, 0.5), (0.0,)),
    "paper-33ms": ((0.7,), (0.0,), (0.2, 0.4, 0.5), (0.0,)),
}

#: Sparsities drawn during sparsity-aware adaptation (paper section 3.2).
ADAPTATION_CHOICES: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)

_DECIMALS = (
    6  # a sparsity is kept to a millionth, so 0.1 + 0.2 and float32 values mean what they say
)


class ScheduleError(ValueError):
    """A schedule nobody can run; the message names what was wrong and what is allowed."""


def num_keep(num_windows: int, sparsity: float) -> int:
    """Windows kept of ``num_windows`` at ``sparsity``: floor(nW * (1 - s)), never fewer than one.

    Computed in whole millionths, so 0.8 of 100 windows keeps 20 and 0.9 of 10 keeps 1.

    Args:
        num_windows: windows of one image, >= 1.
        sparsity: fraction pruned, 0 <= s < 1.

    Raises:
        ScheduleError: the sparsity is not a number in [0, 1).
        ValueError: num_windows < 1.
    """
    if num_windows < 1:
        raise ValueError(f"num_windows must be at least 1, got {num_windows}.")
    one: int = 10**_DECIMALS
    return max(1, num_windows * (one - round(_check_sparsity(sparsity) * one)) // one)


def num_pairs(depth: int) -> int:
    """Pairs (plain + shifted block) of a stage with ``depth`` blocks; an odd last one is alone."""
    return (depth + 1) // 2


@dataclass(frozen=True)
class SparsitySchedule:
    """One sparsity per pair of blocks, per stage: ``((0.6,), (0.0,), (0.2, 0.4, 0.5), (0.0,))``.

    Build it with :meth:`parse`, which accepts every form a user may type.

    Attributes:
        stages: for each stage the sparsity of each pair, every one in [0, 1).
    """

    stages: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        stages = tuple(tuple(_check_sparsity(s) for s in stage) for stage in self.stages)
        if not stages or not all(stages):
            raise ScheduleError("A schedule needs at least one stage, and each stage one sparsity.")
        object.__setattr__(self, "stages", stages)

    @classmethod
    def parse(cls, value: Any, depths: Sequence[int] = SWIN_TINY_DEPTHS) -> SparsitySchedule:
        """Turn what a user typed into a schedule for a network with these ``depths``.

        Accepted: a schedule; a number (uniform); one number per stage; one per pair, flat or nested
        by stage; one per block, nested by stage, where the two blocks of a pair agree; a preset's
        name; JSON text of any of these; an object with the key "schedule".

        Args:
            value: the schedule in any of those forms.
            depths: blocks per stage, e.g. (2, 2, 6, 2).

        Raises:
            ScheduleError: wrong length, a value outside [0, 1), or an unreadable text.
        """
        pairs = [num_pairs(depth) for depth in depths]
        if isinstance(value, SparsitySchedule):
            return cls(_match_stages(list(value.stages), depths))
        if isinstance(value, str):
            if value in PAPER_SCHEDULES:
                return preset(value, depths)
            return cls.parse(_load_json(value), depths)
        if isinstance(value, dict):
            if "schedule" not in value:
                raise ScheduleError('A schedule object needs the key "schedule".')
            return cls.parse(value["schedule"], depths)
        if isinstance(value, Real) and not isinstance(value, bool):
            return cls(tuple((_check_sparsity(value),) * n for n in pairs))
        if not hasattr(value, "__iter__"):
            raise ScheduleError(f"A schedule is a number or a list of numbers, not {value!r}.")
        items = list(value)
        if any(hasattr(item, "__iter__") and not isinstance(item, str) for item in items):
            return cls(_match_stages(items, depths))
        if len(items) == len(depths):
            return cls(tuple((s,) * n for s, n in zip(items, pairs, strict=True)))
        if len(items) == sum(pairs):
            flat = iter(items)
            return cls(tuple(tuple(next(flat) for _ in range(n)) for n in pairs))
        raise ScheduleError(
            f"The schedule has {len(items)} numbers; this network takes 1 (uniform), "
            f"{len(depths)} (one per stage) or {sum(pairs)} (one per pair of blocks)."
        )

    @classmethod
    def random(
        cls,
        depths: Sequence[int],
        rng: random.Random,
        choices: Sequence[float] = ADAPTATION_CHOICES,
    ) -> SparsitySchedule:
        """Draw a schedule as sparsity-aware adaptation does: sorted inside each stage."""
        return cls(
            tuple(tuple(sorted(rng.choices(choices, k=num_pairs(depth)))) for depth in depths)
        )

    @property
    def is_dense(self) -> bool:
        """True when nothing is pruned anywhere."""
        return all(s == 0 for stage in self.stages for s in stage)

    def check_linked(self) -> SparsitySchedule:
        """Return self if sparsities never fall inside a stage, as shared scores require.

        Raises:
            ScheduleError: a pair is sparser than a later one of its stage.
        """
        for number, stage in enumerate(self.stages, start=1):
            if list(stage) != sorted(stage):
                raise ScheduleError(
                    f"Sparsities must not decrease inside a stage, but stage {number} has "
                    f"{list(stage)}; sort them, or re-score at every block (rescore=True)."
                )
        return self

    def link(self) -> SparsitySchedule:
        """The nearest schedule from above that never falls inside a stage (running maximum)."""
        return SparsitySchedule(
            tuple(
                tuple(max(stage[: pair + 1]) for pair in range(len(stage))) for stage in self.stages
            )
        )

    def sparsity_of(self, stage: int, block: int) -> float:
        """Sparsity of block ``block`` (0-based inside its stage) of stage ``stage`` (0-based)."""
        return self.stages[stage][block // 2]

    def to_list(self) -> list[list[float]]:
        """Nested lists, per pair per stage: what JSON and result files hold."""
        return [list(stage) for stage in self.stages]

    def to_json(self) -> str:
        """JSON text that :meth:`parse` reads back to an equal schedule."""
        return json.dumps({"schedule": self.to_list()})

    def __str__(self) -> str:
        return json.dumps(self.to_list())


def preset(name: str, depths: Sequence[int] = SWIN_TINY_DEPTHS) -> SparsitySchedule:
    """One of the paper's schedules, stretched where the network is deeper than Swin-T.

    Raises:
        ScheduleError: unknown name, or a network without four stages.
    """
    if name not in PAPER_SCHEDULES:
        raise ScheduleError(f"No preset {name!r}; presets are {', '.join(PAPER_SCHEDULES)}.")
    source = PAPER_SCHEDULES[name]
    if len(depths) != len(source):
        raise ScheduleError(
            f"Preset {name!r} is for 4 stages; this network has {len(depths)}. Give the numbers."
        )
    return SparsitySchedule(
        tuple(
            tuple(stage[pair * len(stage) // num_pairs(depth)] for pair in range(num_pairs(depth)))
            for stage, depth in zip(source, depths, strict=True)
        )
    )


def read_schedule(text: str, depths: Sequence[int] = SWIN_TINY_DEPTHS) -> SparsitySchedule:
    """Read a schedule from what a command line holds: a number, JSON, a preset or a .json file.

    Raises:
        ScheduleError: as :meth:`SparsitySchedule.parse`, or a file that cannot be read.
    """
    if text.endswith(".json"):
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ScheduleError(f"Cannot read the schedule file {text}: {error}.") from error
    return SparsitySchedule.parse(text, depths)


def _check_sparsity(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
        raise ScheduleError(
            f"A sparsity is a number from 0 up to, not including, 1; got {value!r}."
        )
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    number = round(number, _DECIMALS) if math.isfinite(number) else number
    if not 0 <= number < 1:
        raise ScheduleError(f"A sparsity must be at least 0 and below 1, got {value}.")
    return number + 0.0  # turns -0.0 into 0.0


def _match_stages(items: list[Any], depths: Sequence[int]) -> tuple[tuple[float, ...], ...]:
    if len(items) != len(depths):
        raise ScheduleError(
            f"The schedule has {len(items)} stages; this network has {len(depths)}."
        )
    stages = []
    for number, (item, depth) in enumerate(zip(items, depths, strict=True), start=1):
        values = list(item) if hasattr(item, "__iter__") and not isinstance(item, str) else [item]
        pairs = num_pairs(depth)
        if len(values) == depth and depth != pairs:
            if any(values[i] != values[i + 1] for i in range(0, depth - 1, 2)):
                raise ScheduleError(
                    f"The two blocks of a pair share one sparsity, but stage {number} has {values}."
                )
            values = values[::2]
        if len(values) == 1:
            values = values * pairs
        if len(values) != pairs:
            raise ScheduleError(
                f"Stage {number} takes {pairs} sparsities (one per pair of blocks) or 1, "
                f"got {len(values)}."
            )
        stages.append(tuple(values))
    return tuple(stages)


def _load_json(text: str) -> Any:
    try:
        return json.loads(re.sub(r"(?<![\d.])\.(?=\d)", "0.", text))  # .6 is how people type 0.6
    except (ValueError, RecursionError) as error:
        raise ScheduleError(
            f"Cannot read the schedule {text[:40]!r}; write a number such as 0.6, "
            f"nested lists such as [[0.6], [0], [0.2, 0.4, 0.5], [0]], a .json file or one of "
            f"{', '.join(PAPER_SCHEDULES)}."
        ) from error
