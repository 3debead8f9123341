"""Swin V2, with what sets it apart from V1: equal to the host, to the oracle, and undoable."""

import copy
from typing import Any

import pytest
import torch
from oracle import (
    SCHEDULE,
    describe,
    infer,
    kept_of,
    make_swin,
    record_blocks,
    relative_error,
    run_oracle,
    sort_kept,
)
from timm.models.swin_transformer_v2 import SwinTransformerV2

import sparsevit

V2 = "swinv2_tiny_window8_256"
STEEP = ((0.9,), (0.0,), (0.2, 0.8), (0.7,))
SIZES = ((128, 128), (92, 64), (60, 132), (36, 44), (20, 20), (4, 4))


@pytest.fixture(scope="module")
def dense() -> Any:
    return make_swin(V2, depths=(2, 2, 4, 2), window_size=8)


def test_it_is_v2(dense: Any) -> None:
    assert isinstance(dense, SwinTransformerV2)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_at_sparsity_0_it_is_the_host(dense: Any, size: tuple[int, int]) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    images = torch.randn(2, 3, *size)
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            assert relative_error(sparse(images), dense(images)) <= 1e-5


@pytest.mark.parametrize(
    "kwargs",
    [
        {"img_size": 20},  # windows shrink
        {"img_size": 64, "qkv_bias": False},
        {"img_size": 64, "pretrained_window_sizes": (4, 4, 4, 2)},
        {"img_size": (40, 120), "window_size": (4, 6), "always_partition": True},
    ],
    ids=str,
)
def test_every_variant_is_the_host(kwargs: dict[str, Any]) -> None:
    dense = make_swin(V2, **kwargs)
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    images = torch.randn(2, 3, 60, 92)
    assert relative_error(infer(sparse, images), infer(dense, images)) <= 1e-5


@pytest.mark.parametrize("schedule", [SCHEDULE, STEEP], ids=str)
@pytest.mark.parametrize("size", SIZES[:5], ids=str)
def test_equals_the_oracle(dense: Any, size: tuple[int, int], schedule: Any) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(dense), schedule)
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected = run_oracle(dense, images, schedule)
    for grad in (False, True):
        with torch.set_grad_enabled(grad), sparsevit.capture(sparse) as trace:
            features = sparse.forward_features(images)
        assert kept_of(trace) == sort_kept(expected.kept)
        assert relative_error(features, expected.features) <= 1e-5


def test_pruned_tokens_pass_bit_identical(dense: Any) -> None:
    """Though V2 normalises what a branch gives, a skipped branch gives nothing."""
    sparse = sparsevit.sparsify(copy.deepcopy(dense), 0.5)
    with torch.no_grad(), sparsevit.capture(sparse) as trace, record_blocks(sparse) as seen:
        sparse(torch.randn(2, 3, 92, 64))
    for record in trace.blocks:
        before, after = seen[record.stage, record.block]
        for image in range(2):
            pruned = ~record.token_mask(image)
            assert torch.equal(before[image][pruned], after[image][pruned])


@pytest.mark.parametrize(
    ("dtype", "size"),
    [(torch.bfloat16, (92, 64)), (torch.float16, (256, 256))],  # padding is NaN in fp16: the host's
)
def test_low_precision_is_as_good_as_the_host_s(
    dense: Any, dtype: torch.dtype, size: tuple[int, int]
) -> None:
    images = torch.randn(1, 3, *size)
    reference = infer(dense, images)
    host = infer(copy.deepcopy(dense).to(dtype), images.to(dtype)).float()
    ours = sparsevit.sparsify(copy.deepcopy(dense).to(dtype))
    got = infer(ours, images.to(dtype)).float()
    assert (got - reference).abs().max() <= 2 * (host - reference).abs().max()


def test_padded_windows_are_numbers_in_fp16(dense: Any) -> None:
    images = torch.randn(1, 3, 92, 64)
    low = copy.deepcopy(dense).half()
    assert infer(low, images.half()).isnan().any()  # the host's
    got = infer(sparsevit.sparsify(low), images.half()).float()
    assert relative_error(got, infer(dense, images)) <= 0.01


def test_autocast_is_as_good_as_the_host_s(dense: Any) -> None:
    images = torch.randn(2, 3, 92, 64)
    reference = infer(dense, images)
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    with torch.autocast("cpu", torch.bfloat16):
        host, got = infer(dense, images).float(), infer(sparse, images).float()
    assert (got - reference).abs().max() <= 2 * (host - reference).abs().max()


def test_gradients_are_the_oracle_s(dense: Any) -> None:
    images = torch.randn(2, 3, 92, 64)
    plain, sparse = copy.deepcopy(dense), sparsevit.sparsify(copy.deepcopy(dense), SCHEDULE)
    run_oracle(plain, images, SCHEDULE).features.square().mean().backward()
    sparse.forward_features(images).square().mean().backward()
    expected = {name: p.grad for name, p in plain.named_parameters() if p.grad is not None}
    found = {name: p.grad for name, p in sparse.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert relative_error(found[name], gradient) <= 1e-3


def test_changed_weights_are_used_at_once(dense: Any) -> None:
    """The position bias is made by a small network of its own, and cached."""
    host = copy.deepcopy(dense)
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    images = torch.randn(1, 3, 64, 64)
    infer(sparse, images)
    for model in (host, sparse):
        with torch.no_grad():
            for block in model.layers[0].blocks:
                block.attn.cpb_mlp[2].weight.data.mul_(-1)
    assert relative_error(infer(sparse, images), infer(host, images)) <= 1e-5


def test_can_be_undone(dense: Any) -> None:
    model = copy.deepcopy(dense)
    before, keys = describe(model), list(model.state_dict())
    sparsevit.sparsify(model, 0.5)
    assert list(model.state_dict()) == keys
    infer(model, torch.randn(1, 3, 64, 64))
    sparsevit.densify(model)
    assert describe(model) == before
