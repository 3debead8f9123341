"""The features of a backbone in the tab Outputs: drawings of how strong they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.engine.records import Result
from app.page.common import display_photo, photo_key, round_number
from app.tabs.outputs.drawings import LONG_SIDE, encode_pair
from sparsevit.tasks.features import FeaturesTask


def describe_features(result: Result, task: FeaturesTask) -> dict[str, Any]:
    """The features of a backbone, as plain data.

    Returns:
        ``{"photo": key, "classes": [{"name"}], "drawings": [{"dense", "sparse"}], "agreement",
        "rows"}``. Classes are the stages. Drawings are photos with the strength of the dense
        features, and with the cosine of sparse and dense: of all stages, then of each. A row is a
        stage, ``{"index", "grid": [rows, columns], "channels", "cosine"}``: its mean cosine.
    """
    analysis = result.analysis
    dense, sparse = analysis.prepared.dense, analysis.sparse
    photo = display_photo(result.photo, analysis.prepared.input_size, LONG_SIDE)
    stages = range(len(dense.maps))
    alone = [[replace(side, maps=side.maps[i : i + 1]) for side in (dense, sparse)] for i in stages]
    return {
        "photo": photo_key(result.photo, analysis.prepared.input_size),
        "classes": [{"name": f"Stage {index + 1}"} for index in stages],
        "drawings": [
            encode_pair(task.draw_pair(photo, *pair)) for pair in ([dense, sparse], *alone)
        ],
        "agreement": round_number(analysis.agreement["agreement"]),
        "rows": [
            {
                "index": index,
                "grid": list(dense.maps[index].shape[1:]),
                "channels": len(dense.maps[index]),
                "cosine": round_number(analysis.agreement[f"stage{index + 1}"]),
            }
            for index in stages
        ],
    }
