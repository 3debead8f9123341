"""What the dense and the sparse network say about the photo, for every task."""

from __future__ import annotations

import json
from typing import Any

from app.engine.records import Result
from app.page.units import say_agreement
from app.tabs.outputs.boxes import describe_boxes
from app.tabs.outputs.classification import describe_top
from app.tabs.outputs.features import describe_features
from app.tabs.outputs.restoration import describe_restored
from app.tabs.outputs.segments import describe_segments
from app.tabs.outputs.semantic import describe_maps
from sparsevit.tasks.boxes3d import Boxes3DTask
from sparsevit.tasks.classification import ClassificationTask
from sparsevit.tasks.features import FeaturesTask
from sparsevit.tasks.restoration import RestorationTask
from sparsevit.tasks.segments import SegmentsTask
from sparsevit.tasks.semantic import SemanticTask


def make_outputs(result: Result) -> str:
    """JSON for ``view.js``, see :func:`describe_outputs`."""
    return json.dumps(describe_outputs(result), separators=(",", ":"))


def describe_outputs(result: Result) -> dict[str, Any]:
    """``{"task": name, "said": agreement as written, ...}`` with what the task's own module says.

    Shares, probabilities and IoU are fractions in [0, 1].

    Raises:
        TypeError: another kind of task.
    """
    task = result.task
    if isinstance(task, SemanticTask):
        content = describe_maps(result, task)
    elif isinstance(task, ClassificationTask):
        content = describe_top(result, task)
    elif isinstance(task, SegmentsTask):
        content = describe_segments(result, task)
    elif isinstance(task, Boxes3DTask):
        content = describe_boxes(result, task)
    elif isinstance(task, FeaturesTask):
        content = describe_features(result, task)
    elif isinstance(task, RestorationTask):
        content = describe_restored(result, task)
    else:
        raise TypeError(f"There is no view of {task.name} outputs.")
    said = say_agreement(result.analysis.agreement["agreement"], task.name)
    return {"task": task.name, "said": said, **content}
