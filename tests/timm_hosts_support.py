"""Tiny networks of timm's other hosts than Swin and V2, and the method on them, slow and plain."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import timm
import torch
from oracle import Kept, count_kept, list_windows, mask_tokens, rank, score_windows
from torch import Tensor, nn

Schedule = Sequence[Sequence[float]]
Oracle = Callable[[Any, Tensor, Schedule], tuple[Tensor, Kept]]


def make_tiny_vit() -> Any:
    return timm.create_model(
        "tiny_vit_5m_224", num_classes=5, embed_dims=(8, 16, 24, 32), num_heads=(1, 1, 2, 2),
        depths=(1, 2, 4, 1), window_sizes=(3, 3, 4, 3),
    )  # fmt: skip


def make_sam(**kwargs: Any) -> Any:
    options: dict[str, Any] = {
        "depth": 6, "global_attn_indexes": (2, 5), "embed_dim": 24, "num_heads": 2,
        "window_size": 3, "img_size": 128, "neck_chans": 8, **kwargs,
    }  # fmt: skip
    return timm.create_model("samvit_base_patch16", **options)


def make_maxvit(name: str = "maxvit_pico_rw_256", **kwargs: Any) -> Any:
    options = {"embed_dim": (8, 16, 32, 64), "depths": (1, 2, 4, 1), "stem_width": 8, **kwargs}
    return timm.create_model(name, img_size=64, num_classes=5, transformer_dim_head=8, **options)


def scramble(model: nn.Module) -> Any:
    """Weights that matter: every branch is as large as the stream it is added to."""
    generator = torch.Generator().manual_seed(0)
    for key, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if any(word in key for word in ("attention_biases", "rel_pos", "pos_embed")):
            parameter.data.copy_(noise)
        elif parameter.ndim > 1:
            parameter.data.copy_(noise / math.sqrt(parameter[0].numel()))
        else:
            parameter.data.copy_(0.3 * noise + (1.0 if key.endswith("weight") else 0.0))
    return model.eval()


def choose(x: Tensor, windows: list[Any], count: int) -> list[list[int]]:
    """The best windows of every image of (B, H, W, C)."""
    magnitudes = x.detach().float().abs().mean(dim=-1)
    return [rank(score_windows(image, windows))[:count] for image in magnitudes]


def make_v2_cr(name: str = "swinv2_cr_tiny_ns_224", **kwargs: Any) -> Any:
    options = {
        "embed_dim": 24, "depths": (2, 4, 1), "num_heads": (1, 2, 4), "num_classes": 5,
        "img_size": 64, "window_size": 3, "strict_img_size": False, **kwargs,
    }  # fmt: skip
    return timm.create_model(name, **options)


class Ranking:
    """Kept windows of one stage, by the slow functions of the oracle."""

    def __init__(self, kept: Kept, stage: int, sparsities: Sequence[float]) -> None:
        self.kept, self.stage, self.sparsities = kept, stage, sparsities
        self.scored: Tensor | None = None
        self.block = 0

    def mask(
        self, x: Tensor, window: int, shift: tuple[int, int] = (0, 0)
    ) -> tuple[Tensor, list[Any]]:
        """(B, H, W, 1) of the next block, and its windows."""
        windows = list_windows((x.shape[1], x.shape[2]), (window, window), shift)
        count = count_kept(len(windows), self.sparsities[self.block // 2])
        if count == len(windows):
            chosen = [list(range(count))] * len(x)
        else:
            self.scored = x if self.scored is None else self.scored
            chosen = choose(self.scored, windows, count)
        self.kept[self.stage, self.block] = chosen
        self.block += 1
        return mask_tokens((x.shape[1], x.shape[2]), windows, chosen), windows


def run_tiny_vit(model: Any, images: Tensor, schedule: Schedule) -> tuple[Tensor, Kept]:
    """Attention window by window, over zeros where there are no tokens; the rest on all tokens."""
    kept: Kept = {}
    x = model.stages[0](model.patch_embed(images))
    for number, stage in enumerate(model.stages[1:]):
        x = stage.downsample(x).permute(0, 2, 3, 1)
        ranking = Ranking(kept, number, schedule[number])
        for block in stage.blocks:
            mask, windows = ranking.mask(x, block.window_size)
            branch = torch.zeros_like(x)
            for window in windows:
                tokens = [x[:, t[0], t[1]] if t else torch.zeros_like(x[:, 0, 0]) for t in window]
                mixed = block.attn(torch.stack(tokens, dim=1))
                for slot, token in enumerate(window):
                    if token is not None:
                        branch[:, token[0], token[1]] = mixed[:, slot]
            x = x + branch * mask
            x = block.local_conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
            x = x + block.mlp(x) * mask
        x = x.permute(0, 3, 1, 2)
    return x, kept


def run_sam(model: Any, images: Tensor, schedule: Schedule) -> tuple[Tensor, Kept]:
    """Dense blocks whose pruned windows are overwritten; global blocks make ranking begin anew."""
    kept: Kept = {}
    x = model.patch_embed(images)
    if x.shape[1:3] == model.pos_embed.shape[1:3]:
        x = x + model.pos_embed
    else:
        x = x + timm.layers.resample_abs_pos_embed_nhwc(model.pos_embed, x.shape[1:3])
    ranking = Ranking(kept, 0, schedule[0])
    for block in model.blocks:
        if block.window_size:
            mask, _ = ranking.mask(x, block.window_size)
            x = torch.where(mask, block(x), x)
        else:
            x, ranking.scored = block(x), None
    return model.neck(x.permute(0, 3, 1, 2)), kept


def run_maxvit(model: Any, images: Tensor, schedule: Schedule) -> tuple[Tensor, Kept]:
    """Dense window halves whose pruned windows are overwritten."""
    kept: Kept = {}
    x = model.stem(images)
    for number, stage in enumerate(model.stages):
        ranking = Ranking(kept, number, schedule[number])
        for block in stage.blocks:
            x = block.conv(x).permute(0, 2, 3, 1)
            mask, _ = ranking.mask(x, block.attn_block.partition_size[0])
            x = torch.where(mask, block.attn_block(x), x)
            x = block.attn_grid(x).permute(0, 3, 1, 2)
    return model.norm(x), kept


def run_v2_cr(model: Any, images: Tensor, schedule: Schedule) -> tuple[Tensor, Kept]:
    """Dense blocks without the norm of the stream; pruned windows are overwritten, then it."""
    kept: Kept = {}
    x = model.patch_embed(images)
    for number, stage in enumerate(model.stages):
        x = stage.downsample(x.permute(0, 2, 3, 1))
        ranking = Ranking(kept, number, schedule[number])
        for block in stage.blocks:
            mask, _ = ranking.mask(x, block.window_size[0], block.shift_size)
            norm, block.norm3 = block.norm3, nn.Identity()
            x = torch.where(mask, block(x), x)
            block.norm3 = norm
            x = norm(x)
        x = x.permute(0, 3, 1, 2)
    return x, kept


@dataclass(frozen=True)
class Case:
    """A host: a network, what prunes it slowly, a schedule, and sizes it takes."""

    make: Callable[[], Any]
    oracle: Oracle
    schedule: Schedule
    sizes: tuple[tuple[int, int], ...]


CASES = {
    "Swin V2-CR": Case(
        make_v2_cr, run_v2_cr, ((0.5,), (0.3, 0.7), (0.5,)),
        ((64, 64), (60, 92), (36, 44), (24, 20)),
    ),
    "Swin V2-CR of one size": Case(
        lambda: make_v2_cr("swinv2_cr_small_224", strict_img_size=True, img_size=(52, 64)),
        run_v2_cr, ((0.5,), (0.3, 0.7), (0.5,)), ((52, 64),),
    ),
    "TinyViT": Case(
        make_tiny_vit, run_tiny_vit, ((0.5,), (0.3, 0.7), (0.5,)),
        ((96, 96), (64, 92), (92, 60), (24, 24)),
    ),
    "SAM": Case(make_sam, run_sam, ((0.3, 0.6),), ((128, 128), (96, 144), (80, 112))),
    "SAM with rotary positions": Case(
        lambda: make_sam(use_rel_pos=False, use_rope=True, init_values=0.5, qk_norm=True),
        run_sam, ((0.3, 0.6),), ((128, 128),),
    ),
    "MaxViT": Case(
        make_maxvit, run_maxvit, ((0.5,), (0.3,), (0.2, 0.7), (0.5,)), ((64, 64), (128, 192))
    ),
    "MaxViT without positions": Case(
        lambda: make_maxvit(transformer_rel_pos_type=""),
        run_maxvit, ((0.5,), (0.3,), (0.2, 0.7), (0.5,)), ((64, 128),),
    ),
    "MaxViT as published": Case(
        lambda: make_maxvit("maxvit_tiny_tf_224"),
        run_maxvit, ((0.5,), (0.3,), (0.2, 0.7), (0.5,)), ((64, 128),),
    ),
    "MaxViT with ConvNeXt and a network for positions": Case(
        lambda: make_maxvit("maxxvit_rmlp_nano_rw_256"),
        run_maxvit, ((0.5,), (0.3,), (0.2, 0.7), (0.5,)), ((64, 128),),
    ),
}  # fmt: skip
