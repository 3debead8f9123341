"""Teaching the ranking: gates and lists, values and gradients by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracle import make_dense
from studies_support import load_toy
from torch import nn

import sparsevit
from sparsevit.core.stage import WindowRanker
from sparsevit.core.steering import Choice, Situation, steer
from sparsevit.core.trace import capture
from sparsevit.inspect.worth import measure_worth
from sparsevit.patch import find_stages, list_blocks, set_sparsity
from sparsevit.training.ranking import (
    StraightThroughGate,
    compare_lists,
    draw_some,
    measure_listwise_loss,
)


def bend(z):
    """The slope of a sigmoid."""
    return math.exp(-z) / (1 + math.exp(-z)) ** 2


def test_gates_are_one_and_pass_the_slope_of_a_sigmoid():
    scores = torch.tensor([[1.0, 4.0, 3.0, 2.0], [5.0, 5.0, 5.0, 5.0]], requires_grad=True)
    keep_idx = torch.tensor([[1, 2], [0, 1]])
    situation = Situation(0, 0, None, lambda: scores, keep_idx)
    choice = StraightThroughGate(0.0, temperature=0.5).choose(situation)
    assert torch.equal(choice.keep_idx, keep_idx)
    assert torch.equal(choice.gates, torch.ones(2, 2))
    (choice.gates * torch.tensor([[5.0, -2.0], [0.0, 0.0]])).sum().backward()
    # Between the second and the third best lies 2.5; the standard deviation is the root of 1.25.
    scale = 0.5 * 1.25**0.5
    expected = [0.0, 5 * bend(1.5 / scale) / scale, -2 * bend(0.5 / scale) / scale, 0.0]
    assert scores.grad[0].tolist() == pytest.approx(expected)
    assert not scores.grad[1].any()
    assert StraightThroughGate().choose(replace(situation, keep_idx=None)) == Choice(None)


def test_some_windows_are_drawn_at_random():
    order = torch.stack([torch.randperm(20) for _ in range(3)])
    counts = np.zeros((3, 20))
    for _ in range(200):
        drawn = draw_some(order[:, :10], 20, 3)
        for image, windows in enumerate(drawn.tolist()):
            assert windows[:7] == order[image, :7].tolist()
            assert len(set(windows)) == 10
            counts[image, windows[7:]] += 1
    others = [sorted(order[image, 7:].tolist()) for image in range(3)]
    assert [counts[image].nonzero()[0].tolist() for image in range(3)] == others
    assert counts[counts > 0].min() > 20  # 46 expected of each
    assert torch.equal(draw_some(order[:, :10], 20, 0), order[:, :10])
    choice = StraightThroughGate(0.25).choose(
        Situation(0, 0, None, lambda: -order.argsort().float(), order[:, :8])
    )
    assert torch.equal(choice.keep_idx[:, :6], order[:, :6])


def test_a_gated_forward_is_the_sparse_one_with_one_gradient_more():
    model = sparsevit.sparsify(make_dense(img_size=256), [0.4, 0, 0, 0])
    weight, images = model.patch_embed.proj.weight, torch.randn(2, 3, 96, 132)
    plain = model(images)
    plain.logsumexp(1).sum().backward()
    expected = weight.grad.clone()
    weight.grad = None
    gates, entered, kept = {}, [], []

    class Leaves:
        def choose(self, situation):
            keep_idx, block = situation.keep_idx, situation.block
            if keep_idx is None:
                return Choice(None)
            gates[block] = torch.ones(keep_idx.shape, requires_grad=True)
            kept.append((situation.grid, keep_idx))
            return Choice(keep_idx, gates[block])

    hook = find_stages(model)[0].register_forward_pre_hook(lambda _, args: entered.append(args[0]))
    with steer(model, Leaves()):
        slopes = torch.autograd.grad(
            model(images).logsumexp(1).sum(), list(gates.values()), retain_graph=True
        )
    hook.remove()
    surrogate = 0.0
    for slope, (grid, keep_idx) in zip(slopes, kept, strict=True):
        ranker = WindowRanker(find_stages(model)[0].pruning, keeps_gradient=True)
        scores = ranker.scores(entered[0], grid)
        best = scores.detach().sort(descending=True).values
        count = keep_idx.shape[1]
        threshold = (best[:, count - 1] + best[:, count]) / 2
        spread = scores.detach().std(dim=1, correction=0)
        sure = ((scores - threshold[:, None]) / spread[:, None]).sigmoid()
        surrogate = surrogate + (slope * sure.gather(1, keep_idx)).sum()
    expected = expected + torch.autograd.grad(surrogate, weight)[0]

    with steer(model, StraightThroughGate(random_share=0.0)):
        gated = model(images)
    assert torch.equal(gated, plain)
    gated.logsumexp(1).sum().backward()
    torch.testing.assert_close(weight.grad, expected, rtol=1e-4, atol=1e-5)
    assert surrogate.abs() > 0
    before = weight.grad.clone()
    weight.grad = None
    model(images).logsumexp(1).sum().backward()
    assert (weight.grad - before).abs().max() > 1e-5  # outside of it there is none


def compare_by_hand(scores, worth):
    """The divergence of one list from another, and its slopes, in numpy."""
    z = scores / scores.std()
    guess, share = np.exp(z) / np.exp(z).sum(), worth / worth.sum()
    loss = sum(p * math.log(p / q) for p, q in zip(share, guess, strict=True) if p > 0)
    return loss, (guess - share) / scores.std()


def test_lists_by_hand():
    scores = np.array([[0.3, 0.9, 0.5, 0.1], [2.0, 1.0, 1.5, 7.0]])
    worth = np.array([[4.0, 1.0, 0.0, 5.0], [1.0, 1.0, 2.0, 1.0]])
    given = torch.tensor(scores, requires_grad=True)
    loss = compare_lists(given, torch.tensor(worth))
    expected = [compare_by_hand(*pair) for pair in zip(scores, worth, strict=True)]
    assert loss.item() == pytest.approx((expected[0][0] + expected[1][0]) / 2)
    loss.backward()
    for slopes, (_, by_hand) in zip(given.grad, expected, strict=True):
        assert slopes.tolist() == pytest.approx(list(by_hand / 2))
    assert given.grad[0].argmin() == 3  # worth most and scored least, so its score is to rise
    assert compare_lists(100 + 10 * given, torch.tensor(worth)).item() == pytest.approx(loss.item())


def test_a_list_that_is_right_or_says_nothing():
    z = torch.tensor([[1.2, -0.3, 0.6, -1.5]], dtype=torch.float64)
    z = (z - z.mean()) / z.std(correction=0)
    assert compare_lists(7 + 3 * z, 10 * z.exp()).item() == pytest.approx(0, abs=1e-12)
    alike = torch.ones(1, 4, requires_grad=True)
    assert compare_lists(alike, torch.zeros(1, 4)).item() == 0
    compare_lists(alike, torch.tensor([[1.0, 0.0, 0.0, 0.0]])).backward()
    assert alike.grad.isfinite().all()


def test_the_listwise_loss_is_that_of_scores_and_worth():
    loaded = load_toy()
    model, images = loaded.module, torch.randn(1, 3, 64, 96)
    lists = {}
    for record in measure_worth(loaded, images):
        scores, worth = lists.get((record.stage, record.shifted), (record.scores, 0))
        lists[record.stage, record.shifted] = scores, worth + record.worth
    expected = np.mean(
        [
            compare_by_hand(scores.flatten().double().numpy(), worth.flatten().double().numpy())[0]
            for scores, worth in lists.values()
            if scores.numel() > 1
        ]
    )
    set_sparsity(model, 0.5)
    model.train()
    model.norms[1].eval()
    stem = next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    before = stem.running_mean.clone()
    loss = measure_listwise_loss(model, loaded.task, images)
    assert loss.item() == pytest.approx(expected, rel=1e-3)
    assert torch.equal(stem.running_mean, before)
    assert [name for name, m in model.named_modules() if not m.training] == ["norms.1"]
    assert all(p.grad is None for p in model.parameters())
    with torch.no_grad(), capture(model) as trace:
        model(images)
    assert trace.blocks[0].kept < trace.blocks[0].total
    loss.backward()
    assert list_blocks(model)[0][0].mlp.fc1.weight.grad.abs().max() > 0


def test_the_listwise_loss_can_be_learned():
    loaded = load_toy()
    images = torch.randn(1, 3, 64, 64)
    optimizer = torch.optim.Adam(loaded.module.parameters(), lr=3e-3)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = measure_listwise_loss(loaded.module, loaded.task, images)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
