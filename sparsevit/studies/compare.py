"""How much more accurate one thing is than another, and whether these pictures can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sparsevit.studies.measure import Measured, compute_miou

#: Latencies, evenly spread over what two curves share, at which they are compared.
LATENCIES = 5

_RESAMPLES = 1000  # draws of the pictures, with repetition, for the 95 % intervals
_INTERVAL = (2.5, 97.5)  # percentiles


@dataclass(frozen=True)
class Gain:
    """How much more accurate ``of`` is than ``over``, in points: hundredths of mIoU.

    Attributes:
        of, over: what is compared, in words.
        points: positive where ``of`` is better; over latencies, the median.
        interval_points: 95 % of it when the pictures are drawn anew (paired bootstrap). It holds
            what the choice of pictures does, not what noise of the latencies does.
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


def resample_mious(measured: Sequence[Measured]) -> np.ndarray:
    """The mIoU of every variant, on the pictures as they are and on pictures drawn anew.

    Args:
        measured: variants that saw the same pictures.

    Returns:
        (1 + resamples, variants) float64, 0..1; row 0 is what was measured. The draws depend on
        the number of pictures alone, so rows of two calls belong together.
    """
    pictures = len(measured[0].confusions)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(pictures, [1 / pictures] * pictures, size=_RESAMPLES)
    weights = np.concatenate([np.ones((1, pictures), dtype=drawn.dtype), drawn])
    columns = [
        compute_miou(np.tensordot(weights, one.confusions, axes=1))  # (1 + resamples,)
        for one in measured
    ]
    return np.stack(columns, axis=1)


def compare_means(
    of: str, over: str, better: Sequence[Measured], rival: Sequence[Measured]
) -> Gain:
    """The gain in mean mIoU of some variants over that of others."""
    points = 100 * (resample_mious(better).mean(axis=1) - resample_mious(rival).mean(axis=1))
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
    points = 100 * (_interpolate(curve, at) - _interpolate(rival, at))  # (1 + resamples, at)
    return Gain(
        of,
        over,
        *_summarise(np.median(points, axis=1)),
        latencies_ms=tuple(round(float(ms), 2) for ms in at),
        points_at=tuple(round(float(p), 3) for p in points[0]),
    )


def describe_gain(gain: Gain, pictures: int) -> str:
    """The gain as the words after its subject: "is 1.3 points ... than ... (95 % ...)".

    Args:
        gain: what was found.
        pictures: how many were measured on.
    """
    low, high = gain.interval_points
    amount = f"{abs(gain.points):.1f} points of mIoU {'more' if gain.points >= 0 else 'less'}"
    where = ""
    if gain.latencies_ms:
        where = f" at equal latency, median over {len(gain.latencies_ms)} latencies"
    doubt = ", so they cannot be told apart" if low <= 0 <= high else ""
    return (
        f"{amount} accurate than {gain.over}{where} (95 % interval over {pictures} pictures "
        f"{low:+.1f} to {high:+.1f}{doubt})"
    )


def _latencies(curve: Sequence[Measured]) -> list[float]:
    return [one.latency_ms for one in curve if one.latency_ms is not None]


def _interpolate(curve: Sequence[Measured], at: np.ndarray) -> np.ndarray:
    """(1 + resamples, latencies) mIoU of a curve at some latencies."""
    latencies = np.array(_latencies(curve))
    order = np.argsort(latencies)
    mious = resample_mious(curve)[:, order]
    return np.stack([np.interp(at, latencies[order], row) for row in mious])


def _summarise(points: np.ndarray) -> tuple[float, tuple[float, float]]:
    """The figure itself, and its interval."""
    low, high = np.percentile(points[1:], _INTERVAL)
    return round(float(points[0]), 3), (round(float(low), 3), round(float(high), 3))
