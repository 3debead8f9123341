"""What sets Hugging Face's Swin V2 apart, and larger networks that sit on it."""

import copy
import math
from typing import Any

import pytest
import torch
from hf_oracle import NARROW, join_maps, stir
from oracle import relative_error
from transformers import (
    DPTConfig,
    DPTForDepthEstimation,
    Swinv2Backbone,
    Swinv2Config,
    Swinv2ForImageClassification,
)

import sparsevit


@pytest.fixture(scope="module")
def classifier() -> Any:
    return stir(Swinv2ForImageClassification(Swinv2Config(**NARROW)))


def test_a_mask_added_twice_is_the_host_s() -> None:
    """Where logits reach -100, a mask of -100 hides nothing, and one of -200 does."""
    dense = stir(Swinv2Backbone(Swinv2Config(**{**NARROW, "qkv_bias": False})))
    with torch.no_grad():
        for stage in dense.encoder.layers:
            attend = stage.blocks[1].attention.self  # the shifted one
            attend.key.weight.copy_(-attend.query.weight)  # a token is most unlike itself
            attend.logit_scale.fill_(math.log(100))
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    images = torch.randn(2, 3, 112, 92)
    with torch.no_grad():
        expected = join_maps(dense, images)
        assert relative_error(join_maps(sparse, images), expected) <= 1e-4
        for stage in dense.encoder.layers:
            attend = stage.blocks[1].attention.self
            attend.forward = halve_mask(attend.forward)
        assert relative_error(join_maps(dense, images), expected) > 1e-2


def halve_mask(forward: Any) -> Any:
    """The attention with a mask half as strong: that added once."""
    return lambda tokens, mask, *args: forward(tokens, None if mask is None else mask / 2, *args)


def test_the_classifier_s_answer_and_hidden_states_are_the_host_s(classifier: Any) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(classifier))
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        expected = classifier(images, output_hidden_states=True)
        got = sparse(images, output_hidden_states=True)
    assert relative_error(got.logits, expected.logits) <= 1e-5
    for ours, theirs in zip(
        got.reshaped_hidden_states, expected.reshaped_hidden_states, strict=True
    ):
        assert relative_error(ours, theirs) <= 1e-5


def test_without_return_dict_and_with_attentions_it_answers(classifier: Any) -> None:
    """There are no attention maps: they would have to be computed for it alone."""
    sparse = sparsevit.sparsify(copy.deepcopy(classifier), 0.5)
    images = torch.randn(1, 3, 112, 112)
    with torch.no_grad():
        out = sparse(images, output_attentions=True)
        (logits, *_) = sparse(images, return_dict=False)
    assert out.attentions == (None,) * 4
    assert torch.equal(logits, out.logits)


def test_changed_weights_are_used_at_once(classifier: Any) -> None:
    """The position bias is made by a small network of its own, and cached."""
    host = copy.deepcopy(classifier)
    sparse = sparsevit.sparsify(copy.deepcopy(classifier))
    images = torch.randn(1, 3, 112, 112)
    with torch.no_grad():
        sparse(images)
        for model in (host, sparse):
            for block in model.swinv2.encoder.layers[0].blocks:
                block.attention.self.continuous_position_bias_mlp[2].weight.mul_(-1)
        assert relative_error(sparse(images).logits, host(images).logits) <= 1e-5


def test_dpt_on_it_is_found() -> None:
    config = DPTConfig(
        backbone_config=Swinv2Config(**NARROW),
        is_hybrid=False,
        neck_hidden_sizes=[24, 48, 96, 192],
        fusion_hidden_size=16,
        reassemble_factors=[4, 2, 1, 0.5],
    )
    dense = stir(DPTForDepthEstimation(config))
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected = dense(images).predicted_depth
        assert relative_error(sparse(images).predicted_depth, expected) <= 1e-4
        sparse.sparsity = 0.6
        assert relative_error(sparse(images).predicted_depth, expected) > 1e-4
    assert list(sparse.state_dict()) == list(dense.state_dict())
