"""What a restored picture means: against torchmetrics, and numbers by hand."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from sparsevit.data.photos import Photo
from sparsevit.evaluation.restoration_scorer import RestorationScorer
from sparsevit.tasks.restoration import MAX_PSNR, RestorationTask, measure_psnr, read_luma
from sparsevit.tasks.restored import measure_ssim

RNG = np.random.default_rng(0)


def draw(height=40, width=56):
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_luma_is_matlabs():
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 0, 255]]], dtype=np.uint8)
    np.testing.assert_allclose(read_luma(colours), [[16, 235, 81.481, 40.966]], atol=1e-3)


def test_psnr_is_that_of_luma_inside_a_border():
    truth, image = draw(), draw()
    image[:3], image[-3:], image[:, :3], image[:, -3:] = 0, 0, 0, 0
    inside = [torch.from_numpy(read_luma(x)[3:-3, 3:-3]) for x in (image, truth)]
    expected = float(peak_signal_noise_ratio(*inside, data_range=255.0))
    assert measure_psnr(image, truth, 3) == pytest.approx(expected, abs=1e-4)
    assert measure_psnr(image, truth) != pytest.approx(expected, abs=1e-2)


def test_a_level_off_everywhere_is_by_hand():
    truth = np.full((20, 30, 3), 100, dtype=np.uint8)
    luma = (65.481 + 128.553 + 24.966) / 255  # of one level of grey
    assert measure_psnr(truth + 1, truth) == pytest.approx(20 * np.log10(255 / luma), abs=1e-3)


@pytest.mark.parametrize("level", [0, 77, 255])
def test_equal_pictures_have_the_most_there_is(level):
    image = np.full((16, 16, 3), level, dtype=np.uint8)
    assert measure_psnr(image, image) == MAX_PSNR
    assert measure_ssim(image, image) == pytest.approx(1)


def test_outputs_are_rounded_and_cut():
    output = (
        torch.tensor([-0.2, 0.4999 / 255, 0.5001 / 255, 1.7]).view(1, 1, 1, 4).expand(1, 3, 1, 4)
    )
    found = RestorationTask().interpret(output, (99, 99))
    assert found[0, :, 0].tolist() == [0, 0, 1, 255]


def test_agreement_is_psnr_against_dense():
    dense, sparse = draw(), draw()
    assert RestorationTask(scale=2).compare(dense, sparse) == {
        "agreement": measure_psnr(sparse, dense, 2)
    }


def test_a_scorer_means_over_photos_and_sets_interpolation_beside():
    task = RestorationTask()
    photos = [Photo(draw(), "a"), Photo(draw(62, 46), "b")]
    scorer = RestorationScorer(task)
    bases = []
    for photo in photos:
        height, width = (side // 32 * 32 for side in photo.image.shape[:2])
        top, left = (photo.image.shape[0] - height) // 2, (photo.image.shape[1] - width) // 2
        truth = photo.image[top : top + height, left : left + width]
        base = task.interpolate(task.degrade(truth))
        bases.append(measure_psnr(base, truth, 2))
        scorer.add(photo, truth, base)
    found = scorer.summarise()
    assert found["psnr"] == found["base_psnr"] == pytest.approx(np.mean(bases), abs=1e-6)
    assert found["ssim"] == found["base_ssim"]
    assert found["agreement"] == found["psnr"]  # dense was perfect here


def test_black_photos_have_a_finite_psnr():
    scorer = RestorationScorer(RestorationTask())
    black = np.zeros((32, 32, 3), dtype=np.uint8)
    scorer.add(Photo(black, "black"), black, black)
    assert scorer.summarise()["psnr"] == scorer.summarise()["base_psnr"] == MAX_PSNR
