"""What the tests of restoring share: a network of milliseconds, and photos drawn by code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from sparsevit import sparsify
from sparsevit.data.photos import PhotoFolder
from sparsevit.networks import LoadedModel
from sparsevit.networks.checkpoint import save_checkpoint
from sparsevit.networks.own import OwnNetwork, build_own
from sparsevit.networks.restorer_config import Degradation, RestorerConfig

#: Of a network of milliseconds.
CONFIG = RestorerConfig(dim=16, depths=(2, 2), num_heads=2)


def make_restorer(config: RestorerConfig = CONFIG, seed: int = 0) -> OwnNetwork:
    """In evaluation mode; random weights large enough to see every branch in the output."""
    torch.manual_seed(seed)
    model = build_own(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.1)
    return model


def load_restorer(degradation: Degradation = "shrink", seed: int = 1) -> LoadedModel:
    """Random weights, in the head too, so that what windows do shows in the picture."""
    model = make_restorer(replace(CONFIG, degradation=degradation), seed)
    return LoadedModel.wrap(sparsify(model), "toy")


def save_restorer(path: Path, seed: int = 1) -> Path:
    """The same as a file."""
    module = load_restorer(seed=seed).module
    save_checkpoint(module, module.config, path)
    return path


def draw_photo(seed: int = 0, size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """Smooth colours on the left, grain on the right: (h, w, 3) uint8."""
    rng = np.random.default_rng(seed)
    smooth = cv2.resize(rng.uniform(40, 200, (3, 4, 3)), size[::-1], interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, 20, (*size, 3)) * np.linspace(0, 1, size[1])[None, :, None]
    return (smooth + grain).clip(0, 255).astype(np.uint8)


def write_photos(folder: Path, count: int = 3) -> PhotoFolder:
    """Some of :func:`draw_photo` as files."""
    folder.mkdir(parents=True)
    for seed in range(count):
        cv2.imwrite(str(folder / f"{seed}.png"), draw_photo(seed)[:, :, ::-1])
    return PhotoFolder(folder)
