"""timm's Swins as we load them are, at every size, what timm builds for that size."""

import copy
import io
import re
import weakref
from typing import Any

import pytest
import timm
import torch
from oracle import infer, relative_error
from safetensors.torch import save_file
from torch import Tensor, nn

import sparsevit
from sparsevit.accel.graphs import GraphedModel
from sparsevit.hosts import timm_fitted
from sparsevit.inspect.block import trace_block
from sparsevit.inspect.photo import prepare_image
from sparsevit.measure import bench
from sparsevit.measure.cost import count_flops, count_macs
from sparsevit.networks import load_model, timm_networks
from sparsevit.networks.timm_list import NETWORKS
from sparsevit.patch import densify, host_form, list_blocks, use_fused_attention

Size = tuple[int, int]

#: Windows and grids are those of the full-size network; what depends on neither is small.
SMALL: dict[str, Any] = {
    "embed_dim": 8, "depths": (1, 1, 2, 2), "num_heads": (1, 1, 1, 2), "num_classes": 5,
}  # fmt: skip

#: Networks that differ in windows, or in the size they are made for.
NAMES = (
    "swin_tiny_patch4_window7_224",
    "swin_base_patch4_window12_384",
    "swin_s3_tiny_224",
    "swin_s3_small_224",
    "swin_s3_base_224",
    "swinv2_tiny_window8_256",
    "swinv2_tiny_window16_256",
    "swinv2_base_window12_192",
    "swinv2_base_window12to16_192to256",
    "swinv2_base_window12to24_192to384",
    "swinv2_cr_tiny_ns_224",
    "swinv2_cr_small_224",
)
V1, V2, V2_CR = NAMES[0], NAMES[6], NAMES[10]

_create = timm.create_model


def make_host(name: str, size: Size, weights: dict[str, Tensor] | None = None) -> Any:
    """timm's own, built for a size, with weights loaded as timm loads a checkpoint."""
    host = _create(name, img_size=size, **SMALL).eval()
    if weights is not None:
        module, _ = timm_networks._FAMILIES[timm_networks._find_family(name)]
        host.load_state_dict(module.checkpoint_filter_fn(dict(weights), host))
    return host


def get_native(name: str) -> int:
    return int(re.findall(r"\d+", name)[-1])


def scramble(model: nn.Module) -> nn.Module:
    """Weights with which attention matters: a window or shift that is wrong shows."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("attn.qkv.weight"):
                weight *= 5
            elif name.endswith("attn.proj.weight"):
                weight *= 4
            elif name.endswith("relative_position_bias_table"):
                weight.normal_()
            elif re.search(r"norm\d\.weight", name):
                weight.uniform_(0.5, 1.5)  # at first V2's are 0, and so its branches
    return model


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """name -> (our network, its weights as timm has them at the size it is made for)."""
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    made: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timm, "create_model", lambda *args, **kw: _create(*args, **{**kw, **SMALL}))
        for name in NAMES:
            host = scramble(make_host(name, (get_native(name),) * 2))
            save_file(host.state_dict(), path)
            made[name] = load_model(name, checkpoint=path), host.state_dict()
    return made


def test_every_swin_of_the_list_is_one_of_these() -> None:
    """Tiny, small, base and large differ in widths and depths alone, but for S3."""
    kinds = {
        name if "_s3_" in name else re.sub("tiny|small|base|large", "*", name) for name in NAMES
    }
    listed = {name for name in NETWORKS if name.startswith("swin")}
    assert {
        name if "_s3_" in name else re.sub("tiny|small|base|large", "*", name) for name in listed
    } == kinds


@pytest.mark.parametrize("name", NAMES)
def test_every_size_is_timms_own(networks: dict[str, Any], name: str) -> None:
    """At the native size, one below and two above, and whatever came before."""
    loaded, weights = networks[name]
    model, native = loaded.module, get_native(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first: dict[Size, Tensor] = {}
    for size in (
        (native, native),
        (native - 32, native - 64),
        (native + 32, native),
        (native + 96, native + 64),
        (native, native),
    ):
        torch.manual_seed(0)
        host, images = make_host(name, size, weights), torch.randn(2, 3, *size)
        expected = infer(host, images)
        with sparsevit.capture(model) as trace:
            got = infer(model, images)
        assert relative_error(got, expected) <= 1e-5
        assert torch.equal(got, first.setdefault(size, got))
        with host_form(model):
            assert relative_error(infer(model, images), expected) <= 1e-5
        stages: Any = host.layers if hasattr(host, "layers") else host.stages
        assert [(block.grid.window, block.grid.shift) for block in trace.blocks] == [
            (block.window_size, block.shift_size) for stage in stages for block in stage.blocks
        ]
    assert model.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", [V1, V2, V2_CR])
def test_without_the_head_and_without_pruning_as_well(networks: dict[str, Any], name: str) -> None:
    """Copies, what densify leaves, the features variant, and forwards with gradients."""
    loaded, weights = networks[name]
    size = (get_native(name) - 64, get_native(name))
    host, images = make_host(name, size, weights), torch.randn(1, 3, *size)
    expected = infer(host, images)
    file = io.BytesIO()
    torch.save(loaded.module, file)
    file.seek(0)
    for model in (
        copy.deepcopy(loaded.module),
        torch.load(file, weights_only=False),
        densify(copy.deepcopy(loaded.module)),
    ):
        assert relative_error(infer(model, images), expected) <= 1e-5
        assert relative_error(model(images), expected) <= 1e-5  # with gradients
    features = timm_networks.TimmFeatures(loaded.module)
    with torch.no_grad():
        maps = host.forward_intermediates(images, intermediates_only=True)
        for ours, theirs in zip(features(images), maps, strict=True):
            assert relative_error(ours, theirs) <= 1e-5


@pytest.mark.parametrize("name", [V1, V2, V2_CR])
def test_gradients_are_timms_own(networks: dict[str, Any], name: str) -> None:
    loaded, weights = networks[name]
    size = (get_native(name) - 32, get_native(name) - 64)
    host, model = make_host(name, size, weights).double(), copy.deepcopy(loaded.module).double()
    images = torch.randn(1, 3, *size).double()
    for network in (host, model):
        network(images).square().mean().backward()
    found = {key: weight.grad for key, weight in model.named_parameters()}
    largest = max(float(weight.grad.abs().max()) for weight in host.parameters())
    for key, weight in host.named_parameters():
        assert found[key] is not None
        if found[key].shape == weight.shape:  # all but the tables that timm resampled
            assert float((found[key] - weight.grad).abs().max()) <= 1e-6 * largest
        else:
            assert float(found[key].abs().max()) > 0


@pytest.mark.parametrize("name", [V1, V2])
def test_costs_are_those_of_the_size(networks: dict[str, Any], name: str) -> None:
    """Of timm's own network, counted by PyTorch; whatever size was fed before."""
    loaded, _ = networks[name]
    native = get_native(name)
    infer(loaded.module, torch.randn(1, 3, native + 64, native))
    size = (native - 32, native - 32)
    fixed = loaded.count_fixed_macs(size)
    cost = count_macs(loaded.module, size, loaded.module.sparsity, fixed)
    with count_flops() as counter:
        infer(make_host(name, size), torch.randn(1, 3, *size))
    assert cost.dense_gmacs * 1e9 == counter.get_total_flops() // 2


