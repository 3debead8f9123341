"""Restored photos in the tab Outputs: the pictures, how far each is off, and the numbers."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from app.engine.records import Result
from app.page.common import encode_jpeg, encode_png, photo_key, round_number
from sparsevit.data.transforms import resize_image
from sparsevit.inspect.restored import Restored
from sparsevit.tasks.restoration import RestorationTask, read_luma

_QUALITY = 96  # of JPEG with all its colours: what it adds is no grey level on average
_MOST_PIXELS = 6_000_000  # of a picture that is sent
_STEPS = (4, 8, 16, 32, 64, 128, 255)  # ends of the scale of a map, grey levels
_SHOWN = 0.99  # of the pixels lie within the scale
_NEAR = 31  # pixels around one, of the place where a network does most


def describe_restored(result: Result, task: RestorationTask) -> dict[str, Any]:
    """The pictures of one photo, as plain data.

    Returns:
        ``{"photo": key, "size": [h, w], "classes": [{"name", "side"}], "sides", "pictures",
        "errors", "levels", "spot": [u, v], "agreement", "gain", "rows"}``. Classes are the
        pictures: side "base" is bicubic interpolation, then "dense", "sparse", and "truth" where
        the original is known. Pictures are data URIs by side. Errors are grey PNGs by side, at
        every pixel how many grey levels its brightness is off the original; without one only
        "sparse", off the dense picture. Levels is where their scale ends, and spot the place where
        the network does most, fractions of the picture. Gain is ``{"dense", "sparse"}``, dB closer
        to the original than base, or None. A row is ``{"index", "psnr", "ssim"}`` of a picture
        against the original, without one its PSNR against dense.
    """
    restored = result.restored
    assert restored is not None
    names = {"base": task.base_name, "dense": "dense", "sparse": "sparse", "truth": "original"}
    pictures = restored.sides
    if restored.truth is not None:
        pictures["truth"] = restored.truth
    luma = {name: read_luma(_fit(picture)) for name, picture in pictures.items()}
    errors = _find_errors(luma)
    height, width = luma["base"].shape
    return {
        "photo": photo_key(result.photo, result.analysis.prepared.input_size),
        "size": [height, width],
        "classes": [{"name": names[side], "side": side} for side in pictures],
        "sides": {"base": names["base"], "truth": names["truth"]},
        "pictures": {
            side: encode_jpeg(_fit(picture), _QUALITY, whole_colours=True)
            for side, picture in pictures.items()
        },
        "errors": {side: encode_png(error) for side, error in errors.items()},
        "levels": _choose_levels(errors),
        "spot": _find_spot(luma),
        "agreement": round_number(result.analysis.agreement["agreement"]),
        "gain": restored.gain,
        "rows": _list_rows(restored, list(pictures)),
    }


def _list_rows(restored: Restored, sides: list[str]) -> list[dict[str, Any]]:
    psnr, ssim = restored.psnr, restored.ssim
    if psnr is None or ssim is None:
        task, dense = restored.task, restored.dense
        psnr = {
            side: task.compare(dense, picture)["agreement"]
            for side, picture in restored.sides.items()
            if side != "dense"
        }
        ssim = {}
    return [
        {
            "index": index,
            "psnr": round_number(psnr.get(side)),
            "ssim": round_number(ssim.get(side)),
        }
        for index, side in enumerate(sides)
    ]


def _fit(picture: np.ndarray) -> np.ndarray:
    """A picture, smaller where it is too large to be sent."""
    height, width = picture.shape[:2]
    scale = math.sqrt(_MOST_PIXELS / (height * width))
    return (
        picture if scale >= 1 else resize_image(picture, (int(height * scale), int(width * scale)))
    )


def _find_errors(luma: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(h, w) uint8 grey levels by side, off the truth, or sparse off dense."""
    truth = luma.get("truth")
    sides = ("base", "dense", "sparse") if truth is not None else ("sparse",)
    against = luma["dense"] if truth is None else truth
    return {side: np.rint(np.abs(luma[side] - against)).astype(np.uint8) for side in sides}


def _choose_levels(errors: dict[str, np.ndarray]) -> int:
    most = max(float(np.quantile(error, _SHOWN)) for error in errors.values())
    return next(step for step in _STEPS if step >= most)


def _find_spot(luma: dict[str, np.ndarray]) -> tuple[float, float]:
    """Where the dense picture is closer to the truth than base is, or where it differs most."""
    change = np.abs(luma["dense"] - luma["base"])
    if "truth" in luma:
        off = {side: np.abs(luma[side] - luma["truth"]) for side in ("base", "dense")}
        change = off["base"] - off["dense"]
    around = cv2.blur(change, (_NEAR, _NEAR), borderType=cv2.BORDER_CONSTANT)
    y, x = divmod(int(around.argmax()), change.shape[1])
    return (x + 0.5) / change.shape[1], (y + 0.5) / change.shape[0]
