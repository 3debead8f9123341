"""Branches that inference writes over the tokens: nobody who listens may notice."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hf_oracle import NARROW, stir
from oracle import infer, make_swin, relative_error
from timm_hosts_support import make_maxvit, make_sam, make_tiny_vit, make_v2_cr, scramble
from torch import Tensor, nn
from transformers import SwinBackbone, SwinConfig, Swinv2Config, Swinv2Model
from transformers.models.maskformer.configuration_maskformer_swin import MaskFormerSwinConfig
from transformers.models.maskformer.modeling_maskformer_swin import MaskFormerSwinModel

import sparsevit
from sparsevit.core.block import SparseBlock
from sparsevit.patch import host_form

MAKERS: dict[str, Callable[[], Any]] = {
    "timm Swin": make_swin,
    "timm Swin V2": lambda: make_swin("swinv2_tiny_window8_256"),
    "timm Swin V2-CR": lambda: scramble(make_v2_cr()),
    "TinyViT": lambda: scramble(make_tiny_vit()),
    "SAM": lambda: scramble(make_sam()),
    "MaxViT": lambda: scramble(make_maxvit()),
    "Swin": lambda: stir(SwinBackbone(SwinConfig(**NARROW))),
    "Swin V2": lambda: stir(Swinv2Model(Swinv2Config(**NARROW))),
    "MaskFormer's Swin": lambda: stir(MaskFormerSwinModel(MaskFormerSwinConfig(**NARROW))),
}


@pytest.fixture(scope="module", params=MAKERS)
def network(request: pytest.FixtureRequest) -> Any:
    return MAKERS[request.param]()


def run(model: Any) -> Tensor:
    size = 96 if "TinyVit" in type(model).__name__ else 64
    generator = torch.Generator().manual_seed(1)
    out = infer(model, torch.randn(2, 3, size, size, generator=generator))
    while not isinstance(out, Tensor):
        out = out[-1] if isinstance(out, tuple) else out[0]
    return out


def list_parts(model: nn.Module) -> dict[str, list[nn.Module]]:
    """The modules inside the blocks that are pruned, by the last part of their names."""
    parts: dict[str, list[nn.Module]] = {}
    for block in (module for module in model.modules() if isinstance(module, SparseBlock)):
        for name, module in block.named_modules():
            part = name.rpartition(".")[2]
            if part and not part.isdecimal():  # numbered ones have ReLUs that write in place
                parts.setdefault(part, []).append(module)
    return parts


def test_what_a_hook_holds_stays_as_it_was(network: Any) -> None:
    """One kind of module after another has a listener that keeps what entered and what left."""
    expected = run(sparsevit.sparsify(copy.deepcopy(network), 0.5))
    heard = 0
    for part in list_parts(sparsevit.sparsify(copy.deepcopy(network))):
        model = sparsevit.sparsify(copy.deepcopy(network), 0.5)
        held: list[tuple[Tensor, Tensor]] = []

        def hold(_: nn.Module, given: tuple[Any, ...], output: Any) -> None:
            some = (t for t in (*given[:1], output) if isinstance(t, Tensor))
            held.extend((tensor, tensor.clone()) for tensor in some)  # noqa: B023

        for module in list_parts(model)[part]:
            module.register_forward_hook(hold)
        assert relative_error(run(model), expected) <= 1e-5
        assert all(torch.equal(now, then) for now, then in held), part
        heard += bool(held)
    assert heard > 5


def test_what_somebody_put_between_is_called(network: Any) -> None:
    """A hook that halves what leaves a module has the effect it has on the host."""
    parts = {"act", "intermediate_act_fn", "activation_fn", "fc1", "intermediate"}
    model = sparsevit.sparsify(copy.deepcopy(network))
    before = run(network)
    found = list_parts(model)
    for module in found[min(parts & set(found))]:
        module.register_forward_hook(lambda _, __, output: 0.5 * output)
    with host_form(model):
        expected = run(model)
    assert relative_error(before, expected) > 1e-3
    assert relative_error(run(model), expected) <= 1e-5


@pytest.mark.parametrize("name", ["Swin V2", "MaskFormer's Swin"])
def test_parts_that_are_no_longer_the_host_s(name: str) -> None:
    """An activation may be a function, and the output of attention somebody's own class."""
    host = MAKERS[name]()
    before = run(host)
    for module in list(host.modules()):
        if hasattr(module, "intermediate_act_fn"):
            del module.intermediate_act_fn
            module.intermediate_act_fn = torch.relu
        if hasattr(module, "self"):
            module.output.__class__ = type("Own", (type(module.output),), {"forward": _halve})
    expected = run(host)
    assert relative_error(before, expected) > 1e-3
    assert relative_error(run(sparsevit.sparsify(host)), expected) <= 1e-5


def _halve(output: Any, hidden_states: Tensor, input_tensor: Tensor) -> Tensor:
    return 0.5 * output.dense(hidden_states)
