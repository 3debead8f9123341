"""Random training crops: scale, place, mirror and recolour one picture and its labels."""

from __future__ import annotations

import cv2
import numpy as np

from sparsevit.data.labelled import Sample


def random_crop(
    sample: Sample,
    size: tuple[int, int],
    scales: tuple[float, float],
    void: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a randomly scaled, mirrored and recoloured window out of a picture.

    Args:
        sample: the picture.
        size: (height, width) of the crop, pixels.
        scales: smallest and largest factor by which the picture is resized; drawn log-uniformly.
        void: class of the pixels that lie outside the picture.
        rng: source of every random number.

    Returns:
        image (height, width, 3) uint8 RGB and labels (height, width) uint8.
    """
    height, width = size
    image_height, image_width = sample.labels.shape
    scale = float(np.exp(rng.uniform(*np.log(scales))))
    squeeze = float(np.exp(rng.uniform(-0.1, 0.1)))
    scale_y, scale_x = scale * squeeze, scale / squeeze
    # Where the crop's corner falls in the source; a picture smaller than the crop floats inside it.
    spare_y, spare_x = image_height - height / scale_y, image_width - width / scale_x
    y0, x0 = rng.uniform(*sorted((0.0, spare_y))), rng.uniform(*sorted((0.0, spare_x)))
    matrix = np.array([[scale_x, 0, -x0 * scale_x], [0, scale_y, -y0 * scale_y]])
    if rng.random() < 0.5:
        matrix[0] = -matrix[0]
        matrix[0, 2] += width - 1
    source = sample.image
    if scale < 0.7:  # bilinear sampling alone would alias
        source = cv2.GaussianBlur(source, (0, 0), 0.4 / scale)
    grey = (124, 116, 104)
    image = cv2.warpAffine(
        source, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=grey
    )
    labels = cv2.warpAffine(
        sample.labels, matrix, (width, height), flags=cv2.INTER_NEAREST, borderValue=(void,)
    )
    return _recolour(image, rng), labels


def _recolour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast, saturation and hue; now and then blur or add noise."""
    pixels = image.astype(np.float32)
    pixels *= rng.uniform(0.65, 1.4)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * rng.uniform(0.5, 1.4)
    pixels *= rng.uniform(0.9, 1.1, size=3).astype(np.float32)  # tint: a small change of hue
    middle = pixels.mean()
    pixels = middle + (pixels - middle) * rng.uniform(0.7, 1.35)
    if rng.random() < 0.2:
        pixels = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 1.3))
    if rng.random() < 0.3:
        noise = rng.standard_normal(pixels.shape[:2], dtype=np.float32)[:, :, None]
        pixels = pixels + noise * np.float32(rng.uniform(2, 10))
    return np.clip(pixels, 0, 255).astype(np.uint8)
