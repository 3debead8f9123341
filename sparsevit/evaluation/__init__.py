"""Measure networks against the truth and against dense, under several schedules."""

from sparsevit.evaluation.iou import Score, make_iou_metric, read_score
from sparsevit.evaluation.loop import (
    evaluate,
    evaluate_sizes,
    read_samples,
    wrap_segmenter,
)
from sparsevit.evaluation.scorers import check_classes
from sparsevit.evaluation.timing import add_latency

__all__ = [
    "Score",
    "add_latency",
    "check_classes",
    "evaluate",
    "evaluate_sizes",
    "make_iou_metric",
    "read_samples",
    "read_score",
    "wrap_segmenter",
]
