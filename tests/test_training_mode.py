"""Gradients of pruned networks, stochastic depth, dropout and checkpointing."""

import copy
import random
from typing import Any

import pytest
import torch
from oracle import make_swin, relative_error, run_oracle
from torch import Tensor

import sparsevit

DEPTHS = (2, 2, 4, 2)
SCHEDULE = ((0.6,), (0.0,), (0.3, 0.6), (0.5,))


def make_double(**kwargs: Any) -> Any:
    """In double precision: a gradient that is merely close is wrong."""
    return make_swin(**{"depths": DEPTHS, **kwargs}).double()


def make_images(batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, 64, 92, dtype=torch.float64)


def collect_gradients(model: Any, features: Tensor) -> dict[str, Tensor]:
    weights = torch.linspace(-1, 1, features.numel(), dtype=features.dtype).view_as(features)
    (features * weights).sum().backward()
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("schedule", [SCHEDULE, ((0.0,), (0.0,), (0.0, 0.0), (0.0,))], ids=str)
def test_gradients_equal_the_oracle_s(schedule: Any) -> None:
    dense, images = make_double(), make_images()
    sparse = sparsevit.sparsify(copy.deepcopy(dense), schedule)
    ours_images, oracle_images = images.clone().requires_grad_(), images.clone().requires_grad_()
    ours = collect_gradients(sparse, sparse.forward_features(ours_images))
    expected = collect_gradients(dense, run_oracle(dense, oracle_images, schedule).features)
    assert ours.keys() == expected.keys()
    assert {"layers.2.blocks.3.mlp.fc1.weight", "layers.2.blocks.3.norm1.bias"} <= ours.keys()
    for name, gradient in ours.items():
        # A key's bias shifts all logits alike: its gradient is zero but for rounding.
        scale = max(float(expected[name].abs().max()), 1e-6)
        assert float((gradient - expected[name]).abs().max()) <= 1e-10 * scale, name
    assert relative_error(ours_images.grad, oracle_images.grad) <= 1e-10


def test_pruned_windows_pass_the_gradient_straight_through() -> None:
    stage = sparsevit.sparsify(make_double(), SCHEDULE).layers[0]
    x = torch.randn(2, 21, 19, 24, dtype=torch.float64, requires_grad=True)
    with sparsevit.capture(stage) as trace:
        out = stage(x)
    upstream = torch.randn_like(out)
    out.backward(upstream)
    for image in range(2):
        computed = torch.stack([record.token_mask(image) for record in trace.blocks]).any(dim=0)
        assert 0 < computed.sum() < computed.numel()
        assert torch.equal(x.grad[image][~computed], upstream[image][~computed])
        assert (x.grad[image][computed] != upstream[image][computed]).any(dim=-1).all()


def test_pruned_windows_teach_the_block_nothing() -> None:
    """With one window kept, weights see that window's tokens alone."""
    model = sparsevit.sparsify(make_double(), ((0.0,), (0.0,), (0.0, 0.9), (0.0,)))
    stage = model.layers[2]
    stage.downsample = torch.nn.Identity()
    x = torch.randn(1, 14, 14, 96, dtype=torch.float64)
    with sparsevit.capture(stage) as trace:
        out = stage(x)
    kept = trace.blocks[2].token_mask() | trace.blocks[3].token_mask()
    weights = (~kept).double().view(1, 14, 14, 1)
    (out * weights).sum().backward()
    for block in (2, 3):
        gradients = [p.grad for p in stage.blocks[block].parameters()]
        assert all(gradient is None or not gradient.any() for gradient in gradients)
    assert stage.blocks[0].mlp.fc1.weight.grad.any()


def test_every_parameter_of_a_pruned_network_learns() -> None:
    model = sparsevit.sparsify(make_swin(depths=DEPTHS), SCHEDULE).train()
    model(make_images().float()).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("batch", [1, 3])
def test_stochastic_depth_equals_the_host_s_under_one_seed(batch: int) -> None:
    dense = make_double(drop_path_rate=0.5).train()
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    images = make_images(batch)
    outputs = []
    for model in (sparse, dense):
        torch.manual_seed(11)
        outputs.append(model.forward_features(images))
    assert relative_error(*outputs) <= 1e-12
    assert relative_error(sparse.forward_features(images), outputs[1]) > 1e-3  # it does drop


def test_stochastic_depth_drops_whole_images() -> None:
    model = sparsevit.sparsify(make_double(drop_path_rate=0.9), SCHEDULE).train()
    block = model.layers[0].blocks
    for path in [m for b in block for m in (b.drop_path1, b.drop_path2)]:
        if hasattr(path, "drop_prob"):
            path.drop_prob = 0.5
    x = torch.randn(64, 14, 14, 24, dtype=torch.float64)
    with sparsevit.capture(model) as trace:
        out = model.layers[0](x)
    second = trace.blocks[1]
    for image in range(64):
        changed = (out[image] != x[image]).any(dim=-1)
        first = trace.blocks[0].token_mask(image)
        only_second = second.token_mask(image) & ~first
        assert int(changed[only_second].sum()) in (0, int(only_second.sum()))


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("schedule", [0, SCHEDULE], ids=["dense", "pruned"])
def test_checkpointing_changes_no_gradient(training: bool, schedule: Any) -> None:
    images, results = make_images(), []
    for checkpointing in (False, True):
        model = sparsevit.sparsify(make_double(drop_path_rate=0.3), schedule).train(training)
        model.set_grad_checkpointing(checkpointing)
        torch.manual_seed(3)
        results.append(collect_gradients(model, model.forward_features(images)))
    plain, checkpointed = results
    assert plain.keys() == checkpointed.keys()
    assert all(torch.equal(plain[name], checkpointed[name]) for name in plain)


def test_checkpointing_needs_no_gradients_to_run() -> None:
    model = sparsevit.sparsify(make_double(), SCHEDULE)
    images = make_images()
    expected = model(images)
    model.set_grad_checkpointing(True)
    with torch.no_grad():
        assert relative_error(model(images), expected) <= 1e-12


@pytest.mark.parametrize("grad", [False, True])
def test_dropout_acts_in_training_only(grad: bool) -> None:
    model = make_double(proj_drop_rate=0.3, attn_drop_rate=0.3)
    images = make_images()
    with torch.set_grad_enabled(grad):
        sparse = sparsevit.sparsify(copy.deepcopy(model))
        assert relative_error(sparse(images), model(images)) <= 1e-12
        sparse.train()
        assert not torch.equal(sparse(images), sparse(images))


def test_training_mode_without_gradients_prunes_alike() -> None:
    model = sparsevit.sparsify(make_double(drop_path_rate=0.0), SCHEDULE)
    images = make_images()
    with torch.no_grad():
        expected = model(images)
        assert relative_error(model.train()(images), expected) <= 1e-12


def test_a_frozen_network_passes_gradients_to_its_input() -> None:
    model = sparsevit.sparsify(make_double(), SCHEDULE).requires_grad_(False)
    images = make_images().requires_grad_()
    model(images).sum().backward()
    assert images.grad.any()


def test_adaptation_draws_a_schedule_each_step_and_learns() -> None:
    model = sparsevit.sparsify(make_swin(depths=DEPTHS, drop_path_rate=0.0)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    rng, images, labels = random.Random(0), make_images(4).float(), torch.tensor([0, 1, 2, 3])
    losses = []
    for _ in range(8):
        model.sparsity = sparsevit.SparsitySchedule.random(DEPTHS, rng)
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) < 0.5 * sum(losses[:3])
