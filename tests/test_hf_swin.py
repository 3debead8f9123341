"""Hugging Face's Swin, bare and inside larger networks, against itself and against the oracle."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from oracle import (
    Kept,
    Window,
    count_kept,
    describe,
    kept_of,
    mask_tokens,
    rank,
    relative_error,
    score_windows,
    sort_kept,
)
from torch import Tensor
from transformers import (
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    SwinBackbone,
    SwinConfig,
    SwinForImageClassification,
    SwinModel,
    UperNetConfig,
    UperNetForSemanticSegmentation,
)

import sparsevit
from sparsevit.cost import count_fixed_macs, count_macs
from sparsevit.latency import make_runs
from sparsevit.patch import get_token_grids, host_form
from sparsevit.schedule import SparsitySchedule

SCHEDULE = ((0.5,), (0.3,), (0.4, 0.7), (0.0,))
STEEP = ((0.9,), (0.0,), (0.2, 0.8), (0.7,))
SIZES = ((112, 112), (92, 64), (60, 132), (36, 44))


def make_config(**kwargs: Any) -> SwinConfig:
    defaults = {
        "image_size": 224,
        "embed_dim": 24,
        "depths": [2, 2, 4, 2],
        "num_heads": [1, 2, 4, 8],
        "window_size": 7,
        "hidden_size": 192,
        "num_labels": 5,
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
    }
    return SwinConfig(**{**defaults, **kwargs})


def stir(model: Any) -> Any:
    """Weights that matter: see ``oracle.make_swin``."""
    generator = torch.Generator().manual_seed(0)
    for key, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "relative_position" in key:
            parameter.data.copy_(noise)
        elif parameter.ndim > 1:
            parameter.data.copy_(noise / math.sqrt(parameter[0].numel()))
        else:
            parameter.data.copy_(0.3 * noise + (1.0 if key.endswith("weight") else 0.0))
    return model.eval()


@pytest.fixture(scope="module")
def backbone() -> Any:
    return stir(SwinBackbone(make_config()))


def run(model: Any, images: Tensor) -> Tensor:
    """Every stage's output as one flat tensor."""
    return torch.cat([stage.flatten() for stage in model(images).feature_maps])


@pytest.mark.parametrize("size", [*SIZES, (20, 20), (24, 116)], ids=str)
def test_at_sparsity_0_it_is_the_host(backbone: Any, size: tuple[int, int]) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(backbone))
    images = torch.randn(2, 3, *size)
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            assert relative_error(run(sparse, images), run(backbone, images)) <= 1e-5


@pytest.mark.parametrize("size", [(224, 224), (250, 230)], ids=str)
def test_a_shift_that_is_dropped_is_dropped_as_by_the_host(size: tuple[int, int]) -> None:
    """Outside a backbone a grid of one window is not shifted; on a smaller one the host fails."""
    dense = stir(SwinModel(make_config(drop_path_rate=0.0)))
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected, got = dense(images), sparse(images)
    assert relative_error(got.last_hidden_state, expected.last_hidden_state) <= 1e-5
    assert relative_error(got.pooler_output, expected.pooler_output) <= 1e-5


def test_hidden_states_are_the_host_s() -> None:
    dense = stir(SwinForImageClassification(make_config()))
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected = dense(images, output_hidden_states=True)
        got = sparse(images, output_hidden_states=True)
    for name in ("hidden_states", "reshaped_hidden_states"):
        for ours, host in zip(got[name], expected[name], strict=True):
            assert relative_error(ours, host) <= 1e-5


def list_windows(grid: tuple[int, int], window: int, shift: int) -> list[Window]:
    """Every window's tokens; Hugging Face pads the grid's end, then rolls it up and left."""
    height, width = (math.ceil(side / window) * window for side in grid)
    windows = []
    for top in range(0, height, window):
        for left in range(0, width, window):
            slots: Window = []
            for row in range(top, top + window):
                for col in range(left, left + window):
                    token = ((row + shift) % height, (col + shift) % width)
                    slots.append(token if token[0] < grid[0] and token[1] < grid[1] else None)
            windows.append(slots)
    return windows


