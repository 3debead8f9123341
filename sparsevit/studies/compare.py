"""How much more accurate one thing is than another, and whether these pictures can tell.

Intervals are a jackknife's: both sides are measured again without some of the pictures, each group
of them in turn, and how far that moves the gain tells what the choice of pictures does. So it holds
for every accuracy, though mIoU and AP of many pictures are no means over single ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sparsevit.studies.measure import Measured
from sparsevit.studies.subject import Subject

#: Latencies, evenly spread over what two curves share, at which they are compared.
LATENCIES = 5

#: Student's t of 95 % intervals, for 2 to 8 groups of pictures.
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365)


@dataclass(frozen=True)
class Gain:
    """How much more accurate ``of`` is than ``over``, in steps of the unit of accuracy.

    Those are points, hundredths of a share, or dB; "points" stands for either in the names.

    Attributes:
        of, over: what is compared, in words.
        points: positive where ``of`` is better; over latencies, the median.
        interval_points: where it is by 95 %. It holds what the choice of pictures does, not what
            noise of the latencies does.
        latencies_ms: where accuracies were interpolated; empty without latency.
        points_at: of each of these latencies.
    """

    of: str
    over: str
    points: float
    interval_points: tuple[float, float]
    latencies_ms: tuple[float, ...] = ()
    points_at: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        values = asdict(self)
        return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}


def compare_means(
    of: str, over: str, better: Sequence[Measured], rival: Sequence[Measured]
) -> Gain:
    """The gain in mean accuracy of some variants over that of others."""
    scale = better[0].unit.scale
    points = scale * (_stack(better).mean(axis=1) - _stack(rival).mean(axis=1))
    return Gain(of, over, *_summarise(points))


def compare_curves(
    of: str, over: str, curve: Sequence[Measured], rival: Sequence[Measured]
) -> Gain | None:
    """The gain at equal latency: straight lines between the points of either curve.

    Args:
        of, over: the curves in words.
        curve, rival: timed variants, in any order.

    Returns:
        None where the curves share no latency.
    """
    low = max(min(_latencies(curve)), min(_latencies(rival)))
    high = min(max(_latencies(curve)), max(_latencies(rival)))
    if low > high:
        return None
    at = np.linspace(low, high, LATENCIES)
    scale = curve[0].unit.scale
    points = scale * (_interpolate(curve, at) - _interpolate(rival, at))  # (1 + groups, at)
    return Gain(
        of,
        over,
        *_summarise(np.median(points, axis=1)),
        latencies_ms=tuple(round(float(ms), 2) for ms in at),
        points_at=tuple(round(float(p), 3) for p in points[0]),
    )


def describe_gain(gain: Gain, subject: Subject) -> str:
    """The gain as the words after its subject: "is 1.3 points ... than ... (95 % ...)".

    Args:
        gain: what was found.
        subject: on what.
    """
    unit, (low, high) = subject.unit, gain.interval_points
    more = "more" if gain.points >= 0 else "less"
    amount = f"{unit.say_step(abs(gain.points))} of {subject.metric} {more}"
    where = ""
    if gain.latencies_ms:
        where = f" at equal latency, median over {len(gain.latencies_ms)} latencies"
    doubt = ", so they cannot be told apart" if low <= 0 <= high else ""
    return (
        f"{amount} accurate than {gain.over}{where} (95 % interval over {subject.pictures} "
        f"pictures {low:+.{unit.digits}f} to {high:+.{unit.digits}f}{doubt})"
    )


def _latencies(curve: Sequence[Measured]) -> list[float]:
    return [one.latency_ms for one in curve if one.latency_ms is not None]


def _interpolate(curve: Sequence[Measured], at: np.ndarray) -> np.ndarray:
    """(1 + groups, latencies) accuracy of a curve at some latencies."""
    latencies = np.array(_latencies(curve))
    order = np.argsort(latencies)
    return np.stack([np.interp(at, latencies[order], row) for row in _stack(curve)[:, order]])


def _stack(measured: Sequence[Measured]) -> np.ndarray:
    """(1 + groups, variants) accuracy of variants that saw the same pictures."""
    return np.stack([one.accuracies for one in measured], axis=1)


def _summarise(points: np.ndarray) -> tuple[float, tuple[float, float]]:
    """The figure itself, and its interval.

    Args:
        points: (1 + groups,), over all pictures and without each group of them.
    """
    found, without = float(points[0]), points[1:]
    groups = len(without)
    error = float(np.sqrt((groups - 1) * without.var()))
    half = _STUDENT[groups - 2] * error
    return round(found, 3), (round(found - half, 3), round(found + half, 3))
