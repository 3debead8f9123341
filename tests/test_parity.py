"""At sparsity 0 a sparsified network is the host's own, whatever its size, input or wrapping."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import SWIN_T, Wrapper, make_swin, relative_error
from torch import Tensor

import sparsevit

TOLERANCE = 1e-5

Run = Callable[[Any, Tensor], Any]


def run_all_stages(model: Any, images: Tensor) -> list[Tensor]:
    last, stages = model.forward_intermediates(images)
    return [last, *stages, model.forward_head(last)]


def assert_same(dense: Any, images: Tensor, run: Run = run_all_stages, **sparsify: Any) -> None:
    """The inference path and the differentiable path both equal the host."""
    sparse = sparsevit.sparsify(copy.deepcopy(dense), 0, **sparsify)
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            expected, got = run(dense, images), run(sparse, images)
        if isinstance(expected, Tensor):
            expected, got = [expected], [got]
        assert len(got) == len(expected)
        for ours, host in zip(got, expected, strict=True):
            assert ours.dtype == host.dtype
            assert relative_error(ours, host) <= TOLERANCE


# (img_h, img_w), B; patches of 4, window 7, four stages
@pytest.mark.parametrize(
    ("size", "batch"),
    [
        ((112, 112), 1),  # nothing is padded until stage 2
        ((112, 168), 1),
        ((64, 64), 2),
        ((100, 60), 3),
        ((60, 132), 2),
        ((36, 44), 2),  # odd grids: patch merging pads as well
        ((28, 28), 2),
        ((28, 116), 1),  # one window high
        ((24, 20), 2),  # smaller than a window
        ((4, 4), 2),  # one token
        ((4, 92), 1),
    ],
    ids=str,
)
def test_every_input_size(size: tuple[int, int], batch: int) -> None:
    assert_same(make_swin(), torch.randn(batch, 3, *size))


@pytest.mark.parametrize(
    "kwargs",
    [
        {"img_size": 28},  # window = grid: no shift
        {"img_size": 20},  # windows shrink to 5, 3, 2, 1
        {"img_size": 4},
        {"img_size": (20, 120)},  # shrinks and loses the shift in one dimension only
        {"img_size": (120, 28)},
        {"img_size": 60, "patch_size": 3},
        {"img_size": 34, "patch_size": 2},
        {"img_size": (66, 30), "patch_size": 6, "window_size": 3},
        {"img_size": 60, "window_size": (4, 6)},
        {"img_size": 60, "window_size": 8},
        {"img_size": 60, "window_size": 1},
        {"img_size": 20, "always_partition": True},
        {"img_size": (8, 64), "always_partition": True},
        {"img_size": 60, "head_dim": 16, "qkv_bias": False, "mlp_ratio": 2.0},
        {"img_size": 60, "in_chans": 1},
        {"img_size": 60, "depths": (1, 3, 2), "num_heads": (1, 2, 4)},
        {"img_size": 60, "global_pool": ""},
    ],
    ids=str,
)
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "any-size"])
def test_every_construction(kwargs: dict[str, Any], strict: bool) -> None:
    dense = make_swin(**{"strict_img_size": strict, **kwargs})
    height, width = dense.patch_embed.img_size
    channels = kwargs.get("in_chans", 3)
    assert_same(dense, torch.randn(2, channels, height, width))
    if not strict:  # a grid the windows were not made for
        patch = dense.patch_embed.patch_size[0]
        assert_same(dense, torch.randn(1, channels, patch * 17, patch * 9))


VARIANTS = timm.list_models("swin_*")


def test_the_family_is_known() -> None:
    assert {SWIN_T, "swin_base_patch4_window12_384", "swin_s3_tiny_224"} <= set(VARIANTS)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_of_timm_s(name: str) -> None:
    dense = make_swin(name, depths=(2, 2, 2, 1), img_size=100)
    assert_same(dense, torch.randn(1, 3, 100, 100))


def test_windows_differ_between_stages() -> None:
    model = make_swin("swin_s3_tiny_224", img_size=448)
    assert [stage.blocks[0].window_size[0] for stage in model.layers] == [7, 7, 14, 7]
    assert_same(model, torch.randn(1, 3, 360, 420))


def test_feature_extractor() -> None:
    dense = make_swin(features_only=True, out_indices=(0, 2, 3))
    assert_same(dense, torch.randn(2, 3, 60, 100), lambda model, images: model(images))


@pytest.mark.parametrize(
    "run",
    [
        lambda m, x: m(x),
        lambda m, x: m.forward_features(x),
        lambda m, x: m.forward_intermediates(x, indices=[0, 2], intermediates_only=True),
        lambda m, x: m.forward_intermediates(x, indices=[1], stop_early=True)[1],
        lambda m, x: m.forward_intermediates(x, norm=True)[1],
        lambda m, x: m.forward_head(m.forward_features(x), pre_logits=True),
    ],
    ids=["call", "features", "some-stages", "stop-early", "normed", "pre-logits"],
)
@pytest.mark.parametrize("num_classes", [0, 5])
def test_every_way_to_call(run: Run, num_classes: int) -> None:
    assert_same(make_swin(num_classes=num_classes), torch.randn(2, 3, 60, 44), run)


def test_inside_another_network() -> None:
    run: Run = lambda model, images: model(images)  # noqa: E731
    assert_same(Wrapper(make_swin()), torch.randn(2, 3, 60, 44), run)


def test_float64() -> None:
    dense = make_swin().double()
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    images = torch.randn(2, 3, 60, 44, dtype=torch.float64)
    with torch.no_grad():
        assert relative_error(sparse(images), dense(images)) < 1e-13


@pytest.mark.parametrize("mode", ["bf16", "fp16", "autocast"])
@pytest.mark.parametrize("grad", [False, True], ids=["inference", "differentiable"])
def test_low_precision_is_as_exact_as_the_host(mode: str, grad: bool) -> None:
    dense = make_swin(depths=(2, 2, 4, 2))
    images = torch.randn(2, 3, 60, 92)
    with torch.set_grad_enabled(grad):
        exact = dense.forward_features(images)
        if mode != "autocast":
            dtype = torch.bfloat16 if mode == "bf16" else torch.float16
            dense, images = dense.to(dtype), images.to(dtype)
        sparse = sparsevit.sparsify(copy.deepcopy(dense))
        with torch.autocast("cpu", torch.bfloat16, enabled=mode == "autocast"):
            host, ours = dense.forward_features(images), sparse.forward_features(images)
    assert ours.dtype == host.dtype
    assert relative_error(ours, exact) <= 2 * relative_error(host, exact) + 1e-6


@pytest.mark.parametrize("layout", ["channels_last", "strided", "expanded"])
def test_memory_layouts(layout: str) -> None:
    images = torch.randn(2, 3, 60, 44)
    if layout == "channels_last":
        images = images.contiguous(memory_format=torch.channels_last)
    elif layout == "strided":
        images = torch.randn(2, 60, 88, 3)[:, :, ::2].permute(0, 3, 1, 2)
    else:
        images = torch.randn(1, 1, 60, 44).expand(2, 3, -1, -1)
    assert_same(make_swin(), images)


def test_a_network_stored_channels_last() -> None:
    model = make_swin().to(memory_format=torch.channels_last)
    assert_same(model, torch.randn(2, 3, 60, 44))


@pytest.mark.parametrize(
    "change",
    [
        {"img_size": (92, 60)},
        {"img_size": (92, 60), "window_size": (4, 5)},
        {"img_size": (12, 140), "always_partition": True},
        {"patch_size": 8, "img_size": (96, 120)},
    ],
    ids=str,
)
def test_input_size_set_afterwards(change: dict[str, Any]) -> None:
    dense = make_swin(strict_img_size=True)
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    with torch.no_grad():
        sparse(torch.randn(1, 3, 64, 64))
    for model in (dense, sparse):
        model.set_input_size(**change)
    images = torch.randn(2, 3, *change["img_size"])
    with torch.no_grad():
        for ours, host in zip(
            run_all_stages(sparse, images), run_all_stages(dense, images), strict=True
        ):
            assert relative_error(ours, host) <= TOLERANCE


def test_a_wrong_size_is_refused_as_the_host_does() -> None:
    sparse = sparsevit.sparsify(make_swin(strict_img_size=True))
    with pytest.raises(AssertionError, match="doesn't match model"):
        sparse(torch.randn(1, 3, 60, 60))


@pytest.fixture(scope="module")
def pair() -> tuple[Any, Any]:
    dense = make_swin(depths=(2, 2, 2))
    return dense, sparsevit.sparsify(copy.deepcopy(dense))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 33), st.integers(1, 33), st.integers(1, 3))
def test_any_grid(pair: tuple[Any, Any], rows: int, cols: int, batch: int) -> None:
    dense, sparse = pair
    images = torch.randn(batch, 3, 4 * rows, 4 * cols)
    with torch.no_grad():
        error = relative_error(sparse.forward_features(images), dense.forward_features(images))
    assert error <= TOLERANCE


class _Doubling(torch.nn.Linear):
    """Stands for whatever people put in the place of a linear layer."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def _double(layer: torch.nn.Linear) -> torch.nn.Linear:
    layer.__class__ = _Doubling
    return layer


