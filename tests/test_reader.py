"""Photos of every kind in, RGB out; anything else is one clear sentence."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from sparsevit.data import reader
from sparsevit.data.reader import ImageError, load_image

ORIENTATION = 0x0112


def make_photo(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """Smooth and different in every corner, so that JPEG is close and no turn goes unseen."""
    corners = np.random.default_rng(seed).integers(0, 256, (2, 2, 3), dtype=np.uint8)
    corners[0, 0], corners[1, 1] = (255, 20, 0), (0, 60, 250)
    return cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)


def encode(image: Image.Image | np.ndarray, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(stream, form, **options)
    return stream.getvalue()


def make_png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\0IDAT"
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + chunk + end + struct.pack(">I", zlib.crc32(b"IDAT"))


def explain(source: object) -> str:
    """The sentence an unusable source gets; no warning may escape on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError) as caught:
            load_image(source)  # type: ignore[arg-type]
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 200
    return sentence


# What can be read


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_exact_formats_come_back_exactly(form: str) -> None:
    photo = make_photo()
    assert np.array_equal(load_image(encode(photo, form)), photo)


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("WEBP", {"quality": 95}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("JPEG2000", {}),
    ],
)
def test_other_formats_come_back_closely(form: str, options: dict) -> None:
    photo = make_photo()
    error = np.abs(load_image(encode(photo, form, **options)).astype(int) - photo)
    assert error.mean() < 8


def test_every_kind_of_source_gives_the_same(tmp_path: Path) -> None:
    photo = make_photo()
    path = tmp_path / "füße 1.png"
    path.write_bytes(encode(photo, "PNG"))
    with path.open("rb") as file:
        results = [load_image(file)]
    with Image.open(path) as image:
        results.append(load_image(image))
    data = path.read_bytes()
    for source in (str(path), path, data, io.BytesIO(data), photo):
        results.append(load_image(source))
    for result in results:
        assert np.array_equal(result, photo)
        assert result.dtype == np.uint8
        assert result.flags.c_contiguous
        assert result.flags.writeable
        assert not np.shares_memory(result, photo)


def test_a_pil_image_is_left_as_it_was() -> None:
    image = Image.fromarray(make_photo())
    image.getexif()[ORIENTATION] = 6
    load_image(image)
    assert image.size == (64, 48)
    assert image.getexif()[ORIENTATION] == 6


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied_once(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encode(make_photo(), form, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    result = load_image(data)
    assert np.array_equal(result, expected)
    assert result.shape[:2] == ((64, 48) if orientation >= 5 else (48, 64))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_impossible_orientations_are_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    photo = make_photo()
    assert np.array_equal(load_image(encode(photo, "PNG", exif=exif)), photo)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_is_ignored() -> None:
    photo = make_photo()
    data = encode(photo, "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffnonsense")
    assert np.array_equal(load_image(data), photo)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_16_bit_gradient_fills_0_to_255(mode: str) -> None:
    gradient = np.linspace(0, 65535, 64 * 64).round().reshape(64, 64)
    dtype = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[mode]
    image = Image.frombytes(mode, (64, 64), gradient.astype(dtype).tobytes())
    assert_is_gradient(load_image(image), gradient / 257)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("extension", [".png", ".tif", ".pnm"])
def test_16_bit_files_fill_0_to_255(extension: str, channels: int) -> None:
    gradient = np.linspace(0, 65535, 64 * 64).reshape(64, 64)
    pixels = np.dstack([gradient] * channels).round().astype(np.uint16)
    _, data = cv2.imencode(extension, pixels)
    assert_is_gradient(load_image(data.tobytes()), gradient / 257)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 255), (0, 65535), (-3, 5), (0, 1e30)])
def test_float_gradients_fill_0_to_255(low: float, high: float) -> None:
    gradient = np.linspace(0, 1, 64 * 64).reshape(64, 64)
    image = Image.fromarray((low + gradient * (high - low)).astype(np.float32))
    assert_is_gradient(load_image(image), gradient * 255)


