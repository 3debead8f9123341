"""Hugging Face's Swin, bare and inside larger networks, against itself and against the oracle."""

import copy
from typing import Any

import pytest
import torch
from hf_oracle import NARROW, SCHEDULE, SIZES, STEEP, join_maps, run_oracle, stir
from oracle import Kept, describe, kept_of, relative_error, sort_kept
from torch import Tensor
from transformers import (
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    OneFormerConfig,
    OneFormerForUniversalSegmentation,
    SwinBackbone,
    SwinConfig,
    SwinForImageClassification,
    SwinModel,
    UperNetConfig,
    UperNetForSemanticSegmentation,
)

import sparsevit
from sparsevit.measure.cost import count_fixed_macs, count_macs
from sparsevit.measure.dense import make_runs
from sparsevit.patch import get_token_grids, host_form
from sparsevit.schedule import SparsitySchedule


def make_config(**kwargs: Any) -> SwinConfig:
    return SwinConfig(**{**NARROW, **kwargs})


@pytest.fixture(scope="module")
def backbone() -> Any:
    return stir(SwinBackbone(make_config()))


@pytest.mark.parametrize("size", [*SIZES, (20, 20), (24, 116)], ids=str)
def test_at_sparsity_0_it_is_the_host(backbone: Any, size: tuple[int, int]) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(backbone))
    images = torch.randn(2, 3, *size)
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            assert relative_error(join_maps(sparse, images), join_maps(backbone, images)) <= 1e-5


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


def run_plain(backbone: Any, images: Tensor, schedule: Any) -> tuple[Tensor, Kept]:
    """Last stage's tokens (B, H * W, C), and the kept windows."""
    swin = backbone.swin
    return run_oracle(swin, swin.embeddings(images), schedule, always_partition=True)


@pytest.mark.parametrize("schedule", [SCHEDULE, STEEP], ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_equals_the_oracle(backbone: Any, size: tuple[int, int], schedule: Any) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(backbone), schedule)
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected, kept = run_plain(backbone, images, schedule)
    for grad in (False, True):
        with torch.set_grad_enabled(grad), sparsevit.capture(sparse) as trace:
            got = sparse.swin(images, always_partition=True).last_hidden_state
        assert kept_of(trace) == sort_kept(kept)
        assert relative_error(got, expected) <= 1e-5


def test_low_precision_is_as_good_as_the_host_s(backbone: Any) -> None:
    images = torch.randn(1, 3, 92, 64)
    with torch.no_grad():
        reference = join_maps(backbone, images)
        host = copy.deepcopy(backbone).bfloat16()
        ours = sparsevit.sparsify(copy.deepcopy(backbone).bfloat16())
        theirs, got = (join_maps(model, images.bfloat16()).float() for model in (host, ours))
    assert (got - reference).abs().max() <= 2 * (theirs - reference).abs().max()


def test_gradients_reach_what_was_kept(backbone: Any) -> None:
    images = torch.randn(2, 3, 92, 64)
    plain, sparse = copy.deepcopy(backbone), sparsevit.sparsify(copy.deepcopy(backbone), SCHEDULE)
    run_plain(plain, images, SCHEDULE)[0].square().mean().backward()
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
    join_maps(sparse, torch.randn(2, 3, 64, 64)).square().mean().backward()
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


def make_oneformer() -> Any:
    config = OneFormerConfig(
        backbone_config=make_config(),
        conv_dim=32,
        mask_dim=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=6,
        num_labels=4,
        is_training=False,
        task_seq_len=7,
    )
    return stir(OneFormerForUniversalSegmentation(config))


def make_grounding_dino() -> Any:
    config = GroundingDinoConfig(
        backbone_config=make_config(out_features=["stage2", "stage3", "stage4"]),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=6,
        text_config={
            "model_type": "bert",
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "vocab_size": 2000,
        },
    )
    return stir(GroundingDinoForObjectDetection(config))


@pytest.mark.parametrize(
    ("make", "inputs", "name"),
    [
        (make_mask2former, {}, "class_queries_logits"),
        (make_upernet, {}, "logits"),
        (make_oneformer, {"task_inputs": torch.zeros(1, 7)}, "class_queries_logits"),
        (
            make_grounding_dino,
            {"input_ids": torch.tensor([[101, 1010, 5, 1012, 102]])},
            "encoder_last_hidden_state_vision",
        ),
    ],
    ids=["mask2former", "upernet", "oneformer", "grounding-dino"],
)
def test_the_backbone_inside_a_larger_network_is_found(make: Any, inputs: Any, name: str) -> None:
    dense = make()
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    images = torch.randn(1, 3, 128, 96)
    with torch.no_grad():
        expected, got = (model(images, **inputs)[name] for model in (dense, sparse))
        assert relative_error(got, expected) <= 1e-4
        sparse.sparsity = 0.6
        with sparsevit.capture(sparse) as trace:
            assert relative_error(sparse(images, **inputs)[name], expected) > 1e-4
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
        expected = join_maps(backbone, images)
        for fused in (False, True):
            with host_form(sparse, fused):
                assert relative_error(join_maps(sparse, images), expected) <= 1e-5
    assert set(make_runs(sparse, images, {})) == {"host default", "host", "sparsevit"}


def test_every_score_works(backbone: Any) -> None:
    for score in sparsevit.SCORES:
        sparse = sparsevit.sparsify(copy.deepcopy(backbone), 0.5, score=score)
        with torch.no_grad():
            assert join_maps(sparse, torch.randn(1, 3, 92, 64)).isfinite().all()


def test_survives_copies_and_can_be_undone(backbone: Any) -> None:
    model = copy.deepcopy(backbone)
    before, keys = describe(model), list(model.state_dict())
    sparsevit.sparsify(model, 0.5)
    assert list(model.state_dict()) == keys
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = join_maps(model, images)
        assert torch.equal(join_maps(copy.deepcopy(model), images), expected)
    sparsevit.densify(model)
    assert describe(model) == before
