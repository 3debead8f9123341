"""Random crops, and the batches made of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from kitti_support import CAR, write_kitti
from training_support import PHASES, write_folder

from sparsevit.data.augment import random_crop
from sparsevit.data.batches import Phase, SceneBatches
from sparsevit.data.labelled import LabelledFolder, Sample, open_data

VOID = 11


@pytest.fixture
def data(tmp_path: Path) -> LabelledFolder:
    write_folder(tmp_path / "data")
    folder = open_data(str(tmp_path / "data"))
    assert isinstance(folder, LabelledFolder)
    return folder


@pytest.fixture
def makers(data: LabelledFolder) -> Iterator[list[SceneBatches]]:
    """Twice the same, then another rank, another seed and more threads."""
    settings = [{}, {}, {"rank": 1}, {"seed": 4}, {"workers": 3}]
    made = [SceneBatches([data], [1.0], PHASES, **{"seed": 3, **s}) for s in settings]
    yield made
    for maker in made:
        maker.close()


def test_batches_depend_on_seed_step_and_rank_alone(makers: list[SceneBatches]) -> None:
    one, same, other_rank, other_seed, threads = makers
    for step, phase in [(0, 0), (1, 0), (2, 1), (3, 1)]:
        batch = one.get(step, phase)
    images, labels = batch.images, batch.labels
    assert batch.targets == {}
    assert images.shape == (2, 3, 64, 64)
    assert labels.shape == (2, 64, 64)
    assert images.dtype == labels.dtype == torch.uint8
    for maker in (same, threads):
        again = maker.get(3, 1)
        torch.testing.assert_close((again.images, again.labels), (images, labels))
    assert not torch.equal(other_rank.get(3, 1).images, images)
    assert not torch.equal(other_seed.get(3, 1).images, images)
    assert not torch.equal(one.get(4, 1).images, images)


def test_rarer_classes_weigh_more(makers: list[SceneBatches]) -> None:
    weights = makers[0].class_weights()
    assert weights.mean().item() == pytest.approx(1)
    # Of the pixels that are not void 48 rows are class 0, none class 1 and 40 class 2.
    expected = 1 / np.log(1.1 + np.array([48, 0, 40]) / 88)
    np.testing.assert_allclose(weights.numpy(), expected / expected.mean(), rtol=1e-5)


def test_shares_say_how_often_a_data_set_is_drawn_from(data: LabelledFolder) -> None:
    class Blank:
        """One picture of void."""

        class_names = data.class_names
        names = ("blank",)

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> Sample:
            return Sample(np.zeros((64, 64, 3), np.uint8), np.full((64, 64), 3, np.uint8), "blank")

    phase = Phase(1.0, 200, (32, 32), (1.0, 1.0))
    maker = SceneBatches([data, Blank()], [1.0, 3.0], [phase], seed=0)
    labels = maker.get(0, 0).labels
    maker.close()
    blank = (labels == 3).flatten(1).all(1).float().mean().item()
    assert blank == pytest.approx(0.75, abs=0.1)


def test_boxes_alone_weigh_no_class(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    boxes = open_data(f"kitti:{write_kitti(tmp_path / 'kitti', {'a': CAR})}")
    alone = SceneBatches([boxes], [1.0], [Phase(1.0, 1, (64, 64), (1.0, 1.0))], seed=0)
    np.testing.assert_allclose(alone.class_weights(), np.ones(11))
    alone.close()
    assert not recwarn.list  # of classes that never occur


def test_crops_keep_picture_and_labels_together() -> None:
    left = np.zeros((60, 80), dtype=np.uint8)
    left[:, 40:] = 1
    image = np.where(left[..., None] == 1, np.uint8(230), np.uint8(20)).repeat(3, 2)
    checked = 0
    for seed in range(30):
        cut = random_crop(
            Sample(image, left, ""), (32, 64), (0.4, 2.5), VOID, np.random.default_rng(seed)
        )
        crop, labels = cut.image, cut.labels
        assert crop.shape == (32, 64, 3)
        assert crop.dtype == labels.dtype == np.uint8
        assert set(np.unique(labels)) <= {0, 1, VOID}
        if min((labels == 0).sum(), (labels == 1).sum()) > 40:
            assert crop[labels == 1].mean() > crop[labels == 0].mean() + 50
            checked += 1
    assert checked > 10


def test_crops_show_every_part_of_a_picture_either_way_round() -> None:
    """Each pixel's label is its column, so a crop tells where it came from."""
    columns = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
    sample = Sample(np.zeros((100, 200, 3), np.uint8), columns, "")
    seen, mirrored = set(), 0
    for seed in range(60):
        labels = random_crop(sample, (32, 32), (1.0, 1.0), 255, np.random.default_rng(seed)).labels
        assert (labels != 255).all()
        steps = np.diff(labels[0].astype(int))
        assert (steps >= 0).all() or (steps <= 0).all()
        mirrored += int(steps.sum() < 0)
        seen.update(np.unique(labels).tolist())
    assert 15 < mirrored < 45
    assert len(seen) > 190