def test_a_dim_16_bit_photo_stays_dim() -> None:
    assert load_image(Image.fromarray(np.full((40, 40), 514, dtype=np.uint16))).max() == 2


def test_floats_that_are_no_numbers_are_black() -> None:
    pixels = np.full((40, 40), 0.5, dtype=np.float32)
    pixels[0, :3] = np.nan, np.inf, -np.inf
    result = load_image(Image.fromarray(pixels))
    assert not result[0, :3].any()
    assert (result[1:] == 128).all()


def assert_is_gradient(result: np.ndarray, expected: np.ndarray) -> None:
    assert (result[..., 0] == result[..., 1]).all()
    assert (result[..., 0] == result[..., 2]).all()
    assert result.min() == 0
    assert result.max() == 255
    assert np.abs(result[..., 0] - expected).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV"])
def test_opaque_modes(mode: str) -> None:
    image = Image.fromarray(make_photo()).convert(mode)
    result = load_image(image)
    assert np.array_equal(result, np.array(image.convert("RGB")))


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_shown_on_white(form: str) -> None:
    pixels = np.zeros((40, 40, 4), dtype=np.uint8)
    pixels[:, :, 0], pixels[:20, :, 3], pixels[20:, :20, 3] = 200, 255, 128
    result = load_image(encode(pixels, form, **({"lossless": True} if form == "WEBP" else {})))
    for place, expected in (((5, 5), (200, 0, 0)), ((30, 5), (227, 127, 127))):
        assert np.abs(result[place].astype(int) - expected).max() <= 1
    assert (result[30, 30] == 255).all()


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_transparent_palette_colour_is_white(form: str) -> None:
    image = Image.new("P", (40, 40), 1)
    image.putpalette([0, 0, 0, 10, 200, 30] + [0] * 762)
    image.paste(0, (0, 0, 20, 40))
    result = load_image(encode(image, form, transparency=0))
    assert (result[:, :20] == 255).all()
    assert (result[:, 20:] == (10, 200, 30)).all()


@pytest.mark.parametrize("mode", ["LA", "PA", "RGBA", "RGBa"])
def test_clear_pictures_are_white(mode: str) -> None:
    assert (load_image(Image.new(mode, (40, 40))) == 255).all()


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animations_give_their_first_frame(form: str) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    data = encode(frames[0], form, save_all=True, append_images=frames[1:])
    assert np.abs(load_image(data)[20, 20].astype(int) - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 1), (40, 50, 3)])
