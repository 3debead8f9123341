"""torch.func's transforms, forward-mode AD and torch.jit.trace: exact, pruned or not."""

import copy
from typing import Any

import pytest
import torch
from oracle import make_swin, relative_error
from test_checkpoints import make_hf
from timm_hosts_support import CASES, scramble
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jacrev, jvp, vmap

import sparsevit
from sparsevit.core import stream

pytestmark = pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*jit")

HALF = ((0.5,), (0.5,), (0.5,), (0.5,))
HOSTS: dict[str, tuple[Any, Any, tuple[int, int]]] = {
    "Swin": (make_swin, HALF, (64, 92)),
    "Swin V2": (lambda: make_swin("swinv2_tiny_window8_256"), HALF, (64, 96)),
    "Hugging Face": (lambda: make_hf().float().eval(), ((0.5,), (0.5,), (0.2, 0.5), (0.5,)),
                     (224, 224)),
    **{name: (CASES[name].make, CASES[name].schedule, CASES[name].sizes[0])
       for name in ("Swin V2-CR", "SAM")},
}  # fmt: skip


class Flat(nn.Module):
    """A network whose output is one row of numbers for each picture."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        out = self.net(images)
        out = out if isinstance(out, Tensor) else out.feature_maps[-1]
        return out.flatten(1)


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> tuple[Any, Any, Tensor]:
    make, schedule, size = HOSTS[request.param]
    return Flat(scramble(make())), schedule, torch.randn(2, 3, *size)


def collect_per_sample(model: Any, images: Tensor) -> dict[str, Tensor]:
    """Each picture's own gradients, the usual way of ``vmap(grad(...))``."""
    weights = {name: p.detach() for name, p in model.named_parameters()}

    def measure(weights: dict[str, Tensor], image: Tensor) -> Tensor:
        return functional_call(model, weights, (image[None],)).square().mean()

    return vmap(grad(measure), (None, 0))(weights, images)


def test_gradients_of_each_sample(host: Any) -> None:
    model, schedule, images = host
    sparse = sparsevit.sparsify(copy.deepcopy(model))
    expected, found = collect_per_sample(model, images), collect_per_sample(sparse, images)
    for name, gradient in expected.items():
        scale = max(float(gradient.abs().max()), 1e-3)
        assert float((found[name] - gradient).abs().max()) <= 1e-4 * scale, name
    sparse.sparsity = schedule
    found = collect_per_sample(sparse, images)
    for number in range(2):
        sparse.zero_grad()
        sparse(images[number : number + 1]).square().mean().backward()
        for name, parameter in sparse.named_parameters():
            if parameter.grad is not None:
                scale = max(float(parameter.grad.abs().max()), 1e-3)
                error = (found[name][number] - parameter.grad).abs().max()
                assert float(error) <= 1e-4 * scale, name


def test_one_picture_at_a_time(host: Any) -> None:
    model, schedule, images = host
    sparse = sparsevit.sparsify(model)
    for sparsity in (0, schedule):
        sparse.sparsity = sparsity
        with torch.no_grad():
            got = vmap(lambda image: sparse(image[None])[0])(images)
            assert relative_error(got, sparse(images)) <= 1e-5


@pytest.mark.parametrize("host", ["Swin V2", "SAM"], indirect=True)
def test_a_trace_serves_other_pictures(host: Any) -> None:
    model, schedule, images = host
    sparse = sparsevit.sparsify(model, schedule)
    others = 2 * torch.randn_like(images)
    with torch.no_grad():
        traced = torch.jit.trace(sparse, images, check_trace=False)
        assert relative_error(traced(others), sparse(others)) <= 1e-5


def test_a_trace_of_pieces_serves_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU windows at the border run in pieces of their own: how many is the picture's."""
    monkeypatch.setattr(stream, "CHUNK_TOKENS", 98)
    sparse = sparsevit.sparsify(make_swin(depths=(2,), num_heads=(1,)), 0.6)
    images = torch.zeros(1, 3, 112, 112)
    images[..., :56, :56] = torch.randn(56, 56)
    with torch.no_grad():
        traced = torch.jit.trace(sparse, images, check_trace=False)
        for other in (images.flip(-1), images.flip((-2, -1)), torch.randn_like(images)):
            assert relative_error(traced(other), sparse(other)) <= 1e-5


@pytest.mark.parametrize("sparsity", [0, 0.5])
@pytest.mark.parametrize("score", ["rms", "gradient"])
def test_derivatives_of_every_kind(sparsity: float, score: Any) -> None:
    model = sparsevit.sparsify(make_swin().double(), sparsity, score=score).requires_grad_(False)
    images, direction = torch.randn(2, 2, 3, 64, 92, dtype=torch.float64)
    step = 1e-6 * direction
    expected = (model(images + step) - model(images - step)) / 2e-6  # no window changes its mind
    assert relative_error(jvp(model, (images,), (direction,))[1], expected) <= 1e-5
    with forward_ad.dual_level():
        dual = model(forward_ad.make_dual(images, direction))
        assert relative_error(forward_ad.unpack_dual(dual).tangent, expected) <= 1e-5
    rows = jacrev(model)(images)
    assert relative_error((rows * direction).sum((2, 3, 4, 5)), expected) <= 1e-5


def test_capture_says_what_it_cannot_record() -> None:
    model = sparsevit.sparsify(make_swin(), 0.5)
    with sparsevit.capture(model), pytest.raises(RuntimeError, match=r"torch\.func"):
        vmap(lambda image: model(image[None]))(torch.randn(2, 3, 64, 64))
