"""Networks that somebody hooked, patched, compiled or wrapped prune, or say why they cannot."""

import copy
import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from accelerate import cpu_offload, dispatch_model
from accelerate.hooks import remove_hook_from_module
from oracle import (
    SCHEDULE,
    Wrapper,
    describe,
    infer,
    kept_of,
    make_dense,
    make_images,
    make_swin,
    relative_error,
)
from test_checkpoints import make_hf
from timm_hosts_support import CASES, scramble
from torch import Tensor, nn
from transformers import (
    MaskFormerSwinConfig,
    MaskFormerSwinModel,
    SwinBackbone,
    Swinv2Config,
    Swinv2Model,
)

import sparsevit
from sparsevit.patch import get_sparsity, list_blocks, set_sparsity

SMALL = {"embed_dim": 12, "depths": [2, 2, 4, 2], "num_heads": [1, 2, 4, 4], "window_size": 7}
HOSTS: dict[str, Callable[[], Any]] = {
    "Swin": make_dense,
    "Swin V2": lambda: make_swin("swinv2_tiny_window8_256"),
    **{name: CASES[name].make for name in ("Swin V2-CR", "TinyViT", "SAM")},
    "MaxViT": CASES["MaxViT with ConvNeXt and a network for positions"].make,
    "Hugging Face Swin": lambda: make_hf().float(),
    "Hugging Face Swin V2": lambda: Swinv2Model(Swinv2Config(**SMALL)),
    "MaskFormer's Swin": lambda: MaskFormerSwinModel(MaskFormerSwinConfig(**SMALL)),
}


def dispatch(model: Any) -> Any:
    return dispatch_model(model, {"": "cpu"}, force_hooks=True)


def offload(model: Any) -> Any:
    return cpu_offload(model, execution_device=torch.device("cpu"))


@pytest.mark.parametrize("name", HOSTS)
def test_adapters_say_all_that_is_asked_of_a_block(name: str) -> None:
    model = sparsevit.sparsify(HOSTS[name]())
    blocks = [block for stage in list_blocks(model) for block in stage]
    assert blocks
    assert not any(type(block).__abstractmethods__ for block in blocks)


@torch.no_grad()
def run(model: Any, images: Tensor) -> Tensor:
    out = model(images)
    if isinstance(out, Tensor):
        return out
    return out.feature_maps[-1] if "feature_maps" in out else out.last_hidden_state


@pytest.mark.parametrize("hook", [dispatch, offload])
@pytest.mark.parametrize("name", HOSTS)
def test_accelerate_hooks_before_or_after(name: str, hook: Any) -> None:
    """Weights may be elsewhere until a module is called: none is read before."""
    dense = scramble(HOSTS[name]())
    size = 224 if "Face" in name or "Mask" in name else 64
    images = torch.randn(1, 3, size, size)
    sparse = sparsevit.sparsify(copy.deepcopy(dense), 0.5)
    with sparsevit.capture(sparse) as trace:
        expected = run(sparse, images)
    kept = kept_of(trace)
    for model in (
        hook(sparsevit.sparsify(copy.deepcopy(dense), 0.5)),
        sparsevit.sparsify(hook(copy.deepcopy(dense)), 0.5),
    ):
        with sparsevit.capture(model) as trace:
            for _ in range(2):
                assert relative_error(run(model, images), expected) <= 1e-5
        assert kept_of(trace) == kept


def test_a_network_loaded_onto_a_device(tmp_path: Any) -> None:
    make_hf().float().save_pretrained(tmp_path)
    images = torch.randn(1, 3, 224, 224)
    expected = run(sparsevit.sparsify(SwinBackbone.from_pretrained(tmp_path), 0.5), images)
    model = SwinBackbone.from_pretrained(tmp_path, device_map="cpu")
    assert relative_error(run(sparsevit.sparsify(dispatch(model), 0.5), images), expected) <= 1e-5


def test_hooks_come_off_and_networks_go_back() -> None:
    dense, images = make_dense(), make_images()
    expected = infer(sparsevit.sparsify(copy.deepcopy(dense), SCHEDULE), images)
    model = sparsevit.sparsify(dispatch(copy.deepcopy(dense)), SCHEDULE)
    assert relative_error(infer(copy.deepcopy(model), images), expected) <= 1e-5
    sparsevit.densify(model)
    assert torch.equal(infer(model, images), infer(dense, images))
    sparsevit.sparsify(model, SCHEDULE)
    remove_hook_from_module(model, recurse=True)  # leaves the bound methods on the modules
    assert relative_error(infer(model, images), expected) <= 1e-5
    assert torch.equal(infer(sparsevit.densify(model), images), infer(dense, images))
    assert relative_error(infer(sparsevit.sparsify(model, SCHEDULE), images), expected) <= 1e-5


def patch_plainly(module: nn.Module) -> None:
    before = module.forward
    module.forward = lambda *args, **kwargs: before(*args, **kwargs)


def patch_partially(module: nn.Module) -> None:
    module.forward = functools.partial(type(module).forward, module)


def compile_method(module: nn.Module) -> None:
    module.forward = torch.compile(module.forward, backend="eager")


def patch_over_a_hook(module: nn.Module) -> None:
    dispatch(module)
    patch_plainly(module)


