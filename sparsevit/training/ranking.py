"""Teaching a network to give windows that matter a high score; inference stays as it is.

The choice of windows has no gradient. Two ways around that, both off unless a trainer asks:

- :class:`StraightThroughGate`, given to :func:`sparsevit.core.steering.steer` around a sparse
  forward, lets the loss say of every window that was computed whether it was worth it.
- :func:`measure_listwise_loss`, added to the loss now and then, compares the scores of all windows
  with what their computation is worth to a dense forward.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sparsevit.core.steering import Choice, Partition, Situation
from sparsevit.inspect.objective import build_objective
from sparsevit.inspect.worth import WorthMeter, run_metered
from sparsevit.tasks import Task

_LEAST_SPREAD = 1e-6  # of scores that are all alike


@dataclass(frozen=True)
class StraightThroughGate:
    """Steering that gates kept windows by 1, with the gradient of how surely they are kept.

    A gate passes to the score of its window the gradient of a sigmoid of (score - threshold) /
    (temperature x spread), where the threshold lies between the last window kept and the next, and
    the spread is the standard deviation over the windows of the picture. So a window whose branches
    lower the loss gets a higher score, and one whose branches raise it a lower one.

    Attributes:
        random_share: of the kept windows that is drawn at random, by PyTorch's generator, from
            those that are not among the best; they would never be tried otherwise.
        temperature: in units of the spread, > 0.
    """

    random_share: float = 0.1
    temperature: float = 1.0

    def choose(self, situation: Situation) -> Choice:
        """Keep as many windows as the stage would, and gate them."""
        keep_idx = situation.keep_idx
        if keep_idx is None:
            return Choice(None)
        scores, kept = situation.score(), keep_idx.shape[1]
        with torch.no_grad():
            best = scores.topk(kept + 1).values
            threshold = best[:, -2:].mean(dim=1, keepdim=True)
            spread = scores.std(dim=1, keepdim=True, correction=0).clamp(min=_LEAST_SPREAD)
        sure = ((scores - threshold) / (self.temperature * spread)).sigmoid()
        keep_idx = draw_some(keep_idx, scores.shape[1], round(self.random_share * kept))
        return Choice(keep_idx, (1 + (sure - sure.detach())).gather(1, keep_idx))


def draw_some(keep_idx: Tensor, num_windows: int, count: int) -> Tensor:
    """Replace the last of the windows kept by others, drawn at random.

    Args:
        keep_idx: (B, K) int64, the best first.
        num_windows: nW, to draw from.
        count: how many to replace, at most K.

    Returns:
        (B, K) int64, no window twice; the last ``count`` are drawn from all but those before them.
    """
    best = keep_idx[:, : keep_idx.shape[1] - count]
    chance = torch.rand(len(keep_idx), num_windows, device=keep_idx.device)
    drawn = chance.scatter(1, best, -1.0).topk(count).indices
    return torch.cat([best, drawn], dim=1)


def compare_lists(scores: Tensor, worth: Tensor) -> Tensor:
    """How far scores are from ranking windows by their worth (ListNet, Cao et al. 2007).

    It is the divergence of the softmax of the scores, in units of their standard deviation over a
    picture, from each window's share of the worth. So neither the size of the scores nor what they
    have in common counts. The unit has no gradient: that of a score is (softmax - share) / unit.

    Args:
        scores: (B, nW), differentiable.
        worth: (B, nW) >= 0.

    Returns:
        Scalar >= 0, the mean over the pictures; a picture without any worth counts 0.
    """
    unit = scores.detach().std(dim=1, keepdim=True, correction=0).clamp(min=_LEAST_SPREAD)
    guess = (scores / unit).log_softmax(dim=1)
    total = worth.sum(dim=1, keepdim=True)
    share = worth / total.where(total > 0, 1.0)
    return (torch.xlogy(share, share) - share * guess).sum(dim=1).mean()


def measure_listwise_loss(model: nn.Module, task: Task, images: Tensor) -> Tensor:
    """The mean of :func:`compare_lists` over the stages' rankings, of a dense forward of its own.

    It costs a forward and a backward, and a second backward where it is added to a loss. The
    forward is one in evaluation mode, and no statistics of the model change.

    Args:
        model: a sparsified network; neither its schedule nor its mode is touched.
        task: what its output means.
        images: (B, 3, img_h, img_w) as the network takes them.

    Returns:
        Differentiable scalar; 0 where every stage has a single window.
    """
    meter = WorthMeter()
    with _evaluating(model):
        output = run_metered(model, images, meter)
    objective = build_objective(task, output)(output)
    slopes = meter.measure(objective, retain_graph=True)
    rankings: dict[Partition, tuple[Tensor, Tensor]] = {}
    for key, worth in slopes.items():
        place = meter.find_partition(key)
        scores, before = rankings.get(place, (meter.scores[key], torch.zeros_like(worth)))
        rankings[place] = scores, before + worth
    losses = [compare_lists(*pair) for pair in rankings.values() if pair[0].shape[1] > 1]
    return torch.stack(losses).mean() if losses else objective.new_zeros(())


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Inside the ``with`` block all of the model is in evaluation mode."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
