"""Every error as one sentence for the user; what nobody foresaw goes to the log."""

from __future__ import annotations

import logging

from sparsevit.data.focal import CameraError
from sparsevit.data.reader import ImageError
from sparsevit.hosts.registry import UnsupportedModelError
from sparsevit.measure.memory import is_out_of_memory
from sparsevit.networks import ModelError
from sparsevit.networks.segmenter import CheckpointError
from sparsevit.schedule import ScheduleError
from sparsevit.search import SearchError

_log = logging.getLogger(__name__)

_EXPECTED = (
    CameraError,
    ImageError,
    ModelError,
    ScheduleError,
    CheckpointError,
    UnsupportedModelError,
    SearchError,
)


def explain(error: Exception, device: str) -> str:
    """What went wrong, in one sentence that says what is allowed or what to do.

    Args:
        error: anything that was raised.
        device: the device in words.
    """
    if isinstance(error, _EXPECTED):
        return str(error)
    if is_out_of_memory(error):
        return f"The picture is too large for the memory of {device}; choose a smaller short side."
    _log.error("Unexpected error", exc_info=error)
    return "Something went wrong inside and was logged; your current result is kept."
