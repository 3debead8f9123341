"""The network that restores photos, against itself unpruned, a slow oracle and interpolation."""

import copy
from dataclasses import replace

import pytest
import torch
from oracle import (
    count_kept,
    list_windows,
    mask_tokens,
    rank,
    relative_error,
    run_pruned_block,
    score_windows,
)
from restorer_support import CONFIG, make_restorer
from torch.nn import functional as F

import sparsevit
from sparsevit.core.stage import run_as_host
from sparsevit.data.degradation import enlarge, shrink
from sparsevit.measure.cost import count_fixed_macs, count_macs
from sparsevit.networks import ModelError, list_models, load_model
from sparsevit.networks.checkpoint import CheckpointError, read_config, save_checkpoint
from sparsevit.networks.own import load_own
from sparsevit.networks.restorer import Restorer
from sparsevit.networks.restorer_config import RestorerConfig
from sparsevit.networks.segmenter import load_segmenter
from sparsevit.schedule import SparsitySchedule

SCHEDULE = ((0.5,), (0.3,))


@pytest.fixture
def net():
    return make_restorer()


@pytest.mark.parametrize("size", [(64, 64), (72, 100), (32, 128), (20, 28)], ids=str)
def test_at_sparsity_0_it_is_the_network(net, size):
    sparse = sparsevit.sparsify(copy.deepcopy(net))
    images = torch.rand(2, 3, *size)
    for task in net.config.tasks:
        for grad in (False, True):
            with torch.set_grad_enabled(grad):
                expected = net.for_tasks(task)(images)
                found = sparse.for_tasks(task)(images)
            assert relative_error(found - images.mean(), expected - images.mean()) <= 1e-5


def test_as_timms_own_blocks_run(net):
    images = torch.rand(1, 3, 64, 96)
    sparse = sparsevit.sparsify(copy.deepcopy(net), 0.6)
    with torch.no_grad(), run_as_host():
        torch.testing.assert_close(sparse(images), net(images))


def run_oracle(net, images):
    """The network with its windows overwritten by their input, block by block."""
    low = shrink(images)
    x = net.stem(F.pad(low, (0, 2, 0, 2), mode="replicate"))
    grid = (x.shape[1], x.shape[2])
    assert grid == (24, 32)
    for stage, (sparsity,) in zip(net.stages, SCHEDULE, strict=True):
        magnitudes = x.detach().abs().mean(dim=-1)
        for block in stage.blocks:
            windows = list_windows(grid, (8, 8), block.shift_size)
            count = count_kept(len(windows), sparsity)
            kept = [rank(score_windows(image, windows))[:count] for image in magnitudes]
            x = torch.where(mask_tokens(grid, windows, kept), block(x), x)
    change = F.pixel_shuffle(net.head(x.permute(0, 3, 1, 2)), 4)[..., :92, :124]
    return enlarge(low, 2) + 0.05 * change


def test_equals_the_oracle_and_so_do_gradients(net):
    sparse = sparsevit.sparsify(copy.deepcopy(net), SCHEDULE)
    images = torch.rand(2, 3, 92, 124)
    weight = torch.randn(2, 3, 92, 124)
    found, expected = sparse(images), run_oracle(net, images)
    assert relative_error(found - images.mean(), expected - images.mean()) <= 1e-5
    with torch.no_grad():
        assert relative_error(sparse(images) - images.mean(), expected - images.mean()) <= 1e-5
    (found * weight).sum().backward()
    (expected * weight).sum().backward()
    theirs = dict(net.named_parameters())
    for name, parameter in sparse.named_parameters():
        assert relative_error(parameter.grad, theirs[name].grad) <= 1e-4, name


def test_the_reference_of_docs_runs_its_blocks(net):
    block = net.stages[0].blocks[1]
    x = torch.randn(1, 16, 24, 16)
    keep_idx = torch.tensor([[0, 3, 4]])
    sparse = sparsevit.sparsify(copy.deepcopy(net))
    with torch.no_grad():
        expected = run_pruned_block(block, x, keep_idx)
        windows = list_windows((16, 24), (8, 8), (4, 4))
        mask = mask_tokens((16, 24), windows, keep_idx.tolist())
        assert torch.equal(expected[~mask.expand_as(x)], x[~mask.expand_as(x)])
        torch.testing.assert_close(expected, torch.where(mask, sparse.stages[0].blocks[1](x), x))


def test_new_it_is_bicubic_interpolation():
    images = torch.rand(1, 3, 48, 64)
    net = Restorer(CONFIG).eval()
    torch.testing.assert_close(net(images), enlarge(shrink(images), 2))
    torch.testing.assert_close(net.for_tasks("enhancement")(images), enlarge(images, 2))


