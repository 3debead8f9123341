"""The result of a search: the schedules that nothing beats in both latency and accuracy."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Any

from sparsevit.package.units import SHARE, Unit, find_unit
from sparsevit.schedule import ScheduleError, SparsitySchedule

_FORMAT = "sparsevit-frontier-1"


class FrontierError(ValueError):
    """A frontier file that cannot be used; the message is one sentence that says why."""


@dataclass(frozen=True)
class FrontierPoint:
    """A schedule and what it gives.

    Attributes:
        schedule: layerwise sparsities.
        accuracy: of the search's metric, in its unit: 0 to 1, or dB.
        predicted_ms: latency by the predictor.
        latency_ms: latency measured, None if it was not.
    """

    schedule: SparsitySchedule
    accuracy: float
    predicted_ms: float
    latency_ms: float | None = None

    @property
    def best_known_ms(self) -> float:
        """The measured latency where there is one, else the predicted."""
        return self.predicted_ms if self.latency_ms is None else self.latency_ms


@dataclass(frozen=True)
class Frontier:
    """The trade-off of one network on one device.

    Attributes:
        model: the network's name.
        task: what it is for, such as "semantic"; None in files of before networks had several.
        device: what latency was measured on, in words.
        size: (img_h, img_w) pixels fed to the network.
        batch: images at once.
        dtype: e.g. "float32".
        metric: what accuracy is: "agreement", or of labels "mIoU", "mask AP", "3D AP", "PQ",
            "top-1" or "PSNR".
        data: which pictures, in words.
        pictures: how many of them the accuracies are over.
        dense_ms: measured latency of the fastest dense form.
        dense_accuracy: of the dense network on the same pictures.
        seed: of the search.
        trials: schedules that were evaluated.
        other_load: share of the CPUs that other processes used while latency was measured, None if
            unknown.
        points: by rising latency and so by rising accuracy: none is beaten in both.
        budget_ms: the latency that was asked for, None without a budget.
        predictor_error_percent: median error of predicted_ms on measured schedules, None if it was
            not measured.
        doubt: why the measured latencies are not worth quoting; None if they are.
        versions: of sparsevit, torch, timm and optuna.
    """

    model: str
    device: str
    size: tuple[int, int]
    batch: int
    dtype: str
    metric: str
    data: str
    pictures: int
    dense_ms: float
    dense_accuracy: float
    seed: int
    trials: int
    other_load: float | None
    points: tuple[FrontierPoint, ...]
    budget_ms: float | None = None
    predictor_error_percent: float | None = None
    doubt: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    task: str | None = None

    @property
    def unit(self) -> Unit:
        """What accuracies are counted in."""
        return find_unit(self.metric, self.task)

    @property
    def winner(self) -> FrontierPoint | None:
        """The point to use: the most accurate within the budget.

        Without a budget it is the fastest that loses little accuracy against dense, a point or
        what else its unit calls a small loss; or else the most accurate. None when there is no such
        point.
        """
        return find_winner(self.points, self.dense_accuracy, self.budget_ms, self.unit)

    def find_best(self, budget_ms: float) -> FrontierPoint | None:
        """The most accurate point that is not slower than ``budget_ms``; None if all are."""
        return find_best(self.points, budget_ms)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; its "schedule" is the winner's, so it can be used as a schedule."""
        winner = self.winner
        points = [asdict(point) | {"schedule": point.schedule.to_list()} for point in self.points]
        head: dict[str, Any] = {"format": _FORMAT}
        if winner is not None:
            head["schedule"] = winner.schedule.to_list()
        return head | vars(self) | {"size": list(self.size), "points": points}

    def save(self, path: str | Path) -> None:
        """Write it as JSON, which :func:`read_frontier` and ``--sparsity FILE`` read."""
        write_text(Path(path), json.dumps(self.to_dict(), indent=2) + "\n")


