"""What host adapters share: a block's cached bias and its cost, merging, and what may be fused."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparsevit.core.forwards import Forwards
from sparsevit.core.overrides import is_overridden
from sparsevit.core.pruning import CHUNK_TOKENS, can_look, is_recorded, is_transformed
from sparsevit.core.scoring import image_gradient_energy
from sparsevit.core.windows import Size, WindowGrid


class Host(ABC):
    """A family of networks that can be sparsified; ``sparsevit.register_host`` adds one.

    Attributes:
        name: what a user reads in a list of what is supported.
        stage_class: the host's stage: the blocks that share one token grid.
        sparse_classes: host class -> the class that takes its place: a stage that is a
            :class:`sparsevit.core.stage.PruningStage`, a block that is a :class:`SparseBlock`, and
            whatever else runs otherwise when sparsified.
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
            unknown += [
                m for m in inside if is_overridden(m) or not _is_of(type(m), self.stage_class)
            ]
        return unknown

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
            if isinstance(module, PictureTeller):
                module.forwards = forwards

    def settle_size(self, model: nn.Module, image_size: Size) -> None:
        """Fix the windows of blocks that are fitted to every grid, for pictures of one size."""
        stages = filter(self.is_stage, model.modules())
        grids = self.find_token_grids(model, image_size)
        for stage, grid in zip(stages, grids, strict=True):
            for block in self.list_blocks(stage):
                if hasattr(block, "settle"):
                    block.settle(*grid)

    def use_fused_attention(self, model: nn.Module, fused: bool) -> AbstractContextManager[None]:
        """Make the host's own attention fused, or not, where it has both."""
        return nullcontext()


class PictureTeller:
    """Mixin of a patch embedding that announces the pictures, where a score needs them.

    Attributes:
        forwards: of the network it is in; None where no score needs the pictures.
    """

    forwards: Forwards | None = None

    def announce_images(self, images: Tensor, patch_size: Size) -> None:
        """Give the stages of this forward (B, channels, img_h, img_w) pixels, if they need them."""
        if self.forwards is not None:
            self.forwards.announce(image_gradient_energy(images, patch_size))


