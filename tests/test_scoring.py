"""Scores and rankings: hand-written values, the oracle's loops, ties, padding."""

import pytest
import torch
from oracle import gradient_energy, list_windows, rank, score_windows

from sparsevit.core.scoring import (
    image_gradient_energy,
    rank_windows,
    token_magnitudes,
    window_scores,
)
from sparsevit.core.stage import StageSettings, WindowRanker
from sparsevit.core.windows import get_window_grid
from sparsevit.package.choices import SCORES

GRIDS = [((4, 4), (2, 2), (0, 0)), ((5, 7), (2, 3), (1, 1)), ((16, 10), (7, 7), (3, 3))]


def test_hand_written_scores() -> None:
    magnitudes = torch.tensor([[[3.0, 4.0, 0.0, 0.0, 2.0], [0.0, 0.0, 1.0, 1.0, 2.0]]])
    grid = get_window_grid(2, 5, (2, 2), (0, 0))  # the last window is half padding
    expected = {
        "rms": [2.5, 0.5**0.5, 2.0],
        "gradient": [2.5, 0.5**0.5, 2.0],
        "centred": [2.5, 0.5**0.5, 2.0],
        "l2": [5.0, 2**0.5, 8**0.5],
        "l1": [1.75, 0.5, 2.0],
        "linf": [4.0, 1.0, 2.0],
    }
    for score, values in expected.items():
        torch.testing.assert_close(window_scores(magnitudes, grid, score), torch.tensor([values]))
    assert rank_windows(window_scores(magnitudes, grid, "rms")).tolist() == [[0, 2, 1]]
    assert rank_windows(window_scores(magnitudes, grid, "l1")).tolist() == [[2, 0, 1]]


@pytest.mark.parametrize("score", ["rms", "l2", "l1", "linf", "gradient"])
@pytest.mark.parametrize("geometry", GRIDS, ids=lambda g: f"{g[0]}-{g[2]}")
def test_scores_match_the_loops(score: str, geometry: tuple) -> None:
    magnitudes = torch.rand(3, *geometry[0])
    ours = window_scores(magnitudes, get_window_grid(*geometry[0], *geometry[1:]), score)
    assert ours.dtype == torch.float32
    for image, values in zip(magnitudes, ours, strict=True):
        expected = score_windows(image, list_windows(*geometry), score)
        torch.testing.assert_close(values, torch.tensor(expected))
        assert rank_windows(values[None])[0].tolist() == rank(expected)


