"""What a segmenter is built of, without torch."""

from __future__ import annotations

from dataclasses import dataclass

from sparsevit.data.kinds import KindList
from sparsevit.package.choices import SCORES, Score

#: Largest number of parameters a checkpoint may ask for, so that a bad file cannot fill the memory.
MAX_PARAMETERS = 200_000_000


@dataclass(frozen=True)
class SegmenterConfig:
    """Everything needed to build a :class:`sparsevit.networks.segmenter.Segmenter`.

    Attributes:
        class_names: the classes predicted; void is none of them.
        palette: one RGB colour, 0..255, for each class.
        embed_dim: channels of the first stage; each later stage doubles them.
        depths: blocks of each of the four stages.
        num_heads: attention heads of each stage; must divide its channels.
        window_size: side of the attention windows, tokens.
        head_dim: channels of the segmentation head.
        drop_path_rate: stochastic depth of the last block while training, 0 <= rate < 1.
        kinds: kinds of things that are told apart; none where only pixels have a class.
        kind_classes: of each kind, the class that its pixels have.
        kind_sizes: of each kind, its mean (length, height, width) in metres, which predicted sizes
            are relative to; none where things get no 3D boxes.
        score: what its windows are ranked by, one of ``sparsevit.SCORES``, in training and after.
        mean: subtracted from each RGB channel of an image in [0, 1].
        std: each RGB channel is divided by it.
    """

    class_names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    embed_dim: int = 48
    depths: tuple[int, ...] = (2, 2, 6, 2)
    num_heads: tuple[int, ...] = (2, 4, 8, 16)
    window_size: int = 8
    head_dim: int = 80
    drop_path_rate: float = 0.1
    kinds: tuple[str, ...] = ()
    kind_classes: tuple[int, ...] = ()
    kind_sizes: tuple[tuple[float, float, float], ...] = ()
    score: Score = "rms"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        for name in ("class_names", "depths", "num_heads", "kinds", "kind_classes", "mean", "std"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("palette", "kind_sizes"):
            object.__setattr__(self, name, tuple(tuple(row) for row in getattr(self, name)))
        _check_config(self)

    @property
    def num_classes(self) -> int:
        """Number of classes predicted; labels of this value or above are void."""
        return len(self.class_names)

    @property
    def kind_list(self) -> KindList | None:
        """Kinds of things with their classes and sizes; None where only pixels have a class."""
        return KindList(self.kinds, self.kind_classes, self.kind_sizes) if self.kinds else None

    @property
    def tasks(self) -> tuple[str, ...]:
        """What the network can do: "semantic", and with kinds of things "instance", "boxes3d"."""
        instance = ("instance",) if self.kinds else ()
        return ("semantic", *instance, *(("boxes3d",) if self.kind_sizes else ()))


def _check_config(config: SegmenterConfig) -> None:
    stages = len(config.depths)
    numbers = (config.embed_dim, *config.depths, *config.num_heads, config.window_size)
    if not all(isinstance(n, int) and 0 < n <= 1024 for n in (*numbers, config.head_dim)):
        raise ValueError("Sizes of a segmenter are whole numbers from 1 to 1024.")
    if stages != 4 or len(config.num_heads) != stages:
        raise ValueError("A segmenter has four stages, each with its depth and its heads.")
    channels = [config.embed_dim * 2**level for level in range(stages)]
    if any(c % heads for c, heads in zip(channels, config.num_heads, strict=True)):
        raise ValueError("Heads must divide the channels of their stage.")
    if sum(12 * c * c * depth for c, depth in zip(channels, config.depths, strict=True)) > (
        MAX_PARAMETERS
    ):
        raise ValueError("The segmenter is too large.")
    if not config.class_names or len(config.palette) != len(config.class_names):
        raise ValueError("A segmenter needs classes and one colour for each.")
    if not all(isinstance(name, str) for name in config.class_names):
        raise ValueError("Class names are text.")
    levels = [level for colour in config.palette for level in colour]
    if any(len(colour) != 3 for colour in config.palette) or not all(
        isinstance(level, int) and 0 <= level <= 255 for level in levels
    ):
        raise ValueError("A palette colour is three whole numbers from 0 to 255.")
    _check_kinds(config)
    if not all(isinstance(value, (int, float)) for value in (*config.mean, *config.std)):
        raise ValueError("Mean and std are numbers.")
    if len(config.mean) != 3 or len(config.std) != 3 or min(config.std) <= 0:
        raise ValueError("Mean and std have three numbers each, and std is positive.")
    if config.score not in SCORES:
        raise ValueError(f"A score is one of {', '.join(SCORES)}.")
    if not 0 <= config.drop_path_rate < 1:
        raise ValueError("drop_path_rate is at least 0 and below 1.")


def _check_kinds(config: SegmenterConfig) -> None:
    kinds, classes, sizes = config.kinds, config.kind_classes, config.kind_sizes
    if not all(isinstance(name, str) for name in kinds) or len(set(kinds)) < len(kinds):
        raise ValueError("Kinds of things are names that differ.")
    if len(classes) != len(kinds) or not all(
        isinstance(label, int) and 0 <= label < config.num_classes for label in classes
    ):
        raise ValueError("Every kind of things has one of the classes.")
    if sizes and len(sizes) != len(kinds):
        raise ValueError("Either every kind of things has a size or none has.")
    if not all(
        len(size) == 3 and all(isinstance(x, (int, float)) and 0 < x < 1000 for x in size)
        for size in sizes
    ):
        raise ValueError("The size of a kind is three lengths above 0 and below 1000 m.")
