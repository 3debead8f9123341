"""The one reader of picture files: photos as RGB, and the exact values of label files."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

#: What :func:`load_image` reads.
ImageSource = str | Path | bytes | BinaryIO | Image.Image | np.ndarray

MIN_SIDE_PIXELS = 32
MAX_ASPECT = 8
MAX_IMAGE_PIXELS = 100_000_000
MAX_IMAGE_BYTES = 100_000_000

# Only plain picture formats: others (EPS, WMF, ...) start programs or are no photos.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
_USE_INSTEAD = "save it as JPEG or PNG"
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}
_MAX_NAME = 60  # letters of a file name quoted in a message
_EXIF_ORIENTATION = 0x0112
_BIT_DEPTH_AT = 24  # position of the bit depth in a PNG file
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_warnings_lock = threading.Lock()


class ImageError(ValueError):
    """A picture nobody can use; the message names it, what was wrong and what is allowed."""


class ImageSizeError(ImageError):
    """A picture that is too large, too small or too thin."""


def load_image(source: ImageSource, name: str | None = None) -> np.ndarray:
    """Read a photo the right way up, in RGB, whatever it is stored as.

    This is the one reader of pictures: every command, training and the page use it. EXIF
    orientation is applied, transparency composited on white, the first frame of an animation taken.
    16-bit values keep their range (65535 becomes 255). 32-bit integers count as 16-bit and
    floats as 0..1, 0..255 or 0..65535, the least that holds them; beyond that they are stretched.

    Args:
        source: a path, the bytes of a file, an open binary file, a PIL image (left as it was; its
            current frame), or an array: uint8, (img_h, img_w) grey or (img_h, img_w, 1 | 3 | 4)
            grey, RGB, RGBA.
        name: what messages call it; by default the file's own name.

    Returns:
        (img_h, img_w, 3) uint8 RGB, contiguous, the caller's own.

    Raises:
        ImageError: missing, unreadable, no image, damaged, a side below 32 pixels, longer than 8:1,
            over 100 megapixels or 100 MB, or an array of another dtype or shape.
    """
    if isinstance(source, np.ndarray):
        return _load_array(source, name or "The array")
    if isinstance(source, Image.Image):
        name = name or "The image"
        _check_size(*source.size, name)
        return _decode(source, name)
    data, name = _read_data(source, name)
    with _open_image(data, name) as image:
        return _decode(image, name)


def read_exif(source: ImageSource) -> dict[int, Any]:
    """What the file of a photo tells of the picture and of how it was taken, by number of the tag.

    Args:
        source: as of :func:`load_image`; an open file is read on from where it stands.

    Returns:
        The values as PIL gives them; nothing where the file tells nothing that can be read.

    Raises:
        ImageError: no picture, or one that is too large, too small or too thin.
    """
    if isinstance(source, np.ndarray):
        return {}
    image = source if isinstance(source, Image.Image) else _open_image(*_read_data(source, None))
    try:
        exif = image.getexif()
        return {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    except Exception:  # a broken EXIF block is no reason to refuse the photo
        return {}


def load_values(path: Path, modes: Sequence[str], name: str | None = None) -> np.ndarray | None:
    """Read the values of a PNG as they are stored, of a palette its indices.

    Args:
        path: of the file.
        modes: PIL's names of the kinds of pixels wanted, of 8 bits a channel or "I;16".
        name: what messages call it; by default the file's own name.

    Returns:
        (img_h, img_w) or (img_h, img_w, channels) uint8 or, of "I;16", uint16; None if the file is
        of another kind.

    Raises:
        ImageError: as of :func:`load_image`, or no PNG.
    """
    name = name or _quote(path)
    data = _read_file(path, name)
    with _open_image(data, name, ("PNG",)) as image:
        # Grey levels of fewer bits would be stretched to 0..255; palette indices stay as is.
        is_exact = image.mode in ("P", "I;16") or data[_BIT_DEPTH_AT] == 8
        if image.mode not in modes or not is_exact:
            return None
        try:
            return np.array(image)
        except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ...
            raise ImageError(_explain_damage(name)) from error


@lru_cache(maxsize=1)
def list_suffixes() -> frozenset[str]:
    """How the names of files end that :func:`load_image` reads, in small letters."""
    known = Image.registered_extensions().items()
    return frozenset(suffix for suffix, form in known if form in _FORMATS)


def _quote(path: str | Path) -> str:
    text = "".join(
        letter if letter.isprintable() else "?" for letter in Path(path).name or str(path)
    )
    return f'"{text if len(text) <= _MAX_NAME else text[: _MAX_NAME - 3] + "..."}"'


def _read_data(source: Any, name: str | None) -> tuple[bytes, str]:
    """The bytes of a picture that is neither PIL's nor an array, and what messages call it."""
    if isinstance(source, (str, Path)):
        name = name or _quote(source)
        return _read_file(Path(source), name), name
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), name or "The file"
    if hasattr(source, "read"):
        given = getattr(source, "name", None)
        name = name or (_quote(given) if isinstance(given, str) else "The file")
        return _read_stream(source, name), name
    raise ImageError(
        f"An image is a path, bytes, an open file, a PIL image or an array, "
        f"not {type(source).__name__}."
    )


