"""Pruned networks against the slow oracle, and what pruning may never touch."""

import copy
from itertools import pairwise
from typing import Any

import pytest
import torch
from oracle import (
    Kept,
    kept_of,
    list_windows,
    make_swin,
    record_blocks,
    relative_error,
    run_oracle,
    sort_kept,
)
from torch import Tensor

import sparsevit
from sparsevit.core.scoring import token_magnitudes, window_scores

DEPTHS = (2, 2, 4, 2)
UNIFORM = ((0.5,), (0.5,), (0.5, 0.5), (0.5,))
STARTS_DENSE = ((0.0,), (0.3,), (0.0, 0.6), (0.0,))
STEEP = ((0.9,), (0.0,), (0.2, 0.8), (0.7,))
FALLING = ((0.5,), (0.2,), (0.7, 0.3), (0.0,))


@pytest.fixture(scope="module")
def swin() -> Any:
    return make_swin(depths=DEPTHS)


def sparsify(dense: Any, *args: Any, **kwargs: Any) -> Any:
    return sparsevit.sparsify(copy.deepcopy(dense), *args, **kwargs)


def run_fast(model: Any, images: Tensor) -> tuple[Tensor, Kept]:
    with sparsevit.capture(model) as trace:
        features = model.forward_features(images)
    return features, kept_of(trace)


def assert_matches_oracle(dense: Any, images: Tensor, schedule: Any, **options: Any) -> None:
    sparse = sparsify(dense, schedule, **options)
    options.pop("seed", None)
    with torch.no_grad():
        expected = run_oracle(dense, images, schedule, **options)
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            features, kept = run_fast(sparse, images)
            silent = sparse.forward_features(images)
        assert kept == sort_kept(expected.kept)
        assert relative_error(features, expected.features) <= 1e-5
        assert torch.equal(silent, features)  # capturing changes nothing


@pytest.mark.parametrize("schedule", [UNIFORM, STARTS_DENSE, STEEP], ids=str)
@pytest.mark.parametrize("size", [(112, 112), (92, 64), (60, 132), (36, 44), (20, 20)], ids=str)
def test_equals_the_oracle(swin: Any, schedule: Any, size: tuple[int, int]) -> None:
    assert_matches_oracle(swin, torch.randn(2, 3, *size), schedule)


