"""The camera that took a photo, which 3D boxes need for their metres."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.engine.records import Settings
from sparsevit.data.boxes import Boxes3D, Intrinsics
from sparsevit.data.focal import CameraError, PhotoCamera, assume_camera, convert_film
from sparsevit.data.transforms import Size
from sparsevit.tasks import Task
from sparsevit.tasks.boxes3d import Boxes3DTask

#: Focal lengths that can be typed, from fisheye to telescope, mm in terms of 35 mm film.
FOCAL_MM = (5.0, 2000.0)


def choose_camera(size: Size, settings: Settings, known: PhotoCamera | None = None) -> PhotoCamera:
    """The camera of a picture (img_h, img_w): what the user typed, else what is known, else usual.

    Raises:
        CameraError: an impossible focal length.
    """
    focal_mm = settings.focal_mm
    if focal_mm is None:
        return known or assume_camera(size)
    least, most = FOCAL_MM
    if not least <= focal_mm <= most:
        raise CameraError(_say_allowed(f"{focal_mm:g}"))
    intrinsics = Intrinsics.from_focal(size, convert_film(focal_mm, size))
    return PhotoCamera(intrinsics, f"as given: {focal_mm:g} mm in terms of 35 mm film")


def aim_task(task: Task, camera: PhotoCamera, photo_size: Size) -> Task:
    """The task with boxes in the metres of a camera, where it finds boxes.

    Args:
        task: of a network.
        camera: of the photo at its own size.
        photo_size: (img_h, img_w) of that.
    """
    if not isinstance(task, Boxes3DTask):
        return task
    read = task.read

    def read_seen(output: Any, size: Size) -> Boxes3D:
        return read(output, size).see_with(camera.intrinsics.resize(photo_size, size))

    return replace(task, read=read_seen)


def read_focal(text: str) -> float | None:
    """A focal length as somebody types it, mm in terms of 35 mm film; None for empty text.

    Raises:
        CameraError: it is no number.
    """
    number = text.strip().lower().removesuffix("mm").strip().replace(",", ".")
    try:
        return float(number) if number else None
    except ValueError:
        raise CameraError(_say_allowed(f'"{text[:20]}"')) from None


def _say_allowed(got: str) -> str:
    least, most = FOCAL_MM
    return (
        f"A focal length is {least:g} to {most:g} mm (35 mm equivalent), got {got}. "
        f"Leave it empty to take what the photo tells."
    )
