"""Parts of a forward that a checkpoint runs again in the backward keep their own windows.

Between the two the network may see other pictures, or be given another schedule or score.
"""

import copy
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from oracle import make_swin
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import SwinBackbone, SwinConfig

import sparsevit

SCHEDULE = ((0.6,), (0.4,), (0.3, 0.6), (0.5,))
OTHER = ((0.3,), (0.7,), (0.5, 0.7), (0.0,))


def make_timm() -> Any:
    return make_swin(depths=(2, 2, 4, 2)).double()


def make_hf() -> Any:
    config = SwinConfig(
        embed_dim=12, depths=[2, 2, 4, 2], num_heads=[1, 2, 4, 4], hidden_size=96, window_size=7,
        drop_path_rate=0.0, out_features=["stage1", "stage4"],
    )  # fmt: skip
    torch.manual_seed(0)
    model = SwinBackbone(config).double().train()
    for parameter in model.parameters():
        parameter.data.mul_(3 if parameter.ndim > 1 else 1)
    return model


def make_images() -> Tensor:
    return torch.randn(2, 3, 64, 92, dtype=torch.float64)


def run_hf(model: Any, images: Tensor) -> Tensor:
    return torch.cat([m.flatten() for m in model(images).feature_maps])


def run_layers(model: Any, images: Tensor, **kwargs: Any) -> Tensor:
    """timm's network with all its stages in one checkpoint, or without any."""
    x = model.patch_embed(images)
    return checkpoint(model.layers, x, **kwargs) if kwargs else model.layers(x)


def run_stages(model: Any, images: Tensor, **kwargs: Any) -> Tensor:
    """timm's network with every stage in a checkpoint of its own."""
    x = model.patch_embed(images)
    for stage in model.layers:
        x = checkpoint(stage, x, **kwargs)
    return x


def run_whole(model: Any, images: Tensor, **kwargs: Any) -> Tensor:
    return checkpoint(model.forward_features, images.requires_grad_(), **kwargs)