def test_arrays(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    expected = np.broadcast_to(array.reshape(40, 50, -1), (40, 50, 3))
    assert np.array_equal(load_image(array), expected)
    assert np.array_equal(load_image(array[::-1]), expected[::-1])


def test_clear_array_is_white() -> None:
    assert (load_image(np.zeros((40, 50, 4), np.uint8)) == 255).all()


def test_smallest_and_thinnest_photo() -> None:
    assert load_image(np.zeros((32, 256, 3), np.uint8)).shape == (32, 256, 3)


# What cannot


def test_paths_that_are_no_photos(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "notes.jpg").write_text("hello")
    assert explain(tmp_path / "no.png") == '"no.png" does not exist; check the path.'
    assert explain(str(tmp_path)) == f'"{tmp_path.name}" is a folder; choose an image file.'
    assert '"empty.png" is empty' in explain(tmp_path / "empty.png")
    assert '"notes.jpg" is not an image' in explain(tmp_path / "notes.jpg")
    assert "not an ordinary file" in explain("/dev/null")


@pytest.mark.parametrize("path", ["a\0b.png", "x" * 5000, "new\nline.png", ""])
def test_strange_paths(path: str) -> None:
    assert explain(path)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_truncated_files(form: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encode(pixels, form)
    assert "damaged or incomplete" in explain(data[: len(data) // 2])


def test_a_png_that_ends_in_zeros_is_damaged() -> None:
    """As a download that broke off leaves it; Pillow alone makes a picture of it."""
    pixels = np.random.default_rng(0).integers(0, 256, (128, 256, 3), dtype=np.uint8)
    data = encode(pixels, "PNG")
    spoiled = data[: len(data) * 97 // 100].ljust(len(data), b"\0")
    with Image.open(io.BytesIO(spoiled)) as image:
        assert not np.array_equal(np.asarray(image.convert("RGB")), pixels)
    assert "damaged or incomplete" in explain(spoiled)
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    assert "damaged or incomplete" in explain(flipped)


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ((31, 200), "too small (31 x 200)"),
        ((200, 31), "too small (200 x 31)"),
        ((257, 32), "too thin (257 x 32)"),
        ((32, 300), "too thin (32 x 300)"),
        ((10001, 10000), "too large (10001 x 10000)"),
        ((20000, 20000), "too large"),
    ],
)
def test_sizes_are_refused_before_decoding(size: tuple[int, int], reason: str) -> None:
    sentence = explain(make_png_header(*size))
    assert reason in sentence
    assert any(limit in sentence for limit in ("32 pixels", "8 times", "100 megapixels"))


def test_pil_alarms_about_size_never_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 40 - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_image(encode(make_photo(40, 40), "PNG"))
    assert "too large" in explain(encode(make_photo(90, 90), "PNG"))


def test_too_many_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reader, "MAX_IMAGE_BYTES", 1_000_000)
    path = tmp_path / "big.png"
    path.write_bytes(bytes(1_000_001))
    assert explain(path) == '"big.png" is too big; at most 1 MB are allowed.'
    assert "too big" in explain(bytes(1_000_001))
    assert "too big" in explain(io.BytesIO(bytes(1_000_001)))


def test_a_stream_without_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_IMAGE_BYTES", 1_000_000)
    with open("/dev/zero", "rb") as endless:
        assert '"zero" is too big' in explain(endless)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"msf1", b"hevc"])
def test_heic_is_named(brand: bytes) -> None:
    data = b"\0\0\0\x18ftyp" + brand + bytes(200)
    assert "HEIC is not supported; save it as JPEG or PNG." in explain(data)


def test_avif_that_cannot_be_read_is_named() -> None:
    assert "AVIF is not supported" in explain(b"\0\0\0\x18ftypavif" + bytes(200))


def test_closed_and_text_files(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode(make_photo(), "PNG"))
    file = path.open("rb")
    file.close()
    assert '"a.png" cannot be read' in explain(file)
    with path.open() as text:
        explain(text)
    assert "as text" in explain(io.StringIO("hello"))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((40, 40), np.float32),
        np.zeros((40, 40, 3), np.int64),
        np.zeros((40, 40, 2), np.uint8),
        np.zeros((1, 40, 40, 3), np.uint8),
        np.zeros(40, np.uint8),
        np.zeros((40, 40), object),
    ],
)
def test_wrong_arrays(array: np.ndarray) -> None:
    assert str(array.dtype) in explain(array)


def test_arrays_too_small() -> None:
    assert "too small (40 x 0)" in explain(np.zeros((0, 40), np.uint8))


@pytest.mark.parametrize("source", [None, 3, ["a.png"], object()])
def test_things_that_are_no_source(source: object) -> None:
    assert type(source).__name__ in explain(source)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    try:
        result = load_image(data)
    except ImageError:
        return
    assert result.shape[2] == 3


SEEDS = {form: encode(make_photo(33, 40), form) for form in reader._FORMATS if form != "AVIF"}


@settings(max_examples=250, deadline=None)
@given(
    form=st.sampled_from(sorted(SEEDS)),
    edits=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=6),
    cut=st.floats(0.1, 1),
)
def test_damaged_files_never_raise_anything_else(
    form: str, edits: list[tuple[float, int]], cut: float
) -> None:
    data = bytearray(SEEDS[form])
    for place, value in edits:
        data[int(place * min(len(data), 400))] = value
    try:
        result = load_image(bytes(data[: int(len(data) * cut)]))
    except ImageError:
        return
    assert result.dtype == np.uint8
    assert result.ndim == 3
