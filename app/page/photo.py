"""The photo itself, sent once for each picture and shape; the other views draw over it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from app.engine.records import Photo, Result
from app.page.common import LONG_SIDE, display_photo, encode_jpeg, photo_key, shrink
from app.page.templates import render
from sparsevit.data.transforms import Size

_THUMB_SIDE = 176  # pixels


def make_photo(result: Result, long_side: int = LONG_SIDE) -> str:
    """JSON for ``photo.js``: ``{"key", "width", "height", "uri"}``.

    Args:
        result: whose photo it is.
        long_side: pixels of the longer side it is sent at.
    """
    return describe_photo(result.photo, result.analysis.prepared.input_size, long_side)


def describe_photo(photo: Photo, size: Size, long_side: int = LONG_SIDE) -> str:
    """The same for a photo in the shape (img_h, img_w) that a network sees."""
    picture = display_photo(photo, size, long_side)
    return json.dumps(
        {
            "key": photo_key(photo, size),
            "width": picture.shape[1],
            "height": picture.shape[0],
            "uri": encode_jpeg(picture),
        }
    )


def show_examples(photos: Sequence[tuple[str, np.ndarray]]) -> str:
    """Thumbnails of the example pictures, as buttons."""
    examples = [(name, encode_jpeg(shrink(pixels, _THUMB_SIDE))) for name, pixels in photos]
    return render("page/examples.html", examples=examples)
