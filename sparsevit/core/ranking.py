"""Where the ranking of windows comes from, if not from the magnitudes of activations alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparsevit.core.scoring import rank_windows, window_scores
from sparsevit.core.steering import Choice, Situation, steer
from sparsevit.core.windows import WindowGrid, get_window_grid

#: What a map is for: a block (stage, block), a stage, or every stage (None); all 0-based.
Place: TypeAlias = tuple[int, int] | int | None

_LEAST_SKIPPED = 0.5  # share of a window's tokens that must be -inf for it to be skipped


@contextmanager
def rank_by(
    model: nn.Module, maps: Tensor | Mapping[Place, Tensor], weight: float = 1.0
) -> Iterator[None]:
    """Rank windows by maps of what their tokens are worth, in the forwards inside the ``with``.

    A map is resized to the grid of each stage and pooled to its windows as magnitudes are. The
    schedule says how many windows are kept, as ever, but for those that a map decides for certain:
    a window with a token of +inf is kept, and one of which at least half is -inf is skipped, even
    where that makes more or fewer of them. Where the schedule keeps all, and no map skips any,
    nothing changes.

    Args:
        model: a sparsified model.
        maps: (B or 1, h, w) for all stages, or such for a stage, or for a block (stage, block),
            whose own comes before that of its stage. Values are >= 0, +inf or -inf; any resolution.
        weight: of the maps against the score of the model, both divided by their mean over the
            windows, in [0, 1]. 0 takes of the maps what they decide for certain alone.

    Raises:
        ValueError: a map of another shape, with NaN or negative numbers; a weight outside [0, 1];
            in the forward, a map of another batch, or one whose pictures decide for numbers of
            windows that no common number suits.
        RuntimeError: at the end, nothing asked for the maps, or for one of them: the model has no
            such stage or block.
    """
    ranking = Ranking(maps, weight)
    with steer(model, ranking):
        yield
    ranking.check_asked()


@dataclass(frozen=True)
class _Worth:
    """A map, taken apart: (B, h, w) float32 each.

    Attributes:
        finite: 0 where it is not finite.
        keep, skip: 1 where it is +inf, and -inf, on the CPU; None where it is nowhere.
    """

    finite: Tensor
    keep: Tensor | None
    skip: Tensor | None


def _read_map(place: Place, values: Tensor) -> _Worth:
    if values.ndim != 3:
        raise ValueError(f"The map for {place} must be (B, h, w), got {tuple(values.shape)}.")
    values = values.detach().float()
    finite = values.where(values.isfinite(), 0)
    if bool(values.isnan().any() | (finite < 0).any()):
        raise ValueError(f"The map for {place} must hold numbers >= 0, +inf and -inf.")
    keep, skip = ((values == sign * torch.inf).float().cpu() for sign in (1, -1))
    return _Worth(finite, keep if keep.any() else None, skip if skip.any() else None)


class Ranking:
    """Steering that keeps as many windows as the stage would, by another ranking.

    It serves any number of forwards; what a map decides for certain is found once for each grid.

    Args:
        maps, weight: see :func:`rank_by`, which raises the same.
    """

    def __init__(self, maps: Tensor | Mapping[Place, Tensor], weight: float) -> None:
        if not 0 <= weight <= 1:
            raise ValueError(f"weight must be in [0, 1], got {weight}.")
        by_place = {None: maps} if isinstance(maps, Tensor) else dict(maps)
        self._worth = {place: _read_map(place, values) for place, values in by_place.items()}
        self._weight = weight
        self._asked: set[Place] = set()  # whose map counts, or would if there was none before it
        self._decided: dict[tuple[int, WindowGrid], tuple[Tensor, Tensor]] = {}

    def check_asked(self) -> None:
        """Say so where a map had no effect.

        Raises:
            RuntimeError: no block asked for any of them, or for one of them.
        """
        if not self._asked:
            raise RuntimeError(
                "No block asked for the maps of rank_by: run the model that was given to it inside "
                "its `with` block, in the same thread, not in its host's form and not compiled."
            )
        unknown = [place for place in self._worth if place not in self._asked]
        if unknown:
            raise RuntimeError(
                f"No block asked for the map for {unknown[0]}: a place is a stage, (stage, block) "
                f"or None, and both count from 0."
            )

    def choose(self, situation: Situation) -> Choice:
        found = self._find(situation)
        if found is None:
            return Choice(situation.keep_idx)
        grid, total = situation.grid, situation.grid.num_windows
        key = id(found), grid
        if key not in self._decided:
            self._decided[key] = _decide(found, grid)
        keep, skip = self._decided[key]
        kept = total if situation.keep_idx is None else situation.keep_idx.shape[1]
        kept = _fit_count(kept, keep, skip)
        if kept == total:
            return Choice(None)
        if not (self._weight or keep.any() or skip.any()):
            return Choice(situation.keep_idx)
        scores = situation.score()
        if self._weight:
            scores = self._mix(scores, found, grid)
        device = scores.device
        scores = scores.masked_fill(skip.to(device, non_blocking=True), -torch.inf)
        scores = scores.masked_fill(keep.to(device, non_blocking=True), torch.inf)
        return Choice(rank_windows(scores)[:, :kept])

    def _find(self, situation: Situation) -> _Worth | None:
        stage, block = situation.stage, situation.block
        places: tuple[Place, ...] = ((stage, block), stage, None)
        self._asked.update(places)
        return next((self._worth[place] for place in places if place in self._worth), None)

    def _mix(self, scores: Tensor, worth: _Worth, grid: WindowGrid) -> Tensor:
        """(B, nW) float32."""
        values = worth.finite.to(scores.device)
        if len(values) not in (1, len(scores)):
            raise ValueError(f"A map of {len(values)} pictures for a batch of {len(scores)}.")
        pooled = window_scores(_resize(values, grid.grid), grid)
        return (1 - self._weight) * _level(scores) + self._weight * _level(pooled)


def _resize(values: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, h, w) -> (B, H, W): means where it shrinks, between neighbours where it grows."""
    if values.shape[-2] >= size[0] and values.shape[-1] >= size[1]:
        return F.adaptive_avg_pool2d(values, size)
    return F.interpolate(values.unsqueeze(1), size, mode="bilinear").squeeze(1)


