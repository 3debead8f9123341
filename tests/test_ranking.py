"""Rankings that come from elsewhere: windows by hand, a network whose windows are overwritten."""

import re

import numpy as np
import pytest
import torch
from oracle import make_dense

import sparsevit
from sparsevit.core.ranking import rank_by
from sparsevit.core.trace import capture
from sparsevit.core.windows import get_window_grid
from sparsevit.inspect.painted import Painted, make_maps
from sparsevit.inspect.photo import analyze, measure, prepare_image
from sparsevit.networks import load_model
from sparsevit.patch import host_form, list_grids

INF = float("inf")
SIZE = 64, 128  # pixels; 16 x 32 tokens in stage 1, in 2 x 4 windows of 8


@pytest.fixture(scope="module")
def loaded(home):
    return load_model("small")


@pytest.fixture(scope="module")
def model(loaded):
    return sparsevit.sparsify(loaded.module, 0.0)


@pytest.fixture
def images():
    return torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))


def run(model, images, sparsity, maps, weight=1.0):
    model.sparsity = sparsity
    with torch.inference_mode(), capture(model) as trace, rank_by(model, maps, weight):
        output = model(images)
    return output, {(block.stage, block.block): block for block in trace.blocks}


def list_kept(block, image=0):
    return block.keep_mask[image].flatten().nonzero().flatten().tolist()


def test_the_map_decides_and_is_pooled_to_windows(model, images):
    worth = torch.tensor([[[9.0, 1, 8, 2], [3, 7, 4, 6]]])  # one number a window of stage 1
    fine = worth.repeat_interleave(8, 1).repeat_interleave(8, 2)  # one a token
    for maps in (worth.expand(2, -1, -1), worth, fine, {0: worth}, {(0, 0): fine}):
        _, blocks = run(model, images, [[0.5], [0], [0], [0]], maps)
        for image in range(2):
            assert list_kept(blocks[0, 0], image) == [0, 2, 5, 7]


def test_half_the_weight_ranks_by_the_sum_of_both_over_their_means(model, images):
    worth = torch.rand(2, 2, 4, generator=torch.Generator().manual_seed(1))
    _, blocks = run(model, images, [[0.5], [0], [0], [0]], {0: worth}, 0.25)
    scores = blocks[0, 0].scores.flatten(1)
    for image in range(2):
        mixed = 0.75 * scores[image] / scores[image].mean()
        mixed += 0.25 * worth[image].flatten() / worth[image].mean()
        assert list_kept(blocks[0, 0], image) == sorted(mixed.argsort(descending=True)[:4].tolist())


def test_what_is_certain_stands_above_the_schedule(model, images):
    marks = torch.zeros(1, 2, 4)
    marks[0, 0, 1], marks[0, 1, 2] = INF, -INF
    kept = {}
    for sparsity in (0.0, 0.5, 0.9):
        _, blocks = run(model, images, [[sparsity], [0], [0], [0]], {(0, 0): marks}, 0)
        kept[sparsity] = list_kept(blocks[0, 0])
        assert 1 in kept[sparsity]
        assert 6 not in kept[sparsity]
    assert [len(windows) for windows in kept.values()] == [7, 4, 1]  # num_keep of 8, less the one
    scores = blocks[0, 0].scores[0].flatten()
    rest = [window for window in scores.argsort(descending=True).tolist() if window not in (1, 6)]
    assert kept[0.5] == sorted([1, *rest[:3]])


def test_shifted_windows_keep_what_is_touched_and_skip_what_is_half_covered(model, images):
    marks = torch.zeros(1, 2, 4)
    marks[0, 0, 1] = INF
    _, blocks = run(model, images, [[0.9], [0], [0], [0]], {0: marks}, 0)
    # Shifted by half a window: window (r, c) holds the lower right quarter of plain (r, c).
    assert list_kept(blocks[0, 1]) == [0, 1, 4, 5]
    marks = torch.zeros(1, 2, 4)
    marks[0, 0, 1] = marks[0, 0, 2] = -INF  # of (0, 1) half each, of its neighbours a quarter
    _, blocks = run(model, images, 0.0, {0: marks}, 0)
    assert sorted(set(range(8)) - set(list_kept(blocks[0, 1]))) == [1, 5]


def test_nothing_changes_where_all_is_kept_or_nothing_is_certain(model, images):
    dense, _ = run(model, images, 0.0, torch.zeros(1, 1, 1), 0)
    pruned, _ = run(model, images, 0.5, torch.zeros(1, 1, 1), 0)
    model.sparsity = 0.5
    with torch.inference_mode():
        assert torch.equal(pruned, model(images))
    again, _ = run(model, images, 0.0, torch.rand(2, 5, 7))
    model.sparsity = 0.0
    with torch.inference_mode():
        assert torch.equal(dense, model(images))
        assert torch.equal(again, dense)