def read_frontier(path: str | Path, model: str | None = None, task: str | None = None) -> Frontier:
    """Read what :meth:`Frontier.save` wrote.

    Args:
        path: the JSON file.
        model: the network it must be of, by name or file; any if None.
        task: the task it must be of; any if None.

    Raises:
        FrontierError: no such file, no frontier file, or of another network or task.
    """
    path = Path(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FrontierError(f"Cannot read the frontier file {path}: {error.strerror}.") from error
    except ValueError as error:
        raise FrontierError(f"{path} is not a frontier file of 'sparsevit search'.") from error
    try:
        frontier = _parse(values)
    except (KeyError, TypeError, ValueError, ScheduleError) as error:
        raise FrontierError(f"{path} is not a frontier file of 'sparsevit search'.") from error
    if model is not None and name_network(model) != frontier.model:
        raise FrontierError(
            f"The frontier file {path} is of {frontier.model}, not of {name_network(model)}."
        )
    if task is not None and frontier.task not in (None, task):
        raise FrontierError(f"The frontier file {path} is for {frontier.task}, not for {task}.")
    return frontier


def find_pareto(points: Iterable[FrontierPoint]) -> list[FrontierPoint]:
    """The points that none beats in both latency and accuracy, by rising latency.

    Of points that are equal in both, the first is taken.
    """
    kept: list[FrontierPoint] = []
    for point in sorted(points, key=lambda p: (p.best_known_ms, -p.accuracy)):
        if not kept or point.accuracy > kept[-1].accuracy:
            kept.append(point)
    return kept


def find_best(points: Iterable[FrontierPoint], budget_ms: float) -> FrontierPoint | None:
    """The most accurate point that is not slower than ``budget_ms``, the faster of equals."""
    affordable = [point for point in points if point.best_known_ms <= budget_ms]
    return max(affordable, key=lambda p: (p.accuracy, -p.best_known_ms), default=None)


def find_winner(
    points: Sequence[FrontierPoint],
    dense_accuracy: float,
    budget_ms: float | None,
    unit: Unit = SHARE,
) -> FrontierPoint | None:
    """The point to use; see :attr:`Frontier.winner`."""
    if budget_ms is not None:
        return find_best(points, budget_ms)
    good = [point for point in points if point.accuracy >= dense_accuracy - unit.small_loss]
    if good:
        return min(good, key=lambda p: p.best_known_ms)
    return max(points, key=lambda p: p.accuracy, default=None)


def spread(points: Sequence[FrontierPoint], count: int) -> list[FrontierPoint]:
    """At most ``count`` of some points, spread over their latencies; both ends are kept.

    The point whose neighbours are nearest to each other goes first, again and again, as NSGA-II's
    crowding distance has it.

    Args:
        points: any.
        count: >= 1.

    Returns:
        By rising latency.
    """
    kept = sorted(points, key=lambda p: p.best_known_ms)
    while len(kept) > max(count, 2):
        gaps = [
            after.best_known_ms - before.best_known_ms
            for before, after in zip(kept, kept[2:], strict=False)
        ]
        del kept[1 + gaps.index(min(gaps))]
    return kept[:count]


def name_shipped(network: str, task: str) -> str:
    """The file beside a network of ours that holds its frontier for a task."""
    return f"{network}.frontier.json" if task == "semantic" else f"{network}.{task}.frontier.json"


def name_network(name: str) -> str:
    """A network's name without the place its file lies at."""
    return PurePath(name).stem if name.endswith(".safetensors") else name


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _parse(values: dict[str, Any]) -> Frontier:
    if values["format"] != _FORMAT:
        raise ValueError(values["format"])
    points = tuple(
        FrontierPoint(
            schedule=SparsitySchedule(tuple(map(tuple, point["schedule"]))),
            accuracy=float(point["accuracy"]),
            predicted_ms=float(point["predicted_ms"]),
            latency_ms=None if point["latency_ms"] is None else float(point["latency_ms"]),
        )
        for point in values["points"]
    )
    height, width = map(int, values["size"])
    known = {key: values[key] for key in values if key not in ("format", "schedule")}
    if known["metric"] == "mIoU":  # files of before networks had several tasks do not say more
        known.setdefault("task", "semantic")
    return Frontier(**known | {"points": points, "size": (height, width)})