def _read_file(path: Path, name: str) -> bytes:
    """The bytes of a picture's file, and one more than allowed if there are too many."""
    try:
        if path.is_dir():
            raise ImageError(f"{name} is a folder; choose an image file.")
        if not path.exists():
            raise ImageError(f"{name} does not exist; check the path.")
        if not path.is_file():
            raise ImageError(f"{name} is not an ordinary file; choose an image file.")
        with path.open("rb") as file:
            return file.read(MAX_IMAGE_BYTES + 1)
    except ImageError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise ImageError(
            f"{name} cannot be opened; check the path and your right to read it."
        ) from error


def _read_stream(stream: Any, name: str) -> bytes:
    try:
        data = stream.read(MAX_IMAGE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: closed, or text that is no UTF-8
        raise ImageError(f"{name} cannot be read; open it again in binary mode.") from error
    if not isinstance(data, bytes):
        raise ImageError(f'{name} is open as text; open it in binary mode ("rb").')
    return data


def _load_array(array: np.ndarray, name: str) -> np.ndarray:
    shaped = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    if array.dtype != np.uint8 or not shaped:
        raise ImageError(
            f"An image array is uint8 and (height, width) or (height, width, 1, 3 or 4), "
            f"got {array.dtype} {array.shape}."
        )
    _check_size(array.shape[1], array.shape[0], name)
    if array.ndim == 3 and array.shape[2] == 3:
        return array.copy(order="C")
    return _convert(Image.fromarray(array.squeeze(2) if array.shape[2:] == (1,) else array))


def _open_image(data: bytes, name: str, formats: Sequence[str] = _FORMATS) -> Image.Image:
    """A picture whose size is allowed; its pixels are not decoded yet."""
    if not data:
        raise ImageError(f"{name} is empty; choose a JPEG, PNG, WebP, TIFF, BMP or GIF file.")
    if len(data) > MAX_IMAGE_BYTES:
        raise ImageError(f"{name} is too big; at most {MAX_IMAGE_BYTES // 10**6} MB are allowed.")
    image = _read_header(data, name, formats)
    _check_size(*image.size, name)
    if image.format != "PNG":
        return image
    try:
        image.verify()  # the checksums, which decoding alone does not look at
    except Exception as error:  # a damaged file makes plugins raise almost anything
        raise ImageError(_explain_unknown(data, name, error)) from error
    return _read_header(data, name, formats)


def _read_header(data: bytes, name: str, formats: Sequence[str]) -> Image.Image:
    """Read the header only; PIL's own size alarms are replaced by ours."""
    Image.init()
    try:
        with _warnings_lock, warnings.catch_warnings():
            # Unreadable AVIF is a warning and our limit is above PIL's: both get our own sentence.
            warnings.filterwarnings("ignore", module="PIL")
            known = [form for form in formats if form in Image.OPEN]
            return Image.open(io.BytesIO(data), formats=known)
    except Image.DecompressionBombError as error:
        raise ImageSizeError(_too_large(name)) from error
    except Exception as error:  # a damaged header makes plugins raise almost anything
        raise ImageError(_explain_unknown(data, name, error)) from error


def _explain_unknown(data: bytes, name: str, error: Exception) -> str:
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    if brand in _HEIF_BRANDS:
        return f"{name} cannot be read: HEIC is not supported; {_USE_INSTEAD}."
    if brand in _AVIF_BRANDS:
        return f"{name} cannot be read: this AVIF is not supported; {_USE_INSTEAD}."
    if isinstance(error, UnidentifiedImageError):
        return f"{name} is not an image that can be read; {_USE_INSTEAD}."
    return _explain_damage(name)


def _explain_damage(name: str) -> str:
    return f"{name} is damaged or incomplete; export it again as JPEG or PNG."


def _check_size(width: int, height: int, name: str) -> None:
    if min(width, height) < MIN_SIDE_PIXELS:
        raise ImageSizeError(
            f"{name} is too small ({width} x {height}); "
            f"each side must have at least {MIN_SIDE_PIXELS} pixels."
        )
    if width * height > MAX_IMAGE_PIXELS:
        raise ImageSizeError(_too_large(name, f" ({width} x {height})"))
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageSizeError(
            f"{name} is too thin ({width} x {height}); "
            f"the longer side may be at most {MAX_ASPECT} times the shorter."
        )


def _too_large(name: str, size: str = "") -> str:
    limit = MAX_IMAGE_PIXELS // 10**6
    return f"{name} is too large{size}; at most {limit} megapixels are allowed."


def _decode(image: Image.Image, name: str) -> np.ndarray:
    """(img_h, img_w, 3) uint8 of an opened image."""
    try:
        image.load()
        transpose = _TRANSPOSE.get(_read_orientation(image))
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, IndexError, ...
        raise ImageError(_explain_damage(name)) from error
    try:
        array = _convert(image)
    except ValueError as error:
        raise ImageError(
            f"{name} has colours of an unsupported kind ({image.mode}); {_USE_INSTEAD} in RGB."
        ) from error
    if transpose is None:
        return array
    return np.array(Image.fromarray(array).transpose(transpose))


def _read_orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8, after decoding: TIFF turns itself and then drops the tag."""
    try:
        orientation: int = image.getexif().get(_EXIF_ORIENTATION, 1)
        return orientation
    except Exception:  # a broken EXIF block is no reason to refuse the photo
        return 1


def _convert(image: Image.Image) -> np.ndarray:
    """(img_h, img_w, 3) uint8 RGB of a decoded image of any mode, not yet turned."""
    if image.mode.startswith("I;16"):
        return _repeat_grey(_scale_16_bit(np.asarray(image)))
    if image.mode in ("I", "F"):
        return _repeat_grey(_scale_unbounded(np.asarray(image), is_float=image.mode == "F"))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGB", layer.size, "white")
        image.paste(layer, mask=layer.getchannel("A"))
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _repeat_grey(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[:, :, None], 3, axis=2)


def _scale_16_bit(values: np.ndarray) -> np.ndarray:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _scale_unbounded(values: np.ndarray, is_float: bool) -> np.ndarray:
    """uint8 of pixel values whose range the file does not say."""
    largest = np.float32(1e38)  # half of float32, so that high - low is finite
    values = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    values = np.clip(values, -largest, largest)
    low, high = float(values.min()), float(values.max())
    tops = (1.0, 255.0, 65535.0) if is_float else (65535.0,)
    top = next((top for top in tops if low >= 0 and high <= top), None)
    if top is None:
        values, top = values - low, high - low or 1.0
    return np.rint(values * np.float32(255 / top)).astype(np.uint8)
