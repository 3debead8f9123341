"""Which forwards are recorded and which replayed; the recording itself needs a GPU."""

from typing import Any

import pytest
import torch
from oracle import make_dense, relative_error
from torch import Tensor, nn

import sparsevit
from sparsevit.accel.graphs import GraphedModel
from sparsevit.patch import get_sparsity, set_sparsity


class Recorder:
    """Stands in for CUDA: "replays" by running the model with the schedule it was recorded at."""

    def __init__(self) -> None:
        self.recorded: list[tuple[int, ...]] = []

    def __call__(self, model: nn.Module, images: Tensor) -> Any:
        self.recorded.append(tuple(images.shape[-2:]))
        schedule = get_sparsity(model)

        def replay(images: Tensor) -> Tensor:
            set_sparsity(model, schedule)
            return model(images)

        return replay


@pytest.fixture
def model() -> Any:
    return sparsevit.sparsify(make_dense(), 0.5)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def test_a_forward_is_recorded_once_for_each_size_and_schedule(
    model: Any, recorder: Recorder
) -> None:
    fast = GraphedModel(model, record=recorder)
    small, large = torch.randn(1, 3, 64, 64), torch.randn(1, 3, 64, 96)
    for schedule, images in (
        (0.5, small),
        (0.5, small + 1),
        (0.5, large),
        (0.2, small),
        (0.5, small),
    ):
        model.sparsity = schedule
        with torch.inference_mode():
            expected = model(images)
        assert torch.equal(fast(images), expected)
    assert recorder.recorded == [(64, 64), (64, 96), (64, 64)]


def test_the_least_recently_used_recording_goes_first(model: Any, recorder: Recorder) -> None:
    fast = GraphedModel(model, max_graphs=2, record=recorder)
    sizes = [32, 64, 32, 96, 32, 64]
    for size in sizes:
        fast(torch.randn(1, 3, size, size))
    assert [height for height, _ in recorder.recorded] == [32, 64, 96, 64]


def test_new_weights_are_recorded_anew(model: Any, recorder: Recorder) -> None:
    fast = GraphedModel(model, record=recorder)
    images = torch.randn(1, 3, 64, 64)
    fast(images)
    state = {key: value + 1 for key, value in model.state_dict().items()}
    model.load_state_dict(state)  # in place
    fast(images)
    model.load_state_dict(state, assign=True)  # other tensors, perhaps of the same value
    fast(images)
    fast(images)
    assert len(recorder.recorded) == 3


def test_another_precision_is_another_recording(model: Any, recorder: Recorder) -> None:
    fast = GraphedModel(model, record=recorder)
    images = torch.randn(1, 3, 64, 64)
    fast(images)
    with torch.autocast("cpu", torch.bfloat16):
        fast(images)
    assert len(recorder.recorded) == 2


def test_masks_are_captured_by_the_model_itself(model: Any, recorder: Recorder) -> None:
    fast = GraphedModel(model, record=recorder)
    images = torch.randn(1, 3, 64, 64)
    fast(images)
    with sparsevit.capture(model) as trace:
        fast(images)
    assert len(trace.blocks) == 10
    assert len(recorder.recorded) == 1


def test_another_ranking_is_followed_by_the_model_itself(model: Any, recorder: Recorder) -> None:
    fast = GraphedModel(model, record=recorder)
    images = torch.randn(1, 3, 64, 64)
    model.sparsity = 0.5
    recorded = fast(images)
    maps = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(0))
    with sparsevit.rank_by(model, maps):
        other = fast(images)
        with torch.inference_mode():
            assert torch.equal(other, model(images))
    assert not torch.equal(other, recorded)
    assert torch.equal(fast(images), recorded)


def test_what_cannot_be_recorded_is_told(model: Any, recorder: Recorder) -> None:
    images = torch.randn(1, 3, 64, 64)
    with pytest.raises(ValueError, match="max_graphs"):
        GraphedModel(model, max_graphs=0)
    fast = GraphedModel(model.train(), record=recorder)
    with pytest.raises(ValueError, match="eval"):
        fast(images)
    sparsevit.sparsify(model.eval(), score="random")
    with pytest.raises(ValueError, match="random"):
        fast(images)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_replay_gives_what_the_model_gives(model: Any, dtype: torch.dtype) -> None:
    model.to("cuda", dtype)
    fast = GraphedModel(model)
    kept = []
    for seed, schedule in enumerate((0.5, 0.0, 0.5, 0.2)):
        torch.manual_seed(seed)
        images = torch.randn(2, 3, 100, 60).to("cuda", dtype)
        model.sparsity = schedule
        with torch.inference_mode():
            kept.append((fast(images), model(images)))
    for got, expected in kept:  # compared at the end: no replay may overwrite an earlier output
        assert relative_error(got, expected) <= 1e-5