def test_a_batch_of_one_is_no_larger_than_its_picture(data: LabelledFolder) -> None:
    """Pictures of 96x128: resized by up to 2, squeezed by up to a tenth, cut in steps of 32."""
    shapes = set()
    for batch_size in (1, 2):
        phase = Phase(1.0, batch_size, (160, 512), (1.0, 2.0))
        maker = SceneBatches([data], [1.0], [phase], seed=0)
        for step in range(20):
            labels = maker.get(step, 0).labels
            shapes.add((batch_size, *labels.shape[1:]))
            if batch_size == 1:
                inside = labels[0, : labels.shape[1] // 3]
                assert (inside == 0).all()  # sky up to the edges, no void around it
        maker.close()
    singles = {shape[1:] for shape in shapes if shape[0] == 1}
    assert {shape[1:] for shape in shapes if shape[0] == 2} == {(160, 512)}
    assert all(h in (64, 96, 128, 160) and w % 32 == 0 and 96 <= w <= 282 for h, w in singles)
    assert len(singles) > 4


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5])
def test_scale_says_how_much_of_a_picture_a_crop_shows(scale: float) -> None:
    columns = np.tile(np.arange(250, dtype=np.uint8), (250, 1))
    sample = Sample(np.zeros((250, 250, 3), np.uint8), columns, "")
    widths = []
    for seed in range(20):
        crop = random_crop(sample, (96, 96), (scale, scale), 255, np.random.default_rng(seed))
        widths.append(np.ptp(crop.labels[50].astype(int)) + 1)
    assert np.mean(widths) == pytest.approx(96 / scale, rel=0.06)
    assert np.ptp(widths) <= 0.25 * 96 / scale + 2  # squeezed by a tenth at most


@pytest.mark.parametrize(("side", "shown"), [(2048, (128 / 0.625, 128 / 0.3125)), (512, (51, 256))])
def test_large_pictures_are_never_blown_up(side: int, shown: tuple[float, float]) -> None:
    """At 0.5 to 2.5: a side of 2048 pixels becomes 640 to 1280, one of 512 becomes 256 to 1280."""
    ramp = np.tile(np.arange(side) * 254 // side, (side, 1)).astype(np.uint8)
    sample = Sample(np.zeros((side, side, 3), np.uint8), ramp, "")
    spans = []
    for seed in range(60):
        crop = random_crop(sample, (128, 128), (0.5, 2.5), 255, np.random.default_rng(seed)).labels
        spans.append((int(crop[64].max()) - int(crop[64].min())) * side / 254)
    slack = 1.12  # a crop is squeezed by a tenth at most
    assert shown[0] / slack - 9 <= min(spans) < 1.5 * shown[0]
    assert shown[1] / 1.5 < max(spans) <= shown[1] * slack + 9


def test_small_pictures_are_surrounded_by_void() -> None:
    sample = Sample(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.uint8), "")
    labels = random_crop(sample, (64, 64), (1.0, 1.0), VOID, np.random.default_rng(0)).labels
    assert (labels == 0).sum() == pytest.approx(400, rel=0.15)
    assert (labels == VOID).sum() + (labels == 0).sum() == 64 * 64


def test_shrinking_does_not_alias() -> None:
    """A fine chequerboard turns grey instead of into coarse stripes."""
    board = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    sample = Sample(board[..., None].repeat(3, 2), np.zeros((256, 256), np.uint8), "")
    spreads = [
        crop.image.std((0, 1))
        for seed in range(10)
        for crop in [random_crop(sample, (64, 64), (0.4, 0.4), VOID, np.random.default_rng(seed))]
    ]
    assert np.median(spreads) < 10


def test_colours_vary_but_hold_together() -> None:
    """Crops of one grey picture differ in level and tint; brighter stays brighter."""
    ramp = np.tile(np.linspace(60, 180, 64).astype(np.uint8), (64, 1))
    sample = Sample(ramp[..., None].repeat(3, 2), np.zeros((64, 64), np.uint8), "")
    levels, tints = [], []
    for seed in range(40):
        crop = random_crop(sample, (64, 64), (1.0, 1.0), VOID, np.random.default_rng(seed)).image
        inner = crop[10:-10, 10:-10].astype(float)
        rows = np.abs(np.diff(inner.mean((0, 2)))).sum()
        assert rows == pytest.approx(np.ptp(inner.mean((0, 2))), rel=0.25)  # monotonic
        levels.append(inner.mean())
        tints.append(inner[..., 0].mean() / inner[..., 2].mean())
    assert np.ptp(levels) > 50
    assert 0.8 < min(tints) < 0.97 < 1.03 < max(tints) < 1.25
