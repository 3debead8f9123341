"""What a straight line through a network's features tells of classes: a probe made on the spot."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_MOST_FITTED = 2048  # tokens that a probe is fitted to
_RIDGE = 0.01  # weight of the penalty for each token, where every feature has variance 1


def read_off(dense: Tensor, sparse: Tensor, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read classes off features by a linear probe: ridge regression in closed form.

    The tokens are halved like the squares of a chessboard. Each half is read by a probe that was
    fitted to the dense features of the other half, so no token is read by what it was fitted to.

    Args:
        dense: (h, w, C) float32, what the probe is fitted to.
        sparse: (h, w, C) float32, what it is tried on as well.
        classes: (h, w) uint8, what the dense features are to say.

    Returns:
        (h, w) uint8 each, one of the classes that occur: read off dense, and off sparse.
    """
    height, width = classes.shape
    half = (np.add.outer(np.arange(height), np.arange(width)) % 2).ravel()
    order = np.random.default_rng(0).permutation(half.size)
    names, targets = np.unique(classes, return_inverse=True)
    wanted = F.one_hot(torch.from_numpy(targets.ravel())).float()
    rows = dense.flatten(0, 1), sparse.flatten(0, 1)
    read = np.empty(half.size, np.uint8), np.empty(half.size, np.uint8)
    for number in (0, 1):
        fitted = order[half[order] != number][:_MOST_FITTED]
        if not fitted.size:  # a single token
            fitted = order
        probe = _Probe(rows[0][fitted], wanted[fitted])
        places = np.flatnonzero(half == number)
        for side, out in zip(rows, read, strict=True):
            out[places] = names[probe.choose(side[places])]
    return read[0].reshape(classes.shape), read[1].reshape(classes.shape)


class _Probe:
    """Scores that are linear in features, fitted to wanted ones.

    Args:
        x: (n, C) float32 features.
        wanted: (n, classes) float32, 1 for a token's class and 0 for the others.
    """

    def __init__(self, x: Tensor, wanted: Tensor) -> None:
        mean, offset = x.mean(dim=0), wanted.mean(dim=0)
        scale = x.std(dim=0, correction=0).clamp(min=1e-6)
        x, wanted = (x - mean) / scale, wanted - offset
        penalty = _RIDGE * len(x)
        if len(x) < x.shape[1]:  # both are the same weights; the smaller system is solved
            weights = x.T @ _solve(x @ x.T, penalty, wanted)
        else:
            weights = _solve(x.T @ x, penalty, x.T @ wanted)
        self._weights = weights / scale.unsqueeze(1)
        self._offset = offset - mean @ self._weights

    def choose(self, x: Tensor) -> np.ndarray:
        """Index of the class with the highest score, (n,) int64, of features (n, C)."""
        chosen: np.ndarray = (x @ self._weights + self._offset).argmax(dim=1).numpy()
        return chosen


def _solve(products: Tensor, penalty: float, wanted: Tensor) -> Tensor:
    """(products + penalty on the diagonal)^-1 wanted."""
    system = products.double() + penalty * torch.eye(len(products), dtype=torch.float64)
    solved: Tensor = torch.linalg.solve(system, wanted.double())
    return solved.float()
