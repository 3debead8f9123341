"""What docs/hosts.md says of hooks and of Grad-CAM holds for every family of networks."""

import copy
from collections import defaultdict
from typing import Any

import pytest
import torch
from oracle import relative_error
from test_overrides import HOSTS, SMALL
from timm_hosts_support import scramble
from torch import Tensor, nn
from transformers import SwinConfig, SwinModel

import sparsevit
from sparsevit.core import stream
from sparsevit.core.stage import PruningStage
from sparsevit.patch import get_token_grids, list_blocks

#: Of a block: modules that stay silent, those of the attention branch, and those of the MLP's.
TIMM = (("attn", "attn.attn_drop"), ("attn.qkv", "attn.proj", "norm1"), ("mlp", "norm2"))
HF_SPLIT = (
    ("attention", "attention.self", "attention.self.dropout"),
    ("attention.self.query", "attention.output", "layernorm_before"),
    ("intermediate", "output", "layernorm_after"),
)
PARTS: dict[str, Any] = {
    **dict.fromkeys(("Swin", "Swin V2", "Swin V2-CR", "MaxViT"), TIMM),
    "TinyViT": (("attn",), ("attn.norm", "attn.qkv", "attn.proj"), ("mlp",)),
    "SAM": ((), ("norm1", "attn.qkv", "attn.proj"), ("norm2", "mlp")),
    "Hugging Face Swin": (
        ("attention",),
        ("attention.q_proj", "attention.o_proj", "layernorm_before"),
        ("mlp", "layernorm_after"),
    ),
    "Hugging Face Swin V2": HF_SPLIT,
    "MaskFormer's Swin": HF_SPLIT,
}


MAKERS: dict[str, Any] = {
    **HOSTS,
    "Hugging Face Swin": lambda: SwinModel(SwinConfig(**SMALL)),
}


def make(name: str) -> tuple[Any, Tensor]:
    size = 224 if "Face" in name or "Mask" in name else 128
    return scramble(MAKERS[name]()), torch.randn(2, 3, size, size)


def watch(module: nn.Module) -> dict[str, list[tuple[int, ...]]]:
    """Shapes of what entered every module inside, by its name; its own is ''."""
    seen: dict[str, list[tuple[int, ...]]] = defaultdict(list)

    def listen(name: str, args: Any) -> None:
        if args and isinstance(args[0], Tensor):
            seen[name].append(tuple(args[0].shape))

    for name, part in module.named_modules():
        part.register_forward_hook(lambda _, args, __, name=name: listen(name, args))
    return seen


@pytest.fixture(params=PARTS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("grad", [False, True], ids=["inference", "differentiable"])
def test_inside_a_pruned_block(name: str, grad: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHUNK_TOKENS", 18 if name == "SAM" else 98)  # several pieces
    model, images = make(name)
    sparsevit.sparsify(model, 0.4)
    seen = watch(list_blocks(model)[0][0])
    with torch.set_grad_enabled(grad), sparsevit.capture(model) as trace:
        model(images)
    record = trace.blocks[0]
    windows, slots = int(record.keep_mask.sum()), record.grid.num_tokens
    real = sum(int(record.token_mask(image).sum()) for image in range(2))
    assert 0 < windows < record.keep_mask.numel()
    silent, attention, mlp = PARTS[name]
    assert not [part for part in silent if part in seen]
    for part in attention:
        assert sum(shape[0] for shape in seen[part]) == windows, part
        assert {shape[1] for shape in seen[part]} == {slots}, part
    for part in mlp:
        if grad:
            assert [shape[:2] for shape in seen[part]] == [(windows, slots)], part
        else:
            assert {len(shape) for shape in seen[part]} == {2}, part
            assert sum(shape[0] for shape in seen[part]) == real, part
    drops = [shapes for part, shapes in seen.items() if part.startswith("drop_path")]
    assert all(shapes[0][:2] == (2, windows * slots // 2) for shapes in drops)
    assert grad or not drops
    assert len(seen[""]) == 1
    assert grad == (len(seen[attention[0]]) == 1)


def test_around_blocks_and_where_nothing_is_pruned(name: str) -> None:
    """With gradients and all windows everything sees what it sees in the host."""
    dense, images = make(name)
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    seen = [watch(model) for model in (dense, sparse)]
    for model in (dense, sparse):
        model(images)
    stages = [part for part, m in sparse.named_modules() if isinstance(m, PruningStage)]
    lists = {f"{stage}.blocks" for stage in stages} if name != "SAM" else set()
    assert not lists & set(seen[1])
    assert {part: seen[0][part] for part in seen[0] if part not in lists} == seen[1]
    blocks = {id(module) for stage in list_blocks(sparse) for b in stage for module in b.modules()}
    inside = {part for part, module in sparse.named_modules() if id(module) in blocks}
    inside -= {part for part, module in sparse.named_modules() if hasattr(module, "get_grid")}
    sparse.sparsity = 0.4
    for each in seen:
        each.clear()
    with torch.no_grad():
        for model in (dense, sparse):
            model(images)
    strips = {part for part in seen[1] if ".downsample." in part} if name != "TinyViT" else set()
    around = [{p: each[p] for p in each if p not in inside | lists | strips} for each in seen]
    assert around[0] == around[1]
    for part in strips:
        rows = {2 * grid[0] for grid in get_token_grids(sparse, images.shape[-2:])}
        assert sum(shape[0] for shape in seen[1][part]) in rows


def find_map(name: str, model: Any, out: Any, size: tuple[int, int]) -> Tensor:
    """The table's last column."""
    if name in ("Swin", "Swin V2", "SAM"):
        return out.permute(0, 3, 1, 2)
    if name in ("Swin V2-CR", "TinyViT", "MaxViT"):
        return out
    return out.transpose(1, 2).unflatten(2, get_token_grids(model, size)[-1])


def find_layer(name: str, model: Any) -> nn.Module:
    """The table's second column."""
    if name in ("Swin", "Swin V2"):
        return model.layers[-1]
    if name in ("Swin V2-CR", "TinyViT", "MaxViT"):
        return model.stages[-1]
    if name == "SAM":
        return model.blocks
    return model.layernorm


def explain(name: str, model: Any, grids: Any, images: Tensor) -> Tensor:
    """(B, H, W) Grad-CAM of what comes out first."""
    held: list[Any] = []
    handle = find_layer(name, model).register_forward_hook(lambda _, args, out: held.append(out))
    out = model(images)
    handle.remove()
    if not isinstance(out, Tensor):
        out = out.pooler_output
    gradient = torch.autograd.grad(out.flatten(1)[:, 0].sum(), held[0])[0]
    size = (images.shape[-2], images.shape[-1])
    activation, gradient = (find_map(name, grids, x, size) for x in (held[0], gradient))
    return (activation * gradient.mean((2, 3), keepdim=True)).sum(1)


@pytest.mark.parametrize("sparsity", [0, 0.4])
def test_grad_cam(name: str, sparsity: float) -> None:
    dense, images = make(name)
    sparse = sparsevit.sparsify(copy.deepcopy(dense), sparsity)
    found, expected = (explain(name, model, sparse, images) for model in (sparse, dense))
    size = (images.shape[-2], images.shape[-1])
    assert found.shape == expected.shape == (2, *get_token_grids(sparse, size)[-1])
    assert found.any()
    assert (relative_error(found, expected) <= 1e-4) == (sparsity == 0)