def collect(model: Any, *outputs: Tensor) -> dict[str, Tensor]:
    """Gradients of every weight by one backward through some outputs."""
    model.zero_grad()
    losses = [out.square().mean() for out in outputs]
    torch.stack(losses).sum().backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def check(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    scale = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        assert float((found[name] - gradient).abs().max()) <= 1e-12 * scale, name


reentrant = pytest.mark.parametrize("use_reentrant", [False, True], ids=["plain", "reentrant"])


@pytest.mark.parametrize("score", ["rms", "random", "gradient"])
@pytest.mark.parametrize("run", [run_layers, run_stages], ids=["all-stages", "each-stage"])
@reentrant
def test_what_happens_in_between_changes_nothing(run: Any, score: Any, use_reentrant: bool) -> None:
    model = sparsevit.sparsify(make_timm(), SCHEDULE, score=score)
    first, second = make_images(), make_images()
    expected = collect(model, run_layers(model, first))
    out = run(model, first, use_reentrant=use_reentrant)
    run_layers(model, second)
    sparsevit.sparsify(model, OTHER, score="rms", seed=5)
    check(collect(model, out), expected)


@reentrant
def test_hugging_face_s_checkpoints(use_reentrant: bool) -> None:
    model = sparsevit.sparsify(make_hf(), SCHEDULE, score="gradient")
    first, second = make_images(), make_images()
    expected = collect(model, run_hf(model, first))
    model.gradient_checkpointing_enable({"use_reentrant": use_reentrant})
    out = run_hf(model, first)
    with torch.no_grad():
        run_hf(model, second)
    model.sparsity = OTHER
    check(collect(model, out), expected)


@pytest.mark.parametrize("run", [run_layers, run_stages], ids=["all-stages", "each-stage"])
@reentrant
def test_several_forwards_share_a_backward(run: Any, use_reentrant: bool) -> None:
    """As in training on the smallest, the largest and a random network in each step."""
    model, pictures = sparsevit.sparsify(make_timm(), score="gradient"), (make_images(),) * 2
    outputs: dict[bool, list[Tensor]] = {False: [], True: []}
    for checkpointed, held in outputs.items():
        for images, schedule in zip(pictures, (SCHEDULE, OTHER), strict=True):
            model.sparsity = schedule
            options = {"use_reentrant": use_reentrant} if checkpointed else {}
            held.append((run if checkpointed else run_layers)(model, images, **options))
    check(collect(model, *outputs[True]), collect(model, *outputs[False]))


@pytest.mark.parametrize("score", ["rms", "gradient"])
@reentrant
def test_a_checkpoint_around_the_network(score: Any, use_reentrant: bool) -> None:
    """It announces its picture again; nothing says which schedule it had, if that has changed."""
    model = sparsevit.sparsify(make_timm(), SCHEDULE, score=score)
    first, second = make_images(), make_images()
    expected = collect(model, model.forward_features(first))
    out = run_whole(model, first, use_reentrant=use_reentrant)
    with torch.no_grad():
        model(second)
    check(collect(model, out), expected)
    out = run_whole(model, first, use_reentrant=use_reentrant)
    model.sparsity = OTHER
    with pytest.raises(RuntimeError, match="change it after the backward"):
        collect(model, out)


def test_inputs_that_were_stored_elsewhere() -> None:
    """Copies are not known again: windows are ranked anew, or an error says what is missing."""
    model, images = sparsevit.sparsify(make_timm(), SCHEDULE), make_images()
    expected = collect(model, run_layers(model, images))

    def run() -> Tensor:
        with torch.autograd.graph.saved_tensors_hooks(torch.clone, lambda copied: copied):
            return run_stages(model, images, use_reentrant=False)

    check(collect(model, run()), expected)
    out, model.sparsity = run(), OTHER
    with pytest.raises(RuntimeError, match="change it after the backward"):
        collect(model, out)
    sparsevit.sparsify(model, score="gradient")
    with pytest.raises(RuntimeError, match="needs the images"):
        collect(model, run())


def test_networks_take_turns() -> None:
    """Each has its own pictures, also where one runs in the middle of the other."""
    one, other = (sparsevit.sparsify(make_timm(), SCHEDULE, score="gradient") for _ in range(2))
    first, second = make_images(), make_images()
    expected = run_layers(one, first)
    x, _ = one.patch_embed(first), other.patch_embed(second)
    assert torch.equal(one.layers(x), expected)
    one.layers[1].register_forward_pre_hook(lambda *_: other.patch_embed(second) is None or None)
    one.layers[1].register_forward_hook(lambda *_: (run_layers(other, second), None)[1])
    assert torch.equal(run_layers(one, first), expected)


def test_a_backward_in_another_thread() -> None:
    model = sparsevit.sparsify(make_timm(), SCHEDULE, score="gradient")
    first, second = make_images(), make_images()
    expected = collect(model, run_layers(model, first))
    out, found = run_stages(model, first, use_reentrant=False), {}
    run_layers(model, second)
    thread = threading.Thread(target=lambda: found.update(collect(model, out)))
    thread.start()
    thread.join()
    check(found, expected)


def use_another_picture(model: Any) -> None:
    model.layers[0](torch.randn(2, 16, 23, 24, dtype=torch.float64))


@pytest.mark.parametrize("before", [lambda model: None, lambda model: model(make_images())])
def test_a_stage_alone_has_no_picture(before: Callable[[Any], Any]) -> None:
    """Not even the one that the network saw last."""
    model = sparsevit.sparsify(make_timm(), SCHEDULE, score="gradient")
    before(model)
    with pytest.raises(RuntimeError, match="needs the images"):
        use_another_picture(model)


def test_a_running_again_is_not_recorded() -> None:
    model = sparsevit.sparsify(make_timm(), SCHEDULE)
    first, second = make_images(), make_images()
    out = run_stages(model, first, use_reentrant=False)
    with sparsevit.capture(model) as trace:
        run_layers(model, second)
        expected = [block.keep_mask for block in trace.blocks]
        collect(model, out)
    assert all(map(torch.equal, expected, [block.keep_mask for block in trace.blocks]))


def test_nothing_of_a_forward_is_kept_when_its_tensors_are_gone() -> None:
    model = sparsevit.sparsify(make_timm(), SCHEDULE)
    for _ in range(3):
        run_layers(model, make_images())
    with torch.no_grad():
        model.layers[0](torch.randn(1, 16, 23, 24, dtype=torch.float64))
    assert len(model.layers[0].forwards._known) == 1
    assert len(copy.deepcopy(model).layers[0].forwards._known) == 0