def test_a_skipped_window_passes_through(images):
    model = sparsevit.sparsify(make_dense(img_size=SIZE).eval(), 0.0)
    grid = list_grids(model, SIZE)[0][0]
    seen = {}

    def note(module, args, output):
        seen["in"], seen["out"] = args[0].clone(), output.clone()

    handle = model.layers[0].blocks[0].register_forward_hook(note)
    marks = torch.zeros(1, grid.rows, grid.cols)
    marks[0, 0, 1] = -INF
    with torch.inference_mode(), rank_by(model, {(0, 0): marks}, weight=0):
        model(images)
    handle.remove()
    same = (seen["in"] == seen["out"]).all(dim=-1)[0]  # (H, W)
    expected = torch.zeros(*grid.grid, dtype=torch.bool)
    expected[: grid.window[0], grid.window[1] : 2 * grid.window[1]] = True
    assert torch.equal(same, expected)


@pytest.mark.parametrize(
    ("maps", "weight", "words"),
    [
        (torch.zeros(2, 4), 1.0, "must be"),
        (torch.full((1, 2, 4), float("nan")), 1.0, "numbers >= 0"),
        (-torch.ones(1, 2, 4), 1.0, "numbers >= 0"),
        (torch.ones(1, 2, 4), 1.5, "weight"),
        (torch.ones(3, 2, 4), 1.0, "3 pictures for a batch of 2"),
        (torch.tensor([[[INF, INF]], [[-INF, -INF]]]), 1.0, "one by one"),
    ],
)
def test_maps_that_make_no_sense_are_refused(model, images, maps, weight, words):
    with pytest.raises(ValueError, match=words):
        run(model, images, 0.5, maps, weight)
    model.sparsity = 0.5
    with torch.inference_mode():
        model(images)  # as before


def test_maps_that_nothing_asks_for_are_no_silent_failure(model, images):
    refused = pytest.raises(RuntimeError, match="not in its host's form")
    with refused, rank_by(model, torch.ones(1, 2, 4)), host_form(model), torch.inference_mode():
        model(images)
    with pytest.raises(ZeroDivisionError), rank_by(model, torch.ones(1, 2, 4)):
        raise ZeroDivisionError
    one = torch.ones(1, 2, 4)
    for place in (4, (0, 2), -1, "0"):
        refused = pytest.raises(RuntimeError, match=re.escape(f"for the map for {place}:"))
        with refused, rank_by(model, {0: one, place: one}), torch.inference_mode():
            model(images)


def test_painted_windows_are_marked_token_by_token():
    grid = get_window_grid(6, 10, (4, 4), (2, 2))  # padded to 8 x 12: 2 x 3 windows
    painted = Painted(0, True, 2, 3, keep=(0,), skip=(2,))
    marks = painted.mark([[get_window_grid(6, 10, (4, 4), (0, 0)), grid]])
    slots = grid.token_index.view(6, -1)
    expected = torch.zeros(60)
    for window, value in ((0, INF), (2, -INF)):
        for slot, token in enumerate(slots[window].tolist()):
            if grid.real is None or grid.real[window, slot]:
                expected[token] = value
    assert torch.equal(marks.flatten(), expected)


def test_an_analysis_keeps_and_skips_what_was_painted(loaded):
    photo = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    prepared = prepare_image(loaded, photo)
    painted = (
        Painted(0, False, 2, 4, keep=(3,), skip=(1, 4)),
        Painted(0, True, 2, 4, skip=(2,), block=1),
        Painted(0, False, 2, 4, keep=(4,)),  # the latest counts
    )
    analysis = analyze(loaded, prepared, 0.0, painted)
    plain, shifted = analysis.blocks[:2]
    assert [plain.kept, shifted.kept] == [7, 7]
    assert not plain.keep_mask[0].flatten()[1]
    assert not shifted.keep_mask[0].flatten()[2]
    assert [cost.kept for cost in analysis.cost.blocks[:2]] == [7, 7]
    assert analysis.cost.sparse_gmacs < analysis.cost.dense_gmacs
    assert measure(loaded, analysis, 1).latency is not None
    assert analysis.to_dict("photo")["painted"][1] == {
        **{"stage": 1, "block": 2, "shifted": True, "grid": [2, 4], "keep": [], "skip": [2]}
    }
    free = analyze(loaded, prepared, 0.0)
    assert free.blocks[0].kept == 8


@pytest.mark.parametrize(
    "painted",
    [
        Painted(0, False, 3, 4, keep=(1,)),
        Painted(9, False, 2, 4, keep=(1,)),
        Painted(0, False, 2, 4, keep=(8,)),
        Painted(0, False, 2, 4, keep=(1,), block=1),  # whose windows are shifted
        Painted(0, False, 2, 4, keep=(1,), block=7),
    ],
)
def test_windows_that_are_not_there_are_refused(model, painted):
    with pytest.raises(ValueError, match=r"no . x . windows to paint"):
        make_maps(model, SIZE, [painted])
