"""Token pruning and merging inside windows: by hand, against a slow loop, and equal at nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from studies_support import load_toy, make_toy_subject
from torch import Tensor

from sparsevit.core import stream
from sparsevit.core.scoring import token_magnitudes
from sparsevit.core.stream import BlockPlan, TokenStream
from sparsevit.core.windows import get_window_grid
from sparsevit.networks import LoadedModel
from sparsevit.patch import find_stages, set_sparsity
from sparsevit.studies import token_stage, tokens
from sparsevit.studies.token_stage import (
    TokenStage,
    match_tokens,
    rank_tokens,
    reduce_tokens,
    run_merged,
    run_pruned,
)


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_toy()


def get_block(loaded: LoadedModel, shifted: bool):
    return find_stages(loaded.module)[1].blocks[int(shifted)]


def attend_slowly(block, tokens: Tensor, bias: Tensor, real: Tensor | None = None) -> Tensor:
    """A block on one set of tokens (r, C) with bias (nH, r, r), head by head."""
    attn = block.attn
    normed = block.norm1(tokens)
    if real is not None:
        normed = torch.where(real[:, None], normed, 0.0)  # the host pads after its norm
    qkv = F.linear(normed, attn.qkv.weight, attn.qkv.bias)
    q, k, v = qkv.view(len(tokens), 3, attn.num_heads, -1).unbind(1)  # (r, nH, d)
    heads = []
    for head in range(attn.num_heads):
        logits = q[:, head] @ k[:, head].T * attn.scale + bias[head]
        heads.append(logits.softmax(-1) @ v[:, head])
    tokens = tokens + attn.proj(torch.cat(heads, dim=-1))
    return tokens + block.mlp(block.norm2(tokens))


def make_bias(block, grid, window: int) -> Tensor:
    """(nH, N, N) of one window: position bias and shift mask."""
    bias = block.attn._get_rel_pos_bias()[0]
    if grid.mask_class is not None:
        bias = bias + grid.class_masks[grid.mask_class[window]]
    return bias


#: (H, W) tokens; the second needs padding in both directions.
GRIDS = [(12, 8), (11, 6)]


@pytest.mark.parametrize("grid_size", GRIDS)
@pytest.mark.parametrize("shifted", [False, True])
@torch.no_grad()
def test_pruned_tokens_equal_a_loop_over_windows(loaded, grid_size, shifted):
    block, kept = get_block(loaded, shifted), 5
    x = torch.randn(1, *grid_size, 32)
    grid = block.get_grid(*grid_size, x.device)
    order = rank_tokens(token_magnitudes(x), grid)
    found = run_pruned(block, x, BlockPlan(grid, None, TokenStream(False)), order[:, :kept])

    rows, expected = x.flatten(1, 2)[0], x.flatten(1, 2)[0].clone()
    for window in range(grid.num_windows):
        index = grid.token_index[window]
        real = torch.ones(16, dtype=torch.bool) if grid.real is None else grid.real[window]
        magnitudes = [
            float(rows[i].abs().mean()) if ok else -1 for i, ok in zip(index, real, strict=True)
        ]
        chosen = torch.tensor(sorted(sorted(range(16), key=lambda slot: -magnitudes[slot])[:kept]))
        bias = make_bias(block, grid, window)[:, chosen][:, :, chosen]
        after = attend_slowly(block, rows[index[chosen]], bias, real[chosen])
        expected[index[chosen][real[chosen]]] = after[real[chosen]]
    torch.testing.assert_close(found.view_as(rows), expected, rtol=1e-4, atol=1e-5)
    changed = (found.view_as(rows) != rows).any(dim=-1)
    assert 0 < int(changed.sum()) <= kept * grid.num_windows


@pytest.mark.parametrize("grid_size", GRIDS)
@pytest.mark.parametrize("shifted", [False, True])
@torch.no_grad()
def test_with_no_token_left_out_a_block_is_the_dense_one(loaded, grid_size, shifted):
    block = get_block(loaded, shifted)
    x = torch.randn(1, *grid_size, 32)
    grid = block.get_grid(*grid_size, x.device)
    dense = block(x)
    everything = torch.arange(16).expand(grid.num_windows, -1)
    pruned = run_pruned(block, x, BlockPlan(grid, None, TokenStream(False)), everything)
    merged = run_merged(block, x, BlockPlan(grid, None, TokenStream(False)), 0)
    torch.testing.assert_close(pruned, dense, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(merged, dense, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_merged_tokens_equal_a_loop_over_windows(loaded):
    block, merged = get_block(loaded, True), 6
    x = torch.randn(1, 12, 8, 32)
    grid = block.get_grid(12, 8, x.device)
    found = run_merged(block, x, BlockPlan(grid, None, TokenStream(False)), merged)[0].flatten(0, 1)

    rows = x[0].flatten(0, 1)
    for window in range(grid.num_windows):
        index, bias = grid.token_index[window], make_bias(block, grid, window)
        tokens = rows[index]
        likeness = {  # of every even slot with every odd one it may meet
            (a, b): float(F.cosine_similarity(tokens[a], tokens[b], dim=0))
            for a in range(0, 16, 2)
            for b in range(1, 16, 2)
            if float(grid.class_masks[grid.mask_class[window]][a, b]) == 0
        }
        partner = {
            a: max((b for b in range(1, 16, 2) if (a, b) in likeness), key=lambda b: likeness[a, b])
            for a in range(0, 16, 2)
        }
        gone = sorted(partner, key=lambda a: -likeness[a, partner[a]])[:merged]
        groups = [[s, *(a for a in gone if partner[a] == s)] for s in range(16) if s not in gone]
        means = torch.stack([tokens[group].mean(0) for group in groups])
        places = [group[0] for group in groups]
        own = bias[:, places][:, :, places]
        own = own + torch.tensor([math.log(len(group)) for group in groups])
        added = attend_slowly(block, means, own) - means
        for place, group in enumerate(groups):
            for slot in group:
                expected = tokens[slot] + added[place]
                torch.testing.assert_close(found[index[slot]], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reduction", ["prune", "merge"])
@torch.inference_mode()
def test_what_a_gpu_runs_is_the_same(loaded, reduction, monkeypatch):
    reduced, images = reduce_tokens(loaded, reduction), torch.randn(1, 3, 96, 160)
    set_sparsity(reduced.module, 0.4)
    expected = reduced.module(images)
    for module in (stream, token_stage):  # padded slots go to a row that nobody reads
        monkeypatch.setattr(module, "may_sync", lambda x: False)
    torch.testing.assert_close(reduced.module(images), expected, rtol=1e-4, atol=1e-4)


def test_matching_by_hand():
    # Slots 0 and 2 look for a partner in slots 1 and 3: 0 is most like 1, and 2 most like 3.
    tokens = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0]]])
    tokens[0, 0, 1] = 0.5  # so that 2 and 3 are the better pair
    matching = match_tokens(tokens, 1)
    assert matching.slots.tolist() == [[0, 1, 3]]
    assert matching.home.tolist() == [[0, 1, 2, 2]]
    means, sizes = matching.merge(tokens, None)
    assert means.tolist() == [[[1.0, 0.5], [2.0, 0.0], [0.0, 2.0]]]
    assert sizes.tolist() == [[1, 1, 2]]
    shares = matching.unmerge(torch.tensor([[[10.0], [20.0], [30.0]]]))
    assert shares.tolist() == [[[10.0], [20.0], [30.0], [30.0]]]


def test_padded_slots_and_masked_tokens_match_nothing_they_can_avoid():
    tokens = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]])
    padded = torch.tensor([[True, False, True, True]])
    masks = torch.zeros(1, 4, 4)
    assert match_tokens(tokens, 1).home.tolist() == [[1, 1, 0, 2]]
    matching = match_tokens(tokens, 1, padded)
    assert matching.home.tolist() == [[0, 1, 2, 2]]
    masks[0, 0, 1] = masks[0, 2, 1] = -100
    assert match_tokens(tokens, 1, None, masks).home.tolist() == [[0, 1, 2, 2]]
    # A padded slot weighs nothing where it has to share a place.
    means, sizes = match_tokens(tokens, 2, padded).merge(tokens, padded)
    assert sizes.sum() == 3
    assert means[0][sizes[0] == 0].abs().sum() == 0
    with pytest.raises(ValueError, match="at most 2"):
        match_tokens(tokens, 3)


def test_ranking_by_hand_puts_padded_slots_last():
    grid = get_window_grid(2, 3, (2, 2), (0, 0))  # the second window holds one column
    order = rank_tokens(torch.tensor([[[1.0, 4.0, 2.0], [3.0, 0.0, 0.0]]]), grid)
    assert order.tolist() == [[1, 2, 0, 3], [0, 2, 1, 3]]


@pytest.mark.parametrize("reduction", ["prune", "merge"])
@torch.inference_mode()
def test_a_network_is_dense_at_zero_and_only_at_zero(loaded, reduction):
    images = torch.randn(1, 3, 96, 160)  # some grids need padding
    reduced = reduce_tokens(loaded, reduction)
    assert isinstance(find_stages(reduced.module)[0], TokenStage)
    assert not isinstance(find_stages(loaded.module)[0], TokenStage)
    set_sparsity(loaded.module, 0.0)
    dense = loaded.module(images)
    set_sparsity(reduced.module, 0.0)
    torch.testing.assert_close(reduced.module(images), dense, rtol=1e-4, atol=1e-4)
    set_sparsity(reduced.module, 0.5)
    sparse = reduced.module(images)
    assert sparse.isfinite().all()
    assert (sparse - dense).abs().mean() > 1e-3
    with pytest.raises(ValueError, match="one picture at a time"):
        reduced.module(images.repeat(2, 1, 1, 1))


@pytest.mark.parametrize("merged_from_ms", [14, 100])
def test_windows_are_compared_with_both_where_latencies_meet(monkeypatch, merged_from_ms):
    starts_ms = {"dense": 30, "windows pruned": 10, "tokens pruned": 12}

    def give_latencies(subject, measured):
        groups = [one.variant.group for one in measured]
        timed = [
            replace(one, latency_ms=starts_ms.get(group, merged_from_ms) + groups[:i].count(group))
            for i, (one, group) in enumerate(zip(measured, groups, strict=True))
        ]
        return timed, {}

    monkeypatch.setattr(tokens, "time_measured", give_latencies)
    found = tokens.compare_tokens(make_toy_subject())
    assert found["gains"][0]["latencies_ms"] == [12, 13.25, 14.5, 15.75, 17]
    if merged_from_ms == 14:
        assert found["gains"][1]["latencies_ms"] == [14, 14.75, 15.5, 16.25, 17]
    else:
        assert len(found["gains"]) == 1
        assert "tokens merged 100 to 104 ms, dense 30 to 30 ms" in found["finding"]
