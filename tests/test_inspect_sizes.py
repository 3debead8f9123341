"""Sparse at full size against dense at lower ones: what is run, what it is compared with."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from latency_support import set_load

from sparsevit.data.transforms import resize_image, to_tensor
from sparsevit.inspect.photo import analyze, prepare_image
from sparsevit.inspect.sizes import SizeComparison, SizePoint, compare_sizes, find_equal_latency
from sparsevit.networks import load_model
from sparsevit.networks.segmenter import load_segmenter
from sparsevit.schedule import SparsitySchedule


@pytest.fixture(scope="module")
def steps(home):
    loaded = load_model("small")
    photo = np.random.default_rng(0).integers(0, 255, (128, 256, 3), dtype=np.uint8)
    prepared = prepare_image(loaded, photo, 128)
    schedule = SparsitySchedule.parse(0.5, loaded.depths)
    analysis = analyze(loaded, prepared, schedule)
    found = list(compare_sizes(loaded, photo, analysis, "sparsevit", 2, (1, 0.75, 0.5)))
    return photo, prepared, analysis.sparse, found


def test_goes_through_every_size_and_then_the_rounds(steps):
    *_, found = steps
    assert [(step.done, step.total) for step in found] == [(n, 5) for n in range(1, 6)]
    assert [point.size for point in found[-1].dense] == [(128, 256), (96, 192), (64, 128)]
    assert all(step.sparse.latency_ms is None for step in found[:3])
    last = found[-1]
    assert all(point.latency_ms > 0 for point in (last.sparse, *last.dense))


def test_sizes_are_multiples_of_what_the_network_wants(home):
    loaded = replace(load_model("small"), multiple=64)
    photo = np.zeros((128, 256, 3), np.uint8)
    prepared = prepare_image(loaded, photo, 128)
    asked = (loaded, photo, analyze(loaded, prepared, 0.5), "sparsevit", 0)
    *_, last = compare_sizes(*asked)
    assert [point.size for point in last.dense] == [(128, 256), (64, 128)]  # none of them twice


def test_a_comparison_says_when_it_is_not_worth_quoting(home, doubt_load, monkeypatch):
    loaded = load_model("small")
    prepared = prepare_image(loaded, np.zeros((128, 256, 3), np.uint8), 128)
    asked = (loaded, prepared.image, analyze(loaded, prepared, 0.5), "sparsevit", 1, (1, 0.5))
    for load, reason in ((0.38, "other programs used 38 % of its CPUs"), (0.01, None)):
        set_load(monkeypatch, load)
        *before, last = compare_sizes(*asked)
        assert all(step.doubt is None for step in before)  # nothing is timed yet
        assert last.doubt == (reason and f"this machine is busy: {reason}")


def test_every_prediction_is_held_against_dense_at_full_size(steps, home):
    photo, prepared, sparse, found = steps
    last = found[-1]
    assert last.dense[0].agreement == 1
    assert last.sparse.agreement == (sparse == prepared.dense).mean()
    # At half size, by a network that nothing was done to.
    plain = load_segmenter(home / "small.safetensors").eval()
    images = to_tensor(resize_image(photo, (64, 128)), plain.config.mean, plain.config.std)
    with torch.inference_mode():
        logits = torch.nn.functional.interpolate(
            plain(images), (64, 128), mode="bilinear", align_corners=False
        )
    classes = logits.argmax(1)[0].numpy().repeat(2, axis=0).repeat(2, axis=1)
    assert last.dense[2].agreement == pytest.approx((classes == prepared.dense).mean(), abs=1e-3)


def test_the_rival_is_the_largest_dense_size_that_is_as_fast():
    def point(latency_ms, side):
        return SizePoint((side, side), None, 1.0, latency_ms)

    dense = tuple(point(ms, side) for ms, side in ((100, 512), (60, 384), (30, 256)))
    known = SizeComparison(point(60, 512), dense, 5, 5)
    assert find_equal_latency(known) is dense[1]
    assert find_equal_latency(replace(known, sparse=point(59, 512))) is dense[2]
    assert find_equal_latency(replace(known, sparse=point(20, 512))) is None
    assert find_equal_latency(replace(known, sparse=point(None, 512))) is None
