"""Every Swin of Hugging Face's: equal to itself and to the oracle, trainable, and undoable."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hf_oracle import NARROW, SCHEDULE, SIZES, STEEP, join_maps, run_oracle, stir
from oracle import Kept, describe, kept_of, relative_error, sort_kept
from torch import Tensor
from transformers import Swinv2Backbone, Swinv2Config, Swinv2Model
from transformers.models.maskformer.configuration_maskformer_swin import MaskFormerSwinConfig
from transformers.models.maskformer.modeling_maskformer_swin import (
    MaskFormerSwinBackbone,
    MaskFormerSwinModel,
)

import sparsevit
from sparsevit.core.stream import BlockPlan, TokenStream
from sparsevit.measure.cost import count_fixed_macs, count_macs
from sparsevit.measure.dense import make_runs
from sparsevit.patch import get_token_grids, host_form
from sparsevit.schedule import SparsitySchedule


@dataclass(frozen=True)
class Family:
    """How one family's networks are made.

    Attributes:
        config, model, backbone: the host's classes.
        embed_options: what its patch embedding wants besides the images.
    """

    config: Callable[..., Any]
    model: Callable[..., Any]
    backbone: Callable[..., Any]
    embed_options: dict[str, Any]

    def make_model(self, **kwargs: Any) -> Any:
        """The bare network."""
        return stir(self.model(self.config(**{**NARROW, **kwargs})))

    def make_backbone(self, **kwargs: Any) -> Any:
        """The form that larger networks use."""
        return stir(self.backbone(self.config(**{**NARROW, **kwargs})))

    def run_plain(self, model: Any, images: Tensor, schedule: Any) -> tuple[Tensor, Kept]:
        """The oracle's tokens (B, H * W, C), and the kept windows."""
        return run_oracle(model, model.embeddings(images, **self.embed_options), schedule)


