"""What windows are worth, against finite differences and windows overwritten by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hf_support import make_mask2former
from oracle import list_windows, make_dense, mask_tokens, relative_error
from studies_support import load_toy
from timm_hosts_support import (
    make_maxvit,
    make_sam,
    make_tiny_vit,
    make_v2_cr,
    run_tiny_vit,
    scramble,
)
from torch import nn

import sparsevit
from sparsevit.core.steering import Choice, steer
from sparsevit.core.trace import capture
from sparsevit.inspect.objective import build_objective, list_parts
from sparsevit.inspect.worth import WorthMeter, leave_one_out, measure_worth, run_metered
from sparsevit.networks import LoadedModel
from sparsevit.patch import get_sparsity, host_form, list_blocks, set_sparsity
from sparsevit.tasks.classification import ClassificationTask
from sparsevit.tasks.features import FeaturesTask
from sparsevit.tasks.semantic import SemanticTask

CLASSES = ClassificationTask(tuple("abcde"))


def load_swin():
    """A classifier whose grids are padded, in double precision."""
    module = sparsevit.sparsify(make_dense(img_size=256)).double()
    return LoadedModel("tiny", module, CLASSES, (0.5,) * 3, (0.5,) * 3)


@pytest.fixture(scope="module")
def loaded():
    return load_swin()


@pytest.fixture(scope="module")
def images():
    return torch.randn(1, 3, 64, 92, generator=torch.Generator().manual_seed(0)).double()


def find_windows(block, grid):
    return list_windows(grid, block.window_size, block.shift_size)


def weigh_branches(block, windows, number, factor):
    """Hooks that multiply what both branches of a dense block add to one window."""

    def weigh_attention(module, args, out):  # (windows, N, C)
        out = out.clone()
        out[number] *= factor
        return out

    def weigh_mlp(module, args, out):  # (1, H * W, C)
        out, width = out.clone(), max(t[1] for w in windows for t in w if t) + 1
        for token in windows[number]:
            if token is not None:
                out[:, token[0] * width + token[1]] *= factor
        return out

    handles = [block.attn.register_forward_hook(weigh_attention)]
    return [*handles, block.mlp.register_forward_hook(weigh_mlp)]


@torch.no_grad()
def run_weighed(model, images, block, windows, number, factor):
    handles = weigh_branches(block, windows, number, factor)
    with host_form(model, fused=False):
        logits = model(images)
    for handle in handles:
        handle.remove()
    return logits


@pytest.mark.parametrize(("stage", "block"), [(0, 0), (0, 1), (2, 3), (3, 1)])
def test_worth_is_the_slope_at_a_gate(loaded, images, stage, block):
    model = loaded.module
    record = next(r for r in measure_worth(loaded, images) if (r.stage, r.block) == (stage, block))
    module = list_blocks(model)[stage][block]
    windows = find_windows(module, record.grid.grid)
    assert record.worth.shape == (record.grid.rows, record.grid.cols)
    assert record.worth.numel() == len(windows)
    with torch.no_grad():
        best = model(images).argmax()
    for number in {0, len(windows) // 2, len(windows) - 1}:
        sides = [
            -run_weighed(model, images, module, windows, number, 1 + step).log_softmax(1)[0, best]
            for step in (-1e-4, 1e-4)
        ]
        slope = float(sides[1] - sides[0]) / 2e-4
        assert float(record.worth.flatten()[number]) == pytest.approx(abs(slope), rel=1e-5)


def test_branches_with_something_in_between(monkeypatch):
    # TinyViT: a window left out still passes the convolution between its two branches.
    model = scramble(make_tiny_vit()).double()
    loaded = LoadedModel("tiny", sparsevit.sparsify(model), CLASSES, (0.5,) * 3, (0.5,) * 3)
    images = torch.randn(1, 3, 96, 96).double()
    factors = {}

    def mask(ranking, x, window, shift=(0, 0)):
        windows = list_windows((x.shape[1], x.shape[2]), (window, window), shift)
        weights = torch.ones(1, *x.shape[1:3], 1).double()
        for number, factor in factors.get((ranking.stage, ranking.block), {}).items():
            inside = mask_tokens((x.shape[1], x.shape[2]), windows, [[number]])
            weights = weights.where(~inside, factor)
        ranking.block += 1
        return weights, windows

    monkeypatch.setattr("timm_hosts_support.Ranking.mask", mask)
    schedule = [[0.0]] * 3

    def measure(number, factor):
        factors[1, 2] = {number: factor}
        with torch.no_grad(), host_form(model):
            out = model.head(run_tiny_vit(model, images, schedule)[0])
        return out

    dense = measure(0, 1.0)
    record = next(r for r in measure_worth(loaded, images) if (r.stage, r.block) == (1, 2))
    number, best = record.worth.numel() - 1, dense.argmax()
    low, high = (-measure(number, 1 + d).log_softmax(1)[0, best] for d in (-1e-4, 1e-4))
    slope = abs(float(high - low)) / 2e-4
    assert float(record.worth.flatten()[number]) == pytest.approx(slope, rel=1e-5)
    left = leave_one_out(loaded, images, 1, [2], divmod(number, record.grid.cols))
    without = F.cross_entropy(measure(number, 0.0), best.view(1))
    expected = float(without - F.cross_entropy(dense, best.view(1)))
    assert left.rise == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("stage", "block"), [(0, 0), (0, 1), (2, 2)])
def test_a_window_left_out_is_a_window_overwritten(stage, block):
    loaded = load_toy()
    model, images = loaded.module, torch.randn(1, 3, 96, 160)
    module = list_blocks(model)[stage][block]
    height, width = 24 >> stage, 40 >> stage
    windows = find_windows(module, (height, width))
    number = len(windows) - 2
    mask = mask_tokens((height, width), windows, [[number]])

    def overwrite(module, args, out):
        return torch.where(mask, args[0], out)

    with torch.inference_mode(), host_form(model):
        dense = model(images)
        handle = module.register_forward_hook(overwrite)
        expected = model(images)
        handle.remove()
    columns = -(-width // module.window_size[1])
    left = leave_one_out(loaded, images, stage, [block], divmod(number, columns))
    target = dense.argmax(1)
    rise = F.cross_entropy(expected, target) - F.cross_entropy(dense, target)
    assert abs(rise) > 1e-5
    assert left.rise == pytest.approx(float(rise), abs=1e-6)
    classes = loaded.task.interpret(expected, (96, 160))
    assert np.array_equal(left.prediction, classes)
    same = (classes == loaded.task.interpret(dense, (96, 160))).mean()
    assert left.comparison["agreement"] == same < 1


def test_a_window_left_out_of_several_blocks():
    loaded = load_toy()
    images, toy = torch.randn(1, 3, 96, 160), list_blocks(load_toy().module)[2]
    mask = mask_tokens((6, 10), find_windows(toy[0], (6, 10)), [[4]])
    with torch.inference_mode(), host_form(loaded.module):
        blocks = list_blocks(loaded.module)[2]
        handles = [
            blocks[number].register_forward_hook(
                lambda module, args, out: torch.where(mask, args[0], out)
            )
            for number in (0, 2)
        ]
        expected = loaded.task.interpret(loaded.module(images), (96, 160))
        for handle in handles:
            handle.remove()
    left = leave_one_out(loaded, images, 2, [0, 2], (1, 1))
    assert np.array_equal(left.prediction, expected)


def test_scores_are_those_that_a_stage_ranks_by(loaded, images):
    set_sparsity(loaded.module, [0.3, 0, 0, 0])
    with torch.no_grad(), capture(loaded.module) as trace:
        loaded.module(images)
    assert trace.blocks[1].kept < trace.blocks[1].total
    pruned = [block for block in trace.blocks if block.stage == 0]
    set_sparsity(loaded.module, 0)
    found = {r.block: r for r in measure_worth(loaded, images) if r.stage == 0}
    for block in pruned:
        assert torch.equal(found[block.block].scores, block.scores[0])
        assert found[block.block].shifted == block.shifted


def test_nothing_of_the_network_changes():
    loaded = load_toy()
    model, images = loaded.module, torch.randn(1, 3, 64, 96)
    expected = measure_worth(loaded, images)
    set_sparsity(model, 0.6)
    schedule = get_sparsity(model)
    model.norms[0].train()
    for parameter in model.backbone.parameters():
        parameter.requires_grad_(False)
    with torch.inference_mode():
        found = measure_worth(loaded, images.clone())
    for ours, others in zip(found, expected, strict=True):
        assert torch.allclose(ours.worth, others.worth, rtol=1e-3, atol=1e-6)
        assert not ours.worth.requires_grad
    leave_one_out(loaded, images, 0, [1], (0, 0))

    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError("midway")

    smooth, model.smooth[0] = model.smooth[0], Broken()
    for run in (
        lambda: measure_worth(loaded, images),
        lambda: leave_one_out(loaded, images, 0, [0], (0, 0)),
    ):
        with pytest.raises(RuntimeError, match="midway"):
            run()
    model.smooth[0] = smooth
    assert get_sparsity(model) == schedule
    assert [m for m in model.modules() if m.training] == [model.norms[0]]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    with torch.inference_mode(), capture(model) as trace:
        model(images)
    assert all(block.kept < block.total for block in trace.blocks if block.total > 1)


def test_little_waits_for_the_backward(loaded, images):
    """Of a large photo all that blocks compute would take gigabytes."""
    held = []

    def hold(tensor):
        held.append(tensor.nbytes)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        measure_worth(loaded, images)
    ours = sum(held)
    held.clear()
    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        loaded.module(images.clone())
    assert ours < sum(held) / 4


def test_others_are_not_steered():
    class KeepLast:
        def choose(self, situation):
            return Choice(torch.tensor([[situation.grid.num_windows - 1]]))

    steered, other = load_toy().module, load_toy(seed=2).module
    images = torch.randn(1, 3, 64, 96)
    with (
        torch.inference_mode(),
        steer(steered, KeepLast()),
        capture(steered) as ours,
        capture(other) as others,
    ):
        steered(images)
        other(images)
    assert {block.kept for block in ours.blocks} == {1}
    assert all(block.keep_mask.flatten()[-1] for block in ours.blocks)
    assert all(block.kept == block.total for block in others.blocks)


def test_what_cannot_be_measured_is_refused(loaded, images):
    two = images.expand(2, -1, -1, -1)
    with pytest.raises(ValueError, match="not of 2"):
        measure_worth(loaded, two)
    with pytest.raises(ValueError, match="not of 2"):
        leave_one_out(loaded, two, 0, [0], (0, 0))
    for stage, blocks in ((4, [0]), (0, [2]), (0, [])):
        with pytest.raises(ValueError, match="No blocks"):
            leave_one_out(loaded, images, stage, blocks, (0, 0))
    with pytest.raises(ValueError, match="No window"):
        leave_one_out(loaded, images, 0, [0], (0, 99))
    with host_form(loaded.module), pytest.raises(RuntimeError, match="host's form"):
        measure_worth(loaded, images)


def test_objectives_by_hand():
    semantic = SemanticTask(("a", "b"), np.zeros((2, 3), np.uint8))
    dense = torch.tensor([[2.0, 0.0]]).view(1, 2, 1, 1)
    changed = torch.tensor([[0.0, 1.0]]).view(1, 2, 1, 1)
    # with labels of the dense output: -log of the chance of class 0
    objective = build_objective(semantic, dense)
    assert float(objective(changed)) == pytest.approx(np.log(1 + np.e))
    assert float(objective(dense)) == pytest.approx(np.log(1 + np.exp(-2)))
    assert float(build_objective(CLASSES, dense[..., 0, 0])(changed[..., 0, 0])) == pytest.approx(
        np.log(1 + np.e)
    )
    features = FeaturesTask(lambda output: output)
    maps = [torch.tensor([3.0, 1.0]), torch.tensor([2.0])]
    assert float(build_objective(features, maps)(maps)) == pytest.approx((10 / 2 + 4) / 2)
    masks = SimpleNamespace(
        class_queries_logits=torch.tensor([[[0.0, 1.0, 0.0]]]),
        masks_queries_logits=torch.tensor([[[[-1.0, 3.0]]]]),
    )
    expected = np.log(1 + 2 / np.e) + (np.log(1 + np.exp(-1)) + np.log(1 + np.exp(-3))) / 2
    assert float(build_objective(semantic, masks)(masks)) == pytest.approx(expected)
    # one kind of things: its heat is low, then an offset of (1, 2); boxes of 0.5
    things = {
        "centres": torch.tensor([-1.0, 1.0, 2.0]).view(1, 3, 1, 1),
        "boxes": torch.full((1, 8, 1, 1), 0.5),
        "logits": dense,
    }
    parts = (np.log(1 + np.exp(-1)), 2.5 / 2, 0.25 / 2, np.log(1 + np.exp(-2)))
    assert float(build_objective(semantic, things)(things)) == pytest.approx(sum(parts))
    with pytest.raises(ValueError, match="SimpleNamespace"):
        build_objective(semantic, SimpleNamespace(other=dense))


FAMILIES = {
    "SAM": (lambda: scramble(make_sam()), (96, 144), FeaturesTask(lambda output: [output])),
    "MaxViT": (lambda: scramble(make_maxvit()), (64, 64), CLASSES),
    "Swin V2-CR": (lambda: scramble(make_v2_cr()), (60, 72), CLASSES),
    "Mask2Former": (make_mask2former, (64, 96), None),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_be_measured(family):
    make, size, task = FAMILIES[family]
    model = sparsevit.sparsify(make().eval())
    loaded = LoadedModel("tiny", model, task, (0.5,) * 3, (0.5,) * 3)
    images, meter = torch.randn(1, 3, *size), WorthMeter()
    metered = list_parts(task, run_metered(model, images, meter))
    with torch.no_grad(), host_form(model):
        dense = list_parts(task, model(images))
    for name, part in dense.items():
        assert relative_error(metered[name], part) <= 1e-4
    records = measure_worth(loaded, images)
    depths = [len(blocks) for blocks in list_blocks(model)]
    assert [(r.stage, r.block) for r in records] == [
        (stage, block) for stage, depth in enumerate(depths) for block in range(depth)
    ]
    for record in records:
        assert record.worth.shape == record.scores.shape == (record.grid.rows, record.grid.cols)
        assert record.worth.isfinite().all()
        assert record.worth.max() > 0