def test_what_is_smooth_gives_tokens_near_zero(net):
    ramp = torch.linspace(0.2, 0.8, 64).expand(1, 3, 64, 64)
    tokens = net.stem(ramp)[0, 4:-4, 4:-4]
    edges = net.stem((ramp > 0.5).float())[0, 4:-4, 4:-4]
    assert tokens.abs().max() < 1e-3 * edges.abs().max()


def test_jpeg_keeps_the_size():
    net = make_restorer(replace(CONFIG, degradation="jpeg"))
    images = torch.rand(1, 3, 40, 56)
    assert net(images).shape == images.shape
    assert net.degrade(images).shape == images.shape
    sparse = sparsevit.sparsify(copy.deepcopy(net))
    assert relative_error(sparse(images), net(images)) <= 1e-5


@pytest.mark.parametrize("score", ["rms", "random", "gradient"])
def test_every_score_ranks_its_windows(net, score):
    sparse = sparsevit.sparsify(net, 0.5, score=score)
    with sparsevit.capture(sparse) as trace, torch.no_grad():
        sparse(torch.rand(1, 3, 128, 160))
    assert [(b.stage, b.block, b.kept, b.total) for b in trace.blocks] == [
        (stage, block, 10, 20) for stage in (0, 1) for block in (0, 1)
    ]


def test_half_precision_errs_as_little_as_a_plain_one(net):
    images = torch.rand(1, 3, 64, 64)
    exact = net(images)
    sparse = sparsevit.sparsify(copy.deepcopy(net).bfloat16())
    plain = copy.deepcopy(net).bfloat16()
    found, theirs = sparse(images.bfloat16()), plain(images.bfloat16())
    rounded = net(images.bfloat16().float())
    assert (found - rounded).abs().max() <= 2 * (theirs - rounded).abs().max() + 1e-3
    assert found.dtype == exact.dtype == torch.float32


def test_macs_are_counted_of_the_photos_size(net):
    sparse = sparsevit.sparsify(net)
    fixed = count_fixed_macs(sparse, (128, 160))
    tokens = 32 * 40
    convolutions = tokens * 9 * (12 * 16 + 16 * 48)
    assert convolutions <= fixed <= 1.3 * convolutions  # and shrinking, which is cheap
    dense = count_macs(sparse, (128, 160), SparsitySchedule.parse(0.0, (2, 2)), fixed)
    per_token = 16 * 16 * (4 + 2 * 2) + 2 * 64 * 16
    assert dense.dense_gmacs * 1e9 == pytest.approx(fixed + 4 * tokens * per_token)


def test_it_is_saved_loaded_and_listed(net, tmp_path, monkeypatch):
    path = tmp_path / "mine.safetensors"
    save_checkpoint(net, net.config, path, {"licence": "CC0"})
    assert read_config(path) == CONFIG
    again = load_own(path)
    assert not again.training
    for name, tensor in net.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor.half().float())
    loaded = load_model(str(path))
    assert (loaded.task.name, loaded.tasks) == ("restoration", ("restoration", "enhancement"))
    assert loaded.depths == (2, 2)
    with pytest.raises(ModelError, match="does restoration, enhancement, not 'semantic'"):
        loaded.for_task("semantic")
    with pytest.raises(CheckpointError, match="holds another network than a segmenter"):
        load_segmenter(path)
    monkeypatch.setattr("sparsevit.networks.CHECKPOINT_FOLDER", tmp_path)
    info = list_models()[0]
    assert (info.name, info.task, info.classes, info.licence) == ("mine", "restoration", 0, "CC0")


def test_photos_keep_their_pixels(net):
    loaded = load_model_of(net)
    photo = torch.randint(0, 255, (3, 130, 75), dtype=torch.uint8).permute(1, 2, 0).numpy()
    size = loaded.choose_size(photo)
    assert size == (128, 64)
    assert (loaded.resize(photo, size) == photo[1:129, 5:69]).all()
    assert loaded.choose_size(photo, 80) == (128, 96)  # the nearest multiples, of a size asked for


def load_model_of(net):
    from sparsevit.networks.loaded import LoadedModel

    return LoadedModel.wrap(sparsevit.sparsify(net))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 15}, "heads that divide"),
        ({"depths": ()}, "needs stages"),
        ({"window_size": 7}, "even side"),
        ({"degradation": "rain"}, "shrink, jpeg"),
        ({"dim": 0}, "from 1 to 1024"),
        ({"mlp_ratio": 0}, "above 0"),
        ({"score": "best"}, "A score is one of"),
        ({"dim": 1024, "depths": (9,) * 9, "num_heads": 2}, "too large"),
    ],
)
def test_impossible_configurations_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        RestorerConfig(**{**vars(CONFIG), **changes})


def test_other_tasks_are_refused(net):
    with pytest.raises(ValueError, match="does restoration or enhancement, not semantic"):
        net.for_tasks("semantic")