FAMILIES = {
    "swinv2": Family(Swinv2Config, Swinv2Model, Swinv2Backbone, {}),
    "maskformer": Family(
        MaskFormerSwinConfig,
        MaskFormerSwinModel,
        MaskFormerSwinBackbone,
        {"interpolate_pos_encoding": False},
    ),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES[request.param]


@pytest.fixture(scope="module")
def dense(family: Family) -> Any:
    return family.make_model()


@pytest.mark.parametrize("size", [*SIZES, (20, 20), (24, 116), (224, 224)], ids=str)
def test_at_sparsity_0_it_is_the_host(family: Family, size: tuple[int, int]) -> None:
    backbone = family.make_backbone()
    sparse = sparsevit.sparsify(copy.deepcopy(backbone))
    images = torch.randn(2, 3, *size)
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            assert relative_error(join_maps(sparse, images), join_maps(backbone, images)) <= 1e-5


@pytest.mark.parametrize("kwargs", [{"image_size": 64}, {"qkv_bias": False}], ids=str)
def test_every_variant_is_the_host(family: Family, kwargs: dict[str, Any]) -> None:
    """V2 fits windows and shifts to the size in its configuration."""
    dense = family.make_model(**kwargs)
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    images = torch.randn(2, 3, 60, 92)
    with torch.no_grad():
        expected, got = dense(images), sparse(images)
    assert relative_error(got.last_hidden_state, expected.last_hidden_state) <= 1e-5
    assert relative_error(got.pooler_output, expected.pooler_output) <= 1e-5


@pytest.mark.parametrize("schedule", [SCHEDULE, STEEP], ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_equals_the_oracle(
    family: Family, dense: Any, size: tuple[int, int], schedule: Any
) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(dense), schedule)
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected, kept = family.run_plain(dense, images, schedule)
    for grad in (False, True):
        with torch.set_grad_enabled(grad), sparsevit.capture(sparse) as trace:
            got = sparse(images).last_hidden_state
        assert kept_of(trace) == sort_kept(kept)
        assert relative_error(got, expected) <= 1e-5


def test_low_precision_is_as_good_as_the_host_s(dense: Any) -> None:
    images = torch.randn(1, 3, 92, 64)
    with torch.no_grad():
        reference = dense(images).last_hidden_state
        host = copy.deepcopy(dense).bfloat16()
        ours = sparsevit.sparsify(copy.deepcopy(dense).bfloat16())
        theirs, got = (model(images.bfloat16()).last_hidden_state.float() for model in (host, ours))
    assert (got - reference).abs().max() <= 2 * (theirs - reference).abs().max()


def test_gradients_are_the_oracle_s(family: Family, dense: Any) -> None:
    images = torch.randn(2, 3, 92, 64)
    plain, sparse = copy.deepcopy(dense), sparsevit.sparsify(copy.deepcopy(dense), SCHEDULE)
    family.run_plain(plain, images, SCHEDULE)[0].square().mean().backward()
    sparse(images).last_hidden_state.square().mean().backward()
    expected = {name: p.grad for name, p in plain.named_parameters() if p.grad is not None}
    found = {name: p.grad for name, p in sparse.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        if not name.endswith("key.bias"):  # its gradient is nought but for rounding
            assert relative_error(found[name], gradient) <= 1e-3


def test_training_with_checkpoints_and_drop_path(family: Family) -> None:
    sparse = sparsevit.sparsify(family.make_backbone(drop_path_rate=0.3), SCHEDULE).train()
    sparse.gradient_checkpointing_enable()
    join_maps(sparse, torch.randn(2, 3, 64, 64)).square().mean().backward()
    (stage, *_) = (m for m in sparse.modules() if m.__class__.__name__.endswith("Stage"))
    grads = [parameter.grad for parameter in stage.parameters()]
    assert all(grad is not None and grad.isfinite().all() for grad in grads)


def test_stochastic_depth_drops_what_the_host_drops(family: Family) -> None:
    """V2 drops both branches, MaskFormer's Swin the attention alone."""
    sparse = sparsevit.sparsify(family.make_model(drop_path_rate=0.9)).train()
    layer = sparse.encoder.layers[1].blocks[1]
    tokens, grid = torch.randn(8, 14 * 21, 48), layer.get_grid(14, 21, torch.device("cpu"))
    torch.manual_seed(1)
    (expected,) = layer(tokens, (14, 21))
    torch.manual_seed(1)
    (got,) = layer(tokens, (14, 21), plan=BlockPlan(grid, None, TokenStream(False)))
    assert relative_error(got, expected) <= 1e-5
    layer.eval()
    assert relative_error(layer(tokens, (14, 21))[0], expected) > 1e-2


@pytest.mark.parametrize("sparsity", [0.0, 0.5])
def test_hidden_states_are_kept_apart(dense: Any, sparsity: float) -> None:
    """Layers overwrite what they are given, but never what somebody asked for."""
    sparse = sparsevit.sparsify(copy.deepcopy(dense), sparsity)
    images = torch.randn(2, 3, 92, 64)
    with torch.no_grad():
        got = flatten(sparse(images, output_hidden_states=True).hidden_states)
    reference = sparse if sparsity else dense  # with gradients nothing is overwritten
    expected = flatten(reference(images, output_hidden_states=True).hidden_states)
    for ours, theirs in zip(got, expected, strict=True):
        assert relative_error(ours, theirs) <= 1e-5


def flatten(states: Any) -> list[Tensor]:
    """The tensors of tuples in tuples."""
    if isinstance(states, Tensor):
        return [states]
    return [tensor for state in states for tensor in flatten(state)]


def test_macs_are_those_the_counter_of_pytorch_finds(dense: Any) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    fixed = count_fixed_macs(sparse, (112, 112))
    half = count_macs(sparse, (112, 112), SparsitySchedule.parse(0.5, (2, 2, 4, 2)), fixed)
    embed, merge = 28 * 28 * 24 * 48, 14 * 14 * 96 * 48 + 7 * 7 * 192 * 96 + 4 * 4 * 384 * 192
    positions = sum(
        m.in_features * m.out_features * 13 * 13
        for name, m in sparse.named_modules()
        if "continuous_position_bias_mlp" in name and isinstance(m, torch.nn.Linear)
    )
    assert fixed == embed + merge + positions
    assert 0 < half.mac_ratio < 1
    assert get_token_grids(sparse, (112, 112)) == [(28, 28), (14, 14), (7, 7), (4, 4)]


def test_the_host_s_own_form_is_the_host(dense: Any) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(dense), 0.5)
    images = torch.randn(1, 3, 92, 64)
    with torch.no_grad():
        expected = dense(images).last_hidden_state
        with host_form(sparse):
            assert relative_error(sparse(images).last_hidden_state, expected) <= 1e-5
    assert set(make_runs(sparse, images, {})) == {"host default", "host", "sparsevit"}


def test_every_score_works(dense: Any) -> None:
    for score in sparsevit.SCORES:
        sparse = sparsevit.sparsify(copy.deepcopy(dense), 0.5, score=score)
        with torch.no_grad():
            assert sparse(torch.randn(1, 3, 92, 64)).last_hidden_state.isfinite().all()


def test_survives_copies_and_can_be_undone(dense: Any) -> None:
    model = copy.deepcopy(dense)
    before, keys = describe(model), list(model.state_dict())
    sparsevit.sparsify(model, 0.5)
    assert list(model.state_dict()) == keys
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = model(images).last_hidden_state
        assert torch.equal(copy.deepcopy(model)(images).last_hidden_state, expected)
    sparsevit.densify(model)
    assert describe(model) == before