def test_the_default_is_rms() -> None:
    magnitudes, grid = torch.rand(1, 16, 16), get_window_grid(16, 16, (7, 7), (0, 0))
    assert torch.equal(window_scores(magnitudes, grid), window_scores(magnitudes, grid, "rms"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_magnitudes_are_fp32_means(dtype: torch.dtype) -> None:
    x = (100 * torch.randn(2, 3, 4, 1000)).to(dtype)
    ours = token_magnitudes(x)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, x.double().abs().mean(dim=-1).float())


def test_rankings_carry_a_gradient_where_somebody_asks() -> None:
    grid = get_window_grid(2, 4, (2, 2), (0, 0))
    x = torch.zeros(1, 2, 4, 3, requires_grad=True)
    with torch.no_grad():
        x[0, 0, 0] = torch.tensor([3.0, -6.0, 0.0])
    settings = StageSettings(0, (0.5,))
    assert not WindowRanker(settings).scores(x, grid).requires_grad
    scores = WindowRanker(settings, keeps_gradient=True).scores(x, grid)
    # One of four tokens has magnitude 3: the root mean square is 3 / 2. The other window is blank.
    torch.testing.assert_close(scores.detach(), torch.tensor([[1.5, 0.0]]))
    scores.sum().backward()
    expected = torch.zeros_like(x)
    expected[0, 0, 0] = torch.tensor([1.0, -1.0, 0.0]) / 3 / 2
    torch.testing.assert_close(x.grad, expected)


def test_what_all_tokens_share_does_not_count_where_it_is_taken_away() -> None:
    grid = get_window_grid(1, 4, (1, 2), (0, 0))
    shared = torch.tensor([8.0, -8.0])
    x = torch.tensor([[[[1.0, 0.0], [1.0, 0.0], [-2.0, 1.0], [0.0, -1.0]]]]) + shared
    settings = StageSettings(0, (0.5,), score="centred")
    # Magnitudes of the tokens without their mean: 1/2, 1/2, 3/2, 1/2.
    expected = torch.tensor([[0.5, ((2.25 + 0.25) / 2) ** 0.5]])
    torch.testing.assert_close(WindowRanker(settings).scores(x, grid), expected)
    both = torch.cat([x, 5 * x])
    torch.testing.assert_close(WindowRanker(settings).scores(both, grid)[:1], expected)
    plain = WindowRanker(StageSettings(0, (0.5,))).scores(x, grid)
    assert plain.argmax() == 0
    assert expected.argmax() == 1
    blank = torch.full((1, 5, 7, 3), 0.1).to(torch.bfloat16)
    order = rank_windows(
        WindowRanker(settings).scores(blank, get_window_grid(5, 7, (2, 2), (0, 0)))
    )
    assert order.tolist() == [list(range(12))]


def test_centred_magnitudes_by_hand() -> None:
    """Two channels; the mean token of the first picture is (2, -1), of the second (0, 0)."""
    x = torch.tensor([[[[1.0, -1.0], [3.0, -1.0]]], [[[4.0, 2.0], [-4.0, -2.0]]]])
    torch.testing.assert_close(
        token_magnitudes(x, "centred"), torch.tensor([[[0.5, 0.5]], [[3.0, 3.0]]])
    )
    torch.testing.assert_close(
        token_magnitudes(x, "rms"), torch.tensor([[[1.0, 2.0]], [[3.0, 3.0]]])
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_all_tokens_share_has_no_say_in_centred_scores(dtype: torch.dtype) -> None:
    x = torch.randn(2, 6, 8, 16).to(dtype)
    shared = 64 * torch.ones(16)  # a power of two, which bf16 adds to small integers exactly
    x = (x * 8).round()
    ours = token_magnitudes((x.float() + shared).to(dtype), "centred")
    torch.testing.assert_close(ours, token_magnitudes(x, "centred"), rtol=1e-4, atol=1e-4)


def test_ties_keep_the_lower_window_first() -> None:
    scores = torch.tensor([[1.0, 2.0, 1.0, 2.0, 0.0], [0.0] * 5])
    assert rank_windows(scores).tolist() == [[1, 3, 0, 2, 4], [0, 1, 2, 3, 4]]
    many = (torch.arange(5000) % 3).float().unsqueeze(0)
    assert rank_windows(many)[0].tolist() == rank(many[0].tolist())


@pytest.mark.parametrize("score", ["rms", "l1", "linf"])
@pytest.mark.parametrize("grid", [(14, 14), (16, 16), (10, 23)], ids=str)
def test_a_blank_picture_ties_exactly(score: str, grid: tuple) -> None:
    """Rounding must not tell a border window of equal tokens from an interior one."""
    levels = torch.tensor([0.0, 0.1, 0.3, 1 / 3, 0.7, 0.9, 123.4]).view(-1, 1, 1)
    for shift in ((0, 0), (3, 3)):
        windows = get_window_grid(*grid, (7, 7), shift)
        order = rank_windows(window_scores(levels.expand(-1, *grid), windows, score))
        assert torch.equal(order, torch.arange(windows.num_windows).expand_as(order))


def count_border_kept(score: str) -> tuple[int, int]:
    """Padded windows kept, and kept by fair share, of noise at half sparsity (512 px, window 7)."""
    grid = get_window_grid(128, 128, (7, 7), (0, 0))
    magnitudes = 1 + 0.2 * torch.rand(1, 128, 128)
    order = rank_windows(window_scores(magnitudes, grid, score))[0]
    padded = ~grid.real.all(dim=1)
    return int(padded[order[: grid.num_windows // 2]].sum()), int(padded.sum()) // 2


def test_padding_starves_border_windows_with_l2_only() -> None:
    assert count_border_kept("l2")[0] == 0
    kept, share = count_border_kept("rms")
    assert share / 2 < kept < 3 * share / 2


def test_without_padding_rms_ranks_as_the_paper_s_l2() -> None:
    grid = get_window_grid(28, 35, (7, 7), (3, 3))
    magnitudes = torch.rand(4, 28, 35)
    ranks = [rank_windows(window_scores(magnitudes, grid, score)) for score in ("rms", "l2")]
    assert torch.equal(*ranks)


@pytest.mark.parametrize("score", [score for score in SCORES if score != "random"])
def test_images_do_not_mix(score: str) -> None:
    grid = get_window_grid(16, 10, (7, 7), (3, 3))
    magnitudes = torch.rand(3, 16, 10)
    alone = torch.cat([window_scores(image[None], grid, score) for image in magnitudes])
    assert torch.equal(window_scores(magnitudes, grid, score), alone)


def test_random_scores_depend_on_the_seed_alone() -> None:
    grid = get_window_grid(28, 28, (7, 7), (0, 0))
    one, other = torch.rand(2, 28, 28), torch.rand(2, 28, 28)
    assert torch.equal(
        window_scores(one, grid, "random", seed=3), window_scores(other, grid, "random", seed=3)
    )
    assert not torch.equal(
        window_scores(one, grid, "random", seed=3), window_scores(one, grid, "random", seed=4)
    )
    before = torch.get_rng_state()
    window_scores(one, grid, "random")
    assert torch.equal(torch.get_rng_state(), before)


def test_gradient_energy() -> None:
    image = torch.zeros(1, 1, 4, 4)
    image[..., 2] = 8.0  # a vertical line: |dx| = 8 in columns 1 and 2
    assert image_gradient_energy(image, (2, 2)).tolist() == [[[4.0, 4.0], [4.0, 4.0]]]
    assert not image_gradient_energy(torch.full((1, 3, 8, 8), 0.7), (4, 4)).any()
    images = torch.rand(2, 3, 12, 8).to(torch.bfloat16)
    expected = torch.stack([gradient_energy(image, (3, 2)) for image in images])
    torch.testing.assert_close(image_gradient_energy(images, (4, 4)), expected)


def test_unknown_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="rms, centred, l2, l1, linf, random, gradient"):
        window_scores(torch.rand(1, 4, 4), get_window_grid(4, 4, (2, 2), (0, 0)), "entropy")


def test_every_stage_draws_at_random_by_itself():
    """Stages whose grids are alike must not keep the same windows."""
    grid, x = get_window_grid(12, 12, (2, 2), (0, 0)), torch.zeros(2, 12, 12, 3)

    def draw(index: int, seed: int) -> list[float]:
        ranker = WindowRanker(StageSettings(index, (0.5,), "random", seed=seed))
        scores = ranker.scores(x, grid)
        assert scores.shape == (2, grid.num_windows)
        assert not scores[0].equal(scores[1])
        return scores.flatten().tolist()

    assert draw(0, 7) == draw(0, 7)
    different = [draw(index, seed) for index in range(4) for seed in (0, 10)]
    assert len({tuple(scores) for scores in different}) == 8


def test_a_ranker_that_starts_anew_forgets_the_ranking_before() -> None:
    grid = get_window_grid(4, 4, (2, 2), (0, 0))
    rising = (
        torch.arange(1.0, 5).view(1, 2, 1, 2, 1, 1).expand(1, 2, 2, 2, 2, 3).reshape(1, 4, 4, 3)
    )
    ranker = WindowRanker(StageSettings(0, (0.5,)))
    assert ranker.keep_idx(rising, grid, 2).tolist() == [[3, 2]]
    assert ranker.keep_idx(-1 / rising, grid, 2).tolist() == [[3, 2]]  # one ranking for a stage
    ranker.restart()
    assert ranker.keep_idx(-1 / rising, grid, 2).tolist() == [[0, 1]]