def _hook(layer: torch.nn.Module) -> torch.nn.Module:
    layer.register_forward_hook(lambda _, __, output: 2 * output)
    return layer


CHANGES = {
    "approximate GELU": ("mlp.act", lambda _: torch.nn.GELU("tanh")),
    "another activation": ("mlp.act", lambda _: torch.nn.ReLU()),
    "a norm inside": ("mlp.norm", lambda _: torch.nn.LayerNorm(64)),
    "no bias": ("mlp.fc2", lambda old: torch.nn.Linear(64, 16, bias=False)),
    **{f"{name} replaced": (name, _double) for name in ("attn.proj", "mlp.fc1", "mlp.fc2")},
    **{f"{name} hooked": (name, _hook) for name in ("attn.proj", "mlp.fc1", "mlp.act", "mlp.fc2")},
}


@pytest.mark.parametrize("change", CHANGES)
def test_parts_of_a_block_that_somebody_changed(change: str) -> None:
    """What runs in place may do so only where nobody has put anything between."""
    name, make = CHANGES[change]
    model = timm.models.SwinTransformer(
        img_size=48, embed_dim=16, depths=(2,), num_heads=(2,), window_size=4
    ).eval()  # fmt: skip
    for block in model.layers[0].blocks:
        block.set_submodule(name, make(block.get_submodule(name)))
    assert_same(model, torch.randn(2, 3, 48, 48), lambda model, images: model(images))


def test_what_a_hook_holds_is_not_overwritten() -> None:
    parts = ["fc1", "fc2", "proj", "norm1", "norm2", "act", "reduction", "drop1", "everything"]
    for part in parts:
        model = make_swin()
        held: list[tuple[Tensor, Tensor]] = []

        def hold(_: Any, given: tuple[Tensor, ...], output: Tensor) -> None:
            held.extend((tensor, tensor.clone()) for tensor in (*given[:1], output))  # noqa: B023

        for name, module in model.named_modules():
            if name.endswith(f".{part}"):
                module.register_forward_hook(hold)
        sparsevit.sparsify(model, 0.5)
        everywhere = torch.nn.modules.module.register_module_forward_hook(hold)
        if part != "everything":
            everywhere.remove()
        with torch.no_grad():
            model(torch.randn(1, 3, 112, 112))
        everywhere.remove()
        assert len(held) > 5
        assert all(torch.equal(now, then) for now, then in held)
