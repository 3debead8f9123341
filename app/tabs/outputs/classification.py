"""Classification in the tab Outputs: the likeliest classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.engine.records import Result
from app.page.common import round_number
from sparsevit.tasks.classification import TOP, ClassificationTask


def describe_top(result: Result, task: ClassificationTask) -> dict[str, Any]:
    """The five likeliest classes of both networks, as plain data.

    Returns:
        ``{"agreement", "same_top", "rows": [{"name", "dense", "sparse"}]}``: their probabilities.
    """
    dense, sparse = result.analysis.prepared.dense, result.analysis.sparse
    first = [np.argsort(-prediction, kind="stable")[:TOP] for prediction in (dense, sparse)]
    # Dense first, so that no row moves while the sparse output changes. Names are not unique.
    indices = dict.fromkeys(np.concatenate(first).tolist())
    return {
        "agreement": round_number(result.analysis.agreement["agreement"]),
        "same_top": bool(dense.argmax() == sparse.argmax()),
        "rows": [
            {
                "name": task.class_names[index],
                "dense": round_number(dense[index]),
                "sparse": round_number(sparse[index]),
            }
            for index in indices
        ],
    }
