"""Activation sparsity for window-attention vision transformers (SparseViT, CVPR 2023).

Letters in shapes: B batch; H, W tokens of a stage's grid; img_h, img_w pixels; C channels;
Wh, Ww window; N = Wh * Ww; nW windows of an image; K kept windows; nH heads; n windows at hand.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparsevit.core.ranking import rank_by
    from sparsevit.core.trace import BlockTrace, Trace, capture
    from sparsevit.hosts.registry import UnsupportedModelError, register_host
    from sparsevit.package.choices import SCORES
    from sparsevit.patch import densify, get_depths, is_sparse, sparsify
    from sparsevit.schedule import PAPER_SCHEDULES, ScheduleError, SparsitySchedule, num_keep

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
    "rank_by",
    "register_host",
    "sparsify",
]

#: Where the names are, the quickest to import first.
_HOMES = ("schedule", "package.choices", "core.trace", "core.ranking", "hosts.registry", "patch")


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for: the command's help needs no torch."""
    for home in _HOMES if name in __all__ else ():
        module = import_module(f"sparsevit.{home}")
        if hasattr(module, name):
            globals()[name] = getattr(module, name)
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
