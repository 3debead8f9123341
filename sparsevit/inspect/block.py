"""What one block does to one photo, step by step, as tensors to look at (paper section 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sparsevit.core.scoring import rank_windows, token_magnitudes
from sparsevit.core.trace import BlockTrace, capture
from sparsevit.core.windows import WindowGrid
from sparsevit.inspect.painted import Painted, keep_painted
from sparsevit.inspect.photo import PreparedImage
from sparsevit.networks import LoadedModel
from sparsevit.patch import find_stages, list_blocks, set_sparsity


class Shape(NamedTuple):
    """A tensor's shape.

    Attributes:
        name: of the tensor.
        letters: e.g. ("K", "N", "C").
        sizes: one whole number a letter.
    """

    name: str
    letters: tuple[str, ...]
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class BlockSteps:
    """The tensors of one block on one photo (CPU copies).

    H x W tokens of C channels, nW windows of N = Wh * Ww slots, K of them kept, nH heads.

    Attributes:
        trace: the block's windows, their scores and which were kept.
        entering: (H, W) float32, mean |x| over the channels of each token entering the block.
        scored: (H, W) float32, the magnitudes that the scores were taken of (all scores but
            "gradient" and "random").
        ranking: (nW,) int64, row-major window indices, highest score first.
        gathered_windows: (K,) int64, the windows in the order of the batch the block computes: best
            first; row-major where every window is kept.
        gathered: (K, Wh, Ww) float32, ``entering`` of those windows; 0 in padded slots.
        change: (H, W) float32, mean |out - in| over channels; exactly 0 in pruned windows,
            unless a block has a convolution that runs on all of them (TinyViT).
        num_channels: C.
        num_heads: nH.
    """

    trace: BlockTrace
    entering: Tensor
    scored: Tensor
    ranking: Tensor
    gathered_windows: Tensor
    gathered: Tensor
    change: Tensor
    num_channels: int
    num_heads: int

    @property
    def scores(self) -> Tensor:
        """(rows, cols) float32 scores of the windows."""
        return self.trace.scores[0]

    @property
    def keep_mask(self) -> Tensor:
        """(rows, cols) bool, True where a window was computed."""
        return self.trace.keep_mask[0]

    @property
    def shapes(self) -> dict[str, Shape]:
        """The tensors the block makes, by name, in the order it makes them."""
        height, width = self.trace.grid.grid
        slots, kept = self.trace.grid.num_tokens, self.trace.kept
        tokens = ("1", "H", "W", "C"), (1, height, width, self.num_channels)
        batch = ("K", "N", "C"), (kept, slots, self.num_channels)
        heads = ("K", "nH", "N", "N"), (kept, self.num_heads, slots, slots)
        shapes = (
            Shape("tokens", *tokens),
            Shape("windows", ("1", "nW", "N", "C"), (1, self.trace.total, *batch[1][1:])),
            Shape("scores", ("1", "nW"), (1, self.trace.total)),
            Shape("kept windows", *batch),
            Shape("attention weights", *heads),
            Shape("new windows", *batch),
            Shape("output", *tokens),
        )
        return {shape.name: shape for shape in shapes}


def trace_block(
    loaded: LoadedModel,
    prepared: PreparedImage,
    schedule: Any,
    stage: int,
    block: int,
    painted: Sequence[Painted] = (),
) -> BlockSteps:
    """Run a network once at a schedule and keep what one of its blocks saw and did.

    Args:
        loaded: the network the photo was prepared for; left at ``schedule``.
        prepared: from :func:`sparsevit.inspect.photo.prepare_image`.
        schedule: any form ``model.sparsity`` accepts.
        stage, block: 0-based stage, and block inside it.
        painted: windows to keep and to skip all the same.

    Raises:
        ScheduleError: an impossible schedule.
        ValueError: the photo was prepared for another network, or there is no such block.
    """
    if prepared.model != loaded.name:
        raise ValueError(f"The picture was prepared for {prepared.model}, not {loaded.name}.")
    depths = loaded.depths
    if not (0 <= stage < len(depths) and 0 <= block < depths[stage]):
        raise ValueError(f"No block {block} in stage {stage} of a network with depths {depths}.")
    model = loaded.module
    set_sparsity(model, schedule)
    blocks, score = list_blocks(model)[stage], find_stages(model)[stage].pruning.score
    recorded: dict[int, tuple[Tensor, Tensor]] = {}

    def note(number: int, x: Tensor, out: Tensor) -> None:
        recorded[number] = x, out

    with torch.inference_mode(), capture(model) as capturing, hear_tokens(blocks, note):
        with keep_painted(model, prepared.input_size, painted):
            model(prepared.images)
        x, out = recorded[block]
        grid = blocks[block].get_grid(*x.shape[1:3], x.device)
        num_heads = blocks[block].attention_bias(grid).shape[1]
    trace = next(t for t in capturing.blocks if (t.stage, t.block) == (stage, block))
    ranking = rank_windows(trace.scores.flatten(1))[0]
    is_kept = trace.keep_mask[0].flatten()[ranking]  # not just the first where some were painted
    chosen = ranking[is_kept] if trace.kept < trace.total else torch.arange(trace.total)
    entering = token_magnitudes(x)[0].cpu()
    return BlockSteps(
        trace=trace,
        entering=entering,
        scored=token_magnitudes(recorded[trace.scored_block][0], score)[0].cpu(),
        ranking=ranking,
        gathered_windows=chosen,
        gathered=_gather(entering, trace.grid, chosen),
        change=token_magnitudes(out.float() - x.float())[0].cpu(),
        num_channels=x.shape[-1],
        num_heads=num_heads,
    )


@contextmanager
def hear_tokens(
    blocks: Sequence[nn.Module], hear: Callable[[int, Tensor, Tensor], None]
) -> Iterator[None]:
    """Hear what passes the blocks inside the ``with`` block; none of them works in place.

    Args:
        blocks: of a sparsified network.
        hear: told a block's number in ``blocks``, and its input and output (B, H, W, C), as soon
            as it has run. They are the network's own: a block that comes later may write over them
            unless it is heard too.
    """

    def make_hook(number: int) -> Callable[..., None]:
        def hook(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            out = output if isinstance(output, Tensor) else output[0]
            hear(number, _to_grid(args[0], args), _to_grid(out, args))

        return hook

    handles = [block.register_forward_hook(make_hook(n)) for n, block in enumerate(blocks)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _to_grid(tokens: Tensor, args: tuple[Any, ...]) -> Tensor:
    """(B, H, W, C) of a block's tokens; some hosts pass them as (B, H * W, C), and (H, W) next."""
    return tokens if tokens.ndim == 4 else tokens.view(len(tokens), *args[1], -1)


def _gather(magnitudes: Tensor, grid: WindowGrid, windows: Tensor) -> Tensor:
    """Token magnitudes (H, W) of the windows (K,) named: (K, Wh, Ww), 0 in padded slots."""
    batch = magnitudes.flatten()[grid.token_index[windows]]  # (K, N)
    if grid.real is not None:
        batch = batch * grid.real[windows]
    return batch.view(-1, *grid.window)
