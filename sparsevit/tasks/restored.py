"""How well a photo was restored: against its original, and next to what needs no network."""

from __future__ import annotations

import cv2
import numpy as np

from sparsevit.data.transforms import fit_photo
from sparsevit.tasks.restoration import RestorationTask, measure_psnr, read_luma

# Of SSIM (Wang et al. 2004): its window, and what keeps it from dividing by nothing.
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def score_restored(
    task: RestorationTask, photo: np.ndarray, dense: np.ndarray, sparse: np.ndarray
) -> dict[str, float]:
    """What is known of one photo.

    Args:
        task: that was done.
        photo: (img_h, img_w, 3) uint8 RGB, of the size that the network was given or another.
        dense, sparse: (h, w, 3) uint8 predictions.

    Returns:
        In dB psnr, base_psnr and agreement, which is the PSNR of sparse against dense; ssim and
        base_ssim, at most 1. The base is what is had without a network.
    """
    truth = fit_photo(photo, (dense.shape[0], dense.shape[1]))
    base = task.interpolate(task.degrade(truth))
    return {
        "psnr": measure_psnr(sparse, truth, task.scale),
        "ssim": measure_ssim(sparse, truth, task.scale),
        "base_psnr": measure_psnr(base, truth, task.scale),
        "base_ssim": measure_ssim(base, truth, task.scale),
        **task.compare(dense, sparse),
    }


def measure_ssim(image: np.ndarray, truth: np.ndarray, border: int = 0) -> float:
    """Structural similarity of luma (Wang et al. 2004), over windows of 11 x 11 pixels inside.

    Args:
        image, truth: (h, w, 3) uint8 RGB of one size.
        border: pixels left out along every edge.

    Returns:
        At most 1, which equal pictures have.
    """
    cut = np.s_[border : image.shape[0] - border, border : image.shape[1] - border]
    ours, theirs = read_luma(image)[cut], read_luma(truth)[cut]
    our_mean, their_mean = _average(ours), _average(theirs)
    product = our_mean * their_mean
    squares = our_mean**2 + their_mean**2
    shared = _average(ours * theirs) - product
    spread = _average(ours**2 + theirs**2) - squares
    likeness = (2 * product + _C1) * (2 * shared + _C2) / ((squares + _C1) * (spread + _C2))
    return min(1.0, float(likeness.mean(dtype=np.float64)))


def _average(values: np.ndarray) -> np.ndarray:
    """The mean in the window around each pixel whose window lies inside."""
    margin = _WINDOW // 2
    blurred = cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _SIGMA)
    return blurred[margin:-margin, margin:-margin]
