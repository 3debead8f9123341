"""What the tab of pruned windows is drawn from."""

import json
from dataclasses import replace

import pytest
import torch

from app.page.common import photo_key
from app.tabs.windows.view import make_windows


@pytest.fixture(scope="module")
def result(engine):
    return engine.first


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
