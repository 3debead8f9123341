"""The tensors of one block against explicit loops over its windows."""

import numpy as np
import pytest
import torch
from oracle import count_kept, list_windows, make_dense, record_blocks

import sparsevit
from sparsevit.inspect.block import trace_block
from sparsevit.inspect.photo import PreparedImage
from sparsevit.networks import LoadedModel

SCHEDULE = ((0.5,), (0.0,), (0.4, 0.7), (0.0,))
STARTS_LATE = ((0.0,), (0.0,), (0.0, 0.6), (0.0,))


@pytest.fixture(scope="module")
def loaded():
    """A network of timm's whose grids are padded."""
    module = sparsevit.sparsify(make_dense(img_size=256))
    return LoadedModel("tiny", module, None, (0.5,) * 3, (0.5,) * 3)


@pytest.fixture(scope="module")
def prepared():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(1, 3, 188, 252, generator=generator)
    return PreparedImage(np.zeros((188, 252, 3), np.uint8), images, None, 0, "tiny")


def record(loaded, prepared, schedule):
    """What enters and leaves every block, heard by the tests' own hooks."""
    sparsevit.sparsify(loaded.module, schedule)
    with torch.no_grad(), record_blocks(loaded.module) as seen:
        loaded.module(prepared.images)
    return {key: (x[0], out[0]) for key, (x, out) in seen.items()}


def score_by_hand(x, windows):
    """Root mean square, over a window's real tokens, of the mean |x| of each."""
    scores = []
    for window in windows:
        squares = [float(x[token].abs().mean()) ** 2 for token in window if token is not None]
        scores.append((sum(squares) / len(squares)) ** 0.5)
    return scores


@pytest.mark.parametrize(("stage", "block"), [(0, 0), (0, 1), (2, 0), (2, 3)])
def test_every_tensor_is_what_a_loop_over_the_windows_gives(loaded, prepared, stage, block):
    seen = record(loaded, prepared, SCHEDULE)
    steps = trace_block(loaded, prepared, SCHEDULE, stage, block)
    x, out = seen[stage, block]
    height, width, channels = x.shape
    windows = list_windows((height, width), (7, 7), (3, 3) if block % 2 else (0, 0))
    assert any(token is None for window in windows for token in window)

    scores = score_by_hand(seen[stage, 0][0], windows)  # taken at the stage's first pruned block
    assert steps.trace.scored_block == 0
    assert steps.scores.flatten().tolist() == pytest.approx(scores, rel=1e-5)
    order = sorted(range(len(windows)), key=lambda index: -scores[index])
    assert steps.ranking.tolist() == order

    kept = order[: count_kept(len(windows), SCHEDULE[stage][block // 2])]
    assert steps.gathered_windows.tolist() == kept
    assert steps.keep_mask.flatten().nonzero().flatten().tolist() == sorted(kept)
    for index, tile in zip(kept, steps.gathered.flatten(1).tolist(), strict=True):
        tokens = [0.0 if t is None else float(x[t].abs().mean()) for t in windows[index]]
        assert tile == pytest.approx(tokens, rel=1e-5)

    computed = {token for index in kept for token in windows[index] if token is not None}
    for row in range(height):
        for col in range(width):
            change = float(steps.change[row, col])
            assert (change != 0) == ((row, col) in computed)
            difference = (out[row, col] - x[row, col]).abs().mean()
            assert change == pytest.approx(float(difference), rel=1e-4)
    assert torch.allclose(steps.entering, x.abs().mean(dim=-1))
    assert torch.allclose(steps.scored, seen[stage, 0][0].abs().mean(dim=-1))

    sizes = {name: shape.sizes for name, shape in steps.shapes.items()}
    assert sizes == {
        "tokens": (1, height, width, channels),
        "windows": (1, len(windows), 49, channels),
        "scores": (1, len(windows)),
        "kept windows": (len(kept), 49, channels),
        "attention weights": (len(kept), 2**stage, 49, 49),
        "new windows": (len(kept), 49, channels),
        "output": (1, height, width, channels),
    }


def test_scores_come_from_the_first_pruned_block_of_the_stage(loaded, prepared):
    sparsevit.sparsify(loaded.module, 0.0, rescore=False)
    traced = [trace_block(loaded, prepared, STARTS_LATE, 2, block) for block in range(4)]
    assert [steps.trace.scored_block for steps in traced] == [0, 1, 2, 2]
    sparsevit.sparsify(loaded.module, 0.0, rescore=True)
    assert trace_block(loaded, prepared, STARTS_LATE, 2, 3).trace.scored_block == 3
    sparsevit.sparsify(loaded.module, 0.0, rescore=False)


def test_a_dense_block_computes_every_window_in_order(loaded, prepared):
    steps = trace_block(loaded, prepared, SCHEDULE, 1, 1)
    assert steps.gathered_windows.tolist() == list(range(steps.trace.total))
    assert steps.keep_mask.all()
    assert (steps.change > 0).all()


def test_tracing_leaves_no_hooks_and_the_same_output(loaded, prepared):
    with torch.no_grad():
        sparsevit.sparsify(loaded.module, SCHEDULE)
        before = loaded.module(prepared.images)
        trace_block(loaded, prepared, SCHEDULE, 0, 1)
        assert torch.equal(loaded.module(prepared.images), before)
    assert not any(module._forward_hooks for module in loaded.module.modules())


@pytest.mark.parametrize(("stage", "block"), [(4, 0), (0, 2), (-1, 0), (0, -1)])
def test_a_block_that_is_not_there_is_named(loaded, prepared, stage, block):
    with pytest.raises(ValueError, match=f"No block {block} in stage {stage}"):
        trace_block(loaded, prepared, SCHEDULE, stage, block)


def test_a_photo_of_another_network_is_refused(loaded, prepared):
    other = LoadedModel("other", loaded.module, None, loaded.mean, loaded.std)
    with pytest.raises(ValueError, match="prepared for tiny, not other"):
        trace_block(other, prepared, SCHEDULE, 0, 0)
