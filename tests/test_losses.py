"""The losses, against hand-computed ones."""

from __future__ import annotations

import math

import pytest
import torch

from sparsevit.training.losses import (
    centre_loss,
    compute_losses,
    distillation_loss,
    offset_loss,
    segmentation_loss,
)


def test_loss_of_classes_ignores_void() -> None:
    logits = torch.randn(1, 2, 4, 4)
    labels = torch.full((1, 16, 16), 2, dtype=torch.uint8)
    weights = torch.tensor([1.0, 3.0])
    assert [value.item() for value in segmentation_loss(logits, labels, weights)] == [0, 0]
    labels[:, :8] = 1
    total, weight = segmentation_loss(torch.zeros(1, 2, 4, 4), labels, weights)
    assert weight.item() == 3 * 32  # half of 8x8 pixels
    assert (total / weight).item() == pytest.approx(math.log(2))


def test_loss_of_centres_by_hand() -> None:
    """Chances 0.75 at a centre, 0.25 next to it (bump 0.5), 0.5 far off, and one ignored."""
    chances = torch.tensor([0.75, 0.25, 0.5, 0.9]).view(1, 1, 1, 4)
    heat = torch.tensor([1.0, 0.5, 0.0, 0.0]).view(1, 1, 1, 4)
    weight = torch.tensor([1.0, 1.0, 1.0, 0.0]).view(1, 1, 4)
    total, count = centre_loss(chances.logit(), heat, weight)
    expected = [
        -(0.25**2) * math.log(0.75),
        -(0.5**4) * 0.25**2 * math.log(0.75),
        -(0.5**2) * math.log(0.5),
    ]
    assert total.item() == pytest.approx(sum(expected), rel=1e-5)
    assert count.item() == 1


def test_centres_of_no_picture_that_tells_them_teach_nothing() -> None:
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    total, count = centre_loss(logits, torch.rand(2, 3, 4, 4).round(), torch.zeros(2, 4, 4))
    total.backward()
    assert (total.item(), count.item()) == (0, 0)
    assert logits.grad is not None
    assert not logits.grad.any()


def test_loss_of_offsets_counts_what_has_weight() -> None:
    predicted = torch.tensor([[1.0, 5.0], [2.0, 5.0]]).view(1, 2, 1, 2)
    weight = torch.tensor([0.5, 0.0]).view(1, 1, 2)
    total, count = offset_loss(predicted, torch.zeros(1, 2, 1, 2), weight)
    assert (total.item(), count.item()) == (0.5 * 3, 0.5)


def test_a_network_without_heads_for_things_has_the_loss_of_classes_alone() -> None:
    labels = torch.zeros(1, 16, 16, dtype=torch.uint8)
    losses = compute_losses({"logits": torch.randn(1, 2, 4, 4)}, labels, {}, torch.ones(2))
    assert set(losses) == {"classes"}


def test_distillation_teaches_the_sparse_output_alone() -> None:
    torch.manual_seed(0)
    shapes = {"logits": (2, 3, 4, 4), "centres": (2, 4, 4, 4), "boxes": (2, 8, 4, 4)}
    dense = {name: torch.randn(shape, requires_grad=True) for name, shape in shapes.items()}
    same = {name: value.detach().clone() for name, value in dense.items()}
    assert distillation_loss(same, dense).item() == pytest.approx(0, abs=1e-6)
    sparse = {name: torch.randn(shape, requires_grad=True) for name, shape in shapes.items()}
    loss = distillation_loss(sparse, dense)
    loss.backward()
    assert all(value.grad is None for value in dense.values())
    assert all(value.grad is not None and value.grad.any() for value in sparse.values())
    alone = distillation_loss({"logits": sparse["logits"]}, {"logits": dense["logits"]})
    truth, chances = (x["logits"].softmax(1) for x in (dense, sparse))
    by_hand = (truth * (truth / chances).log()).sum(1).mean()
    assert alone.item() == pytest.approx(by_hand.item(), rel=1e-5)
