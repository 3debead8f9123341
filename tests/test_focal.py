"""Where the camera of a photo comes from, with focal lengths computed by hand."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base
from PIL.TiffImagePlugin import IFDRational

from sparsevit.data.boxes import Intrinsics
from sparsevit.data.focal import CameraError, assume_camera, find_camera, make_camera
from sparsevit.data.reader import ImageError, load_image, read_exif

SIZE = (300, 400)  # its diagonal is 500
NAN = math.nan


def encode(tags: dict[Base, Any], form: str = "JPEG", orientation: int | None = None) -> bytes:
    """A photo of 400 x 300 pixels, as it is stored, whose file has these tags."""
    exif = Image.Exif()
    if orientation is not None:
        exif[Base.Orientation] = orientation
    exif.get_ifd(IFD.Exif).update(tags)
    file = io.BytesIO()
    Image.new("RGB", (400, 300)).save(file, form, exif=exif.tobytes())
    return file.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_35_mm_terms_go_by_the_diagonal(form: str) -> None:
    camera, words = find_camera(encode({Base.FocalLengthIn35mmFilm: 26}, form), SIZE)
    # 26 mm over a diagonal of sqrt(36^2 + 24^2) = 43.27 mm, of 500 pixels.
    assert camera.fx == camera.fy == pytest.approx(26 / 43.2666 * 500, rel=1e-5)
    assert (camera.cx, camera.cy) == (200.0, 150.0)
    assert words == "from its EXIF: 26 mm in terms of 35 mm film"


SENSOR = {
    Base.FocalLength: IFDRational(8, 1),
    Base.FocalPlaneXResolution: IFDRational(4000, 1),  # 4000 pixels a centimetre
    Base.FocalPlaneResolutionUnit: 3,
}


def test_else_the_sensor_counts() -> None:
    # 400 pixels at 400 a millimetre: a sensor 1 mm wide.
    camera, words = find_camera(encode(SENSOR), SIZE)
    assert camera.fx == pytest.approx(8 * 400)
    assert words == "from its EXIF: 8 mm before a sensor 1 mm wide"
    # Taken at 4000 pixels, so the sensor is 10 mm wide; shown at 400 now.
    large = SENSOR | {Base.ExifImageWidth: 4000}
    assert find_camera(encode(large), SIZE)[0].fx == pytest.approx(8 / 10 * 400)
    inches = SENSOR | {Base.FocalPlaneResolutionUnit: 2}
    assert find_camera(encode(inches), SIZE)[0].fx == pytest.approx(8 * 4000 / 25.4)


def test_a_photo_is_turned_with_its_camera() -> None:
    """The sensor's width lies over the stored picture's, which is the height when turned."""
    data = encode(SENSOR | {Base.ExifImageWidth: 4000}, orientation=6)
    photo = load_image(data)
    assert photo.shape == (400, 300, 3)
    camera, _ = find_camera(data, photo.shape[:2])
    assert camera.fx == pytest.approx(8 / 10 * 400)
    assert (camera.cx, camera.cy) == (150.0, 200.0)


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {Base.FocalLengthIn35mmFilm: 0},
        {Base.FocalLengthIn35mmFilm: 65535},
        {Base.FocalLengthIn35mmFilm: "wide"},
        {Base.FocalLength: IFDRational(8, 1)},
        SENSOR | {Base.FocalLength: IFDRational(0, 1)},
        SENSOR | {Base.FocalLength: IFDRational(8, 0)},
        SENSOR | {Base.FocalPlaneXResolution: IFDRational(0, 0)},
        SENSOR | {Base.FocalPlaneResolutionUnit: 99},
        SENSOR | {Base.ExifImageWidth: 1},
    ],
)
def test_nonsense_is_passed_over(tags: dict[Base, Any]) -> None:
    camera, words = find_camera(encode(tags), SIZE)
    assert camera.fx == pytest.approx(200 * math.sqrt(3))
    assert words == "assumed: 60 degrees over the longer side, as nothing tells it"


@pytest.mark.parametrize("value", [NAN, math.inf, -26, (26, 1), b"\0", None, IFDRational(26, 0)])
def test_no_value_of_a_tag_is_a_fault(monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    tags = {Base.FocalLengthIn35mmFilm: value, Base.FocalLength: value}
    tags |= {Base.FocalPlaneXResolution: value, Base.FocalPlaneResolutionUnit: value}
    monkeypatch.setattr("sparsevit.data.focal.read_exif", lambda source: tags)
    assert find_camera(b"", SIZE) == assume_camera(SIZE)


def test_a_zero_in_35_mm_terms_leads_on_to_the_sensor() -> None:
    """What cameras write where they do not know it."""
    found = find_camera(encode(SENSOR | {Base.FocalLengthIn35mmFilm: 0}), SIZE)
    assert found.words.endswith("a sensor 1 mm wide")


def test_exif_is_read_of_whatever_a_picture_is_read_of(tmp_path: Path) -> None:
    data = encode({Base.FocalLengthIn35mmFilm: 26}, orientation=3)
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    for source in (path, str(path), data, io.BytesIO(data), Image.open(path)):
        exif = read_exif(source)
        assert (exif[Base.FocalLengthIn35mmFilm], exif[Base.Orientation]) == (26, 3)
    assert read_exif(np.zeros((32, 32, 3), np.uint8)) == {}
    broken = data.replace(b"Exif\0\0", b"Exif\0\0junk")
    assert Base.FocalLengthIn35mmFilm not in read_exif(broken)
    with pytest.raises(ImageError, match="does not exist"):
        read_exif(tmp_path / "nothing.jpg")


def test_a_person_says_the_focal_length_or_the_field_of_view() -> None:
    camera, words = make_camera(SIZE, focal_px=350.0)
    assert camera == Intrinsics(350.0, 350.0, 200.0, 150.0)
    assert words == "as given: a focal length of 350 pixels"
    camera, words = make_camera(SIZE, field_deg=90.0)
    assert camera.fx == pytest.approx(200.0)
    assert words == "as given: 90 degrees over the longer side"
    for values in ({}, {"focal_px": 350.0, "field_deg": 90.0}):
        with pytest.raises(CameraError, match="not both"):
            make_camera(SIZE, **values)


@pytest.mark.parametrize("focal", [0.0, -5.0, NAN, math.inf, 17.0, 3e4])
def test_impossible_focal_lengths_are_refused(focal: float) -> None:
    """Of 170 degrees: 200 / tan(85 degrees) = 17.5; of 1: 200 / tan(0.5) = 22918."""
    with pytest.raises(CameraError) as error:
        make_camera(SIZE, focal_px=focal)
    expected = f"The focal length of a photo of 400 x 300 is 18 to 22917 pixels, not {focal:g}."
    assert str(error.value) == expected


@pytest.mark.parametrize("degrees", [0.0, -60.0, NAN, 171.0, 180.0, math.inf])
def test_impossible_fields_of_view_are_refused(degrees: float) -> None:
    with pytest.raises(CameraError, match=r"is 1 to 170 degrees, not"):
        make_camera(SIZE, field_deg=degrees)
