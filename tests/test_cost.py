"""Multiply-accumulates against a hand count and against PyTorch's own counter."""

from dataclasses import replace

import pytest
import timm
import torch
from timm.models.swin_transformer import SwinTransformer

import sparsevit
from sparsevit import SparsitySchedule
from sparsevit.measure.cost import BlockCost, CostReport, count_fixed_macs, count_flops, count_macs
from sparsevit.patch import host_form


def _tiny(window: int = 4) -> SwinTransformer:
    model = SwinTransformer(
        img_size=128,
        embed_dim=16,
        depths=(2, 2),
        num_heads=(2, 4),
        window_size=window,
        num_classes=5,
        strict_img_size=False,
    )
    return sparsevit.sparsify(model.eval())


@pytest.mark.parametrize("size", [(64, 64), (60, 100), (32, 132)])
@pytest.mark.parametrize("value", [0.0, 0.5, [[0.3], [0.7]]])
def test_equals_pytorchs_own_counter(size, value):
    model = _tiny()
    model.sparsity = value
    report = count_macs(model, size, model.sparsity, count_fixed_macs(model, size))
    with torch.no_grad(), count_flops() as counter, sparsevit.capture(model) as trace:
        model(torch.randn(1, 3, *size))
    spared = 0  # padded slots of kept windows: which windows are kept depends on the picture
    for kept in trace.blocks:
        height, width = kept.grid.grid
        block = model.layers[kept.stage].blocks[kept.block]
        real = block.get_grid(height, width, torch.device("cpu")).num_real
        assumed = min(kept.kept * kept.grid.num_tokens, height * width)
        hidden = block.mlp.fc1.weight.numel() + block.mlp.fc2.weight.numel()
        spared += hidden * (assumed - int(real[kept.keep_mask[0].flatten()].sum()))
    assert spared >= 0
    if size == (64, 64) or value == 0.0:
        assert spared == 0
    assert report.sparse_gmacs * 1e9 == counter.get_total_flops() // 2 + spared


@pytest.mark.parametrize("size", [(64, 64), (60, 100), (32, 132)])
def test_dense_is_the_hosts_own_arithmetic(size):
    model = _tiny()
    report = count_macs(model, size, model.sparsity, count_fixed_macs(model, size))
    with torch.no_grad(), host_form(model), count_flops() as counter:
        model(torch.randn(1, 3, *size))
    assert report.dense_gmacs * 1e9 == counter.get_total_flops() // 2


def test_one_block_by_hand():
    model = _tiny()
    schedule = SparsitySchedule.parse([[0.5], [0.0]], (2, 2))
    block = count_macs(model, (64, 64), schedule, 0).blocks[0]
    tokens, channels = 16, 16  # 4 x 4 window; 16 x 16 grid, so 16 windows
    projections = channels * 3 * channels + channels * channels + 2 * channels * 4 * channels
    window = tokens * projections + 2 * tokens * tokens * channels
    assert (block.kept, block.total) == (8, 16)
    assert block.dense_macs == 16 * window
    assert block.sparse_macs == 8 * window


def test_swin_tiny_at_224_is_what_timm_says():
    """timm's results table gives Swin-T 4.51 GMACs at 224 x 224."""
    model = sparsevit.sparsify(timm.create_model("swin_tiny_patch4_window7_224").eval())
    fixed = count_fixed_macs(model, (224, 224))
    report = count_macs(model, (224, 224), SparsitySchedule.parse(0.0), fixed)
    assert report.dense_gmacs == pytest.approx(4.5, abs=0.05)
    assert report.mac_ratio == 1.0


def test_counting_leaves_the_model_alone():
    model = _tiny()
    model.sparsity = 0.5
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = model(images)
        count_fixed_macs(model, (64, 64))
        assert torch.equal(model(images), before)
    assert model.sparsity == SparsitySchedule.parse(0.5, (2, 2))


def test_no_latency_beats_the_least_ratio():
    block = BlockCost(stage=0, block=0, kept=1, total=4, dense_macs=400, sparse_macs=150)
    report = CostReport((block,), fixed_macs=100)
    assert report.mac_ratio == 0.5  # as if the window were full
    assert report.least_ratio == pytest.approx(0.4)  # it holds a quarter of the tokens
    full = CostReport((replace(block, sparse_macs=100),), fixed_macs=100)
    assert full.mac_ratio == pytest.approx(full.least_ratio)