@pytest.mark.parametrize(
    "path",
    [
        "layers.1",
        "layers.2.blocks.1",
        "layers.1.downsample",
        "patch_embed",
        "layers.0.blocks.0.attn",
    ],
)
@pytest.mark.parametrize(
    "patch", [patch_plainly, patch_partially, compile_method, patch_over_a_hook]
)
def test_a_forward_of_its_own_is_refused(patch: Any, path: str) -> None:
    model = make_dense()
    patch(model.get_submodule(path))
    before = describe(model)
    images = make_images()
    with pytest.raises(sparsevit.UnsupportedModelError, match="sparsify first, then"):
        sparsevit.sparsify(model, SCHEDULE)
    assert describe(model) == before
    if patch in (patch_plainly, patch_partially):  # the order that works
        model = sparsevit.sparsify(make_dense(), SCHEDULE)
        expected = infer(model, images)
        patch(model.get_submodule(path))
        assert relative_error(infer(model, images), expected) <= 1e-5


def test_an_attention_of_somebody_s_is_refused() -> None:
    """Its forward would not be called."""

    class Attention(type(make_dense().layers[0].blocks[0].attn)):  # type: ignore[misc]
        def forward(self, x: Tensor, mask: Any = None) -> Tensor:
            return 0 * x

    model = make_dense()
    model.layers[1].blocks[0].attn.__class__ = Attention
    with pytest.raises(sparsevit.UnsupportedModelError, match="its Attention is not the host's"):
        sparsevit.sparsify(model)


def make_tiny() -> Any:
    return make_swin(depths=(2,), num_heads=(1,))


def compile_in_place(model: Any) -> Any:
    model.layers[0].blocks[1].compile(backend="eager")
    return model


def compile_stage(model: Any) -> Any:
    model.layers[0] = torch.compile(model.layers[0], backend="eager")
    return model


@pytest.mark.parametrize(
    "wrap",
    [
        compile_in_place,
        compile_stage,
        lambda model: torch.compile(model, backend="eager"),
        nn.DataParallel,
        lambda model: nn.Sequential(model),
    ],
    ids=["compiled-in-place", "compiled-stage", "compiled", "DataParallel", "Sequential"],
)
def test_a_wrapped_network_prunes(wrap: Any) -> None:
    dense, images = make_tiny(), torch.randn(1, 3, 36, 36)
    expected = infer(sparsevit.sparsify(copy.deepcopy(dense), 0.5), images)
    model = wrap(dense)
    infer(model, images)  # what a compiler made of it then must not be used any more
    assert sparsevit.sparsify(model, 0.5) is model
    assert model.sparsity.stages == ((0.5,),)
    assert relative_error(infer(model, images), expected) <= 1e-5


def test_sparsity_of_a_compiled_network_is_the_network_s() -> None:
    model, images = sparsevit.sparsify(make_tiny()), torch.randn(1, 3, 36, 36)
    compiled = torch.compile(model, backend="eager")
    compiled.sparsity = 0.5
    assert model.sparsity.stages == ((0.5,),)
    expected = infer(sparsevit.sparsify(make_tiny(), 0.5), images)
    assert relative_error(infer(compiled, images), expected) <= 1e-5


WRAPPERS = {
    "wrapper": (lambda model: Wrapper(model), lambda outer: outer),
    "DataParallel": (nn.DataParallel, lambda outer: outer),
    "Sequential of a wrapper": (lambda m: nn.Sequential(nn.Identity(), Wrapper(m)), lambda o: o),
    "stage": (lambda model: model, lambda outer: outer.layers[2]),
    "block": (lambda model: model, lambda outer: outer.layers[2].blocks[0]),
    "stages": (lambda model: model, lambda outer: outer.layers),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_stray_sparsity_is_refused(name: str) -> None:
    wrap, find = WRAPPERS[name]
    images = make_images()
    outer = wrap(sparsevit.sparsify(make_dense()))
    infer(outer, images)
    find(outer).sparsity = 0.5
    with pytest.raises(RuntimeError, match=r"\.sparsity is an attribute that nothing reads"):
        infer(outer, images)
    del find(outer).sparsity
    if not sparsevit.is_sparse(outer):
        sparsevit.sparsify(outer)
        outer.sparsity = SCHEDULE
        expected = infer(wrap(sparsevit.sparsify(make_dense(), SCHEDULE)), images)
        assert relative_error(infer(outer, images), expected) <= 1e-5


def test_an_inner_network_is_refused_or_made_one_itself() -> None:
    outer, images = sparsevit.sparsify(Wrapper(make_dense())), make_images()
    inner = outer.body["net"]
    inner.sparsity = 0.5
    with pytest.raises(RuntimeError, match=r"SwinTransformer\.sparsity is"):
        inner(images)
    del inner.sparsity
    sparsevit.sparsify(inner).sparsity = SCHEDULE
    assert outer.sparsity.stages == SCHEDULE
    outer.sparsity = 0.3
    assert inner.sparsity == outer.sparsity


def test_replicas_of_a_wrapper_s_network_are_not_made() -> None:
    """Several GPUs run replicas in threads, where no wrapper is to be seen."""

    class Replicating(Wrapper):
        def forward(self, images: Tensor) -> Tensor:
            return self.body["net"]._replicate_for_data_parallel()

    outer = Replicating(sparsevit.sparsify(make_dense()))
    outer(make_images())
    outer.sparsity = 0.5
    with pytest.raises(RuntimeError, match="nothing reads"):
        outer(make_images())


def test_functions_take_any_wrapper() -> None:
    outer = nn.DataParallel(Wrapper(sparsevit.sparsify(make_dense())))
    set_sparsity(outer, SCHEDULE)
    assert get_sparsity(outer).stages == SCHEDULE == outer.module.body["net"].sparsity.stages
    for call in (get_sparsity, lambda model: set_sparsity(model, 0.5)):
        with pytest.raises(ValueError, match="Call sparsify"):
            call(make_dense())
