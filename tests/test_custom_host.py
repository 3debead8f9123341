"""The example of docs/custom_host.py: a network nobody knew, taught, and held to itself."""

import copy
from types import ModuleType
from typing import Any

import pytest
import torch
from oracle import (
    count_kept,
    list_windows,
    load_example,
    mask_tokens,
    rank,
    relative_error,
    score_windows,
)
from torch import Tensor

import sparsevit
from sparsevit.hosts import registry
from sparsevit.measure.cost import count_fixed_macs, count_macs
from sparsevit.measure.latency import measure_latency
from sparsevit.schedule import SparsitySchedule

SCHEDULE = ((0.5,), (0.2, 0.6))


@pytest.fixture(scope="module")
def example() -> Any:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(registry, "_registered", [])
        yield load_example("custom_host")


@pytest.fixture
def net(example: ModuleType) -> Any:
    net = example.WindowNet().eval()
    for parameter in net.parameters():
        parameter.data.mul_(2)
    return net


def run_stages(net: Any, images: Tensor) -> Tensor:
    return net.stages(images)


@pytest.mark.parametrize("size", [(64, 64), (32, 96)], ids=str)
def test_at_sparsity_0_it_is_the_host(net: Any, size: tuple[int, int]) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(net))
    images = torch.randn(2, 3, *size)
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            assert relative_error(run_stages(sparse, images), run_stages(net, images)) <= 1e-5


def test_equals_the_oracle(net: Any) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(net), SCHEDULE)
    images = torch.randn(2, 3, 64, 96)
    x = images
    with torch.no_grad():
        for stage, sparsities in zip(net.stages, SCHEDULE, strict=True):
            x = stage.patchify(x).permute(0, 2, 3, 1)
            scored, grid = x, (x.shape[1], x.shape[2])
            for number, block in enumerate(stage.blocks):
                windows = list_windows(grid, (4, 4), (block.shift, block.shift))
                count = count_kept(len(windows), sparsities[number // 2])
                magnitudes = scored.abs().mean(dim=-1)
                kept = [rank(score_windows(image, windows))[:count] for image in magnitudes]
                x = torch.where(mask_tokens(grid, windows, kept), block(x), x)
            x = x.permute(0, 3, 1, 2)
        assert relative_error(run_stages(sparse, images), x) <= 1e-5


def test_everything_else_works_on_it(net: Any) -> None:
    sparse = sparsevit.sparsify(net, SCHEDULE)
    images = torch.randn(1, 3, 64, 64)
    schedule = SparsitySchedule(SCHEDULE)
    fixed = count_fixed_macs(sparse, (64, 64))
    assert fixed == 16 * 16 * 48 * 24 + 8 * 8 * 96 * 48 + 48  # two convolutions and the head
    assert 0 < count_macs(sparse, (64, 64), schedule, fixed).mac_ratio < 1
    assert measure_latency(sparse, images, schedule, repeats=1).speedup > 0
    with pytest.raises(ValueError, match="gradient score does not work for WindowNet"):
        sparsevit.sparsify(sparse, score="gradient")
    sparsevit.densify(sparse)
    assert not sparsevit.is_sparse(sparse)


def test_a_host_is_known_once_it_is_registered(
    example: ModuleType, net: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_registered", [])
    with pytest.raises(sparsevit.UnsupportedModelError, match="WindowNet"):
        sparsevit.sparsify(net)
    host = example.WindowNetHost()
    sparsevit.register_host(host)
    sparsevit.register_host(host)
    sparsevit.sparsify(net)
    assert registry._registered == [host]
