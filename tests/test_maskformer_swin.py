"""MaskFormer, which brings a Swin of its own."""

import copy
from typing import Any

import torch
from hf_oracle import NARROW, stir
from oracle import relative_error
from transformers import (
    DetrConfig,
    MaskFormerConfig,
    MaskFormerForInstanceSegmentation,
    SwinConfig,
)

import sparsevit


def make_maskformer() -> Any:
    config = MaskFormerConfig(
        backbone_config=SwinConfig(**NARROW),
        decoder_config=DetrConfig(
            d_model=32,
            encoder_layers=1,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            num_queries=6,
        ),
        fpn_feature_size=32,
        mask_feature_size=32,
        num_labels=4,
    )
    return stir(MaskFormerForInstanceSegmentation(config))


def test_its_masks_and_classes_are_the_host_s() -> None:
    dense = make_maskformer()
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    images = torch.randn(2, 3, 128, 96)
    with torch.no_grad():
        expected, got = dense(images), sparse(images)
        for name in ("class_queries_logits", "masks_queries_logits"):
            assert relative_error(got[name], expected[name]) <= 1e-4
        sparse.sparsity = 0.6
        with sparsevit.capture(sparse) as trace:
            pruned = sparse(images)
    assert len(trace.blocks) == 10
    assert relative_error(pruned.masks_queries_logits, expected.masks_queries_logits) > 1e-4
    assert list(sparse.state_dict()) == list(dense.state_dict())


def test_what_the_host_calls_attentions_is_what_the_host_gives() -> None:
    """The host answers with tokens where attention maps were asked for."""
    dense = make_maskformer().model.pixel_level_module.encoder
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        got = sparse(images, output_attentions=True).attentions
        expected = dense(images, output_attentions=True).attentions
    for ours, theirs in zip(got, expected, strict=True):
        assert relative_error(ours, theirs) <= 1e-5
