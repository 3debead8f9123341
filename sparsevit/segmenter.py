"""A small semantic segmentation network on a Swin backbone, and its checkpoint files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from timm.models import clean_state_dict
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn

#: Largest number of parameters a checkpoint may ask for, so that a bad file cannot fill the memory.
MAX_PARAMETERS = 200_000_000

_FORMAT = "sparsevit-segmenter-2"


class CheckpointError(ValueError):
    """A checkpoint file that cannot be used; the message is one sentence that says why."""


@dataclass(frozen=True)
class SegmenterConfig:
    """Everything needed to build a :class:`Segmenter`.

    Attributes:
        class_names: the classes predicted; void is none of them.
        palette: one RGB colour, 0..255, for each class.
        embed_dim: channels of the first stage; each later stage doubles them.
        depths: blocks of each of the four stages.
        num_heads: attention heads of each stage; must divide its channels.
        window_size: side of the attention windows, tokens.
        head_dim: channels of the segmentation head.
        drop_path_rate: stochastic depth of the last block while training, 0 <= rate < 1.
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
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        for name in ("class_names", "depths", "num_heads", "mean", "std"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "palette", tuple(tuple(colour) for colour in self.palette))
        _check_config(self)

    @property
    def num_classes(self) -> int:
        """Number of classes predicted; labels of this value or above are void."""
        return len(self.class_names)


