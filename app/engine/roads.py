"""Whether a photo looks like a road scene to the network that knows nothing else."""

from __future__ import annotations

import numpy as np
import torch

from sparsevit.networks import LoadedModel
from sparsevit.patch import get_sparsity, set_sparsity

#: The network that is asked, and the one that suits every photo.
ROADS, RESTORER = "streets", "photo-sr"

# Mean over the pixels of the largest class probability, dense at a short side of 512. Measured with
# "streets": 0.865 to 0.907 on the five drawn streets of assets/, 0.638 to 0.801 on twelve photos of
# landscapes, animals, people and things. At 256 they nearly touch (0.820 and 0.815), and
# "streets-nano" cannot tell them apart (0.840 to 0.919 and 0.769 to 0.958), so neither is asked.
_SURE = 0.83
_SHORT_SIDE = 512  # pixels


def is_unsure(sureness: float) -> bool:
    """Whether a photo of such a :func:`measure_sureness` looks like no road scene."""
    return sureness < _SURE


def measure_sureness(loaded: LoadedModel, pixels: np.ndarray) -> float:
    """How sure a network of classes of pixels is of them, in (0, 1].

    Args:
        loaded: the network; its schedule is left as it was.
        pixels: (img_h, img_w, 3) uint8 RGB.
    """
    model, images = loaded.module, loaded.prepare(pixels, _SHORT_SIDE)
    before = get_sparsity(model)
    try:
        set_sparsity(model, 0.0)
        with torch.inference_mode():
            logits = model(images)  # (1, classes, h, w)
    finally:
        set_sparsity(model, before)
    return float(logits.float().softmax(1).amax(1).mean())
