"""Activation sparsity for window-attention vision transformers (SparseViT, CVPR 2023).

Letters in shapes: B batch; H, W tokens of a stage's grid; img_h, img_w pixels; C channels;
Wh, Ww window; N = Wh * Ww; nW windows of an image; K kept windows; nH heads; n windows at hand.
"""

from sparsevit.patch import (
    UnsupportedModelError,
    densify,
    get_depths,
    is_sparse,
    register_host,
    sparsify,
)
from sparsevit.schedule import PAPER_SCHEDULES, ScheduleError, SparsitySchedule, num_keep
from sparsevit.scoring import SCORES
from sparsevit.trace import BlockTrace, Trace, capture

__version__ = "0.1.0"

__all__ = [
    "PAPER_SCHEDULES",
    "SCORES",
    "BlockTrace",
    "ScheduleError",
    "SparsitySchedule",
    "Trace",
    "UnsupportedModelError",
    "capture",
    "densify",
    "get_depths",
    "is_sparse",
    "num_keep",
    "register_host",
    "sparsify",
]
