"""One photo through a network: it leaves the network as it was."""

from __future__ import annotations

import numpy as np
import pytest
from latency_support import pace

from sparsevit.inspect.photo import analyze, measure, prepare_image
from sparsevit.measure.dense import DENSE_FORMS
from sparsevit.networks import load_model
from sparsevit.patch import get_sparsity, set_sparsity
from sparsevit.schedule import ScheduleError, SparsitySchedule


def test_an_analysis_leaves_the_schedule(home, monkeypatch):
    loaded = load_model("small")
    before = SparsitySchedule.parse([[0.3], [0.1], [0.2, 0.4], [0.0]], loaded.depths)
    set_sparsity(loaded.module, before)
    _, ran = pace(monkeypatch, loaded.module, dict.fromkeys((*DENSE_FORMS, "sparse"), 1.0))
    prepared = prepare_image(loaded, np.zeros((64, 128, 3), np.uint8))
    assert (get_sparsity(loaded.module), ran) == (before, ["sparsevit"])
    analysis = analyze(loaded, prepared, 0.6)
    assert (get_sparsity(loaded.module), ran[1:]) == (before, ["sparse"])
    assert analysis.schedule == SparsitySchedule.parse(0.6, loaded.depths)
    measured = measure(loaded, analysis, 2)
    assert get_sparsity(loaded.module) == before
    assert len(measured.latency.sparse.samples_ms) == 2
    with pytest.raises(ScheduleError):
        analyze(loaded, prepared, 1.5)
    monkeypatch.setattr(loaded.module, "forward", None)
    for action in (
        lambda: prepare_image(loaded, np.zeros((64, 128, 3), np.uint8)),
        lambda: analyze(loaded, prepared, 0.6),
        lambda: measure(loaded, analysis, 2),
    ):
        with pytest.raises(TypeError):
            action()
        assert get_sparsity(loaded.module) == before