def run_oracle(backbone: Any, images: Tensor, schedule: Sequence[Sequence[float]]) -> Any:
    """Last stage's tokens (B, H, W, C), and the kept windows."""
    chosen: Kept = {}
    x, grid = backbone.swin.embeddings(images)
    for s, stage in enumerate(backbone.swin.encoder.layers):
        scored = None
        for b, block in enumerate(stage.blocks):
            windows = list_windows(grid, block.window_size, block.shift_size)
            count = count_kept(len(windows), schedule[s][b // 2])
            if count == len(windows):
                chosen[s, b] = [list(range(count))] * len(x)
            else:
                scored = x.detach().view(len(x), *grid, -1) if scored is None else scored
                magnitudes = scored.abs().mean(dim=-1)
                chosen[s, b] = [rank(score_windows(m, windows))[:count] for m in magnitudes]
            out, _ = block(x, grid, always_partition=True)
            x = torch.where(mask_tokens(grid, windows, chosen[s, b]).flatten(1, 2), out, x)
        if stage.downsample is not None:
            x = stage.downsample(x, grid)
            grid = ((grid[0] + 1) // 2, (grid[1] + 1) // 2)
    return backbone.swin.layernorm(x), chosen


@pytest.mark.parametrize("schedule", [SCHEDULE, STEEP], ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_equals_the_oracle(backbone: Any, size: tuple[int, int], schedule: Any) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(backbone), schedule)
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected, kept = run_oracle(backbone, images, schedule)
    for grad in (False, True):
        with torch.set_grad_enabled(grad), sparsevit.capture(sparse) as trace:
            got = sparse.swin(images, always_partition=True).last_hidden_state
        assert kept_of(trace) == sort_kept(kept)
        assert relative_error(got, expected) <= 1e-5


def test_low_precision_is_as_good_as_the_host_s(backbone: Any) -> None:
    images = torch.randn(1, 3, 92, 64)
    with torch.no_grad():
        reference = run(backbone, images)
        host = copy.deepcopy(backbone).bfloat16()
        ours = sparsevit.sparsify(copy.deepcopy(backbone).bfloat16())
        theirs, got = (run(model, images.bfloat16()).float() for model in (host, ours))
    assert (got - reference).abs().max() <= 2 * (theirs - reference).abs().max()


def test_gradients_reach_what_was_kept(backbone: Any) -> None:
    images = torch.randn(2, 3, 92, 64)
    plain, sparse = copy.deepcopy(backbone), sparsevit.sparsify(copy.deepcopy(backbone), SCHEDULE)
    run_oracle(plain, images, SCHEDULE)[0].square().mean().backward()
    sparse.swin(images, always_partition=True).last_hidden_state.square().mean().backward()
    expected = {name: p.grad for name, p in plain.named_parameters() if p.grad is not None}
    found = {name: p.grad for name, p in sparse.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        if not name.endswith("k_proj.bias"):  # its gradient is nought but for rounding
            assert relative_error(found[name], gradient) <= 1e-3


def test_training_with_checkpoints_and_drop_path(backbone: Any) -> None:
    model = stir(SwinBackbone(make_config(drop_path_rate=0.3)))
    sparse = sparsevit.sparsify(model, SCHEDULE).train()
    sparse.gradient_checkpointing_enable()
    run(sparse, torch.randn(2, 3, 64, 64)).square().mean().backward()
    grads = [p.grad for p in sparse.swin.encoder.layers[0].parameters()]
    assert all(grad is not None and grad.isfinite().all() for grad in grads)


def make_mask2former() -> Any:
    config = Mask2FormerConfig(
        backbone_config=make_config(),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=6,
        num_labels=4,
    )
    return stir(Mask2FormerForUniversalSegmentation(config))


def make_upernet() -> Any:
    config = UperNetConfig(
        backbone_config=make_config(), hidden_size=16, num_labels=4, use_auxiliary_head=False
    )
    return stir(UperNetForSemanticSegmentation(config))


@pytest.mark.parametrize(
    ("make", "read"),
    [
        (make_mask2former, lambda out: torch.cat([out.class_queries_logits.flatten()])),
        (make_upernet, lambda out: out.logits),
    ],
    ids=["mask2former", "upernet"],
)
def test_the_backbone_inside_a_larger_network_is_found(make: Any, read: Any) -> None:
    dense = make()
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    images = torch.randn(1, 3, 128, 96)
    with torch.no_grad():
        expected, got = read(dense(images)), read(sparse(images))
        assert relative_error(got, expected) <= 1e-4
        sparse.sparsity = 0.6
        with sparsevit.capture(sparse) as trace:
            assert relative_error(read(sparse(images)), expected) > 1e-4
    assert len(trace.blocks) == 10
    assert list(sparse.state_dict()) == list(dense.state_dict())


def test_macs_are_those_the_counter_of_pytorch_finds(backbone: Any) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(backbone))
    fixed = count_fixed_macs(sparse, (112, 112))
    half = count_macs(sparse, (112, 112), SparsitySchedule.parse(0.5, (2, 2, 4, 2)), fixed)
    embed, merge = 28 * 28 * 24 * 48, 14 * 14 * 96 * 48 + 7 * 7 * 192 * 96 + 4 * 4 * 384 * 192
    assert fixed == embed + merge
    assert 0 < half.mac_ratio < 1
    assert get_token_grids(sparse, (112, 112)) == [(28, 28), (14, 14), (7, 7), (4, 4)]


def test_the_host_s_own_forms_are_the_host(backbone: Any) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(backbone), 0.5)
    images = torch.randn(1, 3, 92, 64)
    with torch.no_grad():
        expected = run(backbone, images)
        for fused in (False, True):
            with host_form(sparse, fused):
                assert relative_error(run(sparse, images), expected) <= 1e-5
    assert set(make_runs(sparse, images, {})) == {"host default", "host", "sparsevit"}


def test_every_score_works(backbone: Any) -> None:
    for score in sparsevit.SCORES:
        sparse = sparsevit.sparsify(copy.deepcopy(backbone), 0.5, score=score)
        with torch.no_grad():
            assert run(sparse, torch.randn(1, 3, 92, 64)).isfinite().all()


def test_survives_copies_and_can_be_undone(backbone: Any) -> None:
    model = copy.deepcopy(backbone)
    before, keys = describe(model), list(model.state_dict())
    sparsevit.sparsify(model, 0.5)
    assert list(model.state_dict()) == keys
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = run(model, images)
        assert torch.equal(run(copy.deepcopy(model), images), expected)
    sparsevit.densify(model)
    assert describe(model) == before