class SparseBlock:
    """Mixin of a host's block, which says what its branches are and where its position bias is.

    Its ``forward`` takes a plan as well, and runs as the host's own without one.
    """

    mlp: Any

    @abstractmethod
    def attention_branch(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """See :class:`WindowBlock`."""

    @abstractmethod
    def mlp_branch(self, tokens: Tensor) -> Tensor:
        """See :class:`WindowBlock`."""

    @abstractmethod
    def list_position_weights(self) -> list[Tensor]:
        """The parameters that the position bias is made of."""

    @abstractmethod
    def build_position_bias(self) -> Tensor:
        """(1, nH, N, N), what is added to the attention logits of every window."""

    @abstractmethod
    def list_attention_linears(self) -> list[Any]:
        """The projections of the attention, the one out of it last."""

    def list_bypassed(self) -> list[nn.Module]:
        """See :class:`WindowBlock`; none unless the host's block has some."""
        return []

    def add_attention(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """See :class:`WindowBlock`."""
        return tokens + self.attention_branch(tokens, real, bias)

    def add_mlp(self, tokens: Tensor) -> Tensor:
        """See :class:`WindowBlock`."""
        return tokens + self.mlp_branch(tokens)

    def attention_bias(self, grid: WindowGrid) -> Tensor:
        """See :class:`WindowBlock`; cached while the weights stay the same."""
        weights = self.list_position_weights()
        if torch.is_grad_enabled() or is_recorded() or _is_any_inference(weights):
            return self._build_bias(grid)
        key = (grid.window, grid.shift, *(_identify(weight) for weight in weights))
        cached = self.__dict__.get("_bias_cache")
        if cached is None or cached[0] != key or _changed_silently(weights, cached[1]):
            with torch.inference_mode(False), torch.no_grad():
                # Holding the storage keeps its address from being reused.
                held = [weight.detach() for weight in weights]
                held = [weight.clone() if can_look(weight) else weight for weight in held]
                cached = (key, held, self._build_bias(grid))
            self.__dict__["_bias_cache"] = cached
        return cached[2]

    @property
    def cached_bias(self) -> Tensor | None:
        """What :meth:`attention_bias` gave last, if it was kept."""
        cached = self.__dict__.get("_bias_cache")
        return None if cached is None else cached[2]

    def drop_bias_cache(self) -> None:
        """Forget the bias: an optimizer may be about to change what it is made of."""
        self.__dict__.pop("_bias_cache", None)

    def count_macs(self, grid: WindowGrid, kept: int) -> int:
        """Most multiply-accumulates of ``kept`` windows; attention runs on padded slots as well."""
        slots = kept * grid.num_tokens
        linears = self.list_attention_linears()
        attention_dim: int = linears[-1].in_features
        attention = slots * (_token_macs(linears) + 2 * grid.num_tokens * attention_dim)
        return attention + min(slots, grid.grid[0] * grid.grid[1]) * _token_macs([self.mlp])

    def _build_bias(self, grid: WindowGrid) -> Tensor:
        bias = self.build_position_bias()
        if grid.mask_class is None:
            return bias
        return bias + grid.class_masks.unsqueeze(1).to(bias.dtype)

    def __getstate__(self) -> dict:
        state = self.__dict__.copy()
        state.pop("_bias_cache", None)
        return state


def order_channels_last(images: Tensor) -> Tensor:
    """The same (B, channels, img_h, img_w), channels last in memory; vmap knows no such order."""
    return images if is_transformed() else images.contiguous(memory_format=torch.channels_last)


def merge_in_strips(x: Tensor, merge: Callable[[Tensor], Tensor]) -> Tensor:
    """Swin's patch merging a strip at a time, so that what it gathers stays in the cache.

    Args:
        x: (B, H, W, C).
        merge: (n, m, 4 C), four neighbours each, column by column -> (n, m, D).

    Returns:
        (B, ceil(H / 2), ceil(W / 2), D).
    """
    batch, height, width, channels = x.shape
    if height % 2 or width % 2:
        x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
    rows, cols = -(-height // 2), -(-width // 2)
    fours = x.reshape(batch * rows, 2, cols, 2, channels).transpose(1, 2).transpose(2, 3)
    strips = fours.tensor_split(-(-fours.shape[0] * cols // CHUNK_TOKENS))
    merged = [merge(strip.flatten(2)) for strip in strips]
    return torch.cat(merged).view(batch, rows, cols, -1)


def _is_of(part: type[nn.Module], host: type[nn.Module]) -> bool:
    """True for a class of the same library as a host's."""
    return part.__module__.partition(".")[0] == host.__module__.partition(".")[0]


def _token_macs(modules: Sequence[nn.Module]) -> int:
    """Multiply-accumulates of the linear layers of ``modules`` for one token."""
    linears = [m for module in modules for m in module.modules() if isinstance(m, nn.Linear)]
    return sum(linear.in_features * linear.out_features for linear in linears)


def _is_any_inference(weights: Sequence[Tensor]) -> bool:
    return any(weight.is_inference() for weight in weights)


def _identify(weight: Tensor) -> tuple[Any, ...]:
    return weight._version, weight.data_ptr(), weight.dtype, weight.device


def _changed_silently(weights: Sequence[Tensor], copies: Sequence[Tensor]) -> bool:
    """Fused optimizers and writes to ``.data`` leave no mark on a tensor, so compare the values.

    Only on CPU, where it takes microseconds; elsewhere it would wait for the device.
    """
    return any(
        can_look(weight) and not torch.equal(weight, held)
        for weight, held in zip(weights, copies, strict=True)
    )
