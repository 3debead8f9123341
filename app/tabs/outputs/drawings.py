"""What the drawings and maps of several tasks share."""

from __future__ import annotations

import numpy as np

from app.page.common import encode_jpeg

UNKNOWN = 255  # in a map: nobody knows, or nothing is there

LONG_SIDE = 720  # pixels a drawing is sent to the page at


def encode_pair(drawn: tuple[np.ndarray, np.ndarray]) -> dict[str, str]:
    """Drawings of the dense and the sparse side, ``{"dense", "sparse"}`` as data URIs."""
    return dict(zip(("dense", "sparse"), map(encode_jpeg, drawn), strict=True))