def _level(scores: Tensor) -> Tensor:
    """Scores over their mean, so that two kinds of them can be added."""
    return scores / scores.mean(dim=-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).tiny)


def _decide(worth: _Worth, grid: WindowGrid) -> tuple[Tensor, Tensor]:
    """(B, nW) bool each, on the CPU: the windows kept and skipped for certain."""
    batch = len(worth.finite)
    flat = get_window_grid(*grid.grid, grid.window, grid.shift, pad_first=grid.pad_first)
    keep = skip = torch.zeros(batch, flat.num_windows, dtype=torch.bool)
    if worth.keep is not None:
        keep = _share(F.adaptive_max_pool2d(worth.keep, flat.grid), flat) > 0
    if worth.skip is not None:
        share = _share(F.adaptive_avg_pool2d(worth.skip, flat.grid), flat)
        skip = (share >= _LEAST_SKIPPED) & ~keep
    return keep, skip


def _share(marks: Tensor, grid: WindowGrid) -> Tensor:
    """(B, H, W) in [0, 1] -> (B, nW): the mean over the real tokens of each window."""
    tokens = marks.flatten(1)[:, grid.token_index]  # (B, nW, N)
    if grid.real is not None:
        tokens = tokens * grid.real
    return tokens.sum(dim=-1) / grid.num_real


def _fit_count(kept: int, keep: Tensor, skip: Tensor) -> int:
    """How many windows to keep, so that every picture of the batch gets what is certain."""
    least = int(keep.sum(dim=1).max())
    most = keep.shape[1] - int(skip.sum(dim=1).max())
    if least > most:
        raise ValueError(
            f"One picture of the batch must keep {least} windows and another no more than {most}; "
            f"run them one by one."
        )
    return max(1, min(max(kept, least), most))