@pytest.mark.parametrize("name", [V1, V2, V2_CR])
def test_pruned_windows_are_those_of_the_size(networks: dict[str, Any], name: str) -> None:
    """As sparsify prunes timm's own network of that size."""
    loaded, weights = networks[name]
    size = (get_native(name) - 32, get_native(name) + 32)
    host = sparsevit.sparsify(make_host(name, size, weights), 0.5)
    model, images = copy.deepcopy(loaded.module), torch.randn(2, 3, *size)
    model.sparsity = 0.5
    assert relative_error(infer(model, images), infer(host, images)) <= 1e-5


def test_a_block_is_explained_at_its_size(networks: dict[str, Any]) -> None:
    loaded, _ = networks[V1]
    photo = torch.randint(256, (192, 160, 3), dtype=torch.uint8).numpy()
    prepared = prepare_image(loaded, photo)
    steps = trace_block(loaded, prepared, 0.0, stage=3, block=1)
    assert steps.shapes["attention weights"].sizes == (1, 2, 30, 30)
    assert steps.gathered.shape == (1, 6, 5)


@pytest.mark.parametrize("name", [V1, V2, V2_CR])
def test_the_compiled_rival_decides_nothing_in_a_forward(
    networks: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is timm's network of that size, for good."""
    loaded, weights = networks[name]
    size = (get_native(name) - 32, get_native(name) - 64)
    images, given = torch.randn(1, 3, *size), []
    monkeypatch.setattr(torch, "compile", lambda host, mode: given.append(host) or host)
    bench._compile_host(loaded.module, images)
    (host,) = given
    monkeypatch.delattr(timm_fitted, "_make_twin")
    expected = infer(make_host(name, size, weights), images)
    for fused in (False, True):
        with use_fused_attention(host, fused):
            assert relative_error(infer(host, images), expected) <= 1e-5


def test_a_recording_keeps_the_bias_it_reads(networks: dict[str, Any]) -> None:
    """A replay has its address, and another size makes another bias."""
    model = copy.deepcopy(networks[V1][0].module)
    block = list_blocks(model)[-1][-1]

    def record(model: nn.Module, images: Tensor) -> Any:
        model(images)
        return model

    fast = GraphedModel(model, record=record)
    fast(torch.randn(1, 3, 192, 192))
    bias = weakref.ref(block.cached_bias)
    fast(torch.randn(1, 3, 160, 160))
    assert block.cached_bias is not bias()
    assert bias() is not None


def test_what_a_user_built_is_followed() -> None:
    """sparsify changes no geometry, and fitting leaves what is no Swin of timm's alone."""
    host = scramble(_create(V1, img_size=1024, strict_img_size=False, **SMALL)).eval()
    model, images = sparsevit.sparsify(copy.deepcopy(host)), torch.randn(1, 3, 192, 192)
    assert relative_error(infer(model, images), infer(host, images)) <= 1e-5
    other = nn.Sequential(nn.Linear(2, 2), nn.GELU())
    timm_fitted.fit_every_size(other)
    assert [type(module) for module in other] == [nn.Linear, nn.GELU]
