"""The camera that took a photo, which 3D boxes need for their metres."""

from __future__ import annotations

import math

from app.engine.records import Photo, Settings
from sparsevit.data.boxes import FIELD_OF_VIEW_DEG, Intrinsics
from sparsevit.data.reader import ImageError
from sparsevit.data.transforms import Size

#: Focal lengths that can be typed, from fisheye to telescope, mm as of a 35 mm camera.
FOCAL_MM = (5.0, 3000.0)

_DIAGONAL_MM = math.hypot(36, 24)  # of its picture


def choose_camera(photo: Photo, settings: Settings) -> tuple[Intrinsics, str]:
    """The camera of a photo at its own size, and where it is known from, in words.

    Raises:
        ImageError: an impossible focal length.
    """
    size = (photo.pixels.shape[0], photo.pixels.shape[1])
    if settings.focal_mm is not None:
        least, most = FOCAL_MM
        if not least <= settings.focal_mm <= most:
            raise ImageError(_say_allowed(f"{settings.focal_mm:g}"))
        focal = settings.focal_mm * math.hypot(*size) / _DIAGONAL_MM
        return Intrinsics.from_focal(size, focal), "typed by you"
    if photo.camera is not None:
        return photo.camera, photo.camera_words
    return (
        Intrinsics.from_field_of_view(size),
        f"assumed ({FIELD_OF_VIEW_DEG:g}° across)",
    )


def find_focal_mm(camera: Intrinsics, size: Size) -> float:
    """The focal length of a camera of a picture (img_h, img_w), mm as of a 35 mm camera."""
    return camera.focal / math.hypot(*size) * _DIAGONAL_MM


def read_focal(text: str) -> float | None:
    """A focal length as somebody types it, mm as of a 35 mm camera; None where the text is empty.

    Raises:
        ImageError: it is no number.
    """
    number = text.strip().lower().removesuffix("mm").strip().replace(",", ".")
    try:
        return float(number) if number else None
    except ValueError:
        raise ImageError(_say_allowed(f'"{text[:20]}"')) from None


def _say_allowed(got: str) -> str:
    least, most = FOCAL_MM
    return (
        f"A focal length is {least:g} to {most:g} mm (35 mm equivalent), got {got}. "
        f"Leave it empty to take what the photo tells."
    )
