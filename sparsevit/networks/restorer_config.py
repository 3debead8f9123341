"""What a restorer is built of, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sparsevit.package.choices import SCORES, Score

TOKEN = 2  # side of a token, pixels of the degraded picture

Degradation = Literal["shrink", "jpeg"]

_SCALES: dict[str, int] = {"shrink": 2, "jpeg": 1}
_MAX_PARAMETERS = 100_000_000


@dataclass(frozen=True)
class RestorerConfig:
    """Everything needed to build a :class:`sparsevit.networks.restorer.Restorer`.

    Attributes:
        degradation: what it undoes: "shrink" to half the size, or "jpeg" compression.
        dim: channels of a token.
        depths: blocks of each stage; a stage ranks its windows once.
        num_heads: attention heads; must divide ``dim``.
        window_size: side of the attention windows, tokens.
        mlp_ratio: hidden channels of an MLP over ``dim``.
        score: what its windows are ranked by, one of ``sparsevit.SCORES``, in training and after.
    """

    degradation: Degradation = "shrink"
    dim: int = 64
    depths: tuple[int, ...] = (2, 2, 2, 2, 2, 2)
    num_heads: int = 4
    window_size: int = 8
    mlp_ratio: float = 2.0
    score: Score = "rms"

    mean = (0.0, 0.0, 0.0)
    std = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depths", tuple(self.depths))
        _check_config(self)

    @property
    def scale(self) -> int:
        """How many times larger than a degraded picture its original is, along a side."""
        return _SCALES[self.degradation]

    @property
    def tasks(self) -> tuple[str, ...]:
        """ "restoration" of originals that it degrades itself, and "enhancement" of any picture."""
        return ("restoration", "enhancement")


def _check_config(config: RestorerConfig) -> None:
    numbers = (config.dim, *config.depths, config.num_heads, config.window_size)
    if not all(isinstance(n, int) and 0 < n <= 1024 for n in numbers):
        raise ValueError("Sizes of a restorer are whole numbers from 1 to 1024.")
    if config.degradation not in _SCALES:
        raise ValueError(f"A degradation is one of {', '.join(_SCALES)}.")
    if not config.depths or config.dim % config.num_heads:
        raise ValueError("A restorer needs stages, and heads that divide its channels.")
    if config.window_size % 2:
        raise ValueError("Windows of a restorer have an even side: every other block shifts them.")
    if not isinstance(config.mlp_ratio, (int, float)) or not 0 < config.mlp_ratio <= 8:
        raise ValueError("The mlp_ratio is a number above 0, at most 8.")
    if sum(config.depths) * (4 + 2 * config.mlp_ratio) * config.dim**2 > _MAX_PARAMETERS:
        raise ValueError("The restorer is too large.")
    if config.score not in SCORES:
        raise ValueError(f"A score is one of {', '.join(SCORES)}.")
