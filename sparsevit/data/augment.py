"""Random training crops: scale, place, mirror and recolour one picture and its labels."""

from __future__ import annotations

import math

import cv2
import numpy as np

from sparsevit.data.labelled import DataError, Sample
from sparsevit.data.transforms import resize_image
from sparsevit.data.warp import warp_things

#: Pixels; beyond it a crop shows too little of a picture to tell what it is.
LONGEST_SHORT_SIDE = 1280

_OUTSIDE = (124, 116, 104)  # colour beyond the picture's edges: the mean of photos


def random_crop(
    sample: Sample,
    size: tuple[int, int],
    scales: tuple[float, float],
    void: int,
    rng: np.random.Generator,
    may_shrink: bool = False,
) -> Sample:
    """Cut a randomly scaled, mirrored and recoloured window out of a picture.

    Args:
        sample: the picture.
        size: (height, width) of the crop, pixels.
        scales: smallest and largest factor by which the picture is resized; drawn log-uniformly.
            Its short side never becomes longer than ``LONGEST_SHORT_SIDE``.
        void: class of the pixels that lie outside the picture.
        rng: source of every random number.
        may_shrink: cut no more than the resized picture has, rounded down to multiples of 32,
            instead of filling up with void.

    Returns:
        The crop as a picture of its own, of (height, width) pixels.
    """
    height, width = size
    image_height, image_width = sample.labels.shape
    largest = min(scales[1], LONGEST_SHORT_SIDE / min(image_height, image_width))
    smallest = min(scales[0], largest / 2) if scales[1] > largest else scales[0]
    scale = float(np.exp(rng.uniform(np.log(smallest), np.log(largest))))
    squeeze = float(np.exp(rng.uniform(-0.1, 0.1)))
    scale_y, scale_x = scale * squeeze, scale / squeeze
    if may_shrink:
        height = min(height, max(32, int(image_height * scale_y) // 32 * 32))
        width = min(width, max(32, int(image_width * scale_x) // 32 * 32))
    # Where the crop's corner falls in the source; a picture smaller than the crop floats inside it.
    spare_y, spare_x = image_height - height / scale_y, image_width - width / scale_x
    y0, x0 = rng.uniform(*sorted((0.0, spare_y))), rng.uniform(*sorted((0.0, spare_x)))
    sigma = 0.4 / scale if scale < 0.7 else 0.0  # bilinear sampling alone would alias
    # Only the part that the crop shows is worth blurring.
    margin = math.ceil(4 * sigma) + 2
    rows = _clip_range(y0 - margin, y0 + height / scale_y + margin, image_height)
    columns = _clip_range(x0 - margin, x0 + width / scale_x + margin, image_width)
    source, labels = sample.image[rows, columns], sample.labels[rows, columns]
    if sigma:
        source = cv2.GaussianBlur(source, (0, 0), sigma)
    matrix = np.array(
        [
            [scale_x, 0, (columns.start - x0) * scale_x],
            [0, scale_y, (rows.start - y0) * scale_y],
        ]
    )
    is_mirrored = rng.random() < 0.5
    mirror = np.array([-1.0, width - 1]) if is_mirrored else np.array([1.0, 0.0])
    matrix[0] = mirror[0] * matrix[0] + (0, 0, mirror[1])
    image = cv2.warpAffine(
        source, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=_OUTSIDE
    )
    labels = cv2.warpAffine(
        labels, matrix, (width, height), flags=cv2.INTER_NEAREST, borderValue=(void,)
    )
    things = sample.things
    if things is not None:
        whole = np.array(  # of the whole picture, not of the part that was cut out of it
            [
                [mirror[0] * scale_x, 0, mirror[1] - mirror[0] * x0 * scale_x],
                [0, scale_y, -y0 * scale_y],
            ]
        )
        things = warp_things(things, whole, (height, width))
    return Sample(_recolour(image, rng), labels, sample.name, things)


def random_photo_crop(
    image: np.ndarray,
    size: tuple[int, int],
    scales: tuple[float, float],
    rng: np.random.Generator,
) -> np.ndarray:
    """Cut a randomly shrunken, mirrored and turned piece out of a photo, as sharp as it is.

    Args:
        image: (img_h, img_w, 3) uint8 RGB.
        size: (height, width) of the piece, pixels; turned by 90 degrees only where it is square.
        scales: smallest and largest factor by which the photo is resized, at most 1; drawn
            log-uniformly. A photo is never shrunk below the piece.
        rng: source of every random number.

    Returns:
        (height, width, 3) uint8.

    Raises:
        DataError: a photo smaller than the piece.
    """
    height, width = size
    most = min(image.shape[0] / height, image.shape[1] / width)
    if most < 1:
        raise DataError(
            f"A photo of {image.shape[1]}x{image.shape[0]} pixels is too small to cut "
            f"{width}x{height} out of it; give a smaller --crop."
        )
    scale = max(float(np.exp(rng.uniform(*np.log(scales)))), 1 / most)
    rows, columns = (min(round(n / scale), image.shape[a]) for a, n in enumerate(size))
    top, left = (int(rng.integers(image.shape[a] - n + 1)) for a, n in enumerate((rows, columns)))
    piece = resize_image(image[top : top + rows, left : left + columns], size)
    turns = int(rng.integers(4)) if height == width else 2 * int(rng.integers(2))
    piece = np.rot90(piece, turns)
    return np.ascontiguousarray(piece[:, ::-1] if rng.random() < 0.5 else piece)


def _clip_range(start: float, stop: float, length: int) -> slice:
    return slice(max(0, math.floor(start)), min(length, math.ceil(stop)))


def _recolour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast, saturation and tint; now and then blur or add noise."""
    saturation = rng.uniform(0.5, 1.4)
    colours = saturation * np.eye(3) + (1 - saturation) / 3  # towards the grey of each pixel
    colours *= rng.uniform(0.65, 1.4) * rng.uniform(0.9, 1.1, size=(3, 1))  # brightness, tint
    contrast = rng.uniform(0.7, 1.35)
    middle = (colours @ cv2.mean(image)[:3]).mean()
    offset = np.full((3, 1), (1 - contrast) * middle)
    image = cv2.transform(image, np.hstack([contrast * colours, offset]))  # one pass, saturating
    if rng.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.3))
    if rng.random() < 0.3:
        noise = rng.standard_normal(image.shape[:2], dtype=np.float32) * rng.uniform(2, 10)
        image = cv2.add(image, cv2.merge([noise] * 3), dtype=cv2.CV_8U)
    return image
