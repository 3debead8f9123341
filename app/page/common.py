"""What several views share: the photo as the network saw it, names of blocks, encoded pictures."""

from __future__ import annotations

import base64
import math

import cv2
import numpy as np

from app.engine.records import Photo, Result
from sparsevit.data.transforms import Size, resize_image
from sparsevit.schedule import SparsitySchedule
from sparsevit.tasks.segments import SegmentsTask
from sparsevit.tasks.semantic import SemanticTask

LONG_SIDE = 1600  # pixels a photo is sent to the page at
_QUALITY = 88
_DECIMALS = 5


def name_block(result: Result, index: int) -> str:
    """ "Stage 1 · block 2 · shifted"."""
    block = result.analysis.blocks[index]
    kind = " · shifted" if block.shifted else ""
    return f"Stage {block.stage + 1} · block {block.block + 1}{kind}"


def describe_schedule(schedule: SparsitySchedule) -> str:
    """ "60 %" or "60 / 0 / 20 40 50 / 0 %"."""
    sparsities = {sparsity for stage in schedule.stages for sparsity in stage}
    if len(sparsities) == 1:
        return f"{100 * sparsities.pop():.0f} %"
    stages = [" ".join(f"{100 * value:.0f}" for value in stage) for stage in schedule.stages]
    return " / ".join(stages) + " %"


def display_photo(photo: Photo, size: Size, long_side: int = LONG_SIDE) -> np.ndarray:
    """(h, w, 3) uint8 RGB, a photo at display size, in the shape (img_h, img_w) a network saw."""
    height, width = size
    scale = long_side / max(height, width)
    return resize_image(photo.pixels, (round(height * scale), round(width * scale)))


def shrink(picture: np.ndarray, long_side: int) -> np.ndarray:
    """A picture (h, w, 3) uint8 RGB scaled so that its longer side has ``long_side`` pixels."""
    scale = long_side / max(picture.shape[:2])
    size = (max(1, round(picture.shape[0] * scale)), max(1, round(picture.shape[1] * scale)))
    return resize_image(picture, size)


def encode_jpeg(pixels: np.ndarray, quality: int = _QUALITY, whole_colours: bool = False) -> str:
    """(h, w, 3) uint8 RGB -> a data URI, so that no picture lies on the server's disk.

    Args:
        pixels: the picture.
        quality: up to 100.
        whole_colours: colours are as fine as brightness; else they are halved, as is usual.
    """
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    if whole_colours:
        sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    _, data = cv2.imencode(".jpg", bgr, options)
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def encode_png(values: np.ndarray) -> str:
    """(h, w) uint8 -> a data URI of a grey PNG that holds exactly these values."""
    _, data = cv2.imencode(".png", values)
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def photo_key(photo: Photo, size: Size) -> str:
    """Stands for a photo in the shape (img_h, img_w) a network saw it in."""
    return f"{photo.key}-{size[0]}x{size[1]}"


def round_number(value: float | None) -> float | None:
    """A number as the page needs it, None as None."""
    return None if value is None else round(float(value), _DECIMALS)


def round_significant(value: float | None) -> float | None:
    """4 significant digits; None for what JSON cannot say."""
    return float(f"{value:.4g}") if value is not None and math.isfinite(value) else None


def describe_classes(task: SemanticTask | SegmentsTask) -> list[dict[str, str]]:
    """``{"name", "colour"}`` of every class, the colour as #rrggbb."""
    return [
        {"name": name, "colour": "#{:02x}{:02x}{:02x}".format(*colour)}
        for name, colour in zip(task.class_names, task.palette, strict=True)
    ]
