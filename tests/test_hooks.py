"""Hooks see and may change what the host's would; no tensor that others hold is overwritten."""

import copy
from typing import Any

import pytest
import torch
from oracle import SCHEDULE, infer, make_dense, make_images, record_blocks, relative_error
from torch import Tensor, nn

import sparsevit


def test_block_hooks_fire_and_what_they_saw_stays() -> None:
    dense, images = make_dense(), make_images()
    model = sparsevit.sparsify(copy.deepcopy(dense), 0)
    copies: dict[Any, Any] = {}
    entered: dict[Any, Tensor] = {}

    def copy_out(key: Any, args: Any, out: Tensor) -> None:
        copies[key] = (args[0].clone(), out.clone())

    with torch.no_grad():
        with record_blocks(dense) as expected:
            dense(images)
        for s, stage in enumerate(model.layers):
            for b, block in enumerate(stage.blocks):
                block.register_forward_pre_hook(
                    lambda _, args, key=(s, b): entered.__setitem__(key, args[0])
                )
                block.register_forward_hook(
                    lambda _, args, out, key=(s, b): copy_out(key, args, out)
                )
        with record_blocks(model) as seen:
            model(images)
        at_once, held = dict(copies), dict(entered)
        model(-images)
    assert seen.keys() == expected.keys() == at_once.keys() == held.keys()
    for key, (before, after) in seen.items():
        assert held[key] is before
        assert torch.equal(before, at_once[key][0])
        assert torch.equal(after, at_once[key][1])
        assert relative_error(before, expected[key][0]) <= 1e-5
        assert relative_error(after, expected[key][1]) <= 1e-5


@pytest.mark.parametrize("which", ["pre", "post", "global-pre", "global-post"])
def test_one_listener_is_enough_to_stop_overwriting(which: str) -> None:
    """A hook on a single block, or one for all modules, keeps its tensors."""
    model, images = sparsevit.sparsify(make_dense(), SCHEDULE), make_images()
    block = model.layers[2].blocks[1]
    seen: list[tuple[Tensor, Tensor]] = []

    def listen(module: nn.Module, args: Any, *out: Any) -> None:
        if module is block:
            tensor = out[0] if out else args[0]
            seen.append((tensor, tensor.clone()))

    handle = {
        "pre": block.register_forward_pre_hook,
        "post": block.register_forward_hook,
        "global-pre": nn.modules.module.register_module_forward_pre_hook,
        "global-post": nn.modules.module.register_module_forward_hook,
    }[which](listen)
    try:
        infer(model, images)
    finally:
        handle.remove()
    assert len(seen) == 1
    assert torch.equal(*seen[0])


def test_hooks_inside_a_block_keep_what_they_saw() -> None:
    model, images = sparsevit.sparsify(make_dense()), make_images()
    seen: list[tuple[Tensor, Tensor]] = []

    def listen(_: nn.Module, args: Any, out: Tensor) -> None:
        seen.extend((tensor, tensor.clone()) for tensor in (args[0], out))

    for part in ("norm1", "norm2", "mlp", "attn.qkv", "attn.proj"):
        model.layers[2].blocks[1].get_submodule(part).register_forward_hook(listen)
    infer(model, images)
    assert seen
    assert all(torch.equal(*pair) for pair in seen)


def test_hooks_written_for_the_host_still_work() -> None:
    """A hook sees the host's one argument, and may replace it without losing the pruning."""
    model, images = sparsevit.sparsify(make_dense(), SCHEDULE), make_images()

    def double(_: nn.Module, args: tuple[Tensor]) -> Tensor:
        (x,) = args
        return 2 * x

    infer(model, images)
    model.layers[2].blocks[1].register_forward_pre_hook(double)
    with torch.no_grad(), record_blocks(model) as seen, sparsevit.capture(model) as trace:
        model(images)
    before, after = seen[2, 1]
    assert torch.equal(before, 2 * seen[2, 0][1])
    record = trace.blocks[5]
    for image in range(2):
        kept = record.token_mask(image)
        assert 0 < kept.sum() < kept.numel()
        assert torch.equal(after[image][~kept], before[image][~kept])
        assert not torch.equal(after[image][kept], before[image][kept])


@pytest.mark.parametrize("grad", [False, True], ids=["inference", "differentiable"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_nothing_the_caller_holds_is_written_to(grad: bool, channels_last: bool) -> None:
    model = sparsevit.sparsify(make_dense(), SCHEDULE)
    images = make_images()
    if channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    original = images.clone()
    outputs: list[Tensor] = []
    for stage in (model.patch_embed, *model.layers):
        stage.register_forward_hook(lambda _, args, out: outputs.extend((args[0], out)))
    with torch.set_grad_enabled(grad):
        last, stages = model.forward_intermediates(images)
        held = [last, *stages, *outputs, model(images)]
        copies = [tensor.clone() for tensor in held]
        model(-images)
    assert torch.equal(images, original)
    assert all(torch.equal(*pair) for pair in zip(held, copies, strict=True))


def test_a_stage_fed_with_its_own_output_leaves_it_alone() -> None:
    stage = sparsevit.sparsify(make_dense(), SCHEDULE).layers[0]
    x = torch.randn(2, 20, 20, 24)
    with torch.no_grad():
        first = stage(x)
        kept = (x.clone(), first.clone())
        stage(first)
    assert torch.equal(x, kept[0])
    assert torch.equal(first, kept[1])
