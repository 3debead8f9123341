"""What the tab of pruned windows is drawn from."""

import json
from dataclasses import replace

import pytest
import torch

from app.page.common import photo_key
from app.tabs.windows.view import find_spans, make_windows
from sparsevit.core.windows import get_window_grid, map_tokens_to_windows

# (H, W), window, shift, pad_first
GRIDS = [
    ((16, 24), (8, 8), (0, 0), False),
    ((16, 24), (8, 8), (4, 4), False),
    ((16, 23), (7, 7), (0, 0), False),
    ((16, 23), (7, 7), (3, 3), False),
    ((16, 23), (7, 7), (3, 3), True),
    ((8, 15), (7, 7), (3, 3), False),
    ((9, 23), (4, 6), (2, 3), True),
    ((5, 30), (5, 7), (0, 3), False),
    ((3, 4), (7, 7), (0, 0), False),
]


@pytest.fixture(scope="module")
def result(engine):
    return engine.first


def find_owner(spans, place):
    """The one window row (or column) with this place, a fraction of the picture."""
    owners = [
        row for row, pieces in enumerate(spans) for low, high in pieces if low <= place < high
    ]
    assert len(owners) == 1
    return owners[0]


@pytest.mark.parametrize(("size", "window", "shift", "pad_first"), GRIDS)
def test_spans_are_where_the_tokens_of_each_window_lie(size, window, shift, pad_first):
    grid = get_window_grid(*size, window, shift, pad_first=pad_first)
    spans = [find_spans(size[axis], window[axis], shift[axis], pad_first) for axis in range(2)]
    assert [len(part) for part in spans] == [grid.rows, grid.cols]
    owners = [
        [
            find_owner(spans[0], (y + 0.5) / size[0]) * grid.cols
            + find_owner(spans[1], (x + 0.5) / size[1])
            for x in range(size[1])
        ]
        for y in range(size[0])
    ]
    assert owners == map_tokens_to_windows(grid).tolist()


def test_a_shifted_padded_axis_by_hand():
    # 10 tokens in windows of 4 rolled by 2: [2..5] [6..9] [0, 1] after timm's roll; padding first
    # rolls 12 positions, so the last window holds the padding and the first two tokens.
    assert find_spans(10, 4, 2, False) == [[[0.2, 0.6]], [[0.6, 1.0]], [[0.0, 0.2]]]
    assert find_spans(10, 4, 2, True) == [[[0.2, 0.6]], [[0.6, 1.0]], [[0.0, 0.2]]]
    assert find_spans(10, 4, 1, False) == [[[0.1, 0.5]], [[0.5, 0.9]], [[0.9, 1.0], [0.0, 0.1]]]
    assert find_spans(8, 4, 2, False) == [[[0.25, 0.75]], [[0.75, 1.0], [0.0, 0.25]]]


def test_blocks_as_the_network_recorded_them(result):
    value = json.loads(make_windows(result))
    assert value["key"] == photo_key(result.photo, tuple(value["size"]))
    assert value["linked"] is True
    assert len(value["blocks"]) == len(result.analysis.blocks)
    for shown, block in zip(value["blocks"], result.analysis.blocks, strict=True):
        keep = torch.tensor([character == "1" for character in shown["keep"]])
        assert torch.equal(keep.view(shown["rows"], shown["cols"]), block.keep_mask[0])
        assert (shown["kept"], shown["total"]) == (int(keep.sum()), keep.numel())
        assert shown["sparsity"] == pytest.approx(1 - shown["kept"] / shown["total"], abs=1e-4)
        scores = block.scores[0].flatten()
        assert torch.allclose(torch.tensor(shown["scores"]), scores, rtol=1e-3)
        # The windows kept are those of the first ranks, and ranks fall with the scores.
        assert [rank <= shown["kept"] for rank in shown["ranks"]] == keep.tolist()
        by_rank = scores[torch.tensor(shown["ranks"]).argsort()]
        assert (by_rank.diff() <= 0).all()
        assert shown["name"].startswith(f"Stage {shown['stage']} · block {shown['block']}")
        assert shown["name"].endswith("shifted") == shown["shifted"] == (shown["block"] % 2 == 0)
        assert shown["low"] <= shown["high"]


def test_scores_that_are_not_numbers_leave_valid_json(result):
    first, *others = result.analysis.blocks
    broken = replace(first, scores=torch.full_like(first.scores, float("nan")))
    analysis = replace(result.analysis, blocks=(broken, *others))
    value = json.loads(make_windows(replace(result, analysis=analysis)))
    assert set(value["blocks"][0]["scores"]) == {None}
