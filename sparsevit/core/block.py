"""A block that can be pruned: gather its kept windows, run it on those, scatter them back.

The hot path of the library. Tokens of pruned windows are never touched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from sparsevit.core.modes import (
    is_changed_inside,
    is_recorded,
    is_transformed,
    list_offloaded,
    load_offloaded,
    may_sync,
)
from sparsevit.core.overrides import SparseModule
from sparsevit.core.stream import BlockPlan
from sparsevit.core.windows import WindowGrid

#: What of a block to run on the kept windows: networks may have something dense in between.
Part = Literal["all", "attention", "mlp"]


class SparseBlock(SparseModule, ABC):
    """Mixin of a host's block: the host's adapter says what its windows and its branches are.

    Both branches are residual. The MLP's is modules called one after the other; attention is what
    :meth:`mix_tokens` does, then modules likewise. n windows have N tokens of C channels each. Its
    ``forward`` takes a plan as well, for :meth:`run`; without one it runs as the host's own.

    Attributes:
        chains: host class -> names of the modules that it calls one after the other, and no more.
        gelus: host class of a GELU -> "none" or "tanh", as PyTorch calls its approximation.
    """

    chains: Mapping[type[nn.Module], Sequence[str]] = {}
    gelus: Mapping[type[nn.Module], str] = {nn.GELU: "none"}

    @abstractmethod
    def get_grid(self, height: int, width: int, device: torch.device) -> WindowGrid:
        """The block's windows over an H x W token grid."""

    @abstractmethod
    def mix_tokens(self, tokens: Tensor, real: Tensor | None, bias: Tensor) -> Tensor:
        """The attention branch without its last modules.

        Args:
            tokens: (n, N, C), the block's input.
            real: (n, N) bool, False in padded slots; None when there are none.
            bias: (1 or n, nH, N, N) or broadcast to it: position bias plus the shift's mask.

        Returns:
            (n, N, D), which is no view of ``tokens``.
        """

    def list_attention_end(self) -> Sequence[nn.Module]:
        """The last modules of the attention branch."""
        return ()

    @abstractmethod
    def list_mlp(self) -> Sequence[nn.Module]:
        """The modules of the MLP branch."""

    @abstractmethod
    def drop_paths(self, branch: Tensor, mlp: bool) -> Tensor:
        """Stochastic depth over (B, tokens, C) of one image's windows; identity in evaluation."""

    @abstractmethod
    def list_attention_linears(self) -> Sequence[nn.Linear]:
        """The projections of the attention, the one out of it last."""

    def list_position_weights(self) -> Sequence[Tensor]:
        """The parameters that the position bias is made of; none where there is no such bias."""
        return ()

    def build_position_bias(self) -> Tensor:
        """(1, nH, N, N), what is added to the attention logits of every window."""
        raise NotImplementedError(f"{type(self).__name__} has position weights, but no bias.")

    def list_bypassed(self) -> Sequence[nn.Module]:
        """The modules that are not called, though their weights or modules inside are used."""
        return ()

    def run(self, x: Tensor, plan: BlockPlan, part: Part = "all") -> Tensor:
        """Run on the kept windows of ``x``; all other tokens pass through bit-identical.

        Args:
            x: (B, H, W, C).
            plan: windows and which of them to keep.
            part: run only the attention, or only the MLP.

        Returns:
            (B, H, W, C), contiguous.
        """
        if plan.gates is None or not torch.is_grad_enabled():
            return self._run_loaded(x, plan, part)
        # What all blocks compute would have to wait for the backward: gigabytes of a large photo.
        out: Tensor = checkpoint(self._run_loaded, x, plan, part, use_reentrant=False)
        return out

    def _run_loaded(self, x: Tensor, plan: BlockPlan, part: Part) -> Tensor:
        offloaded = list_offloaded(self.list_bypassed())
        if offloaded:
            with load_offloaded(offloaded):
                return self._run(x, plan, part)
        return self._run(x, plan, part)

    def _run(self, x: Tensor, plan: BlockPlan, part: Part) -> Tensor:
        if is_transformed():
            with sdpa_kernel(SDPBackend.MATH):  # the fused ones have no rules for it
                return self._run_at_once(x, plan, part)
        if torch.is_grad_enabled() or self.training:
            return self._run_at_once(x, plan, part)
        return self._run_in_pieces(x, plan, part)

    def _run_at_once(self, x: Tensor, plan: BlockPlan, part: Part) -> Tensor:
        """Differentiable form: every kept window in one piece, images kept apart for drop path."""
        rows = x.reshape(-1, x.shape[-1])
        windows = plan.select(len(x))
        tokens = windows.read(rows)  # (n, N, C)
        if part != "mlp":
            bias = windows.pick_bias(self.attention_bias(plan.grid))
            mixed = self.mix_tokens(tokens, windows.real, bias)
            branch = call_each(mixed, *self.list_attention_end())
            tokens = tokens + self._weigh(branch, len(x), plan.gates, mlp=False)
        if part != "attention":
            branch = call_each(tokens, *self.list_mlp())
            tokens = tokens + self._weigh(branch, len(x), plan.gates, mlp=True)
        tokens, index = tokens.to(x.dtype).flatten(0, 1), windows.index.flatten()
        if windows.real is None:
            return rows.index_copy(0, index, tokens).view(x.shape)
        sink = len(rows)  # one row more, for padded slots
        index = index.masked_fill(~windows.real.flatten(), sink)
        return F.pad(rows, (0, 0, 0, 1)).index_copy(0, index, tokens)[:sink].view(x.shape)

    def _weigh(self, branch: Tensor, batch: int, gates: Tensor | None, mlp: bool) -> Tensor:
        """A branch (n, N, C) of a batch's windows, after stochastic depth and times the gates."""
        images = branch.view(batch, -1, branch.shape[-1])
        branch = self.drop_paths(images, mlp).view_as(branch)
        return branch if gates is None else branch * gates.to(branch.dtype).view(-1, 1, 1)

    def _run_in_pieces(self, x: Tensor, plan: BlockPlan, part: Part) -> Tensor:
        """Inference form: in place where allowed, and on CPU in pieces that fit the cache."""
        rows = x.reshape(-1, x.shape[-1])
        out = plan.stream.open_output(x, fully_rewritten=plan.keep_idx is None)
        bias, in_place = self.attention_bias(plan.grid), self.may_work_in_place()
        for windows in plan.select(len(x)).split():
            tokens = windows.read(rows)  # (n, N, C)
            if part != "mlp":
                own = windows.pick_bias(bias)
                tokens = self.add_attention(tokens, windows.real, own, in_place)
            index, tokens = windows.leave_padding(tokens.flatten(0, 1), sink=len(rows))
            if part != "attention":
                tokens = self.add_mlp(tokens, in_place)
            out.index_copy_(0, index, tokens)
        return plan.stream.close_output(out, x.shape)

    def may_work_in_place(self) -> bool:
        """True when nobody listens to a module inside, or put a ``forward`` of its own on it."""
        return not is_changed_inside(self)

    def add_attention(
        self, tokens: Tensor, real: Tensor | None, bias: Tensor, in_place: bool
    ) -> Tensor:
        """For inference: tokens (n, N, C) with attention added, written over them if allowed."""
        mixed = self.mix_tokens(tokens, real, bias)
        return self._add_branch(tokens, mixed, self.list_attention_end(), in_place)

    def add_mlp(self, tokens: Tensor, in_place: bool) -> Tensor:
        """For inference: tokens (m, C) with the MLP added, written over them if allowed."""
        return self._add_branch(tokens, tokens, self.list_mlp(), in_place)

    def _add_branch(
        self, tokens: Tensor, x: Tensor, modules: Iterable[nn.Module], in_place: bool
    ) -> Tensor:
        """``tokens + modules(x)``; in place the last product is added as it is made."""
        if not in_place:
            return tokens + call_each(x, *modules)
        chain = [module for module in self._unfold(modules) if not _does_nothing(module)]
        is_own = False  # x was made here, so it may be overwritten
        for module in chain[:-1]:
            approximation = self._find_gelu(module) if is_own else None
            if approximation is None:
                x, is_own = module(x), type(module) is nn.Linear
            else:
                x = torch.ops.aten.gelu_(x, approximate=approximation)
        if chain and type(chain[-1]) is nn.Linear:
            return _add_linear(tokens, x, chain[-1])
        return tokens.add_(chain[-1](x) if chain else x)

    def _unfold(self, modules: Iterable[nn.Module]) -> Iterator[nn.Module]:
        """The modules, with those that others only call in place of these."""
        for module in modules:
            names = self.chains.get(type(module))
            if names is None:
                yield module
            else:
                yield from (getattr(module, name) for name in names)

    def _find_gelu(self, module: nn.Module) -> str | None:
        """The approximation of a GELU; None for all else, functions too."""
        return module.approximate if type(module) is nn.GELU else self.gelus.get(type(module))

    def attention_bias(self, grid: WindowGrid) -> Tensor:
        """(classes, nH, N, N): position bias plus the shift mask of each class of window.

        It is cached while the weights stay the same; both may be broadcast.
        """
        weights = self.list_position_weights()
        if not weights:
            return grid.class_masks.unsqueeze(1)
        changes = torch.is_grad_enabled() or self.training or is_recorded()
        if changes or any(weight.is_inference() for weight in weights):
            return self._build_bias(grid)
        key = (grid.window, grid.shift, *map(_identify, weights))
        cached = self.__dict__.get("_bias_cache")
        if cached is None or cached[0] != key or _changed_silently(weights, cached[1]):
            with torch.inference_mode(False), torch.no_grad():
                # Holding the storage keeps its address from being reused.
                held = [weight.detach() for weight in weights]
                held = [weight.clone() if may_sync(weight) else weight for weight in held]
                cached = (key, held, self._build_bias(grid))
            self.__dict__["_bias_cache"] = cached
        bias: Tensor = cached[2]
        return bias

    def _build_bias(self, grid: WindowGrid) -> Tensor:
        bias = self.build_position_bias()
        if grid.mask_class is None:
            return bias
        return bias + grid.class_masks.unsqueeze(1).to(bias.dtype)

    @property
    def cached_bias(self) -> Tensor | None:
        """What :meth:`attention_bias` gave last, if it was kept."""
        cached = self.__dict__.get("_bias_cache")
        return None if cached is None else cached[2]

    def drop_bias_cache(self) -> None:
        """Forget the bias: an optimizer may be about to change what it is made of."""
        self.__dict__.pop("_bias_cache", None)

    def release(self) -> None:
        self.drop_bias_cache()

    def count_macs(self, grid: WindowGrid, kept: int) -> int:
        """Most multiply-accumulates of ``kept`` windows; attention runs on padded slots as well."""
        slots = kept * grid.num_tokens
        linears = self.list_attention_linears()
        attention = slots * (_token_macs(linears) + 2 * grid.num_tokens * linears[-1].in_features)
        height, width = grid.grid
        return attention + min(slots, height * width) * _token_macs(self.list_mlp())

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_bias_cache", None)
        return state