@pytest.mark.parametrize("score", ["rms", "centred", "l2", "l1", "linf", "gradient"])
@pytest.mark.parametrize("rescore", [False, True], ids=["linked", "rescored"])
def test_every_score_equals_the_oracle(swin: Any, score: str, rescore: bool) -> None:
    schedule = FALLING if rescore else STARTS_DENSE
    images = torch.rand(2, 3, 128, 64)
    assert_matches_oracle(swin, images, schedule, score=score, rescore=rescore)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"depths": (1, 3, 5, 2)},  # an odd last block is a pair of its own
        {"window_size": (4, 6)},
        {"img_size": (20, 200)},  # windows one grid high, shifted sideways only
        {"img_size": 20, "always_partition": True},
        {"strict_img_size": True, "img_size": (100, 76)},
    ],
    ids=str,
)
def test_every_construction_equals_the_oracle(kwargs: dict[str, Any]) -> None:
    dense = make_swin(**{"depths": DEPTHS, **kwargs})
    schedule = [[0.4] * ((len(stage.blocks) + 1) // 2) for stage in dense.layers]
    assert_matches_oracle(dense, torch.randn(2, 3, *dense.patch_embed.img_size), schedule)


@pytest.mark.parametrize("sparsity", [0.0, 0.2])
def test_many_windows_equal_the_oracle(sparsity: float) -> None:
    """More windows, plain and at the border, than the engine takes in one piece."""
    dense = make_swin(embed_dim=96, depths=(2,), num_heads=(3,))
    assert_matches_oracle(dense, torch.randn(8, 3, 132, 120), ((sparsity,),))


@pytest.mark.parametrize("mode", ["bf16", "autocast"])
@pytest.mark.parametrize("schedule", [UNIFORM, STEEP], ids=str)
def test_low_precision_by_the_double_error_rule(swin: Any, mode: str, schedule: Any) -> None:
    """err(fast, ref) <= 2 * err(pt, ref): ref in fp32, pt the oracle in low precision."""
    images = torch.randn(2, 3, 92, 64)
    dense, low = copy.deepcopy(swin), images
    if mode == "bf16":
        dense, low = dense.bfloat16(), images.bfloat16()
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16, enabled=mode == "autocast"):
            fast, kept = run_fast(sparsify(dense, schedule), low)
            plain = run_oracle(dense, low, schedule, kept=kept).features
        exact = run_oracle(swin, images, schedule, kept=kept).features
    assert fast.dtype == plain.dtype
    assert relative_error(fast, exact) <= 2 * relative_error(plain, exact) + 1e-6


def test_float64_kept_windows_and_values(swin: Any) -> None:
    dense = copy.deepcopy(swin).double()
    images = torch.randn(2, 3, 92, 64, dtype=torch.float64)
    with torch.no_grad():
        features, kept = run_fast(sparsify(dense, STEEP), images)
        expected = run_oracle(dense, images, STEEP)
    assert kept == sort_kept(expected.kept)
    assert relative_error(features, expected.features) < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("grad", [False, True], ids=["inference", "differentiable"])
def test_pruned_windows_are_bit_identical(swin: Any, grad: bool, dtype: torch.dtype) -> None:
    sparse = sparsify(swin, UNIFORM).to(dtype)
    images = torch.randn(2, 3, 92, 64, dtype=dtype)
    with (
        torch.set_grad_enabled(grad),
        record_blocks(sparse) as seen,
        sparsevit.capture(sparse) as trace,
    ):
        sparse(images)
    for record in trace.blocks:
        before, after = seen[record.stage, record.block]
        for image in range(2):
            kept = record.token_mask(image)
            assert torch.equal(before[image][~kept], after[image][~kept])
            assert (before[image][kept] != after[image][kept]).any(dim=-1).all()


def test_pruned_by_every_block_means_untouched_by_the_stage(swin: Any) -> None:
    """The same without hooks, where blocks may work in place."""
    sparse = sparsify(swin, [0, 0, 0.6, 0])
    x = torch.randn(2, 21, 19, 96)
    stage = sparse.layers[2]
    stage.downsample = torch.nn.Identity()
    with torch.no_grad(), sparsevit.capture(stage) as trace:
        out = stage(x)
    assert len(trace.blocks) == 4
    for image in range(2):
        computed = torch.stack([record.token_mask(image) for record in trace.blocks]).any(dim=0)
        assert 0 < computed.sum() < computed.numel()
        assert torch.equal(out[image][~computed], x[image][~computed])


def keep_masks(sparse: Any, x: Tensor, stage: int = 0) -> list[list[list[list[int]]]]:
    """Kept windows as 0/1 grids, per block and image, of a stage fed with ``x``."""
    with torch.no_grad(), sparsevit.capture(sparse) as trace:
        sparse.layers[stage](x)
    return [record.keep_mask.int().tolist() for record in trace.blocks]


def test_hand_written_activations_keep_the_hand_written_windows(swin: Any) -> None:
    loudness = torch.tensor([[5.0, 1.0, 3.0], [2.0, 6.0, 4.0]])
    x = loudness.repeat_interleave(7, 0).repeat_interleave(7, 1)[None, :, :, None]
    x = (x * torch.tensor([1.0, -1.0]).repeat(12)).repeat(2, 1, 1, 1)
    x[1] = x[1].flip(0)
    plain = keep_masks(sparsify(swin, 0.5), x)[0]
    assert plain == [[[1, 0, 0], [0, 1, 1]], [[0, 1, 1], [1, 0, 0]]]
    plain = keep_masks(sparsify(swin, 0.8), x)[0]
    assert plain == [[[0, 0, 0], [0, 1, 0]], [[0, 1, 0], [0, 0, 0]]]


def test_shifted_windows_are_ranked_where_they_lie(swin: Any) -> None:
    x = torch.full((1, 14, 14, 24), 0.1)
    x[:, 3:10, 3:10] = 1.0  # the first window of the shifted grid
    x[:, :3, :3] = 2.0  # a corner: with the other corners the last window of the shifted grid
    plain, shifted = keep_masks(sparsify(swin, 0.75), x)
    assert plain == [[[1, 0], [0, 0]]]
    assert shifted == [[[1, 0], [0, 0]]]
    x[:, :3, :3] = 9.0
    assert keep_masks(sparsify(swin, 0.75), x)[1] == [[[0, 0], [0, 1]]]


@pytest.mark.parametrize("value", [0.0, 0.3, -1.7])
def test_ties_keep_the_first_windows(swin: Any, value: float) -> None:
    """A blank picture, on a grid that fills its windows and on one that is padded."""
    for height, width in ((14, 21), (16, 16)):
        for masks in keep_masks(sparsify(swin, 0.5), torch.full((2, height, width, 24), value)):
            for image in masks:
                flat = [kept for row in image for kept in row]
                assert flat == sorted(flat, reverse=True)


def test_letterboxed_pictures_keep_their_content_then_the_first_bars(swin: Any) -> None:
    x = torch.zeros(1, 28, 28, 24)
    x[:, 7:14] = torch.randn(1, 7, 28, 24)
    plain = keep_masks(sparsify(swin, 0.6), x)[0]
    assert plain == [[[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]]


def test_a_blank_image_runs_and_repeats(swin: Any) -> None:
    sparse = sparsify(swin, UNIFORM)
    images = torch.full((2, 3, 92, 64), 0.5)
    with torch.no_grad():
        features, kept = run_fast(sparse, images)
        again, kept_again = run_fast(sparse, images)
    assert torch.equal(features, again)
    assert kept == kept_again
    assert torch.isfinite(features).all()


@pytest.mark.parametrize("score", ["rms", "gradient"])
def test_images_of_a_batch_do_not_meet(swin: Any, score: str) -> None:
    sparse = sparsify(swin, UNIFORM, score=score)
    images = torch.randn(3, 3, 92, 64)
    other = images.clone()
    other[1] = 50 * torch.randn(3, 92, 64)
    with torch.no_grad():
        features, kept = run_fast(sparse, images)
        changed, kept_changed = run_fast(sparse, other)
        for image in (0, 2):
            alone, kept_alone = run_fast(sparse, images[image : image + 1])
            assert relative_error(features[image : image + 1], alone) <= 1e-5
            assert relative_error(features[image], changed[image]) <= 1e-5
            for key, images_kept in kept.items():
                assert images_kept[image] == kept_changed[key][image] == kept_alone[key][0]


def test_kept_sets_are_nested_inside_a_stage() -> None:
    sparse = sparsevit.sparsify(make_swin(depths=(2, 8)), [[0.1], [0.0, 0.2, 0.5, 0.8]])
    with torch.no_grad():
        _, kept = run_fast(sparse, torch.randn(2, 3, 200, 160))
    for parity in (0, 1):
        for image in (0, 1):
            sets = [set(kept[1, block][image]) for block in range(parity, 8, 2)]
            assert all(later < earlier for earlier, later in pairwise(sets))


@pytest.mark.parametrize("rescore", [False, True], ids=["linked", "rescored"])
def test_the_trace_shows_the_scores_that_ranked(swin: Any, rescore: bool) -> None:
    sparse = sparsify(swin, STARTS_DENSE, rescore=rescore)
    with (
        torch.no_grad(),
        record_blocks(sparse) as seen,
        sparsevit.capture(sparse) as trace,
    ):
        sparse(torch.randn(2, 3, 92, 64))
    assert [(r.stage, r.block) for r in trace.blocks] == [
        (stage, block) for stage, depth in enumerate(DEPTHS) for block in range(depth)
    ]
    first_pruned = {0: None, 1: 0, 2: 2, 3: None}
    for record in trace.blocks:
        first = first_pruned[record.stage]
        # Before anything is pruned a record shows the scores of the block's own input.
        own = rescore or first is None or record.block < first
        scored = record.block if own else first
        magnitudes = token_magnitudes(seen[record.stage, scored][0])
        expected = window_scores(magnitudes, record.grid)
        assert torch.equal(record.scores.flatten(1), expected)
        assert record.shifted == any(record.grid.shift)
        assert record.keep_mask.shape == (2, record.grid.rows, record.grid.cols)
        assert record.kept == int(record.keep_mask[1].sum()) <= record.total


def test_token_masks_cover_the_kept_windows(swin: Any) -> None:
    sparse = sparsify(swin, UNIFORM)
    with torch.no_grad(), sparsevit.capture(sparse) as trace:
        sparse(torch.randn(2, 3, 92, 64))
    for record in trace.blocks:
        grid = record.grid
        windows = list_windows(grid.grid, grid.window, grid.shift)
        for image, kept in enumerate(kept_of(trace)[record.stage, record.block]):
            tokens = {token for window in kept for token in windows[window] if token is not None}
            assert {tuple(t) for t in record.token_mask(image).nonzero().tolist()} == tokens


def test_random_keeps_by_the_seed_alone(swin: Any) -> None:
    images = torch.randn(1, 3, 128, 128)
    with torch.no_grad():
        sparse = sparsify(swin, UNIFORM, score="random", seed=1)
        features, kept = run_fast(sparse, images)
        assert run_fast(sparse, -images)[1] == kept
        assert run_fast(sparsify(swin, UNIFORM, score="random", seed=2), images)[1] != kept
        expected = run_oracle(swin, images, UNIFORM, kept=kept).features
    assert relative_error(features, expected) <= 1e-5


@pytest.mark.parametrize(
    "run",
    [
        lambda m: m(torch.rand(1, 3, 64, 64)),
        lambda m: m.forward_features(torch.rand(1, 3, 64, 64)),
        lambda m: m.forward_intermediates(torch.rand(1, 3, 64, 64)),
    ],
    ids=["call", "features", "intermediates"],
)
def test_the_gradient_score_needs_no_reference_held_by_the_caller(swin: Any, run: Any) -> None:
    sparse = sparsify(swin, UNIFORM, score="gradient")
    with torch.no_grad(), sparsevit.capture(sparse) as trace:
        run(sparse)
    assert 0 < trace.blocks[0].kept < trace.blocks[0].total


def test_more_sparsity_computes_less(swin: Any) -> None:
    """Tokens the MLPs see, counted: pruning is a smaller batch, not a mask."""
    counts = []
    for sparsity in (0.0, 0.3, 0.6):
        sparse = sparsify(swin, sparsity)
        rows = []
        for stage in sparse.layers:
            for block in stage.blocks:
                block.mlp.register_forward_pre_hook(
                    lambda _, args, rows=rows: rows.append(args[0].shape[:-1].numel())
                )
        with torch.no_grad(), sparsevit.capture(sparse) as trace:
            sparse(torch.randn(1, 3, 128, 128))
        tokens = sum(int(record.token_mask().sum()) for record in trace.blocks)
        assert sum(rows) == tokens  # padded slots are none
        counts.append(tokens)
    assert counts == sorted(counts, reverse=True)
    assert counts[2] < 0.6 * counts[0]
