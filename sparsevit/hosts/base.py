"""What host adapters share: the host itself, patch embeddings that show pictures, patch merging."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparsevit.core.block import SparseBlock, call_each
from sparsevit.core.forwards import Forwards
from sparsevit.core.modes import is_transformed, may_sync
from sparsevit.core.overrides import SparseModule, is_overridden
from sparsevit.core.scoring import image_gradient_energy
from sparsevit.core.stage import runs_as_host
from sparsevit.core.stream import CHUNK_TOKENS
from sparsevit.core.windows import Size


class Host(ABC):
    """A family of networks that can be sparsified; ``sparsevit.register_host`` adds one.

    Attributes:
        name: what a user reads in a list of what is supported.
        stage_class: the host's stage: the blocks that share one token grid.
        sparse_classes: host class -> the class that takes its place: a stage that is a
            :class:`sparsevit.core.stage.PruningStage`, a block that is a
            :class:`sparsevit.core.block.SparseBlock`, and whatever else runs otherwise when
            sparsified. One that puts something on a module is a
            :class:`sparsevit.core.overrides.SparseModule`, and takes it away again.
        sees_images: a patch embedding can announce the pictures, which the "gradient" score needs.
    """

    name: str
    stage_class: type[nn.Module]
    sparse_classes: Mapping[type[nn.Module], type[nn.Module]]
    sees_images = False

    @abstractmethod
    def find_starts(self, stages: Sequence[Any]) -> list[Any]:
        """Of the stages of a network, in order, the first one of every backbone."""

    @abstractmethod
    def find_token_grids(self, model: nn.Module, image_size: Size) -> list[Size]:
        """(H, W) of every stage's token grid for an input of (img_h, img_w) pixels."""

    def find_swappable(self, model: nn.Module) -> list[nn.Module]:
        """The modules of ``model`` to adapt, in network order; empty when it is none of these."""
        return [m for m in model.modules() if isinstance(m, tuple(self.sparse_classes))]

    def find_unknown(self, modules: Sequence[nn.Module]) -> list[nn.Module]:
        """Those of :meth:`find_swappable` that somebody changed, so that swapping would undo it.

        The same goes for what is inside of a block and will not be called any more.
        """
        ours, unknown = tuple(self.sparse_classes.values()), []
        for module in modules:
            new: Any = self.sparse_classes.get(type(module))
            if new is None:
                unknown += [] if isinstance(module, ours) else [module]
                continue
            unknown += [module] if is_overridden(module, new) else []
            inside = new.list_bypassed(module) if issubclass(new, SparseBlock) else []
            unknown += [m for m in inside if is_overridden(m) or not self._knows(type(m))]
        return unknown

    def _knows(self, part: type[nn.Module]) -> bool:
        """True for a class of a library that one of the host's classes is of."""
        return _name_library(part) in map(_name_library, self.sparse_classes)

    def is_stage(self, module: nn.Module) -> bool:
        """True for a stage of this host, adapted or not."""
        return isinstance(module, self.stage_class)

    def list_blocks(self, stage: Any) -> list[Any]:
        """The blocks of a stage that can be pruned, adapted or not, in their order."""
        return list(stage.blocks)

    def list_dense(self, stage: Any) -> list[nn.Module]:
        """The modules inside a stage that run on every token, whatever is pruned."""
        return []

    def halve_grids(self, model: nn.Module, first: Size) -> list[Size]:
        """(H, W) of every stage where each but the first merges 2 x 2 tokens of the one before."""
        (height, width), grids = first, []
        stages = list(filter(self.is_stage, model.modules()))
        starts = self.find_starts(stages)
        for stage in stages:
            if stage not in starts:
                height, width = (height + 1) // 2, (width + 1) // 2
            grids.append((height, width))
        return grids

    def set_image_score(self, modules: Sequence[nn.Module], forwards: Forwards | None) -> None:
        """Let a patch embedding that can announce the pictures to the stages do so, or not."""
        for module in modules:
            if isinstance(module, ImageScoringEmbed):
                module.forwards = forwards

    def fix_input_size(self, model: nn.Module, image_size: Size) -> None:
        """Fix the windows of blocks that are fitted to every grid, for pictures of one size."""
        return None

    def use_fused_attention(self, model: nn.Module, fused: bool) -> AbstractContextManager[None]:
        """Make the host's own attention fused, or not, where it has both."""
        return nullcontext()


class ImageScoringEmbed(SparseModule):
    """Mixin of a patch embedding that scores the pictures for the stages, where they need it.

    Attributes:
        patch_size: (height, width) in pixels.
        forwards: of the network it is in; None where no score needs the pictures.
    """

    patch_size: Any
    forwards: Forwards | None = None

    def prepare_images(self, images: Tensor) -> Tensor:
        """(B, channels, img_h, img_w) -> the same channels last, so that tokens come in place."""
        if self.forwards is not None:
            self.forwards.begin(image_gradient_energy(images, self.patch_size))
        if is_transformed():  # vmap knows no order in memory
            return images
        return images.contiguous(memory_format=torch.channels_last)

    def release(self) -> None:
        self.__dict__.pop("forwards", None)


class StripMerging(nn.Module):
    """Mixin of a patch merging: a strip at a time, so that what it gathers stays in the cache."""

    norm: Any
    reduction: Any

    def merge(self, patches: Tensor) -> Tensor:
        """(n, m, 4 C) patches of four neighbours, column by column -> (n, m, 2 C)."""
        return call_each(patches, self.norm, self.reduction)

    def may_run_in_strips(self, x: Tensor) -> bool:
        """True in inference on a CPU; elsewhere the host's own code runs."""
        return not (runs_as_host() or torch.is_grad_enabled()) and may_sync(x)

    def run_in_strips(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), 2 C)."""
        batch, height, width, channels = x.shape
        if height % 2 or width % 2:
            x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
        rows, cols = -(-height // 2), -(-width // 2)
        patches = x.reshape(batch * rows, 2, cols, 2, channels).transpose(1, 2).transpose(2, 3)
        strips = patches.tensor_split(-(-len(patches) * cols // CHUNK_TOKENS))
        merged = [self.merge(strip.flatten(2)) for strip in strips]
        return torch.cat(merged).view(batch, rows, cols, -1)


def _name_library(part: type[nn.Module]) -> str:
    return part.__module__.partition(".")[0]