def call_each(x: Tensor, *modules: nn.Module) -> Tensor:
    """What modules called one after the other make of x."""
    for module in modules:
        x = module(x)
    return x


def _does_nothing(module: nn.Module) -> bool:
    """True for an identity, or a dropout outside of training."""
    return type(module) is nn.Identity or (type(module) is nn.Dropout and not module.training)


def _add_linear(tokens: Tensor, x: Tensor, linear: nn.Linear) -> Tensor:
    """``tokens + linear(x)`` written over tokens: the product is added as it is made."""
    if torch.is_autocast_enabled(tokens.device.type) or linear.bias is None:
        return tokens + call_each(x, linear)
    flat = tokens.add_(linear.bias).flatten(0, -2)
    torch.addmm(flat, x.flatten(0, -2), linear.weight.t(), out=flat)
    return tokens


def _token_macs(modules: Iterable[nn.Module]) -> int:
    """Multiply-accumulates of the linear layers of ``modules`` for one token."""
    linears = [m for module in modules for m in module.modules() if isinstance(m, nn.Linear)]
    return sum(linear.in_features * linear.out_features for linear in linears)


def _identify(weight: Tensor) -> tuple[Any, ...]:
    return weight._version, weight.data_ptr(), weight.dtype, weight.device


def _changed_silently(weights: Sequence[Tensor], copies: Sequence[Tensor]) -> bool:
    """Fused optimizers and writes to ``.data`` leave no mark on a tensor, so compare the values.

    Only on CPU, where it takes microseconds; elsewhere it would wait for the device.
    """
    return any(
        may_sync(weight) and not torch.equal(weight, held)
        for weight, held in zip(weights, copies, strict=True)
    )
