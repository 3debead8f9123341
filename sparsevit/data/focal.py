"""The camera that took a photo: from what its file tells, from a person, or assumed."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from PIL.ExifTags import Base

from sparsevit.data.boxes import FIELD_OF_VIEW_DEG, Intrinsics
from sparsevit.data.reader import ImageSource, read_exif
from sparsevit.data.transforms import Size

_FILM_DIAGONAL_MM = math.hypot(36, 24)  # of a picture on 35 mm film

#: Fields of view over the longer side of a photo that make sense, degrees.
MIN_FIELD_DEG, MAX_FIELD_DEG = 1.0, 170.0

_UNITS_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # FocalPlaneResolutionUnit


class CameraError(ValueError):
    """A camera that no photo was taken with; the message says what was given and what can be."""


class PhotoCamera(NamedTuple):
    """The camera of a photo.

    Attributes:
        intrinsics: of the photo at its own size.
        words: where they are from, to go on after "camera": "assumed: ...".
    """

    intrinsics: Intrinsics
    words: str


def find_camera(source: ImageSource, size: Size) -> PhotoCamera:
    """The camera that a photo was taken with, by the EXIF of its file.

    That is the focal length in terms of 35 mm film, else the focal length with the size of the
    sensor. What makes no sense is passed over. A file that tells neither is taken to see 60 degrees
    over its longer side.

    Args:
        source: the photo, as :func:`sparsevit.data.reader.load_image` reads it.
        size: (img_h, img_w) of the photo as that function gives it: the right way up.

    Raises:
        ImageError: as of :func:`sparsevit.data.reader.read_exif`.
    """
    exif = read_exif(source)
    film = _read_number(exif.get(Base.FocalLengthIn35mmFilm))
    focal = convert_film(film, size)
    if _makes_sense(focal, size):
        words = f"from its EXIF: {film:g} mm in terms of 35 mm film"
        return PhotoCamera(Intrinsics.from_focal(size, focal), words)
    length, sensor = _read_number(exif.get(Base.FocalLength)), _find_sensor_width(exif, size)
    focal = length * _find_stored_width(exif, size) / sensor if sensor else 0.0
    if _makes_sense(focal, size):
        words = f"from its EXIF: {length:g} mm before a sensor {sensor:.3g} mm wide"
        return PhotoCamera(Intrinsics.from_focal(size, focal), words)
    return assume_camera(size)


def assume_camera(size: Size) -> PhotoCamera:
    """The camera of a photo (img_h, img_w) that nothing is known of."""
    words = f"assumed: {FIELD_OF_VIEW_DEG:g} degrees over the longer side, as nothing tells it"
    return PhotoCamera(Intrinsics.from_field_of_view(size), words)


def make_camera(
    size: Size, focal_px: float | None = None, field_deg: float | None = None
) -> PhotoCamera:
    """The camera that a person says a photo was taken with.

    Args:
        size: (img_h, img_w) of the photo.
        focal_px: focal length in pixels of the photo.
        field_deg: or its field of view over the longer side, degrees.

    Raises:
        CameraError: both or neither is given, or one that makes no sense.
    """
    if focal_px is not None and field_deg is None:
        if not _makes_sense(focal_px, size):
            least, most = (
                Intrinsics.from_field_of_view(size, degrees).focal
                for degrees in (MAX_FIELD_DEG, MIN_FIELD_DEG)
            )
            raise CameraError(
                f"The focal length of a photo of {size[1]} x {size[0]} is {math.ceil(least)} to "
                f"{math.floor(most)} pixels, not {focal_px:g}."
            )
        camera = Intrinsics.from_focal(size, focal_px)
        return PhotoCamera(camera, f"as given: a focal length of {focal_px:g} pixels")
    if field_deg is not None and focal_px is None:
        if not MIN_FIELD_DEG <= field_deg <= MAX_FIELD_DEG:
            raise CameraError(
                f"A field of view is {MIN_FIELD_DEG:g} to {MAX_FIELD_DEG:g} degrees, "
                f"not {field_deg:g}."
            )
        camera = Intrinsics.from_field_of_view(size, field_deg)
        return PhotoCamera(camera, f"as given: {field_deg:g} degrees over the longer side")
    raise CameraError("Give a focal length or a field of view, and not both.")


def convert_film(focal_mm: float, size: Size) -> float:
    """Pixels of a focal length in terms of 35 mm film, for a picture (img_h, img_w).

    It goes by the diagonal, as CIPA DCG-001 defines it, so that it means the same for every aspect.
    """
    return focal_mm * math.hypot(*size) / _FILM_DIAGONAL_MM


def find_film_focal(camera: Intrinsics, size: Size) -> float:
    """Focal length of the camera of a picture (img_h, img_w), mm in terms of 35 mm film."""
    return camera.focal / convert_film(1.0, size)


def _makes_sense(focal: float, size: Size) -> bool:
    """Whether a focal length in pixels leads to a possible field of view."""
    if not (math.isfinite(focal) and focal > 0):
        return False
    field = math.degrees(2 * math.atan(max(size) / 2 / focal))
    return MIN_FIELD_DEG <= field <= MAX_FIELD_DEG


def _read_number(value: Any) -> float:
    """A number above 0 of EXIF's; 0 if it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, ArithmeticError):
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0


def _find_stored_width(exif: dict[int, Any], size: Size) -> int:
    """How wide the picture lies in its file, before it is turned the right way up."""
    is_turned = exif.get(Base.Orientation) in (5, 6, 7, 8)
    return size[0] if is_turned else size[1]


def _find_sensor_width(exif: dict[int, Any], size: Size) -> float:
    """Millimetres of the sensor over the stored width; 0 if that is not told.

    Its pixels are counted in those of the photo as it was taken, whatever was made of it later.
    """
    density = _read_number(exif.get(Base.FocalPlaneXResolution))
    unit = _UNITS_MM.get(exif.get(Base.FocalPlaneResolutionUnit, 2), 0.0)
    taken = _read_number(exif.get(Base.ExifImageWidth)) or _find_stored_width(exif, size)
    return taken * unit / density if density else 0.0