class Segmenter(nn.Module):
    """Swin backbone, a LayerNorm per level, and a light top-down head at stride 4.

    Only the backbone's blocks are ever pruned, so the rest is kept cheap: a stem of two
    convolutions in place of timm's one of 4x4 ("Early Convolutions Help Transformers See Better",
    Xiao et al. 2021), and a head of 1x1 convolutions and depthwise 3x3.
    """

    def __init__(self, config: SegmenterConfig) -> None:
        """Build the network with random weights."""
        super().__init__()
        self.config = config
        self.backbone = SwinTransformer(
            img_size=64 * config.window_size,  # so timm keeps every stage's full window and shift
            embed_dim=config.embed_dim,
            depths=config.depths,
            num_heads=config.num_heads,
            window_size=config.window_size,
            drop_path_rate=config.drop_path_rate,
            num_classes=0,
            global_pool="",
            strict_img_size=False,
        )
        self.backbone.patch_embed.proj = _make_stem(config.embed_dim)
        self.backbone.norm = nn.Identity()  # each level has its own norm below
        channels = [config.embed_dim * 2**level for level in range(len(config.depths))]
        self.norms = nn.ModuleList(nn.LayerNorm(c) for c in channels)
        self.laterals = nn.ModuleList(nn.Conv2d(c, config.head_dim, 1) for c in channels)
        self.context = nn.Linear(channels[-1], config.head_dim)
        self.smooth = nn.ModuleList(_separable(config.head_dim) for _ in channels)
        self.classifier = nn.Conv2d(config.head_dim, config.num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Score every class at a quarter of the resolution.

        Args:
            images: (B, 3, img_h, img_w) normalised with ``config.mean`` and ``config.std``; the
                sides are multiples of 4, at best of 32.

        Returns:
            (B, num_classes, img_h / 4, img_w / 4) logits.
        """
        found = self.backbone.forward_intermediates(images, intermediates_only=True)
        levels: list[Tensor] = [
            norm(level.permute(0, 2, 3, 1))  # (B, H, W, C)
            for norm, level in zip(self.norms, cast("list[Tensor]", found), strict=True)
        ]
        merged = self.context(levels[-1].mean((1, 2)))[:, :, None, None]  # (B, D, 1, 1)
        for index in reversed(range(len(levels))):
            level = levels[index].permute(0, 3, 1, 2)  # (B, C, H, W), channels last
            lateral = self.laterals[index](level)
            if index < len(levels) - 1:
                merged = F.interpolate(merged, lateral.shape[-2:], mode="bilinear")
            merged = self.smooth[index](lateral + merged)
        return self.classifier(merged)


def save_segmenter(model: Segmenter, path: str | Path, info: dict[str, str] | None = None) -> None:
    """Write the weights in half precision, with the configuration beside them.

    Args:
        model: a segmenter, sparsified or not.
        path: the .safetensors file to write; replaced as a whole.
        info: notes for the reader of the file, such as the training data and its terms.
    """
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in model.state_dict().items()
    }
    metadata = {
        "format": _FORMAT,
        "config": json.dumps(asdict(model.config)),
        "info": json.dumps(info or {}),
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    save_file(tensors, partial, metadata)
    partial.replace(path)


def load_segmenter(path: str | Path) -> Segmenter:
    """Read a checkpoint that :func:`save_segmenter` wrote. Nothing in the file is ever executed.

    Args:
        path: a .safetensors file.

    Returns:
        The network in float32 and evaluation mode, on the CPU.

    Raises:
        CheckpointError: no such file, not safetensors, cut short, not a segmenter, or weights that
            do not fit the configuration.
    """
    metadata, tensors = _read(Path(path))
    tensors = clean_state_dict(tensors)  # a compiled network puts a prefix before its names
    model = Segmenter(_parse_config(path, metadata))
    expected = model.state_dict()
    wrong = sorted(expected.keys() ^ tensors.keys())
    if wrong:
        raise CheckpointError(f"The weights in {path} do not match its configuration: {wrong[0]}.")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise CheckpointError(
                f"The weights in {path} do not match its configuration: {name} is "
                f"{tuple(tensor.shape)} and should be {tuple(expected[name].shape)}."
            )
    model.load_state_dict(tensors)
    return model.eval()


def read_config(path: str | Path) -> SegmenterConfig:
    """The configuration stored in a checkpoint, without reading its weights.

    Raises:
        CheckpointError: as :func:`load_segmenter`.
    """
    metadata, _ = _read(Path(path), with_tensors=False)
    return _parse_config(path, metadata)


def read_info(path: str | Path) -> dict[str, str]:
    """The notes stored in a checkpoint.

    Raises:
        CheckpointError: as :func:`load_segmenter`.
    """
    metadata, _ = _read(Path(path), with_tensors=False)
    info = _parse_json(path, metadata, "info")
    return {str(key): str(value) for key, value in info.items()}


def _make_stem(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, (channels + 1) // 2, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d((channels + 1) // 2),
        nn.ReLU(inplace=True),
        nn.Conv2d((channels + 1) // 2, channels, 3, stride=2, padding=1),
    )


def _separable(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


def _read(path: Path, with_tensors: bool = True) -> tuple[dict[str, str], dict[str, Tensor]]:
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint file at {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = list(file.keys()) if with_tensors else []
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"Cannot read {path}: it is not a safetensors file, or it is cut short."
        ) from error
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(f"{path} is a safetensors file but not a SparseViT segmenter.")
    return metadata, tensors


def _parse_json(path: str | Path, metadata: dict[str, str], key: str) -> dict[str, Any]:
    try:
        value = json.loads(metadata[key])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"The {key} stored in {path} is missing or unreadable.") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"The {key} stored in {path} is missing or unreadable.")
    return cast("dict[str, Any]", value)


def _parse_config(path: str | Path, metadata: dict[str, str]) -> SegmenterConfig:
    fields = _parse_json(path, metadata, "config")
    try:
        return SegmenterConfig(**fields)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"The config stored in {path} is not usable: {error}") from error


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
    if not all(isinstance(value, (int, float)) for value in (*config.mean, *config.std)):
        raise ValueError("Mean and std are numbers.")
    if len(config.mean) != 3 or len(config.std) != 3 or min(config.std) <= 0:
        raise ValueError("Mean and std have three numbers each, and std is positive.")
    if not 0 <= config.drop_path_rate < 1:
        raise ValueError("drop_path_rate is at least 0 and below 1.")
