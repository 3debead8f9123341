"""A small network for pixels, things and 3D boxes on a Swin backbone, and its checkpoint files."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import cast

import torch.nn.functional as F
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn

from sparsevit.networks.checkpoint import (
    CheckpointError,
    load_weights,
    read_checkpoint,
    read_config,
    read_info,
    save_checkpoint,
)
from sparsevit.networks.segmenter_config import SegmenterConfig

__all__ = [
    "CheckpointError",
    "Segmenter",
    "SegmenterConfig",
    "load_segmenter",
    "read_config",
    "read_info",
    "save_segmenter",
]


#: What each task needs of a forward.
_OUTPUTS = {
    "semantic": ("logits",),
    "instance": ("logits", "centres"),
    "boxes3d": ("centres", "boxes"),
}
_RARE = -4.6  # logit of 0.01: what a heat map of centres begins with (focal loss, Lin et al. 2017)


class Segmenter(nn.Module):
    """Swin backbone, a LayerNorm per level, and light heads on one top-down pyramid at stride 4.

    Only the backbone's blocks are ever pruned, so the rest is kept cheap: a stem of two
    convolutions in place of timm's one of 4x4 ("Early Convolutions Help Transformers See Better",
    Xiao et al. 2021), and heads of 1x1 convolutions and depthwise 3x3. Things are found as in
    Panoptic-DeepLab (Cheng et al. 2020), their boxes as in CenterNet (Zhou et al. 2019).

    Attributes:
        config: what it is built of.
        tasks: what a forward is for; heads that none of them needs do not run.
    """

    def __init__(self, config: SegmenterConfig) -> None:
        """Build the network with random weights, for its first task, "semantic"."""
        super().__init__()
        self.config = config
        self.tasks: tuple[str, ...] = config.tasks[:1]
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
        if config.kinds:
            last = nn.Conv2d(config.head_dim, len(config.kinds) + 2, 1)
            nn.init.constant_(cast(Tensor, last.bias)[:-2], _RARE)
            self.centres = nn.Sequential(*_separable(config.head_dim), last)
        if config.kind_sizes:
            last = nn.Conv2d(config.head_dim, 8, 1)
            self.boxes = nn.Sequential(*_separable(config.head_dim), last)

    def for_tasks(self, *tasks: str) -> Segmenter:
        """The same network and weights, whose forward computes what other tasks need.

        Args:
            tasks: of ``config.tasks``.

        Raises:
            ValueError: a task that the network has no head for.
        """
        if not tasks or set(tasks) - set(self.config.tasks):
            raise ValueError(
                f"This network does {', '.join(self.config.tasks)}, not "
                f"{', '.join(tasks) or 'nothing'}."
            )
        view = copy(self)
        view.tasks = tasks
        return view

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor]:
        """Compute what ``tasks`` need, at a quarter of the resolution.

        Args:
            images: (B, 3, img_h, img_w) normalised with ``config.mean`` and ``config.std``; the
                sides are multiples of 4, at best of 32.

        Returns:
            For "semantic" alone (B, num_classes, h, w) logits, h = img_h / 4 and w = img_w / 4.
            Else by name what the tasks need of

            - logits: the same;
            - centres: (B, kinds + 2, h, w), a logit for every kind that a thing's centre is there,
              and (x, y) from there to the centre of the thing the pixel shows, in units of 32
              pixels of the input;
            - boxes: (B, 8, h, w), of the thing whose centre is there the logarithm of depth /
              focal length x 1000 pixels, those of length, height and width over its kind's, sine
              and cosine of its observation angle, and (x, y) from there to where the centre of its
              box is seen, in units of 32 pixels.
        """
        merged = self._merge(images)
        if self.tasks == ("semantic",):
            logits: Tensor = self.classifier(merged)
            return logits
        heads = {"logits": "classifier", "centres": "centres", "boxes": "boxes"}
        wanted = {name for task in self.tasks for name in _OUTPUTS[task]}
        return {name: getattr(self, heads[name])(merged) for name in heads if name in wanted}

    def _merge(self, images: Tensor) -> Tensor:
        """(B, 3, img_h, img_w) -> (B, head_dim, img_h / 4, img_w / 4): all levels in one."""
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
        finest: Tensor = merged
        return finest


def save_segmenter(model: Segmenter, path: str | Path, info: dict[str, str] | None = None) -> None:
    """:func:`sparsevit.networks.checkpoint.save_checkpoint` of a segmenter."""
    save_checkpoint(model, model.config, path, info)


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
    config, tensors = read_checkpoint(path)
    if not isinstance(config, SegmenterConfig):
        raise CheckpointError(f"{path} holds another network than a segmenter.")
    model = Segmenter(config)
    load_weights(model, path, tensors)
    return model.eval()


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
