"""What restorers undo, against tables written by hand, Pillow's resampling and libjpeg."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from sparsevit.data.degradation import compress, enlarge, shrink

# Keys' kernel with a = -0.5, stretched by 2, at 0.5, 1.5, 2.5 and 3.5 pixels; all 8 add up to 1.
TAPS = (-0.01171875, -0.03515625, 0.11328125, 0.43359375)


def draw_photo(height, width):
    """Something smooth, with edges and a little noise, uint8."""
    y, x = np.mgrid[:height, :width] / 40
    planes = [np.sin(x + k) * np.cos(y * (1 + k)) for k in range(3)]
    image = 128 + 80 * np.stack(planes, axis=-1)
    image[height // 3 : height // 2, width // 4 : width // 2] = (250, 30, 90)
    noise = np.random.default_rng(0).normal(0, 3, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


def to_unit(image):
    return torch.from_numpy(image.transpose(2, 0, 1).copy())[None].double() / 255


def to_levels(images):
    return (images[0].permute(1, 2, 0) * 255).round().clamp(0, 255).int().numpy()


def test_a_step_is_shrunk_as_the_kernel_says():
    line = torch.zeros(16, dtype=torch.float64)
    line[8:] = 1
    images = line.expand(1, 3, 16, 16)
    # An output lies between pixels 2 i and 2 i + 1; that of i = 3 sees three pixels of the step,
    # that of i = 2 but one, whose weight is below zero.
    seen = round(255 * sum(TAPS[:3]))
    expected = [0, 0, 0, seen, 255 - seen, 255, 255, 255]
    found = shrink(images)
    assert found.shape == (1, 3, 8, 8)
    assert (found[0, 1] * 255).round().tolist() == [expected] * 8


def test_edges_are_mirrored():
    line = torch.tensor([1.0] + [0.0] * 15)
    found = shrink(line.expand(1, 1, 16, 16)) * 255
    # The first output is 0.5 pixels right of pixel 0, whose mirror image is 1.5 pixels left.
    assert found[0, 0, 5, 0].round().item() == round(255 * (TAPS[3] + TAPS[2]))
    assert found[0, 0, 5, 1].round().item() == 0  # below zero, cut


@pytest.mark.parametrize("size", [(64, 90), (50, 38)])
def test_inside_both_are_pillows_bicubic(size):
    image = draw_photo(*size)
    half = (size[1] // 2, size[0] // 2)
    theirs = np.asarray(Image.fromarray(image).resize(half, Image.Resampling.BICUBIC)).astype(int)
    low = shrink(to_unit(image))
    assert np.abs(to_levels(low) - theirs)[2:-2, 2:-2].max(initial=0) <= 1
    small = to_levels(low).astype(np.uint8)
    theirs = np.asarray(Image.fromarray(small).resize(size[::-1], Image.Resampling.BICUBIC))
    difference = np.abs(to_levels(enlarge(low, 2)) - theirs.astype(int))[4:-4, 4:-4]
    assert (difference > 1).mean() < 0.01  # Pillow clips between its two passes


def test_enlarging_keeps_what_is_constant_and_what_is_straight():
    ramp = torch.arange(12.0).expand(1, 1, 12, 12)
    found = enlarge(ramp, 2)[0, 0, 6]
    expected = (torch.arange(24.0) - 0.5) / 2
    torch.testing.assert_close(found[4:-4], expected[4:-4])
    assert torch.allclose(enlarge(torch.full((1, 3, 9, 9), 0.25), 2), torch.tensor(0.25))


@pytest.mark.parametrize("size", [(8, 8), (61, 83)])
def test_compressing_is_what_libjpeg_does(size):
    image = draw_photo(*size)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=30, subsampling=0)
    theirs = np.asarray(Image.open(file)).astype(int)
    difference = np.abs(to_levels(compress(to_unit(image).float())) - theirs)
    # Where a wave is halfway between two steps, rounding decides; elsewhere colours differ by 1.
    assert np.median(difference) <= 1
    assert (difference > 2).mean() < 0.05
    assert np.abs(theirs - image).mean() > 3 * difference.mean()


def test_results_are_whole_levels():
    images = torch.rand(1, 3, 16, 24)
    for degrade in (shrink, compress):
        levels = degrade(images) * 255
        torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
        assert 0 <= levels.min() <= levels.max() <= 255
