"""What a window shows, by what the dense network says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from app.engine.records import Result
from sparsevit.core.windows import WindowGrid, map_tokens_to_windows
from sparsevit.tasks.semantic import SemanticTask


def find_classes(
    result: Result,
) -> tuple[list[str], Callable[[WindowGrid], list[int] | None]]:
    """Names of the task's classes, and what gives the commonest in each window.

    Returns:
        (names, find): ``find(grid)`` has an index of names for each window, row-major; None where
        the task does not give pixels classes.
    """
    task = result.task
    if not isinstance(task, SemanticTask):
        return [], lambda grid: None
    labels = result.analysis.prepared.dense  # (img_h, img_w)

    def find(grid: WindowGrid) -> list[int]:
        owner = map_tokens_to_windows(grid).numpy()
        rows = (np.arange(labels.shape[0]) * grid.grid[0]) // labels.shape[0]
        cols = (np.arange(labels.shape[1]) * grid.grid[1]) // labels.shape[1]
        count = len(task.class_names)
        pairs = owner[rows][:, cols].astype(np.int64) * count + labels
        counts = np.bincount(pairs.ravel(), minlength=grid.num_windows * count)
        found: list[int] = counts.reshape(-1, count).argmax(axis=1).tolist()
        return found

    return list(task.class_names), find
