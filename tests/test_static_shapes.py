"""The path a GPU takes, run here on the CPU: the same results, and every shape known before."""

import copy
from itertools import product

import pytest
import torch
from oracle import SCHEDULE, make_dense, relative_error
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)

import sparsevit
from sparsevit.core import block, stream
from sparsevit.hosts import base

#: (img_h, img_w), B: nothing padded, padded at odd places, smaller than a window.
SIZES = (((112, 112), 1), ((100, 60), 3), ((36, 44), 2), ((24, 20), 2))
SCHEDULES = (0.0, 0.6, SCHEDULE)


@pytest.fixture
def as_on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (stream, block, base):
        monkeypatch.setattr(module, "may_sync", lambda tensor: False)


@torch.inference_mode()
def run(model: torch.nn.Module, images: torch.Tensor, schedule: object) -> torch.Tensor:
    model.sparsity = schedule
    return model(images)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize(("size", "batch"), SIZES, ids=str)
def test_gives_what_the_cpu_s_path_gives(
    size: tuple[int, int], batch: int, schedule: object, request: pytest.FixtureRequest
) -> None:
    model = sparsevit.sparsify(make_dense())
    images = torch.randn(batch, 3, *size)
    expected = run(model, images, schedule)  # held to the host and to the oracle elsewhere
    request.getfixturevalue("as_on_gpu")
    assert relative_error(run(model, images, schedule), expected) <= 1e-5


@pytest.mark.parametrize("score", sparsevit.SCORES)
@pytest.mark.usefixtures("as_on_gpu")
def test_no_shape_and_no_branch_depends_on_the_picture(score: str) -> None:
    """Tensors without values: a shape or a decision that needs one raises."""
    model = sparsevit.sparsify(make_dense(), score=score)
    for (size, batch), schedule in product(SIZES[1:3], SCHEDULES[1:]):
        images = torch.randn(batch, 3, *size)
        expected = run(model, images, schedule)  # builds what is cached: it depends on sizes alone
        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            got = run(model, mode.from_tensor(images), schedule)
        assert got.shape == expected.shape


def test_the_cpu_s_path_would_be_caught() -> None:
    """The test above can fail: on the CPU border windows are told by their values."""
    model = sparsevit.sparsify(make_dense(), 0.6)
    images = torch.randn(1, 3, 100, 60)
    run(model, images, 0.6)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        images = mode.from_tensor(images)
        with pytest.raises((DataDependentOutputException, DynamicOutputShapeException)):
            run(model, images, 0.6)


def test_a_pruned_network_can_be_exported() -> None:
    model = sparsevit.sparsify(make_dense(), SCHEDULE)
    images = torch.randn(2, 3, 100, 60)
    expected = run(model, images, SCHEDULE)
    with torch.no_grad():
        exported = torch.export.export(copy.deepcopy(model), (images,)).module()
        got = exported(images.flip(0))
    assert relative_error(got, expected.flip(0)) <= 1e-5


@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`")
def test_a_pruned_network_compiles_in_one_piece() -> None:
    model = sparsevit.sparsify(make_dense(), SCHEDULE)
    images = torch.randn(2, 3, 100, 60)
    with torch.no_grad():
        expected = model(images)
        got = torch.compile(model, fullgraph=True, backend="eager")(images)
    assert relative_error(got, expected) <= 1e-5
